//! Contacts: the people an account deals with (`protocols/domain.md` 2.3), and the link from a
//! phone number or an address to one of them (section 3).
//!
//! Owns the record, its look-ups and `new_contact`. Does not know leads, users or conversations,
//! which point here.

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::{event, phone, sequence, words};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{AccountId, ListId, PersonId};
use crate::store::{Tx, keys};

/// Kind of the records.
const KIND: &str = "contact";
/// Active contacts by phone: unique.
const BY_PHONE: &str = "contact-phone";
/// Active contacts by email in lower case.
const BY_EMAIL: &str = "contact-email";
/// All contacts by reference: unique.
const BY_REFERENCE: &str = "contact-ref";
/// Users by reference, who share the space.
const USERS_BY_REFERENCE: &str = "user-ref";

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
    /// Who it is in custom channels.
    pub identities: Vec<Identity>,
    /// Lists it is a member of.
    pub lists: Vec<ListId>,
    /// Found by nobody, and its phone and identities are free.
    pub trashed: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A value under a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomField {
    /// 1-64 characters.
    pub code: String,
    /// At most 10 000 characters.
    pub value: String,
}

/// A person in a custom channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The channel's name.
    pub channel: String,
    /// The person's name there.
    pub external_id: String,
}

/// What is known of somebody who may be a contact.
#[derive(Debug, Clone, Copy, Default)]
pub struct Person<'a> {
    /// As given; completed by the account's country code.
    pub phone: Option<&'a str>,
    /// As given.
    pub email: Option<&'a str>,
    /// For a contact that is created.
    pub first_name: &'a str,
    /// For a contact that is created.
    pub last_name: &'a str,
}

/// The contact, trashed or not.
pub async fn by_id(tx: &Tx, account: AccountId, id: u64) -> Result<Option<Contact>> {
    tx.read(&keys::record(KIND, account, id)).await
}

/// The active contact with this phone, in the form of `phone::international`.
pub async fn by_phone(tx: &Tx, account: AccountId, phone: &str) -> Result<Option<Contact>> {
    match tx.read(&keys::unique(BY_PHONE, account, phone)).await? {
        Some(id) => by_id(tx, account, id).await,
        None => Ok(None),
    }
}

/// The active contact with this email; of several the one with the lowest id.
pub async fn by_email(tx: &Tx, account: AccountId, email: &str) -> Result<Option<Contact>> {
    let range = keys::members(BY_EMAIL, account, &email.to_lowercase());
    let first = tx.scan(&range, 1).await?;
    match first.first().and_then(|(key, _)| keys::id_of(key)) {
        Some(id) => by_id(tx, account, id).await,
        None => Ok(None),
    }
}

/// The contact that this person is, created if nobody is known by the phone or the email. None
/// without a valid phone or email. What is found is not modified.
pub async fn link(tx: &Tx, account: &Account, person: &Person<'_>) -> Result<Option<u64>> {
    let code = account.settings.default_country_code.as_deref();
    let phone = person.phone.and_then(|text| phone::completed(text, code));
    let email = person.email.filter(|text| words::is_email(text));
    if let Some(phone) = &phone
        && let Some(found) = by_phone(tx, account.id, phone).await?
    {
        return Ok(Some(found.id));
    }
    if let Some(email) = email
        && let Some(found) = by_email(tx, account.id, email).await?
        && (phone.is_none() || found.phone.is_none())
    {
        return Ok(Some(found.id));
    }
    if phone.is_none() && email.is_none() {
        return Ok(None);
    }
    let mut fresh = blank(tx, account.id).await?;
    fresh.first_name = person.first_name.to_owned();
    fresh.last_name = person.last_name.to_owned();
    fresh.phone = phone;
    fresh.email = email.map(str::to_owned);
    insert(tx, account.id, &fresh).await?;
    Ok(Some(fresh.id))
}

/// A contact of whom nothing is known, under fresh ids.
async fn blank(tx: &Tx, account: AccountId) -> Result<Contact> {
    let id = sequence::next(tx, account, KIND).await?;
    Ok(Contact {
        id,
        reference: fresh_reference(tx, account).await?,
        first_name: String::new(),
        last_name: String::new(),
        phone: None,
        email: None,
        gender: None,
        note: None,
        external_id: None,
        custom_fields: Vec::new(),
        is_bot_active: true,
        do_not_disturb: false,
        identities: Vec::new(),
        lists: Vec::new(),
        trashed: false,
        created_at: tx.now(),
        updated_at: tx.now(),
    })
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

/// Stores a new contact whose phone is free, and appends `new_contact`.
async fn insert(tx: &Tx, account: AccountId, contact: &Contact) -> Result<()> {
    tx.put(keys::record(KIND, account, contact.id), contact)?;
    let reference = contact.reference.to_string();
    let by_reference = keys::unique(BY_REFERENCE, account, &reference);
    tx.put(by_reference, &contact.id)?;
    if let Some(phone) = &contact.phone {
        tx.put(keys::unique(BY_PHONE, account, phone), &contact.id)?;
    }
    if let Some(email) = &contact.email {
        let key = keys::member(BY_EMAIL, account, &email.to_lowercase(), contact.id);
        tx.put_bytes(key, bytes::Bytes::new());
    }
    event::emit(tx, account, "new_contact", &Data::of(contact)).await?;
    Ok(())
}

/// CONTACT of `protocols/notifications.md` section 3.
#[derive(Debug, Serialize)]
pub struct Data<'a> {
    contact_id: u64,
    contact_ref: PersonId,
    first_name: &'a str,
    last_name: &'a str,
    phone: Option<&'a str>,
    email: Option<&'a str>,
    gender: Option<&'a str>,
    note: Option<&'a str>,
    external_id: Option<&'a str>,
    is_bot_active: bool,
    do_not_disturb: bool,
    custom_fields: &'a [CustomField],
    lists: &'a [ListId],
    identities: &'a [Identity],
    created_at: String,
}

impl<'a> Data<'a> {
    /// Of this contact.
    pub fn of(contact: &'a Contact) -> Self {
        Self {
            contact_id: contact.id,
            contact_ref: contact.reference,
            first_name: &contact.first_name,
            last_name: &contact.last_name,
            phone: contact.phone.as_deref(),
            email: contact.email.as_deref(),
            gender: contact.gender.as_deref(),
            note: contact.note.as_deref(),
            external_id: contact.external_id.as_deref(),
            is_bot_active: contact.is_bot_active,
            do_not_disturb: contact.do_not_disturb,
            custom_fields: &contact.custom_fields,
            lists: &contact.lists,
            identities: &contact.identities,
            created_at: contact.created_at.to_string(),
        }
    }
}
