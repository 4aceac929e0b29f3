//! `protocols/leads-api.md` section 4: appointments.

use serde_json::{Value, json};

use crate::people::world;
use crate::site::{appointment as at, caller, detail, expect, failed, field, login, pair};

const REQUIRED: &str = "This field is required.";
const BLANK: &str = "This field is may not be blank.";
const SLUG: &str = "Requested slug is invalid.";
const FORMAT: &str = "Invalid date format.";
const NOTE: &str = "Ensure this field has no more than 200 characters.";
const STATUS: &str = "Invalid appointment status.";
const TAKEN: &str = "Appointment schedule exists for this time.";
const REVERSED: &str = "End Date Can't be prior to Start Date.";
const PAST: &str = "Please Specify a date in the future.";
const NO_DATA: &str = "Body data not found.";

fn told(status: &str) -> Value {
    json!({"appointment_id": 1001, "lead_id": 1001, "slug": "jane-smith-1001", "user": "alice",
        "start_at": "2026-02-01T18:00:00Z", "end_at": "2026-02-01T18:30:00Z", "note": "Demo",
        "status": status, "actor": "alice"})
}

#[tokio::test]
async fn appointments_are_made_changed_and_deleted() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    alice.lead("").await;
    let ten = at("2026-02-01 10:00", "2026-02-01 10:30");
    let body = format!("{ten}&appointment_note=Demo&appointment_status=");
    let (data, said) = alice.told("create/appointment", &body).await;
    let done = |message: &str| json!({"message": message, "appointment_id": 1001, "slug": "jane-smith-1001"});
    assert_eq!(data, done("Appointment created successfully."));
    assert_eq!(said, [("new_appointment".to_owned(), told("pending"))]);
    let taken = (body.as_str(), 401, failed(TAKEN));
    alice.refuses("create/appointment", &[taken]).await;

    let update = "appointment_id=1001&appointment_status=";
    let (data, said) = alice
        .told("update/appointment", &format!("{update}Confirmed"))
        .await;
    assert_eq!(data, done("Appointment updated successfully."));
    let mut expected = told("confirmed");
    expected["changed"] = json!(["status"]);
    assert_eq!(said, [("update_appointment".to_owned(), expected)]);
    // Blank status: unchanged. The same again: nothing is told.
    for body in [
        "appointment_id=1001&appointment_status=+".to_owned(),
        format!("appointment_id=1001&{ten}&appointment_status=confirmed"),
    ] {
        assert_eq!(alice.told("update/appointment", &body).await.1, []);
    }
    // A blank note clears.
    let (_, said) = alice
        .told(
            "update/appointment",
            "appointment_id=1001&appointment_note=+",
        )
        .await;
    assert_eq!(
        (&said[0].1["changed"], &said[0].1["note"]),
        (&json!(["note"]), &json!(""))
    );
    // Another lead's slug moves it.
    let second = alice.lead("").await;
    let body = format!("appointment_id=1001&slug={second}");
    let (data, said) = alice.told("update/appointment", &body).await;
    assert_eq!(data["slug"], second);
    assert_eq!(said[0].1["changed"], json!(["lead_id", "slug"]));

    let (data, said) = alice
        .told("delete/appointment", "appointment_id=1001")
        .await;
    assert_eq!(
        data,
        json!({"message": "Appointment deleted successfully."})
    );
    let gone = json!({"appointment_id": 1001, "lead_id": 1002, "slug": second, "actor": "alice"});
    assert_eq!(said, [("delete_appointment".to_owned(), gone)]);
    let unknown = field("appointment_id", "Requested appointment not found.");
    let row = ("appointment_id=1001", 400, unknown);
    for route in ["delete/appointment", "update/appointment"] {
        alice.refuses(route, std::slice::from_ref(&row)).await;
    }
    // Its time is free again.
    alice.done("create/appointment", &ten).await;
}

