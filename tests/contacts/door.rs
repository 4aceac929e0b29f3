//! The door of this surface: keys, the secure transport, methods, limits, sizes, repeats.

use hookrelay::api::front::Settings as Http;
use hookrelay::limit::Settings as Limits;

use crate::shop::{JANE, call, jane, text, types};
use crate::world::{KEY, Options, Reply, World};

fn error(reply: &Reply) -> (u16, String, String) {
    let error = &reply.json()["error"];
    (reply.status, text(error, "code"), text(error, "message"))
}

fn told(status: u16, code: &str, message: &str) -> (u16, String, String) {
    (status, code.to_owned(), message.to_owned())
}

fn unauthorized() -> (u16, String, String) {
    told(401, "UNAUTHORIZED", "Invalid or missing API key.")
}

#[tokio::test]
async fn a_key_in_the_query_or_in_the_header() {
    let world = World::start().await;
    let contact = format!("/v1/contacts/{}", jane(&world).await);
    let wrong = "wrongwrongwrongwrongwrongwrong01";
    for (query, header, right) in [
        (format!("?apiKey={KEY}"), None, true),
        (format!("?x=1&apiKey={KEY}&y"), None, true),
        (format!("?apiKey=&apiKey={KEY}"), None, true),
        (String::new(), Some(KEY), true),
        // The header is looked at first.
        (format!("?apiKey={wrong}"), Some(KEY), true),
        (format!("?apiKey={KEY}"), Some(wrong), false),
        (format!("?apiKey={KEY}"), Some(" "), true),
        (format!("?apikey={KEY}"), None, false),
        (format!("?apiKey={wrong}"), None, false),
        ("?apiKey=".to_owned(), None, false),
        ("?apiKey=short".to_owned(), None, false),
        (String::new(), None, false),
    ] {
        let header = header.map(|key| ("x-api-key", key));
        let headers: Vec<(&str, &str)> = header.into_iter().collect();
        let path = format!("{contact}{query}");
        let reply = world.send("GET", &path, &headers, "").await;
        if right {
            assert_eq!(reply.status, 200, "{query}");
        } else {
            assert_eq!(error(&reply), unauthorized(), "{query} {headers:?}");
            assert_eq!(reply.header("ratelimit-limit"), None);
        }
    }
    // A stranger's body is not looked at.
    let reply = world.send("POST", "/v1/contacts", &[], "[").await;
    assert_eq!(error(&reply), unauthorized());
}

