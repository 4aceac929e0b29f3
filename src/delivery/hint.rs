//! Plain sentences for the operator: what happened, and what to do about it.
//!
//! Owns the hints that need more than one line. They may hold a status, a length, a host, an
//! address or a rule, and never anything that a body says.

use crate::attempt::{Class, Phase};
use crate::json;

/// No response head: `class` says why, `detail` where.
#[must_use]
pub fn unanswered(class: Class, detail: &str) -> String {
    let (what, advice) = match class {
        Class::RefusedConnect => (
            "no connection could be opened",
            "check that the consumer is running and reachable from this machine",
        ),
        Class::Dns => (
            "the host name does not resolve",
            "check the URL and the DNS of this machine",
        ),
        Class::Tls => (
            "the TLS handshake failed",
            "check the consumer's certificate, or name its authority in delivery.ca_file",
        ),
        Class::BlockedAddress => (
            "this address may not be called",
            "only public addresses over https may, and those of delivery.allow_networks",
        ),
        Class::Deadline(Phase::Resolve) => (
            "the host name was not resolved in time",
            "check the DNS of this machine",
        ),
        Class::Deadline(Phase::Connect) => (
            "the connection was not open in time",
            "a firewall may be dropping packets, or the consumer accepts no more connections",
        ),
        Class::Deadline(_) => (
            "the endpoint did not begin to answer within the deadline",
            "let it confirm first and do its work afterwards",
        ),
        Class::Reset => (
            "the connection was closed before an answer came",
            "check the consumer's error log",
        ),
        _ => (
            "the answer is not HTTP that can be read",
            "check that the URL names an HTTP server, with the right scheme and port",
        ),
    };
    format!("{what} ({detail}); {advice}")
}

/// A status other than 2xx, with its class.
#[must_use]
pub fn status(status: u16) -> (Class, String) {
    let class = match status {
        300..400 => Class::Status3xx,
        400..500 => Class::Status4xx,
        _ => Class::Status5xx,
    };
    let advice = match status {
        300..400 => "redirects are never followed; set the endpoint's URL to the final address",
        401 | 403 => "it does not let this relay in; check its access rules",
        404 => "check the path of the URL",
        405 => "it must take POST",
        408 | 425 | 429 => "it asks this relay to come back later",
        410 => "it is gone, so the endpoint is disabled until an operator enables it",
        413 => "the request is too large for it; lower max_messages or max_bytes",
        400..500 => "it refuses the request; check its log for the reason",
        502..=504 => "it, or the proxy in front of it, is not available now",
        _ => "it failed; check its error log",
    };
    (class, format!("your endpoint answers {status}: {advice}"))
}

/// A 2xx body that is not JSON within the bounds: what it is instead, by its first character.
#[must_use]
pub fn unreadable(status: u16, body: &[u8]) -> (Class, String) {
    let bare = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body);
    let first = bare.iter().find(|byte| !byte.is_ascii_whitespace());
    let needs = "this relay needs the JSON body {\"status\":\"OK\"}, or set protocol = standard";
    match first {
        None => (
            Class::Empty2xx,
            format!("your endpoint answers {status} without a body; {needs}"),
        ),
        Some(b'<') => (
            Class::Html2xx,
            format!("your endpoint answers {status} with an HTML page; {needs}"),
        ),
        Some(_) if std::str::from_utf8(bare).is_err() => (
            Class::NotJson2xx,
            format!(
                "your endpoint answers {status} with {} bytes that are not UTF-8; {needs}",
                body.len()
            ),
        ),
        Some(_) => (
            Class::NotJson2xx,
            format!(
                "your endpoint answers {status} with {} bytes that are not one JSON object with \
                 distinct member names and at most {} levels; {needs}",
                body.len(),
                json::MAX_DEPTH
            ),
        ),
    }
}
