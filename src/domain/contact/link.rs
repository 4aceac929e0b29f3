//! The person link (`protocols/domain.md` section 3): from what is known of somebody to one
//! contact.
//!
//! Owns the order of its steps. Does not know what asks for a person.

use super::{
    BY_CHANNEL_NAME, Contact, Identity, MAX_IDENTITIES, NewContact, active, by_email, by_identity,
    by_phone, create, save,
};
use crate::domain::account::Account;
use crate::domain::{phone, words};
use crate::error::Result;
use crate::id::AccountId;
use crate::store::{Tx, keys};

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
    /// Who it is in the custom channel that it writes or is written to in.
    pub identity: Option<&'a Identity>,
}

/// The contact that this person is, created if nobody is known by what is given. None without a
/// valid phone, a valid email or an identity. What is found is not modified, but for the identity,
/// which it gets if it lacks it.
pub async fn link(tx: &Tx, account: &Account, person: &Person<'_>) -> Result<Option<Contact>> {
    let code = account.settings.default_country_code.as_deref();
    let phone = person.phone.and_then(|text| phone::completed(text, code));
    let email = person.email.filter(|text| words::is_email(text));
    if let Some(identity) = person.identity
        && let Some(known) = by_identity(tx, account.id, identity).await?
    {
        return Ok(Some(known));
    }
    let known = match person.identity {
        Some(identity) => elsewhere(tx, account.id, identity).await?,
        None => None,
    };
    let known = match (known, phone.as_deref()) {
        (None, Some(phone)) => by_phone(tx, account.id, phone).await?,
        (known, _) => known,
    };
    let known = match (known, email) {
        (None, Some(email)) => {
            let with_email = by_email(tx, account.id, email).await?;
            // With a number to look for, a contact that has another number is somebody else.
            with_email.filter(|found| phone.is_none() || found.phone.is_none())
        }
        (known, _) => known,
    };
    if let Some(known) = known {
        return identified(tx, account.id, known, person.identity).map(Some);
    }
    if phone.is_none() && email.is_none() && person.identity.is_none() {
        return Ok(None);
    }
    let new = NewContact {
        first_name: person.first_name.to_owned(),
        last_name: person.last_name.to_owned(),
        phone,
        email: email.map(str::to_owned),
        identity: person.identity.cloned(),
        ..NewContact::default()
    };
    let (contact, _) = create(tx, account.id, &new).await?;
    Ok(Some(contact))
}

/// The only active contact whom some other channel knows by this name.
async fn elsewhere(tx: &Tx, account: AccountId, identity: &Identity) -> Result<Option<Contact>> {
    let range = keys::members(BY_CHANNEL_NAME, account, &identity.external_id);
    let found = tx.scan(&range, 2).await?;
    match found.as_slice() {
        [(key, _)] => match keys::id_of(key) {
            Some(id) => active(tx, account, id).await,
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

/// The contact with the identity, which no other contact has.
fn identified(
    tx: &Tx,
    account: AccountId,
    known: Contact,
    identity: Option<&Identity>,
) -> Result<Contact> {
    let Some(identity) = identity.filter(|_| known.identities.len() < MAX_IDENTITIES) else {
        return Ok(known);
    };
    let mut after = known.clone();
    after.identities.push(identity.clone());
    after.updated_at = tx.now();
    save(tx, account, Some(&known), &after)?;
    Ok(after)
}
