//! Tags (`protocols/domain.md` 2.4): words on leads and conversations.
//!
//! Owns the record, the uniqueness of names and `new_tag`. Does not know what carries a tag.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{event, sequence, words};
use crate::error::{Error, Result};
use crate::id::{AccountId, TagId};
use crate::store::{Tx, keys};

/// Kind of the records.
const KIND: &str = "tag";
/// Tags by folded name: unique.
const BY_NAME: &str = "tag-name";
/// Tags by reference: unique.
const BY_REFERENCE: &str = "tag-ref";
/// Characters of a name.
pub const MAX_NAME: usize = 64;

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

/// The tag with this integer id.
async fn by_id(tx: &Tx, account: AccountId, id: u64) -> Result<Tag> {
    let found = tx.read(&keys::record(KIND, account, id)).await?;
    found.ok_or_else(|| {
        tracing::error!(%account, tag = id, "a tag that is in use has no record");
        Error::internal()
    })
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
        let id = match by_name(tx, account, name).await? {
            Some(id) => id,
            None => create(tx, account, name).await?,
        };
        ids.insert(id);
    }
    Ok(ids)
}

/// The names of tags, in their order without regard to case.
pub async fn names(tx: &Tx, account: AccountId, ids: &BTreeSet<u64>) -> Result<Vec<String>> {
    let mut names = Vec::with_capacity(ids.len());
    for id in ids {
        names.push(by_id(tx, account, *id).await?.name);
    }
    names.sort_by_cached_key(|name| words::fold(name));
    Ok(names)
}

async fn create(tx: &Tx, account: AccountId, name: &str) -> Result<u64> {
    let tag = Tag {
        id: sequence::next(tx, account, KIND).await?,
        reference: fresh_reference(tx, account).await?,
        name: name.to_owned(),
        color: words::COLOR.to_owned(),
        bg_color: words::BG_COLOR.to_owned(),
    };
    let by_reference = keys::unique(BY_REFERENCE, account, &tag.reference.to_string());
    tx.put(by_reference, &tag.id)?;
    tx.put(keys::unique(BY_NAME, account, &words::fold(name)), &tag.id)?;
    tx.put(keys::record(KIND, account, tag.id), &tag)?;
    let data = Data {
        tag_id: tag.reference,
        name,
        color: &tag.color,
        bg_color: &tag.bg_color,
    };
    event::emit(tx, account, "new_tag", &data).await?;
    Ok(tag.id)
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
