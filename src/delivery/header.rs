//! Request headers.
//!
//! Owns the headers of every request (`protocols/notifications.md` sections 1 and 1.7) and which
//! custom ones an endpoint may add. Does not know where custom headers are kept.

use std::fmt;

use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    USER_AGENT,
};

/// Most custom headers of one endpoint.
pub const MAX_CUSTOM: usize = 32;
/// Longest custom header name in bytes.
pub const MAX_NAME_BYTES: usize = 128;
/// Longest custom header value in bytes.
pub const MAX_VALUE_BYTES: usize = 4096;

/// Names that the relay or HTTP itself sets, besides everything that begins with a prefix of
/// [`RESERVED_PREFIXES`].
const RESERVED: [&str; 15] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
];
const RESERVED_PREFIXES: [&str; 2] = ["webhook-", "proxy-"];

/// A header that an endpoint adds to every request; its value counts as a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct CustomHeader {
    name: HeaderName,
    value: HeaderValue,
}

impl fmt::Debug for CustomHeader {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "CustomHeader({})", self.name)
    }
}

/// Why a custom header cannot be taken. The text is for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// Not a token, or too long.
    Name,
    /// Not visible ASCII, spaces and tabs, or too long, or with white space at an end.
    Value,
    /// The relay sets it itself.
    Reserved,
    /// The same name twice.
    Repeated,
    /// More than [`MAX_CUSTOM`].
    TooMany,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(
                out,
                "a header name is 1 to {MAX_NAME_BYTES} letters, digits and hyphens"
            ),
            Self::Value => write!(
                out,
                "a header value is at most {MAX_VALUE_BYTES} visible ASCII characters, with \
                 single spaces or tabs only between them"
            ),
            Self::Reserved => out.write_str("this header is set by the relay itself"),
            Self::Repeated => out.write_str("the same header is given twice"),
            Self::TooMany => write!(out, "more than {MAX_CUSTOM} headers"),
        }
    }
}

impl std::error::Error for HeaderError {}

/// Checks one custom header.
pub fn check_header(name: &str, value: &str) -> Result<CustomHeader, HeaderError> {
    if name.len() > MAX_NAME_BYTES {
        return Err(HeaderError::Name);
    }
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| HeaderError::Name)?;
    if RESERVED.contains(&name.as_str())
        || RESERVED_PREFIXES
            .iter()
            .any(|prefix| name.as_str().starts_with(prefix))
    {
        return Err(HeaderError::Reserved);
    }
    let visible = |byte: u8| byte.is_ascii_graphic() || byte == b' ' || byte == b'\t';
    if value.len() > MAX_VALUE_BYTES || value.trim() != value || !value.bytes().all(visible) {
        return Err(HeaderError::Value);
    }
    let mut value = HeaderValue::from_str(value).map_err(|_| HeaderError::Value)?;
    // Keeps it out of debug output and out of the HPACK table.
    value.set_sensitive(true);
    Ok(CustomHeader { name, value })
}

/// Checks all custom headers of an endpoint.
pub fn check_headers<N: AsRef<str>, V: AsRef<str>>(
    pairs: &[(N, V)],
) -> Result<Vec<CustomHeader>, HeaderError> {
    if pairs.len() > MAX_CUSTOM {
        return Err(HeaderError::TooMany);
    }
    let mut headers: Vec<CustomHeader> = Vec::with_capacity(pairs.len());
    for (name, value) in pairs {
        let header = check_header(name.as_ref(), value.as_ref())?;
        if headers.iter().any(|other| other.name == header.name) {
            return Err(HeaderError::Repeated);
        }
        headers.push(header);
    }
    Ok(headers)
}

/// What Standard Webhooks adds to a request.
#[derive(Debug, Clone, Copy)]
pub struct Webhook<'a> {
    /// `webhook-id`: batch, message or authenticate id.
    pub id: &'a str,
    /// `webhook-timestamp`: Unix seconds of the attempt.
    pub timestamp: u64,
    /// `webhook-signature`, as `sign.rs` makes it.
    pub signature: &'a str,
}

