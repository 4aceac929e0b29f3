//! `protocols/command-api.md` 4.25 to 4.28 and section 6: how users prove themselves.

use hookrelay::api::front::Settings as Http;
use hookrelay::clock::Millis;
use hookrelay::domain::user::Changes;
use hookrelay::limit::Settings;

use crate::people::{
    DENIED, FAILED, GEHEIM, NO_RECORD, SUCCESS, add, add_with_password, field, invalid, later,
    missing, open, set, stored, token, too_long, world,
};
use crate::world::{LOGIN, NOW, Options, PASSWORD, World};

const NEW: &str = "username=john&first_name=John&last_name=Doe&phone=8005551234\
                   &email=john@example.com";
const LINK: &str = "ai_command=user_login_link";

fn validation(body: &str) -> String {
    assert!(
        body.starts_with(&format!("{SUCCESS}&validation=")),
        "{body}"
    );
    field(body, "validation")
}

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
        account.settings.hosts = vec!["relay".to_owned()]
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
async fn a_link_is_given_as_documented_and_logs_in_once() {
    let world = world().await;
    let call = format!("{LINK}&external_id=E-1&{NEW}&company=Acme");
    let body = world.command(&call).await.body;
    let key = field(&body, "ai_sid_key");
    let shown = |user: u64, sid: u64, key: &str, url: &str| {
        format!("{SUCCESS}&user_id={user}&ai_sid={sid}&ai_sid_key={key}&dashboard_url={url}")
    };
    assert_eq!(body, shown(1001, 1001, &key, ""));
    assert!(
        key.len() == 10
            && key
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    );
    let said = world.appended(0).await;
    let types: Vec<&str> = said.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(types.last(), Some(&"user_login_link"));
    assert!(types.contains(&"new_user"));
    let link =
        r#"{"user_id":1001,"username":"john","ai_sid":1001,"expires_at":"2026-01-15T10:40:00Z"}"#;
    assert_eq!(said.last().unwrap().1, link);
    let user = stored(&world, 1001).await;
    assert_eq!(
        (user.account_type.as_str(), user.company.as_str()),
        ("User", "Acme")
    );
    // The known user gets another; what else is given is ignored.
    for (base, joint) in [
        ("https://shop.example/dashboard", "%3F"),
        ("https://x.example/?a=1", "%26"),
    ] {
        let before = world.logged().await;
        let set_base = move |account: &mut hookrelay::domain::account::Account| {
            account.settings.dashboard_url = Some(base.to_owned());
        };
        set(&world, set_base).await;
        let body = world
            .command(&format!("{LINK}&external_id=E-1&username=+&email=x"))
            .await
            .body;
        let (sid, key) = (field(&body, "ai_sid"), field(&body, "ai_sid_key"));
        let base: String = form_urlencoded::byte_serialize(base.as_bytes()).collect();
        let url = format!("{base}{joint}ai_sid%3D{sid}%26ai_sid_key%3D{key}");
        assert_eq!(body, shown(1001, sid.parse().unwrap(), &key, &url));
        assert_eq!(world.logged().await, before + 1);
    }
    let before = world.logged().await;
    let validate = format!("ai_command=validate_user&ai_sid=1001&ai_sid_key={key}");
    let success = format!("{SUCCESS}&validation=success&user_id=1001");
    assert_eq!(world.command(&validate).await.body, success);
    let used = r#"{"user_id":1001,"username":"john","ai_sid":1001}"#;
    assert_eq!(
        world.appended(before).await,
        [("user_logged_in".to_owned(), used.to_owned())]
    );
    assert_eq!(validation(&world.command(&validate).await.body), "fail");
    assert_eq!(world.logged().await, before + 1);
}

