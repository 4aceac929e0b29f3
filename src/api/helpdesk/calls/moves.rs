//! Calls 3, 4 and 12: who works on a conversation, how far it is, and its end.

use super::conversations::{department, of_path};
use super::messages::MAX_MESSAGE;
use super::people::{self, active_agent};
use super::{HelpdeskCall, Outcome};
use crate::api::helpdesk::faults;
use crate::api::helpdesk::form::Form;
use crate::api::helpdesk::value::Value;
use crate::domain::conversation::message::Author;
use crate::domain::conversation::{self, Conversation, Status, Transfer};
use crate::error::Result;
use crate::store::Tx;

/// Notes, and who writes them.
struct Notes {
    by: Option<String>,
    texts: Vec<String>,
}

impl Notes {
    /// `useridentifier`, and texts under the first of `names` that is given.
    fn read(form: &mut Form<'_>, names: &[&'static str]) -> Self {
        Self {
            by: form.named("useridentifier"),
            texts: form.texts(form.either(names), MAX_MESSAGE),
        }
    }

    async fn post(
        &self,
        tx: &Tx,
        call: &HelpdeskCall,
        mut it: Conversation,
        author: Author,
    ) -> Result<Conversation> {
        for text in &self.texts {
            it = conversation::note(tx, &call.account, it, author, text).await?;
        }
        Ok(it)
    }
}

/// `PUT conversations/[conversationid]/attendants`.
pub async fn transfer(call: &HelpdeskCall) -> Outcome {
    let mut form = call.form();
    form.need(&["agentidentifier", "department"]);
    let (agent, place) = (form.named("agentidentifier"), form.named("department"));
    let notes = Notes::read(&mut form, &["messages", "note"]);
    form.finish()?;
    let (agent, place, notes) = (&agent, &place, &notes);
    call.commit(|tx| async move {
        let it = of_path(&tx, call).await?;
        let mut to = Transfer::default();
        if let Some(named) = agent {
            let found = active_agent(&tx, call.account.id, named).await?;
            to.agent = Some(found.ok_or_else(|| faults::unable("agent"))?);
        }
        if let Some(named) = place {
            let found = department(&tx, call, named).await?;
            let found = found.filter(|found| !found.deleted);
            to.department = Some(found.ok_or_else(|| faults::unable("department"))?);
        }
        let by = people::by(&tx, call.account.id, notes.by.as_deref()).await?;
        let it = conversation::transfer(&tx, call.account.id, it, &to, &by).await?;
        notes.post(&tx, call, it, by.author).await?;
        Ok(Value::ok())
    })
    .await
}

/// `DELETE conversations/[conversationid]`.
pub async fn delete(call: &HelpdeskCall) -> Outcome {
    let mut form = call.form();
    let notes = Notes::read(&mut form, &["messages", "note"]);
    form.finish()?;
    let notes = &notes;
    call.commit(|tx| async move {
        let it = of_path(&tx, call).await?;
        let by = people::by(&tx, call.account.id, notes.by.as_deref()).await?;
        if it.status != Status::Deleted {
            let it = notes.post(&tx, call, it, by.author).await?;
            conversation::delete(&tx, call.account.id, &it, &by).await?;
        }
        Ok(Value::ok())
    })
    .await
}

/// `PUT conversations/[conversationid]/status`.
pub async fn set_status(call: &HelpdeskCall) -> Outcome {
    let mut form = call.form();
    form.need(&["status"]);
    let letter = form.letter("status", "ARC").map(String::from);
    let notes = Notes::read(&mut form, &["note"]);
    form.finish()?;
    let status = letter.and_then(|letter| Status::of_letter(&letter));
    let (status, notes) = (status.unwrap_or(Status::Answered), &notes);
    call.commit(|tx| async move {
        let it = of_path(&tx, call).await?;
        let by = people::by(&tx, call.account.id, notes.by.as_deref()).await?;
        let it = conversation::set_status(&tx, call.account.id, it, status, &by).await?;
        notes.post(&tx, call, it, by.author).await?;
        Ok(Value::ok())
    })
    .await
}
