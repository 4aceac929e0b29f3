//! `protocols/command-api.md` 4.25 and 4.28: links that log a user in once.

use hookrelay::clock::Millis;
use hookrelay::domain::user::Changes;

use crate::people::{
    DENIED, NO_RECORD, SUCCESS, add, field, invalid, missing, set, stored, too_long, validation,
    world,
};
use crate::world::NOW;

const NEW: &str = "username=john&first_name=John&last_name=Doe&phone=8005551234\
                   &email=john@example.com";
const LINK: &str = "ai_command=user_login_link";

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
        let (number, key) = (field(&body, "ai_sid"), field(&body, "ai_sid_key"));
        let base: String = form_urlencoded::byte_serialize(base.as_bytes()).collect();
        let url = format!("{base}{joint}ai_sid%3D{number}%26ai_sid_key%3D{key}");
        assert_eq!(body, shown(1001, number.parse().unwrap(), &key, &url));
        assert_eq!(world.logged().await, before + 1);
    }
    let before = world.logged().await;
    let validate = format!("ai_command=validate_user&ai_sid=1001&ai_sid_key={key}");
    let success = format!("{SUCCESS}&validation=success&user_id=1001");
    assert_eq!(world.command(&validate).await.body, success);
    let login = r#"{"user_id":1001,"username":"john","ai_sid":1001}"#;
    assert_eq!(
        world.appended(before).await,
        [("user_logged_in".to_owned(), login.to_owned())]
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
