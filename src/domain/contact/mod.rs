//! Contacts: the people an account deals with (`protocols/domain.md` 2.3).
//!
//! Owns the record, its look-ups and its indexes. Does not know leads, users or conversations,
//! which point here, nor how parameters are spelled.
//!
//! | file | what |
//! |---|---|
//! | `change.rs` | creates, updates, trashes |
//! | `link.rs` | from a number, an address or a name in a channel to a contact |
//! | `find.rs` | looks for contacts by contained texts |
//! | `page.rs` | parts of the list of all of them |
//! | `fields.rs` | custom fields, of contacts and of conversations |
//! | `notice.rs` | what the consumers are told |

mod change;
pub mod fields;
pub mod find;
mod link;
mod notice;
pub mod page;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use change::{Changes, NewContact, create, trash, update};
pub use fields::CustomField;
pub use link::{Person, link};

use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::{AccountId, PersonId};
use crate::store::{Key, Tx, keys};

/// Kind of the records.
const KIND: &str = "contact";
/// Active contacts by phone: unique.
const BY_PHONE: &str = "contact-phone";
/// Active contacts by channel and name there: unique.
const BY_IDENTITY: &str = "contact-identity";
/// Active contacts by their name in any channel.
const BY_CHANNEL_NAME: &str = "contact-channel-name";
/// Active contacts by email in lower case.
const BY_EMAIL: &str = "contact-email";
/// All contacts by reference: unique.
const BY_REFERENCE: &str = "contact-ref";
/// Users by reference, who share the space.
const USERS_BY_REFERENCE: &str = "user-ref";
/// Identities of one contact: a caller may name as many channels as it likes.
const MAX_IDENTITIES: usize = 200;

/// A contact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Integer id.
    pub id: u64,
    /// Reference, in the space that contacts and users share.
    #[serde(rename = "ref")]
    pub reference: PersonId,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// `+` and digits.
    pub phone: Option<String>,
    /// As given.
    pub email: Option<String>,
    /// `M` or `F`.
    pub gender: Option<String>,
    /// Long text.
    pub note: Option<String>,
    /// Not unique.
    pub external_id: Option<String>,
    /// In the order given; a code may occur several times.
    pub custom_fields: Vec<CustomField>,
    /// A flag for consumers.
    pub is_bot_active: bool,
    /// A flag for consumers.
    pub do_not_disturb: bool,
    /// Who it is in custom channels, in the order in which that became known.
    pub identities: Vec<Identity>,
    /// Integer ids of the lists that it was put on. One that was removed since may still be among
    /// them: it has no record, and ids are never used again.
    pub lists: BTreeSet<u64>,
    /// Found by nobody, and its phone and identities are free.
    pub trashed: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A person in a custom channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The channel's name.
    pub channel: String,
    /// The person's name there.
    pub external_id: String,
}

impl Contact {
    /// Its name in a custom channel; of several the one that became known last.
    pub fn name_in(&self, channel: &str) -> Option<&str> {
        let mut identities = self.identities.iter().rev();
        let found = identities.find(|identity| identity.channel == channel);
        found.map(|identity| identity.external_id.as_str())
    }
}

/// The contact, trashed or not.
pub async fn by_id(tx: &Tx, account: AccountId, id: u64) -> Result<Option<Contact>> {
    tx.read(&keys::record(KIND, account, id)).await
}

/// The contact, if it is not trashed.
pub async fn active(tx: &Tx, account: AccountId, id: u64) -> Result<Option<Contact>> {
    let found = by_id(tx, account, id).await?;
    Ok(found.filter(|contact| !contact.trashed))
}

/// The active contact with this reference.
pub async fn by_reference(tx: &Tx, account: AccountId, id: PersonId) -> Result<Option<Contact>> {
    by_unique(tx, account, BY_REFERENCE, &id.to_string()).await
}

/// The active contact with this phone, in the form of `phone::international`.
pub async fn by_phone(tx: &Tx, account: AccountId, phone: &str) -> Result<Option<Contact>> {
    by_unique(tx, account, BY_PHONE, phone).await
}

