//! Leads (`protocols/domain.md` 2.5): people who may become customers, as a sales team sees them.
//!
//! Owns the record, its look-ups and its indexes. Does not know how parameters are spelled.
//!
//! | file | what |
//! |---|---|
//! | `status.rs`, `text.rs` | the statuses, and the text fields of a lead with their names |
//! | `fields.rs` | what a call wants changed, and what that makes of a lead (pure) |
//! | `change.rs` | creates and updates |
//! | `note.rs` | the notes of a lead |
//! | `merge.rs`, `several.rs` | calls about several leads |
//! | `find.rs` | looks for leads |
//! | `rights.rs` | who may do what with a lead |
//! | `notice.rs` | what the consumers are told |

mod change;
pub mod fields;
pub mod find;
pub mod merge;
pub mod note;
pub mod notice;
pub mod rights;
pub mod several;
mod status;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize, Serializer};

pub use change::{create, update};
pub use status::Status;
pub use text::Text;

use super::search::{self, Entry, Field};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::AccountId;
use crate::store::{Key, Tx, keys};

/// Kind of the records.
const KIND: &str = "lead";
/// Leads by external id: unique among those that are not deleted.
const BY_EXTERNAL_ID: &str = "lead-external";
/// Leads that are not deleted, by what several share.
const BY_STATUS: &str = "lead-status";
const BY_CUSTOM_STATUS: &str = "lead-custom-status";
const BY_OWNER: &str = "lead-owner";
const BY_ASSIGNEE: &str = "lead-assignee";
const BY_TAG: &str = "lead-tag";
/// The searched texts: a lead is looked for in all of them.
const SEARCHED: [Text; 6] = [
    Text::FirstName,
    Text::LastName,
    Text::Company,
    Text::Email,
    Text::Phone,
    Text::Cell,
];
/// Their common field.
const TEXTS: Field = Field(1);
/// Characters of a slug before the id.
const MAX_SLUG_NAME: usize = 200;
/// Tags of one lead.
const MAX_TAGS: usize = 200;

/// A lead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lead {
    /// Integer id.
    pub id: u64,
    /// The readable name, constant for life.
    pub slug: String,
    /// Unique when set.
    pub external_id: Option<String>,
    /// The person.
    pub contact_id: Option<u64>,
    /// The user whose lead it is.
    pub owner_id: Option<u64>,
    /// The user who works on it.
    pub assignee_id: Option<u64>,
    /// Where it waits for an owner.
    pub pool: Option<String>,
    /// The texts that are not empty.
    pub texts: BTreeMap<Text, String>,
    /// Latitude.
    pub lat: Option<Degrees>,
    /// Longitude.
    pub lng: Option<Degrees>,
    /// Whether text messages are welcome.
    pub ok_to_text: bool,
    /// When somebody should call again.
    pub followup_at: Option<Timestamp>,
    /// How far it has come.
    pub status: Status,
    /// 0, or one of the account's own statuses.
    pub custom_status: u32,
    /// Offset of its zone, as hours and minutes.
    pub gmt_offset: Option<i64>,
    /// Integer ids of its tags.
    pub tags: BTreeSet<u64>,
    /// The lead that took it over.
    pub merged_into: Option<u64>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
}

/// A part of a position; written without a fraction where it has none.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
pub struct Degrees(pub f64);

