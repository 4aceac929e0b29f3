//! How appointments are made, moved and ended.
//!
//! Owns the rules for times: the end is never before the start; a user may neither take a time
//! that is over nor one that is taken. Does not know how parameters are spelled.

use super::busy::is_free;
use super::{Appointment, KIND, OF_LEAD, Status, live, notice, save};
use crate::clock::Timestamp;
use crate::domain::actor::{Actor, Rights, Role};
use crate::domain::lead::{Lead, rights};
use crate::domain::sequence;
use crate::error::{Error, Result};
use crate::id::AccountId;
use crate::store::{Tx, keys};

/// Appointments of one lead that one call may move.
const MAX_AT_ONCE: usize = 10_000;

/// An appointment to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAppointment {
    /// In whose calendar; the user exists.
    pub user_id: u64,
    /// When it begins.
    pub start: Timestamp,
    /// When it ends.
    pub end: Timestamp,
    /// At most 200 characters.
    pub note: String,
    /// What became of it.
    pub status: Status,
}

/// New values of an appointment; none = as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// The user exists.
    pub user_id: Option<u64>,
    /// When it begins.
    pub start: Option<Timestamp>,
    /// When it ends.
    pub end: Option<Timestamp>,
    /// At most 200 characters.
    pub note: Option<String>,
    /// What became of it.
    pub status: Option<Status>,
}

/// Takes an appointment with a lead, within the rules.
pub async fn create(
    tx: &Tx,
    account: AccountId,
    lead: &Lead,
    new: NewAppointment,
    actor: &Actor,
) -> Result<Appointment> {
    rights::attend(actor.rights, lead)?;
    let wanted = fresh(0, lead.id, new, tx.now());
    is_in_order(&wanted)?;
    if is_user(actor) {
        is_ahead(wanted.start, tx.now())?;
        if wanted.status.occupies() {
            is_free(tx, account, &wanted).await?;
        }
    }
    store(tx, account, lead, wanted, actor).await
}

/// Makes an appointment with a lead, whoever has other ones then.
pub async fn insert(
    tx: &Tx,
    account: AccountId,
    lead: &Lead,
    new: NewAppointment,
    actor: &Actor,
) -> Result<Appointment> {
    let made = fresh(0, lead.id, new, tx.now());
    store(tx, account, lead, made, actor).await
}

fn fresh(id: u64, lead_id: u64, new: NewAppointment, now: Timestamp) -> Appointment {
    Appointment {
        id,
        lead_id,
        user_id: new.user_id,
        start: new.start,
        end: new.end,
        note: new.note,
        status: new.status,
        created_at: now,
        updated_at: now,
        deleted_at: None,
    }
}

async fn store(
    tx: &Tx,
    account: AccountId,
    lead: &Lead,
    mut made: Appointment,
    actor: &Actor,
) -> Result<Appointment> {
    made.id = sequence::next(tx, account, KIND).await?;
    save(tx, account, None, &made)?;
    notice::created(tx, account, &made, lead, actor).await?;
    Ok(made)
}

/// Changes an appointment, within the rules. `lead` is the one it has or is moved to. Equal values
/// change nothing and say nothing.
pub async fn update(
    tx: &Tx,
    account: AccountId,
    before: &Appointment,
    (old_lead, lead): (&Lead, &Lead),
    changes: &Changes,
    actor: &Actor,
) -> Result<()> {
    may_change(actor.rights, before)?;
    if lead.id != before.lead_id {
        rights::attend(actor.rights, lead)?;
    }
    let mut after = before.clone();
    after.lead_id = lead.id;
    after.user_id = changes.user_id.unwrap_or(before.user_id);
    after.start = changes.start.unwrap_or(before.start);
    after.end = changes.end.unwrap_or(before.end);
    after.status = changes.status.unwrap_or(before.status);
    after.note = changes.note.clone().unwrap_or(after.note);
    is_in_order(&after)?;
    if is_user(actor) {
        if after.start != before.start {
            is_ahead(after.start, tx.now())?;
        }
        let place = |it: &Appointment| (it.start, it.end, it.status);
        if place(&after) != place(before) && after.status.occupies() {
            is_free(tx, account, &after).await?;
        }
    }
    if after == *before {
        return Ok(());
    }
    after.updated_at = tx.now();
    save(tx, account, Some(before), &after)?;
    notice::updated(tx, account, (before, old_lead), (&after, lead), actor).await
}

/// Deletes an appointment.
pub async fn delete(
    tx: &Tx,
    account: AccountId,
    before: &Appointment,
    lead: &Lead,
    actor: &Actor,
) -> Result<()> {
    may_change(actor.rights, before)?;
    end(tx, account, before, lead, actor).await
}

/// Deletes every appointment of a lead, which goes: whoever may delete the lead may do so.
pub async fn delete_all(tx: &Tx, account: AccountId, lead: &Lead, actor: &Actor) -> Result<()> {
    let ids = ids(tx, account, lead.id, MAX_AT_ONCE).await?;
    for id in ids {
        if let Some(before) = live(tx, account, id).await? {
            end(tx, account, &before, lead, actor).await?;
        }
    }
    Ok(())
}

async fn end(
    tx: &Tx,
    account: AccountId,
    before: &Appointment,
    lead: &Lead,
    actor: &Actor,
) -> Result<()> {
    let mut after = before.clone();
    after.deleted_at = Some(tx.now());
    after.updated_at = tx.now();
    save(tx, account, Some(before), &after)?;
    notice::deleted(tx, account, &after, lead, actor).await
}

/// Ids of a lead's appointments, at most `room` of them: more is more than one call may do.
async fn ids(tx: &Tx, account: AccountId, lead: u64, room: usize) -> Result<Vec<u64>> {
    let range = keys::members(OF_LEAD, account, &lead.to_string());
    let found = tx.scan(&range, room + 1).await?;
    if found.len() > room {
        return Err(Error::conflict("Too many appointments for one call"));
    }
    let ids = found.iter().filter_map(|(key, _)| keys::id_of(key));
    Ok(ids.collect())
}

/// How many more appointments a call may move.
#[derive(Debug)]
pub struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MAX_AT_ONCE)
    }
}

/// Moves the appointments of a lead to another one. Gives how many there were.
pub async fn move_all(
    tx: &Tx,
    account: AccountId,
    from: u64,
    to: u64,
    room: &mut Room,
) -> Result<u64> {
    let ids = ids(tx, account, from, room.0).await?;
    room.0 -= ids.len();
    let mut moved = 0;
    for id in ids {
        let Some(before) = live(tx, account, id).await? else {
            continue;
        };
        let mut after = before.clone();
        after.lead_id = to;
        save(tx, account, Some(&before), &after)?;
        moved += 1;
    }
    Ok(moved)
}

fn is_user(actor: &Actor) -> bool {
    matches!(actor.rights, Rights::User { .. })
}

/// To update or delete the appointment: its user, and roles O and D.
pub fn may_change(rights: Rights, it: &Appointment) -> Result<()> {
    match rights {
        Rights::User { id, role } if id != it.user_id && !role.is_some_and(Role::leads_all) => {
            Err(Error::forbidden("Permission denied"))
        }
        _ => Ok(()),
    }
}

fn is_in_order(it: &Appointment) -> Result<()> {
    if it.end < it.start {
        return Err(Error::conflict("End Date Can't be prior to Start Date."));
    }
    Ok(())
}

fn is_ahead(start: Timestamp, now: Timestamp) -> Result<()> {
    if start <= now {
        return Err(Error::conflict("Please Specify a date in the future."));
    }
    Ok(())
}
