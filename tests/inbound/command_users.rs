//! `protocols/command-api.md` 4.12, 4.23 and 4.24: users and their invites.

use hookrelay::domain::user::Changes;
use hookrelay::store::keys;

use crate::people::{
    DENIED, NO_RECORD, SUCCESS, add, add_with_password, escaped, field, invalid, missing, open,
    set, stored, token, too_long, world,
};
use crate::world::World;

#[tokio::test]
async fn user_get_answers_as_documented_by_every_name() {
    let world = world().await;
    let text = |text: &str| Some(text.to_owned());
    let changes = Changes {
        first_name: text("John"),
        last_name: text("Doe"),
        email: text("john@example.com"),
        phone: text("8005551234"),
        country: text("US"),
        external_id: text("E-1"),
        ..Changes::default()
    };
    add(&world, "john", "Customer", changes).await;
    add(&world, "alice", "Agent", Changes::default()).await;
    let john = "&user_id=1001&external_id=E-1&username=john&first_name=John&last_name=Doe&company=\
                &email=john%40example.com&phone=8005551234&country=US&account_type=Customer\
                &date_added=2026-01-10+09%3A00%3A00&active=1&online_status=F&contact_id=1001";
    for (pairs, expected) in [
        ("userID=1001", format!("{SUCCESS}{john}")),
        ("username=JOHN", format!("{SUCCESS}{john}")),
        ("external_id=E-1", format!("{SUCCESS}{john}")),
        // The first in the order of the table.
        (
            "external_id=x&username=x&userID=1001",
            format!("{SUCCESS}{john}"),
        ),
        (
            "external_id=x&username=john&userID=",
            format!("{SUCCESS}{john}"),
        ),
        ("external_id=e-1", NO_RECORD.to_owned()),
        ("userID=1003", NO_RECORD.to_owned()),
        ("userID=-1", NO_RECORD.to_owned()),
        ("username=jane", NO_RECORD.to_owned()),
        ("", missing("userID")),
        ("userID=x", invalid("userID")),
        ("username=%00", invalid("username")),
    ] {
        let call = format!("ai_command=user_get&{pairs}");
        assert_eq!(world.command(&call).await.body, expected, "{pairs}");
    }
    // An agent is no contact.
    let alice = world.command("ai_command=user_get&userID=1002").await.body;
    assert!(alice.ends_with("&contact_id="), "{alice}");
}

#[tokio::test]
async fn a_user_sees_itself_and_others_only_as_owner_or_administrator() {
    let world = world().await;
    for (name, account_type) in [
        ("alice", "Agent"),
        ("bob", "Owner"),
        ("carl", "admin"),
        ("dora", "Customer"),
    ] {
        add_with_password(&world, name, account_type).await;
    }
    let (alice, bob) = (token(&world, "alice").await, token(&world, "bob").await);
    let (carl, dora) = (token(&world, "carl").await, token(&world, "dora").await);
    for (token, pairs, seen) in [
        (&alice, "", "alice"),
        (&alice, "&userID=1001", "alice"),
        (&alice, "&username=Alice", "alice"),
        (&alice, "&userID=1002", ""),
        // Whether there is such a user is none of its business.
        (&alice, "&userID=9999", ""),
        (&dora, "", "dora"),
        (&dora, "&username=alice", ""),
        (&bob, "&userID=1001", "alice"),
        (&carl, "&username=dora", "dora"),
        (&carl, "", "carl"),
    ] {
        let body = format!("ai_command=user_get&ai_token={token}{pairs}");
        let body = open(&world, &body).await.body;
        assert_eq!(field(&body, "username"), seen, "{pairs}");
        assert_eq!(body == DENIED, seen.is_empty(), "{pairs}: {body}");
    }
    let unknown = format!("ai_command=user_get&ai_token={bob}&userID=9999");
    assert_eq!(open(&world, &unknown).await.body, NO_RECORD);
    // Commands of API logins are not for users.
    let invites = format!("ai_command=issue_invites&ai_token={bob}&user_id=1001&type_name=1");
    assert_eq!(open(&world, &invites).await.body, DENIED);
}

