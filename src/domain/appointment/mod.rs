//! Appointments with leads (`protocols/domain.md` 2.5 and 5.2); the command API calls them events.
//!
//! Owns the record and its indexes. `busy.rs` knows who is busy when, `change.rs` makes, moves and
//! ends them, `find.rs` looks for them, `notice.rs` tells the consumers. Does not know how
//! parameters are spelled.

mod busy;
mod change;
pub mod find;
mod notice;

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

pub use busy::occupies_at;
pub use change::{
    Changes, NewAppointment, Room, create, delete, delete_all, insert, may_change, move_all, update,
};

use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::AccountId;
use crate::store::tx::encode;
use crate::store::{Key, Tx, keys};

/// Kind of the records.
const KIND: &str = "appointment";
/// Appointments of a lead that are not deleted.
const OF_LEAD: &str = "appointment-of";
/// The same by start, in the calendar of a user and in that of everybody; the value is the status
/// and the lead.
const BY_START: &str = "appointment-start";
/// The calendar of everybody: no user has this id.
const EVERYBODY: u64 = 0;
/// Entries of a calendar that are read at a time.
const PAGE: usize = 256;
/// Characters of a note.
pub const MAX_NOTE: usize = 200;

/// What became of an appointment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Not confirmed yet.
    #[default]
    Pending,
    /// Moved to another time.
    Rescheduled,
    /// Will not happen.
    Cancelled,
    /// Has happened.
    Fullfilled,
    /// Confirmed.
    Confirmed,
}

impl Status {
    const ALL: [Self; 5] = [
        Self::Pending,
        Self::Rescheduled,
        Self::Cancelled,
        Self::Fullfilled,
        Self::Confirmed,
    ];

    /// Its word, in the one spelling that is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Rescheduled => "rescheduled",
            Self::Cancelled => "cancelled",
            Self::Fullfilled => "fullfilled",
            Self::Confirmed => "confirmed",
        }
    }

    /// The status of this word, whatever the case.
    pub fn named(text: &str) -> Option<Self> {
        if text.eq_ignore_ascii_case("fulfilled") {
            return Some(Self::Fullfilled);
        }
        let named = |status: &Self| text.eq_ignore_ascii_case(status.word());
        Self::ALL.into_iter().find(named)
    }

    /// Whether nobody else can have that time.
    pub fn occupies(self) -> bool {
        matches!(self, Self::Pending | Self::Rescheduled | Self::Confirmed)
    }
}

/// An appointment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appointment {
    /// Integer id.
    pub id: u64,
    /// With whom.
    pub lead_id: u64,
    /// In whose calendar.
    pub user_id: u64,
    /// When it begins.
    pub start: Timestamp,
    /// When it ends, not before it begins.
    pub end: Timestamp,
    /// May be empty.
    pub note: String,
    /// What became of it.
    pub status: Status,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
    /// When it was deleted.
    pub deleted_at: Option<Timestamp>,
}

/// The appointment, if it is not deleted.
pub async fn live(tx: &Tx, account: AccountId, id: u64) -> Result<Option<Appointment>> {
    let found: Option<Appointment> = tx.read(&keys::record(KIND, account, id)).await?;
    Ok(found.filter(|found| found.deleted_at.is_none()))
}

/// Every index key of an appointment with its value; a deleted one has none.
fn entries(account: AccountId, it: &Appointment) -> Result<BTreeMap<Key, Bytes>> {
    let mut entries = BTreeMap::new();
    if it.deleted_at.is_some() {
        return Ok(entries);
    }
    let of_lead = keys::member(OF_LEAD, account, &it.lead_id.to_string(), it.id);
    entries.insert(of_lead, Bytes::new());
    for calendar in [EVERYBODY, it.user_id] {
        let key = keys::timed(BY_START, account, calendar, it.start, it.id);
        entries.insert(key, encode(&(it.status, it.lead_id))?);
    }
    if it.status.occupies() {
        let (key, value) = busy::entry(account, it)?;
        entries.insert(key, value);
    }
    Ok(entries)
}

/// Writes the record and what differs of its indexes.
fn save(
    tx: &Tx,
    account: AccountId,
    before: Option<&Appointment>,
    after: &Appointment,
) -> Result<()> {
    let old = match before {
        Some(before) => entries(account, before)?,
        None => BTreeMap::new(),
    };
    let new = entries(account, after)?;
    for key in old.keys().filter(|key| !new.contains_key(key)) {
        tx.delete(key.clone());
    }
    for (key, value) in new {
        if old.get(&key) != Some(&value) {
            tx.put_bytes(key, value);
        }
    }
    tx.put(keys::record(KIND, account, after.id), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_statuses() {
        for status in Status::ALL {
            assert_eq!(Status::named(status.word()), Some(status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.word());
        }
        assert_eq!(Status::named("Fulfilled"), Some(Status::Fullfilled));
        assert_eq!(Status::named("done"), None);
        let occupying = Status::ALL.into_iter().filter(|status| status.occupies());
        let expected = [Status::Pending, Status::Rescheduled, Status::Confirmed];
        assert_eq!(occupying.collect::<Vec<_>>(), expected);
    }

    /// An appointment of user 8 with lead 7.
    pub fn blank(start: Timestamp, end: Timestamp) -> Appointment {
        Appointment {
            id: 1001,
            lead_id: 7,
            user_id: 8,
            start,
            end,
            note: String::new(),
            status: Status::Pending,
            created_at: Timestamp(1),
            updated_at: Timestamp(1),
            deleted_at: None,
        }
    }

    #[test]
    fn index_entries_follow_the_appointment() {
        let account = AccountId::from_number(1);
        let mut it = blank(Timestamp(10), Timestamp(20));
        let (busy, _) = busy::entry(account, &it).unwrap();
        let calendar = keys::timed(BY_START, account, 8, Timestamp(10), 1001);
        let held = entries(account, &it).unwrap();
        assert_eq!(held.len(), 4);
        assert_eq!(held[&busy], "[20,7]");
        assert_eq!(held[&calendar], r#"["pending",7]"#);
        it.status = Status::Cancelled;
        assert!(!entries(account, &it).unwrap().contains_key(&busy));
        it.deleted_at = Some(Timestamp(2));
        assert!(entries(account, &it).unwrap().is_empty());
    }
}
