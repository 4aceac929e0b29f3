//! What a sub-account sends and spends, by its own calendar (`protocols/domain.md` 2.1).
//!
//! Owns one record of counters for each local day with activity. Does not know prices.

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::day::Day;
use crate::error::Result;
use crate::id::AccountId;
use crate::store::{KeyRange, Tx, keys};

/// Kind of the records; their ids are numbers of days.
const KIND: &str = "usage";
/// Days that are read at once; no question asks for more.
const MAX_DAYS: usize = 400;

/// Counters of one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Text messages.
    pub sms: u64,
    /// Calls.
    pub calls: u64,
    /// Messages out through custom channels.
    pub custom_channel: u64,
    /// Credits that these cost.
    pub credits_used: u64,
    /// Credits that the agency gave.
    pub credits_granted: u64,
}

/// Counts something on the account's day.
pub(super) async fn count(tx: &Tx, account: &Account, add: impl Fn(&mut Usage)) -> Result<()> {
    // Beyond the calendar nothing is counted.
    let Some(day) = account.settings.time_zone.day(tx.now()) else {
        return Ok(());
    };
    let key = keys::record(KIND, account.id, day.number());
    let mut usage: Usage = tx.read(&key).await?.unwrap_or_default();
    add(&mut usage);
    tx.put(key, &usage)
}

/// The days with activity from one to another, both inclusive, at most 400 of them.
pub async fn between(
    tx: &Tx,
    account: AccountId,
    from: Day,
    until: Day,
) -> Result<Vec<(Day, Usage)>> {
    let key = |number: u64| keys::record(KIND, account, number);
    let range = KeyRange {
        start: key(from.number()),
        // The last day is in it too.
        end: key(until.number() + 1),
        newest_first: false,
    };
    let found = tx.read_range(&range, MAX_DAYS).await?;
    let days = found.into_iter().filter_map(|(key, usage)| {
        let day = Day::numbered(keys::id_of(&key)?)?;
        Some((day, usage))
    });
    Ok(days.collect())
}

/// Credits that were used since the first of the account's month.
pub async fn used_this_month(tx: &Tx, account: &Account) -> Result<u64> {
    let Some(today) = account.settings.time_zone.day(tx.now()) else {
        return Ok(0);
    };
    let days = between(tx, account.id, today.first_of_month(), today).await?;
    Ok(days.iter().map(|(_, usage)| usage.credits_used).sum())
}