impl Serialize for Degrees {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Within 180, so nothing is cut off.
        #[allow(clippy::cast_possible_truncation)]
        if self.0.fract() == 0.0 {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

impl Lead {
    /// A text of it; empty if it has none.
    pub fn text(&self, text: Text) -> &str {
        self.texts.get(&text).map_or("", String::as_str)
    }

    /// Puts a text in its place; an empty one has none.
    fn set_text(&mut self, text: Text, value: String) {
        if value.is_empty() {
            self.texts.remove(&text);
        } else {
            self.texts.insert(text, value);
        }
    }

    /// Whether it was not deleted.
    pub fn is_live(&self) -> bool {
        self.status != Status::Deleted
    }
}

/// The lead, deleted or not.
pub async fn by_id(tx: &Tx, account: AccountId, id: u64) -> Result<Option<Lead>> {
    tx.read(&keys::record(KIND, account, id)).await
}

/// The lead, if it is not deleted.
pub async fn live(tx: &Tx, account: AccountId, id: u64) -> Result<Option<Lead>> {
    Ok(by_id(tx, account, id).await?.filter(Lead::is_live))
}

/// The lead of this external id, if it is not deleted.
pub async fn by_external_id(tx: &Tx, account: AccountId, text: &str) -> Result<Option<Lead>> {
    match tx
        .read(&keys::unique(BY_EXTERNAL_ID, account, text))
        .await?
    {
        Some(id) => live(tx, account, id).await,
        None => Ok(None),
    }
}

/// There is no such lead.
pub fn missing() -> Error {
    Error::not_found("Record does not exist")
}

/// The lead must be there.
pub fn found(lead: Option<Lead>) -> Result<Lead> {
    lead.ok_or_else(missing)
}

/// The slug of a lead: the letters and digits of its name, and its id.
fn slug(first_name: &str, last_name: &str, id: u64) -> String {
    let mut name = String::new();
    for character in format!("{first_name} {last_name}").chars() {
        let character = character.to_ascii_lowercase();
        if character.is_ascii_alphanumeric() {
            name.push(character);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(MAX_SLUG_NAME);
    match name.trim_end_matches('-') {
        "" => format!("lead-{id}"),
        name => format!("{name}-{id}"),
    }
}

/// Every index key of a lead but the unique one; a deleted lead has none.
fn entries(account: AccountId, lead: &Lead) -> BTreeSet<Key> {
    if !lead.is_live() {
        return BTreeSet::new();
    }
    let id = lead.id;
    let member = |index, group: String| keys::member(index, account, &group, id);
    let mut entries = BTreeSet::from([member(BY_STATUS, lead.status.word().to_owned())]);
    if lead.custom_status != 0 {
        entries.insert(member(BY_CUSTOM_STATUS, lead.custom_status.to_string()));
    }
    let owner = lead.owner_id.map(|user| member(BY_OWNER, user.to_string()));
    let assignee = lead
        .assignee_id
        .map(|user| member(BY_ASSIGNEE, user.to_string()));
    entries.extend(owner.into_iter().chain(assignee));
    entries.extend(lead.tags.iter().map(|tag| member(BY_TAG, tag.to_string())));
    entries
}

/// What is searched of a lead; nothing of a deleted one.
fn searched(lead: &Lead) -> Entry {
    let texts = SEARCHED.iter().filter(|_| lead.is_live());
    texts.fold(Entry::default(), |entry, text| {
        entry.with(TEXTS, lead.text(*text))
    })
}

/// Writes the record and what differs of its indexes.
fn save(tx: &Tx, account: AccountId, before: Option<&Lead>, after: &Lead) -> Result<()> {
    let old = before.map_or_else(BTreeSet::new, |before| entries(account, before));
    search::reindex(tx, &old, &entries(account, after));
    let texts = (
        &before.map_or_else(Entry::default, searched),
        &searched(after),
    );
    search::write(tx, account, KIND, after.id, texts);
    let unique = |lead: &Lead| {
        let external_id = lead.external_id.as_deref().filter(|_| lead.is_live());
        external_id.map(|text| keys::unique(BY_EXTERNAL_ID, account, text))
    };
    let (old, new) = (before.and_then(unique), unique(after));
    if old != new {
        if let Some(old) = old {
            tx.delete(old);
        }
        if let Some(new) = new {
            tx.put(new, &after.id)?;
        }
    }
    tx.put(keys::record(KIND, account, after.id), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lead of whom nothing is known.
    pub fn blank(id: u64) -> Lead {
        Lead {
            id,
            slug: slug("", "", id),
            external_id: None,
            contact_id: None,
            owner_id: None,
            assignee_id: None,
            pool: None,
            texts: BTreeMap::new(),
            lat: None,
            lng: None,
            ok_to_text: false,
            followup_at: None,
            status: Status::default(),
            custom_status: 0,
            gmt_offset: None,
            tags: BTreeSet::new(),
            merged_into: None,
            created_at: Timestamp(1),
            updated_at: Timestamp(1),
            deleted_at: None,
        }
    }

    #[test]
    fn slugs_are_the_name_and_the_id() {
        let long = "x".repeat(300);
        for (first, last, expected) in [
            ("Jane", "Smith", "jane-smith-1001".to_owned()),
            ("J.", "Smith", "j-smith-1001".to_owned()),
            ("Jane", "", "jane-1001".to_owned()),
            ("", "O'Neil  3rd!", "o-neil-3rd-1001".to_owned()),
            ("Ünal", "Öz", "nal-z-1001".to_owned()),
            ("李", "", "lead-1001".to_owned()),
            ("", "", "lead-1001".to_owned()),
            (&long, "", format!("{}-1001", "x".repeat(200))),
            (&long[..199], "y", format!("{}-1001", "x".repeat(199))),
        ] {
            assert_eq!(slug(first, last, 1001), expected, "{first} {last}");
        }
    }

    #[test]
    fn degrees_are_written_without_an_empty_fraction() {
        for (number, expected) in [(45.0, "45"), (-0.5, "-0.5"), (-180.0, "-180"), (0.0, "0")] {
            let written = serde_json::to_string(&Degrees(number)).unwrap();
            assert_eq!(written, expected);
            let read: Degrees = serde_json::from_str(&written).unwrap();
            assert_eq!(read, Degrees(number));
        }
    }
}