/// All headers of a request with a body of `length` bytes; none when an id or signature is not
/// fit for a header, which our own never are.
#[must_use]
pub fn request_headers(
    user_agent: &HeaderValue,
    length: usize,
    webhook: Webhook<'_>,
    custom: &[CustomHeader],
) -> Option<HeaderMap> {
    let json = HeaderValue::from_static("application/json");
    let mut headers = HeaderMap::with_capacity(8 + custom.len());
    for header in custom {
        headers.insert(header.name.clone(), header.value.clone());
    }
    // After the custom ones, so that nothing of ours can be overridden.
    headers.insert(CONTENT_TYPE, json.clone());
    headers.insert(ACCEPT, json);
    // Answers are small; without a content encoding nothing can inflate.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(USER_AGENT, user_agent.clone());
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert("webhook-id", HeaderValue::from_str(webhook.id).ok()?);
    headers.insert("webhook-timestamp", HeaderValue::from(webhook.timestamp));
    headers.insert(
        "webhook-signature",
        HeaderValue::from_str(webhook.signature).ok()?,
    );
    Some(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_headers_are_bounded_and_cannot_take_ours() {
        let long_name = "x".repeat(MAX_NAME_BYTES + 1);
        let long_value = "x".repeat(MAX_VALUE_BYTES + 1);
        for (name, value, expected) in [
            ("X-Token", "abc def", None),
            ("Authorization", "Bearer x", None),
            ("x", "", None),
            (&long_value[..MAX_NAME_BYTES], &long_value[1..], None),
            ("", "x", Some(HeaderError::Name)),
            ("x y", "x", Some(HeaderError::Name)),
            ("x:", "x", Some(HeaderError::Name)),
            (":path", "x", Some(HeaderError::Name)),
            ("ü", "x", Some(HeaderError::Name)),
            (&long_name, "x", Some(HeaderError::Name)),
            ("x", "a\r\nb: c", Some(HeaderError::Value)),
            ("x", "a\0", Some(HeaderError::Value)),
            ("x", "ü", Some(HeaderError::Value)),
            ("x", " a", Some(HeaderError::Value)),
            ("x", &long_value, Some(HeaderError::Value)),
            ("Content-Type", "text/html", Some(HeaderError::Reserved)),
            ("HOST", "x", Some(HeaderError::Reserved)),
            ("Webhook-Anything", "x", Some(HeaderError::Reserved)),
            ("Proxy-Authorization", "x", Some(HeaderError::Reserved)),
            ("Transfer-Encoding", "chunked", Some(HeaderError::Reserved)),
        ] {
            assert_eq!(check_header(name, value).err(), expected, "{name}");
        }
        assert_eq!(
            check_headers(&[("X-A", "1"), ("x-a", "2")]).err(),
            Some(HeaderError::Repeated)
        );
        let many: Vec<_> = (0..=MAX_CUSTOM).map(|n| (format!("x-{n}"), "1")).collect();
        assert_eq!(check_headers(&many).err(), Some(HeaderError::TooMany));
        assert_eq!(check_headers(&many[1..]).unwrap().len(), MAX_CUSTOM);
    }

    #[test]
    fn every_header_the_relay_sets_is_reserved() {
        let webhook = Webhook {
            id: "bat_1",
            timestamp: 1,
            signature: "v1,x",
        };
        let agent = HeaderValue::from_static("hookrelay/0");
        let custom = [check_header("x-token", "secret").unwrap()];
        let headers = request_headers(&agent, 5, webhook, &custom).unwrap();
        assert_eq!(headers.len(), 9);
        for name in headers.keys().filter(|name| *name != "x-token") {
            assert_eq!(
                check_header(name.as_str(), "x").err(),
                Some(HeaderError::Reserved)
            );
        }
        assert!(!format!("{headers:?} {custom:?}").contains("secret"));
    }
}
