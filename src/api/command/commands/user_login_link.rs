//! `user_login_link` (`protocols/command-api.md` 4.25).

use super::{CommandCall, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::form::Form;
use crate::api::command::user_fields;
use crate::auth::credentials::{digest, new_link_key};
use crate::clock::Timestamp;
use crate::domain::account::Account;
use crate::domain::login_link;
use crate::domain::user::{self, Changes, User, rules};
use crate::domain::words::fold;
use crate::error::{Error, Result};
use crate::store::Tx;

/// The type of a user who is created.
const TYPE: &str = "User";

/// Whom the link is for, if nobody has the external id.
struct Newcomer {
    changes: Changes,
    date_added: Option<Timestamp>,
    pairs: bool,
}

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    form.need(&["external_id"]);
    let external_id = form.text("external_id", rules::MAX_TEXT);
    let known = match &external_id {
        Some(id) => user::by_external_id(&call.view(), call.account.id, id).await?,
        None => None,
    };
    let newcomer = match known {
        Some(_) => {
            form.finish()?;
            None
        }
        None => Some(newcomer(call, form).await?),
    };
    let (account, external_id) = (&call.account, external_id.unwrap_or_default());
    let key = new_link_key(call.core().db.entropy());
    let (external_id, newcomer, key) = (&external_id, newcomer.as_ref(), &key);
    call.commit(|tx| async move {
        let user = guest(&tx, account, external_id, newcomer).await?;
        let id = login_link::create(&tx, account, &user, digest(key)).await?;
        Ok(Reply::new("Success")
            .integer("user_id", user.id)
            .integer("ai_sid", id)
            .text("ai_sid_key", key.as_str())
            .text("dashboard_url", dashboard(account, id, key)))
    })
    .await
}

async fn newcomer(call: &CommandCall, mut form: Form<'_>) -> Result<Newcomer, super::Failure> {
    for name in user_fields::REQUIRED {
        form.need(&[name]);
    }
    let mut changes = user_fields::person(&mut form);
    let password = user_fields::password(&mut form);
    changes.company = form.text("company", rules::MAX_TEXT);
    let date_added = form.time("date_added");
    let account_type = form.text("account_type", rules::MAX_TYPE);
    changes.account_type = Some(account_type.unwrap_or_else(|| TYPE.to_owned()));
    let pairs = form.boolean("pair_existing").unwrap_or(false);
    form.finish()?;
    if let Some(password) = password {
        changes.password = Some(call.core().callers.passwords().hash(&password).await?);
    }
    Ok(Newcomer {
        changes,
        date_added,
        pairs,
    })
}

/// The active user with this external id: known, paired or created.
async fn guest(
    tx: &Tx,
    account: &Account,
    external_id: &str,
    newcomer: Option<&Newcomer>,
) -> Result<User> {
    if let Some(user) = user::by_external_id(tx, account.id, external_id).await? {
        return active(user);
    }
    // Known a moment ago, and given another external id since.
    let newcomer = newcomer.ok_or_else(|| Error::not_found("Record does not exist"))?;
    let external_id = Some(external_id.to_owned());
    if let Some(user) = paired(tx, account, newcomer).await? {
        let changes = Changes {
            external_id,
            ..Changes::default()
        };
        return user::update(tx, account, active(user)?.id, &changes).await;
    }
    let changes = Changes {
        external_id,
        ..newcomer.changes.clone()
    };
    user::create(tx, account, &changes, newcomer.date_added).await
}

/// The user with the newcomer's name and e-mail address and without an external id.
async fn paired(tx: &Tx, account: &Account, newcomer: &Newcomer) -> Result<Option<User>> {
    let (Some(username), Some(email), true) = (
        &newcomer.changes.username,
        &newcomer.changes.email,
        newcomer.pairs,
    ) else {
        return Ok(None);
    };
    let found = user::by_username(tx, account.id, username).await?;
    let is_same = |user: &User| fold(&user.email) == fold(email) && user.external_id.is_none();
    Ok(found.filter(is_same))
}

fn active(user: User) -> Result<User> {
    if user.active {
        Ok(user)
    } else {
        Err(Error::forbidden("Permission denied"))
    }
}

/// The account's base with the link's parameters; empty without a base.
fn dashboard(account: &Account, id: u64, key: &str) -> String {
    match &account.settings.dashboard_url {
        None => String::new(),
        Some(base) => {
            let joint = if base.contains('?') { '&' } else { '?' };
            format!("{base}{joint}ai_sid={id}&ai_sid_key={key}")
        }
    }
}
