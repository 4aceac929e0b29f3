//! `protocols/leads-api.md` section 5: creating, updating and deleting leads.

use serde_json::{Value, json};

use crate::people::world;
use crate::site::{JANE, caller, expect, failed, field, login, multipart, pair, user};
use crate::world::World;

const REQUIRED: &str = "This field is required.";
const BLANK: &str = "This field may not be blank.";
const LONG: &str = "Ensure this field has no more than 255 characters.";
const PHONE: &str =
    "Phone number must be entered in the format: '999999999'. Up to 15 digits allowed.";

/// LEAD of the notification of [`JANE`], owned by alice.
fn jane() -> Value {
    let text = r#"{"lead_id": 1001, "slug": "jane-smith-1001", "external_id": null, "contact_id": 1001,
        "owner": "alice", "assignee": null, "pool": null, "first_name": "Jane",
        "last_name": "Smith", "company": "", "address": "", "address_2": "", "city": "",
        "state": "", "zip": "", "country": "", "lat": null, "lng": null, "phone": "15551234567",
        "cell": "", "ok_to_text": false, "fax": "", "skype": "", "ip": "", "followup_at": null,
        "besttime": "", "status": "prospect", "priority": "", "custom_status": 0,
        "gmt_offset": null, "email": "jane@example.com", "admin_notes": "", "govt_id": "",
        "source": "manual", "sub_id": "", "sub_id2": "", "birth_date": "", "location": "",
        "message": "", "tags": [], "created_at": "2026-01-15T10:30:00Z",
        "updated_at": "2026-01-15T10:30:00Z", "actor": "alice"}"#;
    serde_json::from_str(text).unwrap()
}

async fn slug_of(world: &World, route: &str, body: &str) -> Value {
    login(world, "alice").await.done(route, body).await["slug"].clone()
}

#[tokio::test]
async fn a_lead_is_created_with_its_contact_and_told() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let reply = alice.post("create/lead", JANE).await;
    assert_eq!(
        reply.body,
        r#"{"status_code":200,"errors":{},"data":{"message":"Lead created successfully.","slug":"jane-smith-1001","lead_id":1001}}"#
    );
    let said = world.appended(0).await;
    let types: Vec<&str> = said.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(types, ["new_user", "new_contact", "new_lead"]);
    let told: Value = serde_json::from_str(&said[2].1).unwrap();
    assert_eq!(told, jane());
    // Each call creates a lead; the contact is known by now.
    user(world, "Bob", "Customer").await;
    let more = format!("{JANE}&status=Closed&source=WEBSITE&location=L&message=M&assignee=bob");
    let (data, said) = alice.told("create/lead", &more).await;
    assert_eq!(data["slug"], "jane-smith-1002");
    assert_eq!(said.len(), 1);
    let mut expected = jane();
    for (name, value) in [
        ("lead_id", json!(1002)),
        ("slug", json!("jane-smith-1002")),
        ("status", json!("closed")),
        ("source", json!("website")),
        ("location", json!("L")),
        ("message", json!("M")),
        ("assignee", json!("Bob")),
    ] {
        expected[name] = value;
    }
    assert_eq!(said[0], ("new_lead".to_owned(), expected));
}

#[tokio::test]
async fn blank_status_and_source_are_the_defaults_and_other_blanks_say_nothing() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let body = format!("{JANE}&status=+&source=&location=&message=+");
    let (_, said) = alice.told("create/lead", &body).await;
    assert_eq!(said[1].1, jane());
}

