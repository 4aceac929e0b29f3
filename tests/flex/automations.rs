//! `protocols/flex-api.md` section 3.

use serde_json::json;

use crate::calls::{automation, call, contact, error, since, stored, told, world};

#[tokio::test]
async fn a_contact_enters_an_automation_once() {
    let world = world().await;
    let id = automation(&world, json!({"name": "Welcome", "nodes": 3})).await;
    let jane = contact(&world, r#""Number":"+15551234567""#).await;
    let before = world.logged().await;
    for operation in [
        format!(r#"{{"idContact":{jane},"idAuto":{id}}}"#),
        format!(r#"{{"idContact":"{jane}","idAuto":"{id}"}}"#),
        format!(r#"{{"type":"","IDCONTACT":{jane},"idauto":{id}}}"#),
    ] {
        let reply = call(&world, &operation).await;
        assert_eq!(told(&reply), (200, r#"{"status":true}"#), "{operation}");
    }
    let data = json!({
        "automation_id": id, "automation_name": "Welcome", "contact_id": jane,
        "contact_ref": stored(&world, jane).await.reference.to_string(),
    });
    let told = since(&world, before).await;
    assert_eq!(told, [("automation_enrolled".to_owned(), data)]);
}

#[tokio::test]
async fn what_its_table_refuses() {
    let world = world().await;
    let ready = automation(&world, json!({"name": "Ready"})).await;
    let off = automation(&world, json!({"name": "Off", "is_on": false})).await;
    let both = automation(&world, json!({"name": "Both", "is_on": false, "nodes": 0})).await;
    let empty = automation(&world, json!({"name": "Empty", "nodes": 0})).await;
    let jane = contact(&world, r#""Number":"+15551234567""#).await;
    let gone = contact(&world, r#""Number":"+15551234568""#).await;
    call(&world, &format!(r#"{{"type":"TRASH","idContact":{gone}}}"#)).await;
    let before = world.logged().await;
    for (members, expected) in [
        (format!(r#""idAuto":{ready}"#), "400 idContact is required"),
        (
            format!(r#""idContact":0,"idAuto":{ready}"#),
            "400 idContact is required",
        ),
        (
            format!(r#""idContact":"","idAuto":{ready}"#),
            "400 idContact is required",
        ),
        (
            format!(r#""idContact":"x","idAuto":{ready}"#),
            "400 idContact is not valid",
        ),
        (
            format!(r#""idContact":{jane},"idAuto":"x""#),
            "400 idAuto is not valid",
        ),
        (
            format!(r#""idContact":{jane},"idAuto":-1"#),
            "400 idAuto is not valid",
        ),
        (
            format!(r#""idContact":{jane},"idAuto":[]"#),
            "400 idAuto is not valid",
        ),
        (
            format!(r#""idContact":{jane},"idAuto":0"#),
            "404 Automation not found",
        ),
        (
            format!(r#""idContact":{jane},"idAuto":4711"#),
            "404 Automation not found",
        ),
        (
            format!(r#""idContact":{jane},"idAuto":{off}"#),
            "409 Automation is off",
        ),
        (
            format!(r#""idContact":{jane},"idAuto":{both}"#),
            "409 Automation is off",
        ),
        (
            format!(r#""idContact":{jane},"idAuto":{empty}"#),
            "409 Automation has no nodes",
        ),
        // The contact is looked at first.
        (
            format!(r#""idContact":4711,"idAuto":{off}"#),
            "404 Contact not found",
        ),
        (
            r#""idContact":4711,"idAuto":4711"#.to_owned(),
            "404 Contact not found",
        ),
        (
            format!(r#""idContact":{gone},"idAuto":{ready}"#),
            "404 Contact not found",
        ),
        // Without a value there is no automation, and so no operation.
        (
            format!(r#""idContact":{jane},"idAuto":"""#),
            "400 Unknown operation",
        ),
        (
            format!(r#""idContact":{jane},"idAuto":null"#),
            "400 Unknown operation",
        ),
        (format!(r#""idContact":{jane}"#), "400 Unknown operation"),
    ] {
        let reply = call(&world, &format!("{{{members}}}")).await;
        let (status, text) = expected.split_once(' ').unwrap();
        assert_eq!(
            told(&reply),
            (status.parse().unwrap(), error(text).as_str()),
            "{members}"
        );
    }
    assert_eq!(world.logged().await, before);
}

#[tokio::test]
async fn an_automation_of_another_account_is_not_there() {
    let world = world().await;
    let jane = contact(&world, r#""Number":"+15551234567""#).await;
    let other = world
        .add_account("other", "otherlogin", &"o".repeat(32))
        .await;
    let path = format!("/admin/v1/accounts/{other}/automations");
    let made = world
        .admin("POST", &path, r#"{"name":"Theirs"}"#)
        .await
        .json();
    let operation = format!(r#"{{"idContact":{jane},"idAuto":{}}}"#, made["automation"]);
    let reply = call(&world, &operation).await;
    assert_eq!(told(&reply), (404, error("Automation not found").as_str()));
}
