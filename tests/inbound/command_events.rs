//! `protocols/command-api.md` 4.10 and 4.11: appointments, which are the events of this surface.

use serde_json::{Value, json};

use crate::command_leads::{call, expect, user};
use crate::people::{
    NO_RECORD, SUCCESS, add_with_password, invalid, missing, token, too_long, world,
};
use crate::world::World;

const INSERT: &str = "ai_command=event_set&mode=insert";
const UPDATE: &str = "ai_command=event_set&mode=update&event_id=1001";

/// Alice, Bob, leads 1001 and 1002, and a call that makes an event of Alice with the first one.
async fn calendar(world: &World) -> String {
    assert_eq!(user(world, "alice", "Agent").await, 1001);
    assert_eq!(user(world, "bob", "Agent").await, 1002);
    let jane = "ai_command=create_lead&first_name=Jane&last_name=Smith&external_id=A";
    call(world, jane).await;
    call(world, "ai_command=create_lead&first_name=Bob").await;
    format!(
        "{INSERT}&lead_id=1001&start_date=2026-02-01+10:00&end_date=2026-02-01+10:30&note=Demo\
         &user_id=1001"
    )
}

/// The appointment that such a call makes first.
fn appointment() -> Value {
    json!({"appointment_id": 1001, "lead_id": 1001, "slug": "jane-smith-1001", "user": "alice",
        "start_at": "2026-02-01T18:00:00Z", "end_at": "2026-02-01T18:30:00Z", "note": "Demo",
        "status": "pending", "actor": null})
}

/// Ids of the events that are got, with how many are shown and how many there are.
async fn events(world: &World, pairs: &str) -> Value {
    let call = format!("ai_command=events_get&limit_fields=event_id{pairs}");
    let reply = world.command(&call).await;
    let answer: std::collections::HashMap<String, String> =
        form_urlencoded::parse(reply.body.as_bytes())
            .into_owned()
            .collect();
    let events: Vec<Value> = serde_json::from_str(&answer["events"]).unwrap();
    let ids: Vec<&Value> = events.iter().map(|event| &event["event_id"]).collect();
    json!([answer["num_results"], answer["total_results"], ids])
}

#[tokio::test]
async fn events_are_made_changed_and_deleted() {
    let world = &world().await;
    let full = calendar(world).await;
    let (reply, said) = call(world, &full).await;
    assert_eq!(reply.body, format!("{SUCCESS}&event_id=1001"));
    assert_eq!(said, [("new_appointment".to_owned(), appointment())]);
    // The other names; an API caller may take a time twice, and one that is over.
    let other = format!(
        "{INSERT}&external_id=A&appointment_date=1767225600&appointment_to=2026-01-01\
         &appointment_note=n&appointment_status=Fulfilled&user_id=1001"
    );
    let (reply, said) = call(world, &other).await;
    assert_eq!(reply.body, format!("{SUCCESS}&event_id=1002"));
    assert_eq!(said[0].1["start_at"], "2026-01-01T00:00:00Z");
    assert_eq!(said[0].1["status"], "fullfilled");
    let (reply, _) = call(world, &full).await;
    assert_eq!(reply.body, format!("{SUCCESS}&event_id=1003"));

    let (reply, said) = call(world, &format!("{UPDATE}&status=confirmed")).await;
    assert_eq!(reply.body, format!("{SUCCESS}&event_id=1001"));
    let mut confirmed = appointment();
    confirmed["status"] = json!("confirmed");
    confirmed["changed"] = json!(["status"]);
    assert_eq!(said, [("update_appointment".to_owned(), confirmed)]);
    let (_, said) = call(world, &format!("{UPDATE}&status=confirmed&note=+")).await;
    assert!(said.is_empty());
    let moved = format!("{UPDATE}&lead_id=1002&user_id=1002&end_date=2026-02-01+11:00");
    let (_, said) = call(world, &moved).await;
    let changed = json!(["end_at", "lead_id", "slug", "user"]);
    assert_eq!(said[0].1["changed"], changed);

    let delete = "ai_command=event_set&mode=delete&event_id=1001";
    let (reply, said) = call(world, delete).await;
    assert_eq!(reply.body, format!("{SUCCESS}&event_id=1001"));
    let gone = json!({"appointment_id": 1001, "lead_id": 1002, "slug": "bob-1002", "actor": null});
    assert_eq!(said, [("delete_appointment".to_owned(), gone)]);
    expect(world, &[(delete, NO_RECORD), (UPDATE, NO_RECORD)]).await;
    let left = json!(["2", "2", [1002, 1003]]);
    assert_eq!(events(world, "").await, left);
}

