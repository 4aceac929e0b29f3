//! `Opportunitie` of NEW: the lead of a contact.

use hookrelay::domain::user::Changes;
use serde_json::{Value, json};

use crate::calls::{call, contact, since, types, world};
use crate::people::add;
use crate::world::World;

async fn lead(world: &World, members: &str) -> (u64, u64) {
    let operation = format!(r#"{{"type":"NEW",{members},"Opportunitie":true}}"#);
    let reply = call(world, &operation).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let id = |name: &str| reply.json()[name].as_u64().unwrap();
    (id("idContact"), id("idOpportunitie"))
}

async fn command(world: &World, pairs: &str) {
    let reply = world.command(pairs).await;
    assert!(reply.body.starts_with("status=0"), "{}", reply.body);
}

#[tokio::test]
async fn the_documented_call_makes_a_contact_and_a_lead() {
    let world = world().await;
    add(&world, "zoe", "Agent", Changes::default()).await;
    add(&world, "alice", "Owner", Changes::default()).await;
    let before = world.logged().await;
    let reply = call(
        &world,
        r#"{"type":"NEW","Number":"+16193596440","Email":"example@example.com","Fname":"firstName","Lname":"lastName","Custom":{"12":"blue","13":"large"},"Opportunitie":true}"#,
    )
    .await;
    assert_eq!(reply.body, r#"{"idContact":1001,"idOpportunitie":1001}"#);
    let told = since(&world, before).await;
    let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["new_contact", "new_lead"]);
    for (member, expected) in [
        ("lead_id", json!(1001)),
        ("slug", json!("firstname-lastname-1001")),
        ("contact_id", json!(1001)),
        ("owner", json!("alice")),
        ("assignee", Value::Null),
        ("first_name", json!("firstName")),
        ("last_name", json!("lastName")),
        ("phone", json!("+16193596440")),
        ("cell", json!("")),
        ("email", json!("example@example.com")),
        ("source", json!("flex")),
        ("status", json!("prospect")),
        ("actor", Value::Null),
    ] {
        assert_eq!(told[1].1[member], expected, "{member}");
    }
}

#[tokio::test]
async fn a_contact_has_one_lead_that_is_worked_on() {
    let world = world().await;
    let alice = add(&world, "alice", "Owner", Changes::default()).await.id;
    let person = r#""Number":"+15551234567","Fname":"Jane""#;
    let plain = contact(&world, person).await;
    // A contact that is found gets a lead too, with what is stored of it.
    let (jane, first) = lead(&world, r#""Number":"+15551234567","Fname":"Other""#).await;
    assert_eq!(plain, jane);
    let before = world.logged().await;
    for spelling in ["true", "1", r#""yes""#, r#""TRUE""#, r#""y""#, r#""1""#] {
        let operation = format!(r#"{{"type":"NEW",{person},"Opportunitie":{spelling}}}"#);
        let reply = call(&world, &operation).await;
        let expected = json!({"idContact": jane, "idOpportunitie": first});
        assert_eq!(reply.json(), expected, "{spelling}");
    }
    assert_eq!(world.logged().await, before);
    // Any status but closed is worked on.
    for status in ["customer", "potential", "tentative", "contact"] {
        command(
            &world,
            &format!("ai_command=update_lead&lead_id={first}&status={status}"),
        )
        .await;
        assert_eq!(lead(&world, person).await, (jane, first), "{status}");
    }
    // Without one, a new one comes; and of several the one with the lowest id counts.
    command(
        &world,
        &format!("ai_command=update_lead&lead_id={first}&status=closed"),
    )
    .await;
    let before = world.logged().await;
    let (_, second) = lead(&world, person).await;
    assert!(second > first);
    assert_eq!(types(&world, before).await, ["new_lead"]);
    command(
        &world,
        &format!("ai_command=update_lead&lead_id={first}&status=prospect"),
    )
    .await;
    assert_eq!(lead(&world, person).await, (jane, first));
    // A merged lead is deleted, and no lead of the contact any more.
    command(
        &world,
        &format!(
            "ai_command=leads_merge&merge_to_lead={second}&merge_lead_list={first}&user_id={alice}"
        ),
    )
    .await;
    assert_eq!(lead(&world, person).await, (jane, second));
}

#[tokio::test]
async fn a_lead_that_another_surface_made_for_the_contact_counts() {
    let world = world().await;
    command(
        &world,
        "ai_command=create_lead&first_name=Jane&phone=%2B15551234567&company=x",
    )
    .await;
    assert_eq!(
        lead(&world, r#""Number":"+15551234567""#).await,
        (1001, 1001)
    );
    let (mail, by_mail) = lead(&world, r#""Email":"only@mail.example""#).await;
    assert_eq!((mail, by_mail), (1002, 1002));
}
