//! What this surface writes the command surface reads, and the reverse.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::people::world;
use crate::site::{JANE, caller, pair};
use crate::world::World;

/// The JSON of a member of a command's answer.
async fn got(world: &World, pairs: &str, name: &str) -> Value {
    let reply = world.command(pairs).await;
    let answer: HashMap<String, String> = form_urlencoded::parse(reply.body.as_bytes())
        .into_owned()
        .collect();
    serde_json::from_str(&answer[name]).unwrap_or_else(|_| panic!("{}", reply.body))
}

async fn command(world: &World, pairs: &str) {
    let reply = world.command(pairs).await;
    assert!(
        reply.body.starts_with("status=0"),
        "{pairs}: {}",
        reply.body
    );
}

#[tokio::test]
async fn what_is_written_here_is_read_there() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let lead = alice
        .lead("status=closed&source=email&location=L&message=M&assignee=alice")
        .await;
    let leads = got(world, "ai_command=leads_get", "leads").await;
    for (name, expected) in [
        ("lead_id", json!(1001)),
        ("slug", json!(lead)),
        ("user_id", json!(1001)),
        ("assignee_id", json!(1001)),
        ("contact_id", json!(1001)),
        ("first_name", json!("Jane")),
        ("last_name", json!("Smith")),
        ("phone", json!("15551234567")),
        ("status", json!(4)),
        ("status_name", json!("closed")),
        ("source", json!("email")),
        ("location", json!("L")),
        ("message", json!("M")),
    ] {
        assert_eq!(leads[0][name], expected, "{name}");
    }
    let time = "appointment_date=2026-02-01+10:00&appointment_to=2026-02-01+10:30";
    let body = format!("slug={lead}&{time}&appointment_note=Demo&appointment_status=fullfilled");
    alice.done("create/appointment", &body).await;
    let events = got(world, "ai_command=events_get", "events").await;
    for (name, expected) in [
        ("event_id", json!(1001)),
        ("lead_id", json!(1001)),
        ("slug", json!(lead)),
        ("username", json!("alice")),
        ("start_date", json!("2026-02-01 10:00:00")),
        ("end_date", json!("2026-02-01 10:30:00")),
        ("note", json!("Demo")),
        ("status", json!("fullfilled")),
    ] {
        assert_eq!(events[0][name], expected, "{name}");
    }
    // Found by its own words, and gone when it is deleted.
    let search = "ai_command=leads_get&search_params=closed/jane";
    assert_eq!(
        got(world, search, "leads").await.as_array().unwrap().len(),
        1
    );
    alice.done("delete/lead", &format!("slug={lead}")).await;
    assert_eq!(got(world, search, "leads").await, json!([]));
    assert_eq!(
        got(world, "ai_command=events_get", "events").await,
        json!([])
    );
    let gone = world
        .command("ai_command=update_lead&lead_id=1001&city=X")
        .await;
    assert_eq!(gone.body, crate::people::NO_RECORD);
}

#[tokio::test]
async fn what_is_written_there_is_read_here() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let create = "ai_command=lead_set&mode=insert&full_name=Jane+Smith&user_id=1001\
        &external_id=E&sub_id=Spring&city=Springfield&country=US&phone=(555)+123&status=6\
        &source=Radio&message=several%0Alines&note=called";
    command(world, create).await;
    let long = "x".repeat(10_000);
    command(
        world,
        &format!(
            "ai_command=update_lead&lead_id=1001&{}",
            pair("note", &long)
        ),
    )
    .await;
    let event = "ai_command=event_set&mode=insert&lead_id=1001&user_id=1001\
        &start_date=2026-02-01+10:00:59&end_date=2026-02-01+10:30&note=Demo&status=fulfilled";
    command(world, event).await;
    let seen = alice.seen("view/lead", "slug=jane-smith-1001").await;
    for (name, expected) in [
        ("id", json!(1001)),
        ("owner", json!("alice")),
        ("assignee", Value::Null),
        ("status", json!("customer")),
        ("source", json!("Radio")),
        ("location", json!("Springfield, US")),
        ("message", json!("several\nlines")),
        ("campaign_slug", json!("Spring")),
        ("phone", json!("(555) 123")),
        ("email", json!("")),
    ] {
        assert_eq!(seen[name], expected, "{name}");
    }
    // A note may be longer there; who wrote it with an API login alone is nobody.
    assert_eq!(seen["notes"][0]["note"], json!(long));
    assert_eq!(seen["notes"][1]["note"], json!("called"));
    let appointment = json!({"appointment_id": 1001, "slug": "jane-smith-1001",
        "lead": "Jane Smith", "appointment_date": "2026-02-01 10:00",
        "appointment_to": "2026-02-01 10:30", "appointment_note": "Demo",
        "appointment_status": "fullfilled", "user": "alice"});
    assert_eq!(seen["appointments"], json!([appointment]));
    assert_eq!(
        alice
            .seen("list", "campaign_slug=Spring&phone=555123")
            .await["count"],
        1
    );
    // What stands in a pool is nobody's; a merged lead is deleted.
    command(world, "ai_command=create_lead&first_name=Two&user_id=1001").await;
    let merge = "ai_command=leads_merge&merge_to_lead=1001&merge_lead_list=1002&user_id=1001";
    command(world, merge).await;
    let gone = "Requested lead already has a deleted status.";
    alice
        .refuses(
            "delete/lead",
            &[("slug=two-1002", 400, crate::site::field("slug", gone))],
        )
        .await;
    let pool = "ai_command=leads_multi_transfer&user_id=1001&lead_list=1001&to_pool=east";
    command(world, pool).await;
    assert_eq!(alice.seen("list", "").await["count"], 0);
}

/// A follow-up of the command surface takes a user's time here.
#[tokio::test]
async fn time_that_is_taken_there_is_taken_here() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    alice.lead("").await;
    command(
        world,
        "ai_command=update_lead&lead_id=1001&followup_date=2026-02-01+10:00",
    )
    .await;
    let taken = crate::site::failed("Appointment schedule exists for this time.");
    let body =
        "slug=jane-smith-1001&appointment_date=2026-02-01+10:29&appointment_to=2026-02-01+11:00";
    alice
        .refuses("create/appointment", &[(body, 401, taken)])
        .await;
    // The same follow-up again makes no second appointment.
    command(world, "ai_command=update_lead&lead_id=1001&followup_date=").await;
    command(
        world,
        "ai_command=update_lead&lead_id=1001&followup_date=2026-02-01+10:00",
    )
    .await;
    assert_eq!(alice.seen("appointments/list", "").await["count"], 1);
    let body = format!("slug=jane-smith-1001&{JANE}&source=other");
    alice.done("update/lead", &body).await;
}
