//! `leads_multi_manage_tags` (`protocols/command-api.md` 4.16).

use super::{CommandCall, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::lead_fields;
use crate::domain::lead::several;

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    form.need(&["tags_add", "tags_remove"]);
    let add = lead_fields::tags(&mut form, "tags_add").unwrap_or_default();
    let remove = lead_fields::tags(&mut form, "tags_remove").unwrap_or_default();
    if add.is_empty() && remove.is_empty() {
        // Commas alone name no tag.
        for name in ["tags_add", "tags_remove"] {
            if form.is_given(name) {
                form.wrong(name);
            }
        }
    }
    let ids = lead_fields::ids(&mut form, "lead_list");
    let user = lead_fields::acting_user(&mut form, &call.actor);
    form.finish()?;
    let (account, ids) = (call.account.id, &ids.into_iter().collect());
    let tags = (add.as_slice(), remove.as_slice());
    call.commit(|tx| async move {
        let actor = call.acting(&tx, user).await?;
        let totals = several::manage_tags(&tx, account, ids, tags, &actor).await?;
        Ok(Reply::new("Success").counters(&[
            ("changed", totals.changed),
            ("unchanged", totals.unchanged),
            ("missing", totals.missing),
            ("tags_added", totals.tags_added),
            ("tags_removed", totals.tags_removed),
        ]))
    })
    .await
}
