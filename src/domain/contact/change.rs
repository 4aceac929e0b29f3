//! How contacts come to be, change and go.
//!
//! Owns the duplicate rule, the uniqueness of phones and what is told. Does not know how
//! parameters are spelled.

use std::collections::BTreeSet;

use super::{
    Contact, CustomField, Identity, KIND, active, by_email, by_identity, by_phone, fields, found,
    fresh_reference, nobody, notice, save,
};
use crate::domain::sequence;
use crate::error::{Error, Result};
use crate::id::AccountId;
use crate::store::Tx;

/// What a new contact is to be. Texts have their forms and lengths; the phone is one of
/// `phone::international`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct NewContact {
    pub first_name: String,
    pub last_name: String,
    pub phone: Option<String>,
    pub email: Option<String>,
    pub gender: Option<String>,
    pub note: Option<String>,
    pub external_id: Option<String>,
    pub custom_fields: Vec<CustomField>,
    pub is_bot_active: bool,
    pub do_not_disturb: bool,
    /// Given to it if nobody else has it.
    pub identity: Option<Identity>,
}

impl Default for NewContact {
    fn default() -> Self {
        Self {
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
            identity: None,
        }
    }
}

/// Creates a contact and appends `new_contact`, unless there is an active one with the phone or,
/// where no phone is given, with the email: then that one, as it is. Says whether it is new.
pub async fn create(tx: &Tx, account: AccountId, new: &NewContact) -> Result<(Contact, bool)> {
    let known = match (&new.phone, &new.email) {
        (Some(phone), _) => by_phone(tx, account, phone).await?,
        (None, Some(email)) => by_email(tx, account, email).await?,
        (None, None) => None,
    };
    if let Some(known) = known {
        return Ok((known, false));
    }
    fields::bounded(&new.custom_fields)?;
    let contact = Contact {
        id: sequence::next(tx, account, KIND).await?,
        reference: fresh_reference(tx, account).await?,
        first_name: new.first_name.clone(),
        last_name: new.last_name.clone(),
        phone: new.phone.clone(),
        email: new.email.clone(),
        gender: new.gender.clone(),
        note: new.note.clone(),
        external_id: new.external_id.clone(),
        custom_fields: new.custom_fields.clone(),
        is_bot_active: new.is_bot_active,
        do_not_disturb: new.do_not_disturb,
        identities: free(tx, account, new.identity.as_ref()).await?,
        lists: BTreeSet::new(),
        trashed: false,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    save(tx, account, None, &contact)?;
    notice::created(tx, account, &contact).await?;
    Ok((contact, true))
}

/// The identity, unless another contact has it.
async fn free(tx: &Tx, account: AccountId, given: Option<&Identity>) -> Result<Vec<Identity>> {
    let Some(identity) = given else {
        return Ok(Vec::new());
    };
    let taken = by_identity(tx, account, identity).await?.is_some();
    let own = (!taken).then(|| identity.clone());
    Ok(own.into_iter().collect())
}

/// New values of a contact's fields; none = as it was. An inner none clears the field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs, clippy::option_option)]
pub struct Changes {
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub phone: Option<Option<String>>,
    pub email: Option<Option<String>>,
    /// All of them.
    pub custom_fields: Option<Vec<CustomField>>,
    pub is_bot_active: Option<bool>,
    pub do_not_disturb: Option<bool>,
}

impl Changes {
    fn applied(&self, before: &Contact) -> Contact {
        let mut after = before.clone();
        macro_rules! take {
            ($($field:ident)*) => {
                $(if let Some(value) = &self.$field {
                    after.$field.clone_from(value);
                })*
            };
        }
        take!(first_name last_name phone email custom_fields is_bot_active do_not_disturb);
        after
    }
}

/// Changes an active contact and appends `update_contact`. Equal values change nothing and say
/// nothing. `Conflict` when the phone is another contact's; a change of phone or email that leaves
/// neither is `Invalid` for the field `phone`.
pub async fn update(tx: &Tx, account: AccountId, id: u64, changes: &Changes) -> Result<Contact> {
    let before = found(active(tx, account, id).await?)?;
    let mut after = changes.applied(&before);
    if after == before {
        return Ok(before);
    }
    let moved = after.phone != before.phone || after.email != before.email;
    if moved && after.phone.is_none() && after.email.is_none() {
        return Err(nobody());
    }
    fields::bounded(&after.custom_fields)?;
    if after.phone != before.phone
        && let Some(phone) = &after.phone
        && by_phone(tx, account, phone).await?.is_some()
    {
        return Err(Error::conflict("Another contact has this phone number"));
    }
    after.updated_at = tx.now();
    save(tx, account, Some(&before), &after)?;
    notice::updated(tx, account, &before, &after).await?;
    Ok(after)
}

/// Trashes an active contact and appends `delete_contact`. Nobody finds it any more; its leads and
/// conversations still show it.
pub async fn trash(tx: &Tx, account: AccountId, id: u64) -> Result<()> {
    let before = found(active(tx, account, id).await?)?;
    let mut after = before.clone();
    after.trashed = true;
    after.updated_at = tx.now();
    save(tx, account, Some(&before), &after)?;
    notice::deleted(tx, account, &after).await
}