#[tokio::test]
async fn what_is_wrong_with_a_new_lead_is_told_field_by_field() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let long = "x".repeat(256);
    let fits = "x".repeat(255);
    user(world, "gone", "Agent").await;
    let admin = "/admin/v1/accounts/acme/users/gone";
    world.admin("PATCH", admin, r#"{"active":false}"#).await;
    let with = |name: &str, value: &str| format!("{JANE}&{}", pair(name, value));
    let required = ["first_name", "last_name", "email", "phone"];
    let all = |text: &str| json!(required.map(|name| [name, text]));
    let mut rows: Vec<(String, Value)> = vec![
        (String::new(), all(REQUIRED)),
        (
            "first_name=&last_name=+&email=%0A&phone=%09".to_owned(),
            all(BLANK),
        ),
        (with("first_name", &long), field("first_name", LONG)),
        (with("last_name", &long), field("last_name", LONG)),
        (
            with("email", &format!("{long}@example.com")),
            field("email", LONG),
        ),
        (with("location", &long), field("location", LONG)),
        (with("message", &long), field("message", LONG)),
        (with("assignee", " "), field("assignee", BLANK)),
        (
            with("assignee", "nobody"),
            field("assignee", "Assignee not found."),
        ),
        (
            with("assignee", "gone"),
            field("assignee", "Assignee not found."),
        ),
        (
            with("assignee", &long),
            field("assignee", "Assignee not found."),
        ),
    ];
    for email in [
        "jane",
        "jane@example",
        "a b@example.com",
        "@example.com",
        &fits,
    ] {
        rows.push((with("email", email), field("email", "Invalid email.")));
    }
    for phone in [
        "12345678",
        "1234567890123456",
        "+",
        "555-123-4567",
        "abcdefghij",
    ] {
        rows.push((with("phone", phone), field("phone", PHONE)));
    }
    for status in ["deleted", "1", "new", "Received"] {
        let fault = format!("{status} is not a valid choice.");
        rows.push((with("status", status), field("status", &fault)));
    }
    let fault = "radio is not a valid choice.";
    rows.push((with("source", "radio"), field("source", fault)));
    // All of them at once, in the order of the table.
    let body = format!(
        "assignee=x&source=radio&status=1&{}&{}&phone=1&email=x&last_name=&first_name={long}",
        pair("message", &long),
        pair("location", &long)
    );
    let faults = json!([
        ["first_name", LONG],
        ["last_name", BLANK],
        ["email", "Invalid email."],
        ["phone", PHONE],
        ["location", LONG],
        ["message", LONG],
        ["status", "1 is not a valid choice."],
        ["source", fault],
        ["assignee", "Assignee not found."]
    ]);
    rows.push((body, faults));
    let rows: Vec<(&str, u16, Value)> = rows
        .iter()
        .map(|(body, errors)| (body.as_str(), 400, errors.clone()))
        .collect();
    alice.refuses("create/lead", &rows).await;
    // What just fits is taken.
    let fits = [
        with("first_name", &fits),
        with("last_name", &fits),
        with("location", &fits),
        with("message", &fits),
        with("phone", "123456789"),
        with("phone", "+123456789012345"),
        with("source", "other"),
    ];
    for body in fits {
        alice.done("create/lead", &body).await;
    }
}

#[tokio::test]
async fn a_lead_is_updated_and_told_only_if_it_changes() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    user(world, "bob", "Agent").await;
    let slug = alice
        .lead("location=L&message=M&source=website&assignee=bob")
        .await;
    let body = format!("slug={slug}&{JANE}");
    let (data, said) = alice.told("update/lead", &body).await;
    let expected = json!({"message": "Lead updated successfully.", "slug": slug});
    assert_eq!((data, said.len()), (expected, 0));
    // Blank status and source leave them; blank texts clear; the slug stays.
    let body = format!(
        "slug={slug}&first_name=Joan&last_name=Smith&email=jane@example.com&phone=15551234567\
         &status=&source=+&location=&message=+&assignee=ALICE"
    );
    let (_, said) = alice.told("update/lead", &body).await;
    let mut expected = jane();
    expected["first_name"] = json!("Joan");
    expected["source"] = json!("website");
    expected["assignee"] = json!("alice");
    expected["changed"] = json!(["assignee", "first_name", "location", "message"]);
    assert_eq!(said, [("update_lead".to_owned(), expected)]);
    let (_, said) = alice
        .told("update/lead", &format!("{body}&status=potential"))
        .await;
    assert_eq!(said[0].1["changed"], json!(["status"]));
}

