//! `protocols/command-api.md` sections 1, 2, 4.1 and `ping`; `protocols/sitecom-token.md`.

use hookrelay::auth::proof::key_digest;
use hookrelay::clock::Millis;
use hookrelay::domain::authentication::begin;
use hookrelay::domain::endpoint::{AuthState, Endpoint};
use hookrelay::id::{EndpointId, Seq};
use hookrelay::store::{Store, keys};

use crate::world::{COMM_KEY, LOGIN, NOW, PASSWORD, World, sitecom_token};

const PING: &str = "status=0&status_message=Success&server_time=2026-01-15+02%3A30%3A00";
const FAILED: &str = "status=1&status_message=Authentication+failed";

#[tokio::test]
async fn ping_answers_as_documented_at_both_addresses() {
    let world = World::start().await;
    let body = format!("ai_command=ping&ai_login_id={LOGIN}&ai_login_password={PASSWORD}");
    for path in ["/service", "/service.php", "//service/"] {
        let reply = world.send("POST", path, &[], &body).await;
        assert_eq!((reply.status, reply.body.as_str()), (200, PING));
        assert_eq!(
            reply.header("content-type"),
            Some("application/x-www-form-urlencoded; charset=utf-8")
        );
    }
}

#[tokio::test]
async fn pairs_come_from_query_form_and_multipart() {
    let world = World::start().await;
    let query = format!("/service?ai_login_id={LOGIN}&ai_login_password=wrong&ai_command=nope");
    let body = format!("ai_command=ping&ai_login_password={PASSWORD}");
    assert_eq!(world.send("POST", &query, &[], &body).await.body, PING);
    // Whatever the media type says, what is not multipart is urlencoded.
    let json = [("content-type", "application/json")];
    assert_eq!(world.send("POST", &query, &json, &body).await.body, PING);
    let part = |name: &str, value: &str| {
        format!("--B\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let parts = [
        part("ai_login_id", LOGIN),
        part("ai_login_password", PASSWORD),
        part("ai_command", "ping"),
        "--B\r\ncontent-disposition: form-data; name=\"ai_command\"; filename=\"f\"\r\n\r\nx\r\n"
            .to_owned(),
        "--B--\r\n".to_owned(),
    ]
    .concat();
    let multipart = [("content-type", "Multipart/Form-Data; boundary=B")];
    assert_eq!(
        world
            .send("POST", "/service", &multipart, &parts)
            .await
            .body,
        PING
    );
    for (kind, body) in [
        ("multipart/form-data", parts.as_str()),
        ("multipart/form-data; boundary=B", "--B\r\nrubbish"),
    ] {
        let reply = world
            .send("POST", "/service", &[("content-type", kind)], body)
            .await;
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (200, "status=1&status_message=Malformed+request")
        );
    }
}

#[tokio::test]
async fn credentials_are_right_or_refused_in_one_text() {
    let world = World::start().await;
    let token = sitecom_token(LOGIN, COMM_KEY, NOW.unix_seconds());
    assert_eq!(
        token, "rr9kCtibhFQAAAAAaWjBqIZv9G31waIeozqtVo-5h8U",
        "the documented vector"
    );
    let forged = sitecom_token(LOGIN, "another comm key", NOW.unix_seconds());
    let stranger = sitecom_token("stranger", COMM_KEY, NOW.unix_seconds());
    let stale = sitecom_token(LOGIN, COMM_KEY, NOW.unix_seconds() - 1000);
    for (pairs, right) in [
        (
            format!("ai_login_id={LOGIN}&ai_login_password={PASSWORD}"),
            true,
        ),
        (format!("ai_sitecom_token={token}"), true),
        (
            format!("ai_sitecom_token={token}&ai_login_id=x&ai_login_password=y"),
            true,
        ),
        (
            format!("ai_sitecom_token=+&ai_login_id={LOGIN}&ai_login_password={PASSWORD}"),
            true,
        ),
        (String::new(), false),
        (format!("ai_login_id={LOGIN}"), false),
        (format!("ai_login_id={LOGIN}&ai_login_password="), false),
        (format!("ai_login_password={PASSWORD}"), false),
        (
            format!("ai_login_id={LOGIN}&ai_login_password=apiuser123"),
            false,
        ),
        (
            format!("ai_login_id=APIUSER&ai_login_password={PASSWORD}"),
            false,
        ),
        (
            format!("ai_login_id=stranger&ai_login_password={PASSWORD}"),
            false,
        ),
        (format!("ai_sitecom_token={forged}"), false),
        (format!("ai_sitecom_token={stranger}"), false),
        (format!("ai_sitecom_token={stale}"), false),
        (format!("ai_sitecom_token={token}="), false),
        // A present but wrong credential fails without falling back.
        (
            format!("ai_sitecom_token={forged}&ai_login_id={LOGIN}&ai_login_password={PASSWORD}"),
            false,
        ),
        ("ai_token=anything".to_owned(), false),
        (
            format!("ai_token=anything&ai_login_id={LOGIN}&ai_login_password={PASSWORD}"),
            false,
        ),
    ] {
        let body = format!("ai_command=ping&{pairs}");
        let reply = world.send("POST", "/service", &[], &body).await;
        let expected = if right { PING } else { FAILED };
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (200, expected),
            "{pairs}"
        );
    }
}

