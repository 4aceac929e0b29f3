//! `view/lead` (`protocols/leads-api.md` 3.4).

use serde::Serialize;

use super::call::{Failure, LeadsCall, Outcome};
use super::encode;
use super::object::{AppointmentObject, LeadObject, NoteObject, Shown};
use crate::domain::appointment::find::of_lead;
use crate::domain::lead::{self, Lead, note, rights};

#[derive(Serialize)]
struct Details {
    #[serde(flatten)]
    lead: LeadObject,
    notes: Vec<NoteObject>,
    appointments: Vec<AppointmentObject>,
}

pub async fn run(call: &LeadsCall) -> Outcome {
    let mut form = call.form();
    let slug = form.filter("slug");
    if slug.is_none() {
        let text = "This field is required and this may not be blank.";
        form.findings.add("slug", text);
    }
    form.findings.finish(&["slug"])?;
    let (tx, account) = (&call.view(), call.account.id);
    let found = lead::by_slug(tx, account, &slug.unwrap_or_default()).await?;
    let seen = |lead: &Lead| lead.is_live() && rights::sees(call.actor.rights, lead);
    let Some(lead) = found.filter(seen) else {
        return Err(Failure::field("slug", "Requested slug is invalid."));
    };
    let mut shown = Shown::new(tx, &call.account);
    let notes = note::of_lead(tx, account, lead.id).await?;
    let appointments = of_lead(tx, account, lead.id).await?;
    Ok(encode::success(&Details {
        lead: shown.lead(&lead).await?,
        notes: shown.notes(notes).await?,
        appointments: shown.appointments(appointments).await?,
    })?)
}
