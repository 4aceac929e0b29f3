//! `user_get` (`protocols/command-api.md` 4.24).

use super::{CommandCall, Done, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::form::Form;
use crate::api::command::user_fields::Named;
use crate::domain::account::Account;
use crate::domain::actor::Rights;
use crate::domain::user::{User, rules};
use crate::error::Error;

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    let myself = match call.actor.rights {
        Rights::User { id, role } => Some((id, role)),
        Rights::All => None,
    };
    if myself.is_none() {
        form.need(&["userID", "username", "external_id"]);
    }
    let named = named(&mut form);
    form.finish()?;
    let (tx, account) = (call.view(), &call.account);
    let user = match (named, myself) {
        (None, Some((id, _))) => Named::Id(id).existing(&tx, account).await?,
        (Some(named), Some((id, role)))
            if !role.is_some_and(crate::domain::actor::Role::leads_all) =>
        {
            // Who may not see others does not learn either whether there are any.
            let found = named.find(&tx, account.id).await?;
            found
                .filter(|user| user.id == id)
                .ok_or_else(|| Error::forbidden("Permission denied"))?
        }
        (Some(named), _) => named.existing(&tx, account).await?,
        (None, None) => return Err(Error::internal().into()),
    };
    Ok(Done::Reply(reply(account, &user)))
}

/// The first of `userID`, `username` and `external_id` that is given.
fn named(form: &mut Form<'_>) -> Option<Named> {
    match form.either(&["userID", "username", "external_id"]) {
        "username" => form.text("username", rules::MAX_EMAIL).map(Named::Username),
        "external_id" => form
            .text("external_id", rules::MAX_TEXT)
            .map(Named::ExternalId),
        _ => form.id("userID").map(Named::Id),
    }
}

fn reply(account: &Account, user: &User) -> Reply {
    let date_added = account.settings.time_zone.local(user.date_added);
    let online_status = match user.online_status.as_str() {
        "" => "F",
        letters => letters,
    };
    let reply = Reply::new("Success")
        .integer("user_id", user.id)
        .text("external_id", user.external_id.clone().unwrap_or_default())
        .text("username", &user.username)
        .text("first_name", &user.first_name)
        .text("last_name", &user.last_name)
        .text("company", &user.company)
        .text("email", &user.email)
        .text("phone", &user.phone)
        .text("country", &user.country)
        .text("account_type", &user.account_type)
        .text("date_added", date_added)
        .text("active", if user.active { "1" } else { "0" })
        .text("online_status", online_status);
    match user.contact_id {
        Some(id) => reply.integer("contact_id", id),
        None => reply.text("contact_id", ""),
    }
}
