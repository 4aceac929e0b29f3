//! Users (`protocols/domain.md` 2.2): people of an account with a name and maybe a password.
//!
//! Owns the record and its look-ups. `change.rs` creates and changes users and keeps their indexes,
//! `find.rs` looks for them, `notice.rs` says so to the consumers, `rules.rs` knows the forms of their texts. Does not know
//! passwords, only their hashes, nor which caller may do what.

mod change;
pub mod find;
mod notice;
pub mod rules;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(in crate::domain) use change::save_token;
pub use change::{Changes, create, create_for, update};
pub use notice::ask_for_password;

use super::account::Account;
use super::actor::Role;
use super::address::Address;
use super::words::fold;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{AccountId, PersonId};
use crate::store::{Tx, keys};

/// The kind of the records.
const KIND: &str = "user";
/// Indexes to one user: by username and e-mail address as they are compared, by external id, by
/// reference.
const BY_NAME: &str = "user-name";
const BY_EMAIL: &str = "user-email";
const BY_EXTERNAL_ID: &str = "user-external";
const BY_REFERENCE: &str = "user-ref";
/// Indexes to several: the active owners, those whom a user enrolled.
const OWNERS: &str = "user-owner";
const ENROLLED: &str = "user-enrolled";
/// The active agents.
const AGENTS: &str = "user-agent";
/// Customers under the contact that each of them is.
const OF_CONTACT: &str = "user-contact";
/// Agents that are read at once.
const PAGE: usize = 1000;
/// The one group of [`OWNERS`] and [`AGENTS`].
const ACTIVE: &str = "active";
/// When a user was online: a record for each change.
const PRESENCE: &str = "presence";

/// A password's hash in the PHC string format. Safe to store; never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("PasswordHash(…)")
    }
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The integer id.
    pub id: u64,
    /// The reference, from one space with those of contacts.
    pub reference: PersonId,
    /// Unique without regard to case; letters, digits and hyphens, or an e-mail address.
    pub username: String,
    /// Unique among users without regard to case.
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// As it was given.
    pub phone: String,
    /// Company.
    pub company: String,
    /// Two letters, or empty.
    pub country: String,
    /// Unique, where there is one.
    pub external_id: Option<String>,
    /// `M`, `F` or empty.
    pub gender: String,
    /// How it is paid.
    pub payout_method: String,
    /// Kind of its identity document.
    pub gov_id_type: String,
    /// Number of its identity document; never in a notification.
    pub gov_id_number: String,
    /// Free; gives the role.
    pub account_type: String,
    /// A business, not a person.
    pub is_business: bool,
    /// Who enrolled it.
    pub enroller_id: Option<u64>,
    /// Who stands above it.
    pub upline_id: Option<u64>,
    /// A number of the consumers'.
    pub enroller_code: i64,
    /// The name of that number.
    pub enroller_code_name: String,
    /// Where bills go.
    pub billing_address: Address,
    /// Where goods go.
    pub shipping_address: Address,
    /// Absent: it cannot log in.
    pub password: Option<PasswordHash>,
    /// The contact that it is the same person as.
    pub contact_id: Option<u64>,
    /// Letters of `TPM` in this order; empty = offline.
    pub online_status: String,
    /// An inactive user authenticates nobody.
    pub active: bool,
    /// When it joined.
    pub date_added: Timestamp,
    /// Counts the user tokens that it had.
    pub token_generation: u64,
    /// When the current one ends; none = there is none.
    pub token_expires: Option<Timestamp>,
}

impl User {
    /// What it is to the account.
    pub fn role(&self) -> Option<Role> {
        Role::of(&self.account_type)
    }

    /// Whether its current token holds at `now`.
    pub fn has_token(&self, now: Timestamp) -> bool {
        self.active && self.token_expires.is_some_and(|end| end > now)
    }
}

/// The user with this integer id.
pub async fn by_id(tx: &Tx, account: AccountId, id: u64) -> Result<Option<User>> {
    tx.read(&keys::record(KIND, account, id)).await
}

/// The user with this name, without regard to case.
pub async fn by_username(tx: &Tx, account: AccountId, username: &str) -> Result<Option<User>> {
    by_index(tx, account, BY_NAME, &fold(username)).await
}

/// The user with this e-mail address, without regard to case.
pub async fn by_email(tx: &Tx, account: AccountId, email: &str) -> Result<Option<User>> {
    by_index(tx, account, BY_EMAIL, &fold(email)).await
}

/// The user with this external id.
pub async fn by_external_id(tx: &Tx, account: AccountId, id: &str) -> Result<Option<User>> {
    by_index(tx, account, BY_EXTERNAL_ID, id).await
}

/// The user with this reference.
pub async fn by_reference(tx: &Tx, account: AccountId, id: PersonId) -> Result<Option<User>> {
    by_index(tx, account, BY_REFERENCE, &id.to_string()).await
}

async fn by_index(tx: &Tx, account: AccountId, index: &str, text: &str) -> Result<Option<User>> {
    match tx.read(&keys::unique(index, account, text)).await? {
        Some(id) => by_id(tx, account, id).await,
        None => Ok(None),
    }
}

/// The user who owns the account's leads that come without one: the one that the operator set,
/// else the active `Owner` with the lowest id.
pub async fn default_owner(tx: &Tx, account: &Account) -> Result<Option<u64>> {
    if let Some(set) = account.settings.default_owner
        && by_id(tx, account.id, set).await?.is_some()
    {
        return Ok(Some(set));
    }
    let owners = tx
        .scan(&keys::members(OWNERS, account.id, ACTIVE), 1)
        .await?;
    Ok(owners.first().and_then(|(key, _)| keys::id_of(key)))
}

/// The customer with the lowest id who is this contact.
pub async fn of_contact(tx: &Tx, account: AccountId, contact: u64) -> Result<Option<User>> {
    let range = keys::members(OF_CONTACT, account, &contact.to_string());
    let first = tx.scan(&range, 1).await?;
    match first.first().and_then(|(key, _)| keys::id_of(key)) {
        Some(id) => by_id(tx, account, id).await,
        None => Ok(None),
    }
}

/// Every active agent, by last and first name.
pub async fn active_agents(tx: &Tx, account: AccountId) -> Result<Vec<User>> {
    let mut range = keys::members(AGENTS, account, ACTIVE);
    let mut agents: Vec<User> = Vec::new();
    loop {
        let some = tx.scan(&range, PAGE).await?;
        let ids = some.iter().filter_map(|(key, _)| keys::id_of(key));
        let keys: Vec<_> = ids.map(|id| keys::record(KIND, account, id)).collect();
        agents.extend(tx.read_all(&keys).await?.into_iter().flatten());
        match some.last() {
            Some((last, _)) if some.len() == PAGE => range = range.following(last),
            _ => break,
        }
    }
    agents.sort_by_cached_key(|user| (fold(&user.last_name), fold(&user.first_name), user.id));
    Ok(agents)
}

/// At most `limit` users behind `after`, by id.
pub async fn list(
    tx: &Tx,
    account: AccountId,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<User>> {
    let mut range = keys::records(KIND, account);
    if let Some(after) = after {
        range = range.following(&keys::record(KIND, account, after));
    }
    let found = tx.read_range(&range, limit).await?;
    Ok(found.into_iter().map(|(_, user)| user).collect())
}
