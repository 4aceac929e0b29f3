//! `protocols/flex-api.md` section 4: CALL and SMS, and what they cost.

use serde_json::{Value, json};

use crate::calls::{PATH, body, call, contact, error, set, since, told, types, world};
use crate::world::{KEY, Reply, World};

/// The key of the sub-account.
const SUB: &str = "ssssssssssssssssssssssssssssssss";

fn sent(reply: &Reply) -> String {
    assert_eq!(reply.status, 200, "{}", reply.body);
    let id = reply.json()["idMessage"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 12);
    assert_eq!(
        reply.body,
        format!(r#"{{"status":true,"idMessage":"{id}"}}"#)
    );
    id
}

#[tokio::test]
async fn the_documented_messages_are_accepted_and_told() {
    let world = world().await;
    for (kind, channel) in [("SMS", "sms"), ("CALL", "call")] {
        let before = world.logged().await;
        let operation = format!(
            r#"{{"number":"+526643596440","text":"Hello, your package ","type":"{kind}"}}"#
        );
        let id = sent(&call(&world, &operation).await);
        let mut told = since(&world, before).await;
        let (name, message) = told.pop().unwrap();
        assert_eq!(name, channel);
        let (name, conversation) = told.pop().unwrap();
        assert_eq!(name, "new_conversation");
        assert_eq!(
            told.len(),
            usize::from(kind == "SMS"),
            "the contact is new once"
        );
        let expected = json!({
            "message_id": id, "conversation_id": conversation["conversation_id"],
            "contact_id": 1001, "contact_ref": conversation["contact_ref"],
            "created_at": "2026-01-15T10:30:00Z", "number": "+526643596440",
            "text": "Hello, your package ", "do_not_disturb": false, "credits": null,
            "author": null,
        });
        assert_eq!(message, expected);
        for (member, expected) in [
            ("channel", json!(channel)),
            ("status", json!("A")),
            ("contact_id", json!(1001)),
            ("subject", json!("Hello, your package")),
            ("department_name", json!("General")),
            ("assigned_to", Value::Null),
        ] {
            assert_eq!(conversation[member], expected, "{kind} {member}");
        }
        if let Some((name, contact)) = told.pop() {
            assert_eq!(name, "new_contact");
            assert_eq!(contact["phone"], "+526643596440");
        }
    }
    // There is no duplicate check, and the next one joins the conversation.
    let before = world.logged().await;
    let operation = r#"{"number":"+526643596440","text":"Hello, your package ","type":"SMS"}"#;
    sent(&call(&world, operation).await);
    assert_eq!(types(&world, before).await, ["sms"]);
}

#[tokio::test]
async fn what_their_table_refuses() {
    let world = world().await;
    let (sms, call_text) = ("x".repeat(1600), "ü".repeat(4000));
    for (kind, members, expected) in [
        ("SMS", r#""text":"x""#.to_owned(), "number is required"),
        (
            "SMS",
            r#""number":"","text":"x""#.to_owned(),
            "number is required",
        ),
        (
            "CALL",
            r#""number":null,"text":"x""#.to_owned(),
            "number is required",
        ),
        (
            "CALL",
            r#""number":"5551234567","text":"x""#.to_owned(),
            "number is not valid",
        ),
        (
            "SMS",
            r#""number":"+9995551234","text":"x""#.to_owned(),
            "number is not valid",
        ),
        (
            "SMS",
            r#""number":{},"text":"x""#.to_owned(),
            "number is not valid",
        ),
        (
            "SMS",
            format!(r#""number":"{}","text":"x""#, "1".repeat(33)),
            "number is too long",
        ),
        (
            "SMS",
            r#""number":"+15551234567""#.to_owned(),
            "text is required",
        ),
        (
            "SMS",
            r#""number":"+15551234567","text":"""#.to_owned(),
            "text is required",
        ),
        (
            "SMS",
            r#""number":"+15551234567","text":" \n""#.to_owned(),
            "text is required",
        ),
        (
            "CALL",
            r#""number":"+15551234567","text":null"#.to_owned(),
            "text is required",
        ),
        (
            "CALL",
            r#""number":"+15551234567","text":["x"]"#.to_owned(),
            "text is not valid",
        ),
        (
            "SMS",
            r#""number":"+15551234567","text":"a\u0000""#.to_owned(),
            "text is not valid",
        ),
        (
            "SMS",
            format!(r#""number":"+15551234567","text":"{sms}x""#),
            "text is too long",
        ),
        (
            "CALL",
            format!(r#""number":"+15551234567","text":"{call_text}x""#),
            "text is too long",
        ),
        (
            "SMS",
            format!(r#""number":"+15551234567","text":"{sms}""#),
            "",
        ),
        (
            "CALL",
            format!(r#""number":"+15551234567","text":"{call_text}""#),
            "",
        ),
        (
            "sms",
            r#""NUMBER":"0031 20 123 4567","Text":7"#.to_owned(),
            "",
        ),
    ] {
        let before = world.logged().await;
        let reply = call(&world, &format!(r#"{{"type":"{kind}",{members}}}"#)).await;
        let short: String = members.chars().take(60).collect();
        if expected.is_empty() {
            sent(&reply);
        } else {
            assert_eq!(told(&reply), (400, error(expected).as_str()), "{short}");
            assert_eq!(world.logged().await, before, "{short}");
        }
    }
}

#[tokio::test]
async fn a_text_is_kept_as_it_is_but_for_control_characters() {
    let world = world().await;
    let before = world.logged().await;
    let operation = r#"{"type":"SMS","number":"+15551234567","text":" a\tb\r\nc\u0007\u0085 "}"#;
    sent(&call(&world, operation).await);
    assert_eq!(
        since(&world, before).await.pop().unwrap().1["text"],
        " a\tb\r\nc "
    );
}

#[tokio::test]
async fn a_known_contact_is_written_to_and_a_national_number_completed() {
    let world = world().await;
    set(&world, json!({"default_country_code": "1"})).await;
    let jane = contact(&world, r#""Number":"+18005551234","Fname":"Jane""#).await;
    let before = world.logged().await;
    sent(
        &call(
            &world,
            r#"{"type":"CALL","number":"(800) 555-1234","text":"x"}"#,
        )
        .await,
    );
    let told = since(&world, before).await;
    assert_eq!(types(&world, before).await, ["new_conversation", "call"]);
    assert_eq!(told[1].1["contact_id"], jane);
    assert_eq!(told[1].1["number"], "+18005551234");
}

/// A world whose account is the agency of a sub-account with these credits.
async fn agency(credits: u64, recharge: Value) -> (World, hookrelay::id::AccountId) {
    let world = world().await;
    set(&world, json!({"is_agency": true})).await;
    let sub = world.add_account("sub", "sublogin", SUB).await;
    let path = format!("/admin/v1/accounts/{sub}");
    let settings = json!({
        "agency": "acme", "email": "sub@agency.example", "credits": credits,
        "auto_recharge": recharge,
    });
    let reply = world.admin("PATCH", &path, &settings.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    (world, sub)
}

async fn sub_call(world: &World, operations: &str) -> Reply {
    let body = body(operations).replace(KEY, SUB);
    world.send("POST", PATH, &[], &body).await
}

#[tokio::test]
async fn a_sub_account_pays_and_its_agency_is_asked_once() {
    let recharge = json!({"enabled": true, "threshold": 2, "amount": 500});
    let (world, sub) = agency(4, recharge).await;
    let sms = r#"{"type":"SMS","number":"+15551234567","text":"x"}"#;
    let dial = r#"{"type":"CALL","number":"+15551234567","text":"x"}"#;
    let path = format!("/admin/v1/accounts/{sub}");
    let credits = async || world.admin("GET", &path, "").await.json()["credits"].clone();
    for (operation, left, asked) in [(sms, 3, 0), (dial, 2, 1), (sms, 1, 1), (dial, 0, 1)] {
        sent(&sub_call(&world, operation).await);
        assert_eq!(credits().await, left);
        assert_eq!(world.logged().await, asked, "{left}");
    }
    let reply = sub_call(&world, sms).await;
    assert_eq!(told(&reply), (400, error("Not enough credits").as_str()));
    let (name, data) = since(&world, 0).await.pop().unwrap();
    let key = data["idempotency_key"].as_str().unwrap().to_owned();
    assert_eq!((name.as_str(), key.len()), ("auto_recharge", 32));
    let expected = json!({
        "idempotency_key": key, "sub_account_id": sub.to_string(), "email": "sub@agency.example",
        "current_balance": 2, "threshold": 2, "amount": 500,
        "requested_at": "2026-01-15T10:30:00Z",
    });
    assert_eq!(data, expected);
    // More credits, by the operator's hand, answer the question; the next one is another.
    let more = json!({"credits": 3}).to_string();
    assert_eq!(world.admin("PATCH", &path, &more).await.status, 200);
    sent(&sub_call(&world, sms).await);
    assert_eq!(world.logged().await, 2);
}

#[tokio::test]
async fn several_messages_are_paid_in_one_commit_until_credits_end() {
    let (world, sub) = agency(2, Value::Null).await;
    let sms = r#"{"type":"SMS","number":"+15551234567","text":"x"}"#;
    let reply = sub_call(&world, &[sms; 3].join(",")).await;
    let bodies = reply.json();
    let statuses: Vec<&Value> = (0..3).map(|at| &bodies[at]["status"]).collect();
    assert_eq!(statuses, [true, true, false]);
    assert_eq!(bodies[2]["error"], "Not enough credits");
    let path = format!("/admin/v1/accounts/{sub}");
    assert_eq!(world.admin("GET", &path, "").await.json()["credits"], 0);
}
