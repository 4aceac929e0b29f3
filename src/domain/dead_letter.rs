//! Dead letters: ranges of messages whose delivery to an endpoint was given up.
//!
//! Owns the range record, its look-ups and the redrive order. Does not know when a message
//! becomes dead: the relay's engine decides that.

use serde::{Deserialize, Serialize};

use super::endpoint;
use super::event::DeadReason;
use super::job::{Job, JobKind};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{AccountId, EndpointId, JobId, Seq};
use crate::store::{Tx, keys};

/// Messages that died together, stored under `dead/<account>/<endpoint>/<first>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadRange {
    /// First sequence.
    pub first: Seq,
    /// Last sequence, inclusive.
    pub last: Seq,
    /// Messages in it that the endpoint admits; the others between them were filtered.
    pub count: u64,
    /// Why they were given up.
    pub reason: DeadReason,
    /// When.
    pub at: Timestamp,
    /// Attempts made.
    pub attempts: u32,
    /// How the last attempt ended ([`crate::attempt::Class`]), if there was one.
    pub last_class: Option<String>,
    /// HTTP status of the last attempt, if it had one.
    pub last_status: Option<u16>,
}

/// At most `limit` ranges whose first sequence is behind `after`, oldest first.
pub async fn list(
    tx: &Tx,
    account: AccountId,
    endpoint: EndpointId,
    after: Option<Seq>,
    limit: usize,
) -> Result<Vec<DeadRange>> {
    let mut range = keys::dead_ranges(account, endpoint);
    if let Some(after) = after {
        range = range.following(&keys::dead(account, endpoint, after));
    }
    let found = tx.read_range(&range, limit).await?;
    Ok(found.into_iter().map(|(_, dead)| dead).collect())
}

/// The dead range that holds `seq`, if there is one.
pub async fn covering(
    tx: &Tx,
    account: AccountId,
    endpoint: EndpointId,
    seq: Seq,
) -> Result<Option<DeadRange>> {
    let range = keys::dead_ranges_until(account, endpoint, seq);
    let nearest = tx.read_range::<DeadRange>(&range, 1).await?.pop();
    Ok(nearest
        .map(|(_, dead)| dead)
        .filter(|dead| dead.last >= seq))
}

/// What a redrive order came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Redriven {
    /// The job; none when there was nothing to redrive.
    pub job: Option<JobId>,
    /// Messages enqueued again.
    pub messages: u64,
    /// Ranges they were in.
    pub ranges: usize,
    /// More ranges remain than one order takes: order again.
    pub more: bool,
}

/// Ranges taken by one order.
pub const MAX_REDRIVE_RANGES: usize = 10_000;

/// Moves every dead range that touches `first..=last` back to the queue, whole: the ranges go and
/// one job comes in the same commit.
pub async fn redrive(
    tx: &Tx,
    account: AccountId,
    endpoint: EndpointId,
    first: Seq,
    last: Seq,
) -> Result<Redriven> {
    endpoint::load(tx, account, endpoint).await?;
    // Only the range that holds `first` can begin before it.
    let before = covering(tx, account, endpoint, first).await?;
    let mut rest = keys::dead_ranges(account, endpoint);
    rest.start = keys::dead(account, endpoint, first);
    rest.end = keys::dead(account, endpoint, last.next());
    let found = tx
        .read_range::<DeadRange>(&rest, MAX_REDRIVE_RANGES + 1)
        .await?;
    let mut taken: Vec<DeadRange> = before
        .into_iter()
        .filter(|dead| dead.first < first)
        .chain(found.into_iter().map(|(_, dead)| dead))
        .collect();
    let more = taken.len() > MAX_REDRIVE_RANGES;
    taken.truncate(MAX_REDRIVE_RANGES);
    if taken.is_empty() {
        return Ok(Redriven::default());
    }
    for dead in &taken {
        tx.delete(keys::dead(account, endpoint, dead.first));
    }
    let job = Job {
        id: JobId::random(tx.entropy()),
        endpoint,
        kind: JobKind::Redrive,
        ranges: taken.iter().map(|dead| (dead.first, dead.last)).collect(),
        created_at: tx.now(),
        delivered: 0,
        dead: 0,
    };
    tx.put(keys::job(account, endpoint, job.id), &job)?;
    Ok(Redriven {
        job: Some(job.id),
        messages: taken.iter().map(|dead| dead.count).sum(),
        ranges: taken.len(),
        more,
    })
}
