//! `leads_merge` (`protocols/command-api.md` 4.15).

use super::{CommandCall, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::lead_fields;
use crate::domain::lead::merge;

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    form.need(&["merge_to_lead"]);
    let survivor = form.id("merge_to_lead");
    let sources = lead_fields::ids(&mut form, "merge_lead_list");
    let user = lead_fields::acting_user(&mut form, &call.actor);
    if survivor.is_some_and(|survivor| sources.contains(&survivor)) {
        form.wrong("merge_lead_list");
    }
    form.finish()?;
    let (account, sources) = (call.account.id, &sources);
    let survivor = survivor.unwrap_or_default();
    call.commit(|tx| async move {
        let actor = call.acting(&tx, user).await?;
        let totals = merge::merge(&tx, account, survivor, sources, &actor).await?;
        Ok(Reply::new("Success").counters(&[
            ("merged", totals.merged),
            ("fields_filled", totals.fields_filled),
            ("notes_moved", totals.notes_moved),
            ("events_moved", totals.events_moved),
            ("tags_added", totals.tags_added),
        ]))
    })
    .await
}
