//! `update_user` (`protocols/command-api.md` 4.23).

use zeroize::Zeroizing;

use super::{CommandCall, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::form::Form;
use crate::api::command::user_fields::{self, Named, checked};
use crate::domain::actor::Rights;
use crate::domain::user::{self, Changes, User, rules};
use crate::domain::words;
use crate::error::{Error, Result};
use crate::store::Tx;

/// What a user may not change of itself.
const NOT_BY_ITSELF: [&str; 6] = [
    "account_type",
    "active",
    "enroller_id",
    "enroller_code",
    "enroller_code_name",
    "upline_id",
];
/// The same, of a field that a blank value clears.
const NOT_CLEARED_BY_ITSELF: &str = "payout_method";

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    let myself = match call.actor.rights {
        Rights::User { id, .. } => Some(id),
        Rights::All => None,
    };
    if myself.is_none() {
        form.need(&["userID", "exteral_id", "external_id", "username"]);
    }
    let external_id = form.either(&["exteral_id", "external_id"]);
    let id = form.id("userID");
    let (mut changes, password) = columns(&mut form, external_id);
    let named = named(&form, id, external_id, &mut changes);
    let is_denied = NOT_BY_ITSELF.iter().any(|name| form.is_given(name))
        || form.is_given(NOT_CLEARED_BY_ITSELF)
        || form.is_blank(NOT_CLEARED_BY_ITSELF);
    form.finish()?;
    let named = named
        .or(myself.map(Named::Id))
        .ok_or_else(Error::internal)?;
    let found = target(call, &call.view(), &named, myself).await?;
    if myself.is_some() && is_denied {
        return Err(Error::forbidden("Permission denied").into());
    }
    if let Some(password) = password {
        let passwords = call.core().callers.passwords();
        // The same password again is no change, though its hash would differ.
        if !passwords
            .is_right(&password, found.password.as_ref())
            .await?
        {
            changes.password = Some(passwords.hash(&password).await?);
        }
    }
    let (account, named, changes) = (&call.account, &named, &changes);
    call.commit(|tx| async move {
        let user = target(call, &tx, named, myself).await?;
        user::update(&tx, account, user.id, changes).await?;
        Ok(Reply::new("Success"))
    })
    .await
}

/// The user that the call names; a user names itself only, and does not learn of others.
async fn target(call: &CommandCall, tx: &Tx, named: &Named, myself: Option<u64>) -> Result<User> {
    match myself {
        None => named.existing(tx, &call.account).await,
        Some(id) => {
            let found = named.find(tx, call.account.id).await?;
            let own = found.filter(|user| user.id == id);
            own.ok_or_else(|| Error::forbidden("Permission denied"))
        }
    }
}

/// Who is named, by `userID`, else by external id, else by username. What names is no new value.
fn named(
    form: &Form<'_>,
    id: Option<u64>,
    external_id: &str,
    changes: &mut Changes,
) -> Option<Named> {
    if form.is_given("userID") {
        return id.map(Named::Id);
    }
    if form.is_given(external_id) {
        return changes.external_id.take().map(Named::ExternalId);
    }
    changes.username.take().map(Named::Username)
}

/// The new values, and the new password.
fn columns(form: &mut Form<'_>, external_id: &str) -> (Changes, Option<Zeroizing<String>>) {
    let person = Changes {
        username: checked(form, "username", rules::MAX_EMAIL, rules::is_username),
        first_name: form.text("first_name", rules::MAX_TEXT),
        last_name: form.text("last_name", rules::MAX_TEXT),
        phone: form.text("phone", rules::MAX_PHONE),
        email: checked(form, "email", rules::MAX_EMAIL, words::is_email),
        ..Changes::default()
    };
    let password = user_fields::password(form);
    let changes = Changes {
        company: cleared(form, "company").or_else(|| form.text("company", rules::MAX_TEXT)),
        account_type: form.text("account_type", rules::MAX_TYPE),
        country: cleared(form, "country").or_else(|| user_fields::country(form)),
        gender: cleared(form, "gender").or_else(|| user_fields::gender(form)),
        is_business: form.boolean("is_business"),
        gov_id_type: form.text("gov_id_type", rules::MAX_TEXT),
        gov_id_number: form.text("gov_id_number", rules::MAX_TEXT),
        external_id: form.text(external_id, rules::MAX_TEXT),
        enroller_id: form.id("enroller_id"),
        upline_id: form.id("upline_id"),
        enroller_code: form.integer("enroller_code"),
        enroller_code_name: form.text("enroller_code_name", rules::MAX_TEXT),
        billing_address: user_fields::address(form, "billing_address"),
        shipping_address: user_fields::address(form, "shipping_address"),
        payout_method: cleared(form, NOT_CLEARED_BY_ITSELF)
            .or_else(|| form.text(NOT_CLEARED_BY_ITSELF, rules::MAX_TEXT)),
        active: form.boolean("active"),
        online_status: cleared(form, "online_status")
            .or_else(|| form.typed("online_status", rules::online_status)),
        ..person
    };
    (changes, password)
}

/// A blank value, where that clears.
fn cleared(form: &Form<'_>, name: &str) -> Option<String> {
    form.is_blank(name).then(String::new)
}
