//! Every parameter's findings, one at a time and in parameter order, and everything that is not
//! found.

mod agencies;
mod channels;

use crate::shop::{call, jane, list, world};

const NOBODY: &str = "6q3d25vt4f5v";

/// Method, path, body, status, code, message.
type Row = (
    &'static str,
    &'static str,
    String,
    u16,
    &'static str,
    &'static str,
);

fn row(
    method: &'static str,
    path: &'static str,
    body: impl Into<String>,
    code: &'static str,
    message: &'static str,
) -> Row {
    let status = match code {
        "NOT_FOUND" => 404,
        "CONFLICT" => 409,
        _ => 400,
    };
    (method, path, body.into(), status, code, message)
}

const REQUEST: &str = "INVALID_REQUEST";
const PHONE: (&str, &str) = (
    "INVALID_PHONE",
    "Phone number must include a valid country code.",
);
const EMAIL: (&str, &str) = ("INVALID_EMAIL", "Email address is not valid.");
const EITHER: &str = "Provide a phone number or an email.";
const OBJECT: &str = "Request body must be a JSON object.";

fn long(n: usize) -> String {
    "x".repeat(n)
}

fn of_contacts() -> Vec<Row> {
    let create = |body: &str, code, message| row("POST", "contacts", body, code, message);
    let with_phone = |member: String, message| {
        let body = format!(r#"{{"phone":"+15550000009",{member}}}"#);
        row("POST", "contacts", body, REQUEST, message)
    };
    let mut rows = vec![
        create("", REQUEST, OBJECT),
        create("[]", REQUEST, OBJECT),
        create("\"x\"", REQUEST, OBJECT),
        create("null", REQUEST, OBJECT),
        create("{", REQUEST, OBJECT),
        create(r#"{"phone":"+15551234567"} x"#, REQUEST, OBJECT),
        create(
            r#"{"phone":"+15551234567","phone":"+15551234567"}"#,
            REQUEST,
            OBJECT,
        ),
        create("{}", REQUEST, EITHER),
        create(
            r#"{"phone":"","phoneNumber":" ","email":null}"#,
            REQUEST,
            EITHER,
        ),
        create(r#"{"firstName":5,"lastName":[]}"#, REQUEST, EITHER),
        // The examples of domain.md section 4.
        create(r#"{"phone":"5551234567"}"#, PHONE.0, PHONE.1),
        create(r#"{"phone":"+9995551234"}"#, PHONE.0, PHONE.1),
        create(r#"{"phone":"+1555"}"#, PHONE.0, PHONE.1),
        create(r#"{"phone":"+1555123456789012"}"#, PHONE.0, PHONE.1),
        create(r#"{"phone":15551234567}"#, PHONE.0, PHONE.1),
        create(
            r#"{"phoneNumber":"x","email":"also wrong"}"#,
            PHONE.0,
            PHONE.1,
        ),
        create(r#"{"phone":true}"#, REQUEST, "phone is not valid."),
        create(
            r#"{"phoneNumber":[]}"#,
            REQUEST,
            "phoneNumber is not valid.",
        ),
        create(r#"{"email":"jane@example"}"#, EMAIL.0, EMAIL.1),
        create(r#"{"email":"jane"}"#, EMAIL.0, EMAIL.1),
        create(
            r#"{"phone":"+15551234567","email":"a b@example.com"}"#,
            EMAIL.0,
            EMAIL.1,
        ),
        create(r#"{"email":7}"#, REQUEST, "email is not valid."),
    ];
    for (member, message) in [
        (
            format!(r#""firstName":"{}""#, long(256)),
            "firstName is too long.",
        ),
        (r#""firstName":{}"#.to_owned(), "firstName is not valid."),
        (
            r#""firstName":"\u0000""#.to_owned(),
            "firstName is not valid.",
        ),
        (
            format!(r#""lastName":"{}","firstName":[]"#, long(256)),
            "firstName is not valid.",
        ),
        (
            format!(r#""lastName":"{}""#, long(256)),
            "lastName is too long.",
        ),
        (
            r#""is_bot_active":"maybe""#.to_owned(),
            "is_bot_active is not valid.",
        ),
        (
            r#""do_not_disturb":2"#.to_owned(),
            "do_not_disturb is not valid.",
        ),
        (
            format!(r#""externalId":"{}""#, long(256)),
            "externalId is too long.",
        ),
        (r#""listId":[]"#.to_owned(), "listId is not valid."),
        (r#""listIds":"x""#.to_owned(), "listIds is not valid."),
        (r#""listIds":[{}]"#.to_owned(), "listIds is not valid."),
        (
            format!(r#""customChannel":"{}""#, long(65)),
            "customChannel is too long.",
        ),
    ] {
        rows.push(with_phone(member, message));
    }
    for member in [
        format!(r#""listId":"{NOBODY}""#),
        r#""listId":"VIP""#.to_owned(),
        format!(r#""listIds":["{NOBODY}"]"#),
        r#""listIds":[1]"#.to_owned(),
    ] {
        let (_, path, body, ..) = with_phone(member, "");
        rows.push(row("POST", path, body, "NOT_FOUND", "List not found."));
    }
    rows
}

// A table is as long as what it shows.
#[allow(clippy::too_many_lines)]
fn of_look_ups() -> Vec<Row> {
    let get = |path, code, message| row("GET", path, "", code, message);
    let nobody = "Contact not found.";
    vec![
        get("contacts", REQUEST, EITHER),
        get("contacts?phoneNumber=&email=%20", REQUEST, EITHER),
        get("contacts?phoneNumber=5551234567", PHONE.0, PHONE.1),
        // A space alone is nothing, whatever it was.
        get("contacts?phoneNumber=+", REQUEST, EITHER),
        get("contacts?phoneNumber=%2B", PHONE.0, PHONE.1),
        get(
            "contacts?phone=x&email=nobody@example.com",
            PHONE.0,
            PHONE.1,
        ),
        get("contacts?email=nobody", EMAIL.0, EMAIL.1),
        get("contacts?phoneNumber=%ff", REQUEST, "query is not valid."),
        get("contacts?phoneNumber=+15559999999", "NOT_FOUND", nobody),
        get("contacts?email=nobody@example.com", "NOT_FOUND", nobody),
        get("contacts/6q3d25vt4f5v", "NOT_FOUND", nobody),
        get("contacts/x", "NOT_FOUND", nobody),
        get("contacts/tags/6q3d25vt4f5v", "NOT_FOUND", nobody),
        get("contacts/6q3d25vt4f5v/messages", "NOT_FOUND", nobody),
        get(
            "contacts/x/messages?limit=0",
            REQUEST,
            "limit is not valid.",
        ),
        get(
            "contacts/x/messages?limit=1001",
            REQUEST,
            "limit is not valid.",
        ),
        get(
            "contacts/x/messages?limit=x&offset=x",
            REQUEST,
            "limit is not valid.",
        ),
        get(
            "contacts/x/messages?offset=-1",
            REQUEST,
            "offset is not valid.",
        ),
        row(
            "PUT",
            "contacts/x",
            r#"{"firstName":"A"}"#,
            "NOT_FOUND",
            nobody,
        ),
        row(
            "PUT",
            "contacts/x",
            r#"{"firstName":[],"lastName":[]}"#,
            REQUEST,
            "firstName is not valid.",
        ),
        row("PUT", "contacts/x", "", REQUEST, OBJECT),
        row(
            "POST",
            "contacts/lists",
            "{}",
            REQUEST,
            "contactId is required.",
        ),
        row(
            "POST",
            "contacts/lists",
            r#"{"contactId":"x"}"#,
            REQUEST,
            "listId is required.",
        ),
        row(
            "POST",
            "contacts/lists",
            r#"{"contactId":" ","listId":[]}"#,
            REQUEST,
            "contactId is required.",
        ),
        row(
            "POST",
            "contacts/lists",
            r#"{"contactId":"x","listId":"x"}"#,
            "NOT_FOUND",
            "List not found.",
        ),
        row(
            "DELETE",
            "contacts/lists",
            "",
            REQUEST,
            "contactId is required.",
        ),
        row(
            "DELETE",
            "contacts/lists?contactId=x",
            "",
            REQUEST,
            "listId is required.",
        ),
        row(
            "DELETE",
            "contacts/lists?contactId=x&listId=x",
            "",
            "NOT_FOUND",
            "List not found.",
        ),
        row("DELETE", "contacts/lists", "[]", REQUEST, OBJECT),
        row(
            "POST",
            "lists/x/contacts",
            "{}",
            REQUEST,
            "contactId is required.",
        ),
        row(
            "POST",
            "lists/x/contacts",
            r#"{"contactId":true}"#,
            REQUEST,
            "contactId is not valid.",
        ),
        row(
            "POST",
            "lists/x/contacts",
            r#"{"contactId":"x"}"#,
            "NOT_FOUND",
            "List not found.",
        ),
        get("nothing", "NOT_FOUND", "Resource not found."),
        get("contacts/a/b/c", "NOT_FOUND", "Resource not found."),
        get("Contacts", "NOT_FOUND", "Resource not found."),
    ]
}

#[tokio::test]
async fn the_first_finding_is_told_in_the_order_of_the_parameters() {
    let world = world().await;
    list(&world, "VIP").await;
    jane(&world).await;
    let before = world.logged().await;
    let rows = [of_contacts(), of_look_ups(), channels::of_channels()].concat();
    assert!(rows.len() > 100, "{}", rows.len());
    for (method, path, body, status, code, message) in rows {
        let reply = call(&world, method, path, &body).await;
        let expected = format!(r#"{{"error":{{"code":"{code}","message":"{message}"}}}}"#);
        let shown = &body[..body.len().min(200)];
        assert_eq!(
            (reply.status, reply.body),
            (status, expected),
            "{method} {path} {shown}"
        );
        assert_eq!(world.logged().await, before, "{method} {path} {shown}");
    }
}

#[tokio::test]
async fn texts_at_their_limits_are_taken() {
    let world = world().await;
    let body = format!(
        r#"{{"phone":"+15551234567","firstName":"{0}","lastName":"{0}","externalId":"{0}","customChannel":"{1}"}}"#,
        "ä".repeat(255),
        "ä".repeat(64)
    );
    assert_eq!(call(&world, "POST", "contacts", &body).await.status, 201);
    let body = format!(
        r#"{{"messageType":"{2}","customData":{{"messageSid":"{0}","fromId":"{0}","toId":"{0}","body":"{3}","channel":"{1}","status":"{2}","campaignId":"{0}"}}}}"#,
        "ä".repeat(255),
        "ä".repeat(64),
        "ä".repeat(32),
        "ä".repeat(100_000)
    );
    for path in [
        "incoming_custom_channel_message",
        "incoming-custom-channel-message",
    ] {
        let reply = call(&world, "POST", path, &body).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
}
