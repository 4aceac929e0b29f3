//! The lead of a contact that somebody works on.
//!
//! Owns which of a contact's leads that is, and how it comes to be where there is none. Does not
//! know who asks.

use std::collections::BTreeMap;

use super::fields::Fields;
use super::{BY_CONTACT, KIND, Lead, Status, Text, create};
use crate::domain::account::Account;
use crate::domain::actor::Actor;
use crate::domain::contact::Contact;
use crate::error::Result;
use crate::id::AccountId;
use crate::store::{Key, Tx, keys};

/// Leads that are read at once.
const PAGE: usize = 100;

/// The contact's lead with the lowest id that is neither closed nor deleted; where there is none, a
/// new one with the contact's names, phone and address, from `source`.
pub async fn worked_on(
    tx: &Tx,
    account: &Account,
    contact: &Contact,
    source: &str,
    actor: &Actor,
) -> Result<Lead> {
    if let Some(known) = first_open(tx, account.id, contact.id).await? {
        return Ok(known);
    }
    let texts = BTreeMap::from([
        (Text::FirstName, contact.first_name.clone()),
        (Text::LastName, contact.last_name.clone()),
        (Text::Phone, contact.phone.clone().unwrap_or_default()),
        (Text::Email, contact.email.clone().unwrap_or_default()),
        (Text::Source, source.to_owned()),
    ]);
    let fields = Fields {
        texts,
        ..Fields::default()
    };
    create(tx, account, &fields, None, actor).await
}

async fn first_open(tx: &Tx, account: AccountId, contact: u64) -> Result<Option<Lead>> {
    let mut range = keys::members(BY_CONTACT, account, &contact.to_string());
    loop {
        let found = tx.scan(&range, PAGE).await?;
        let ids = found.iter().filter_map(|(key, _)| keys::id_of(key));
        let records: Vec<Key> = ids.map(|id| keys::record(KIND, account, id)).collect();
        let leads: Vec<Option<Lead>> = tx.read_all(&records).await?;
        let is_open = |lead: &Lead| lead.is_live() && lead.status != Status::Closed;
        if let Some(open) = leads.into_iter().flatten().find(is_open) {
            return Ok(Some(open));
        }
        match found.last() {
            Some((last, _)) if found.len() == PAGE => range = range.following(last),
            _ => return Ok(None),
        }
    }
}
