//! What is no longer needed goes: ended records and the start of the logs.
//!
//! Owns the rounds and the rule of what is still needed, which is asked of the store alone: what
//! a start after a crash would need is needed, whatever the relay holds in memory. Does not know
//! how space is given back.

use std::collections::BTreeSet;
use std::time::Duration;

use super::handle::Handle;
use super::records;
use super::shell::Settings;
use crate::clock::{Millis, Timestamp};
use crate::domain::account::Account;
use crate::domain::dead_letter::DeadRange;
use crate::domain::endpoint::Endpoint;
use crate::error::{Error, Kind, Result};
use crate::id::{AccountId, Seq};
use crate::store::{Database, Key, KeyRange, ReadError, Tx, keys};

/// Pause between two rounds.
const ROUND: Duration = Duration::from_secs(30);
/// Pause while space is short: refusing work is worse than looking often.
const SHORT_ROUND: Duration = Duration::from_secs(1);
/// Records removed in one commit.
const STEP: usize = 500;
/// Endpoints and accounts read in one scan.
const PAGE: usize = 1000;

/// Where space is short, so that what only retention keeps must go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shortage {
    /// Everywhere.
    pub installation: bool,
    /// In these accounts' shares.
    pub accounts: BTreeSet<AccountId>,
}

impl Shortage {
    fn of(&self, account: AccountId) -> bool {
        self.installation || self.accounts.contains(&account)
    }
}

/// Says where space is short now.
pub type Space = Box<dyn Fn() -> Shortage + Send>;

/// Rounds until the relay is gone.
pub async fn run(database: Database, relay: Handle, settings: Settings, space: Space) {
    while !relay.is_over() {
        if let Err(error) = remove_ended(&database, settings.dead_retention).await {
            tracing::warn!(%error, "ended records are not removed now");
        }
        if let Err(error) = trim_all(&database, settings.retention, &space()).await {
            tracing::warn!(%error, "logs are not trimmed now");
        }
        let mut rested = Duration::ZERO;
        while rested < ROUND && !relay.is_over() {
            tokio::time::sleep(SHORT_ROUND).await;
            rested += SHORT_ROUND;
            let shortage = space();
            if shortage.installation {
                break;
            }
            for account in &shortage.accounts {
                trim_or_tell(&database, *account, Millis(0)).await;
            }
        }
    }
}

/// Removes records whose end has come, in small commits.
pub async fn remove_ended(database: &Database, dead_retention: Millis) -> Result<()> {
    loop {
        // A transaction, because a dead range can come again under the same key meanwhile.
        let more = database
            .transact_essential(&[], |tx| async move {
                let ended = tx.scan(&keys::ended(tx.now()), STEP).await?;
                let more = ended.len() == STEP;
                for (end, _) in ended {
                    if let Some(key) = keys::ended_key(&end) {
                        remove_if_ended(&tx, key, dead_retention).await?;
                    }
                    tx.delete(end);
                }
                Ok(more)
            })
            .await?;
        if !more {
            return Ok(());
        }
    }
}

async fn remove_if_ended(tx: &Tx, key: Key, dead_retention: Millis) -> Result<()> {
    if key.as_str().starts_with("dead/") {
        let range: Option<DeadRange> = match tx.read(&key).await {
            // Nobody can redrive what cannot be read.
            Err(error) if error.kind == Kind::Internal => None,
            found => found?,
        };
        let end = range.map(|range| range.at.after(dead_retention));
        if let Some(end) = end.filter(|end| *end > tx.now()) {
            // It was redriven and has died again, or is kept for longer than it was once.
            tx.put_bytes(keys::end(end, &key), bytes::Bytes::new());
            return Ok(());
        }
    }
    tx.delete(key);
    Ok(())
}

/// Trims every log below what a queue, a dead letter or `retention` needs.
async fn trim_all(database: &Database, retention: Millis, shortage: &Shortage) -> Result<()> {
    let mut range: KeyRange = keys::accounts();
    loop {
        let page: Vec<(Key, Account)> = database.view().read_range(&range, PAGE).await?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        range = range.following(last);
        for (_, account) in page {
            let kept = if shortage.of(account.id) {
                Millis(0)
            } else {
                retention
            };
            trim_or_tell(database, account.id, kept).await;
        }
    }
}

