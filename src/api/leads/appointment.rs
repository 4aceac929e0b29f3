//! `create/appointment`, `update/appointment`, `delete/appointment` (`protocols/leads-api.md`
//! section 4).

use serde::Serialize;

use super::call::{Failure, LeadsCall, Outcome};
use super::encode;
use super::form::{self, BLANK_APPOINTMENT, Findings, Form};
use crate::clock::Timestamp;
use crate::domain::appointment::{
    self, Appointment, Changes, MAX_NOTE, NewAppointment, Status, may_change,
};
use crate::domain::lead::{self, Lead, rights};
use crate::domain::zone::Zone;
use crate::error::{Error, Result};
use crate::store::Tx;

const ID: &str = "appointment_id";
const SLUG: &str = "slug";
const DATE: &str = "appointment_date";
const TO: &str = "appointment_to";
const NOTE: &str = "appointment_note";
const STATUS: &str = "appointment_status";
/// Fields in the order of the tables.
const FIELDS: [&str; 6] = [ID, SLUG, DATE, TO, NOTE, STATUS];
/// What is answered to a call that says nothing.
const NO_DATA: &str = "Body data not found.";
const UNKNOWN: &str = "Requested appointment not found.";

#[derive(Serialize)]
struct Done {
    message: &'static str,
    appointment_id: u64,
    slug: String,
}

#[derive(Serialize)]
struct Deleted {
    message: &'static str,
}

/// What a call gives of an appointment.
struct Given {
    slug: Option<String>,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    note: Option<String>,
    status: Option<Status>,
}

fn read(form: &mut Form<'_>, zone: &Zone, is_new: bool) -> Given {
    let text = |form: &mut Form<'_>, field| {
        if is_new {
            form.required(field, BLANK_APPOINTMENT)
        } else {
            form.not_blank(field, BLANK_APPOINTMENT)
        }
    };
    let time = |form: &mut Form<'_>, field| {
        let given = text(form, field);
        let wrong = |_: &str| "Invalid date format.".into();
        form.typed(field, given, wrong, |text| zone.parse(text))
    };
    let slug = text(form, SLUG);
    let (start, end) = (time(form, DATE), time(form, TO));
    let note = form.lines(NOTE);
    let note = form.bounded(NOTE, note, MAX_NOTE);
    let status = form.filter(STATUS);
    let wrong = |_: &str| "Invalid appointment status.".into();
    Given {
        slug,
        start,
        end,
        note,
        status: form.typed(STATUS, status, wrong, Status::named),
    }
}

/// The lead of a slug, with whom the caller may have appointments.
async fn lead_of(
    tx: &Tx,
    call: &LeadsCall,
    slug: Option<&String>,
    findings: &mut Findings,
) -> Result<Option<Lead>> {
    let Some(slug) = slug else {
        return Ok(None);
    };
    let found = lead::by_slug(tx, call.account.id, slug).await?;
    let Some(lead) = found.filter(Lead::is_live) else {
        findings.add(SLUG, "Requested slug is invalid.");
        return Ok(None);
    };
    if rights::attend(call.actor.rights, &lead).is_err() {
        findings.add(SLUG, "You can't take appointment under this lead.");
        return Ok(None);
    }
    Ok(Some(lead))
}

/// `create/appointment`.
pub async fn create(call: &LeadsCall) -> Outcome {
    if call.params().is_empty() {
        return Err(Failure::request(NO_DATA));
    }
    let mut form = call.form();
    let given = &read(&mut form, &call.account.settings.time_zone, true);
    let findings = &form.findings;
    call.commit(|tx| async move {
        let mut findings = findings.clone();
        let lead = lead_of(&tx, call, given.slug.as_ref(), &mut findings).await?;
        findings.finish(&FIELDS)?;
        let (Some(lead), Some(start), Some(end)) = (lead, given.start, given.end) else {
            return Err(Error::internal().into());
        };
        let new = NewAppointment {
            user_id: call.user_id,
            start,
            end,
            note: given.note.clone().unwrap_or_default(),
            status: given.status.unwrap_or_default(),
        };
        let made = appointment::create(&tx, call.account.id, &lead, new, &call.actor).await?;
        Ok(encode::success(&Done {
            message: "Appointment created successfully.",
            appointment_id: made.id,
            slug: lead.slug,
        })?)
    })
    .await
}

/// The number of an appointment, which must be given.
fn id(form: &mut Form<'_>) -> Option<u64> {
    let given = form.required(ID, BLANK_APPOINTMENT);
    let wrong = |_: &str| "Invalid appointment id.".into();
    form.typed(ID, given, wrong, form::id)
}

async fn known(
    tx: &Tx,
    call: &LeadsCall,
    id: Option<u64>,
    findings: &mut Findings,
) -> Result<Option<Appointment>> {
    let Some(id) = id else {
        return Ok(None);
    };
    let found = appointment::live(tx, call.account.id, id).await?;
    if found.is_none() {
        findings.add(ID, UNKNOWN);
    }
    Ok(found)
}

/// `update/appointment`.
pub async fn update(call: &LeadsCall) -> Outcome {
    if call.params().is_empty() {
        return Err(Failure::request(NO_DATA));
    }
    let mut form = call.form();
    let id = id(&mut form);
    let given = &read(&mut form, &call.account.settings.time_zone, false);
    let findings = &form.findings;
    let changes = &Changes {
        user_id: None,
        start: given.start,
        end: given.end,
        note: given.note.clone(),
        status: given.status,
    };
    call.commit(|tx| async move {
        let (account, mut findings) = (call.account.id, findings.clone());
        let before = known(&tx, call, id, &mut findings).await?;
        let lead = lead_of(&tx, call, given.slug.as_ref(), &mut findings).await?;
        findings.finish(&FIELDS)?;
        let before = before.ok_or_else(Error::internal)?;
        may_change(call.actor.rights, &before)
            .map_err(|_| Failure::request("You can't update this appointment."))?;
        let own = lead::found(lead::by_id(&tx, account, before.lead_id).await?)?;
        let lead = lead.unwrap_or_else(|| own.clone());
        let leads = (&own, &lead);
        appointment::update(&tx, account, &before, leads, changes, &call.actor).await?;
        Ok(encode::success(&Done {
            message: "Appointment updated successfully.",
            appointment_id: before.id,
            slug: lead.slug,
        })?)
    })
    .await
}

/// `delete/appointment`.
pub async fn delete(call: &LeadsCall) -> Outcome {
    let mut form = call.form();
    let id = id(&mut form);
    let findings = &form.findings;
    call.commit(|tx| async move {
        let (account, mut findings) = (call.account.id, findings.clone());
        let before = known(&tx, call, id, &mut findings).await?;
        findings.finish(&FIELDS)?;
        let before = before.ok_or_else(Error::internal)?;
        may_change(call.actor.rights, &before)
            .map_err(|_| Failure::request("You can't delete this appointment."))?;
        let lead = lead::found(lead::by_id(&tx, account, before.lead_id).await?)?;
        appointment::delete(&tx, account, &before, &lead, &call.actor).await?;
        Ok(encode::success(&Deleted {
            message: "Appointment deleted successfully.",
        })?)
    })
    .await
}
