//! The knowledge base (`protocols/domain.md` 2.7): categories, articles and suggestions.
//!
//! Owns the record, its lists, its search and `new_suggestion`. Categories and articles are the
//! operator's. Does not know how a request is spelled.

use serde::{Deserialize, Serialize};

use super::conversation::message::Author;
use super::{contact, event, sequence, user, words};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::{AccountId, EntryId};
use crate::store::{Key, Tx, keys};

/// Kind of the records.
const RECORD: &str = "kb-entry";
/// Entries by reference: unique.
const BY_REFERENCE: &str = "kb-entry-ref";
/// Entries by what they are: see [`groups`].
const OF: &str = "kb-entry-of";
/// All articles and suggestions; articles and suggestions to be searched; all categories.
const ENTRIES: &str = "entries";
const PUBLISHED: &str = "published";
const CATEGORIES: &str = "categories";
/// Entries that are read at once.
const PAGE: usize = 500;
/// Categories that stand in each other.
const MAX_DEPTH: usize = 32;
/// Characters of a title and of other short texts.
pub const MAX_TITLE: usize = 255;
/// Characters of a content.
pub const MAX_CONTENT: usize = 10_000;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Holds others.
    Category,
    /// Written by the operator.
    Article,
    /// Sent in by somebody.
    Suggestion,
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Integer id: the order in which entries came.
    pub id: u64,
    /// Reference.
    #[serde(rename = "ref")]
    pub reference: EntryId,
    /// What it is.
    pub kind: Kind,
    /// At most 255 characters.
    pub title: String,
    /// At most 10 000 characters.
    pub content: String,
    /// Short text.
    pub metadescription: String,
    /// Short text.
    pub keywords: String,
    /// Integer id of the category that it stands in.
    pub parent: Option<u64>,
    /// Who wrote it.
    pub author: Author,
    /// Everybody may read it; else it is pending.
    pub is_public: bool,
    /// Still listed among the entries.
    pub deleted: bool,
    /// When it came.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub changed_at: Timestamp,
}

/// New values; none = as it was. Texts have their lengths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Changes {
    pub title: Option<String>,
    pub content: Option<String>,
    pub metadescription: Option<String>,
    pub keywords: Option<String>,
    /// Integer id of a category.
    pub parent: Option<u64>,
    pub is_public: Option<bool>,
    pub deleted: Option<bool>,
}

/// The entry with this reference, deleted or not.
pub async fn by_reference(tx: &Tx, account: AccountId, id: EntryId) -> Result<Option<Entry>> {
    let key = keys::unique(BY_REFERENCE, account, &id.to_string());
    match tx.read(&key).await? {
        Some(id) => by_id(tx, account, id).await,
        None => Ok(None),
    }
}

/// The entry with this integer id, deleted or not.
pub async fn by_id(tx: &Tx, account: AccountId, id: u64) -> Result<Option<Entry>> {
    tx.read(&keys::record(RECORD, account, id)).await
}

/// Creates an entry of the operator, or of whoever suggests one.
pub async fn create(
    tx: &Tx,
    account: AccountId,
    kind: Kind,
    author: Author,
    new: &Changes,
) -> Result<Entry> {
    let blank = Entry {
        id: sequence::next(tx, account, RECORD).await?,
        reference: fresh_reference(tx, account).await?,
        kind,
        title: String::new(),
        content: String::new(),
        metadescription: String::new(),
        keywords: String::new(),
        parent: None,
        author,
        is_public: kind != Kind::Suggestion,
        deleted: false,
        created_at: tx.now(),
        changed_at: tx.now(),
    };
    let entry = changed(tx, account, &blank, new).await?;
    let by_reference = keys::unique(BY_REFERENCE, account, &entry.reference.to_string());
    tx.put(by_reference, &entry.id)?;
    save(tx, account, None, &entry)?;
    Ok(entry)
}

/// Changes an entry for the operator. Equal values change nothing.
pub async fn update(tx: &Tx, account: AccountId, before: &Entry, new: &Changes) -> Result<Entry> {
    let mut after = changed(tx, account, before, new).await?;
    if after == *before {
        return Ok(after);
    }
    after.changed_at = tx.now();
    save(tx, account, Some(before), &after)?;
    Ok(after)
}

/// Stores a suggestion in a category and appends `new_suggestion`.
pub async fn suggest(
    tx: &Tx,
    account: AccountId,
    category: &Entry,
    author: Author,
    (title, message): (&str, &str),
) -> Result<Entry> {
    #[derive(Serialize)]
    struct Suggested<'a> {
        entry_id: EntryId,
        title: &'a str,
        message: &'a str,
        category_id: EntryId,
        author_type: &'static str,
        author: Option<String>,
    }
    let new = Changes {
        title: Some(title.to_owned()),
        content: Some(message.to_owned()),
        parent: Some(category.id),
        ..Changes::default()
    };
    let entry = create(tx, account, Kind::Suggestion, author, &new).await?;
    let (author_type, author) = match author {
        Author::System => ("system", None),
        Author::User(id) => {
            let found = user::by_id(tx, account, id).await?;
            ("agent", found.map(|user| user.username))
        }
        Author::Contact(id) => {
            let found = contact::by_id(tx, account, id).await?;
            ("customer", found.map(|found| found.reference.to_string()))
        }
    };
    let data = Suggested {
        entry_id: entry.reference,
        title,
        message,
        category_id: category.reference,
        author_type,
        author,
    };
    event::emit(tx, account, "new_suggestion", &data).await?;
    Ok(entry)
}

