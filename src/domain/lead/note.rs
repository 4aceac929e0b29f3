//! Notes of leads (`protocols/domain.md` 2.5).
//!
//! Owns the record, the list of a lead's notes, and `new_lead_note`. Does not know who may write
//! one.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Lead, notice};
use crate::clock::Timestamp;
use crate::domain::actor::Actor;
use crate::domain::{event, search, sequence};
use crate::error::{Error, Result};
use crate::id::AccountId;
use crate::store::{Key, Tx, keys};

/// Kind of the records.
const KIND: &str = "lead-note";
/// Notes of a lead.
const OF_LEAD: &str = "lead-note-of";
/// Notes that one call may move or erase.
const MAX_AT_ONCE: usize = 10_000;
/// The kind of a note that names none.
pub const DEFAULT_KIND: &str = "Note";

/// A note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeadNote {
    /// Integer id.
    pub id: u64,
    /// The lead of which it speaks.
    pub lead_id: u64,
    /// The user who wrote it.
    pub author_id: Option<u64>,
    /// What kind of note it is.
    pub kind: String,
    /// May have several lines.
    pub text: String,
    /// When it was written.
    pub created_at: Timestamp,
}

/// A note to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNote {
    /// At most 64 characters.
    pub kind: String,
    /// At most 10 000 characters.
    pub text: String,
}

/// Writes a note about a lead, and appends `new_lead_note`.
pub async fn add(
    tx: &Tx,
    account: AccountId,
    lead: &Lead,
    new: &NewNote,
    actor: &Actor,
) -> Result<u64> {
    let note = LeadNote {
        id: sequence::next(tx, account, KIND).await?,
        lead_id: lead.id,
        author_id: actor.id(),
        kind: new.kind.clone(),
        text: new.text.clone(),
        created_at: tx.now(),
    };
    tx.put(keys::record(KIND, account, note.id), &note)?;
    let listed = keys::member(OF_LEAD, account, &lead.id.to_string(), note.id);
    tx.put_bytes(listed, bytes::Bytes::new());
    let data = notice::NoteData::of(&note, lead, actor);
    event::emit(tx, account, "new_lead_note", &data).await?;
    Ok(note.id)
}

/// The note.
pub async fn by_id(tx: &Tx, account: AccountId, id: u64) -> Result<Option<LeadNote>> {
    tx.read(&keys::record(KIND, account, id)).await
}

/// Every note of a lead, newest first.
pub async fn of_lead(tx: &Tx, account: AccountId, lead: u64) -> Result<Vec<LeadNote>> {
    let range = keys::members(OF_LEAD, account, &lead.to_string());
    let ids = search::ids(tx, &range).await?;
    let keys: Vec<Key> = ids
        .into_iter()
        .rev()
        .map(|id| keys::record(KIND, account, id))
        .collect();
    let notes = tx.read_all(&keys).await?;
    Ok(notes.into_iter().flatten().collect())
}

/// Erases a note, and appends `delete_lead_note`.
pub async fn erase(
    tx: &Tx,
    account: AccountId,
    note: &LeadNote,
    lead: &Lead,
    actor: &Actor,
) -> Result<()> {
    tx.delete(keys::record(KIND, account, note.id));
    tx.delete(keys::member(
        OF_LEAD,
        account,
        &lead.id.to_string(),
        note.id,
    ));
    let data = notice::NoteErased::of(note, lead, actor);
    event::emit(tx, account, "delete_lead_note", &data).await?;
    Ok(())
}

/// Ids of a lead's notes, at most `room` of them: more is more than one call may do.
async fn ids(tx: &Tx, account: AccountId, lead: u64, room: usize) -> Result<Vec<u64>> {
    let range = keys::members(OF_LEAD, account, &lead.to_string());
    let found = tx.scan(&range, room + 1).await?;
    if found.len() > room {
        return Err(Error::conflict("Too many notes for one call"));
    }
    Ok(found
        .iter()
        .filter_map(|(key, _)| keys::id_of(key))
        .collect())
}

/// How many more notes a call may touch.
#[derive(Debug)]
pub struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MAX_AT_ONCE)
    }
}

/// Moves the notes of a lead to another one. Gives how many there were.
pub async fn move_all(
    tx: &Tx,
    account: AccountId,
    from: u64,
    to: u64,
    room: &mut Room,
) -> Result<u64> {
    let ids = ids(tx, account, from, room.0).await?;
    room.0 -= ids.len();
    for id in &ids {
        let key = keys::record(KIND, account, *id);
        let Some(mut note) = tx.read::<LeadNote>(&key).await? else {
            continue;
        };
        note.lead_id = to;
        tx.put(key, &note)?;
        let listed = |lead: u64| {
            let key = keys::member(OF_LEAD, account, &lead.to_string(), *id);
            BTreeSet::from([key])
        };
        search::reindex(tx, &listed(from), &listed(to));
    }
    Ok(ids.len() as u64)
}

/// Erases the notes of a lead. Gives how many there were.
pub async fn erase_all(tx: &Tx, account: AccountId, lead: u64, room: &mut Room) -> Result<u64> {
    let ids = ids(tx, account, lead, room.0).await?;
    room.0 -= ids.len();
    for id in &ids {
        tx.delete(keys::record(KIND, account, *id));
        tx.delete(keys::member(OF_LEAD, account, &lead.to_string(), *id));
    }
    Ok(ids.len() as u64)
}
