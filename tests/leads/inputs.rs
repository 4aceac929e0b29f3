//! What texts become: several lines, control characters, U+0000, JSON that is no text.

use serde_json::{Value, json};

use crate::people::{escaped, world};
use crate::site::{JANE, caller, expect, failed, field, pair};

const RAW: &str = " \u{7}a\tb\r\nc\u{85}\u{1b}d\n ";
const LINES: &str = "a\tb\r\ncd";
const LINE: &str = "a b c d";

#[tokio::test]
async fn messages_and_notes_keep_their_lines_and_other_texts_have_one() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let raw = escaped(RAW);
    let body = format!(
        "first_name={raw}&last_name={raw}&email=jane@example.com%0A&phone=+15551234567+\
         &location={raw}&message={raw}"
    );
    let (data, said) = alice.told("create/lead", &body).await;
    assert_eq!(data["slug"], "a-b-c-d-a-b-c-d-1001");
    let slug = "slug=a-b-c-d-a-b-c-d-1001%0D%0A";
    let lead = &said.last().unwrap().1;
    for (name, expected) in [
        ("first_name", LINE),
        ("last_name", LINE),
        ("email", "jane@example.com"),
        ("phone", "15551234567"),
        ("location", LINES),
        ("message", LINES),
    ] {
        assert_eq!(lead[name], expected, "{name}");
    }
    let (_, said) = alice
        .told("create/leadnote", &format!("{slug}&note={raw}"))
        .await;
    assert_eq!(said[0].1["note"], LINES);
    let time = "appointment_date=2026-02-01+10:00%0A&appointment_to=+2026-02-01+10:00";
    let body = format!("{slug}&{time}&appointment_note={raw}");
    let (_, said) = alice.told("create/appointment", &body).await;
    assert_eq!(said[0].1["note"], LINES);
    let seen = alice.seen("view/lead", slug).await;
    assert_eq!(
        (&seen["message"], &seen["notes"][0]["note"]),
        (&json!(LINES), &json!(LINES))
    );
}

/// Every text field of every POST route, with what the route needs beside it.
const TEXTS: [(&str, &[&str]); 8] = [
    (
        "create/lead",
        &[
            "first_name",
            "last_name",
            "email",
            "phone",
            "location",
            "message",
            "status",
            "source",
            "assignee",
        ],
    ),
    (
        "update/lead",
        &[
            "slug",
            "first_name",
            "last_name",
            "email",
            "phone",
            "location",
            "message",
            "status",
            "source",
            "assignee",
        ],
    ),
    (
        "create/appointment",
        &[
            "slug",
            "appointment_date",
            "appointment_to",
            "appointment_note",
            "appointment_status",
        ],
    ),
    (
        "update/appointment",
        &[
            "appointment_id",
            "slug",
            "appointment_date",
            "appointment_to",
            "appointment_note",
            "appointment_status",
        ],
    ),
    ("delete/appointment", &["appointment_id"]),
    ("delete/lead", &["slug"]),
    ("create/leadnote", &["slug", "note"]),
    ("delete/leadnote", &["note_id"]),
];

#[tokio::test]
async fn what_is_no_text_is_told_before_everything_else() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    for (route, fields) in TEXTS {
        for (value, text) in [
            (json!(["a"]), "Not a valid string."),
            (json!({"a": 1}), "Not a valid string."),
            (json!([]), "Not a valid string."),
            (json!("a\u{0}b"), "Null characters are not allowed."),
            (json!("\u{0}"), "Null characters are not allowed."),
        ] {
            let body: serde_json::Map<String, Value> = fields
                .iter()
                .map(|name| ((*name).to_owned(), value.clone()))
                .collect();
            let errors = fields.iter().map(|name| json!([name, text])).collect();
            let body = Value::Object(body).to_string();
            alice.refuses(route, &[(&body, 400, errors)]).await;
        }
        // U+0000 in a form, too.
        for name in fields {
            let reply = alice.post(route, &format!("{name}=a%00")).await;
            assert_eq!(
                reply.json()["errors"][name][0],
                "Null characters are not allowed."
            );
        }
    }
}

#[tokio::test]
async fn json_scalars_are_texts_and_null_is_absent() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let body = r#"{"first_name":true,"last_name":1.50,"email":"jane@example.com","phone":15551234567,"assignee":null,"message":null}"#;
    let (_, said) = alice.told("create/lead", body).await;
    let lead = &said.last().unwrap().1;
    assert_eq!(
        (&lead["first_name"], &lead["last_name"]),
        (&json!("true"), &json!("1.5"))
    );
    let required = "This field is required.";
    let nulls = r#"{"slug":null,"note":null}"#;
    alice
        .refuses(
            "create/leadnote",
            &[(nulls, 400, json!([["slug", required], ["note", required]]))],
        )
        .await;
    // Nothing but nulls is nothing at all.
    let none = failed("Body data not found.");
    let date = r#"{"slug":null,"appointment_date":null}"#;
    for body in ["{}", date, " {} "] {
        for route in ["create/appointment", "update/appointment"] {
            alice.refuses(route, &[(body, 401, none.clone())]).await;
        }
    }
    // Ids may be numbers.
    let slug = "true-1-5-1001";
    alice
        .done(
            "create/leadnote",
            &format!(r#"{{"slug":"{slug}","note":5}}"#),
        )
        .await;
    alice.done("delete/leadnote", r#"{"note_id":1001}"#).await;
}

#[tokio::test]
async fn the_query_of_a_post_says_nothing_and_the_last_pair_of_a_name_wins() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let reply = alice
        .send("POST", &format!("/crm/v1/create/lead?{JANE}"), &[], "")
        .await;
    assert_eq!(reply.status, 400);
    let body = format!("{JANE}&first_name=Joan&unknown=x");
    let (_, said) = alice.told("create/lead", &body).await;
    assert_eq!(said.last().unwrap().1["first_name"], "Joan");
    // A file is no text.
    let file = "--x\r\nContent-Disposition: form-data; name=\"slug\"; filename=\"a\"\r\n\r\nb\r\n--x--\r\n";
    let headers = [("content-type", "multipart/form-data; boundary=x")];
    let reply = alice
        .send("POST", "/crm/v1/create/appointment", &headers, file)
        .await;
    expect(&reply, 401, &failed("Body data not found."), "file");
    let reply = alice
        .send("POST", "/crm/v1/delete/lead", &headers, file)
        .await;
    expect(
        &reply,
        400,
        &field("slug", "This field is required."),
        "file",
    );
}

/// 200 and 201 characters of an appointment's note, counted as they are kept.
#[tokio::test]
async fn lengths_are_counted_in_characters_of_what_is_kept() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    alice.lead("").await;
    let time = "slug=jane-smith-1001&appointment_date=2026-02-01&appointment_to=2026-02-01";
    for (length, fits) in [(199, true), (200, true), (201, false)] {
        let note = format!(" \n{}\u{7} ", "😀".repeat(length));
        let body = format!("{time}&{}", pair("appointment_note", &note));
        let reply = alice.post("create/appointment", &body).await;
        if fits {
            assert_eq!(reply.status, 200, "{length}: {}", reply.body);
            let id = &reply.json()["data"]["appointment_id"];
            alice
                .done("delete/appointment", &format!("appointment_id={id}"))
                .await;
        } else {
            let text = "Ensure this field has no more than 200 characters.";
            expect(&reply, 400, &field("appointment_note", text), "201");
        }
    }
}
