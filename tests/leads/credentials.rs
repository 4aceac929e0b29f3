//! `protocols/leads-api.md` 1.1, 1.2 and section 2: paths, keys, logins and tokens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hookrelay::clock::Millis;
use hookrelay::domain::user::Changes;
use hookrelay::limit::Settings;
use serde_json::{Value, json};

use crate::people::{GEHEIM, world};
use crate::site::{BASE, Caller, JANE, caller, detail, expect, field, keyed, login, tokens, user};
use crate::world::{KEY, NOW, Options, Reply, World};

const REQUIRED: &str = "This field is required.";
const BLANK: &str = "This field may not be blank.";
const FAILED: &str = "Authentication failed";
const INACTIVE: &str = "Inactive Account";
const INVALID: &str = "Given token not valid for any token type";
const ENDED: &str = "Token is invalid or expired";

/// A call that needs a user, with this token.
async fn list(world: &World, token: &str) -> Reply {
    let token = token.to_owned();
    Caller { world, token }.get("list", "").await
}

async fn refresh(world: &World, token: &str) -> Reply {
    keyed(
        world,
        "POST",
        "user/token/refresh",
        &format!("refresh={token}"),
    )
    .await
}

async fn set(world: &World, username: &str, change: &str) {
    let path = format!("/admin/v1/accounts/acme/users/{username}");
    let reply = world.admin("PATCH", &path, change).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn every_spelling_of_a_path_is_the_same_route() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    for path in [
        "leads/create/lead/",
        "create/lead/",
        "v1/leads/create/lead/",
        "v1/create/lead/",
        "v1/create/lead",
        "/v1//create/lead",
        "create/%6Cead",
    ] {
        let reply = alice
            .send("POST", &format!("{BASE}/{path}"), &[], JANE)
            .await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.body);
    }
    for path in [
        "",
        "leads",
        "v1",
        "leads/v1/create/lead",
        "v1/v1/create/lead",
        "create/Lead",
    ] {
        let reply = alice
            .send("POST", &format!("{BASE}/{path}"), &[], JANE)
            .await;
        expect(&reply, 404, &detail("Not found."), path);
    }
    let body = format!("username=alice&password={GEHEIM}");
    for (route, status) in [
        ("user/login", 200),
        ("v1/user/login", 200),
        ("leads/user/login", 404),
        ("v1/leads/user/login", 404),
        ("leads/user/token/refresh", 404),
    ] {
        let reply = keyed(world, "POST", route, &body).await;
        assert_eq!(reply.status, status, "{route}");
    }
}

#[tokio::test]
async fn every_route_wants_the_key_and_most_a_user() {
    let world = &World::with(Options {
        limits: Settings {
            per_minute: 0,
            auth_failures_per_minute: 0,
            ..Settings::default()
        },
        ..Options::default()
    })
    .await;
    let other = "other-key-0123456789abcdef0123456789";
    world.add_account("other", "otheruser", other).await;
    user(world, "alice", "Agent").await;
    let token = tokens(world, "alice").await.1;
    let bearer = format!("Bearer {token}");
    let lower = format!("bEARER  {token} ");
    let basic = format!("Basic {token}");
    let wrong = format!("{bearer}x");
    let none = detail("Authentication credentials were not provided.");
    let invalid = detail(INVALID);
    let no_key = detail("API key was not provided.");
    let bad_key = detail("Invalid API key.");
    for route in [
        ("GET", "overview"),
        ("GET", "list"),
        ("GET", "appointments/list"),
        ("GET", "view/lead"),
        ("POST", "create/appointment"),
        ("POST", "update/appointment"),
        ("POST", "delete/appointment"),
        ("POST", "create/lead"),
        ("POST", "update/lead"),
        ("POST", "delete/lead"),
        ("POST", "create/leadnote"),
        ("POST", "delete/leadnote"),
        ("POST", "user/login"),
        ("POST", "user/token/refresh"),
    ] {
        let path = format!("{BASE}/{}", route.1);
        let send = async |headers: &[(&str, &str)]| world.send(route.0, &path, headers, "").await;
        let reply = send(&[("authorization", &bearer)]).await;
        expect(&reply, 401, &no_key, &path);
        for key in [" ", "wrong", "0123456789abcdef0123456789abcdeX"] {
            let reply = send(&[("apikey", key), ("authorization", &bearer)]).await;
            let errors = if key == " " { &no_key } else { &bad_key };
            expect(&reply, 401, errors, &path);
        }
        if route.1.starts_with("user/") {
            assert_eq!(send(&[("apikey", KEY)]).await.status, 400, "{path}");
            continue;
        }
        expect(&send(&[("apikey", KEY)]).await, 401, &none, &path);
        for (header, errors) in [(&basic, &none), (&wrong, &invalid)] {
            let reply = send(&[("apikey", KEY), ("authorization", header)]).await;
            expect(&reply, 401, errors, &path);
        }
        // Another account's token.
        let reply = send(&[("apikey", other), ("authorization", &bearer)]).await;
        expect(&reply, 401, &invalid, &path);
        let reply = send(&[("apikey", KEY), ("authorization", &lower)]).await;
        assert!(!reply.body.contains("detail"), "{path}: {}", reply.body);
    }
}

