//! `protocols/command-api.md` 4.26 to 4.28 and section 6: passwords and tokens of users.

use hookrelay::api::front::Settings as Http;
use hookrelay::domain::user::Changes;
use hookrelay::limit::Settings;

use crate::people::{
    FAILED, GEHEIM, SUCCESS, add, add_with_password, field, invalid, later, missing, open, set,
    token, validation, world,
};
use crate::world::{LOGIN, Options, PASSWORD, World};

#[tokio::test]
async fn a_token_stays_until_it_is_reissued_ends_or_the_password_changes() {
    let world = world().await;
    add_with_password(&world, "john", "Customer").await;
    let before = world.logged().await;
    let call = format!("ai_command=user_login_token&username=JOHN&password={GEHEIM}");
    let first = world.command(&call).await.body;
    let token = field(&first, "ai_token");
    assert_eq!(first, format!("{SUCCESS}&ai_token={token}"));
    assert!(token.starts_with(&format!("t1-{}-", world.account)));
    let notice = |expires: &str, reissued: bool| {
        let data = format!(
            r#"{{"user_id":1001,"username":"john","expires_at":"{expires}","reissued":{reissued}}}"#
        );
        ("user_token".to_owned(), data)
    };
    assert_eq!(
        world.appended(before).await,
        [notice("2026-02-14T10:30:00Z", false)]
    );
    // The same token, whatever expiration is given.
    for more in ["", "&expiration=tomorrow", "&reissue=0", "&reissue=2"] {
        let again = world.command(&format!("{call}{more}")).await.body;
        assert_eq!(again, first, "{more}");
    }
    assert_eq!(world.logged().await, before + 1);
    let reissued = world
        .command(&format!("{call}&reissue=1&expiration=%2B2+hours"))
        .await;
    let second = field(&reissued.body, "ai_token");
    assert_ne!(second, token);
    assert_eq!(
        world.appended(before + 1).await,
        [notice("2026-01-15T12:30:00Z", true)]
    );
    let ping = |token: &str| format!("ai_command=ping&ai_token={token}");
    assert_eq!(open(&world, &ping(&token)).await.body, FAILED);
    assert!(open(&world, &ping(&second)).await.body.starts_with(SUCCESS));
    // It ends, and the next one is not reissued but new.
    world.clock.set(later(2 * 3600));
    assert_eq!(open(&world, &ping(&second)).await.body, FAILED);
    let third = field(&world.command(&call).await.body, "ai_token");
    assert_eq!(
        world.appended(before + 2).await,
        [notice("2026-02-14T12:30:00Z", false)]
    );
    assert!(open(&world, &ping(&third)).await.body.starts_with(SUCCESS));
    world
        .command("ai_command=update_user&userID=1001&password=Andere1")
        .await;
    assert_eq!(open(&world, &ping(&third)).await.body, FAILED);
    assert_eq!(world.command(&call).await.body, FAILED);
}

