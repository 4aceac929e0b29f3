//! Leads (`protocols/domain.md` 2.5): people who may become customers, as a sales team sees them.
//!
//! Owns the record, its look-ups and its indexes. Does not know how parameters are spelled.
//!
//! | file | what |
//! |---|---|
//! | `status.rs`, `text.rs` | the statuses, and the text fields of a lead with their names |
//! | `fields.rs` | what a call wants changed, and what that makes of a lead (pure) |
//! | `change.rs` | creates and updates |
//! | `open.rs` | the lead of a contact that somebody works on |
//! | `note.rs` | the notes of a lead |
//! | `merge.rs`, `several.rs` | calls about several leads |
//! | `end.rs` | deletes |
//! | `find.rs`, `standing.rs` | looks for leads; by what they are to a user |
//! | `tally.rs` | how many leads of an owner share a status or a source |
//! | `rights.rs` | who may do what with a lead |
//! | `notice.rs` | what the consumers are told |

mod change;
mod end;
pub mod fields;
pub mod find;
pub mod merge;
pub mod note;
pub mod notice;
mod open;
pub mod rights;
pub mod several;
pub mod standing;
mod status;
pub mod tally;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize, Serializer};

pub use change::{create, update};
pub use end::delete;
pub use open::worked_on;
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
const BY_CONTACT: &str = "lead-contact";
const BY_OWNER: &str = "lead-owner";
const BY_ASSIGNEE: &str = "lead-assignee";
const BY_TAG: &str = "lead-tag";
/// The same by two of these at once, because each alone can be most of the leads.
const BY_OWNER_STATUS: &str = "lead-owner-status";
const BY_OWNER_CAMPAIGN: &str = "lead-owner-campaign";
const BY_ASSIGNEE_STATUS: &str = "lead-assignee-status";
const BY_ASSIGNEE_CAMPAIGN: &str = "lead-assignee-campaign";
/// The owner of leads that have none: no user has this id.
const NOBODY: u64 = 0;
/// The searched texts and their fields; those that are looked for only together share one.
const SEARCHED: [(Text, Field); 6] = [
    (Text::FirstName, Field(1)),
    (Text::LastName, Field(2)),
    (Text::Email, Field(3)),
    (Text::Company, Field(4)),
    (Text::Phone, Field(4)),
    (Text::Cell, Field(4)),
];
/// All of these fields.
const TEXTS: [Field; 4] = [Field(1), Field(2), Field(3), Field(4)];
/// The digits of the phone number alone, however it is written.
const PHONE_DIGITS: Field = Field(5);
/// Characters of a slug before the id.
const MAX_SLUG_NAME: usize = 200;
/// Leads of one contact whose tags count: a person who has more is a test.
const MAX_OF_CONTACT: usize = 10_000;
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

