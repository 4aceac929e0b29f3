//! Lists of contacts, which the helpdesk calls customers groups (`protocols/domain.md` 2.4).
//!
//! Owns the record, the uniqueness of names, who is on a list, and the notifications of both. Who
//! is on it stands with the contact; a list that goes is forgotten there by and by. Does not know
//! how parameters are spelled.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::contact::{self, Contact};
use super::{change, event, sequence, words};
use crate::error::{Error, Result};
use crate::id::{AccountId, ListId, PersonId};
use crate::store::{Tx, keys};

/// Kind of the records.
const KIND: &str = "list";
/// Lists by folded name: unique.
const BY_NAME: &str = "list-name";
/// Lists by reference: unique.
const BY_REFERENCE: &str = "list-ref";
/// Characters of a name.
pub const MAX_NAME: usize = 255;
/// Lists that one contact is on.
const MAX_OF_CONTACT: usize = 1000;
/// Lists that are read at once.
const PAGE: usize = 1000;

/// A list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// Integer id, shown nowhere.
    pub id: u64,
    /// Reference.
    #[serde(rename = "ref")]
    pub reference: ListId,
    /// As given; compared in lower case.
    pub name: String,
    /// Six upper-case hex digits.
    pub color: String,
    /// Six upper-case hex digits.
    pub bg_color: String,
}

/// New values; none = as it was, or the default of a new list. The name has its length, the colors
/// are of [`words::color`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Changes {
    pub name: Option<String>,
    pub color: Option<String>,
    pub bg_color: Option<String>,
}

/// The list with this reference.
pub async fn by_reference(tx: &Tx, account: AccountId, id: ListId) -> Result<Option<List>> {
    by_index(tx, account, BY_REFERENCE, &id.to_string()).await
}

/// The list of this name, whatever the case.
pub async fn by_name(tx: &Tx, account: AccountId, name: &str) -> Result<Option<List>> {
    by_index(tx, account, BY_NAME, &words::fold(name)).await
}

async fn by_index(tx: &Tx, account: AccountId, index: &str, text: &str) -> Result<Option<List>> {
    match tx.read(&keys::unique(index, account, text)).await? {
        Some(id) => tx.read(&keys::record(KIND, account, id)).await,
        None => Ok(None),
    }
}

/// Those of the lists that are still there, by integer id.
pub async fn those(tx: &Tx, account: AccountId, ids: &BTreeSet<u64>) -> Result<Vec<List>> {
    let keys: Vec<_> = ids
        .iter()
        .map(|id| keys::record(KIND, account, *id))
        .collect();
    Ok(tx.read_all(&keys).await?.into_iter().flatten().collect())
}

/// Every list of the account, by name.
pub async fn all(tx: &Tx, account: AccountId) -> Result<Vec<List>> {
    let mut range = keys::records(KIND, account);
    let mut lists: Vec<List> = Vec::new();
    loop {
        let some = tx.read_range(&range, PAGE).await?;
        if let Some((last, _)) = some.last() {
            range = range.following(last);
        }
        let is_last = some.len() < PAGE;
        lists.extend(some.into_iter().map(|(_, list)| list));
        if is_last {
            break;
        }
    }
    lists.sort_by_cached_key(|list| words::fold(&list.name));
    Ok(lists)
}

/// There is no such list.
pub fn missing() -> Error {
    Error::not_found("List not found")
}

/// Creates a list and appends `new_list`. `Conflict` when the name is taken.
pub async fn create(tx: &Tx, account: AccountId, new: &Changes) -> Result<List> {
    let name = new.name.clone().unwrap_or_default();
    is_free(tx, account, &name).await?;
    let or = |given: &Option<String>, default: &str| given.clone().unwrap_or(default.to_owned());
    let list = List {
        id: sequence::next(tx, account, KIND).await?,
        reference: fresh_reference(tx, account).await?,
        name,
        color: or(&new.color, words::COLOR),
        bg_color: or(&new.bg_color, words::BG_COLOR),
    };
    let by_reference = keys::unique(BY_REFERENCE, account, &list.reference.to_string());
    tx.put(by_reference, &list.id)?;
    tx.put(by_name_key(account, &list.name), &list.id)?;
    tx.put(keys::record(KIND, account, list.id), &list)?;
    event::emit(tx, account, "new_list", &Data::of(&list)).await?;
    Ok(list)
}

