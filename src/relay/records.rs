//! What the engine's records look like in the store.
//!
//! Owns the stored form of cursors, batches and acknowledged ranges, and the way from the
//! engine's changes to writes and back. Does not know when anything is written.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::engine::{
    BatchState, Change, CursorState, DeadReason, DeadState, JobState, Ranges, Stored,
};
use crate::attempt::Class;
use crate::clock::{Millis, Timestamp};
use crate::domain::dead_letter::DeadRange;
use crate::domain::event;
use crate::domain::job::{Job, JobKind};
use crate::error::Result;
use crate::id::{AccountId, BatchId, EndpointId, JobId, Seq};
use crate::store::tx::encode;
use crate::store::{Key, Tx, Write, keys};

/// Open batches read for one endpoint at the start: more than the bounds and their splits allow.
const MAX_BATCHES: usize = 10_000;
/// Jobs read for one endpoint at the start.
const MAX_JOBS: usize = 10_000;

#[derive(Debug, Serialize, Deserialize)]
struct CursorRecord {
    cursor: Seq,
    delivered: u64,
    dead: u64,
    filtered: u64,
    pending: u64,
    oldest: Option<Timestamp>,
    seen: Seq,
    failing_since: Option<Timestamp>,
    suspended: Option<Timestamp>,
    suspensions: u32,
}

#[derive(Debug, Serialize, Deserialize)]
struct BatchRecord {
    id: BatchId,
    job: Option<JobId>,
    ranges: Vec<(Seq, Seq)>,
    bytes: u64,
    newest: Timestamp,
    attempts: u32,
    failures: u32,
    refusals: u32,
    due: Timestamp,
    last_class: Option<String>,
    last_status: Option<u16>,
}

/// How many messages of a log that ends with `last` an endpoint with this stored cursor still had
/// to get. None when it is no cursor.
pub fn undelivered(cursor: &[u8], last: Seq) -> Option<u64> {
    let found: CursorRecord = serde_json::from_slice(cursor).ok()?;
    let unread = last.0.saturating_sub(found.seen.0);
    found.pending.checked_add(unread)
}

/// How far the log of an account was read; nothing of it up to there is unknown to a cursor.
#[derive(Debug, Serialize, Deserialize)]
struct SeenRecord {
    seq: Seq,
}

fn cursor_record(state: &CursorState) -> CursorRecord {
    CursorRecord {
        cursor: state.cursor,
        delivered: state.delivered,
        dead: state.dead,
        filtered: state.filtered,
        pending: state.pending,
        oldest: state.oldest,
        seen: state.seen,
        failing_since: state.failing_since,
        suspended: state.suspended,
        suspensions: state.suspensions,
    }
}

fn cursor_state(record: &CursorRecord) -> CursorState {
    CursorState {
        cursor: record.cursor,
        delivered: record.delivered,
        dead: record.dead,
        filtered: record.filtered,
        pending: record.pending,
        oldest: record.oldest,
        seen: record.seen,
        failing_since: record.failing_since,
        suspended: record.suspended,
        suspensions: record.suspensions,
    }
}

fn batch_record(state: &BatchState) -> BatchRecord {
    BatchRecord {
        id: state.id,
        job: state.job,
        ranges: state.ranges.pairs().to_vec(),
        bytes: state.bytes,
        newest: state.newest,
        attempts: state.attempts,
        failures: state.failures,
        refusals: state.refusals,
        due: state.due,
        last_class: state.last_class.map(|class| class.to_string()),
        last_status: state.last_status,
    }
}

fn batch_state(record: BatchRecord) -> BatchState {
    BatchState {
        id: record.id,
        job: record.job,
        ranges: Ranges::from_pairs(record.ranges),
        bytes: record.bytes,
        newest: record.newest,
        attempts: record.attempts,
        failures: record.failures,
        refusals: record.refusals,
        due: record.due,
        last_class: record.last_class.as_deref().and_then(Class::parse),
        last_status: record.last_status,
    }
}

fn dead_range(state: &DeadState) -> DeadRange {
    DeadRange {
        first: state.first,
        last: state.last,
        count: state.count,
        reason: dead_reason(state.reason),
        at: state.at,
        attempts: state.attempts,
        last_class: state.last_class.map(|class| class.to_string()),
        last_status: state.last_status,
    }
}

/// The domain's word for an engine's reason.
pub fn dead_reason(reason: DeadReason) -> event::DeadReason {
    match reason {
        DeadReason::Expired => event::DeadReason::Expired,
        DeadReason::Exhausted => event::DeadReason::Exhausted,
        DeadReason::Damaged => event::DeadReason::Damaged,
    }
}

