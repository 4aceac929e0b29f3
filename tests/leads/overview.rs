//! `protocols/leads-api.md` 3.1: the overview.

use hookrelay::domain::zone::Zone;
use serde_json::{Value, json};

use crate::people::{later, world};
use crate::site::{JANE, caller, expect, field, pair, user};
use crate::world::World;

fn at(from: &str, to: &str, note: &str) -> String {
    format!(
        "slug=jane-smith-1001&appointment_note={note}&{}&{}",
        pair("appointment_date", from),
        pair("appointment_to", to)
    )
}

fn go_to(world: &World, local: &str) {
    let to = Zone::default().parse(local).unwrap();
    world.clock.set(to);
}

#[tokio::test]
async fn the_example_of_the_document() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    alice.lead("source=website").await;
    let body = at("2026-02-01 10:00", "2026-02-01 10:30", "Demo");
    alice.done("create/appointment", &body).await;
    let reply = alice.get("overview", "").await;
    assert_eq!(
        reply.body,
        r##"{"status_code":200,"errors":{},"data":{"LeadsData":{"status":[{"status":"prospect","count":1,"Description":"Newly received lead","Color":"#3498DB"},{"status":"tentative","count":0,"Description":"Interest not confirmed","Color":"#9B59B6"},{"status":"potential","count":0,"Description":"Likely to become a customer","Color":"#F39C12"},{"status":"closed","count":0,"Description":"No further work planned","Color":"#7F8C8D"},{"status":"contact","count":0,"Description":"Contact established","Color":"#1ABC9C"},{"status":"customer","count":0,"Description":"Became a customer","Color":"#27AE60"}],"source":[{"source":"website","count":1}]},"TotalLeads":1,"appointments":[{"appointment_note":"Demo","appointment_status":"pending","appointment_date":"2026-02-01 10:00","appointment_to":"2026-02-01 10:30"}]}}"##
    );
}

/// Counts of the statuses, the sources, and all.
fn counts(data: &Value) -> (Vec<u64>, Value, u64) {
    let statuses = data["LeadsData"]["status"].as_array().unwrap();
    let counts = statuses.iter().map(|of| of["count"].as_u64().unwrap());
    let sources = data["LeadsData"]["source"].as_array().unwrap();
    let sources = sources.iter().map(|of| json!([of["source"], of["count"]]));
    (
        counts.collect(),
        sources.collect(),
        data["TotalLeads"].as_u64().unwrap(),
    )
}

#[tokio::test]
async fn leads_are_counted_through_every_change() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let olga = caller(world, "olga", "Owner").await;
    user(world, "bob", "Agent").await;
    for more in [
        "",
        "status=closed&source=website",
        "source=website",
        "source=email",
    ] {
        alice.lead(more).await;
    }
    let of = |data: &Value| counts(data);
    let expected = json!([["website", 2], ["email", 1], ["manual", 1]]);
    let found = of(&alice.seen("overview", "").await);
    assert_eq!(found, (vec![3, 0, 0, 1, 0, 0], expected, 4));
    // Another status and source, a deletion, a merge, a transfer to somebody else and to a pool.
    let update = format!("slug=jane-smith-1001&{JANE}&status=customer&source=email");
    alice.done("update/lead", &update).await;
    alice.done("delete/lead", "slug=jane-smith-1002").await;
    let found = of(&alice.seen("overview", "").await);
    let expected = json!([["email", 2], ["website", 1]]);
    assert_eq!(found, (vec![2, 0, 0, 0, 0, 1], expected, 3));
    let merge = "ai_command=leads_merge&merge_to_lead=1001&merge_lead_list=1003&user_id=1001";
    world.command(merge).await;
    let found = of(&alice.seen("overview", "").await);
    assert_eq!(found, (vec![1, 0, 0, 0, 0, 1], json!([["email", 2]]), 2));
    let give = "ai_command=leads_multi_transfer&user_id=1001&lead_list=1001&to_userid=1003";
    world.command(give).await;
    let pool = "ai_command=leads_multi_transfer&user_id=1001&lead_list=1004&to_pool=east";
    world.command(pool).await;
    let found = of(&alice.seen("overview", "").await);
    assert_eq!(found, (vec![0; 6], json!([]), 0));
    // Roles O and D also count those without an owner; a cleared source is none.
    let found = of(&olga.seen("overview", "").await);
    assert_eq!(found, (vec![1, 0, 0, 0, 0, 0], json!([["email", 1]]), 1));
    world
        .command("ai_command=update_lead&lead_id=1004&source=")
        .await;
    olga.lead("source=email").await;
    let found = of(&olga.seen("overview", "").await);
    assert_eq!(found, (vec![2, 0, 0, 0, 0, 0], json!([["email", 1]]), 2));
}

