//! `create_customer` (`protocols/command-api.md` 4.6).

use std::collections::BTreeMap;

use super::{CommandCall, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::form::Form;
use crate::api::command::user_fields::{self, Named};
use crate::domain::account::Account;
use crate::domain::actor::Actor;
use crate::domain::lead::{self, Text, fields::Fields};
use crate::domain::user::{self, Changes, User, rules};
use crate::error::Result;
use crate::store::Tx;

/// The source of the lead of a customer who has an owner.
const SOURCE: &str = "customer";

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    for name in user_fields::REQUIRED {
        form.need(&[name]);
    }
    let mut changes = user_fields::person(&mut form);
    changes.company = form.text("company", rules::MAX_TEXT);
    let password = user_fields::password(&mut form);
    changes.account_type = form.text("account_type", rules::MAX_TYPE);
    changes.external_id = form.text("external_id", rules::MAX_TEXT);
    let enroller = user_fields::by_ids(&mut form, "enroller", "external_enroller_id");
    let upline = user_fields::by_ids(&mut form, "upline", "external_upline_id");
    changes.payout_method = form.text("payout_method", rules::MAX_TEXT);
    let date_added = form.time("date_added");
    let owner = form.id("ownerid");
    documents(&mut form, &mut changes);
    changes.country = user_fields::country(&mut form);
    changes.gender = user_fields::gender(&mut form);
    changes.billing_address = user_fields::address(&mut form, "billing_addr");
    changes.shipping_address = user_fields::address(&mut form, "shipping_addr");
    form.finish()?;
    if let Some(password) = password {
        changes.password = Some(call.core().callers.passwords().hash(&password).await?);
    }
    let account_type = changes.account_type.take();
    changes.account_type = account_type.or_else(|| Some(rules::CUSTOMER.to_owned()));
    let (account, actor) = (&call.account, &call.actor);
    let (changes, enroller, upline) = (&changes, &enroller, &upline);
    call.commit(|tx| async move {
        let changes = Changes {
            enroller_id: id_of(&tx, account, enroller.as_ref()).await?,
            upline_id: id_of(&tx, account, upline.as_ref()).await?,
            ..changes.clone()
        };
        if let Some(owner) = owner {
            Named::Id(owner).existing(&tx, account).await?;
        }
        let user = user::create(&tx, account, &changes, date_added).await?;
        if let Some(owner) = owner {
            add_lead(&tx, account, &user, owner, actor).await?;
        }
        Ok(Reply::new("Success").integer("user_id", user.id))
    })
    .await
}

/// Each half of an identity document needs the other.
fn documents(form: &mut Form<'_>, changes: &mut Changes) {
    if form.is_given("gov_id_type") || form.is_given("gov_id_number") {
        form.need(&["gov_id_type"]);
        form.need(&["gov_id_number"]);
    }
    changes.gov_id_type = form.text("gov_id_type", rules::MAX_TEXT);
    changes.gov_id_number = form.text("gov_id_number", rules::MAX_TEXT);
}

async fn id_of(tx: &Tx, account: &Account, named: Option<&Named>) -> Result<Option<u64>> {
    match named {
        Some(named) => Ok(Some(named.existing(tx, account).await?.id)),
        None => Ok(None),
    }
}

/// The customer as a lead of `owner`: the same person, so the same contact.
async fn add_lead(
    tx: &Tx,
    account: &Account,
    user: &User,
    owner: u64,
    actor: &Actor,
) -> Result<()> {
    let texts = [
        (Text::FirstName, &user.first_name),
        (Text::LastName, &user.last_name),
        (Text::Company, &user.company),
        (Text::Country, &user.country),
        (Text::Phone, &user.phone),
        (Text::Email, &user.email),
    ];
    let mut texts: BTreeMap<Text, String> = texts
        .into_iter()
        .map(|(text, value)| (text, value.clone()))
        .collect();
    texts.insert(Text::Source, SOURCE.to_owned());
    let fields = Fields {
        texts,
        ..Fields::default()
    };
    lead::create(tx, account, &fields, Some(owner), actor)
        .await
        .map(drop)
}
