//! `protocols/transport.md` sections 1, 2, 3, 5 and 6, row by row.

use hookrelay::api::front::Settings as Http;
use hookrelay::clock::Millis;
use hookrelay::store::memory::MemoryStore;

use crate::world::{KEY, LOGIN, Options, PASSWORD, World};

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";

fn http(trusted: &[&str], insecure_loopback: bool) -> Options {
    Options {
        http: Http {
            trusted_proxies: trusted.iter().map(|net| net.parse().unwrap()).collect(),
            insecure_loopback,
            ..Http::default()
        },
        ..Options::default()
    }
}

#[tokio::test]
async fn an_insecure_request_is_refused_in_the_words_of_its_surface() {
    let world = World::with(http(&[], false)).await;
    for (method, path, body, kind) in [
        (
            "POST",
            "/service",
            "status=1&status_message=HTTPS+is+required",
            FORM,
        ),
        (
            "GET",
            "/relay/v1/endpoints",
            r#"{"error":{"code":"HTTPS_REQUIRED","message":"Requests must use HTTPS."}}"#,
            JSON,
        ),
        // Insecure comes before unknown routes and methods.
        (
            "PUT",
            "/relay/v1/nothing",
            r#"{"error":{"code":"HTTPS_REQUIRED","message":"Requests must use HTTPS."}}"#,
            JSON,
        ),
        ("GET", "/elsewhere", r#"{"error":"https required"}"#, JSON),
    ] {
        let key = [("x-api-key", KEY)];
        let reply = world.send(method, path, &key, "").await;
        assert_eq!((reply.status, reply.body.as_str()), (403, body), "{path}");
        assert_eq!(reply.header("content-type"), Some(kind), "{path}");
        assert_eq!(reply.header("connection"), Some("close"), "{path}");
        assert_eq!(reply.header("location"), None);
        assert_eq!(reply.header("ratelimit-limit"), None);
        assert_eq!(reply.header("strict-transport-security"), None);
    }
}

#[tokio::test]
async fn proxies_and_loopback_make_a_request_secure() {
    const PROTO: &str = "X-Forwarded-Proto";
    type Case = (
        &'static [&'static str],
        bool,
        &'static [(&'static str, &'static str)],
        u16,
        bool,
    );
    let cases: [Case; 12] = [
        (&["127.0.0.0/8"], false, &[(PROTO, "https")], 200, true),
        (
            &["127.0.0.0/8"],
            false,
            &[(PROTO, "HTTPS , https")],
            200,
            true,
        ),
        (
            &["127.0.0.0/8"],
            false,
            &[(PROTO, "https"), (PROTO, "http")],
            403,
            false,
        ),
        (&["127.0.0.0/8"], false, &[], 403, false),
        (&["192.0.2.0/24"], false, &[(PROTO, "https")], 403, false),
        (&[], true, &[], 200, false),
        (&["192.0.2.0/24"], true, &[], 200, false),
        // A proxy on this machine is a proxy, not a caller on this machine.
        (&["127.0.0.0/8"], true, &[], 403, false),
        (&["127.0.0.0/8"], true, &[(PROTO, "https")], 200, true),
        (&[], true, &[(PROTO, "https")], 403, false),
        (&[], true, &[("X-Forwarded-For", "203.0.113.1")], 403, false),
        (&[], true, &[("Forwarded", "proto=https")], 403, false),
    ];
    for (trusted, loopback, headers, status, hsts) in cases {
        let world = World::with(http(trusted, loopback)).await;
        let mut headers = headers.to_vec();
        headers.push(("x-api-key", KEY));
        let reply = world.send("GET", "/relay/v1/endpoints", &headers, "").await;
        assert_eq!(reply.status, status, "{headers:?}");
        let shown = reply.header("strict-transport-security");
        assert_eq!(shown, hsts.then_some("max-age=31536000"), "{headers:?}");
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_answer_in_the_words_of_their_mount() {
    let world = World::start().await;
    let manage_404 = r#"{"error":{"code":"NOT_FOUND","message":"Resource not found."}}"#;
    let manage_405 = r#"{"error":{"code":"METHOD_NOT_ALLOWED","message":"Method not allowed."}}"#;
    let command_404 = "status=1&status_message=Not+found";
    let command_405 = "status=1&status_message=POST+required";
    let nowhere = r#"{"error":"not found"}"#;
    for (method, path, status, body, allow) in [
        ("GET", "/", 404, nowhere, None),
        ("GET", "/relay", 404, nowhere, None),
        ("GET", "/Relay/v1/endpoints", 404, nowhere, None),
        ("GET", "/admin/v1/status", 404, nowhere, None),
        ("GET", "/relay/v1", 404, manage_404, None),
        ("GET", "/relay/v1/nothing", 404, manage_404, None),
        ("GET", "/relay/v1/../v1/endpoints", 404, manage_404, None),
        ("GET", "/relay/v1/%2e%2e/endpoints", 404, manage_404, None),
        ("GET", "/relay/v1/end%zzpoints", 404, manage_404, None),
        ("GET", "/relay/v1/%00", 404, manage_404, None),
        ("GET", "/relay/v1/messages%2Fx", 404, manage_404, None),
        ("PUT", "/relay/v1/messages", 405, manage_405, Some("POST")),
        (
            "DELETE",
            "/relay/v1/endpoints",
            405,
            manage_405,
            Some("GET, POST"),
        ),
        (
            "OPTIONS",
            "/relay/v1/endpoints",
            405,
            manage_405,
            Some("GET, POST"),
        ),
        (
            "TRACE",
            "/relay/v1/endpoints",
            405,
            manage_405,
            Some("GET, POST"),
        ),
        ("HEAD", "/relay/v1/endpoints", 405, "", Some("GET, POST")),
        ("BREW", "/relay/v1/messages", 405, manage_405, Some("POST")),
        ("GET", "/service", 405, command_405, Some("POST")),
        ("PUT", "/service.php", 405, command_405, Some("POST")),
        ("POST", "/service/more", 404, command_404, None),
        ("POST", "/Service", 404, nowhere, None),
    ] {
        let reply = world.send(method, path, &[], "").await;
        assert_eq!(
            (reply.status, reply.body.as_str(), reply.header("allow")),
            (status, body, allow),
            "{method} {path}"
        );
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
}

#[tokio::test]
async fn spellings_of_one_path_are_one_route() {
    let world = World::start().await;
    for path in [
        "/relay/v1/endpoints",
        "/relay/v1/endpoints/",
        "//relay///v1/endpoints//",
        "/%72elay/v1/%65ndpoints",
    ] {
        let reply = world.send("GET", path, &[("x-api-key", KEY)], "").await;
        assert_eq!(reply.status, 200, "{path}");
    }
}

#[tokio::test]
async fn every_response_carries_the_headers_of_section_6() {
    let world = World::start().await;
    let mut ids = std::collections::BTreeSet::new();
    for (method, path, headers) in [
        (
            "GET",
            "/relay/v1/endpoints",
            vec![("x-api-key", KEY), ("x-request-id", "mine")],
        ),
        ("GET", "/relay/v1/endpoints", vec![]),
        ("GET", "/nowhere", vec![]),
        ("GET", "/service", vec![]),
        ("POST", "/service", vec![]),
        ("HEAD", "/service", vec![]),
    ] {
        let reply = world.send(method, path, &headers, "").await;
        let id = reply.header("x-request-id").unwrap().to_owned();
        assert_eq!((id.len(), &id[..4]), (30, "req_"));
        assert!(ids.insert(id), "a request id came twice");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        assert!(reply.header("date").is_some());
        assert!(reply.header("content-length").is_some());
    }
}

#[tokio::test]
async fn the_first_failing_check_answers() {
    let world = World::with(Options {
        http: Http {
            insecure_loopback: true,
            max_body: 1000,
            ..Http::default()
        },
        ..Options::default()
    })
    .await;
    let big = "x".repeat(1001);
    let good = [("x-api-key", KEY)];
    let bad = [("x-api-key", "wrong")];
    let brotli = [("x-api-key", KEY), ("content-encoding", "br")];
    let messages = "/relay/v1/messages";
    let login = format!("ai_login_id={LOGIN}&ai_login_password={PASSWORD}");

    // 3 before 4.
    world.accepting.set(false);
    assert_eq!(world.send("PUT", messages, &good, &big).await.status, 405);
    assert_eq!(
        world.send("POST", "/relay/v1/x", &good, &big).await.status,
        404
    );
    // 4 before 5 and 7.
    let reply = world.send("POST", messages, &bad, &big).await;
    assert_eq!(
        (reply.status, reply.error().0.as_str()),
        (503, "UNAVAILABLE")
    );
    assert_eq!(reply.header("retry-after"), Some("5"));
    let reply = world.send("POST", "/service", &[], &big).await;
    assert_eq!(reply.body, "status=1&status_message=Service+unavailable");
    assert_eq!(
        (reply.status, reply.header("retry-after")),
        (503, Some("5"))
    );
    // The operator is served all the same.
    assert_eq!(world.admin("GET", "/admin/v1/status", "").await.status, 200);
    world.accepting.set(true);

    // Credentials in the header: 7 before 5 and 6.
    let reply = world.send("POST", messages, &bad, &big).await;
    assert_eq!(
        (reply.status, reply.error().0.as_str()),
        (401, "UNAUTHORIZED")
    );
    // 5 before 6.
    let reply = world.send("POST", messages, &brotli, &big).await;
    assert_eq!(
        (reply.status, reply.error().0.as_str()),
        (413, "REQUEST_TOO_LARGE")
    );
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(
        reply.header("ratelimit-limit"),
        Some("120"),
        "it was authenticated"
    );
    // 6.
    let reply = world.send("POST", messages, &brotli, "{}").await;
    assert_eq!(
        (reply.status, reply.error().0.as_str()),
        (415, "INVALID_REQUEST")
    );
    let identity = [("x-api-key", KEY), ("content-encoding", "Identity")];
    let reply = world.send("POST", messages, &identity, "{}").await;
    assert_eq!(reply.status, 400);

    // Credentials in the body: 5 and 6 before 7.
    let reply = world.send("POST", "/service", &[], &big).await;
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (413, "status=1&status_message=Request+is+too+large")
    );
    assert_eq!(reply.header("ratelimit-limit"), None);
    let reply = world
        .send("POST", "/service", &[("content-encoding", "gzip")], "")
        .await;
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (415, "status=1&status_message=Malformed+request")
    );
    let reply = world.send("POST", "/service", &[], "a=%ff").await;
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (200, "status=1&status_message=Malformed+request")
    );
    // 7 before 9.
    let reply = world
        .send("POST", "/service", &[], "ai_command=nonsense")
        .await;
    assert_eq!(reply.body, "status=1&status_message=Authentication+failed");
    let pairs = format!("{login}&ai_command=nonsense");
    let reply = world.send("POST", "/service", &[], &pairs).await;
    assert_eq!(
        reply.body,
        "status=1&status_message=Unknown+command+%22nonsense%22"
    );
}

