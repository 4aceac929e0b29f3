//! Tags (`protocols/domain.md` 2.4): words on leads and conversations.
//!
//! Owns the record, the uniqueness of names and what is told of tags. A tag that goes is forgotten
//! by and by where it was: ids are never used again. Does not know what carries a tag.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{change, event, sequence, words};
use crate::error::{Error, Result};
use crate::id::{AccountId, TagId};
use crate::store::{Key, Tx, keys};

/// Kind of the records.
const KIND: &str = "tag";
/// Tags by folded name: unique.
const BY_NAME: &str = "tag-name";
/// Tags by reference: unique.
const BY_REFERENCE: &str = "tag-ref";
/// Characters of a name.
pub const MAX_NAME: usize = 64;
/// Tags that are read at once.
const PAGE: usize = 1000;

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Integer id, shown nowhere.
    pub id: u64,
    /// Reference.
    #[serde(rename = "ref")]
    pub reference: TagId,
    /// As it was given first; compared in lower case.
    pub name: String,
    /// Six upper-case hex digits.
    pub color: String,
    /// Six upper-case hex digits.
    pub bg_color: String,
}

/// New values; none = as it was, or the default of a new tag. The name has its length, the colors
/// are of [`words::color`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Changes {
    pub name: Option<String>,
    pub color: Option<String>,
    pub bg_color: Option<String>,
}

/// The tag with this reference.
pub async fn by_reference(tx: &Tx, account: AccountId, id: TagId) -> Result<Option<Tag>> {
    match tx
        .read(&keys::unique(BY_REFERENCE, account, &id.to_string()))
        .await?
    {
        Some(id) => tx.read(&keys::record(KIND, account, id)).await,
        None => Ok(None),
    }
}

/// The tag of this name, whatever the case.
pub async fn named(tx: &Tx, account: AccountId, name: &str) -> Result<Option<Tag>> {
    match by_name(tx, account, name).await? {
        Some(id) => tx.read(&keys::record(KIND, account, id)).await,
        None => Ok(None),
    }
}

/// Those of the tags that are still there, by name.
pub async fn those(tx: &Tx, account: AccountId, ids: &BTreeSet<u64>) -> Result<Vec<Tag>> {
    let keys: Vec<_> = ids
        .iter()
        .map(|id| keys::record(KIND, account, *id))
        .collect();
    let mut tags: Vec<Tag> = tx.read_all(&keys).await?.into_iter().flatten().collect();
    tags.sort_by_cached_key(|tag| words::fold(&tag.name));
    Ok(tags)
}

/// Every tag of the account, by name.
pub async fn all(tx: &Tx, account: AccountId) -> Result<Vec<Tag>> {
    let mut range = keys::records(KIND, account);
    let mut tags: Vec<Tag> = Vec::new();
    loop {
        let some = tx.read_range(&range, PAGE).await?;
        if let Some((last, _)) = some.last() {
            range = range.following(last);
        }
        let is_last = some.len() < PAGE;
        tags.extend(some.into_iter().map(|(_, tag)| tag));
        if is_last {
            break;
        }
    }
    tags.sort_by_cached_key(|tag| words::fold(&tag.name));
    Ok(tags)
}

/// The tag of this name, whatever the case.
pub async fn by_name(tx: &Tx, account: AccountId, name: &str) -> Result<Option<u64>> {
    let key = keys::unique(BY_NAME, account, &words::fold(name));
    tx.read(&key).await
}

/// The tags of these names; a name that is unknown becomes a new tag (`new_tag`).
pub async fn ensure(tx: &Tx, account: AccountId, names: &[String]) -> Result<BTreeSet<u64>> {
    let mut ids = BTreeSet::new();
    for name in names {
        let id = if let Some(id) = by_name(tx, account, name).await? {
            id
        } else {
            let new = Changes {
                name: Some(name.clone()),
                ..Changes::default()
            };
            insert(tx, account, &new).await?.id
        };
        ids.insert(id);
    }
    Ok(ids)
}

/// The names of those of the tags that are still there, in their order without regard to case.
pub async fn names(tx: &Tx, account: AccountId, ids: &BTreeSet<u64>) -> Result<Vec<String>> {
    let tags = those(tx, account, ids).await?;
    Ok(tags.into_iter().map(|tag| tag.name).collect())
}