/// Changes a list and appends `update_list`. Equal values change nothing and say nothing.
pub async fn update(tx: &Tx, account: AccountId, before: &List, new: &Changes) -> Result<List> {
    #[derive(Serialize)]
    struct Updated<'a> {
        #[serde(flatten)]
        list: Data<'a>,
        changed: Vec<String>,
    }
    let or = |given: &Option<String>, old: &str| given.clone().unwrap_or(old.to_owned());
    let after = List {
        name: or(&new.name, &before.name),
        color: or(&new.color, &before.color),
        bg_color: or(&new.bg_color, &before.bg_color),
        ..before.clone()
    };
    if after == *before {
        return Ok(after);
    }
    let keys = [&before.name, &after.name].map(|name| by_name_key(account, name));
    if keys[0] != keys[1] {
        is_free(tx, account, &after.name).await?;
        let [old, new] = keys;
        tx.delete(old);
        tx.put(new, &after.id)?;
    }
    tx.put(keys::record(KIND, account, after.id), &after)?;
    let data = Updated {
        changed: change::changed(&Data::of(before), &Data::of(&after))?,
        list: Data::of(&after),
    };
    event::emit(tx, account, "update_list", &data).await?;
    Ok(after)
}

/// Removes a list and appends `delete_list`. Nobody is on it from then on.
pub async fn remove(tx: &Tx, account: AccountId, list: &List) -> Result<()> {
    #[derive(Serialize)]
    struct Removed<'a> {
        list_id: ListId,
        name: &'a str,
    }
    tx.delete(keys::record(KIND, account, list.id));
    tx.delete(by_name_key(account, &list.name));
    let reference = list.reference.to_string();
    tx.delete(keys::unique(BY_REFERENCE, account, &reference));
    let data = Removed {
        list_id: list.reference,
        name: &list.name,
    };
    event::emit(tx, account, "delete_list", &data).await?;
    Ok(())
}

/// Puts a contact on a list and appends `list_member_added`, unless it is on it already. Gives the
/// contact as it is then.
pub async fn add(tx: &Tx, account: AccountId, list: &List, member: &Contact) -> Result<Contact> {
    let mut after = member.clone();
    if !after.lists.insert(list.id) {
        return Ok(after);
    }
    if after.lists.len() > MAX_OF_CONTACT {
        // Some of them may be gone.
        let there = those(tx, account, &after.lists).await?;
        after.lists = there.into_iter().map(|list| list.id).collect();
    }
    if after.lists.len() > MAX_OF_CONTACT {
        let text = format!("A contact can be on at most {MAX_OF_CONTACT} lists");
        return Err(Error::conflict(text));
    }
    after.updated_at = tx.now();
    contact::save(tx, account, Some(member), &after)?;
    tell(tx, account, "list_member_added", list, &after).await?;
    Ok(after)
}

/// Takes a contact off a list and appends `list_member_removed`, if it was on it. Gives the contact
/// as it is then.
pub async fn take_off(
    tx: &Tx,
    account: AccountId,
    list: &List,
    member: &Contact,
) -> Result<Contact> {
    let mut after = member.clone();
    if !after.lists.remove(&list.id) {
        return Ok(after);
    }
    after.updated_at = tx.now();
    contact::save(tx, account, Some(member), &after)?;
    tell(tx, account, "list_member_removed", list, &after).await?;
    Ok(after)
}

async fn is_free(tx: &Tx, account: AccountId, name: &str) -> Result<()> {
    match by_name(tx, account, name).await? {
        Some(_) => Err(Error::conflict("There is a list of this name already")),
        None => Ok(()),
    }
}

fn by_name_key(account: AccountId, name: &str) -> crate::store::Key {
    keys::unique(BY_NAME, account, &words::fold(name))
}

async fn fresh_reference(tx: &Tx, account: AccountId) -> Result<ListId> {
    loop {
        let reference = ListId::random(tx.entropy());
        let key = keys::unique(BY_REFERENCE, account, &reference.to_string());
        if tx.get(&key).await?.is_none() {
            return Ok(reference);
        }
    }
}

/// Data of `new_list`.
#[derive(Serialize)]
struct Data<'a> {
    list_id: ListId,
    name: &'a str,
    color: &'a str,
    bg_color: &'a str,
}

impl<'a> Data<'a> {
    fn of(list: &'a List) -> Self {
        Self {
            list_id: list.reference,
            name: &list.name,
            color: &list.color,
            bg_color: &list.bg_color,
        }
    }
}

async fn tell(
    tx: &Tx,
    account: AccountId,
    event_type: &str,
    list: &List,
    member: &Contact,
) -> Result<()> {
    #[derive(Serialize)]
    struct Membership<'a> {
        list_id: ListId,
        list_name: &'a str,
        contact_id: u64,
        contact_ref: PersonId,
    }
    let data = Membership {
        list_id: list.reference,
        list_name: &list.name,
        contact_id: member.id,
        contact_ref: member.reference,
    };
    event::emit(tx, account, event_type, &data).await?;
    Ok(())
}
