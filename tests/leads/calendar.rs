//! `protocols/leads-api.md` 4.1: who is busy when.

use crate::people::world;
use crate::site::{Caller, appointment as at, caller, expect, failed};

const TAKEN: &str = "Appointment schedule exists for this time.";

/// A calendar from 10:00 to 11:00.
async fn calendar(alice: &Caller<'_>) {
    alice.lead("").await;
    alice
        .done(
            "create/appointment",
            &at("2026-02-01 10:00", "2026-02-01 11:00"),
        )
        .await;
}

#[tokio::test]
async fn times_overlap_by_the_rule_of_the_table() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    calendar(&alice).await;
    for (from, to, is_free) in [
        ("2026-02-01 09:00", "2026-02-01 10:00", true),
        ("2026-02-01 11:00", "2026-02-01 12:00", true),
        ("2026-02-01 09:00", "2026-02-01 10:01", false),
        ("2026-02-01 10:59", "2026-02-01 12:00", false),
        ("2026-02-01 10:15", "2026-02-01 10:30", false),
        ("2026-02-01 09:00", "2026-02-01 12:00", false),
        ("2026-01-20 00:00", "2027-03-01 00:00", false),
        ("2026-02-01 10:00", "2026-02-01 10:00", false),
        ("2026-02-01 10:30", "2026-02-01 10:30", false),
        ("2026-02-01 11:00", "2026-02-01 11:00", true),
    ] {
        let reply = alice.post("create/appointment", &at(from, to)).await;
        if is_free {
            assert_eq!(reply.status, 200, "{from} {to}: {}", reply.body);
            let id = reply.json()["data"]["appointment_id"].clone();
            alice
                .done("delete/appointment", &format!("appointment_id={id}"))
                .await;
        } else {
            expect(&reply, 401, &failed(TAKEN), &format!("{from} {to}"));
        }
    }
    // Nobody else's time is taken, nor by what does not occupy.
    let olga = caller(world, "olga", "Owner").await;
    let ten = at("2026-02-01 10:00", "2026-02-01 11:00");
    olga.done("create/appointment", &ten).await;
    for status in ["cancelled", "fullfilled", "fulfilled"] {
        let body = format!("{ten}&appointment_status={status}");
        alice.done("create/appointment", &body).await;
    }
    for status in ["pending", "rescheduled", "confirmed"] {
        let body = format!("{ten}&appointment_status={status}");
        alice
            .refuses("create/appointment", &[(&body, 401, failed(TAKEN))])
            .await;
    }
    // To occupy again is to be looked at again.
    let ids = alice.seen("appointments/list", "status=cancelled").await;
    let id = &ids["results"][0]["appointment_id"];
    let again = format!("appointment_id={id}&appointment_status=pending");
    alice
        .refuses("update/appointment", &[(&again, 401, failed(TAKEN))])
        .await;
    alice
        .done(
            "update/appointment",
            "appointment_id=1001&appointment_status=cancelled",
        )
        .await;
    alice.done("update/appointment", &again).await;
}

/// Whatever the length of what is there, it is found at its last minute.
#[tokio::test]
async fn long_appointments_occupy_to_their_end() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    alice.lead("").await;
    let mut id = 1000;
    for end in [
        "2026-02-01 10:30",
        "2026-02-01 11:00",
        "2026-02-02 09:59",
        "2026-02-28 23:00",
        "2026-12-31 23:00",
        "2031-01-01 00:00",
    ] {
        alice
            .done("create/appointment", &at("2026-02-01 10:00", end))
            .await;
        id += 1;
        let zone = hookrelay::domain::zone::Zone::default();
        let last = zone.parse(end).unwrap().0 - 60_000;
        let last = zone.local_minute(hookrelay::clock::Timestamp(last));
        let body = at(&last, "2031-02-01 00:00");
        alice
            .refuses("create/appointment", &[(&body, 401, failed(TAKEN))])
            .await;
        let after = at(end, end);
        alice.done("create/appointment", &after).await;
        for gone in [id, id + 1] {
            alice
                .done("delete/appointment", &format!("appointment_id={gone}"))
                .await;
        }
        id += 1;
    }
}

/// 01:30 occurs twice on 2026-11-01 and 02:30 not at all on 2026-03-08.
#[tokio::test]
async fn times_overlap_through_a_change_of_the_clock() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    alice.lead("").await;
    // Two real hours, from 01:30 to 02:30 by the clock.
    alice
        .done(
            "create/appointment",
            &at("2026-11-01 01:30", "2026-11-01 02:30"),
        )
        .await;
    // The second 01:15.
    let second = at("2026-11-01T01:15:00-08:00", "2026-11-01T01:20:00-08:00");
    alice
        .refuses("create/appointment", &[(&second, 401, failed(TAKEN))])
        .await;
    alice
        .done(
            "create/appointment",
            &at("2026-11-01 01:15", "2026-11-01 01:30"),
        )
        .await;
    // 02:30 is 03:30 by then.
    alice
        .done(
            "create/appointment",
            &at("2026-03-08 02:30", "2026-03-08 04:00"),
        )
        .await;
    let half = at("2026-03-08 03:30", "2026-03-08 03:40");
    alice
        .refuses("create/appointment", &[(&half, 401, failed(TAKEN))])
        .await;
    alice
        .done(
            "create/appointment",
            &at("2026-03-08 03:00", "2026-03-08 03:30"),
        )
        .await;
    let shown = alice
        .seen("appointments/list", "datesetting=on&ondate=03/08/2026")
        .await;
    let dates: Vec<&str> = shown["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["appointment_date"].as_str().unwrap())
        .collect();
    assert_eq!(dates, ["2026-03-08 03:00", "2026-03-08 03:30"]);
}

#[tokio::test]
async fn of_calls_for_one_time_exactly_one_succeeds() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    alice.lead("").await;
    let body = &at("2026-02-01 10:00", "2026-02-01 11:00");
    let alice = &alice;
    let call = || async { alice.post("create/appointment", body).await };
    let (a, b, c, d) = tokio::join!(call(), call(), call(), call());
    let replies = [a, b, c, d];
    let won = replies.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(won, 1, "{replies:?}");
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        expect(reply, 401, &failed(TAKEN), body);
    }
    assert_eq!(alice.seen("appointments/list", "").await["count"], 1);
}

/// A calendar that API callers have filled does not stand in the way of an exact answer.
#[tokio::test]
async fn a_full_calendar_hides_nothing() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    alice.lead("").await;
    let insert = "ai_command=event_set&mode=insert&user_id=1001&lead_id=1001";
    // More at one moment, and more behind the slot, than are read at a time.
    for (start, end, count) in [
        ("2026-02-01+09:00", "2026-02-01+10:00", 300),
        ("2026-03-01+09:00", "2026-03-01+10:00", 300),
    ] {
        for _ in 0..count {
            let call = format!("{insert}&start_date={start}&end_date={end}");
            assert!(world.command(&call).await.body.starts_with("status=0"));
        }
    }
    alice
        .done(
            "create/appointment",
            &at("2026-02-01 10:00", "2026-02-01 11:00"),
        )
        .await;
    let last = format!("{insert}&start_date=2026-02-01+09:30&end_date=2026-02-02+00:00");
    world.command(&last).await;
    let body = at("2026-02-01 12:00", "2026-02-01 13:00");
    alice
        .refuses("create/appointment", &[(&body, 401, failed(TAKEN))])
        .await;
}