/// The active contact that is this person in a custom channel.
pub async fn by_identity(
    tx: &Tx,
    account: AccountId,
    identity: &Identity,
) -> Result<Option<Contact>> {
    by_unique(tx, account, BY_IDENTITY, &identity_text(identity)).await
}

async fn by_unique(
    tx: &Tx,
    account: AccountId,
    index: &str,
    text: &str,
) -> Result<Option<Contact>> {
    match tx.read(&keys::unique(index, account, text)).await? {
        Some(id) => active(tx, account, id).await,
        None => Ok(None),
    }
}

/// The active contact with this email; of several the one with the lowest id.
pub async fn by_email(tx: &Tx, account: AccountId, email: &str) -> Result<Option<Contact>> {
    let range = keys::members(BY_EMAIL, account, &email.to_lowercase());
    let first = tx.scan(&range, 1).await?;
    match first.first().and_then(|(key, _)| keys::id_of(key)) {
        Some(id) => active(tx, account, id).await,
        None => Ok(None),
    }
}

/// There is no such contact.
pub fn missing() -> Error {
    Error::not_found("Contact not found")
}

/// The contact must be there.
pub fn found(contact: Option<Contact>) -> Result<Contact> {
    contact.ok_or_else(missing)
}

/// A reference that neither a contact nor a user of the account has.
pub(super) async fn fresh_reference(tx: &Tx, account: AccountId) -> Result<PersonId> {
    loop {
        let reference = PersonId::random(tx.entropy());
        let text = reference.to_string();
        let own = keys::unique(BY_REFERENCE, account, &text);
        let users = keys::unique(USERS_BY_REFERENCE, account, &text);
        if tx.get(&own).await?.is_none() && tx.get(&users).await?.is_none() {
            return Ok(reference);
        }
    }
}

/// An identity as it is compared. No text of one line holds the character between its parts.
fn identity_text(identity: &Identity) -> String {
    format!("{}\0{}", identity.channel, identity.external_id)
}

/// Every index entry of a contact: the key, and the id where the key does not end in it. A trashed
/// one keeps its reference only, which nobody may be given again.
fn entries(account: AccountId, contact: &Contact) -> BTreeMap<Key, Option<u64>> {
    let id = contact.id;
    let unique = |index, text: &str| (keys::unique(index, account, text), Some(id));
    let mut entries = BTreeMap::new();
    entries.extend([unique(BY_REFERENCE, &contact.reference.to_string())]);
    if contact.trashed {
        let trashed = keys::member(page::TRASHED, account, page::ALL, id);
        entries.insert(trashed, None);
        return entries;
    }
    let created = page::created_key(account, contact);
    entries.insert(created, None);
    let phone = contact.phone.as_deref();
    entries.extend(phone.map(|phone| unique(BY_PHONE, phone)));
    for identity in &contact.identities {
        entries.extend([unique(BY_IDENTITY, &identity_text(identity))]);
        let name = keys::member(BY_CHANNEL_NAME, account, &identity.external_id, id);
        entries.insert(name, None);
    }
    if let Some(email) = &contact.email {
        let key = keys::member(BY_EMAIL, account, &email.to_lowercase(), id);
        entries.insert(key, None);
    }
    let texts = find::entries(account, contact).into_iter();
    entries.extend(texts.map(|key| (key, None)));
    entries
}

/// Writes the record and what differs of its indexes.
pub(super) fn save(
    tx: &Tx,
    account: AccountId,
    before: Option<&Contact>,
    after: &Contact,
) -> Result<()> {
    let old = before.map_or_else(BTreeMap::new, |before| entries(account, before));
    let new = entries(account, after);
    for key in old.keys().filter(|key| !new.contains_key(key)) {
        tx.delete(key.clone());
    }
    for (key, id) in new.iter().filter(|(key, _)| !old.contains_key(key)) {
        match id {
            Some(id) => tx.put(key.clone(), id)?,
            None => tx.put_bytes(key.clone(), bytes::Bytes::new()),
        }
    }
    tx.put(keys::record(KIND, account, after.id), after)
}
