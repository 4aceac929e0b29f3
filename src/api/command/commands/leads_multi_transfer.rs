//! `leads_multi_transfer` (`protocols/command-api.md` 4.17).

use super::{CommandCall, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::form::Form;
use crate::api::command::lead_fields;
use crate::domain::lead::several::{self, Target};
use crate::domain::{lead, user};
use crate::error::Result;
use crate::id::AccountId;
use crate::store::Tx;

/// Characters of a username and of a pool's name.
const MAX_NAME: usize = 255;

/// Where the leads go, as it was named.
enum Named {
    Id(u64),
    Username(String),
    Pool(String),
}

impl Named {
    /// The first of three that is given.
    fn read(form: &mut Form<'_>) -> Option<Self> {
        let names = ["to_userid", "to_username", "to_pool"];
        form.need(&names);
        match form.either(&names) {
            "to_username" => form.text("to_username", MAX_NAME).map(Self::Username),
            "to_pool" => form.text("to_pool", MAX_NAME).map(Self::Pool),
            name => form.id(name).map(Self::Id),
        }
    }

    async fn find(&self, tx: &Tx, account: AccountId) -> Result<Target> {
        let user = match self {
            Self::Pool(name) => return Ok(Target::Pool(name.clone())),
            Self::Id(id) => user::by_id(tx, account, *id).await?,
            Self::Username(name) => user::by_username(tx, account, name).await?,
        };
        let user = user.ok_or_else(lead::missing)?;
        Ok(Target::User(Box::new(user)))
    }
}

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    let target = Named::read(&mut form);
    let ids = lead_fields::ids(&mut form, "lead_list");
    let user = lead_fields::acting_user(&mut form, &call.actor);
    let reset = form.boolean("reset_leads").unwrap_or(false);
    form.finish()?;
    let Some(target) = &target else {
        return Err(lead::missing().into());
    };
    let (account, ids) = (call.account.id, &ids.into_iter().collect());
    call.commit(|tx| async move {
        let actor = call.acting(&tx, user).await?;
        let target = target.find(&tx, account).await?;
        let totals = several::transfer(&tx, account, ids, (&target, reset), &actor).await?;
        Ok(Reply::new("Success").counters(&[
            ("moved", totals.moved),
            ("unchanged", totals.unchanged),
            ("missing", totals.missing),
            ("notes_erased", totals.notes_erased),
        ]))
    })
    .await
}
