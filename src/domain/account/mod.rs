//! Accounts (tenants).
//!
//! Owns the account record (`protocols/domain.md` 2.1) and the uniqueness of names; `settings.rs` is
//! what an operator sets for it. Does not know its credentials or endpoints, which have files of
//! their own.

mod settings;

use serde::{Deserialize, Serialize};

use super::{department, text};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::AccountId;
use crate::store::{Tx, keys};

pub use settings::{ByClass, Changes, CustomStatus, Settings, set};

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
    /// The department of conversations that name none; none = the account is from before there
    /// were departments.
    #[serde(default)]
    pub default_department: Option<u64>,
    /// It may have sub-accounts.
    #[serde(default)]
    pub is_agency: bool,
    /// What it is as a sub-account; none = it is nobody's.
    #[serde(default)]
    pub sub_account: Option<SubAccount>,
    /// A deleted sub-account: nobody calls for it and nothing is delivered.
    #[serde(default)]
    pub closed: bool,
}

/// What an account is to its agency (`protocols/domain.md` 2.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubAccount {
    /// The account that it belongs to.
    pub agency: AccountId,
    /// Its integer id among those that the agency has and had.
    pub number: u64,
    /// Who it is.
    pub profile: Profile,
}

/// Who a sub-account is. Texts of 255 characters; the address is an e-mail address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Profile {
    /// Unique among the open sub-accounts of one agency, without regard to case.
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    pub business_name: String,
    pub description: String,
    pub address_line: String,
    pub city: String,
    pub country: String,
    pub postal_code: String,
    pub state: String,
    pub language: String,
    /// For consumers: nothing renews credits by itself.
    pub monthly_credits: u64,
    /// For consumers.
    pub roll_over_to_next_month: bool,
}

impl Account {
    /// The account that pays attention to what this one spends.
    pub fn agency(&self) -> Option<AccountId> {
        self.sub_account.as_ref().map(|sub| sub.agency)
    }

    /// The accounts whose records and logs change when this one spends credits.
    pub fn with_agency(&self) -> Vec<AccountId> {
        [Some(self.id), self.agency()]
            .into_iter()
            .flatten()
            .collect()
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
        default_department: Some(department::first(tx, id).await?.id),
        is_agency: false,
        sub_account: None,
        closed: false,
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

/// Stores what changed of an account beside its name and its hosts.
pub(super) fn save(tx: &Tx, account: &Account) -> Result<()> {
    tx.put(keys::account(account.id), account)
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
