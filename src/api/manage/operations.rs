//! What can be done with an endpoint, and what happened at it.
//!
//! Owns the routes below `endpoints/{endpoint}/`. Effects are the domain's.

use std::sync::Arc;

use axum::extract::State;
use bytes::Bytes;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use super::endpoints::{now, shown};
use super::messages::{Ids, named};
use super::{Context, endpoint_of, page, parse_seq};
use crate::api::dialect::{Reply, answer, decode, ok};
use crate::api::front::Call;
use crate::domain::event::DeadReason;
use crate::domain::{acknowledgement, attempt_log, dead_letter, endpoint, message};
use crate::error::{Error, Result};
use crate::id::{JobId, MessageId, Seq};
use crate::store::Message;

/// Ids of one acknowledgement.
const MAX_ACKNOWLEDGED: usize = 1000;

/// `POST verify`: the endpoint must prove itself again.
pub(super) async fn verify(State(context): State<Arc<Context>>, call: Call<Bytes>) -> Reply {
    let id = endpoint_of(&call)?;
    let now = &now(&context, id).await;
    let (call, account) = (&call, call.caller.account);
    let done = call
        .commit_order(|tx| async move {
            let found = endpoint::verify(&tx, account, id).await?;
            shown(call, &found, now.as_ref())
        })
        .await?;
    Ok(done)
}

/// `POST hold`.
pub(super) async fn hold(State(context): State<Arc<Context>>, call: Call<Bytes>) -> Reply {
    let id = endpoint_of(&call)?;
    let now = &now(&context, id).await;
    let (call, account) = (&call, call.caller.account);
    let done = call
        .commit_order(|tx| async move {
            let found = endpoint::hold(&tx, account, id).await?;
            shown(call, &found, now.as_ref())
        })
        .await?;
    Ok(done)
}

