//! `protocols/leads-api.md` section 6: notes.

use serde_json::json;

use crate::people::world;
use crate::site::{caller, failed, field, login, pair};

const REQUIRED: &str = "This field is required.";
const BLANK: &str = "This field may not be blank.";

#[tokio::test]
async fn notes_are_written_and_erased() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    alice.lead("").await;
    let body = "slug=jane-smith-1001&note=Called,+no+answer";
    let (data, said) = alice.told("create/leadnote", body).await;
    assert_eq!(
        data,
        json!({"message": "Note created successfully.", "note_id": 1001})
    );
    let note = json!({"note_id": 1001, "lead_id": 1001, "slug": "jane-smith-1001", "kind": "Note",
        "note": "Called, no answer", "created_at": "2026-01-15T10:30:00Z", "actor": "alice"});
    assert_eq!(said, [("new_lead_note".to_owned(), note)]);
    let (data, said) = alice.told("delete/leadnote", "note_id=1001").await;
    assert_eq!(data, json!({"message": "Note deleted successfully."}));
    let gone = json!({"note_id": 1001, "lead_id": 1001, "slug": "jane-smith-1001",
        "actor": "alice"});
    assert_eq!(said, [("delete_lead_note".to_owned(), gone)]);
    let unknown = field("note_id", "Requested note not found.");
    alice
        .refuses("delete/leadnote", &[("note_id=1001", 400, unknown)])
        .await;
    assert_eq!(
        alice.seen("view/lead", "slug=jane-smith-1001").await["notes"],
        json!([])
    );
}

#[tokio::test]
async fn what_is_wrong_with_a_note_is_told() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    alice.lead("").await;
    let deleted = alice.lead("").await;
    alice.done("delete/lead", &format!("slug={deleted}")).await;
    let slug = "slug=jane-smith-1001";
    let note = |length: usize| format!("{slug}&{}", pair("note", &"ü".repeat(length)));
    let long = "Ensure this field has no more than 499 characters.";
    let gone = "Requested lead already has a deleted status.";
    let both = |text: &str| json!([["slug", text], ["note", text]]);
    alice
        .refuses(
            "create/leadnote",
            &[
                ("", 400, both(REQUIRED)),
                ("slug=+&note=%0A", 400, both(BLANK)),
                (
                    "slug=x&note=n",
                    400,
                    field("slug", "Requested lead not found."),
                ),
                (&format!("slug={deleted}&note=n"), 400, field("slug", gone)),
                (&note(500), 400, field("note", long)),
            ],
        )
        .await;
    alice.done("create/leadnote", &note(499)).await;
    let bad = || field("note_id", "Invalid note id.");
    alice
        .refuses(
            "delete/leadnote",
            &[
                ("", 400, field("note_id", REQUIRED)),
                ("note_id=", 400, field("note_id", BLANK)),
                ("note_id=x", 400, bad()),
                ("note_id=0", 400, bad()),
                ("note_id=-1", 400, bad()),
                (
                    "note_id=1009",
                    400,
                    field("note_id", "Requested note not found."),
                ),
            ],
        )
        .await;
}

#[tokio::test]
async fn rights_on_notes_are_those_of_the_table() {
    let world = &world().await;
    let owner = caller(world, "alice", "Agent").await;
    for (name, account_type) in [
        ("bob", "Agent"),
        ("carl", "Agent"),
        ("olga", "Owner"),
        ("dora", "Admin"),
    ] {
        crate::site::user(world, name, account_type).await;
    }
    owner.lead("assignee=bob").await;
    let body = "slug=jane-smith-1001&note=n";
    // The note of each is erased by each who may, and by nobody else.
    for (author, may_write, erasers) in [
        ("alice", true, ["alice", "olga", "dora"].as_slice()),
        ("bob", true, &["alice", "bob", "olga", "dora"]),
        ("carl", false, &[]),
        ("olga", true, &["alice", "olga", "dora"]),
    ] {
        let writer = login(world, author).await;
        if !may_write {
            let no = failed("You can't add note on this lead.");
            writer.refuses("create/leadnote", &[(body, 401, no)]).await;
            continue;
        }
        for eraser in ["alice", "bob", "carl", "olga", "dora"] {
            let id = writer.done("create/leadnote", body).await["note_id"].clone();
            let erase = format!("note_id={id}");
            let eraser_is = login(world, eraser).await;
            if erasers.contains(&eraser) {
                eraser_is.done("delete/leadnote", &erase).await;
            } else {
                let no = failed("You can't delete this note.");
                eraser_is
                    .refuses("delete/leadnote", &[(&erase, 401, no)])
                    .await;
            }
        }
    }
}
