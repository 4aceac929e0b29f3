//! Two verdicts per attempt: one on the batch, one on the endpoint.
//!
//! Owns the table of `protocols/notifications.md` 1.5 as a pure function. Does not know the
//! states that the verdicts move.

use crate::attempt::Outcome;
use crate::clock::Millis;
use crate::id::MessageId;

/// A consumer's `Retry-After` counts up to this long.
pub const MAX_RETRY_AFTER: Millis = Millis::hours(1);

/// What the attempt means for its batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnBatch {
    /// Confirmed.
    Delivered,
    /// Confirmed except these messages, which are enqueued again.
    DeliveredExcept(Vec<MessageId>),
    /// Answered, and not OK.
    Refused,
    /// Try again later, not before this wait.
    Deferred(Option<Millis>),
}

/// What the attempt means for its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnEndpoint {
    /// It answers; the window may grow.
    Alive,
    /// It answers, but is in trouble; `hold_back` keeps the whole endpoint waiting.
    Slowed {
        /// `Retry-After` of a 429 or 503.
        hold_back: Option<Millis>,
    },
    /// It does not answer.
    Unreachable,
    /// It answers, but no longer accepts our proof of its identity: authenticate again.
    Unverified,
    /// 410: it wants nothing any more.
    Gone,
}

/// How the endpoint is spoken to, as far as the table asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// `protocol = "standard"`.
    pub standard: bool,
    /// A response head is confirmation enough.
    pub ignore_confirmation: bool,
    /// This is the first delivery after entering verified.
    pub fresh: bool,
}

/// The table of `protocols/notifications.md` 1.5.
pub fn judge(outcome: &Outcome, terms: Terms) -> (OnBatch, OnEndpoint) {
    let (on_batch, on_endpoint) = match outcome {
        Outcome::Ok { retry } if retry.is_empty() => (OnBatch::Delivered, OnEndpoint::Alive),
        Outcome::Ok { retry } => (OnBatch::DeliveredExcept(retry.clone()), OnEndpoint::Alive),
        Outcome::NoHead => return (OnBatch::Deferred(None), OnEndpoint::Unreachable),
        Outcome::NotOk { status: 410, .. }
        | Outcome::TooBig { status: 410 }
        | Outcome::BodyBroken { status: 410 } => {
            return (OnBatch::Deferred(None), OnEndpoint::Gone);
        }
        Outcome::TooBig { .. } => (OnBatch::Refused, OnEndpoint::Alive),
        Outcome::BodyBroken { .. } => (OnBatch::Deferred(None), OnEndpoint::Unreachable),
        Outcome::NotOk {
            status,
            retry_after,
        } => not_ok(*status, *retry_after, terms),
    };
    if terms.ignore_confirmation {
        (OnBatch::Delivered, on_endpoint)
    } else {
        (on_batch, on_endpoint)
    }
}