#[tokio::test]
async fn a_key_of_other_surfaces_is_forbidden() {
    let world = &world().await;
    let reply = world
        .admin(
            "POST",
            "/admin/v1/accounts/acme/keys",
            r#"{"surfaces":["contacts"]}"#,
        )
        .await;
    let told = reply.json();
    let key = told["api_key"].as_str().unwrap_or_else(|| panic!("{told}"));
    let path = format!("{BASE}/list");
    let reply = world.send("GET", &path, &[("apikey", key)], "").await;
    expect(&reply, 403, &detail("Permission denied."), "contacts");
}

#[tokio::test]
async fn a_login_is_answered_without_an_envelope() {
    let world = &world().await;
    let id = user(world, "Alice", "Agent").await;
    user(world, "nopass", "Agent").await;
    let before = world.logged().await;
    let body = format!("username=aLICE&password={GEHEIM}");
    let reply = keyed(world, "POST", "user/login", &body).await;
    let told = reply.json();
    let text = |name: &str| told[name].as_str().unwrap();
    let (refresh, access) = (text("refresh"), text("access"));
    assert_eq!(
        reply.body,
        format!(r#"{{"refresh":"{refresh}","access":"{access}"}}"#)
    );
    let now = NOW.unix_seconds();
    for (token, kind, life) in [(access, "access", 300), (refresh, "refresh", 86_400)] {
        let expected = json!({"token_type": kind, "iat": now, "exp": now + life, "sid": 1001,
            "account": world.account.to_string(), "user_id": id, "gen": 0});
        assert_eq!(claims(token), expected);
    }
    let (_, second) = tokens(world, "alice").await;
    assert_eq!(claims(&second)["sid"], 1002);
    assert_eq!(world.logged().await, before, "a login is told to nobody");
}

#[tokio::test]
async fn what_is_wrong_with_a_login_is_told() {
    let world = &world().await;
    user(world, "alice", "Agent").await;
    user(world, "gone", "Agent").await;
    set(world, "gone", r#"{"active":false}"#).await;
    crate::people::add(world, "nopass", "Agent", Changes::default()).await;
    let both = |text: &str| json!([["username", text], ["password", text]]);
    let gone = format!("username=gone&password={GEHEIM}");
    let json = r#"{"username":["alice"],"password":{"a":1}}"#;
    for (body, status, errors) in [
        ("", 400, both(REQUIRED)),
        ("username=+&password=+", 400, both(BLANK)),
        ("username=alice", 400, field("password", REQUIRED)),
        (json, 400, both("Not a valid string.")),
        (
            "username=alice%00&password=x",
            400,
            field("username", "Null characters are not allowed."),
        ),
        ("username=alice&password=geheim1", 401, detail(FAILED)),
        ("username=nobody&password=Geheim1", 401, detail(FAILED)),
        ("username=nopass&password=Geheim1", 401, detail(FAILED)),
        ("username=gone&password=wrong", 401, detail(FAILED)),
        (&gone, 401, detail(INACTIVE)),
    ] {
        let reply = keyed(world, "POST", "user/login", body).await;
        expect(&reply, status, &errors, body);
    }
    for (body, status, errors) in [
        ("", 400, field("refresh", REQUIRED)),
        ("refresh=", 400, field("refresh", BLANK)),
        (
            r#"{"refresh":[]}"#,
            400,
            field("refresh", "Not a valid string."),
        ),
        ("refresh=x", 401, detail(ENDED)),
        ("refresh=a.b.c", 401, detail(ENDED)),
    ] {
        let reply = keyed(world, "POST", "user/token/refresh", body).await;
        expect(&reply, status, &errors, body);
    }
}

#[tokio::test]
async fn an_access_token_ends_and_a_refresh_token_gives_another_for_a_day() {
    let world = &world().await;
    user(world, "alice", "Agent").await;
    let (old, mut access) = tokens(world, "alice").await;
    // Neither kind serves as the other.
    expect(
        &list(world, &old).await,
        401,
        &detail(INVALID),
        "refresh as access",
    );
    expect(
        &refresh(world, &access).await,
        401,
        &detail(ENDED),
        "access as refresh",
    );
    for _ in 0..3 {
        assert_eq!(list(world, &access).await.status, 200);
        crate::site::advance(world, Millis::seconds(360));
        assert_eq!(
            list(world, &access).await.status,
            200,
            "a minute is forgiven"
        );
        crate::site::advance(world, Millis::seconds(1));
        expect(
            &list(world, &access).await,
            401,
            &detail(INVALID),
            "expired",
        );
        let reply = refresh(world, &old).await;
        let told = reply.json();
        let fresh = told["access"].as_str().unwrap();
        assert_eq!(reply.body, format!(r#"{{"access":"{fresh}"}}"#));
        access = fresh.to_owned();
    }
    crate::site::advance(world, Millis::seconds(86_400 - 3 * 361));
    let reply = refresh(world, &old).await;
    let told = reply.json();
    let last = told["access"].as_str().unwrap().to_owned();
    assert_eq!(list(world, &last).await.status, 200);
    crate::site::advance(world, Millis::seconds(61));
    expect(
        &refresh(world, &old).await,
        401,
        &detail(ENDED),
        "a day is over",
    );
    expect(
        &list(world, &last).await,
        401,
        &detail(INVALID),
        "with its session",
    );
}

#[tokio::test]
async fn a_password_change_an_inactive_user_and_the_operator_end_sessions() {
    let world = &world().await;
    user(world, "alice", "Agent").await;
    let (old, access) = tokens(world, "alice").await;
    // A user token made anew is no other password.
    let token = format!("ai_command=user_login_token&username=alice&password={GEHEIM}&reissue=1");
    assert!(world.command(&token).await.body.starts_with("status=0"));
    assert_eq!(list(world, &access).await.status, 200);

    set(world, "alice", r#"{"active":false}"#).await;
    expect(
        &list(world, &access).await,
        401,
        &detail(INACTIVE),
        "inactive",
    );
    expect(&refresh(world, &old).await, 401, &detail(ENDED), "inactive");
    set(world, "alice", r#"{"active":true}"#).await;
    assert_eq!(list(world, &access).await.status, 200);

    let sessions = "/admin/v1/accounts/acme/users/alice/sessions";
    let reply = world.admin("DELETE", sessions, "").await;
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (200, r#"{"revoked":1}"#)
    );
    expect(
        &list(world, &access).await,
        401,
        &detail(INVALID),
        "revoked",
    );
    expect(&refresh(world, &old).await, 401, &detail(ENDED), "revoked");

    let (old, access) = tokens(world, "alice").await;
    let change = "ai_command=update_user&userID=1001&password=Anders12";
    assert!(world.command(change).await.body.starts_with("status=0"));
    expect(
        &list(world, &access).await,
        401,
        &detail(INVALID),
        "another password",
    );
    expect(
        &refresh(world, &old).await,
        401,
        &detail(ENDED),
        "another password",
    );
    // Nor does the old password come back with its tokens.
    set(world, "alice", &format!(r#"{{"password":"{GEHEIM}"}}"#)).await;
    expect(
        &list(world, &access).await,
        401,
        &detail(INVALID),
        "the old one again",
    );
    login(world, "alice").await.seen("list", "").await;
}

#[tokio::test]
async fn wrong_tokens_and_passwords_are_counted_and_ended_ones_are_not() {
    let world = &World::with(Options {
        limits: Settings {
            per_minute: 0,
            auth_failures_per_minute: 3,
            password_failures_per_minute: 2,
        },
        ..Options::default()
    })
    .await;
    user(world, "alice", "Agent").await;
    let (old, access) = tokens(world, "alice").await;
    crate::site::advance(world, Millis::minutes(10));
    for _ in 0..5 {
        expect(&list(world, &access).await, 401, &detail(INVALID), "ended");
    }
    for _ in 0..3 {
        expect(&list(world, "x.y.z").await, 401, &detail(INVALID), "wrong");
    }
    let throttled = detail("Request was throttled. Expected available in 60 seconds.");
    let reply = list(world, "x.y.z").await;
    expect(&reply, 429, &throttled, "too many");
    assert_eq!(reply.header("retry-after"), Some("60"));
    expect(&refresh(world, "x.y.z").await, 429, &throttled, "too many");
    // What is right still passes.
    assert_eq!(refresh(world, &old).await.status, 200);
    for _ in 0..2 {
        let reply = keyed(world, "POST", "user/login", "username=alice&password=wrong").await;
        expect(&reply, 401, &detail(FAILED), "wrong");
    }
    let body = format!("username=ALICE&password={GEHEIM}");
    let reply = keyed(world, "POST", "user/login", &body).await;
    expect(
        &reply,
        429,
        &throttled,
        "not even the right one is looked at",
    );
}

#[tokio::test]
async fn requests_are_limited_by_the_key() {
    let world = &World::with(Options {
        limits: Settings {
            per_minute: 3,
            ..Settings::default()
        },
        ..Options::default()
    })
    .await;
    user(world, "alice", "Agent").await;
    let token = tokens(world, "alice").await.1;
    let reply = list(world, &token).await;
    assert_eq!(reply.header("ratelimit-remaining"), Some("1"));
    assert_eq!(refresh(world, "x").await.status, 401);
    let reply = list(world, &token).await;
    let throttled = detail("Request was throttled. Expected available in 20 seconds.");
    expect(&reply, 429, &throttled, "over the limit");
}

#[tokio::test]
async fn an_idempotency_key_repeats_the_answer_of_its_user() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let bob = caller(world, "bob", "Agent").await;
    let keyed = |key: &'static str| [("idempotency-key", key)];
    let path = format!("{BASE}/create/lead");
    let other = format!("{BASE}/v1/leads/create/lead/");
    let first = alice.send("POST", &path, &keyed("a"), JANE).await;
    assert_eq!(first.status, 200);
    let before = world.logged().await;
    // Spelling, media type and order do not count.
    let json = r#"{"phone":"15551234567","last_name":"Smith","first_name":"Jane","email":"jane@example.com"}"#;
    for (path, body) in [(&path, JANE), (&other, JANE), (&path, json)] {
        let again = alice.send("POST", path, &keyed("a"), body).await;
        assert_eq!(again.body, first.body);
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    }
    let text = "Idempotency-Key was used for another request.";
    for reply in [
        bob.send("POST", &path, &keyed("a"), JANE).await,
        alice
            .send("POST", &path, &keyed("a"), &format!("{JANE}&message=x"))
            .await,
        alice
            .send("POST", &format!("{BASE}/update/lead"), &keyed("a"), JANE)
            .await,
    ] {
        expect(&reply, 401, &crate::site::failed(text), "another");
    }
    assert_eq!(world.logged().await, before);
    let reply = alice
        .send("POST", &path, &[("idempotency-key", "ü")], JANE)
        .await;
    expect(
        &reply,
        400,
        &detail("Idempotency-Key is not valid."),
        "bad key",
    );
    // A login gives new tokens each time.
    let body = format!("username=alice&password={GEHEIM}");
    let headers = [("apikey", KEY), ("idempotency-key", "b")];
    let login = async || {
        world
            .send("POST", "/crm/v1/user/login", &headers, &body)
            .await
    };
    assert_ne!(login().await.body, login().await.body);
}

#[tokio::test]
async fn faults_of_the_transport_have_the_envelope() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let path = format!("{BASE}/create/lead");
    let large = "x".repeat(1024 * 1024 + 1);
    let reply = alice.send("POST", &path, &[], &large).await;
    expect(&reply, 413, &detail("Request is too large."), "large");
    let reply = alice
        .send("POST", &path, &[("content-encoding", "gzip")], JANE)
        .await;
    expect(&reply, 415, &detail("Parse error."), "gzip");
    let reply = alice
        .send("POST", &path, &[("x-forwarded-proto", "http")], JANE)
        .await;
    expect(&reply, 403, &detail("HTTPS is required."), "insecure");
    world.accepting.set(false);
    let reply = alice.send("POST", &path, &[], JANE).await;
    expect(&reply, 503, &detail("Service unavailable."), "draining");
    assert_eq!(reply.header("retry-after"), Some("5"));
}