#[tokio::test]
async fn a_body_at_the_limit_passes_and_a_chunked_one_over_it_does_not() {
    let world = World::with(Options {
        http: Http {
            insecure_loopback: true,
            max_body: 1000,
            ..Http::default()
        },
        ..Options::default()
    })
    .await;
    let open = r#"{"type":"t","data":""#;
    let full = format!("{open}{}\"}}", "d".repeat(1000 - open.len() - 2));
    assert_eq!(world.manage("POST", "messages", &full).await.status, 202);
    let head = format!(
        "POST /relay/v1/messages HTTP/1.1\r\nhost: relay\r\nx-api-key: {KEY}\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
    let bytes = format!("{head}{chunk}{chunk}{chunk}");
    let reply = world.raw(bytes.as_bytes()).await;
    assert_eq!(
        (reply.status, reply.error().0.as_str()),
        (413, "REQUEST_TOO_LARGE")
    );
}

#[tokio::test]
async fn an_announced_body_over_the_limit_is_refused_unread() {
    let world = World::start().await;
    let head = format!(
        "POST /relay/v1/messages HTTP/1.1\r\nhost: relay\r\nx-api-key: {KEY}\r\n\
         content-length: 1048577\r\nexpect: 100-continue\r\n\r\n"
    );
    let reply = world.raw(head.as_bytes()).await;
    assert_eq!(
        (reply.status, reply.header("connection")),
        (413, Some("close"))
    );
}

#[tokio::test]
async fn what_is_not_http_or_too_long_is_refused_with_an_empty_body() {
    let world = World::start().await;
    let long = "x".repeat(66_000);
    let fields = |count: usize| "a: b\r\n".repeat(count);
    for (bytes, status) in [
        ("rubbish\r\n\r\n".to_owned(), 400),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 400),
        (
            "GET /service HTTP/1.1\r\nbad header\r\n\r\n".to_owned(),
            400,
        ),
        (format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"), 414),
        (format!("GET / HTTP/1.1\r\n{}\r\n", fields(101)), 431),
        (
            format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(82_000)),
            431,
        ),
        (
            format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(300_000)),
            431,
        ),
        (
            format!("GET / HTTP/1.1\r\nconnection: close\r\n{}\r\n", fields(99)),
            404,
        ),
    ] {
        let reply = world.raw(bytes.as_bytes()).await;
        assert_eq!(reply.status, status, "{bytes:.60}");
        if status != 404 {
            assert_eq!(reply.body, "", "{bytes:.60}");
            assert_eq!(reply.header("connection"), Some("close"), "{bytes:.60}");
        }
    }
}

