//! What came back from one request, as plain data.
//!
//! Owns [`Exchange`] and the reading of `Retry-After`. Does not know how the request was made,
//! nor what the answer means: that is `answer.rs`.

use std::fmt;
use std::time::UNIX_EPOCH;

use bytes::Bytes;

use crate::attempt::Class;
use crate::clock::{Millis, Timestamp};

/// How much of an answer's body is read, in bytes (`protocols/notifications.md` section 1).
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// The longest wait that `Retry-After` can ask for; the engine shortens it further.
const MAX_RETRY_AFTER: Millis = Millis::days(366);

/// One finished request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// From the start of the attempt to its end.
    pub took: Millis,
    /// What came back.
    pub end: End,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// No response head.
    NoHead {
        /// Why: one of the classes without a status.
        class: Class,
        /// Host, address or rule for the operator; never a payload or a secret.
        detail: String,
    },
    /// A response head, and perhaps a body.
    Head(Head),
}

/// A response head with what could be read of its body.
#[derive(Clone, PartialEq, Eq)]
pub struct Head {
    /// HTTP status, 200 or above.
    pub status: u16,
    /// `Retry-After` as a wait from now.
    pub retry_after: Option<Millis>,
    /// Whether the body has a content encoding, although none was accepted. It is not decoded.
    pub encoded: bool,
    /// The body.
    pub body: Body,
}

impl fmt::Debug for Head {
    /// An answer to an authenticate request holds credentials: the body is not shown.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Head")
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .field("encoded", &self.encoded)
            .field("body", &self.body)
            .finish()
    }
}

/// What could be read of an answer's body.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// All of it, at most [`MAX_BODY_BYTES`].
    Complete(Bytes),
    /// More than [`MAX_BODY_BYTES`]; the rest was not read.
    TooBig,
    /// The connection broke before its end.
    Reset,
    /// The deadline struck before its end.
    Deadline,
}

impl fmt::Debug for Body {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete(bytes) => write!(out, "Complete({} bytes)", bytes.len()),
            Self::TooBig => out.write_str("TooBig"),
            Self::Reset => out.write_str("Reset"),
            Self::Deadline => out.write_str("Deadline"),
        }
    }
}

/// Reads `Retry-After` (RFC 9110 10.2.3): whole seconds, or a date as a wait from `now`. A date in
/// the past is no wait at all; rubbish is none.
#[must_use]
pub fn retry_after(value: &[u8], now: Timestamp) -> Option<Millis> {
    let text = std::str::from_utf8(value).ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds ask for the longest wait.
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Millis::seconds(seconds).min(MAX_RETRY_AFTER));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    let since = date.duration_since(UNIX_EPOCH).ok()?;
    let at = Timestamp(Millis::from(since).0);
    Some(at.since(now).min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_reads_seconds_and_dates_and_ignores_rubbish() {
        let now = Timestamp(1_768_473_000_000);
        for (text, expected) in [
            ("0", Some(Millis(0))),
            ("120", Some(Millis::seconds(120))),
            (" 7 ", Some(Millis::seconds(7))),
            ("31536000", Some(Millis::days(365))),
            ("99999999999999999999999999", Some(MAX_RETRY_AFTER)),
            ("Thu, 15 Jan 2026 10:32:00 GMT", Some(Millis::seconds(120))),
            (
                "Thursday, 15-Jan-26 10:32:00 GMT",
                Some(Millis::seconds(120)),
            ),
            ("Thu Jan 15 10:32:00 2026", Some(Millis::seconds(120))),
            ("Thu, 15 Jan 2026 10:29:00 GMT", Some(Millis(0))),
            ("Fri, 15 Jan 2027 10:30:00 GMT", Some(Millis::days(365))),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(MAX_RETRY_AFTER)),
            ("", None),
            ("-5", None),
            ("+5", None),
            ("1.5", None),
            ("soon", None),
            ("12 minutes", None),
            ("Thu, 32 Jan 2026 10:32:00 GMT", None),
        ] {
            assert_eq!(retry_after(text.as_bytes(), now), expected, "{text:?}");
        }
        assert_eq!(retry_after(b"\xff\xfe", now), None);
    }
}
