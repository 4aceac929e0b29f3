//! Accounts (tenants).
//!
//! Owns the account record (`protocols/domain.md` 2.1), its settings, and the uniqueness of names.
//! Does not know its credentials or endpoints, which have files of their own.

use serde::{Deserialize, Serialize};

use super::text;
use super::zone::Zone;
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::AccountId;
use crate::store::{Tx, keys};

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

/// What an operator sets for an account (`protocols/domain.md` 2.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// The zone of its zone-less times.
    pub time_zone: Zone,
    /// Digits put before national phone numbers.
    pub default_country_code: Option<String>,
    /// The user who owns leads that come without one.
    pub default_owner: Option<u64>,
    /// Host names that select this account when a request carries no account credential.
    pub hosts: Vec<String>,
    /// Base of the links of `user_login_link`.
    pub dashboard_url: Option<String>,
    /// Base of the links of `create_hosted_checkout`.
    pub checkout_url: Option<String>,
    /// Sources that a lead may be given on the leads surface.
    pub lead_sources: Vec<String>,
    /// Statuses of its own; 0 is none.
    pub custom_statuses: Vec<CustomStatus>,
}

/// A lead status of an account's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomStatus {
    /// From 1 upward.
    pub id: u32,
    /// Unique without regard to case.
    pub name: String,
}

impl Default for Settings {
    fn default() -> Self {
        let sources = "website, referral, social, campaign, email, phone, manual, other";
        Self {
            time_zone: Zone::default(),
            default_country_code: None,
            default_owner: None,
            hosts: Vec::new(),
            dashboard_url: None,
            checkout_url: None,
            lead_sources: sources.split(", ").map(str::to_owned).collect(),
            custom_statuses: Vec::new(),
        }
    }
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
