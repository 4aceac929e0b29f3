//! Findings about sub-accounts, credits and their export.

use super::{EMAIL, REQUEST, Row, long, row};
use crate::shop::{AGENCY_KEY, Agency, logged, with_key};

// A table is as long as what it shows.
#[allow(clippy::too_many_lines)]
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
async fn the_first_finding_of_an_agency() {
    let shop = Agency::new().await;
    let before = logged(&shop.world, shop.owner).await;
    for (method, path, body, status, code, message) in of_agencies() {
        let reply = with_key(&shop.world, AGENCY_KEY, method, path, &body).await;
        let expected = format!(r#"{{"error":{{"code":"{code}","message":"{message}"}}}}"#);
        assert_eq!(
            (reply.status, reply.body),
            (status, expected),
            "{method} {path} {body}"
        );
    }
    assert_eq!(logged(&shop.world, shop.owner).await, before);
}