/// `update_user` in the words of `protocols/notifications.md` 4.1.
const ONLINE: &str = r#"{"user_id":1002,"username":"alice","account_type":"Agent","first_name":"Alice","last_name":"Stone","email":"alice@agent.example","phone":"","company":"","date_added":"2026-01-10 09:00:00","enroller_id":0,"upline_id":0,"enroller_code":0,"enroller_code_name":"","billing_address":{"first_name":"","last_name":"","company":"","address_line_1":"","address_line_2":"","city":"","region":"","country":"","postal_code":"","email":"","phone":""},"shipping_address":{"first_name":"","last_name":"","company":"","address_line_1":"","address_line_2":"","city":"","region":"","country":"","postal_code":"","email":"","phone":""},"external_id":"","country":"","gender":"","is_business":false,"payout_method":"","active":true,"online_status":"TM","changed":["online_status"]}"#;

#[tokio::test]
async fn update_user_says_what_changed_and_nothing_if_nothing_did() {
    let world = world().await;
    add(&world, "john", "Customer", Changes::default()).await;
    add(&world, "alice", "Agent", Changes::default()).await;
    let before = world.logged().await;
    let call = "ai_command=update_user&userID=1002&online_status=MT";
    assert_eq!(world.command(call).await.body, SUCCESS);
    let said = [("update_user".to_owned(), ONLINE.to_owned())];
    assert_eq!(world.appended(before).await, said);
    let presence = keys::parts("presence", world.account, 1002);
    let kept = world.db.view().read_range::<String>(&presence, 9).await;
    assert_eq!(kept.unwrap()[0].1, "TM");
    // The same again, in any order, is no change.
    for again in [
        call,
        "ai_command=update_user&userID=1002&online_status=TM&first_name=Alice",
    ] {
        assert_eq!(world.command(again).await.body, SUCCESS);
    }
    assert_eq!(world.logged().await, before + 1);
}

/// Calls on alice, in turn: the pairs, and the sorted names of what they change.
const CHANGES: [(&str, &[&str]); 26] = [
    ("username=alice2", &["username"]),
    ("username=alice@example.com", &["username"]),
    ("username=alice", &["username"]),
    (
        "first_name=A%09B&last_name=+C+",
        &["first_name", "last_name"],
    ),
    ("first_name=A+B&last_name=C", &[]),
    ("first_name=&last_name=+&email=&username=", &[]),
    ("phone=8005551234", &["phone"]),
    ("phone=", &[]),
    ("email=ALICE@agent.example", &["email"]),
    (
        "company=Acme&country=US&gender=F&payout_method=general_csv",
        &["company", "country", "gender", "payout_method"],
    ),
    (
        "company=&country=+&gender=",
        &["company", "country", "gender"],
    ),
    ("payout_method=%0a", &["payout_method"]),
    ("account_type=Owner", &["account_type"]),
    ("is_business=yes", &["is_business"]),
    ("is_business=No", &["is_business"]),
    (
        "gov_id_type=passport&gov_id_number=X1",
        &["gov_id_number", "gov_id_type"],
    ),
    ("external_id=E-2", &["external_id"]),
    ("exteral_id=E-3&external_id=E-4", &["external_id"]),
    (
        "enroller_id=1001&upline_id=1001",
        &["enroller_id", "upline_id"],
    ),
    (
        "enroller_code=-7&enroller_code_name=Seven",
        &["enroller_code", "enroller_code_name"],
    ),
    ("online_status=TPM", &["online_status"]),
    ("online_status=F", &["online_status"]),
    ("online_status=P", &["online_status"]),
    ("online_status=", &["online_status"]),
    ("active=0", &["active"]),
    ("active=1", &["active"]),
];