fn not_ok(status: u16, retry_after: Option<Millis>, terms: Terms) -> (OnBatch, OnEndpoint) {
    let retry_after = retry_after.map(|wait| wait.min(MAX_RETRY_AFTER));
    match status {
        401 | 403 if terms.standard => (OnBatch::Refused, OnEndpoint::Alive),
        401 | 403 if terms.fresh => (OnBatch::Refused, OnEndpoint::Unverified),
        401 | 403 => (OnBatch::Deferred(None), OnEndpoint::Unverified),
        429 | 503 => (
            OnBatch::Deferred(retry_after),
            OnEndpoint::Slowed {
                hold_back: retry_after,
            },
        ),
        408 | 425 | 502 | 504 => (
            OnBatch::Deferred(retry_after),
            OnEndpoint::Slowed { hold_back: None },
        ),
        _ if retry_after.is_some() => (
            OnBatch::Deferred(retry_after),
            OnEndpoint::Slowed { hold_back: None },
        ),
        200..=299 | 400..=499 => (OnBatch::Refused, OnEndpoint::Alive),
        _ => (OnBatch::Refused, OnEndpoint::Slowed { hold_back: None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Terms = Terms {
        standard: false,
        ignore_confirmation: false,
        fresh: false,
    };
    const IGNORE: Terms = Terms {
        ignore_confirmation: true,
        ..PLAIN
    };
    const FRESH: Terms = Terms {
        fresh: true,
        ..PLAIN
    };
    const STANDARD: Terms = Terms {
        standard: true,
        ..PLAIN
    };

    fn not_ok(status: u16) -> Outcome {
        Outcome::NotOk {
            status,
            retry_after: None,
        }
    }

    fn slowed() -> OnEndpoint {
        OnEndpoint::Slowed { hold_back: None }
    }

    #[test]
    fn the_table_row_by_row() {
        let later = OnBatch::Deferred(None);
        let rows: Vec<(Outcome, OnBatch, OnEndpoint)> = vec![
            (
                Outcome::Ok { retry: vec![] },
                OnBatch::Delivered,
                OnEndpoint::Alive,
            ),
            (not_ok(200), OnBatch::Refused, OnEndpoint::Alive),
            (not_ok(204), OnBatch::Refused, OnEndpoint::Alive),
            (not_ok(400), OnBatch::Refused, OnEndpoint::Alive),
            (not_ok(404), OnBatch::Refused, OnEndpoint::Alive),
            (not_ok(401), later.clone(), OnEndpoint::Unverified),
            (not_ok(403), later.clone(), OnEndpoint::Unverified),
            (not_ok(408), later.clone(), slowed()),
            (not_ok(425), later.clone(), slowed()),
            (not_ok(429), later.clone(), slowed()),
            (not_ok(502), later.clone(), slowed()),
            (not_ok(503), later.clone(), slowed()),
            (not_ok(504), later.clone(), slowed()),
            (not_ok(500), OnBatch::Refused, slowed()),
            (not_ok(501), OnBatch::Refused, slowed()),
            (not_ok(301), OnBatch::Refused, slowed()),
            (not_ok(399), OnBatch::Refused, slowed()),
            (
                Outcome::TooBig { status: 200 },
                OnBatch::Refused,
                OnEndpoint::Alive,
            ),
            (
                Outcome::BodyBroken { status: 200 },
                later.clone(),
                OnEndpoint::Unreachable,
            ),
            (Outcome::NoHead, later.clone(), OnEndpoint::Unreachable),
            (not_ok(410), later.clone(), OnEndpoint::Gone),
            (Outcome::BodyBroken { status: 410 }, later, OnEndpoint::Gone),
        ];
        for (outcome, on_batch, on_endpoint) in rows {
            assert_eq!(
                judge(&outcome, PLAIN),
                (on_batch, on_endpoint),
                "{outcome:?}"
            );
            let (ignoring, endpoint) = judge(&outcome, IGNORE);
            assert_eq!(
                endpoint, on_endpoint,
                "ignore_confirmation bears on the batch only"
            );
            let head = !matches!(outcome, Outcome::NoHead) && outcome.status() != Some(410);
            let expected = if head {
                OnBatch::Delivered
            } else {
                OnBatch::Deferred(None)
            };
            assert_eq!(ignoring, expected, "{outcome:?}");
        }
    }

    #[test]
    fn the_standard_protocol_refuses_where_the_relay_protocol_authenticates() {
        for status in [401, 403] {
            assert_eq!(
                judge(&not_ok(status), STANDARD),
                (OnBatch::Refused, OnEndpoint::Alive)
            );
            assert_eq!(
                judge(&not_ok(status), FRESH),
                (OnBatch::Refused, OnEndpoint::Unverified)
            );
        }
    }

    #[test]
    fn retry_after_defers_any_failure_and_holds_the_endpoint_back_with_429_and_503() {
        let with = |status: u16, seconds: u64| Outcome::NotOk {
            status,
            retry_after: Some(Millis::seconds(seconds)),
        };
        let wait = Some(Millis::seconds(7));
        for status in [429, 503] {
            let expected = (
                OnBatch::Deferred(wait),
                OnEndpoint::Slowed { hold_back: wait },
            );
            assert_eq!(judge(&with(status, 7), PLAIN), expected);
        }
        for status in [200, 302, 400, 404, 408, 500, 502] {
            let expected = (OnBatch::Deferred(wait), slowed());
            assert_eq!(judge(&with(status, 7), PLAIN), expected, "{status}");
        }
        let year = judge(&with(503, 31_536_000), PLAIN).0;
        assert_eq!(year, OnBatch::Deferred(Some(MAX_RETRY_AFTER)));
    }

    #[test]
    fn named_messages_come_again_unless_confirmation_is_ignored() {
        let retry = vec![MessageId(5)];
        let outcome = Outcome::Ok {
            retry: retry.clone(),
        };
        let expected = (OnBatch::DeliveredExcept(retry), OnEndpoint::Alive);
        assert_eq!(judge(&outcome, PLAIN), expected);
        assert_eq!(judge(&outcome, IGNORE).0, OnBatch::Delivered);
    }
}
