//! Findings about messages of custom channels.

use super::{EMAIL, REQUEST, Row, long, row};

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

// A table is as long as what it shows.
#[allow(clippy::too_many_lines)]
pub fn of_channels() -> Vec<Row> {
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