#[tokio::test]
async fn what_is_wrong_with_a_new_appointment_is_told() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let bob = caller(world, "bob", "Agent").await;
    alice.lead("").await;
    let deleted = alice.lead("").await;
    alice.done("delete/lead", &format!("slug={deleted}")).await;
    let good = at("2026-02-01 10:00", "2026-02-01 10:30");
    let note_200 = pair("appointment_note", &"ü".repeat(200));
    let note_201 = pair("appointment_note", &"ü".repeat(201));
    let with = |more: &str| format!("{good}&{more}");
    let three = |text: &str| {
        json!([
            ["slug", text],
            ["appointment_date", text],
            ["appointment_to", text]
        ])
    };
    let date = |text: &str| with(&pair("appointment_date", text));
    let to = |text: &str| with(&pair("appointment_to", text));
    let bad_date = || field("appointment_date", FORMAT);
    alice
        .refuses(
            "create/appointment",
            &[
                ("", 401, failed(NO_DATA)),
                ("unknown=1", 400, three(REQUIRED)),
                (
                    "slug=&appointment_date=+&appointment_to=%0A",
                    400,
                    three(BLANK),
                ),
                (&with("slug=nobody"), 400, field("slug", SLUG)),
                (&with("slug=jane-smith-1009"), 400, field("slug", SLUG)),
                (&with(&format!("slug={deleted}")), 400, field("slug", SLUG)),
                (&date("tomorrow"), 400, bad_date()),
                (&date("2026-02-30 10:00"), 400, bad_date()),
                (&date("02/01/2026"), 400, bad_date()),
                (&date("1767225600"), 400, bad_date()),
                (
                    &to("2026-02-01 25:00"),
                    400,
                    field("appointment_to", FORMAT),
                ),
                (&with(&note_201), 400, field("appointment_note", NOTE)),
                (
                    &with("appointment_status=done"),
                    400,
                    field("appointment_status", STATUS),
                ),
                // All fields, before what fails as a whole.
                (
                    &format!(
                        "slug=x&appointment_date=x&appointment_to=&appointment_status=x&{note_201}"
                    ),
                    400,
                    json!([
                        ["slug", SLUG],
                        ["appointment_date", FORMAT],
                        ["appointment_to", BLANK],
                        ["appointment_note", NOTE],
                        ["appointment_status", STATUS]
                    ]),
                ),
                (
                    &at("2026-02-01 10:00", "2026-02-01 09:59"),
                    401,
                    failed(REVERSED),
                ),
                // Reversed comes before past, past before taken.
                (
                    &at("2026-01-01 10:00", "2026-01-01 09:00"),
                    401,
                    failed(REVERSED),
                ),
                (
                    &at("2026-01-15 02:29", "2026-02-01 10:00"),
                    401,
                    failed(PAST),
                ),
                // Now is not the future.
                (
                    &at("2026-01-15 02:30", "2026-01-15 02:30"),
                    401,
                    failed(PAST),
                ),
                (
                    &at("2026-01-15T10:30:00Z", "2026-01-15 02:30"),
                    401,
                    failed(PAST),
                ),
            ],
        )
        .await;
    let no = field("slug", "You can't take appointment under this lead.");
    bob.refuses("create/appointment", &[(&good, 400, no)]).await;
    // What just fits is taken: 200 characters, and an end that is the start.
    let body = format!("{}&{note_200}", at("2026-01-15 02:31", "2026-01-15 02:31"));
    alice.done("create/appointment", &body).await;
}

