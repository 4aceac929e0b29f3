//! What consumers are told of appointments (`protocols/notifications.md` 4.3).
//!
//! Owns the shape of those notifications. Does not know when they are due.

use serde::Serialize;

use super::Appointment;
use crate::domain::actor::Actor;
use crate::domain::lead::Lead;
use crate::domain::lead::notice::username;
use crate::domain::{change, event};
use crate::error::Result;
use crate::id::AccountId;
use crate::store::Tx;

/// APPOINTMENT of section 3.
#[derive(Debug, Serialize)]
struct Data {
    appointment_id: u64,
    lead_id: u64,
    slug: String,
    user: Option<String>,
    start_at: String,
    end_at: String,
    note: String,
    status: &'static str,
}

impl Data {
    async fn of(tx: &Tx, account: AccountId, it: &Appointment, lead: &Lead) -> Result<Self> {
        Ok(Self {
            appointment_id: it.id,
            lead_id: lead.id,
            slug: lead.slug.clone(),
            user: username(tx, account, Some(it.user_id)).await?,
            start_at: it.start.to_string(),
            end_at: it.end.to_string(),
            note: it.note.clone(),
            status: it.status.word(),
        })
    }
}

/// Appends `new_appointment`.
pub async fn created(
    tx: &Tx,
    account: AccountId,
    it: &Appointment,
    lead: &Lead,
    actor: &Actor,
) -> Result<()> {
    #[derive(Serialize)]
    struct New<'a> {
        #[serde(flatten)]
        appointment: Data,
        actor: Option<&'a str>,
    }
    let data = New {
        appointment: Data::of(tx, account, it, lead).await?,
        actor: actor.username(),
    };
    event::emit(tx, account, "new_appointment", &data).await?;
    Ok(())
}

/// Appends `update_appointment`.
pub async fn updated(
    tx: &Tx,
    account: AccountId,
    (before, old_lead): (&Appointment, &Lead),
    (after, lead): (&Appointment, &Lead),
    actor: &Actor,
) -> Result<()> {
    #[derive(Serialize)]
    struct Updated<'a> {
        #[serde(flatten)]
        appointment: Data,
        changed: Vec<String>,
        actor: Option<&'a str>,
    }
    let before = Data::of(tx, account, before, old_lead).await?;
    let after = Data::of(tx, account, after, lead).await?;
    let data = Updated {
        changed: change::changed(&before, &after)?,
        appointment: after,
        actor: actor.username(),
    };
    event::emit(tx, account, "update_appointment", &data).await?;
    Ok(())
}

/// Appends `delete_appointment`.
pub async fn deleted(
    tx: &Tx,
    account: AccountId,
    it: &Appointment,
    lead: &Lead,
    actor: &Actor,
) -> Result<()> {
    #[derive(Serialize)]
    struct Deleted<'a> {
        appointment_id: u64,
        lead_id: u64,
        slug: &'a str,
        actor: Option<&'a str>,
    }
    let data = Deleted {
        appointment_id: it.id,
        lead_id: lead.id,
        slug: &lead.slug,
        actor: actor.username(),
    };
    event::emit(tx, account, "delete_appointment", &data).await?;
    Ok(())
}