#[tokio::test]
async fn what_is_wrong_with_an_update_is_told() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let bob = caller(world, "bob", "Agent").await;
    let slug = alice.lead("assignee=bob").await;
    let slug = slug.as_str();
    let deleted = alice.lead("").await;
    alice.done("delete/lead", &format!("slug={deleted}")).await;
    let slug_258 = "x".repeat(258);
    let long = format!("slug={slug_258}x&{JANE}");
    let names = ["slug", "first_name", "last_name", "email", "phone"];
    let unknown = failed("Requested lead does not esixt.");
    let update = |slug: &str| format!("slug={slug}&{JANE}");
    let with = |more: &str| format!("slug={slug}&{JANE}&{more}");
    let too_long = "Ensure this field has no more than 258 characters.";
    let other = "x".repeat(256);
    alice
        .refuses(
            "update/lead",
            &[
                ("", 400, json!(names.map(|name| [name, REQUIRED]))),
                (
                    "slug=&first_name=&last_name=&email=&phone=",
                    400,
                    json!(names.map(|name| [name, BLANK])),
                ),
                (&long, 400, field("slug", too_long)),
                (&update(&slug_258), 401, unknown.clone()),
                (&update("jane-1001"), 401, unknown.clone()),
                (&update("jane-smith-1003"), 401, unknown.clone()),
                (&update("JANE-SMITH-1001"), 401, unknown.clone()),
                (&update("99999999999999999999"), 401, unknown.clone()),
                (&update(&deleted), 401, unknown),
                (
                    &format!("{}&status=x&assignee=+", update("nobodys")),
                    400,
                    json!([["status", "x is not a valid choice."], ["assignee", BLANK]]),
                ),
                (
                    &with(&pair("first_name", &other)),
                    400,
                    field("first_name", LONG),
                ),
                (
                    &with(&pair("last_name", &other)),
                    400,
                    field("last_name", LONG),
                ),
                (&with(&pair("email", &other)), 400, field("email", LONG)),
                (&with("email=x"), 400, field("email", "Invalid email.")),
                (&with("phone=x"), 400, field("phone", PHONE)),
                (
                    &with(&pair("location", &other)),
                    400,
                    field("location", LONG),
                ),
                (&with(&pair("message", &other)), 400, field("message", LONG)),
                (
                    &with("source=radio"),
                    400,
                    field("source", "radio is not a valid choice."),
                ),
                (
                    &with("assignee=x"),
                    400,
                    field("assignee", "Assignee not found."),
                ),
            ],
        )
        .await;
    // The assignee sees it, and owns nothing of it.
    let owner = failed("You are not owner of this lead.");
    bob.refuses("update/lead", &[(&update(slug), 401, owner)])
        .await;
}

#[tokio::test]
async fn owner_administrator_and_nobody_else_change_and_delete() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let slug = alice.lead("").await;
    for (name, account_type, may) in [
        ("olga", "Owner", true),
        ("dora", "Administrator", true),
        ("adam", "admin", true),
        ("bob", "Agent", false),
        ("carl", "Customer", false),
    ] {
        let caller = caller(world, name, account_type).await;
        let body = format!("slug={slug}&{JANE}&message={name}");
        let reply = caller.post("update/lead", &body).await;
        if may {
            assert_eq!(reply.status, 200, "{name}");
            continue;
        }
        expect(
            &reply,
            401,
            &failed("You are not owner of this lead."),
            name,
        );
        let no = failed("You can't delete this lead.");
        let delete = format!("slug={slug}");
        caller.refuses("delete/lead", &[(&delete, 401, no)]).await;
    }
    // Every active user may create.
    assert_eq!(login(world, "carl").await.lead("").await, "jane-smith-1002");
}