#[tokio::test]
async fn a_link_is_good_for_ten_minutes_one_login_and_an_active_user() {
    let world = world().await;
    let link = format!("{LINK}&external_id=E-1&{NEW}");
    let validate = |body: &str| {
        let (sid, key) = (field(body, "ai_sid"), field(body, "ai_sid_key"));
        format!("ai_command=validate_user&ai_sid={sid}&ai_sid_key={key}")
    };
    let first = validate(&world.command(&link).await.body);
    let second = validate(&world.command(&link).await.body);
    for wrong in [
        format!("{first}x"),
        first.replace("ai_sid=1001", "ai_sid=1002"),
        first.replace("ai_sid=1001", "ai_sid=9999"),
    ] {
        assert_eq!(
            validation(&world.command(&wrong).await.body),
            "fail",
            "{wrong}"
        );
    }
    world
        .command("ai_command=update_user&userID=1001&active=0")
        .await;
    assert_eq!(world.command(&link).await.body, DENIED);
    assert_eq!(validation(&world.command(&first).await.body), "error");
    world
        .command("ai_command=update_user&userID=1001&active=1")
        .await;
    // Two at the same instant: exactly one logs in.
    let (one, two) = tokio::join!(world.command(&first), world.command(&first));
    let mut outcomes = [validation(&one.body), validation(&two.body)];
    outcomes.sort();
    assert_eq!(outcomes, ["fail", "success"]);
    world.clock.set(NOW.after(Millis::minutes(10)));
    assert_eq!(validation(&world.command(&second).await.body), "fail");
}

#[tokio::test]
async fn a_newcomer_with_a_taken_name_is_paired_only_on_demand() {
    let world = world().await;
    let email = |email: &str| Changes {
        email: Some(email.to_owned()),
        ..Changes::default()
    };
    add(&world, "john", "Customer", email("john@example.com")).await;
    add(&world, "jane", "Customer", email("jane@example.com")).await;
    let taken = |text: &str| format!("status=1&status_message={text}+already+exists");
    let before = world.logged().await;
    let pair = "&pair_existing=1";
    for (username, mail, more, expected) in [
        ("john", "john@example.com", "", taken("Username")),
        (
            "john",
            "john@example.com",
            "&pair_existing=0",
            taken("Username"),
        ),
        ("john", "jane@example.com", pair, taken("Username")),
        ("new", "JANE@example.com", pair, taken("Email")),
    ] {
        let person = "first_name=x&last_name=x&phone=1";
        let call = format!("{LINK}&external_id=E&username={username}&email={mail}&{person}{more}");
        assert_eq!(
            world.command(&call).await.body,
            expected,
            "{username} {mail}{more}"
        );
    }
    assert_eq!(world.logged().await, before);
    let call = format!("{LINK}&external_id=E&{NEW}&pair_existing=1").replace("john@", "JOHN@");
    let body = world.command(&call).await.body;
    assert_eq!(field(&body, "user_id"), "1001");
    let said = world.appended(before).await;
    assert_eq!(said[0].0, "update_user");
    assert!(said[0].1.ends_with(r#""changed":["external_id"]}"#));
    assert_eq!((said.len(), said[1].0.as_str()), (2, "user_login_link"));
    // It has an external id now, so nobody else is paired with it.
    let call = format!("{LINK}&external_id=F&{NEW}&pair_existing=1");
    assert_eq!(world.command(&call).await.body, taken("Username"));
}

#[tokio::test]
async fn what_user_login_link_refuses() {
    let world = world().await;
    let new = |more: &str| format!("external_id=E&{NEW}{more}");
    for (pairs, expected) in [
        (new("&phone="), missing("phone")),
        (new("&username=jo+hn"), invalid("username")),
        (new("&username=john@example.com"), invalid("username")),
        (
            new(&format!("&username={}", "x".repeat(65))),
            too_long("username"),
        ),
        (new("&email=john"), invalid("email")),
        (new("&date_added=yesterday"), invalid("date_added")),
        (
            new(&format!("&external_id={}", "x".repeat(256))),
            too_long("external_id"),
        ),
    ] {
        let call = format!("{LINK}&{pairs}");
        assert_eq!(world.command(&call).await.body, expected, "{pairs}");
    }
    let all = world.command(LINK).await.body;
    let names = [
        "external_id",
        "username",
        "first_name",
        "last_name",
        "phone",
        "email",
    ];
    for (n, name) in names.into_iter().enumerate() {
        let text = format!("ERROR: Required parameter \"{name}\" missing");
        assert_eq!(field(&all, &format!("status_message[{n}]")), text);
    }
    assert_eq!(world.logged().await, 0);
    let get = world
        .command("ai_command=user_get&username=john")
        .await
        .body;
    assert_eq!(get, NO_RECORD);
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
