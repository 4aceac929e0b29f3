//! What is no longer needed goes: ended records and the start of the logs.
//!
//! Owns the rounds and the rules of what is still needed. Does not know how space is given back.

use std::collections::BTreeMap;
use std::time::Duration;

use super::handle::Handle;
use super::shell::Settings;
use crate::clock::{Millis, Timestamp};
use crate::domain::account::Account;
use crate::domain::dead_letter::DeadRange;
use crate::domain::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::id::{AccountId, Seq};
use crate::store::{Commit, Database, Durability, Key, KeyRange, Write, keys};

/// Pause between two rounds.
const ROUND: Duration = Duration::from_secs(30);
/// Records looked at or removed in one step.
const STEP: usize = 500;
/// Endpoints and accounts read in one scan.
const PAGE: usize = 1000;

/// Says whether space is short, so that what only retention keeps must go.
pub type SpaceIsShort = Box<dyn Fn() -> bool + Send>;

/// Rounds until the relay is gone.
pub async fn run(
    database: Database,
    relay: Handle,
    settings: Settings,
    space_is_short: SpaceIsShort,
) {
    loop {
        let retention = if space_is_short() {
            Millis(0)
        } else {
            settings.retention
        };
        if let Err(error) = remove_ended(&database, settings.dead_retention).await {
            tracing::warn!(%error, "ended records are not removed now");
        }
        match relay.needed().await {
            Ok(needed) => {
                if let Err(error) = trim(&database, &needed, retention).await {
                    tracing::warn!(%error, "logs are not trimmed now");
                }
            }
            Err(_) => return,
        }
        // Short pauses while space is short: refusing work is worse than looking often.
        let pause = if space_is_short() { ROUND / 30 } else { ROUND };
        tokio::time::sleep(pause).await;
    }
}

/// Removes records whose end has come, in small commits.
async fn remove_ended(database: &Database, dead_retention: Millis) -> Result<()> {
    let now = database.clock().now();
    loop {
        let tx = database.view();
        let ended = tx.scan(&keys::ended(now), STEP).await?;
        let more = ended.len() == STEP;
        let mut writes = Vec::with_capacity(ended.len() * 2);
        for (end, _) in ended {
            if let Some(key) = keys::ended_key(&end) {
                // A dead range may have been redriven and have died again under the same key.
                let renewed = key.as_str().starts_with("dead/")
                    && tx
                        .read::<DeadRange>(&key)
                        .await?
                        .is_some_and(|range| range.at.after(dead_retention) > now);
                if !renewed {
                    writes.push(Write::Delete(key));
                }
            }
            writes.push(Write::Delete(end));
        }
        if !writes.is_empty() {
            remove(database, writes).await?;
        }
        if !more {
            return Ok(());
        }
    }
}

async fn remove(database: &Database, writes: Vec<Write>) -> Result<()> {
    let commit = Commit {
        accounts: Vec::new(),
        reads: Vec::new(),
        ranges: Vec::new(),
        writes,
        appends: Vec::new(),
        durability: Durability::Relaxed,
        essential: true,
    };
    let stored = database.store().submit(commit).wait().await;
    stored
        .map(drop)
        .map_err(|error| Error::unavailable(error.to_string()))
}

/// Trims every log below what a queue, a dead letter or `retention` needs.
async fn trim(
    database: &Database,
    needed: &BTreeMap<AccountId, Seq>,
    retention: Millis,
) -> Result<()> {
    let mut range: KeyRange = keys::accounts();
    loop {
        let page: Vec<(Key, Account)> = database.view().read_range(&range, PAGE).await?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        range = range.following(last);
        for (_, account) in page {
            trim_one(
                database,
                account.id,
                needed.get(&account.id).copied(),
                retention,
            )
            .await?;
        }
    }
}

async fn trim_one(
    database: &Database,
    account: AccountId,
    needed: Option<Seq>,
    retention: Millis,
) -> Result<()> {
    let store = database.store();
    let failed = |error: crate::store::ReadError| Error::unavailable(error.to_string());
    let end = store.visible(account).await.map_err(failed)?.next();
    let mut below = needed.unwrap_or(end).min(end);
    if let Some(dead) = first_dead(database, account).await? {
        below = below.min(dead);
    }
    if retention > Millis(0) {
        let horizon = Timestamp(database.clock().now().0.saturating_sub(retention.0));
        below = below.min(first_since(database, account, horizon, below).await?);
    }
    if below > Seq(1) {
        store
            .trim_log(account, below)
            .await
            .map_err(|error| Error::unavailable(error.to_string()))?;
    }
    Ok(())
}

/// The lowest sequence of any dead letter of an account.
async fn first_dead(database: &Database, account: AccountId) -> Result<Option<Seq>> {
    let tx = database.view();
    let endpoints: Vec<(Key, Endpoint)> =
        tx.read_range(&keys::endpoints(account), PAGE * 100).await?;
    let mut lowest: Option<Seq> = None;
    for (_, endpoint) in endpoints {
        let range = keys::dead_ranges(account, endpoint.id);
        let first: Vec<(Key, DeadRange)> = tx.read_range(&range, 1).await?;
        for (_, dead) in first {
            lowest = Some(lowest.map_or(dead.first, |lowest| lowest.min(dead.first)));
        }
    }
    Ok(lowest)
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
        let page = page.map_err(|error| Error::unavailable(error.to_string()))?;
        match page.messages.first() {
            // Trimmed below: what is found may be far behind the middle.
            Some(message) if message.id.time() < horizon => {
                low = message.seq().next().min(high);
            }
            _ => high = middle,
        }
    }
    Ok(low)
}