#[tokio::test]
async fn slow_callers_are_not_waited_for() {
    let world = World::with(Options {
        http: Http {
            insecure_loopback: true,
            header_deadline: Millis(200),
            body_deadline: Millis(200),
            ..Http::default()
        },
        ..Options::default()
    })
    .await;
    // Nothing, an unfinished protocol preface, an unfinished header block: closed without a word.
    for unfinished in [
        "",
        "PRI * HTTP/2.0\r\n",
        "GET /service HTTP/1.1\r\nhost: a\r\n",
    ] {
        let reply = world.raw(unfinished.as_bytes()).await;
        assert_eq!((reply.status, reply.body.as_str()), (0, ""), "{unfinished}");
    }
    let head = format!(
        "POST /relay/v1/messages HTTP/1.1\r\nhost: a\r\nx-api-key: {KEY}\r\n\
         content-length: 10\r\n\r\n12345"
    );
    let reply = world.raw(head.as_bytes()).await;
    assert_eq!((reply.status, reply.body.as_str()), (408, ""));
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(world.logged().await, 0);
}

#[tokio::test]
async fn a_body_that_breaks_off_changes_nothing() {
    let world = World::start().await;
    let head = format!(
        "POST /relay/v1/messages HTTP/1.1\r\nhost: a\r\nx-api-key: {KEY}\r\n\
         transfer-encoding: chunked\r\n\r\nzz\r\n"
    );
    let reply = world.raw(head.as_bytes()).await;
    assert_eq!((reply.status, reply.body.as_str()), (400, ""));
    assert_eq!(world.logged().await, 0);
}

#[tokio::test]
async fn a_commit_that_takes_too_long_has_an_unknown_outcome() {
    let world = World::with(Options {
        http: Http {
            insecure_loopback: true,
            commit_deadline: Millis(100),
            ..Http::default()
        },
        store: MemoryStore::stepped(),
        ..Options::default()
    })
    .await;
    let message = r#"{"type":"t","data":"x"}"#;
    let reply = world.manage("POST", "messages", message).await;
    assert_eq!(
        (reply.status, reply.error().0.as_str()),
        (503, "UNAVAILABLE")
    );
    assert_eq!(reply.header("retry-after"), Some("5"));
    assert_eq!(world.logged().await, 0);
    while world.store.step() {}
    assert_eq!(world.logged().await, 1, "it stands all the same");
}
