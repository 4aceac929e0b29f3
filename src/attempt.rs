//! How one attempt ended, in words that the delivery, the engine and the operator share.
//!
//! Owns [`Outcome`] (what the engine decides on), [`Class`] (what an operator reads) and
//! [`AuthAnswer`] (what authentication judges). Does not know how a request is made, nor what
//! follows from its outcome.

use std::fmt;

use zeroize::Zeroizing;

use crate::clock::Millis;
use crate::id::MessageId;

/// What came back from the consumer, reduced to what decides
/// (rows of `protocols/notifications.md` 1.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The answer is OK (1.4, or any 2xx for the standard protocol). `retry` names messages of
    /// this batch to enqueue again; ids that are not of this batch may be among them.
    Ok {
        /// Message ids named by the answer, in its order.
        retry: Vec<MessageId>,
    },
    /// A complete answer that is not OK, 2xx included.
    NotOk {
        /// HTTP status.
        status: u16,
        /// The answer's `Retry-After`, as a wait from now.
        retry_after: Option<Millis>,
    },
    /// A response head, then more body than the limit.
    TooBig {
        /// HTTP status.
        status: u16,
    },
    /// A response head, then a reset or the deadline.
    BodyBroken {
        /// HTTP status.
        status: u16,
    },
    /// No response head at all: DNS, blocked address, connect, TLS, reset, deadline.
    NoHead,
}

impl Outcome {
    /// The HTTP status, where a head was received.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Ok { .. } | Self::NoHead => None,
            Self::NotOk { status, .. } | Self::TooBig { status } | Self::BodyBroken { status } => {
                Some(*status)
            }
        }
    }
}

/// In which part of the exchange the one deadline struck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Resolving the host name.
    Resolve,
    /// Opening the connection, TLS included.
    Connect,
    /// Sending the request or waiting for the response head.
    Head,
    /// Reading the answer's body.
    Body,
}

/// The operator's word for how an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Confirmed.
    Ok,
    /// Confirmed except the messages named by `retry`.
    OkRetry,
    /// The consumer's machine refused the connection, or the network is unreachable.
    RefusedConnect,
    /// The host name does not resolve.
    Dns,
    /// TLS handshake or certificate failed.
    Tls,
    /// The one deadline struck in this phase.
    Deadline(Phase),
    /// The address guard refused every resolved address or the URL's literal address.
    BlockedAddress,
    /// The connection was closed or reset before the whole answer came.
    Reset,
    /// The answer is not HTTP that we can read.
    BadHttp,
    /// A redirect; they are never followed.
    Status3xx,
    /// A client error status.
    Status4xx,
    /// A server error status.
    Status5xx,
    /// The answer's body is larger than the limit.
    TooBig,
    /// 2xx without a body.
    Empty2xx,
    /// 2xx with an HTML page.
    Html2xx,
    /// 2xx whose body is not one JSON object within the bounds.
    NotJson2xx,
    /// 2xx with a JSON object that has no `status`.
    NoStatus2xx,
    /// 2xx with a `status` other than OK.
    StatusNotOk2xx,
    /// 2xx with OK, but `retry` is not an array of text.
    BadRetry2xx,
    /// An authenticate answer with wrong, missing or wrongly formed credentials.
    Credentials,
}

impl Class {
    /// Every class with its stable text, in the order of the enum.
    pub const ALL: [(Self, &'static str); 23] = [
        (Self::Ok, "ok"),
        (Self::OkRetry, "ok-retry"),
        (Self::RefusedConnect, "refused-connect"),
        (Self::Dns, "dns"),
        (Self::Tls, "tls"),
        (Self::Deadline(Phase::Resolve), "deadline-resolve"),
        (Self::Deadline(Phase::Connect), "deadline-connect"),
        (Self::Deadline(Phase::Head), "deadline-head"),
        (Self::Deadline(Phase::Body), "deadline-body"),
        (Self::BlockedAddress, "blocked-address"),
        (Self::Reset, "reset"),
        (Self::BadHttp, "bad-http"),
        (Self::Status3xx, "3xx"),
        (Self::Status4xx, "4xx"),
        (Self::Status5xx, "5xx"),
        (Self::TooBig, "too-big"),
        (Self::Empty2xx, "2xx-empty"),
        (Self::Html2xx, "2xx-html"),
        (Self::NotJson2xx, "2xx-not-json"),
        (Self::NoStatus2xx, "2xx-no-status"),
        (Self::StatusNotOk2xx, "2xx-status-not-ok"),
        (Self::BadRetry2xx, "2xx-bad-retry"),
        (Self::Credentials, "credentials"),
    ];

    /// The stable text of logs, records and the management API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(class, _)| *class == self)
            .map_or("unknown", |(_, text)| text)
    }

    /// The class with this text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(_, known)| *known == text)
            .map(|(class, _)| *class)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// One attempt as delivery reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What decides.
    pub outcome: Outcome,
    /// The operator's word.
    pub class: Class,
    /// One plain sentence: what happened and what to do about it. Never a payload or a secret.
    pub hint: String,
    /// HTTP status, where a head was received.
    pub status: Option<u16>,
    /// From the start of the attempt to its end.
    pub took: Millis,
}

/// What a consumer answered to an authenticate request, before anything is compared
/// (`protocols/notifications.md` 1.1).
#[derive(Clone, PartialEq, Eq)]
pub enum AuthAnswer {
    /// 2xx with at least one credential.
    Credentials {
        /// `ai_login_id`; none when it is missing or not text.
        login: Option<Zeroizing<String>>,
        /// `ai_login_password`, hashed or plain; none when it is missing or not text.
        password: Option<Zeroizing<String>>,
        /// HTTP status.
        status: u16,
    },
    /// 2xx with status OK and no credential.
    Passive,
    /// Anything else.
    Unusable(Unusable),
}

impl fmt::Debug for AuthAnswer {
    /// Credentials are secrets: only their presence is shown.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials {
                login,
                password,
                status,
            } => out
                .debug_struct("Credentials")
                .field("login", &login.is_some())
                .field("password", &password.is_some())
                .field("status", status)
                .finish(),
            Self::Passive => out.write_str("Passive"),
            Self::Unusable(why) => write!(out, "Unusable({why:?})"),
        }
    }
}

/// Why an answer to an authenticate request proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unusable {
    /// Its HTTP status is not 2xx.
    HttpStatus(u16),
    /// 2xx with this status, but not a JSON object with a credential or status OK.
    NotJson(u16),
    /// No whole answer; the HTTP status, where a head was received.
    NoResponse(Option<u16>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_has_its_own_text_and_comes_back() {
        for (class, text) in Class::ALL {
            assert_eq!(class.as_str(), text);
            assert_eq!(Class::parse(text), Some(class));
        }
    }
}