#[tokio::test]
async fn what_is_wrong_with_an_event_is_told() {
    let world = &world().await;
    let full = calendar(world).await;
    call(world, &full).await;
    let before = "status=1&status_message=End+Date+Can%27t+be+prior+to+Start+Date.";
    let four = "status=1\
        &status_message%5B0%5D=ERROR%3A+Required+parameter+%22lead_id%22+missing\
        &status_message%5B1%5D=ERROR%3A+Required+parameter+%22start_date%22+missing\
        &status_message%5B2%5D=ERROR%3A+Required+parameter+%22end_date%22+missing\
        &status_message%5B3%5D=ERROR%3A+Required+parameter+%22user_id%22+missing";
    let long = format!("{full}&note={}", "x".repeat(201));
    expect(
        world,
        &[
            ("ai_command=event_set", &missing("mode")),
            ("ai_command=event_set&mode=erase", &invalid("mode")),
            (INSERT, four),
            ("ai_command=event_set&mode=update", &missing("event_id")),
            ("ai_command=event_set&mode=delete", &missing("event_id")),
            ("ai_command=event_set&mode=delete&event_id=9", NO_RECORD),
            (&format!("{UPDATE}&lead_id=9"), NO_RECORD),
            (&format!("{UPDATE}&user_id=9"), NO_RECORD),
            (&format!("{UPDATE}&end_date=2026-02-01+09:59"), before),
            (&format!("{full}&end_date=2026-01-01"), before),
            (&format!("{full}&start_date=soon"), &invalid("start_date")),
            (&format!("{full}&status=done"), &invalid("status")),
            (&long, &too_long("note")),
            (&format!("{full}&lead_id=9"), NO_RECORD),
            (&full.replace("user_id=1001", "user_id=9"), NO_RECORD),
        ],
    )
    .await;
}

#[tokio::test]
async fn events_are_got_by_calendar_lead_time_and_status() {
    let world = &world().await;
    let full = calendar(world).await;
    let bobs = format!(
        "{INSERT}&lead_id=1002&start_date=2026-02-01+10:00&end_date=2026-02-01+11:00&note=Demo\
         &user_id=1002&status=confirmed"
    );
    call(world, &bobs).await;
    let past = "&start_date=2026-01-01&end_date=2026-01-01&status=fullfilled";
    call(world, &format!("{full}{past}")).await;
    call(world, &full).await;
    for (pairs, expected) in [
        ("", json!(["3", "3", [1002, 1001, 1003]])),
        ("&page_size=1&page_number=2", json!(["1", "3", [1001]])),
        ("&page_size=2&page_number=9", json!(["0", "3", []])),
        ("&user_id=1001", json!(["2", "2", [1002, 1003]])),
        ("&user_id=7", json!(["0", "0", []])),
        // The numbers below 1 are nobody's.
        ("&user_id=0", json!(["0", "0", []])),
        ("&user_id=-5", json!(["0", "0", []])),
        ("&lead_id=1002", json!(["1", "1", [1001]])),
        ("&lead_id=1001&status=pending", json!(["1", "1", [1003]])),
        ("&lead_id=1001&user_id=1002", json!(["0", "0", []])),
        ("&status=fulfilled", json!(["1", "1", [1002]])),
        (
            "&date_from=2026-02-01+10:00",
            json!(["2", "2", [1001, 1003]]),
        ),
        ("&date_from=2026-02-01+10:01", json!(["0", "0", []])),
        ("&date_to=2026-02-01", json!(["3", "3", [1002, 1001, 1003]])),
        ("&date_to=2026-01-31", json!(["1", "1", [1002]])),
    ] {
        assert_eq!(events(world, pairs).await, expected, "{pairs}");
    }
    // A user's token beside the API login names the calendar: its own, or all for a leader.
    add_with_password(world, "carl", "Agent").await;
    add_with_password(world, "olga", "Owner").await;
    let carls = format!(
        "{INSERT}&lead_id=1001&start_date=2026-03-01+10:00&end_date=2026-03-01+11:00&note=Demo\
         &user_id=1003"
    );
    call(world, &carls).await;
    for (name, expected) in [
        ("carl", json!(["1", "1", [1004]])),
        ("olga", json!(["4", "4", [1002, 1001, 1003, 1004]])),
    ] {
        let pairs = format!("&user_id=1001&ai_token={}", token(world, name).await);
        assert_eq!(events(world, &pairs).await, expected, "{name}");
    }

    let get = "ai_command=events_get";
    let whole = format!("{get}&lead_id=1002");
    let reply = world.command(&whole).await;
    let event = r#"[{"event_id":1001,"lead_id":1002,"slug":"bob-1002","user_id":1002,"username":"bob","start_date":"2026-02-01 10:00:00","end_date":"2026-02-01 11:00:00","note":"Demo","status":"confirmed","date_added":"2026-01-15 02:30:00","date_updated":"2026-01-15 02:30:00"}]"#;
    let answer = form_urlencoded::Serializer::new(String::new())
        .append_pair("events", event)
        .finish();
    assert_eq!(
        reply.body,
        format!("{SUCCESS}&num_results=1&total_results=1&{answer}")
    );
    expect(
        world,
        &[
            (
                &format!("{whole}&limit_fields=lead_id,start_date,unknown"),
                "status=0&status_message=Success&num_results=1&total_results=1&events=%5B%7B%22event_id%22%3A1001%2C%22lead_id%22%3A1002%2C%22start_date%22%3A%222026-02-01+10%3A00%3A00%22%7D%5D",
            ),
            (&format!("{get}&page_size=501"), &invalid("page_size")),
            (&format!("{get}&page_number=0"), &invalid("page_number")),
            (&format!("{get}&status=done"), &invalid("status")),
        ],
    )
    .await;
}
