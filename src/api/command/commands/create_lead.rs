//! `create_lead` (`protocols/command-api.md` 4.8).

use super::{CommandCall, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::lead_fields::{self, Mode};
use crate::domain::lead;

/// What a call without any lead field is answered.
pub const NOTHING: &str = "At least one lead field is required";
/// What a call that created a lead is answered.
pub const CREATED: &str = "Lead Creation Successful";

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    if !lead_fields::are_given(&form) {
        form.refuse(NOTHING);
    }
    let fields = &lead_fields::read(&mut form, &call.account.settings, Mode::Insert);
    let owner = form.id("user_id");
    form.finish()?;
    let (account, actor) = (&call.account, &call.actor);
    call.commit(|tx| async move {
        let lead = lead::create(&tx, account, fields, owner, actor).await?;
        Ok(Reply::new(CREATED).integer("lead_id", lead.id))
    })
    .await
}