/// Creates a tag and appends `new_tag`. `Conflict` when the name is taken.
pub async fn create(tx: &Tx, account: AccountId, new: &Changes) -> Result<Tag> {
    is_free(tx, account, new.name.as_deref().unwrap_or_default()).await?;
    insert(tx, account, new).await
}

/// Creates a tag of a name that is free.
async fn insert(tx: &Tx, account: AccountId, new: &Changes) -> Result<Tag> {
    let or = |given: &Option<String>, default: &str| given.clone().unwrap_or(default.to_owned());
    let tag = Tag {
        id: sequence::next(tx, account, KIND).await?,
        reference: fresh_reference(tx, account).await?,
        name: or(&new.name, ""),
        color: or(&new.color, words::COLOR),
        bg_color: or(&new.bg_color, words::BG_COLOR),
    };
    let by_reference = keys::unique(BY_REFERENCE, account, &tag.reference.to_string());
    tx.put(by_reference, &tag.id)?;
    tx.put(by_name_key(account, &tag.name), &tag.id)?;
    tx.put(keys::record(KIND, account, tag.id), &tag)?;
    event::emit(tx, account, "new_tag", &Data::of(&tag)).await?;
    Ok(tag)
}

/// Changes a tag and appends `update_tag`. Equal values change nothing and say nothing.
pub async fn update(tx: &Tx, account: AccountId, before: &Tag, new: &Changes) -> Result<Tag> {
    #[derive(Serialize)]
    struct Updated<'a> {
        #[serde(flatten)]
        tag: Data<'a>,
        changed: Vec<String>,
    }
    let or = |given: &Option<String>, old: &str| given.clone().unwrap_or(old.to_owned());
    let after = Tag {
        name: or(&new.name, &before.name),
        color: or(&new.color, &before.color),
        bg_color: or(&new.bg_color, &before.bg_color),
        ..before.clone()
    };
    if after == *before {
        return Ok(after);
    }
    let [old, fresh] = [&before.name, &after.name].map(|name| by_name_key(account, name));
    if old != fresh {
        is_free(tx, account, &after.name).await?;
        tx.delete(old);
        tx.put(fresh, &after.id)?;
    }
    tx.put(keys::record(KIND, account, after.id), &after)?;
    let data = Updated {
        changed: change::changed(&Data::of(before), &Data::of(&after))?,
        tag: Data::of(&after),
    };
    event::emit(tx, account, "update_tag", &data).await?;
    Ok(after)
}

/// Removes a tag and appends `delete_tag`. Nothing carries it from then on.
pub async fn remove(tx: &Tx, account: AccountId, tag: &Tag) -> Result<()> {
    #[derive(Serialize)]
    struct Removed<'a> {
        tag_id: TagId,
        name: &'a str,
    }
    tx.delete(keys::record(KIND, account, tag.id));
    tx.delete(by_name_key(account, &tag.name));
    let reference = tag.reference.to_string();
    tx.delete(keys::unique(BY_REFERENCE, account, &reference));
    let data = Removed {
        tag_id: tag.reference,
        name: &tag.name,
    };
    event::emit(tx, account, "delete_tag", &data).await?;
    Ok(())
}

async fn is_free(tx: &Tx, account: AccountId, name: &str) -> Result<()> {
    match by_name(tx, account, name).await? {
        Some(_) => Err(Error::conflict("There is a tag of this name already")),
        None => Ok(()),
    }
}

fn by_name_key(account: AccountId, name: &str) -> Key {
    keys::unique(BY_NAME, account, &words::fold(name))
}

async fn fresh_reference(tx: &Tx, account: AccountId) -> Result<TagId> {
    loop {
        let reference = TagId::random(tx.entropy());
        let key = keys::unique(BY_REFERENCE, account, &reference.to_string());
        if tx.get(&key).await?.is_none() {
            return Ok(reference);
        }
    }
}

/// Data of `new_tag`.
#[derive(Serialize)]
struct Data<'a> {
    tag_id: TagId,
    name: &'a str,
    color: &'a str,
    bg_color: &'a str,
}

impl<'a> Data<'a> {
    fn of(tag: &'a Tag) -> Self {
        Self {
            tag_id: tag.reference,
            name: &tag.name,
            color: &tag.color,
            bg_color: &tag.bg_color,
        }
    }
}