/// One log that cannot be trimmed must not keep the others from it.
async fn trim_or_tell(database: &Database, account: AccountId, retention: Millis) {
    if let Err(error) = trim(database, account, retention).await {
        tracing::warn!(%account, %error, "a log is not trimmed now");
    }
}

/// Trims one log.
pub async fn trim(database: &Database, account: AccountId, retention: Millis) -> Result<()> {
    let below = trimmable(database, account, retention).await?;
    match below {
        Some(below) => database
            .store()
            .trim_log(account, below)
            .await
            .map_err(|error| Error::unavailable(error.to_string())),
        None => Ok(()),
    }
}

/// Below which sequence a log may go; none when nothing may.
pub async fn trimmable(
    database: &Database,
    account: AccountId,
    retention: Millis,
) -> Result<Option<Seq>> {
    let store = database.store();
    // The end first: an endpoint that is created later starts behind it.
    let end = store.visible(account).await.map_err(unreadable)?.next();
    let oldest = store.read_log(account, Seq(1), 1, 1).await;
    let oldest = oldest.map_err(unreadable)?.messages;
    let Some(first) = oldest.first().map(|message| message.seq()) else {
        return Ok(None);
    };
    let mut below = end;
    if retention > Millis(0) {
        let horizon = Timestamp(database.clock().now().0.saturating_sub(retention.0));
        below = first_since(database, account, horizon, below).await?;
    }
    let seen = records::load_seen(&database.view(), account).await?;
    let mut range = keys::endpoints(account);
    while below > first {
        let page: Vec<(Key, Endpoint)> = database.view().read_range(&range, PAGE).await?;
        let Some((last, _)) = page.last() else {
            return Ok(Some(below));
        };
        range = range.following(last);
        for (_, endpoint) in page {
            below = below.min(needed_by(database, &endpoint, seen).await?);
        }
    }
    Ok(None)
}

/// The lowest sequence that an endpoint still needs, by what is stored. `seen` is how far its
/// log was read at least.
///
/// Messages move from above the cursor or from a job into a batch, and from there into a dead
/// range: read in this order none is missed. Only a redrive moves them back, from a dead range
/// into a job; the account's turn, which it takes too, keeps it out meanwhile.
async fn needed_by(database: &Database, endpoint: &Endpoint, seen: Seq) -> Result<Seq> {
    let (account, id) = (endpoint.account, endpoint.id);
    database
        .transact_essential(&[account], |tx| async move {
            let stored = records::load(&tx, account, id).await?;
            let dead: Vec<(Key, DeadRange)> =
                tx.read_range(&keys::dead_ranges(account, id), 1).await?;
            // With nothing pending the cursor stands for the end of what was seen.
            let queued = stored
                .cursor
                .filter(|cursor| cursor.pending > 0 || !stored.acked.is_empty());
            let next = queued.map_or(seen.next(), |cursor| cursor.cursor.min(seen).next());
            let jobs = stored.jobs.iter().filter_map(|job| job.remaining.first());
            let batches = stored
                .batches
                .iter()
                .filter_map(|batch| batch.ranges.first());
            let dead = dead.into_iter().map(|(_, dead)| dead.first);
            let needed = jobs.chain(batches).chain(dead).chain([next]).min();
            Ok(needed.unwrap_or(next))
        })
        .await
}

/// The first sequence below `end` that was committed at `horizon` or later: times never go
/// backwards within a log, so halving finds it.
async fn first_since(
    database: &Database,
    account: AccountId,
    horizon: Timestamp,
    end: Seq,
) -> Result<Seq> {
    let (mut low, mut high) = (Seq(1), end);
    while low < high {
        let middle = Seq(low.0 + (high.0 - low.0) / 2);
        let page = database.store().read_log(account, middle, 1, 1).await;
        match page.map_err(unreadable)?.messages.first() {
            // Trimmed below: what is found may be far behind the middle.
            Some(message) if message.id.time() < horizon => {
                low = message.seq().next().min(high);
            }
            _ => high = middle,
        }
    }
    Ok(low)
}

fn unreadable(error: ReadError) -> Error {
    Error::unavailable(error.to_string())
}