/// Those of several leads that there are, deleted or not.
pub async fn several_by_id(
    tx: &Tx,
    account: AccountId,
    ids: &BTreeSet<u64>,
) -> Result<BTreeMap<u64, Lead>> {
    let keys: Vec<Key> = ids
        .iter()
        .map(|id| keys::record(KIND, account, *id))
        .collect();
    let found: Vec<Option<Lead>> = tx.read_all(&keys).await?;
    let leads = found.into_iter().flatten();
    Ok(leads.map(|lead| (lead.id, lead)).collect())
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

/// The leads of a contact that are not deleted, by id, at most `limit` of them.
pub async fn of_contact(
    tx: &Tx,
    account: AccountId,
    contact: u64,
    limit: usize,
) -> Result<Vec<Lead>> {
    let range = keys::members(BY_CONTACT, account, &contact.to_string());
    let found = tx.scan(&range, limit).await?;
    let ids = found.iter().filter_map(|(key, _)| keys::id_of(key));
    let keys: Vec<Key> = ids.map(|id| keys::record(KIND, account, id)).collect();
    Ok(tx.read_all(&keys).await?.into_iter().flatten().collect())
}

/// Integer ids of the tags of a contact's leads.
pub async fn tags_of_contact(tx: &Tx, account: AccountId, contact: u64) -> Result<BTreeSet<u64>> {
    let mut tags = BTreeSet::new();
    for lead in of_contact(tx, account, contact, MAX_OF_CONTACT).await? {
        tags.extend(lead.tags);
    }
    Ok(tags)
}

/// The lead of this slug, deleted or not. A slug ends in the id, so no index is needed.
pub async fn by_slug(tx: &Tx, account: AccountId, slug: &str) -> Result<Option<Lead>> {
    let digits = slug.rsplit('-').next().unwrap_or_default();
    let Some(id) = digits.parse().ok() else {
        return Ok(None);
    };
    let found = by_id(tx, account, id).await?;
    Ok(found.filter(|lead| lead.slug == slug))
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

/// The group of an index by a user and a second value.
fn pair(user: u64, value: &str) -> String {
    format!("{user} {value}")
}

/// The digits of a phone number.
fn phone_digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
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
    let contact = lead
        .contact_id
        .map(|contact| member(BY_CONTACT, contact.to_string()));
    let owner = Some(lead.owner_id.unwrap_or(NOBODY));
    let lists = [BY_OWNER, BY_OWNER_STATUS, BY_OWNER_CAMPAIGN];
    let of_assignee = [BY_ASSIGNEE, BY_ASSIGNEE_STATUS, BY_ASSIGNEE_CAMPAIGN];
    for (user, lists) in [(owner, lists), (lead.assignee_id, of_assignee)] {
        let Some(user) = user else { continue };
        let [all, by_status, by_campaign] = lists;
        entries.insert(member(all, user.to_string()));
        entries.insert(member(by_status, pair(user, lead.status.word())));
        let campaign = lead.text(Text::SubId);
        if !campaign.is_empty() {
            entries.insert(member(by_campaign, pair(user, campaign)));
        }
    }
    entries.extend(contact);
    entries.extend(lead.tags.iter().map(|tag| member(BY_TAG, tag.to_string())));
    entries
}

/// What is searched of a lead; nothing of a deleted one.
fn searched(lead: &Lead) -> Entry {
    if !lead.is_live() {
        return Entry::default();
    }
    let texts = SEARCHED.iter();
    let entry = texts.fold(Entry::default(), |entry, (text, field)| {
        entry.with(*field, lead.text(*text))
    });
    entry.with(PHONE_DIGITS, &phone_digits(lead.text(Text::Phone)))
}

/// Writes the record, what differs of its indexes, and the tallies.
async fn save(tx: &Tx, account: AccountId, before: Option<&Lead>, after: &Lead) -> Result<()> {
    tally::count(tx, account, before, after).await?;
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
    fn a_lead_is_listed_for_its_owner_and_its_assignee_by_status_and_campaign() {
        let account = AccountId::from_number(1);
        let mut lead = blank(7);
        let key = |index, group: &str| keys::member(index, account, group, 7);
        lead.assignee_id = Some(5);
        lead.set_text(Text::Phone, "+1 (555) 12".to_owned());
        lead.set_text(Text::SubId, "spring".to_owned());
        let listed = entries(account, &lead);
        for expected in [
            key(BY_OWNER, "0"),
            key(BY_OWNER_STATUS, "0 prospect"),
            key(BY_OWNER_CAMPAIGN, "0 spring"),
            key(BY_ASSIGNEE, "5"),
            key(BY_ASSIGNEE_STATUS, "5 prospect"),
            key(BY_ASSIGNEE_CAMPAIGN, "5 spring"),
        ] {
            assert!(listed.contains(&expected), "{expected}");
        }
        let texts = Entry::default().with(Field(4), "+1 (555) 12");
        assert_eq!(searched(&lead), texts.with(PHONE_DIGITS, "155512"));
        lead.status = Status::Deleted;
        assert!(entries(account, &lead).is_empty());
        assert!(searched(&lead).is_empty());
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