#[tokio::test]
async fn a_lead_goes_with_its_appointments() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let slug = alice.lead("").await;
    for day in ["01", "02"] {
        let body = format!(
            "slug={slug}&appointment_date=2026-02-{day}+10:00&appointment_to=2026-02-{day}+11:00"
        );
        alice.done("create/appointment", &body).await;
    }
    alice
        .done("delete/appointment", "appointment_id=1001")
        .await;
    let delete = format!("slug={slug}");
    let (data, said) = alice.told("delete/lead", &delete).await;
    assert_eq!(data, json!({"message": "Lead deleted successfully."}));
    let lead = json!({"lead_id": 1001, "slug": slug, "actor": "alice"});
    let appointment =
        json!({"appointment_id": 1002, "lead_id": 1001, "slug": slug, "actor": "alice"});
    let expected = [
        ("delete_lead".to_owned(), lead),
        ("delete_appointment".to_owned(), appointment),
    ];
    assert_eq!(said, expected);
    assert_eq!(alice.seen("appointments/list", "").await["count"], 0);
    let gone = "Requested lead already has a deleted status.";
    alice
        .refuses(
            "delete/lead",
            &[
                (&delete, 400, field("slug", gone)),
                ("", 400, field("slug", REQUIRED)),
                ("slug=+", 400, field("slug", BLANK)),
                // As the PHP sample of the source document has it.
                (
                    "slug=binuser1",
                    400,
                    field("slug", "Requested lead not found."),
                ),
            ],
        )
        .await;
}

#[tokio::test]
async fn a_source_that_the_lead_has_already_stays_valid() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let create = "ai_command=create_lead&first_name=Jane&last_name=Smith&source=Radio&user_id=1001";
    world.command(create).await;
    let body = format!("slug=jane-smith-1001&{JANE}&source=Radio");
    alice.done("update/lead", &body).await;
    let other = format!("slug=jane-smith-1001&{JANE}&source=radio");
    let wrong = field("source", "radio is not a valid choice.");
    alice.refuses("update/lead", &[(&other, 400, wrong)]).await;
    // The account's own vocabulary.
    crate::people::set(world, |account| {
        account.settings.lead_sources = vec!["radio".to_owned()];
    })
    .await;
    alice.done("update/lead", &other).await;
    let website = format!("{JANE}&source=website");
    let wrong = field("source", "website is not a valid choice.");
    alice
        .refuses("create/lead", &[(&website, 400, wrong)])
        .await;
}

#[tokio::test]
async fn bodies_may_be_multipart_urlencoded_or_json() {
    let world = &world().await;
    let alice = caller(world, "alice", "Agent").await;
    let parts = [
        ("first_name", "Jane"),
        ("last_name", "Smith"),
        ("email", "jane@example.com"),
        ("phone", "15551234567"),
    ];
    let (body, media_type) = multipart(&parts);
    let json = r#"{"first_name":"Jane","last_name":"Smith","email":"jane@example.com","phone":15551234567,"status":null}"#;
    let mark = format!("\u{feff} {json}");
    for (media_type, body) in [
        (media_type, body.as_str()),
        ("application/x-www-form-urlencoded", JANE),
        ("text/plain", JANE),
        ("application/json", json),
        ("application/x-www-form-urlencoded", json),
        ("application/json", &mark),
    ] {
        let path = "/crm/v1/v1/create/lead/";
        let headers = [("content-type", media_type)];
        let reply = alice.send("POST", path, &headers, body).await;
        assert_eq!(reply.status, 200, "{media_type}: {}", reply.body);
    }
    assert_eq!(alice.seen("list", "phone=15551234567").await["count"], 6);
    for (media_type, body) in [
        ("multipart/form-data", "x"),
        ("multipart/form-data; boundary=x", "x"),
        ("application/json", "{"),
        ("application/json", r#"{"a":1,"a":2}"#),
        ("application/json", "{}x"),
        ("text/plain", "a=%ff"),
    ] {
        let headers = [("content-type", media_type)];
        let reply = alice
            .send("POST", "/crm/v1/create/lead", &headers, body)
            .await;
        expect(&reply, 400, &crate::site::detail("Parse error."), body);
    }
    assert!(slug_of(world, "create/lead", JANE).await.is_string());
}