/// The engine's view of a stored job.
pub fn job_state(job: &Job) -> JobState {
    JobState {
        id: job.id,
        remaining: Ranges::from_pairs(job.ranges.iter().copied()),
        created_at: job.created_at,
        delivered: job.delivered,
        dead: job.dead,
    }
}

/// The writes of one change. A dead range is removed `dead_retention` after its time.
pub fn writes(
    account: AccountId,
    endpoint: EndpointId,
    change: &Change,
    dead_retention: Millis,
) -> Result<Vec<Write>> {
    let put = |key: Key, value: Bytes| vec![Write::Put(key, value)];
    Ok(match change {
        Change::Cursor(state) => put(
            keys::cursor(account, endpoint),
            encode(&cursor_record(state))?,
        ),
        Change::PutBatch(state) => put(
            keys::batch(account, endpoint, state.id),
            encode(&batch_record(state))?,
        ),
        Change::DeleteBatch(id) => vec![Write::Delete(keys::batch(account, endpoint, *id))],
        Change::PutDead(state) => {
            let key = keys::dead(account, endpoint, state.first);
            let end = keys::end(state.at.after(dead_retention), &key);
            vec![
                Write::Put(key, encode(&dead_range(state))?),
                Write::Put(end, Bytes::new()),
            ]
        }
        Change::Acked(ranges) if ranges.is_empty() => {
            vec![Write::Delete(keys::acked(account, endpoint))]
        }
        Change::Acked(ranges) => put(keys::acked(account, endpoint), encode(&ranges.pairs())?),
        Change::DeleteOrder(order) => vec![Write::Delete(keys::order(account, endpoint, *order))],
        Change::PutJob(state) => {
            let record = Job {
                id: state.id,
                endpoint,
                kind: JobKind::Redrive,
                ranges: state.remaining.pairs().to_vec(),
                created_at: state.created_at,
                delivered: state.delivered,
                dead: state.dead,
            };
            put(keys::job(account, endpoint, state.id), encode(&record)?)
        }
        Change::DeleteJob(job) => vec![Write::Delete(keys::job(account, endpoint, *job))],
    })
}

/// The write that stores how far an account's log was read.
pub fn seen_write(account: AccountId, seq: Seq) -> Result<Write> {
    Ok(Write::Put(
        keys::seen(account),
        encode(&SeenRecord { seq })?,
    ))
}

/// What is wrong with a record of the relay's own under `key`, if anything is; none too for keys
/// of others.
pub fn undecodable(key: &Key, bytes: &[u8]) -> Option<serde_json::Error> {
    let directory = key.parts().next().unwrap_or_default();
    match directory {
        "cursor" => serde_json::from_slice::<CursorRecord>(bytes).err(),
        "batch" => serde_json::from_slice::<BatchRecord>(bytes).err(),
        "acked" => serde_json::from_slice::<Vec<(Seq, Seq)>>(bytes).err(),
        "seen" => serde_json::from_slice::<SeenRecord>(bytes).err(),
        _ => None,
    }
}

/// How far an account's log was read.
pub async fn load_seen(tx: &Tx, account: AccountId) -> Result<Seq> {
    let record: Option<SeenRecord> = tx.read(&keys::seen(account)).await?;
    Ok(record.map(|record| record.seq).unwrap_or_default())
}

/// Everything stored of one endpoint. Read in the order in which messages move (above the cursor
/// or in a job, then in a batch), so that one that moves meanwhile is seen at least once.
pub async fn load(tx: &Tx, account: AccountId, endpoint: EndpointId) -> Result<Stored> {
    let acked: Option<Vec<(Seq, Seq)>> = tx.read(&keys::acked(account, endpoint)).await?;
    let cursor: Option<CursorRecord> = tx.read(&keys::cursor(account, endpoint)).await?;
    let jobs: Vec<(Key, Job)> = tx
        .read_range(&keys::jobs(account, endpoint), MAX_JOBS)
        .await?;
    let batches: Vec<(Key, BatchRecord)> = tx
        .read_range(&keys::batches(account, endpoint), MAX_BATCHES)
        .await?;
    Ok(Stored {
        cursor: cursor.as_ref().map(cursor_state),
        batches: batches
            .into_iter()
            .map(|(_, record)| batch_state(record))
            .collect(),
        jobs: jobs.iter().map(|(_, job)| job_state(job)).collect(),
        acked: Ranges::from_pairs(acked.unwrap_or_default()),
    })
}
