//! `protocols/transport.md` section 4 over the wire.

use hookrelay::api::front::Settings as Http;
use hookrelay::clock::Millis;
use hookrelay::limit::Settings as Limits;

use crate::world::{KEY, LOGIN, NOW, Options, PASSWORD, Reply, World, sitecom_token};

fn limited(per_minute: u32) -> Options {
    Options {
        limits: Limits {
            per_minute,
            ..Limits::default()
        },
        ..Options::default()
    }
}

fn figures(reply: &Reply) -> Option<(String, String, String)> {
    let get = |name: &str| {
        let value = reply.header(name).map(str::to_owned);
        assert_eq!(
            value.as_deref(),
            reply.header(&format!("x-{name}")),
            "twins differ"
        );
        value
    };
    Some((
        get("ratelimit-limit")?,
        get("ratelimit-remaining")?,
        get("ratelimit-reset")?,
    ))
}

// The type is that of `figures`, which it is compared with.
#[allow(clippy::unnecessary_wraps)]
fn numbers(limit: u32, remaining: u32, reset: u32) -> Option<(String, String, String)> {
    let texts = [limit, remaining, reset].map(|number| number.to_string());
    Some(texts.into())
}

#[tokio::test]
async fn the_figures_of_the_default_limit() {
    let world = World::start().await;
    let first = world.manage("GET", "endpoints", "").await;
    assert_eq!((first.status, figures(&first)), (200, numbers(120, 119, 1)));
    for left in (0..119_u32).rev() {
        // Errors cost a token and carry the headers too.
        let reply = world.manage("GET", "endpoints/none", "").await;
        let reset = (120 - left).div_ceil(2);
        assert_eq!(
            (reply.status, figures(&reply)),
            (404, numbers(120, left, reset))
        );
    }
    let refused = world.manage("GET", "endpoints", "").await;
    assert_eq!(
        (refused.status, figures(&refused)),
        (429, numbers(120, 0, 60))
    );
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.error().0, "RATE_LIMIT_EXCEEDED");
    // Another subject of the same account has its own bucket.
    assert_eq!(
        figures(&world.command("ai_command=ping").await),
        numbers(120, 119, 1)
    );
    world.clock.set(NOW.after(Millis(500)));
    assert_eq!(world.manage("GET", "endpoints", "").await.status, 200);
}

#[tokio::test]
async fn a_refused_call_changes_nothing() {
    let world = World::with(limited(1)).await;
    let message = r#"{"type":"t","data":"x"}"#;
    assert_eq!(world.manage("POST", "messages", message).await.status, 202);
    let refused = world.manage("POST", "messages", message).await;
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (429, Some("60"))
    );
    assert_eq!(world.logged().await, 1);
    let ping = world.command("ai_command=ping").await;
    assert_eq!((ping.status, figures(&ping)), (200, numbers(1, 0, 60)));
    let refused = world.command("ai_command=ping").await;
    assert_eq!(
        (refused.status, refused.body.as_str()),
        (429, "status=1&status_message=Rate+limit+exceeded")
    );
}