/// `POST release`.
pub(super) async fn release(State(context): State<Arc<Context>>, call: Call<Bytes>) -> Reply {
    let id = endpoint_of(&call)?;
    let now = &now(&context, id).await;
    let (call, account) = (&call, call.caller.account);
    let done = call
        .commit_order(|tx| async move {
            let found = endpoint::release(&tx, account, id).await?;
            shown(call, &found, now.as_ref())
        })
        .await?;
    Ok(done)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TestWire {
    text: Option<String>,
}

/// `POST test`: a `generic` message for this endpoint only.
pub(super) async fn test(call: Call<Bytes>) -> Reply {
    let id = endpoint_of(&call)?;
    let wire: TestWire = decode(&call.input)?;
    let text = wire.text.as_deref().unwrap_or("hookrelay test message");
    let account = call.caller.account;
    let sent = call
        .commit(|tx| async move {
            let ids = vec![message::test(&tx, account, id, text).await?];
            answer(StatusCode::ACCEPTED, &Ids { ids })
        })
        .await?;
    Ok(sent)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AcknowledgeWire {
    ids: Vec<String>,
}

#[derive(Serialize)]
struct Acknowledged {
    /// Messages for this endpoint that were named.
    acknowledged: usize,
    /// Ids that name none.
    unknown: usize,
}

/// `POST acknowledge`: these messages need no delivery any more.
pub(super) async fn acknowledge(call: Call<Bytes>) -> Reply {
    let id = endpoint_of(&call)?;
    let wire: AcknowledgeWire = decode(&call.input)?;
    if wire.ids.len() > MAX_ACKNOWLEDGED {
        return Err(Error::invalid("ids", "must be at most 1000").into());
    }
    let messages = &known(&call, &wire.ids).await?;
    let account = call.caller.account;
    let given = wire.ids.len();
    let done = call
        .commit_order(|tx| async move {
            let endpoint = endpoint::load(&tx, account, id).await?;
            let seqs: Vec<Seq> = messages
                .iter()
                .filter(|message| endpoint.admits(message))
                .map(|message| message.seq())
                .collect();
            acknowledgement::order(&tx, account, id, &seqs).await?;
            answer(
                StatusCode::ACCEPTED,
                &Acknowledged {
                    acknowledged: seqs.len(),
                    unknown: given - seqs.len(),
                },
            )
        })
        .await?;
    Ok(done)
}

/// The messages of the caller's log that these ids name, each id compared whole.
async fn known(call: &Call<Bytes>, ids: &[String]) -> Result<Vec<Arc<Message>>> {
    let mut messages = Vec::with_capacity(ids.len());
    for id in ids.iter().filter_map(|id| id.parse::<MessageId>().ok()) {
        messages.extend(named(call, id).await?);
    }
    Ok(messages)
}

#[derive(Serialize)]
struct AttemptView {
    at: String,
    /// None for an authenticate, as is its number.
    batch: Option<String>,
    kind: attempt_log::AttemptKind,
    number: Option<u32>,
    messages: u32,
    class: String,
    hint: String,
    status: Option<u16>,
    took_ms: u64,
}

#[derive(Serialize)]
struct Attempts {
    attempts: Vec<AttemptView>,
}

/// `GET attempts`: the last ones, newest first.
pub(super) async fn attempts(call: Call<Bytes>) -> Reply {
    let id = endpoint_of(&call)?;
    let page = page(&call.head, |_| None::<()>)?;
    let (view, account) = (call.core.db.view(), call.caller.account);
    endpoint::load(&view, account, id).await?;
    let rows = attempt_log::list(&view, account, id, page.limit).await?;
    let attempts = rows.into_iter().map(|row| AttemptView {
        at: row.at.to_string(),
        number: (!row.batch.is_empty()).then_some(row.number),
        batch: (!row.batch.is_empty()).then_some(row.batch),
        kind: row.kind,
        messages: row.messages,
        class: row.class,
        hint: row.hint,
        status: row.status,
        took_ms: row.took_ms,
    });
    Ok(ok(&Attempts {
        attempts: attempts.collect(),
    })?)
}

#[derive(Serialize)]
struct DeadView {
    first: Seq,
    last: Seq,
    count: u64,
    reason: DeadReason,
    at: String,
    attempts: u32,
    last_class: Option<String>,
    last_status: Option<u16>,
}

#[derive(Serialize)]
struct DeadLetters {
    dead_letters: Vec<DeadView>,
    /// `after` of the next page.
    next: Option<Seq>,
}

/// `GET dead-letters`: ranges, oldest first.
pub(super) async fn dead_letters(call: Call<Bytes>) -> Reply {
    let id = endpoint_of(&call)?;
    let page = page(&call.head, parse_seq)?;
    let (view, account) = (call.core.db.view(), call.caller.account);
    endpoint::load(&view, account, id).await?;
    let ranges = dead_letter::list(&view, account, id, page.after, page.limit).await?;
    let next = ranges
        .last()
        .map(|dead| dead.first)
        .filter(|_| ranges.len() == page.limit);
    let dead_letters = ranges.into_iter().map(|dead| DeadView {
        first: dead.first,
        last: dead.last,
        count: dead.count,
        reason: dead.reason,
        at: dead.at.to_string(),
        attempts: dead.attempts,
        last_class: dead.last_class,
        last_status: dead.last_status,
    });
    Ok(ok(&DeadLetters {
        dead_letters: dead_letters.collect(),
        next,
    })?)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RedriveWire {
    first: Option<Seq>,
    last: Option<Seq>,
}

#[derive(Serialize)]
struct Redriven {
    job: Option<JobId>,
    messages: u64,
    ranges: usize,
    /// More remain than one order takes: order again.
    more: bool,
}

/// `POST dead-letters/redrive`: every dead range that touches `first..=last`, or all, goes back
/// to the queue.
pub(super) async fn redrive(call: Call<Bytes>) -> Reply {
    let id = endpoint_of(&call)?;
    let wire: RedriveWire = decode(&call.input)?;
    let first = wire.first.unwrap_or(Seq(0));
    let last = wire.last.unwrap_or(Seq(u64::MAX));
    if first > last {
        return Err(Error::invalid("last", "must not be below first").into());
    }
    let account = call.caller.account;
    let done = call
        .commit_order(|tx| async move {
            let done = dead_letter::redrive(&tx, account, id, first, last).await?;
            let view = Redriven {
                job: done.job,
                messages: done.messages,
                ranges: done.ranges,
                more: done.more,
            };
            answer(StatusCode::ACCEPTED, &view)
        })
        .await?;
    Ok(done)
}
