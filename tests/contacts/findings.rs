//! Every parameter's findings, one at a time and in parameter order, and everything that is not
//! found.

use crate::shop::{AGENCY_KEY, Agency, call, jane, list, logged, with_key, world};

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

/// A body with customData whose parameters are good, but for one.
fn data(good: &[(&str, &str)], name: &str, value: &str) -> String {
    let members = good.iter().map(|(known, known_value)| {
        let value = if *known == name { value } else { known_value };
        format!("\"{known}\":{value}")
    });
    let mut members: Vec<String> = members.collect();
    if good.iter().all(|(known, _)| *known != name) {
        members.push(format!("\"{name}\":{value}"));
    }
    format!(r#"{{"customData":{{{}}}}}"#, members.join(","))
}

fn of_channels() -> Vec<Row> {
    const SEND: &str = "send_custom_channel_message";
    const RECEIVE: &str = "incoming_custom_channel_message";
    let sent = [
        ("fromId", "\"x\""),
        ("customChannel", "\"c\""),
        ("body", "\"b\""),
    ];
    let received = [
        ("messageSid", "\"s\""),
        ("fromId", "\"x\""),
        ("toId", "\"y\""),
        ("body", "\"b\""),
    ];
    let mut rows = Vec::new();
    for path in [SEND, "send-custom-channel-message"] {
        for (body, message) in [
            ("{}", "customData.fromId is required."),
            (r#"{"customData":null}"#, "customData.fromId is required."),
            (r#"{"customData":[]}"#, "customData is not valid."),
            (r#"{"customData":"x"}"#, "customData is not valid."),
        ] {
            rows.push(row("POST", path, body, REQUEST, message));
        }
    }
    for (body, message) in [
        ("{}", "customData.messageSid is required."),
        (r#"{"customData":7}"#, "customData is not valid."),
    ] {
        rows.push(row("POST", RECEIVE, body, REQUEST, message));
        rows.push(row(
            "POST",
            "incoming-custom-channel-message",
            body,
            REQUEST,
            message,
        ));
    }
    let (text64, text255) = (format!("\"{}\"", long(65)), format!("\"{}\"", long(256)));
    let (body, word) = (
        format!("\"{}\"", long(100_001)),
        format!("\"{}\"", long(33)),
    );
    for (name, value, message) in [
        ("fromId", "\"\"", "customData.fromId is required."),
        ("fromId", "false", "customData.fromId is not valid."),
        ("fromId", text255.as_str(), "customData.fromId is too long."),
        (
            "customChannel",
            "null",
            "customData.customChannel is required.",
        ),
        (
            "customChannel",
            text64.as_str(),
            "customData.customChannel is too long.",
        ),
        ("body", "\" \\n\"", "customData.body is required."),
        ("body", "[]", "customData.body is not valid."),
        ("body", body.as_str(), "customData.body is too long."),
        (
            "campaignId",
            text255.as_str(),
            "customData.campaignId is too long.",
        ),
        (
            "firstName",
            text255.as_str(),
            "customData.firstName is too long.",
        ),
        ("lastName", "[]", "customData.lastName is not valid."),
    ] {
        rows.push(row(
            "POST",
            SEND,
            data(&sent, name, value),
            REQUEST,
            message,
        ));
    }
    rows.push(row(
        "POST",
        SEND,
        data(&sent, "email", "\"nobody\""),
        EMAIL.0,
        EMAIL.1,
    ));
    for (name, value, message) in [
        ("messageSid", "\"\"", "customData.messageSid is required."),
        (
            "messageSid",
            text255.as_str(),
            "customData.messageSid is too long.",
        ),
        ("fromId", "\"\"", "customData.fromId is required."),
        ("toId", "\"\"", "customData.toId is required."),
        ("toId", "{}", "customData.toId is not valid."),
        ("toId", text255.as_str(), "customData.toId is too long."),
        ("body", "\"\"", "customData.body is required."),
        ("body", body.as_str(), "customData.body is too long."),
        (
            "channel",
            text64.as_str(),
            "customData.channel is too long.",
        ),
        (
            "customChannel",
            text64.as_str(),
            "customData.customChannel is too long.",
        ),
        ("status", word.as_str(), "customData.status is too long."),
        (
            "campaignId",
            text255.as_str(),
            "customData.campaignId is too long.",
        ),
        ("id", text255.as_str(), ""),
    ] {
        if message.is_empty() {
            // messageSid wins, so this one is not looked at.
            continue;
        }
        rows.push(row(
            "POST",
            RECEIVE,
            data(&received, name, value),
            REQUEST,
            message,
        ));
    }
    for (path, body) in [
        (SEND, data(&sent, "x", "1")),
        (RECEIVE, data(&received, "x", "1")),
    ] {
        let typed = body.replacen('{', &format!(r#"{{"messageType":{word},"#), 1);
        rows.push(row(
            "POST",
            path,
            typed,
            REQUEST,
            "messageType is too long.",
        ));
    }
    rows
}

fn of_agencies() -> Vec<Row> {
    let amount = ("INVALID_AMOUNT", "amount must be a positive whole number.");
    let missing = "Sub-account not found.";
    let credits =
        |body: &str, code, message| row("POST", "subaccounts/credits", body, code, message);
    let create = |body: &str, code, message| row("POST", "subaccounts", body, code, message);
    let mut rows = vec![
        credits("{}", REQUEST, "email is required."),
        credits(r#"{"email":"x","amount":0}"#, EMAIL.0, EMAIL.1),
        credits(
            r#"{"email":"sub@agency.example"}"#,
            REQUEST,
            "amount is required.",
        ),
        credits(
            r#"{"email":"nobody@agency.example","amount":1}"#,
            "NOT_FOUND",
            missing,
        ),
        create("{}", REQUEST, "email is required."),
        create(r#"{"email":"x"}"#, EMAIL.0, EMAIL.1),
        create(
            r#"{"email":"x@y.example"}"#,
            REQUEST,
            "first_name is required.",
        ),
        create(
            r#"{"email":"x@y.example","first_name":"X"}"#,
            REQUEST,
            "last_name is required.",
        ),
        create(
            r#"{"email":"SUB@agency.example","first_name":"X","last_name":"Y"}"#,
            "CONFLICT",
            "A sub-account with this email already exists.",
        ),
        row("GET", "subaccounts", "", REQUEST, "email is required."),
        row("GET", "subaccounts?email=x", "", EMAIL.0, EMAIL.1),
        row(
            "GET",
            "subaccounts?email=x@y.example",
            "",
            "NOT_FOUND",
            missing,
        ),
        row("DELETE", "subaccounts", "", REQUEST, "email is required."),
        row(
            "DELETE",
            "subaccounts?email=x@y.example",
            "",
            "NOT_FOUND",
            missing,
        ),
        row(
            "DELETE",
            "subaccounts",
            r#"{"email":"x@y.example"}"#,
            "NOT_FOUND",
            missing,
        ),
    ];
    for value in [
        "0",
        "-1",
        "1.5",
        "\"x\"",
        "1000000001",
        "true",
        "[]",
        "\"\"",
        "1e30",
    ] {
        let body = format!(r#"{{"email":"sub@agency.example","amount":{value}}}"#);
        rows.push(credits(&body, amount.0, amount.1));
    }
    for (member, message) in [
        (
            format!(r#""description":"{}""#, long(256)),
            "description is too long.",
        ),
        (
            format!(r#""idempotency_key":"{}""#, long(65)),
            "idempotency_key is too long.",
        ),
    ] {
        let body = format!(r#"{{"email":"sub@agency.example","amount":1,{member}}}"#);
        rows.push(credits(&body, REQUEST, message));
    }
    for (member, message) in [
        (
            format!(r#""business_name":"{}""#, long(256)),
            "business_name is too long.",
        ),
        (
            format!(r#""description":"{}""#, long(256)),
            "description is too long.",
        ),
        (
            format!(r#""address_line":"{}""#, long(256)),
            "address_line is too long.",
        ),
        (format!(r#""city":"{}""#, long(256)), "city is too long."),
        (
            format!(r#""country":"{}""#, long(256)),
            "country is too long.",
        ),
        (
            format!(r#""postal_code":"{}""#, long(256)),
            "postal_code is too long.",
        ),
        (format!(r#""state":"{}""#, long(256)), "state is too long."),
        (
            format!(r#""language":"{}""#, long(256)),
            "language is too long.",
        ),
        (
            r#""time_zone_id":"Mars/Olympus""#.to_owned(),
            "time_zone_id is not valid.",
        ),
        (
            r#""usage_limits":[]"#.to_owned(),
            "usage_limits is not valid.",
        ),
        (
            r#""usage_limits":{"monthly_credits":-1}"#.to_owned(),
            "usage_limits.monthly_credits is not valid.",
        ),
        (
            r#""usage_limits":{"credits":"x"}"#.to_owned(),
            "usage_limits.credits is not valid.",
        ),
        (
            r#""usage_limits":{"roll_over_to_next_month":3}"#.to_owned(),
            "usage_limits.roll_over_to_next_month is not valid.",
        ),
    ] {
        let body =
            format!(r#"{{"email":"n@y.example","first_name":"X","last_name":"Y",{member}}}"#);
        rows.push(create(&body, REQUEST, message));
    }
    for (query, message) in [
        ("?from=2026-1-1", "from is not valid."),
        ("?to=x", "to is not valid."),
        ("?from=2026-01-02&to=2026-01-01", "to is not valid."),
        ("?from=2025-01-01&to=2026-01-02", "to is not valid."),
        ("?from=2026-01-16", "from is not valid."),
    ] {
        let path: &'static str = format!("agencies/usage/export{query}").leak();
        rows.push(row("GET", path, "", REQUEST, message));
    }
    rows.push(row(
        "GET",
        "agencies/usage/export?subAccountId=x",
        "",
        "NOT_FOUND",
        missing,
    ));
    rows
}

#[tokio::test]
async fn the_first_finding_is_told_in_the_order_of_the_parameters() {
    let world = world().await;
    list(&world, "VIP").await;
    jane(&world).await;
    let before = world.logged().await;
    let rows = [of_contacts(), of_look_ups(), of_channels()].concat();
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
async fn the_first_finding_of_an_agency() {
    let shop = Agency::new().await;
    let before = logged(&shop.world, shop.agency).await;
    for (method, path, body, status, code, message) in of_agencies() {
        let reply = with_key(&shop.world, AGENCY_KEY, method, path, &body).await;
        let expected = format!(r#"{{"error":{{"code":"{code}","message":"{message}"}}}}"#);
        assert_eq!(
            (reply.status, reply.body),
            (status, expected),
            "{method} {path} {body}"
        );
    }
    assert_eq!(logged(&shop.world, shop.agency).await, before);
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
