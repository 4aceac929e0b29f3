//! Automations (`protocols/domain.md` 2.1, 2.7): what an operator lets consumers do with a contact,
//! and the contacts that were put into one.
//!
//! Owns both records, that a contact is in an automation once, and `automation_enrolled`. Does not
//! know what an automation does: its nodes are a number here.

use serde::{Deserialize, Serialize};

use super::contact::{self, Contact};
use super::{event, sequence, text};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::{AccountId, PersonId};
use crate::store::{Tx, keys};

/// Kind of the records.
const KIND: &str = "automation";
/// Kind of the enrollments, which belong to an automation; their ids are the contacts'.
const ENROLLED: &str = "enrollment";
/// Characters of a name.
pub const MAX_NAME: usize = 255;
/// Enrollments that are taken away in one commit.
const SWEEP: usize = 1000;

/// An automation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Automation {
    /// Integer id.
    pub id: u64,
    /// What people call it; not unique.
    pub name: String,
    /// Only one that is on takes contacts.
    pub is_on: bool,
    /// How many steps it has; one without any takes no contacts.
    pub nodes: u32,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A contact in an automation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrollment {
    /// Since when.
    pub created_at: Timestamp,
}

/// New values; none = as it was, or the default of a new one: on, and with one node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Changes {
    /// 1-255 characters; a new one needs it.
    pub name: Option<String>,
    /// Whether it takes contacts.
    pub is_on: Option<bool>,
    /// How many steps it has.
    pub nodes: Option<u32>,
}

impl Changes {
    fn apply(&self, automation: &mut Automation) -> Result<()> {
        if let Some(name) = &self.name {
            automation.name = text::name("name", name, MAX_NAME)?;
        }
        automation.is_on = self.is_on.unwrap_or(automation.is_on);
        automation.nodes = self.nodes.unwrap_or(automation.nodes);
        Ok(())
    }
}

/// There is no such automation.
pub fn missing() -> Error {
    Error::not_found("Automation not found")
}

/// The automation with this id.
pub async fn by_id(tx: &Tx, account: AccountId, id: u64) -> Result<Option<Automation>> {
    tx.read(&keys::record(KIND, account, id)).await
}

/// At most `limit` automations behind `after`, by id.
pub async fn list(
    tx: &Tx,
    account: AccountId,
    after: Option<u64>,
    limit: usize,
) -> Result<Vec<Automation>> {
    let mut range = keys::records(KIND, account);
    if let Some(after) = after {
        range = range.following(&keys::record(KIND, account, after));
    }
    let found = tx.read_range(&range, limit).await?;
    Ok(found
        .into_iter()
        .map(|(_, automation)| automation)
        .collect())
}

/// Creates an automation. `Invalid` without a name.
pub async fn create(tx: &Tx, account: AccountId, new: &Changes) -> Result<Automation> {
    if new.name.is_none() {
        return Err(Error::invalid("name", "must be given"));
    }
    let mut automation = Automation {
        id: 0,
        name: String::new(),
        is_on: true,
        nodes: 1,
        created_at: tx.now(),
    };
    new.apply(&mut automation)?;
    automation.id = sequence::next(tx, account, KIND).await?;
    tx.put(keys::record(KIND, account, automation.id), &automation)?;
    Ok(automation)
}

/// Changes an automation; what it holds already stays.
pub async fn update(tx: &Tx, account: AccountId, id: u64, new: &Changes) -> Result<Automation> {
    let before = by_id(tx, account, id).await?.ok_or_else(missing)?;
    let mut after = before.clone();
    new.apply(&mut after)?;
    if after != before {
        tx.put(keys::record(KIND, account, id), &after)?;
    }
    Ok(after)
}

/// Takes a thousand contacts out of an automation that has so many, and turns it off, so that nobody
/// comes in while it is emptied. Says whether fewer are left, which it leaves to [`remove`].
pub async fn thin_out(tx: &Tx, account: AccountId, id: u64) -> Result<bool> {
    let mut automation = by_id(tx, account, id).await?.ok_or_else(missing)?;
    let some = tx.scan(&keys::parts(ENROLLED, account, id), SWEEP).await?;
    if some.len() < SWEEP {
        return Ok(true);
    }
    for (key, _) in some {
        tx.delete(key);
    }
    if automation.is_on {
        automation.is_on = false;
        tx.put(keys::record(KIND, account, id), &automation)?;
    }
    Ok(false)
}

/// Removes an automation with the contacts that are in it: few, after [`thin_out`].
pub async fn remove(tx: &Tx, account: AccountId, id: u64) -> Result<()> {
    by_id(tx, account, id).await?.ok_or_else(missing)?;
    let enrolled = keys::parts(ENROLLED, account, id);
    loop {
        let some = tx.scan(&enrolled, SWEEP).await?;
        let is_last = some.len() < SWEEP;
        for (key, _) in some {
            tx.delete(key);
        }
        if is_last {
            break;
        }
    }
    tx.delete(keys::record(KIND, account, id));
    Ok(())
}

/// Whether the contact is in the automation.
pub async fn is_enrolled(tx: &Tx, account: AccountId, id: u64, contact: u64) -> Result<bool> {
    let key = keys::part(ENROLLED, account, id, contact);
    Ok(tx.get(&key).await?.is_some())
}

/// Puts an active contact into an automation that is on and has nodes, and appends
/// `automation_enrolled`. One that is in it already changes nothing and says nothing.
pub async fn enroll(tx: &Tx, account: AccountId, contact_id: u64, id: u64) -> Result<()> {
    let found = contact::active(tx, account, contact_id).await?;
    let contact = contact::found(found)?;
    let automation = by_id(tx, account, id).await?.ok_or_else(missing)?;
    if !automation.is_on {
        return Err(Error::conflict("Automation is off"));
    }
    if automation.nodes == 0 {
        return Err(Error::conflict("Automation has no nodes"));
    }
    if is_enrolled(tx, account, id, contact.id).await? {
        return Ok(());
    }
    let enrollment = Enrollment {
        created_at: tx.now(),
    };
    tx.put(keys::part(ENROLLED, account, id, contact.id), &enrollment)?;
    tell(tx, account, &automation, &contact).await
}

async fn tell(
    tx: &Tx,
    account: AccountId,
    automation: &Automation,
    contact: &Contact,
) -> Result<()> {
    #[derive(Serialize)]
    struct Enrolled<'a> {
        automation_id: u64,
        automation_name: &'a str,
        contact_id: u64,
        contact_ref: PersonId,
    }
    let data = Enrolled {
        automation_id: automation.id,
        automation_name: &automation.name,
        contact_id: contact.id,
        contact_ref: contact.reference,
    };
    event::emit(tx, account, "automation_enrolled", &data).await?;
    Ok(())
}
