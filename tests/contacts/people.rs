//! Contacts: sections 2.1, 2.2 and the rows of section 3 about one contact.

use hookrelay::domain::account;
use hookrelay::domain::actor::{Actor, Rights};
use hookrelay::domain::lead::{self, Text, fields::Fields};

use crate::shop::{JANE, call, example, jane, list, post, text, types, world};
use crate::world::World;

const SIX: &str = r#"{"id":"6q3d25vt4f5v","firstName":"Jane","lastName":"Smith","phone":"+15551234567","email":"jane@example.com","createdAt":"2026-01-15T10:30:00Z"}"#;
const EIGHT: &str = r#"{"id":"6q3d25vt4f5v","firstName":"Jane","lastName":"Smith","phone":"+15551234567","email":"jane@example.com","createdAt":"2026-01-15T10:30:00Z","success":true,"contactId":"6q3d25vt4f5v"}"#;
const NEW_CONTACT: &str = r#"{"contact_id":1001,"contact_ref":"6q3d25vt4f5v","first_name":"Jane","last_name":"Smith","phone":"+15551234567","email":"jane@example.com","gender":null,"note":null,"external_id":null,"is_bot_active":true,"do_not_disturb":false,"custom_fields":[],"lists":[],"identities":[],"created_at":"2026-01-15T10:30:00Z"}"#;

#[tokio::test]
async fn the_examples_of_creating_and_looking_up() {
    let world = world().await;
    let made = call(&world, "POST", "contacts", JANE).await;
    let id = text(&made.json(), "id");
    let own = [("6q3d25vt4f5v", id.as_str())];
    assert_eq!((made.status, made.body), (201, example(SIX, &own)));
    let told = world.appended(0).await;
    let expected = ("new_contact".to_owned(), example(NEW_CONTACT, &own));
    assert_eq!(told, [expected]);
    let eight = example(EIGHT, &own);
    for path in [
        "contacts?phoneNumber=%2B15551234567",
        // A `+` that was not escaped, and other spellings of the number.
        "contacts?phoneNumber=+15551234567",
        "contacts?phone=+15551234567",
        "contacts?phoneNumber=+1%20(555)%20123-45.67",
        "contacts?phoneNumber=0015551234567",
        "contacts?email=JANE@Example.com",
        // The phone wins.
        "contacts?phoneNumber=+15551234567&email=nobody@example.com",
        "contacts?phoneNumber=&phone=%20&email=jane@example.com",
        &format!("contacts/{id}"),
        &format!("contacts//{id}/"),
    ] {
        let found = call(&world, "GET", path, "").await;
        assert_eq!(
            (found.status, found.body.as_str()),
            (200, eight.as_str()),
            "{path}"
        );
    }
    assert_eq!(world.logged().await, 1);
}