#[tokio::test]
async fn a_missing_or_unknown_command_says_so() {
    let world = World::start().await;
    let missing = "status=1&status_message=ERROR%3A+Required+parameter+%22ai_command%22+missing";
    for pairs in ["", "ai_command=", "ai_command=+%0a"] {
        assert_eq!(world.command(pairs).await.body, missing, "{pairs}");
    }
    assert_eq!(
        world.command("ai_command=Ping").await.body,
        "status=1&status_message=Unknown+command+%22Ping%22"
    );
    // White space around a name does not count, whoever looks at it.
    assert_eq!(
        world
            .send("POST", "/service", &[], "ai_command=+validate_user")
            .await
            .body,
        FAILED,
        "no host of the account, and no default"
    );
    assert!(
        world
            .command("ai_command=+ping+")
            .await
            .body
            .starts_with("status=0&")
    );
    let long = format!("ai_command={}", "x".repeat(10_000));
    assert!(world.command(&long).await.body.len() < 200);
}

async fn state(world: &World, id: EndpointId) -> AuthState {
    let endpoint: Endpoint = world
        .db
        .view()
        .read(&keys::endpoint(world.account, id))
        .await
        .unwrap()
        .unwrap();
    endpoint.authentication.state
}

#[tokio::test]
async fn authenticate_notifications_opens_the_callers_endpoints() {
    let world = World::start().await;
    let none = "status=1&status_message=Record+does+not+exist";
    let call = "ai_command=authenticate_notifications";
    assert_eq!(world.command(call).await.body, none);
    let (one, two) = (world.endpoint("").await, world.endpoint("").await);
    let off = world.endpoint(r#""enabled":false"#).await;
    assert_eq!(
        world
            .command(&format!("{call}&endpoint_id={one}"))
            .await
            .body,
        "status=0&status_message=Success&endpoints=1"
    );
    let open = AuthState::Verified {
        until: NOW.after(Millis::hours(24)),
    };
    assert_eq!(state(&world, one).await, open);
    assert_eq!(state(&world, two).await, AuthState::Unverified);
    assert_eq!(
        world.command(call).await.body,
        "status=0&status_message=Success&endpoints=2"
    );
    assert_eq!(state(&world, two).await, open);
    assert_eq!(state(&world, off).await, AuthState::Unverified);
    // One event for each that was not verified before.
    let page = world
        .store
        .read_log(world.account, Seq(1), 9, 1 << 20)
        .await
        .unwrap();
    let said: Vec<String> = page
        .messages
        .iter()
        .map(|m| String::from_utf8_lossy(&m.data).into_owned())
        .collect();
    let event = |id: EndpointId| {
        format!(
            r#"{{"endpoint_id":"{id}","method":"passive","verified_until_at":"2026-01-16T10:30:00Z"}}"#
        )
    };
    assert_eq!(said, [event(one), event(two)]);
    assert_eq!(
        world
            .command(&format!("{call}&endpoint_id={off}"))
            .await
            .body,
        "status=1&status_message=Endpoint+is+disabled"
    );
    for unknown in ["0123456789ab", "nonsense"] {
        let reply = world
            .command(&format!("{call}&endpoint_id={unknown}"))
            .await;
        assert_eq!(reply.body, none);
    }
}

#[tokio::test]
async fn a_key_names_the_endpoint_it_was_offered_to() {
    let world = World::start().await;
    let (one, two) = (world.endpoint("").await, world.endpoint("").await);
    let account = world.account;
    let key = "5f2c9a0e41d7b8836e1fa4c2d90b7735";
    let hex = &key_digest(key);
    world
        .db
        .transact(&[account], |tx| async move {
            begin(&tx, account, two, 0, Some(hex.clone())).await
        })
        .await
        .unwrap();
    let call = "ai_command=authenticate_notifications";
    let wrong = "status=1&status_message=Invalid+value+for+parameter+%22key%22";
    assert_eq!(world.command(&format!("{call}&key=00")).await.body, wrong);
    let other = format!("{call}&key={key}&endpoint_id={one}");
    assert_eq!(world.command(&other).await.body, wrong);
    assert_eq!(
        world.command(&format!("{call}&key={key}")).await.body,
        "status=0&status_message=Success&endpoints=1"
    );
    assert_eq!(state(&world, one).await, AuthState::Unverified);
    assert!(matches!(
        state(&world, two).await,
        AuthState::Verified { .. }
    ));
    world.clock.set(NOW.after(Millis::minutes(16)));
    assert_eq!(
        world.command(&format!("{call}&key={key}")).await.body,
        wrong
    );
}

#[tokio::test]
async fn an_idempotency_key_does_not_depend_on_credentials_or_spelling() {
    let world = World::start().await;
    world.endpoint("").await;
    let key = [("idempotency-key", "k")];
    let token = sitecom_token(LOGIN, COMM_KEY, NOW.unix_seconds());
    let login = format!("ai_login_id={LOGIN}&ai_login_password={PASSWORD}");
    let call = "ai_command=authenticate_notifications";
    let first = world
        .send("POST", "/service", &key, &format!("{call}&{login}"))
        .await;
    let path = format!("/service.php?ai_sitecom_token={token}");
    let again = world.send("POST", &path, &key, call).await;
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(again.header("content-type"), first.header("content-type"));
    let other = format!("{call}&{login}&endpoint_id=0123456789ab");
    let other = world.send("POST", "/service", &key, &other).await;
    assert_eq!(
        (other.status, other.body.as_str()),
        (
            200,
            "status=1&status_message=Idempotency-Key+was+used+for+another+request"
        )
    );
    let bad = world
        .send(
            "POST",
            "/service",
            &[("idempotency-key", "ä")],
            &format!("{call}&{login}"),
        )
        .await;
    assert_eq!(
        bad.body,
        "status=1&status_message=Idempotency-Key+is+not+valid"
    );
}

#[tokio::test]
async fn null_characters_are_refused_by_name() {
    let world = World::start().await;
    let invalid =
        |name: &str| format!("status=1&status_message=Invalid+value+for+parameter+%22{name}%22");
    let call = "ai_command=authenticate_notifications";
    for (pairs, name) in [
        ("ai_command=pi%00ng".to_owned(), "ai_command"),
        (format!("{call}&endpoint_id=%00"), "endpoint_id"),
        (format!("{call}&key=%00"), "key"),
        (
            r#"ai_command=create_lead&notes=[{"Notes":"a","x":"\u0000"}]"#.to_owned(),
            "notes",
        ),
    ] {
        assert_eq!(world.command(&pairs).await.body, invalid(name), "{pairs}");
    }
    // All of them are reported together, in the order of the table.
    assert_eq!(
        world
            .command(&format!("{call}&key=%00&endpoint_id=a%00"))
            .await
            .body,
        "status=1\
         &status_message%5B0%5D=Invalid+value+for+parameter+%22endpoint_id%22\
         &status_message%5B1%5D=Invalid+value+for+parameter+%22key%22"
    );
    // What no command asks for is ignored.
    assert_eq!(world.command("ai_command=ping&x=%00").await.body, PING);
}

#[tokio::test]
async fn who_acts_is_asked_for_after_everything_that_can_be_seen_without_looking() {
    let world = World::start().await;
    let none = "status=1&status_message=Record+does+not+exist";
    let query = "ai_command=query_users&enroller_id=";
    let invalid = |name: &str| format!("Invalid+value+for+parameter+%22{name}%22");
    for (pairs, expected) in [
        ("ai_command=ping&user_id=9".to_owned(), none.to_owned()),
        (
            "ai_command=ping&user_id=x".to_owned(),
            format!("status=1&status_message={}", invalid("user_id")),
        ),
        (format!("{query}1&user_id=9"), none.to_owned()),
        (
            format!("{query}y&user_id=x"),
            format!(
                "status=1&status_message%5B0%5D={}&status_message%5B1%5D={}",
                invalid("user_id"),
                invalid("enroller_id")
            ),
        ),
        (
            format!("{query}y&user_id=9"),
            format!("status=1&status_message={}", invalid("enroller_id")),
        ),
    ] {
        assert_eq!(world.command(&pairs).await.body, expected, "{pairs}");
    }
}

#[tokio::test]
async fn an_empty_multipart_body_has_no_pairs() {
    let world = World::start().await;
    let query =
        format!("/service?ai_login_id={LOGIN}&ai_login_password={PASSWORD}&ai_command=ping");
    let multipart = [("content-type", "multipart/form-data; boundary=B")];
    assert_eq!(world.send("POST", &query, &multipart, "").await.body, PING);
}

#[tokio::test]
async fn endpoints_of_other_logins_and_accounts_are_not_opened() {
    let world = World::start().await;
    let key = "ffffffffffffffffffffffffffffffff";
    world.add_account("other", "stranger", key).await;
    let headers = [("x-api-key", key)];
    let body = r#"{"url":"https://c.example/"}"#;
    let made = world
        .send("POST", "/relay/v1/endpoints", &headers, body)
        .await;
    let foreign = made.json()["endpoint"].as_str().unwrap().to_owned();
    let none = "status=1&status_message=Record+does+not+exist";
    let call = "ai_command=authenticate_notifications";
    assert_eq!(world.command(call).await.body, none);
    let named = format!("{call}&endpoint_id={foreign}");
    assert_eq!(world.command(&named).await.body, none);
}

#[tokio::test]
async fn opening_an_endpoint_without_a_handshake_says_nothing() {
    let world = World::start().await;
    world.endpoint(r#""protocol":"standard""#).await;
    assert_eq!(
        world
            .command("ai_command=authenticate_notifications")
            .await
            .body,
        "status=0&status_message=Success&endpoints=1"
    );
    assert_eq!(world.logged().await, 0, "it was as good as verified before");
}
