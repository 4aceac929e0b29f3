//! `lead_set` (`protocols/command-api.md` 4.13): creates or updates a lead.

use super::create_lead::{CREATED, NOTHING};
use super::update_lead::{Target, UPDATED};
use super::{CommandCall, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::form::Form;
use crate::api::command::lead_fields::{self, Mode};
use crate::domain::lead::fields::Fields;
use crate::domain::lead::{self, Text};

/// Characters of `full_name`.
const MAX_NAME: usize = 255;

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    form.need(&["mode"]);
    let mode = form.typed("mode", |text| match text {
        "insert" => Some(Mode::Insert),
        "update" => Some(Mode::Update),
        _ => None,
    });
    let is_known = mode.is_some();
    let mode = mode.unwrap_or(Mode::Insert);
    let target = match mode {
        Mode::Insert => None,
        _ => Target::read(&mut form),
    };
    let full_name = form.text("full_name", MAX_NAME);
    if is_known && mode == Mode::Insert && full_name.is_none() && !lead_fields::are_given(&form) {
        form.refuse(NOTHING);
    }
    let mut fields = lead_fields::read(&mut form, &call.account.settings, mode);
    if let Some(name) = &full_name {
        split(name, &form, &mut fields);
    }
    let user = form.id("user_id");
    form.finish()?;
    if target.as_ref().is_some_and(Target::takes_external_id) {
        fields.external_id = None;
    }
    let (account, fields, target) = (&call.account, &fields, &target);
    call.commit(|tx| async move {
        let (text, lead) = match target {
            None => {
                let create = lead::create(&tx, account, fields, user, &call.actor);
                let lead = Box::pin(create).await?;
                (CREATED, lead)
            }
            Some(target) => {
                let actor = call.acting(&tx, user).await?;
                let id = target.find(&tx, account.id).await?.id;
                let update = lead::update(&tx, account, id, fields, &actor);
                let lead = Box::pin(update).await?;
                (UPDATED, lead)
            }
        };
        Ok(Reply::new(text).integer("lead_id", lead.id))
    })
    .await
}

/// Splits a full name at its last space, into the names that are not given by themselves.
fn split(name: &str, form: &Form<'_>, fields: &mut Fields) {
    let (first, last) = name.rsplit_once(' ').unwrap_or((name, ""));
    for (text, value) in [(Text::FirstName, first), (Text::LastName, last)] {
        if form.raw(text.name()).is_none() {
            fields.texts.insert(text, value.trim().to_owned());
        }
    }
}
