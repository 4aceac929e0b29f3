//! `event_set` (`protocols/command-api.md` 4.10): makes, changes and deletes appointments.

use super::update_lead::Target;
use super::{CommandCall, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::form::Form;
use crate::domain::actor::Rights;
use crate::domain::appointment::{self, Appointment, Changes, MAX_NOTE, NewAppointment, Status};
use crate::domain::lead::{self, Lead, missing};
use crate::domain::user;
use crate::error::Result;
use crate::store::Tx;

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Insert,
    Update,
    Delete,
}

const LEAD: [&str; 2] = ["lead_id", "external_id"];
const START: [&str; 2] = ["start_date", "appointment_date"];
const END: [&str; 2] = ["end_date", "appointment_to"];
const NOTE: [&str; 2] = ["note", "appointment_note"];
const STATUS: [&str; 2] = ["status", "appointment_status"];

/// A call's parameters.
struct Given {
    event: Option<u64>,
    lead: Option<Target>,
    changes: Changes,
}

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    form.need(&["mode"]);
    let mode = form.typed("mode", |text| match text {
        "insert" => Some(Mode::Insert),
        "update" => Some(Mode::Update),
        "delete" => Some(Mode::Delete),
        _ => None,
    });
    let given = &read(&mut form, mode, call);
    form.finish()?;
    let mode = mode.unwrap_or(Mode::Delete);
    call.commit(|tx| async move {
        let id = match mode {
            Mode::Insert => insert(&tx, call, given).await?,
            Mode::Update => update(&tx, call, given).await?,
            Mode::Delete => delete(&tx, call, given).await?,
        };
        Ok(Reply::new("Success").integer("event_id", id))
    })
    .await
}

fn read(form: &mut Form<'_>, mode: Option<Mode>, call: &CommandCall) -> Given {
    let is_insert = mode == Some(Mode::Insert);
    if matches!(mode, Some(Mode::Update | Mode::Delete)) {
        form.need(&["event_id"]);
    }
    if is_insert {
        for names in [LEAD, START, END] {
            form.need(&names);
        }
        if call.actor.user.is_none() {
            form.need(&["user_id"]);
        }
    }
    let event = form.id("event_id");
    let lead = Target::optional(form);
    let start = form.time(form.either(&START));
    let end = form.time(form.either(&END));
    let note = form.lines(form.either(&NOTE), MAX_NOTE);
    let status = form.typed(form.either(&STATUS), Status::named);
    let user_id = form.id("user_id");
    // A user has a calendar of its own, and no other.
    let user_id = match call.actor.rights {
        Rights::User { id, .. } => is_insert.then_some(id),
        Rights::All if is_insert => user_id.or(call.actor.id()),
        Rights::All => user_id,
    };
    Given {
        event,
        lead,
        changes: Changes {
            user_id,
            start,
            end,
            note,
            status,
        },
    }
}

async fn insert(tx: &Tx, call: &CommandCall, given: &Given) -> Result<u64> {
    let (account, changes) = (call.account.id, &given.changes);
    let target = given.lead.as_ref().ok_or_else(missing)?;
    let lead = target.find(tx, account).await?;
    let user_id = changes.user_id.ok_or_else(missing)?;
    exists(tx, call, Some(user_id)).await?;
    let (Some(start), Some(end)) = (changes.start, changes.end) else {
        return Err(missing());
    };
    let new = NewAppointment {
        user_id,
        start,
        end,
        note: changes.note.clone().unwrap_or_default(),
        status: changes.status.unwrap_or_default(),
    };
    let made = appointment::create(tx, account, &lead, new, &call.actor).await?;
    Ok(made.id)
}

async fn update(tx: &Tx, call: &CommandCall, given: &Given) -> Result<u64> {
    let account = call.account.id;
    let (before, old_lead) = known(tx, call, given).await?;
    let lead = match &given.lead {
        Some(target) => target.find(tx, account).await?,
        None => old_lead.clone(),
    };
    exists(tx, call, given.changes.user_id).await?;
    let leads = (&old_lead, &lead);
    appointment::update(tx, account, &before, leads, &given.changes, &call.actor).await?;
    Ok(before.id)
}

async fn delete(tx: &Tx, call: &CommandCall, given: &Given) -> Result<u64> {
    let (before, lead) = known(tx, call, given).await?;
    appointment::delete(tx, call.account.id, &before, &lead, &call.actor).await?;
    Ok(before.id)
}

/// The appointment that the call names, and its lead.
async fn known(tx: &Tx, call: &CommandCall, given: &Given) -> Result<(Appointment, Lead)> {
    let account = call.account.id;
    let id = given.event.ok_or_else(missing)?;
    let found = appointment::live(tx, account, id).await?;
    let found = found.ok_or_else(missing)?;
    let lead = lead::found(lead::by_id(tx, account, found.lead_id).await?)?;
    Ok((found, lead))
}

async fn exists(tx: &Tx, call: &CommandCall, user_id: Option<u64>) -> Result<()> {
    if let Some(id) = user_id {
        let found = user::by_id(tx, call.account.id, id).await?;
        found.ok_or_else(missing)?;
    }
    Ok(())
}
