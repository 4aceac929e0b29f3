//! Leads, notes and appointments as they are shown (`protocols/leads-api.md` 1.4).
//!
//! Owns their members and the names of users in them. Does not know who may see them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::domain::account::Account;
use crate::domain::appointment::Appointment;
use crate::domain::lead::note::LeadNote;
use crate::domain::lead::notice::username;
use crate::domain::lead::{self, Lead, Text};
use crate::error::Result;
use crate::store::Tx;

/// A lead.
#[derive(Debug, Serialize)]
pub struct LeadObject {
    id: u64,
    slug: String,
    first_name: String,
    last_name: String,
    email: String,
    phone: String,
    status: &'static str,
    source: String,
    location: String,
    message: String,
    campaign_slug: String,
    assignee: Option<String>,
    owner: Option<String>,
    created: String,
    updated: String,
}

/// A note.
#[derive(Debug, Serialize)]
pub struct NoteObject {
    note_id: u64,
    note: String,
    author: Option<String>,
    created: String,
}

/// An appointment.
#[derive(Debug, Serialize)]
pub struct AppointmentObject {
    appointment_id: u64,
    slug: String,
    lead: String,
    appointment_date: String,
    appointment_to: String,
    appointment_note: String,
    appointment_status: &'static str,
    user: Option<String>,
}

/// Shows the entities of one account; asks for each user and lead once.
#[derive(Debug)]
pub struct Shown<'a> {
    tx: &'a Tx,
    account: &'a Account,
    names: BTreeMap<u64, Option<String>>,
}

impl<'a> Shown<'a> {
    /// As `tx` sees them.
    pub fn new(tx: &'a Tx, account: &'a Account) -> Self {
        Self {
            tx,
            account,
            names: BTreeMap::new(),
        }
    }

    async fn name(&mut self, user: Option<u64>) -> Result<Option<String>> {
        let Some(id) = user else {
            return Ok(None);
        };
        if let Some(known) = self.names.get(&id) {
            return Ok(known.clone());
        }
        let name = username(self.tx, self.account.id, user).await?;
        self.names.insert(id, name.clone());
        Ok(name)
    }

    /// Leads in their order.
    pub async fn leads(&mut self, leads: &[Lead]) -> Result<Vec<LeadObject>> {
        let mut shown = Vec::with_capacity(leads.len());
        for lead in leads {
            shown.push(self.lead(lead).await?);
        }
        Ok(shown)
    }

    /// A lead.
    pub async fn lead(&mut self, lead: &Lead) -> Result<LeadObject> {
        let text = |text| lead.text(text).to_owned();
        let zone = &self.account.settings.time_zone;
        let (created, updated) = (lead.created_at, lead.updated_at);
        Ok(LeadObject {
            id: lead.id,
            slug: lead.slug.clone(),
            first_name: text(Text::FirstName),
            last_name: text(Text::LastName),
            email: text(Text::Email),
            phone: text(Text::Phone),
            status: lead.status.word(),
            source: text(Text::Source),
            location: location(lead),
            message: text(Text::Message),
            campaign_slug: text(Text::SubId),
            created: zone.local_minute(created),
            updated: zone.local_minute(updated),
            assignee: self.name(lead.assignee_id).await?,
            owner: self.name(lead.owner_id).await?,
        })
    }

    /// Notes in their order.
    pub async fn notes(&mut self, notes: Vec<LeadNote>) -> Result<Vec<NoteObject>> {
        let mut shown = Vec::with_capacity(notes.len());
        for note in notes {
            shown.push(NoteObject {
                note_id: note.id,
                note: note.text,
                author: self.name(note.author_id).await?,
                created: self
                    .account
                    .settings
                    .time_zone
                    .local_minute(note.created_at),
            });
        }
        Ok(shown)
    }

    /// Appointments in their order.
    pub async fn appointments(
        &mut self,
        found: Vec<Appointment>,
    ) -> Result<Vec<AppointmentObject>> {
        let ids: BTreeSet<u64> = found.iter().map(|it| it.lead_id).collect();
        let leads = lead::several_by_id(self.tx, self.account.id, &ids).await?;
        let zone = &self.account.settings.time_zone;
        let mut shown = Vec::with_capacity(found.len());
        for it in found {
            let lead = leads.get(&it.lead_id);
            shown.push(AppointmentObject {
                appointment_id: it.id,
                slug: lead.map(|lead| lead.slug.clone()).unwrap_or_default(),
                lead: lead.map(full_name).unwrap_or_default(),
                appointment_date: zone.local_minute(it.start),
                appointment_to: zone.local_minute(it.end),
                appointment_note: it.note,
                appointment_status: it.status.word(),
                user: self.name(Some(it.user_id)).await?,
            });
        }
        Ok(shown)
    }
}

fn full_name(lead: &Lead) -> String {
    let name = format!(
        "{} {}",
        lead.text(Text::FirstName),
        lead.text(Text::LastName)
    );
    name.trim().to_owned()
}

/// An empty location is shown as what is known of the address.
fn location(lead: &Lead) -> String {
    match lead.text(Text::Location) {
        "" => {
            let parts = [Text::City, Text::State, Text::Country].map(|text| lead.text(text));
            let said: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            said.join(", ")
        }
        location => location.to_owned(),
    }
}
