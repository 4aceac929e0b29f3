//! `update_lead` (`protocols/command-api.md` 4.21), and what `lead_set` shares with it.

use super::{CommandCall, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::form::Form;
use crate::api::command::lead_fields::{self, Mode};
use crate::domain::lead::{self, Text};
use crate::error::Result;
use crate::id::AccountId;
use crate::store::Tx;

/// What a call that updated a lead is answered.
pub const UPDATED: &str = "Lead Update Successful";

/// Which lead a call is about.
#[derive(Debug)]
pub enum Target {
    /// By its integer id.
    Id(u64),
    /// By its external id.
    External(String),
}

impl Target {
    /// `lead_id`, else `external_id`; none is missing.
    pub fn read(form: &mut Form<'_>) -> Option<Self> {
        form.need(&["lead_id", "external_id"]);
        Self::optional(form)
    }

    /// The same where the call may be about none.
    pub fn optional(form: &mut Form<'_>) -> Option<Self> {
        if form.is_given("lead_id") {
            return form.id("lead_id").map(Self::Id);
        }
        let external_id = form.text("external_id", lead_fields::MAX_EXTERNAL_ID);
        external_id.map(Self::External)
    }

    /// Whether `external_id` is what the lead is found by.
    pub fn takes_external_id(&self) -> bool {
        matches!(self, Self::External(_))
    }

    /// The lead, which is not deleted.
    pub async fn find(&self, tx: &Tx, account: AccountId) -> Result<lead::Lead> {
        lead::found(match self {
            Self::Id(id) => lead::live(tx, account, *id).await?,
            Self::External(text) => lead::by_external_id(tx, account, text).await?,
        })
    }
}

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    let target = Target::read(&mut form);
    let mut fields = lead_fields::read(&mut form, &call.account.settings, Mode::UpdateApart);
    let max = Text::AdminNotes.max();
    fields.admin_note = form.lines("admin_notes_append", max);
    let sent = form.lines("admin_notes_send", max);
    fields
        .texts
        .extend(sent.map(|text| (Text::AdminNotes, text)));
    let user = form.id("user_id");
    form.finish()?;
    let Some(target) = &target else {
        return Err(lead::missing().into());
    };
    if target.takes_external_id() {
        fields.external_id = None;
    }
    let (account, fields) = (&call.account, &fields);
    call.commit(|tx| async move {
        let actor = call.acting(&tx, user).await?;
        let id = target.find(&tx, account.id).await?.id;
        Box::pin(lead::update(&tx, account, id, fields, &actor)).await?;
        Ok(Reply::new(UPDATED))
    })
    .await
}
