//! `issue_invites` (`protocols/command-api.md` 4.12).

use super::{CommandCall, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::user_fields;
use crate::domain::invite;
use crate::error::Error;

/// Characters of a type's name.
const MAX_TYPE_NAME: usize = 64;
/// Invites of one call.
const MAX_INVITES: i64 = 100;

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    form.need(&["user_id", "external_user_id"]);
    form.need(&["type_name"]);
    let named = user_fields::by_ids(&mut form, "user_id", "external_user_id");
    let type_name = form.text("type_name", MAX_TYPE_NAME);
    let count = form.within("qty", 1, MAX_INVITES).unwrap_or(1);
    form.finish()?;
    let named = named.ok_or_else(Error::internal)?;
    let count = usize::try_from(count).unwrap_or(1);
    let (account, named) = (&call.account, &named);
    let type_name = type_name.unwrap_or_default();
    let type_name = type_name.as_str();
    call.commit(|tx| async move {
        let user = named.existing(&tx, account).await?;
        let codes = invite::issue(&tx, account, &user, type_name, count).await?;
        Reply::new("SUCCESS").json("invites", &codes)
    })
    .await
}
