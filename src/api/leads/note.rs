//! `create/leadnote`, `delete/leadnote` (`protocols/leads-api.md` section 6).

use serde::Serialize;

use super::call::{Failure, LeadsCall, Outcome};
use super::encode;
use super::form::{self, BLANK};
use super::lead::named;
use crate::domain::lead::note::{self, DEFAULT_KIND, NewNote};
use crate::domain::lead::{self, rights};
use crate::error::Error;

/// Characters of a note on this surface.
const MAX_NOTE: usize = 499;
const ID: &str = "note_id";

#[derive(Serialize)]
struct Created {
    message: &'static str,
    note_id: u64,
}

#[derive(Serialize)]
struct Deleted {
    message: &'static str,
}

/// `create/leadnote`.
pub async fn create(call: &LeadsCall) -> Outcome {
    let mut form = call.form();
    let slug = &form.required("slug", BLANK);
    let text = form.required_lines("note", BLANK);
    let text = form.bounded("note", text, MAX_NOTE);
    let findings = &form.findings;
    let new = &NewNote {
        kind: DEFAULT_KIND.to_owned(),
        text: text.unwrap_or_default(),
    };
    call.commit(|tx| async move {
        let mut findings = findings.clone();
        let found = named(&tx, call, slug.as_ref(), &mut findings).await?;
        findings.finish(&["slug", "note"])?;
        let lead = found.ok_or_else(Error::internal)?;
        rights::attend(call.actor.rights, &lead)
            .map_err(|_| Failure::request("You can't add note on this lead."))?;
        let note_id = note::add(&tx, call.account.id, &lead, new, &call.actor).await?;
        Ok(encode::success(&Created {
            message: "Note created successfully.",
            note_id,
        })?)
    })
    .await
}

/// `delete/leadnote`.
pub async fn delete(call: &LeadsCall) -> Outcome {
    let mut form = call.form();
    let given = form.required(ID, BLANK);
    let wrong = |_: &str| "Invalid note id.".into();
    let id = form.typed(ID, given, wrong, form::id);
    form.findings.finish(&[ID])?;
    let id = id.ok_or_else(Error::internal)?;
    call.commit(|tx| async move {
        let account = call.account.id;
        let Some(note) = note::by_id(&tx, account, id).await? else {
            return Err(Failure::field(ID, "Requested note not found."));
        };
        let lead = lead::found(lead::by_id(&tx, account, note.lead_id).await?)?;
        rights::erase_note(call.actor.rights, &lead, &note)
            .map_err(|_| Failure::request("You can't delete this note."))?;
        note::erase(&tx, account, &note, &lead, &call.actor).await?;
        Ok(encode::success(&Deleted {
            message: "Note deleted successfully.",
        })?)
    })
    .await
}