/// Articles and suggestions, deleted ones too, from number `skip` on, at most `take`: as they came.
pub async fn entries(
    tx: &Tx,
    account: AccountId,
    mut skip: usize,
    take: usize,
) -> Result<Vec<Entry>> {
    let mut range = keys::members(OF, account, ENTRIES);
    while skip > 0 {
        let passed = tx.scan(&range, skip.min(PAGE)).await?;
        let Some((last, _)) = passed.last() else {
            return Ok(Vec::new());
        };
        range = range.following(last);
        skip -= passed.len();
    }
    let found = tx.scan(&range, take).await?;
    let ids = found.iter().filter_map(|(key, _)| keys::id_of(key));
    let keys: Vec<Key> = ids.map(|id| keys::record(RECORD, account, id)).collect();
    Ok(tx.read_all(&keys).await?.into_iter().flatten().collect())
}

/// Every category that is not deleted, as they came.
pub async fn categories(tx: &Tx, account: AccountId) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    each(tx, account, CATEGORIES, |entry| found.push(entry)).await?;
    Ok(found)
}

/// Public entries that are not deleted and hold every word in one of their texts: those with a word
/// in the title first, then the newest changed; at most `take`. Reads every public entry.
pub async fn search(
    tx: &Tx,
    account: AccountId,
    words: &[String],
    parent: Option<u64>,
    take: usize,
) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    each(tx, account, PUBLISHED, |entry| {
        let is_there = parent.is_none_or(|parent| entry.parent == Some(parent));
        if is_there && let Some(in_title) = met(&entry, words) {
            let rank = (!in_title, std::cmp::Reverse((entry.changed_at, entry.id)));
            found.push((rank, entry));
            if found.len() >= 2 * take.max(PAGE) {
                found.sort_by_key(|(rank, _)| *rank);
                found.truncate(take);
            }
        }
    })
    .await?;
    found.sort_by_key(|(rank, _)| *rank);
    Ok(found
        .into_iter()
        .map(|(_, entry)| entry)
        .take(take)
        .collect())
}

/// Whether an entry holds every one of the folded words; then, whether one is in its title.
fn met(entry: &Entry, needles: &[String]) -> Option<bool> {
    let title = words::fold(&entry.title);
    let rest = [&entry.keywords, &entry.metadescription, &entry.content];
    let rest = rest.map(|text| words::fold(text));
    let is_in =
        |needle: &String| title.contains(needle) || rest.iter().any(|text| text.contains(needle));
    let in_title = |needle: &String| title.contains(needle);
    needles
        .iter()
        .all(is_in)
        .then(|| needles.iter().any(in_title))
}

async fn each(
    tx: &Tx,
    account: AccountId,
    group: &str,
    mut see: impl FnMut(Entry) + Send,
) -> Result<()> {
    let mut range = keys::members(OF, account, group);
    loop {
        let some = tx.scan(&range, PAGE).await?;
        let ids = some.iter().filter_map(|(key, _)| keys::id_of(key));
        let keys: Vec<Key> = ids.map(|id| keys::record(RECORD, account, id)).collect();
        let records: Vec<Option<Entry>> = tx.read_all(&keys).await?;
        records.into_iter().flatten().for_each(&mut see);
        match some.last() {
            Some((last, _)) if some.len() == PAGE => range = range.following(last),
            _ => return Ok(()),
        }
    }
}

/// The categories above an entry, the outermost first.
pub async fn above(tx: &Tx, account: AccountId, entry: &Entry) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    let mut parent = entry.parent;
    while let Some(id) = parent
        && found.len() < MAX_DEPTH
        && let Some(category) = by_id(tx, account, id).await?
    {
        parent = category.parent;
        found.push(category);
    }
    found.reverse();
    Ok(found)
}

/// An entry with new values, if they can be.
async fn changed(tx: &Tx, account: AccountId, before: &Entry, new: &Changes) -> Result<Entry> {
    let mut after = before.clone();
    macro_rules! take {
        ($($field:ident)*) => {
            $(if let Some(value) = &new.$field {
                after.$field = value.clone();
            })*
        };
    }
    take!(title content metadescription keywords is_public deleted);
    if let Some(parent) = new.parent {
        let refused = |text: &'static str| Err(Error::invalid("category", text));
        let category = by_id(tx, account, parent).await?;
        let Some(category) = category.filter(|found| found.kind == Kind::Category) else {
            return refused("is not a category");
        };
        let above = above(tx, account, &category).await?;
        if parent == before.id || above.iter().any(|category| category.id == before.id) {
            return refused("stands in this one");
        }
        if above.len() + 2 > MAX_DEPTH {
            return refused("stands too deep");
        }
        after.parent = Some(parent);
    }
    Ok(after)
}

/// Under which an entry is listed.
fn groups(entry: &Entry) -> Vec<&'static str> {
    match entry.kind {
        Kind::Category if entry.deleted => Vec::new(),
        Kind::Category => vec![CATEGORIES],
        _ if entry.is_public && !entry.deleted => vec![ENTRIES, PUBLISHED],
        _ => vec![ENTRIES],
    }
}

fn save(tx: &Tx, account: AccountId, before: Option<&Entry>, after: &Entry) -> Result<()> {
    let old = before.map(groups).unwrap_or_default();
    let new = groups(after);
    for group in old.iter().filter(|group| !new.contains(group)) {
        tx.delete(keys::member(OF, account, group, after.id));
    }
    for group in new.iter().filter(|group| !old.contains(group)) {
        let key = keys::member(OF, account, group, after.id);
        tx.put_bytes(key, bytes::Bytes::new());
    }
    tx.put(keys::record(RECORD, account, after.id), after)
}

async fn fresh_reference(tx: &Tx, account: AccountId) -> Result<EntryId> {
    loop {
        let reference = EntryId::random(tx.entropy());
        let key = keys::unique(BY_REFERENCE, account, &reference.to_string());
        if tx.get(&key).await?.is_none() {
            return Ok(reference);
        }
    }
}