#[tokio::test]
async fn the_same_password_again_is_no_change() {
    let world = world().await;
    add_with_password(&world, "john", "Customer").await;
    let token = token(&world, "john").await;
    let before = world.logged().await;
    let call = "ai_command=update_user&userID=1001&password=";
    assert_eq!(
        world.command(&format!("{call}{GEHEIM}")).await.body,
        SUCCESS
    );
    assert_eq!(world.logged().await, before);
    let ping = format!("ai_command=ping&ai_token={token}");
    assert!(open(&world, &ping).await.body.starts_with(SUCCESS));
    assert_eq!(world.command(&format!("{call}Andere1")).await.body, SUCCESS);
    let said = world.appended(before).await;
    assert!(
        said[0].1.ends_with(r#""changed":["password"]}"#),
        "{said:?}"
    );
}

#[tokio::test]
async fn what_user_login_token_refuses() {
    let world = world().await;
    add_with_password(&world, "john", "Customer").await;
    add_with_password(&world, "gone", "Customer").await;
    add(&world, "bare", "Customer", Changes::default()).await;
    world
        .command("ai_command=update_user&username=gone&active=0")
        .await;
    let before = world.logged().await;
    let right = format!("username=john&password={GEHEIM}");
    for (pairs, expected) in [
        (
            "username=john&password=geheim1".to_owned(),
            FAILED.to_owned(),
        ),
        (
            format!("username=john&password=+{GEHEIM}"),
            FAILED.to_owned(),
        ),
        (
            format!("username=nobody&password={GEHEIM}"),
            FAILED.to_owned(),
        ),
        (
            format!("username=gone&password={GEHEIM}"),
            FAILED.to_owned(),
        ),
        (
            format!("username=bare&password={GEHEIM}"),
            FAILED.to_owned(),
        ),
        (
            format!("username={}&password=x", "x".repeat(9000)),
            FAILED.to_owned(),
        ),
        (format!("password={GEHEIM}"), missing("username")),
        ("username=john&password=+".to_owned(), missing("password")),
        (format!("{right}&reissue=x"), invalid("reissue")),
        (format!("{right}&expiration=soon"), invalid("expiration")),
        (
            format!("{right}&expiration=2020-01-01"),
            invalid("expiration"),
        ),
    ] {
        let call = format!("ai_command=user_login_token&{pairs}");
        assert_eq!(world.command(&call).await.body, expected, "{pairs}");
    }
    assert_eq!(world.logged().await, before);
}

#[tokio::test]
async fn a_token_is_updated_by_itself() {
    let world = world().await;
    add_with_password(&world, "john", "Customer").await;
    let first = token(&world, "john").await;
    let before = world.logged().await;
    let call = |token: &str, more: &str| {
        format!("ai_command=user_login_token_update&ai_token={token}{more}")
    };
    let shown = |token: &str, end: &str| format!("{SUCCESS}&ai_token={token}&ai_expiration={end}");
    assert_eq!(
        open(&world, &call(&first, "")).await.body,
        shown(&first, "2026-02-14+02%3A30%3A00")
    );
    assert_eq!(world.logged().await, before, "nothing changed");
    assert_eq!(
        open(&world, &call(&first, "&expiration=tomorrow"))
            .await
            .body,
        shown(&first, "2026-01-16+00%3A00%3A00")
    );
    let end = r#"{"user_id":1001,"username":"john","expires_at":"2026-01-16T08:00:00Z","reissued":false}"#;
    assert_eq!(
        world.appended(before).await,
        [("user_token".to_owned(), end.to_owned())]
    );
    // Beside an API login as well; a new token keeps the end.
    let login = format!("&reissue=1&ai_login_id={LOGIN}&ai_login_password={PASSWORD}");
    let body = open(&world, &call(&first, &login)).await.body;
    let second = field(&body, "ai_token");
    assert_ne!(second, first);
    assert_eq!(body, shown(&second, "2026-01-16+00%3A00%3A00"));
    assert!(
        world.appended(before + 1).await[0]
            .1
            .ends_with(r#""reissued":true}"#)
    );
    for (pairs, expected) in [
        (call(&first, ""), FAILED.to_owned()),
        (call("t1-nonsense", ""), FAILED.to_owned()),
        (call("", ""), FAILED.to_owned()),
        (
            call(&second, "&expiration=2020-01-01"),
            invalid("expiration"),
        ),
        (
            call(&second, "&expiration=x&reissue=x"),
            "status=1&status_message%5B0%5D=Invalid+value+for+parameter+%22reissue%22\
             &status_message%5B1%5D=Invalid+value+for+parameter+%22expiration%22"
                .to_owned(),
        ),
    ] {
        assert_eq!(open(&world, &pairs).await.body, expected, "{pairs}");
    }
    let bare = world.command("ai_command=user_login_token_update").await;
    assert_eq!(bare.body, missing("ai_token"));
    // It can end itself at once.
    open(&world, &call(&second, "&expiration=now")).await;
    assert_eq!(open(&world, &call(&second, "")).await.body, FAILED);
}

#[tokio::test]
async fn of_two_reissues_at_once_one_wins() {
    let world = world().await;
    add_with_password(&world, "john", "Customer").await;
    let first = token(&world, "john").await;
    let call = format!("ai_command=user_login_token_update&ai_token={first}&reissue=1");
    let (one, two) = tokio::join!(open(&world, &call), open(&world, &call));
    let bodies = [one.body, two.body];
    let lost = bodies.iter().filter(|body| *body == FAILED).count();
    assert_eq!(lost, 1, "{bodies:?}");
}

#[tokio::test]
async fn a_forged_or_foreign_token_is_nobodys() {
    let world = world().await;
    add_with_password(&world, "john", "Customer").await;
    let good = token(&world, "john").await;
    let stranger = world
        .add_account("other", "stranger", "ffffffffffffffffffffffffffffffff")
        .await;
    let mut forged = good.clone();
    forged.replace_range(71.., if good.ends_with('A') { "E" } else { "A" });
    let moved = good.replacen(&world.account.to_string(), &stranger.to_string(), 1);
    let other = good.replacen(&good[16..28], "0123456789ab", 1);
    for token in [
        forged.as_str(),
        &moved,
        &other,
        &good[1..],
        &"x".repeat(9000),
    ] {
        let ping = format!("ai_command=ping&ai_token={token}");
        assert_eq!(open(&world, &ping).await.body, FAILED, "{token}");
        let beside = format!("{ping}&ai_login_id={LOGIN}&ai_login_password={PASSWORD}");
        assert_eq!(open(&world, &beside).await.body, FAILED, "{token}");
    }
    let beside = format!("ai_command=ping&ai_token={good}&ai_login_password={PASSWORD}");
    let own = format!("{beside}&ai_login_id={LOGIN}");
    assert!(open(&world, &own).await.body.starts_with(SUCCESS));
    let foreign = format!("{beside}&ai_login_id=stranger");
    assert_eq!(open(&world, &foreign).await.body, FAILED);
}

#[tokio::test]
async fn a_user_has_a_rate_limit_of_its_own() {
    let world = World::start().await;
    add_with_password(&world, "john", "Customer").await;
    let token = token(&world, "john").await;
    let ping = format!("ai_command=ping&ai_token={token}");
    let reply = open(&world, &ping).await;
    assert_eq!(reply.header("ratelimit-remaining"), Some("119"));
    let reply = open(&world, &ping).await;
    assert_eq!(reply.header("ratelimit-remaining"), Some("118"));
}

#[tokio::test]
async fn an_idempotency_key_belongs_to_the_user_who_came_with_it() {
    let world = world().await;
    add_with_password(&world, "john", "Customer").await;
    add_with_password(&world, "jane", "Customer").await;
    let (john, jane) = (token(&world, "john").await, token(&world, "jane").await);
    let key = [("idempotency-key", "k")];
    let call = |token: &str| format!("ai_command=update_user&company=x&ai_token={token}");
    assert_eq!(
        world
            .send("POST", "/service", &key, &call(&john))
            .await
            .body,
        SUCCESS
    );
    let again = world.send("POST", "/service", &key, &call(&john)).await;
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    let other = world.send("POST", "/service", &key, &call(&jane)).await;
    let used = "status=1&status_message=Idempotency-Key+was+used+for+another+request";
    assert_eq!(other.body, used);
}

#[tokio::test]
async fn commands_without_a_login_take_the_account_of_the_host() {
    let body = format!("ai_command=validate_user&username=john&password={GEHEIM}");
    let world = world().await;
    add_with_password(&world, "john", "Customer").await;
    assert_eq!(open(&world, &body).await.body, FAILED, "no account");
    set(&world, |account| {
        account.settings.hosts = vec!["relay".to_owned()];
    })
    .await;
    assert_eq!(validation(&open(&world, &body).await.body), "success");
    let token = format!("ai_command=user_login_token&username=john&password={GEHEIM}");
    assert_eq!(
        field(&open(&world, &token).await.body, "ai_token").len(),
        72
    );

    let first = World::start().await;
    let other = World::with(Options {
        http: Http {
            insecure_loopback: true,
            default_account: Some(first.account),
            ..Http::default()
        },
        ..Options::default()
    })
    .await;
    assert_eq!(
        other.account, first.account,
        "both take their ids from one seed"
    );
    add_with_password(&other, "john", "Customer").await;
    assert_eq!(validation(&open(&other, &body).await.body), "success");
}

#[tokio::test]
async fn validate_user_by_password() {
    let world = world().await;
    add_with_password(&world, "john", "Customer").await;
    add_with_password(&world, "gone", "Customer").await;
    add(&world, "bare", "Customer", Changes::default()).await;
    world
        .command("ai_command=update_user&username=gone&active=0")
        .await;
    let before = world.logged().await;
    for (username, password, expected) in [
        ("john", GEHEIM, "success"),
        ("John", GEHEIM, "success"),
        ("john", "wrong", "fail"),
        ("nobody", GEHEIM, "fail"),
        ("gone", GEHEIM, "error"),
        ("gone", "wrong", "fail"),
        ("bare", GEHEIM, "error"),
    ] {
        let call = format!("ai_command=validate_user&username={username}&password={password}");
        let body = world.command(&call).await.body;
        assert_eq!(validation(&body), expected, "{username} {password}");
        let success = format!("{SUCCESS}&validation=success&user_id=1001");
        let others = format!("{SUCCESS}&validation={expected}");
        assert_eq!(
            body,
            if expected == "success" {
                success
            } else {
                others
            }
        );
    }
    assert_eq!(world.logged().await, before);
    for (pairs, expected) in [
        ("username=john", missing("password")),
        ("password=x", missing("username")),
        ("ai_sid=1", missing("ai_sid_key")),
        ("ai_sid_key=x", missing("ai_sid")),
        ("ai_sid=x&ai_sid_key=x", invalid("ai_sid")),
    ] {
        let call = format!("ai_command=validate_user&{pairs}");
        assert_eq!(world.command(&call).await.body, expected, "{pairs}");
    }
    let none = world.command("ai_command=validate_user").await.body;
    assert_eq!(
        field(&none, "status_message[1]"),
        "ERROR: Required parameter \"password\" missing"
    );
}

#[tokio::test]
async fn too_many_wrong_passwords_bar_the_name_whatever_the_password() {
    let world = World::with(Options {
        limits: Settings {
            per_minute: 0,
            password_failures_per_minute: 3,
            ..Settings::default()
        },
        ..Options::default()
    })
    .await;
    add_with_password(&world, "john", "Customer").await;
    add_with_password(&world, "jane", "Customer").await;
    let limited = "status=1&status_message=Rate+limit+exceeded";
    let validate = |name: &str, password: &str| {
        format!("ai_command=validate_user&username={name}&password={password}")
    };
    let login = format!("ai_command=user_login_token&username=john&password={GEHEIM}");
    // Both commands count, and the name without regard to case.
    world.command(&validate("john", "wrong")).await;
    world.command(&validate("JOHN", "wrong")).await;
    assert_eq!(
        world.command(&login.replace(GEHEIM, "x")).await.body,
        FAILED
    );
    for call in [
        validate("john", GEHEIM),
        validate("john", "wrong"),
        login.clone(),
    ] {
        let reply = world.command(&call).await;
        assert_eq!((reply.status, reply.body.as_str()), (429, limited));
        assert_eq!(reply.header("retry-after"), Some("60"));
    }
    assert_eq!(
        validation(&world.command(&validate("jane", GEHEIM)).await.body),
        "success"
    );
    world.clock.set(later(60));
    assert_eq!(
        validation(&world.command(&validate("john", GEHEIM)).await.body),
        "success"
    );
    // Keys of a link are counted alike.
    let link = "ai_command=validate_user&ai_sid=1001&ai_sid_key=x";
    for _ in 0..3 {
        assert_eq!(validation(&world.command(link).await.body), "fail");
    }
    assert_eq!(world.command(link).await.status, 429);
}

#[tokio::test]
async fn wrong_tokens_count_against_the_address() {
    let world = World::with(Options {
        limits: Settings {
            auth_failures_per_minute: 2,
            ..Settings::default()
        },
        ..Options::default()
    })
    .await;
    add_with_password(&world, "john", "Customer").await;
    let good = token(&world, "john").await;
    let wrong = "ai_command=ping&ai_token=wrong";
    assert_eq!(open(&world, wrong).await.status, 200);
    assert_eq!(open(&world, wrong).await.status, 200);
    assert_eq!(open(&world, wrong).await.status, 429);
    let ping = format!("ai_command=ping&ai_token={good}");
    assert_eq!(open(&world, &ping).await.status, 200);
}