#[tokio::test]
async fn an_existing_contact_is_answered_unchanged() {
    let world = world().await;
    let vip = list(&world, "VIP").await;
    let id = jane(&world).await;
    let before = world.logged().await;
    for body in [
        JANE.to_owned(),
        r#"{"phoneNumber":"00 1 555 123 4567","firstName":"Other"}"#.to_owned(),
        r#"{"email":"JANE@example.com","lastName":"Other","do_not_disturb":true}"#.to_owned(),
        format!(r#"{{"phone":"+15551234567","listId":"{vip}","email":"x@example.com"}}"#),
        r#"{"phone":"+15551234567","externalId":"x","customChannel":"c"}"#.to_owned(),
    ] {
        let again = call(&world, "POST", "contacts", &body).await;
        let own = [("6q3d25vt4f5v", id.as_str())];
        assert_eq!(
            (again.status, again.body),
            (200, example(SIX, &own)),
            "{body}"
        );
    }
    assert_eq!(world.logged().await, before);
    // With another phone it is somebody else, whatever the email.
    let body = r#"{"phone":"+15551234568","email":"jane@example.com"}"#;
    assert_eq!(call(&world, "POST", "contacts", body).await.status, 201);
    let found = call(&world, "GET", "contacts?email=jane@example.com", "").await;
    assert_eq!(found.json()["contactId"], id.as_str());
}

#[tokio::test]
async fn every_parameter_of_a_new_contact() {
    let world = world().await;
    let (vip, old) = (list(&world, "VIP").await, list(&world, "Old").await);
    // Body, then what the notification holds.
    let cases = [
        (
            r#"{"phone":"+15550000001"}"#,
            r#""first_name":"Unknown","last_name":"Unknown","phone":"+15550000001","email":null"#,
        ),
        (
            r#"{"email":"a@example.com","phone":"","firstName":"","lastName":null}"#,
            r#""first_name":"Unknown","last_name":"Unknown","phone":null,"email":"a@example.com""#,
        ),
        (
            r#"{"phoneNumber":"+15550000002","firstName":17,"lastName":" A\nB "}"#,
            r#""first_name":"17","last_name":"A B""#,
        ),
        (
            r#"{"phone":"+15550000003","is_bot_active":"no","do_not_disturb":1}"#,
            r#""is_bot_active":false,"do_not_disturb":true"#,
        ),
        (
            r#"{"phone":"+15550000004","is_bot_active":"","do_not_disturb":"N","externalId":7}"#,
            r#""external_id":"7","is_bot_active":true,"do_not_disturb":false"#,
        ),
        (
            r#"{"phone":"+15550000005","externalId":"u-1","customChannel":"c"}"#,
            r#""identities":[{"channel":"c","external_id":"u-1"}]"#,
        ),
        // Somebody has this identity already.
        (
            r#"{"phone":"+15550000006","externalId":"u-1","customChannel":"c"}"#,
            r#""identities":[]"#,
        ),
        (
            r#"{"phone":"+15550000007","customChannel":"c"}"#,
            r#""external_id":null"#,
        ),
        (
            r#"{"phone":"+15550000008","channel":1,"instagramId":{},"chatWidgetId":[],"currentCampaign":"x","currentCampaignData":null,"isChatWindowOpen":"?","unknown":true}"#,
            r#""identities":[]"#,
        ),
    ];
    for (body, expected) in cases {
        let before = world.logged().await;
        let made = call(&world, "POST", "contacts", body).await;
        assert_eq!(made.status, 201, "{body} {}", made.body);
        let told = world.appended(before).await;
        assert_eq!(types(&told), ["new_contact"], "{body}");
        assert!(told[0].1.contains(expected), "{body} {}", told[0].1);
    }
    for (n, (lists, expected)) in [
        (format!(r#""listId":"{vip}""#), vec![&vip]),
        (
            format!(r#""listId":"nobody","listIds":["{old}","{vip}","{old}"]"#),
            vec![&old, &vip],
        ),
        (format!(r#""listId":"{vip}","listIds":[]"#), vec![&vip]),
        (format!(r#""listId":"{vip}","listIds":null"#), vec![&vip]),
    ]
    .into_iter()
    .enumerate()
    {
        let before = world.logged().await;
        let body = format!(r#"{{"email":"l{n}@example.com",{lists}}}"#);
        let made = call(&world, "POST", "contacts", &body).await;
        assert_eq!(made.status, 201, "{body} {}", made.body);
        let told = world.appended(before).await;
        assert_eq!(told[0].0, "new_contact");
        let added: Vec<String> = told[1..]
            .iter()
            .map(|(name, data)| {
                assert_eq!(name, "list_member_added");
                text(&serde_json::from_str(data).unwrap(), "list_id")
            })
            .collect();
        assert_eq!(added.iter().collect::<Vec<_>>(), expected, "{body}");
    }
}

#[tokio::test]
async fn absent_members_are_null() {
    let world = world().await;
    let by_phone = post(&world, "contacts", r#"{"phone":"+15551234567"}"#).await;
    assert!(by_phone["email"].is_null() && by_phone["phone"].is_string());
    let by_email = call(&world, "POST", "contacts", r#"{"email":"x@example.com"}"#).await;
    assert!(
        by_email
            .body
            .contains(r#""phone":null,"email":"x@example.com""#)
    );
}

#[tokio::test]
// A table is as long as what it shows.
#[allow(clippy::too_many_lines)]
async fn updates_replace_what_is_given() {
    let world = world().await;
    let id = jane(&world).await;
    post(&world, "contacts", r#"{"phone":"+15550000001"}"#).await;
    let path = format!("contacts/{id}");
    // Body, and what of the notification changed; none = nothing.
    for (body, changed) in [
        (r#"{"firstName":"Jane","phone":"+1 555 123 4567"}"#, None),
        (r#"{"firstName":"Janet"}"#, Some(r#"["first_name"]"#)),
        (
            r#"{"firstName":" ","lastName":""}"#,
            Some(r#"["first_name","last_name"]"#),
        ),
        (
            r#"{"is_bot_active":"0","do_not_disturb":true}"#,
            Some(r#"["do_not_disturb","is_bot_active"]"#),
        ),
        (
            r#"{"email":"new@example.com","is_bot_active":""}"#,
            Some(r#"["email"]"#),
        ),
        (r#"{"email":""}"#, Some(r#"["email"]"#)),
        (r#"{"email":""}"#, None),
        (
            r#"{"phone":null,"phoneNumber":"+15550000002","email":"x@example.com"}"#,
            Some(r#"["email","phone"]"#),
        ),
    ] {
        let before = world.logged().await;
        let reply = call(&world, "PUT", &path, body).await;
        let expected = r#"{"success":true,"message":"Contact updated successfully"}"#;
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (200, expected),
            "{body}"
        );
        let told = world.appended(before).await;
        assert_eq!(
            told.len(),
            usize::from(changed.is_some()),
            "{body} {told:?}"
        );
        if let Some(changed) = changed {
            assert_eq!(told[0].0, "update_contact");
            let end = format!(r#","changed":{changed}}}"#);
            assert!(told[0].1.ends_with(&end), "{body} {}", told[0].1);
        }
    }
    let now = call(&world, "GET", &path, "").await.json();
    assert_eq!(now["firstName"], "Unknown");
    assert_eq!(
        (&now["phone"], &now["email"]),
        (&"+15550000002".into(), &"x@example.com".into())
    );
    for (body, status, message) in [
        (r#"{"phone":""}"#, 400, "phone is not valid."),
        (r#"{"phoneNumber":" "}"#, 400, "phoneNumber is not valid."),
        (
            r#"{"phone":"","phoneNumber":"+15550000003"}"#,
            400,
            "phone is not valid.",
        ),
        (
            r#"{"phone":"5551234567"}"#,
            400,
            "Phone number must include a valid country code.",
        ),
        (
            r#"{"phone":"+15550000001"}"#,
            409,
            "Another contact has this phone number.",
        ),
        (r#"{"email":"nobody"}"#, 400, "Email address is not valid."),
        ("{}", 400, "firstName is required."),
        (
            r#"{"firstName":null,"is_bot_active":" ","unknown":1}"#,
            400,
            "firstName is required.",
        ),
    ] {
        let reply = call(&world, "PUT", &path, body).await;
        let found = reply.json();
        assert_eq!(
            (reply.status, &found["error"]["message"]),
            (status, &message.into()),
            "{body}"
        );
    }
    // Without a phone an email stays, also with one that never was there.
    let by_email = text(
        &post(&world, "contacts", r#"{"email":"e@example.com"}"#).await,
        "id",
    );
    let sent = r#"{"customData":{"fromId":"x","customChannel":"c","body":"b"}}"#;
    post(&world, "send_custom_channel_message", sent).await;
    let known: String = {
        let told = world.appended(world.logged().await - 3).await;
        text(&serde_json::from_str(&told[0].1).unwrap(), "contact_ref")
    };
    for id in [by_email, known] {
        let reply = call(&world, "PUT", &format!("contacts/{id}"), r#"{"email":""}"#).await;
        let found = reply.json();
        let expected = "Provide a phone number or an email.";
        assert_eq!(
            (reply.status, &found["error"]["message"]),
            (400, &expected.into())
        );
        let path = format!("contacts/{id}");
        let body = format!(
            r#"{{"email":"","phone":"+1555000{}"}}"#,
            1000 + world.logged().await
        );
        assert_eq!(
            call(&world, "PUT", &path, &body).await.status,
            200,
            "{body}"
        );
    }
}

/// A lead with these tags and this phone.
async fn lead(world: &World, phone: &str, tags: &[&str]) {
    let id = world.account;
    let fields = &Fields {
        texts: [(Text::Phone, phone.to_owned())].into(),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        ..Fields::default()
    };
    let actor = &Actor {
        user: None,
        rights: Rights::All,
    };
    let accounts = [id];
    let made = world.db.transact(&accounts, |tx| async move {
        let account = account::by_id(&tx, id).await?;
        lead::create(&tx, &account, fields, None, actor).await
    });
    made.await.unwrap();
}

#[tokio::test]
async fn tags_are_those_of_leads_and_conversations() {
    let world = world().await;
    let id = jane(&world).await;
    let path = format!("contacts/tags/{id}");
    let none = call(&world, "GET", &path, "").await;
    assert_eq!((none.status, none.body.as_str()), (200, "[]"));
    lead(&world, "+15551234567", &["prospect-2026"]).await;
    let one = call(&world, "GET", &path, "").await;
    let expected = r#"[{"name":"prospect-2026","description":""}]"#;
    assert_eq!(one.body, expected);
    lead(&world, "+15551234567", &["Alpha", "prospect-2026"]).await;
    lead(&world, "+15550000001", &["others"]).await;
    let two = call(&world, "GET", &path, "").await;
    let expected =
        r#"[{"name":"Alpha","description":""},{"name":"prospect-2026","description":""}]"#;
    assert_eq!(two.body, expected);
}
