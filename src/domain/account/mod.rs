//! Accounts (tenants).
//!
//! Owns the account record (`protocols/domain.md` 2.1) and the uniqueness of names; `settings.rs` is
//! what an operator sets for it. Does not know its credentials or endpoints, which have files of
//! their own.

mod settings;

use serde::{Deserialize, Serialize};

use super::text;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::AccountId;
use crate::store::{Tx, keys};

pub use settings::{Changes, CustomStatus, Settings, set};

/// Characters of a name.
const MAX_NAME: usize = 64;

/// A tenant: every other record, id sequence and message log belongs to exactly one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The reference.
    pub id: AccountId,
    /// The operator's name for it, unique without regard to case.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// What the operator set for it.
    #[serde(default)]
    pub settings: Settings,
}

/// Creates an account under the fresh reference `id`.
pub async fn create(tx: &Tx, id: AccountId, name: &str) -> Result<Account> {
    let name = text::name("name", name, MAX_NAME)?;
    let by_name = keys::account_name(&name);
    if tx.get(&by_name).await?.is_some() {
        return Err(Error::conflict("There is an account of this name already"));
    }
    let account = Account {
        id,
        name,
        created_at: tx.now(),
        settings: Settings::default(),
    };
    tx.put(by_name, &id)?;
    tx.put(keys::account(id), &account)?;
    Ok(account)
}

/// The account with this reference.
pub async fn by_id(tx: &Tx, id: AccountId) -> Result<Account> {
    let found = tx.read(&keys::account(id)).await?;
    found.ok_or_else(|| Error::not_found("There is no such account"))
}

/// The account that one of its hosts selects; `host` without port, in lower case.
pub async fn by_host(tx: &Tx, host: &str) -> Result<Option<AccountId>> {
    tx.read(&keys::host(host)).await
}

/// The account with this reference or, failing that, this name.
pub async fn find(tx: &Tx, reference_or_name: &str) -> Result<Account> {
    if let Ok(id) = reference_or_name.parse()
        && let Some(account) = tx.read(&keys::account(id)).await?
    {
        return Ok(account);
    }
    let by_name = keys::account_name(reference_or_name.trim());
    let found = match tx.read::<AccountId>(&by_name).await? {
        Some(id) => tx.read(&keys::account(id)).await?,
        None => None,
    };
    found.ok_or_else(|| Error::not_found("There is no such account"))
}

/// At most `limit` accounts behind `after`, by reference.
pub async fn list(tx: &Tx, after: Option<AccountId>, limit: usize) -> Result<Vec<Account>> {
    let mut range = keys::accounts();
    if let Some(after) = after {
        range = range.following(&keys::account(after));
    }
    let found = tx.read_range(&range, limit).await?;
    Ok(found.into_iter().map(|(_, account)| account).collect())
}
