//! Integer ids (`protocols/domain.md` section 1).
//!
//! Owns the counters: per account and kind, from 1001 upward, never used twice. Does not know what
//! gets an id.

use crate::error::Result;
use crate::id::AccountId;
use crate::store::{Tx, keys};

/// The first id of every kind.
pub(super) const FIRST: u64 = 1001;

/// The next id of `kind`; taken when the transaction commits.
pub async fn next(tx: &Tx, account: AccountId, kind: &str) -> Result<u64> {
    let key = keys::counter(account, kind);
    let id = tx.read(&key).await?.unwrap_or(FIRST);
    tx.put(key, &(id + 1))?;
    Ok(id)
}