#[tokio::test]
async fn no_limit_shows_no_figures_and_keys_override_it() {
    let world = World::with(limited(0)).await;
    let reply = world.manage("GET", "endpoints", "").await;
    assert_eq!((reply.status, figures(&reply)), (200, None));
    let path = format!("/admin/v1/accounts/{}/keys", world.account);
    let made = world.admin("POST", &path, r#"{"per_minute":30}"#).await;
    assert_eq!(
        (made.status, figures(&made)),
        (201, None),
        "the operator has no limit"
    );
    let key = made.json()["api_key"].as_str().unwrap().to_owned();
    let headers = [("authorization", format!("Bearer {key}"))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let reply = world.send("GET", "/relay/v1/endpoints", &headers, "").await;
    assert_eq!((reply.status, figures(&reply)), (200, numbers(30, 29, 2)));
}

#[tokio::test]
async fn wrong_keys_bar_the_address_for_wrong_keys_only() {
    let world = World::start().await;
    let wrong = [("x-api-key", "00000000000000000000000000000000")];
    for _ in 0..20 {
        let reply = world.send("GET", "/relay/v1/endpoints", &wrong, "").await;
        assert_eq!((reply.status, figures(&reply)), (401, None));
    }
    let barred = world.send("GET", "/relay/v1/endpoints", &wrong, "").await;
    assert_eq!((barred.status, figures(&barred)), (429, None));
    assert_eq!(barred.header("retry-after"), Some("60"));
    // A wrong token counts with the keys; a missing key is no guess.
    let pairs = "ai_sitecom_token=nonsense&ai_command=ping";
    let token = world.send("POST", "/service", &[], pairs).await;
    assert_eq!(
        (token.status, token.body.as_str()),
        (429, "status=1&status_message=Rate+limit+exceeded")
    );
    assert_eq!(
        world
            .send("GET", "/relay/v1/endpoints", &[], "")
            .await
            .status,
        401
    );
    assert_eq!(world.manage("GET", "endpoints", "").await.status, 200);
    world.clock.set(NOW.after(Millis::minutes(1)));
    let again = world.send("GET", "/relay/v1/endpoints", &wrong, "").await;
    assert_eq!(again.status, 401);
}

#[tokio::test]
async fn wrong_passwords_bar_the_login_even_for_the_right_one() {
    let world = World::with(Options {
        http: Http {
            trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()],
            ..Http::default()
        },
        ..Options::default()
    })
    .await;
    let from =
        |address: &'static str| [("x-forwarded-proto", "https"), ("x-forwarded-for", address)];
    let pairs = |login: &str, password: &str| {
        format!("ai_command=ping&ai_login_id={login}&ai_login_password={password}")
    };
    let near = from("203.0.113.1");
    for _ in 0..10 {
        let reply = world
            .send("POST", "/service", &near, &pairs(LOGIN, "wrong"))
            .await;
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (200, "status=1&status_message=Authentication+failed")
        );
    }
    for password in ["wrong", PASSWORD] {
        let reply = world
            .send("POST", "/service", &near, &pairs(LOGIN, password))
            .await;
        assert_eq!(
            (reply.status, reply.header("retry-after")),
            (429, Some("60"))
        );
    }
    // Another login, and the same login from elsewhere, are not barred; nor is a token.
    let other = world
        .send("POST", "/service", &near, &pairs("other", "wrong"))
        .await;
    assert_eq!(other.status, 200);
    let far = from("203.0.113.2");
    let reply = world
        .send("POST", "/service", &far, &pairs(LOGIN, PASSWORD))
        .await;
    assert!(reply.body.starts_with("status=0"), "{}", reply.body);
    let token = sitecom_token(LOGIN, crate::world::COMM_KEY, NOW.unix_seconds());
    let pairs = format!("ai_command=ping&ai_sitecom_token={token}");
    let reply = world.send("POST", "/service", &near, &pairs).await;
    assert!(reply.body.starts_with("status=0"), "{}", reply.body);
}

#[tokio::test]
async fn a_key_for_other_surfaces_is_forbidden_and_a_revoked_one_unknown() {
    let world = World::start().await;
    let keys = format!("/admin/v1/accounts/{}/keys", world.account);
    let made = world
        .admin(
            "POST",
            &keys,
            r#"{"name":"leads only","surfaces":["leads"]}"#,
        )
        .await;
    let key = made.json()["api_key"].as_str().unwrap().to_owned();
    let headers = [("x-api-key", key.as_str())];
    let reply = world.send("GET", "/relay/v1/endpoints", &headers, "").await;
    assert_eq!((reply.status, reply.error().0.as_str()), (403, "FORBIDDEN"));
    let id = made.json()["key"].as_str().unwrap().to_owned();
    let path = format!("{keys}/{id}");
    assert_eq!(world.admin("DELETE", &path, "").await.status, 200);
    assert_eq!(world.admin("DELETE", &path, "").await.status, 404);
    let reply = world.send("GET", "/relay/v1/endpoints", &headers, "").await;
    assert_eq!(
        (reply.status, reply.error().0.as_str()),
        (401, "UNAUTHORIZED")
    );
    assert_eq!(
        world
            .send("GET", "/relay/v1/endpoints", &[("x-api-key", KEY)], "")
            .await
            .status,
        200
    );
}
