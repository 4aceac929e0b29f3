//! Parts of the list of all active contacts, by the time at which they were created.
//!
//! Owns how a part deep in the list is reached without reading what stands before it. Does not
//! know what is looked for in contacts: `find.rs` does.

use super::{Contact, KIND};
use crate::clock::Timestamp;
use crate::domain::sequence;
use crate::error::Result;
use crate::id::AccountId;
use crate::store::{Key, Tx, keys};

/// Trashed contacts.
pub(super) const TRASHED: &str = "contact-trashed";
/// The one group of [`TRASHED`].
pub(super) const ALL: &str = "all";
/// Active contacts by the time at which they were created.
const CREATED: &str = "contact-created";
/// The one owner of [`CREATED`].
const OWNER: u64 = 0;
/// Keys, and records, that are read at once.
const KEYS: usize = 1000;
const RECORDS: usize = 128;

/// Under which an active contact is found by its time.
pub(super) fn created_key(account: AccountId, contact: &Contact) -> Key {
    keys::timed(CREATED, account, OWNER, contact.created_at, contact.id)
}

/// Active contacts from number `skip` on, at most `take`, by id. Every id up to the last one is a
/// contact's, so only the trashed ones must be counted.
pub async fn all(tx: &Tx, account: AccountId, skip: usize, take: usize) -> Result<Vec<Contact>> {
    let first = sequence::FIRST.saturating_add(u64::try_from(skip).unwrap_or(u64::MAX));
    let first = behind_trashed(tx, account, first).await?;
    let mut range = keys::records(KIND, account).from_id(first);
    let mut found: Vec<Contact> = Vec::new();
    while found.len() < take {
        let some = tx.read_range::<Contact>(&range, RECORDS).await?;
        let Some((last, _)) = some.last() else {
            break;
        };
        range = range.following(last);
        let active = some.into_iter().map(|(_, contact)| contact);
        let left = take - found.len();
        found.extend(active.filter(|contact| !contact.trashed).take(left));
    }
    Ok(found)
}

/// The id that stands where `id` would stand if nobody had been trashed.
async fn behind_trashed(tx: &Tx, account: AccountId, mut id: u64) -> Result<u64> {
    let mut range = keys::members(TRASHED, account, ALL);
    loop {
        let some = tx.scan(&range, KEYS).await?;
        for trashed in some.iter().filter_map(|(key, _)| keys::id_of(key)) {
            if trashed > id {
                return Ok(id);
            }
            id = id.saturating_add(1);
        }
        match some.last() {
            Some((last, _)) if some.len() == KEYS => range = range.following(last),
            _ => return Ok(id),
        }
    }
}

/// Active contacts that were created from one time to another, both inclusive: from number `skip`
/// on, at most `take`, by time.
pub async fn created(
    tx: &Tx,
    account: AccountId,
    (from, until): (Timestamp, Timestamp),
    mut skip: usize,
    take: usize,
) -> Result<Vec<Contact>> {
    let mut range = keys::between(CREATED, account, OWNER, from, until);
    while skip > 0 {
        let passed = tx.scan(&range, skip.min(KEYS)).await?;
        let Some((last, _)) = passed.last() else {
            return Ok(Vec::new());
        };
        range = range.following(last);
        skip -= passed.len();
    }
    let found = tx.scan(&range, take).await?;
    let ids = found.iter().filter_map(|(key, _)| keys::id_of(key));
    let keys: Vec<Key> = ids.map(|id| keys::record(KIND, account, id)).collect();
    Ok(tx.read_all(&keys).await?.into_iter().flatten().collect())
}