/// Notes of the appointments of an overview.
fn notes(data: &Value) -> String {
    let shown = data["appointments"].as_array().unwrap().iter();
    let notes: Vec<&str> = shown
        .map(|it| it["appointment_note"].as_str().unwrap())
        .collect();
    notes.join(" ")
}

#[tokio::test]
async fn appointments_are_those_of_the_period() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    alice.lead("").await;
    // Around the Sunday on which the clock goes forward: 2026-03-08.
    for (from, to, note) in [
        ("2026-03-01 23:59", "2026-03-01 23:59", "sunday-before"),
        ("2026-03-02 00:00", "2026-03-02 00:10", "monday"),
        ("2026-03-07 23:59", "2026-03-07 23:59", "saturday"),
        ("2026-03-08 00:00", "2026-03-08 00:10", "midnight"),
        ("2026-03-08 12:00", "2026-03-08 12:10", "noon"),
        ("2026-03-08 23:59", "2026-03-08 23:59", "late"),
        ("2026-03-09 00:00", "2026-03-09 00:10", "next-week"),
        ("2026-03-31 23:59", "2026-03-31 23:59", "month-end"),
        ("2026-04-01 00:00", "2026-04-01 00:10", "april"),
    ] {
        alice.done("create/appointment", &at(from, to, note)).await;
    }
    let body = at("2026-03-08 15:00", "2026-03-08 15:10", "cancelled");
    alice
        .done(
            "create/appointment",
            &format!("{body}&appointment_status=cancelled"),
        )
        .await;
    alice
        .done("delete/appointment", "appointment_id=1001")
        .await;
    go_to(world, "2026-03-08 12:00");
    let alice = crate::site::login(world, "alice").await;
    for (filter, expected) in [
        ("appointment=today", "midnight noon cancelled late"),
        (
            "appointment=week",
            "monday saturday midnight noon cancelled late",
        ),
        (
            "appointment=month",
            "monday saturday midnight noon cancelled late next-week month-end",
        ),
        (
            "appointment=upcoming",
            "noon late next-week month-end april",
        ),
        ("", "noon late next-week month-end april"),
        ("appointment=+", "noon late next-week month-end april"),
    ] {
        let data = alice.seen("overview", filter).await;
        assert_eq!(notes(&data), expected, "{filter}");
    }
    // In autumn the day has 25 hours.
    for (from, note) in [
        ("2026-10-31T23:59", "before"),
        ("2026-11-01T00:00", "first"),
        ("2026-11-01T01:30:00-08:00", "second"),
        ("2026-11-01T23:59", "last"),
        ("2026-11-02T00:00", "after"),
    ] {
        alice
            .done("create/appointment", &at(from, from, note))
            .await;
    }
    go_to(world, "2026-11-01 08:00");
    let alice = crate::site::login(world, "alice").await;
    let data = alice.seen("overview", "appointment=today").await;
    assert_eq!(notes(&data), "first second last");
    // Other people's appointments are not shown, not even to roles O and D.
    let olga = caller(world, "olga", "Owner").await;
    assert_eq!(notes(&olga.seen("overview", "appointment=today").await), "");
    assert!(world.clock.now() > later(0));
}

#[tokio::test]
async fn a_filter_that_is_not_known_is_told() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let wrong = || field("appointment", "Invalid appointment filter value.");
    for query in ["appointment=tomorrow", "appointment=Today", "appointment=0"] {
        expect(&alice.get("overview", query).await, 400, &wrong(), query);
    }
    let null = field("appointment", "Null characters are not allowed.");
    expect(
        &alice.get("overview", "appointment=%00").await,
        400,
        &null,
        "null",
    );
}
