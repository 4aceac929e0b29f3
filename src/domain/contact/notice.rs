//! What consumers are told of contacts (`protocols/notifications.md` 4.2).
//!
//! Owns the shape of those notifications. Does not know when they are due.

use serde::Serialize;

use super::{Contact, CustomField, Identity};
use crate::domain::{change, event, list};
use crate::error::Result;
use crate::id::{AccountId, ListId, PersonId};
use crate::store::Tx;

/// CONTACT of section 3.
#[derive(Debug, Serialize)]
struct Data<'a> {
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
    fn of(contact: &'a Contact, lists: &'a [ListId]) -> Self {
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
            lists,
            identities: &contact.identities,
            created_at: contact.created_at.to_string(),
        }
    }
}

/// References of the lists that a contact is on and that are still there.
async fn lists_of(tx: &Tx, account: AccountId, contact: &Contact) -> Result<Vec<ListId>> {
    let lists = list::those(tx, account, &contact.lists).await?;
    Ok(lists.into_iter().map(|list| list.reference).collect())
}

/// Appends `new_contact`.
pub(super) async fn created(tx: &Tx, account: AccountId, contact: &Contact) -> Result<()> {
    let lists = lists_of(tx, account, contact).await?;
    event::emit(tx, account, "new_contact", &Data::of(contact, &lists)).await?;
    Ok(())
}

/// Appends `update_contact`.
pub(super) async fn updated(
    tx: &Tx,
    account: AccountId,
    before: &Contact,
    after: &Contact,
) -> Result<()> {
    #[derive(Serialize)]
    struct Updated<'a> {
        #[serde(flatten)]
        contact: Data<'a>,
        changed: Vec<String>,
    }
    let lists = lists_of(tx, account, after).await?;
    let (before, after) = (Data::of(before, &lists), Data::of(after, &lists));
    let data = Updated {
        changed: change::changed(&before, &after)?,
        contact: after,
    };
    event::emit(tx, account, "update_contact", &data).await?;
    Ok(())
}

/// Appends `delete_contact`.
pub(super) async fn deleted(tx: &Tx, account: AccountId, contact: &Contact) -> Result<()> {
    #[derive(Serialize)]
    struct Deleted {
        contact_id: u64,
        contact_ref: PersonId,
    }
    let data = Deleted {
        contact_id: contact.id,
        contact_ref: contact.reference,
    };
    event::emit(tx, account, "delete_contact", &data).await?;
    Ok(())
}
