//! How many leads of an owner share a status or a source.
//!
//! Owns the tallies: a number for each owner and value, changed in the commit that changes the
//! lead, so that a count costs the same whatever it comes to. Does not know who may see them.

use super::{Lead, NOBODY, Status, Text};
use crate::error::Result;
use crate::id::AccountId;
use crate::store::{Key, Tx, keys};

const STATUSES: &str = "lead-status-count";
const SOURCES: &str = "lead-source-count";
/// Tallies that are read at a time.
const PAGE: usize = 256;

/// Whose leads are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// This user's.
    User(u64),
    /// Those without an owner.
    Nobody,
}

impl Owner {
    /// The number under which they are listed.
    pub(super) fn number(self) -> u64 {
        match self {
            Self::User(id) => id,
            Self::Nobody => NOBODY,
        }
    }
}

/// The tallies in which a lead counts; a deleted one counts in none.
fn of(account: AccountId, lead: &Lead) -> Vec<Key> {
    if !lead.is_live() {
        return Vec::new();
    }
    let owner = lead.owner_id.unwrap_or(NOBODY);
    let mut tallies = vec![keys::tally(STATUSES, account, owner, lead.status.word())];
    let source = lead.text(Text::Source);
    if !source.is_empty() {
        tallies.push(keys::tally(SOURCES, account, owner, source));
    }
    tallies
}

/// Counts what a change makes of a lead.
pub(super) async fn count(
    tx: &Tx,
    account: AccountId,
    before: Option<&Lead>,
    after: &Lead,
) -> Result<()> {
    let old = before.map_or_else(Vec::new, |before| of(account, before));
    let new = of(account, after);
    for gone in old.iter().filter(|key| !new.contains(key)) {
        match tx.read::<u64>(gone).await? {
            Some(count) if count > 1 => tx.put(gone.clone(), &(count - 1))?,
            _ => tx.delete(gone.clone()),
        }
    }
    for added in new.into_iter().filter(|key| !old.contains(key)) {
        let count: u64 = tx.read(&added).await?.unwrap_or(0);
        tx.put(added, &(count + 1))?;
    }
    Ok(())
}

/// How many leads have which status; one that none has is left out.
pub async fn statuses(tx: &Tx, account: AccountId, owner: Owner) -> Result<Vec<(Status, u64)>> {
    let found = all(tx, account, STATUSES, owner).await?;
    let named = |(word, count): (String, u64)| Some((Status::named(&word)?, count));
    Ok(found.into_iter().filter_map(named).collect())
}

/// How many leads have which source; those without one are not counted.
pub async fn sources(tx: &Tx, account: AccountId, owner: Owner) -> Result<Vec<(String, u64)>> {
    all(tx, account, SOURCES, owner).await
}

async fn all(tx: &Tx, account: AccountId, tally: &str, owner: Owner) -> Result<Vec<(String, u64)>> {
    let mut range = keys::tallies(tally, account, owner.number());
    let mut found = Vec::new();
    loop {
        let page = tx.read_range::<u64>(&range, PAGE).await?;
        let named = page
            .iter()
            .filter_map(|(key, count)| Some((keys::text_of(key)?, *count)));
        found.extend(named);
        match page.last() {
            Some((last, _)) if page.len() == PAGE => range = range.following(last),
            _ => return Ok(found),
        }
    }
}