#[tokio::test]
async fn a_key_of_another_surface_may_not() {
    let world = World::start().await;
    let path = format!("/admin/v1/accounts/{}/keys", world.account);
    let made = world.admin("POST", &path, r#"{"surfaces":["flex"]}"#).await;
    let key = text(&made.json(), "api_key");
    let headers = [("x-api-key", key.as_str())];
    let reply = world.send("GET", "/v1/contacts/x", &headers, "").await;
    assert_eq!(error(&reply), told(403, "FORBIDDEN", "Permission denied."));
}

#[tokio::test]
async fn only_over_a_secure_transport() {
    let world = World::with(Options {
        http: Http::default(),
        ..Options::default()
    })
    .await;
    let before = world.logged().await;
    let path = format!("/v1/contacts?apiKey={KEY}");
    for path in [path.as_str(), "/v1/nothing"] {
        let reply = world.send("POST", path, &[], JANE).await;
        let expected = told(403, "HTTPS_REQUIRED", "Requests must use HTTPS.");
        assert_eq!(error(&reply), expected);
        assert_eq!(reply.header("connection"), Some("close"));
    }
    assert_eq!(world.logged().await, before);
}

#[tokio::test]
async fn methods_that_a_route_does_not_know() {
    let world = World::start().await;
    for (method, path, allowed) in [
        ("PATCH", "contacts", "GET,POST"),
        ("DELETE", "contacts", "GET,POST"),
        ("GET", "contacts/lists", "POST,DELETE"),
        ("POST", "contacts/x", "GET,PUT"),
        ("POST", "contacts/x/messages", "GET"),
        ("POST", "contacts/tags/x", "GET"),
        ("GET", "lists/x/contacts", "POST"),
        ("GET", "send_custom_channel_message", "POST"),
        ("PUT", "incoming-custom-channel-message", "POST"),
        ("PUT", "subaccounts", "GET,POST,DELETE"),
        ("GET", "subaccounts/credits", "POST"),
        ("POST", "agencies/usage/export", "GET"),
        ("OPTIONS", "contacts", "GET,POST"),
    ] {
        let reply = call(&world, method, path, "").await;
        let expected = told(405, "METHOD_NOT_ALLOWED", "Method not allowed.");
        assert_eq!(error(&reply), expected, "{method} {path}");
        let mut found: Vec<&str> = reply
            .header("allow")
            .unwrap()
            .split(',')
            .map(str::trim)
            .collect();
        found.retain(|method| *method != "HEAD");
        let mut expected: Vec<&str> = allowed.split(',').collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn sizes_encodings_and_a_closed_door() {
    let world = World::start().await;
    let huge = format!(r#"{{"phone":"{}"}}"#, "1".repeat(1024 * 1024));
    let reply = call(&world, "POST", "contacts", &huge).await;
    let expected = told(413, "REQUEST_TOO_LARGE", "Request body is too large.");
    assert_eq!(error(&reply), expected);
    let headers = [("x-api-key", KEY), ("content-encoding", "gzip")];
    let reply = world.send("POST", "/v1/contacts", &headers, JANE).await;
    let message = "Request body must be a JSON object.";
    assert_eq!(error(&reply), told(415, "INVALID_REQUEST", message));
    // The media type says nothing; a byte-order mark neither.
    let headers = [("x-api-key", KEY), ("content-type", "text/plain")];
    let body = format!("\u{feff}{JANE}");
    let reply = world.send("POST", "/v1/contacts", &headers, &body).await;
    assert_eq!(reply.status, 201);
    assert_eq!(
        reply.header("content-type"),
        Some("application/json; charset=utf-8")
    );
    let deep = format!(r#"{{"x":{}1{}}}"#, "[".repeat(32), "]".repeat(32));
    let reply = call(&world, "POST", "contacts", &deep).await;
    assert_eq!(error(&reply), told(400, "INVALID_REQUEST", message));
    world.accepting.set(false);
    let reply = call(&world, "POST", "contacts", JANE).await;
    let expected = told(503, "UNAVAILABLE", "Service temporarily unavailable.");
    assert_eq!(error(&reply), expected);
    assert_eq!(reply.header("retry-after"), Some("5"));
    world.accepting.set(true);
    world.store.set_full(true);
    let body = r#"{"phone":"+15550000001"}"#;
    let reply = call(&world, "POST", "contacts", body).await;
    assert_eq!(error(&reply).0, 503);
    assert_eq!(reply.header("retry-after"), Some("5"));
}

#[tokio::test]
async fn the_body_of_a_refused_request_says_how_long_to_wait() {
    let world = World::with(Options {
        limits: Limits {
            per_minute: 2,
            ..Limits::default()
        },
        ..Options::default()
    })
    .await;
    let figures = |reply: &Reply| {
        [
            "ratelimit-limit",
            "x-ratelimit-remaining",
            "ratelimit-reset",
            "retry-after",
        ]
        .map(|name| reply.header(name).unwrap_or("-").to_owned())
    };
    let first = call(&world, "POST", "contacts", JANE).await;
    assert_eq!(
        (first.status, figures(&first)),
        (201, ["2", "1", "30", "-"].map(str::to_owned))
    );
    // An error costs as much.
    assert_eq!(call(&world, "POST", "contacts", "[").await.status, 400);
    let refused = call(&world, "POST", "contacts", JANE).await;
    let expected = r#"{"error":{"code":"RATE_LIMIT_EXCEEDED","message":"Rate limit exceeded. Retry after 30 seconds."}}"#;
    assert_eq!((refused.status, refused.body.as_str()), (429, expected));
    assert_eq!(figures(&refused), ["2", "0", "60", "30"].map(str::to_owned));
    assert_eq!(world.logged().await, 1);
}

#[tokio::test]
async fn strangers_are_barred_after_too_many_wrong_keys() {
    let world = World::start().await;
    let headers = [("x-api-key", "wrongwrongwrongwrongwrongwrong01")];
    for _ in 0..20 {
        let reply = world.send("GET", "/v1/contacts/x", &headers, "").await;
        assert_eq!(error(&reply), unauthorized());
    }
    let barred = world.send("GET", "/v1/contacts/x", &headers, "").await;
    let expected = told(
        429,
        "RATE_LIMIT_EXCEEDED",
        "Rate limit exceeded. Retry after 60 seconds.",
    );
    assert_eq!(error(&barred), expected);
    assert_eq!(call(&world, "POST", "contacts", JANE).await.status, 201);
}

async fn keyed(world: &World, key: &str, method: &str, path: &str, body: &str) -> Reply {
    let headers = [("x-api-key", KEY), ("idempotency-key", key)];
    let path = format!("/v1/{path}");
    world.send(method, &path, &headers, body).await
}

#[tokio::test]
async fn a_repeat_under_an_idempotency_key_gives_the_first_answer() {
    let world = World::start().await;
    let sent = r#"{"customData":{"fromId":"x","customChannel":"c","body":"b"}}"#;
    let path = "send_custom_channel_message";
    let first = keyed(&world, "k", "POST", path, sent).await;
    assert_eq!(
        (first.status, first.header("idempotency-replayed")),
        (200, None)
    );
    let spaced = r#" {"customData": {"body":"b", "customChannel":"c", "fromId":"x"}} "#;
    for (path, body) in [
        (path, sent),
        (path, spaced),
        ("send-custom-channel-message", sent),
        ("/send_custom_channel_message/", sent),
    ] {
        let again = keyed(&world, "k", "POST", path, body).await;
        assert_eq!((again.status, &again.body), (200, &first.body), "{path}");
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(again.header("content-type"), first.header("content-type"));
    }
    let told_once = world.appended(0).await;
    let expected = ["new_contact", "new_conversation", "custom_channel_outgoing"];
    assert_eq!(types(&told_once), expected);
    // The key of the call is a credential, not a parameter.
    let path = format!("/v1/{path}?apiKey={KEY}");
    let headers = [("idempotency-key", "k")];
    let again = world.send("POST", &path, &headers, sent).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let message = "Idempotency-Key was used for another request.";
    for (method, path, body) in [
        (
            "POST",
            "send_custom_channel_message",
            sent.replace("\"b\"", "\"d\""),
        ),
        ("POST", "contacts", JANE.to_owned()),
        ("PUT", "contacts/x", "{}".to_owned()),
        ("DELETE", "contacts/lists", String::new()),
    ] {
        let reply = keyed(&world, "k", method, path, &body).await;
        assert_eq!(
            error(&reply),
            told(409, "CONFLICT", message),
            "{method} {path}"
        );
    }
    for key in ["ä".to_owned(), "k".repeat(65)] {
        let reply = keyed(&world, &key, "POST", "contacts", JANE).await;
        let expected = told(400, "INVALID_REQUEST", "Idempotency-Key is not valid.");
        assert_eq!(error(&reply), expected);
    }
    assert_eq!(world.logged().await, 3);
}