#[tokio::test]
async fn every_column_is_changed_named_and_kept() {
    let world = world().await;
    add(&world, "john", "Customer", Changes::default()).await;
    add(&world, "alice", "Agent", Changes::default()).await;
    for (pairs, changed) in CHANGES {
        let before = world.logged().await;
        let call = format!("ai_command=update_user&userID=1002&{pairs}");
        assert_eq!(world.command(&call).await.body, SUCCESS, "{pairs}");
        let said = world.appended(before).await;
        assert_eq!(said.len(), usize::from(!changed.is_empty()), "{pairs}");
        for (event_type, data) in said {
            let data: serde_json::Value = serde_json::from_str(&data).unwrap();
            assert_eq!(event_type, "update_user");
            assert_eq!(data["changed"], serde_json::json!(changed), "{pairs}");
            // Documents by name only.
            assert!(data.get("gov_id_number").is_none() && data.get("password").is_none());
        }
    }
    let alice = stored(&world, 1002).await;
    assert_eq!(alice.first_name, "A B");
    assert_eq!((alice.company.as_str(), alice.country.as_str()), ("", ""));
    assert_eq!(alice.external_id.as_deref(), Some("E-3"));
    assert_eq!((alice.enroller_id, alice.enroller_code), (Some(1001), -7));
    assert_eq!((alice.gov_id_number.as_str(), alice.active), ("X1", true));
}

