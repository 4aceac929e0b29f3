//! API keys.
//!
//! Owns the key record, known by the SHA-256 of the key only (`protocols/transport.md` section
//! 8). Does not know the key itself.

use serde::{Deserialize, Serialize};

use super::{account, text};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::{AccountId, KeyId};
use crate::store::{Tx, keys};

/// Characters of a name.
const MAX_NAME: usize = 64;
/// Keys of one account.
const MAX_KEYS: usize = 1000;
/// Surfaces that take API keys.
pub const SURFACES: [&str; 5] = ["contacts", "flex", "helpdesk", "leads", "manage"];

/// An API key without the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its public name.
    pub id: KeyId,
    /// Whose key it is.
    pub account: AccountId,
    /// What the operator calls it.
    pub name: String,
    /// Surfaces it may use; empty = all.
    pub surfaces: Vec<String>,
    /// Requests per minute; none = the configuration's limit, 0 = no limit.
    pub per_minute: Option<u32>,
    /// A disabled key authenticates nobody.
    pub enabled: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

impl ApiKey {
    /// Whether it may use this surface.
    pub fn may_use(&self, surface: &str) -> bool {
        self.surfaces.is_empty() || self.surfaces.iter().any(|known| known == surface)
    }
}

/// What a new key is to be.
#[derive(Debug, Clone, Default)]
pub struct NewKey {
    /// What the operator calls it; may be empty.
    pub name: String,
    /// Surfaces it may use; empty = all.
    pub surfaces: Vec<String>,
    /// Requests per minute; none = the configuration's limit, 0 = no limit.
    pub per_minute: Option<u32>,
}

/// Stores a key by its digest.
pub async fn create(
    tx: &Tx,
    account: AccountId,
    digest: &[u8; 32],
    new: &NewKey,
) -> Result<ApiKey> {
    account::must_be_open(tx, account).await?;
    let unknown = |surface: &&String| !SURFACES.contains(&surface.as_str());
    if let Some(surface) = new.surfaces.iter().find(unknown) {
        let known = SURFACES.join(", ");
        let message = format!("{surface:?} is not one of {known}");
        return Err(Error::invalid("surfaces", message));
    }
    if tx.scan(&keys::account_keys(account), MAX_KEYS).await?.len() >= MAX_KEYS {
        return Err(Error::conflict("The account has 1000 keys; revoke some"));
    }
    let by_digest = keys::api_key(digest);
    if tx.get(&by_digest).await?.is_some() {
        return Err(Error::conflict("This key exists already"));
    }
    let key = ApiKey {
        id: KeyId::random(tx.entropy()),
        account,
        name: text::note("name", &new.name, MAX_NAME)?,
        surfaces: new.surfaces.clone(),
        per_minute: new.per_minute,
        enabled: true,
        created_at: tx.now(),
    };
    tx.put(by_digest, &key)?;
    tx.put(keys::account_key(account, key.id), digest)?;
    Ok(key)
}

/// Every key of the account, by public name.
pub async fn list(tx: &Tx, account: AccountId) -> Result<Vec<ApiKey>> {
    let digests = tx
        .read_range::<[u8; 32]>(&keys::account_keys(account), MAX_KEYS)
        .await?;
    let mut found = Vec::with_capacity(digests.len());
    for (_, digest) in digests {
        found.extend(tx.read(&keys::api_key(&digest)).await?);
    }
    Ok(found)
}

/// Disables every key of an account: from this commit on they authenticate nobody.
pub(super) async fn disable_all(tx: &Tx, account: AccountId) -> Result<()> {
    let digests = tx
        .read_range::<[u8; 32]>(&keys::account_keys(account), MAX_KEYS)
        .await?;
    for (_, digest) in digests {
        let key = keys::api_key(&digest);
        let found: Option<ApiKey> = tx.read(&key).await?;
        if let Some(found) = found.filter(|found| found.enabled) {
            let disabled = ApiKey {
                enabled: false,
                ..found
            };
            tx.put(key, &disabled)?;
        }
    }
    Ok(())
}

/// Replaces a key's secret by the one with this digest: from this commit on the old one
/// authenticates nobody. Everything else of the key stays.
pub async fn rotate(tx: &Tx, account: AccountId, id: KeyId, digest: &[u8; 32]) -> Result<ApiKey> {
    let missing = || Error::not_found("There is no such key");
    let by_id = keys::account_key(account, id);
    let old: [u8; 32] = tx.read(&by_id).await?.ok_or_else(missing)?;
    let key: ApiKey = tx.read(&keys::api_key(&old)).await?.ok_or_else(missing)?;
    let by_digest = keys::api_key(digest);
    if tx.get(&by_digest).await?.is_some() {
        return Err(Error::conflict("This key exists already"));
    }
    tx.delete(keys::api_key(&old));
    tx.put(by_digest, &key)?;
    tx.put(by_id, digest)?;
    Ok(key)
}

/// Forgets a key: from this commit on it authenticates nobody.
pub async fn revoke(tx: &Tx, account: AccountId, id: KeyId) -> Result<()> {
    let by_id = keys::account_key(account, id);
    let digest: [u8; 32] = tx
        .read(&by_id)
        .await?
        .ok_or_else(|| Error::not_found("There is no such key"))?;
    tx.delete(keys::api_key(&digest));
    tx.delete(by_id);
    Ok(())
}