#[tokio::test]
async fn what_is_wrong_with_an_update_is_told() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    alice.lead("").await;
    let others = caller(world, "carl", "Agent").await.lead("").await;
    alice
        .done(
            "create/appointment",
            &at("2026-02-01 10:00", "2026-02-01 10:30"),
        )
        .await;
    alice
        .done(
            "create/appointment",
            &at("2026-02-01 11:00", "2026-02-01 11:30"),
        )
        .await;
    let with = |more: &str| format!("appointment_id=1001&{more}");
    let id = |text: &str| field("appointment_id", text);
    let bad = || id("Invalid appointment id.");
    let unknown = || id("Requested appointment not found.");
    let note_201 = pair("appointment_note", &"x".repeat(201));
    alice
        .refuses(
            "update/appointment",
            &[
                ("", 401, failed(NO_DATA)),
                ("slug=jane-smith-1001", 400, id(REQUIRED)),
                ("appointment_id=+", 400, id(BLANK)),
                ("appointment_id=x", 400, bad()),
                ("appointment_id=0", 400, bad()),
                ("appointment_id=-1001", 400, bad()),
                ("appointment_id=1001.0", 400, bad()),
                ("appointment_id=1009", 400, unknown()),
                ("appointment_id=99999999999999999999", 400, unknown()),
                (&with("slug=+"), 400, field("slug", BLANK)),
                (&with("slug=x"), 400, field("slug", SLUG)),
                (
                    &with(&format!("slug={others}")),
                    400,
                    field("slug", "You can't take appointment under this lead."),
                ),
                (
                    &with("appointment_date=+"),
                    400,
                    field("appointment_date", BLANK),
                ),
                (
                    &with("appointment_date=x"),
                    400,
                    field("appointment_date", FORMAT),
                ),
                (
                    &with("appointment_to="),
                    400,
                    field("appointment_to", BLANK),
                ),
                (
                    &with("appointment_to=x"),
                    400,
                    field("appointment_to", FORMAT),
                ),
                (&with(&note_201), 400, field("appointment_note", NOTE)),
                (
                    &with("appointment_status=x"),
                    400,
                    field("appointment_status", STATUS),
                ),
                (
                    &with("appointment_to=2026-02-01+09:00"),
                    401,
                    failed(REVERSED),
                ),
                (
                    &with("appointment_date=2026-02-01+10:31"),
                    401,
                    failed(REVERSED),
                ),
                (
                    &with("appointment_date=2026-01-01+10:00"),
                    401,
                    failed(PAST),
                ),
                (&with("appointment_to=2026-02-01+11:01"), 401, failed(TAKEN)),
            ],
        )
        .await;
    alice
        .refuses(
            "delete/appointment",
            &[
                ("", 400, id(REQUIRED)),
                ("appointment_id=", 400, id(BLANK)),
                ("appointment_id=x", 400, bad()),
                ("appointment_id=1009", 400, unknown()),
            ],
        )
        .await;
}

#[tokio::test]
async fn the_user_of_an_appointment_and_roles_o_and_d_change_it() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let bob = caller(world, "bob", "Agent").await;
    alice.lead("assignee=bob").await;
    let ten = at("2026-02-01 10:00", "2026-02-01 10:30");
    alice.done("create/appointment", &ten).await;
    let with = |more: &str| format!("appointment_id=1001&{more}");
    let moves = with("appointment_status=confirmed");
    let no = failed("You can't update this appointment.");
    bob.refuses("update/appointment", &[(&moves, 401, no)])
        .await;
    let no = failed("You can't delete this appointment.");
    bob.refuses("delete/appointment", &[("appointment_id=1001", 401, no)])
        .await;
    // Roles O and D may.
    for (name, account_type) in [("olga", "Owner"), ("dora", "Admin")] {
        let leader = caller(world, name, account_type).await;
        let note = with(&format!("appointment_note={name}"));
        let (_, said) = leader.told("update/appointment", &note).await;
        assert_eq!(
            (&said[0].1["user"], &said[0].1["actor"]),
            (&json!("alice"), &json!(name))
        );
    }
    login(world, "olga")
        .await
        .done("delete/appointment", "appointment_id=1001")
        .await;
}

#[tokio::test]
async fn a_past_appointment_keeps_its_start() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    alice.lead("").await;
    alice
        .done(
            "create/appointment",
            &at("2026-01-15 02:31", "2026-01-15 03:00"),
        )
        .await;
    crate::site::advance(world, hookrelay::clock::Millis::minutes(4));
    let same =
        "appointment_id=1001&appointment_date=2026-01-15+02:31&appointment_to=2026-01-15+04:00";
    alice.done("update/appointment", same).await;
    let other = same.replace("02:31", "02:32");
    alice
        .refuses("update/appointment", &[(&other, 401, failed(PAST))])
        .await;
    alice
        .done("update/appointment", &other.replace("02:32", "02:35"))
        .await;
}

#[tokio::test]
async fn a_method_that_a_route_does_not_know_is_named() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    for (method, path, allow) in [
        ("PUT", "create/appointment", "POST"),
        ("GET", "delete/appointment", "POST"),
        ("POST", "list", "GET"),
        ("DELETE", "user/login", "POST"),
    ] {
        let reply = alice
            .send(method, &format!("/crm/v1/{path}"), &[], "")
            .await;
        let text = format!("Method \"{method}\" not allowed.");
        expect(&reply, 405, &detail(&text), path);
        assert_eq!(reply.header("allow"), Some(allow), "{path}");
    }
}