#[tokio::test]
async fn addresses_are_replaced_as_a_whole() {
    let world = world().await;
    add(&world, "alice", "Agent", Changes::default()).await;
    let call = "ai_command=update_user&userID=1001&billing_address=";
    for (json, city, changes) in [
        (
            r#"{"city":"Springfield","postal_code":97477,"x":1}"#,
            "Springfield",
            1,
        ),
        (
            r#"{"postal_code":"97477","city":"Springfield","region":null}"#,
            "Springfield",
            0,
        ),
        (r#"{"city":"Salem"}"#, "Salem", 1),
        ("{}", "", 1),
    ] {
        let before = world.logged().await;
        let body = world
            .command(&format!("{call}{}", escaped(json)))
            .await
            .body;
        assert_eq!(body, SUCCESS, "{json}");
        let address = stored(&world, 1001).await.billing_address;
        assert_eq!(address.city, city);
        assert_eq!(world.logged().await - before, changes, "{json}");
    }
}

#[tokio::test]
async fn what_update_user_refuses() {
    let world = world().await;
    let taken = |text: &str| format!("status=1&status_message={text}+already+exists");
    let text = |text: &str| Some(text.to_owned());
    let external = |id: &str| Changes {
        external_id: text(id),
        ..Changes::default()
    };
    add(&world, "john", "Customer", external("J")).await;
    add(&world, "alice", "Agent", external("A")).await;
    let before = world.logged().await;
    let long = "x".repeat(256);
    let rule = "status=1&status_message=Password+must+have+at+least+7+characters+with+an+upper+case\
                +letter%2C+a+lower+case+letter+and+a+digit";
    for (pairs, expected) in [
        (String::new(), missing("userID")),
        ("userID=".to_owned(), missing("userID")),
        ("first_name=x".to_owned(), missing("userID")),
        ("userID=9999".to_owned(), NO_RECORD.to_owned()),
        ("external_id=none".to_owned(), NO_RECORD.to_owned()),
        ("username=nobody".to_owned(), NO_RECORD.to_owned()),
        ("userID=x".to_owned(), invalid("userID")),
        ("userID=1002&username=JOHN".to_owned(), taken("Username")),
        (
            "userID=1002&email=John@Agent.Example".to_owned(),
            taken("Email"),
        ),
        ("userID=1002&external_id=J".to_owned(), taken("External+id")),
        ("external_id=A&username=john".to_owned(), taken("Username")),
        ("userID=1002&username=jo+hn".to_owned(), invalid("username")),
        ("userID=1002&email=john".to_owned(), invalid("email")),
        ("userID=1002&country=U".to_owned(), invalid("country")),
        ("userID=1002&country=USA".to_owned(), too_long("country")),
        ("userID=1002&gender=X".to_owned(), invalid("gender")),
        (
            "userID=1002&online_status=TX".to_owned(),
            invalid("online_status"),
        ),
        (
            "userID=1002&enroller_code=1.5".to_owned(),
            invalid("enroller_code"),
        ),
        (
            "userID=1002&enroller_id=x".to_owned(),
            invalid("enroller_id"),
        ),
        (
            "userID=1002&enroller_id=9999".to_owned(),
            NO_RECORD.to_owned(),
        ),
        ("userID=1002&upline_id=0".to_owned(), NO_RECORD.to_owned()),
        (
            "userID=1002&billing_address=[]".to_owned(),
            invalid("billing_address"),
        ),
        (
            "userID=1002&shipping_address=x".to_owned(),
            invalid("shipping_address"),
        ),
        (
            format!("userID=1002&billing_address=%7B%22city%22:%22{long}%22%7D"),
            too_long("billing_address"),
        ),
        (
            format!("userID=1002&first_name={long}"),
            too_long("first_name"),
        ),
        (
            format!("userID=1002&phone={}", "1".repeat(33)),
            too_long("phone"),
        ),
        (
            format!("userID=1002&account_type={}", "x".repeat(65)),
            too_long("account_type"),
        ),
        (
            "userID=1002&first_name=%00".to_owned(),
            invalid("first_name"),
        ),
        ("userID=1002&password=Abcde1".to_owned(), rule.to_owned()),
    ] {
        let call = format!("ai_command=update_user&{pairs}");
        assert_eq!(world.command(&call).await.body, expected, "{pairs}");
    }
    // Everything that is wrong, in one answer.
    let call = "ai_command=update_user&userID=x&company=&gender=x&password=x&email=x";
    let texts = ["userID", "email", "Password must", "gender"];
    let body = world.command(call).await.body;
    for (n, text) in texts.into_iter().enumerate() {
        let said = field(&body, &format!("status_message[{n}]"));
        assert!(said.contains(text), "{said}");
    }
    let call = "ai_command=update_user&email=x&country=USA";
    assert_eq!(
        world.command(call).await.body,
        "status=1&status_message%5B0%5D=ERROR%3A+Required+parameter+%22userID%22+missing\
         &status_message%5B1%5D=Invalid+value+for+parameter+%22email%22\
         &status_message%5B2%5D=Value+of+parameter+%22country%22+is+too+long"
    );
    assert_eq!(world.logged().await, before);
}

#[tokio::test]
async fn a_name_that_finds_the_user_is_no_new_value() {
    let world = world().await;
    let changes = Changes {
        external_id: Some("A".to_owned()),
        ..Changes::default()
    };
    add(&world, "alice", "Agent", changes).await;
    for (pairs, username, external_id) in [
        ("username=ALICE&company=1", "alice", "A"),
        ("external_id=A&username=bob&company=2", "bob", "A"),
        ("exteral_id=A&username=alice&company=3", "alice", "A"),
        ("userID=1001&username=carl&external_id=C", "carl", "C"),
    ] {
        let call = format!("ai_command=update_user&{pairs}");
        assert_eq!(world.command(&call).await.body, SUCCESS, "{pairs}");
        let user = stored(&world, 1001).await;
        let external = user.external_id.as_deref();
        assert_eq!(
            (user.username.as_str(), external),
            (username, Some(external_id))
        );
    }
    // What a user no longer has is free.
    add(
        &world,
        "alice",
        "Agent",
        Changes {
            email: Some("x@y.example".into()),
            ..Changes::default()
        },
    )
    .await;
    assert_eq!(
        world.command("ai_command=user_get&username=bob").await.body,
        NO_RECORD
    );
}

#[tokio::test]
async fn a_user_changes_itself_and_not_everything() {
    let world = world().await;
    add_with_password(&world, "alice", "Owner").await;
    add(&world, "bob", "Agent", Changes::default()).await;
    let alice = token(&world, "alice").await;
    let before = world.logged().await;
    for pairs in [
        "userID=1002&company=x",
        "userID=9999&company=x",
        "username=bob&company=x",
        "external_id=none&company=x",
        "account_type=Owner",
        "active=0",
        "enroller_id=1002",
        "enroller_code=1",
        "enroller_code_name=x",
        "upline_id=1002",
        "payout_method=x",
        "payout_method=",
    ] {
        let body = format!("ai_command=update_user&ai_token={alice}&{pairs}");
        assert_eq!(open(&world, &body).await.body, DENIED, "{pairs}");
    }
    assert_eq!(world.logged().await, before);
    for pairs in [
        "company=1",
        "userID=1001&company=2",
        "username=alice&company=3",
    ] {
        let body = format!("ai_command=update_user&ai_token={alice}&{pairs}");
        assert_eq!(open(&world, &body).await.body, SUCCESS, "{pairs}");
    }
    assert_eq!(stored(&world, 1001).await.company, "3");
}

#[tokio::test]
async fn invites_are_issued_as_documented() {
    let world = world().await;
    let changes = Changes {
        external_id: Some("J".to_owned()),
        ..Changes::default()
    };
    add(&world, "john", "Customer", changes).await;
    for (pairs, count) in [
        ("user_id=1001&type_name=1", 1),
        ("external_user_id=J&type_name=1&qty=100", 100),
        ("user_id=1001&external_user_id=nobody&type_name=1&qty=2", 2),
    ] {
        let before = world.logged().await;
        let body = world
            .command(&format!("ai_command=issue_invites&{pairs}"))
            .await
            .body;
        assert_eq!(field(&body, "status_message"), "SUCCESS");
        let codes: Vec<String> = serde_json::from_str(&field(&body, "invites")).unwrap();
        assert_eq!(codes.len(), count, "{pairs}");
        let is_code = |code: &String| {
            code.len() == 12
                && code
                    .chars()
                    .all(|c| "0123456789ABCDEFGHJKMNPQRSTVWXYZ".contains(c))
        };
        assert!(codes.iter().all(is_code), "{codes:?}");
        let listed = serde_json::to_string(&codes).unwrap();
        let data =
            format!(r#"{{"user_id":1001,"username":"john","type_name":"1","codes":{listed}}}"#);
        let said = [("invites_issued".to_owned(), data)];
        assert_eq!(world.appended(before).await, said);
        if count == 1 {
            let shown = format!(
                "status=0&status_message=SUCCESS&invites={}",
                escaped(&listed)
            );
            assert_eq!(body, shown);
        }
    }
}

#[tokio::test]
async fn what_issue_invites_refuses() {
    let world = world().await;
    add(&world, "john", "Customer", Changes::default()).await;
    let before = world.logged().await;
    for (pairs, expected) in [
        ("type_name=1".to_owned(), missing("user_id")),
        ("user_id=1001".to_owned(), missing("type_name")),
        ("user_id=9999&type_name=1".to_owned(), NO_RECORD.to_owned()),
        (
            "external_user_id=x&type_name=1".to_owned(),
            NO_RECORD.to_owned(),
        ),
        ("user_id=x&type_name=1".to_owned(), invalid("user_id")),
        ("user_id=1001&type_name=1&qty=0".to_owned(), invalid("qty")),
        (
            "user_id=1001&type_name=1&qty=101".to_owned(),
            invalid("qty"),
        ),
        (
            format!("user_id=1001&type_name={}", "x".repeat(65)),
            too_long("type_name"),
        ),
    ] {
        let call = format!("ai_command=issue_invites&{pairs}");
        assert_eq!(world.command(&call).await.body, expected, "{pairs}");
    }
    assert_eq!(world.logged().await, before);
}

async fn owner(world: &World) -> Option<u64> {
    let tx = world.db.view();
    let account = hookrelay::domain::account::by_id(&tx, world.account)
        .await
        .unwrap();
    hookrelay::domain::user::default_owner(&tx, &account)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_default_owner_is_the_first_active_owner_unless_one_is_set() {
    let world = world().await;
    assert_eq!(owner(&world).await, None);
    for (name, account_type) in [("alice", "Agent"), ("bob", "OWNER"), ("carl", "Owner")] {
        add(&world, name, account_type, Changes::default()).await;
    }
    for (pairs, expected) in [
        ("", Some(1002)),
        ("userID=1002&active=0", Some(1003)),
        ("userID=1003&account_type=Agent", None),
        ("userID=1001&account_type=owner", Some(1001)),
        ("userID=1002&active=1", Some(1001)),
    ] {
        world
            .command(&format!("ai_command=update_user&{pairs}"))
            .await;
        assert_eq!(owner(&world).await, expected, "{pairs}");
    }
    set(&world, |account| {
        account.settings.default_owner = Some(1003);
    })
    .await;
    assert_eq!(owner(&world).await, Some(1003));
    set(&world, |account| {
        account.settings.default_owner = Some(9999);
    })
    .await;
    assert_eq!(owner(&world).await, Some(1001));
}
