//! `validate_user` (`protocols/command-api.md` 4.28).

use super::{CommandCall, Done, Failure, Outcome};
use crate::api::command::encode::Reply;
use crate::api::front::Login;
use crate::auth::credentials::digest;
use crate::domain::login_link::{self, LoginLink};
use crate::domain::user::User;
use crate::error::{Error, Kind, Result};
use crate::store::Tx;
use subtle::ConstantTimeEq;

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    let by_link = form.is_given("ai_sid") || form.is_given("ai_sid_key");
    let by_password = form.is_given("username") || form.is_given("password");
    if by_link && !by_password {
        form.need(&["ai_sid"]);
        form.need(&["ai_sid_key"]);
    } else {
        form.need(&["username"]);
        form.need(&["password"]);
    }
    let username = form.typed("username", |text| Some(text.to_owned()));
    let password = form.raw("password").unwrap_or_default();
    let id = form.id("ai_sid");
    let key = form.raw("ai_sid_key").unwrap_or_default();
    form.finish()?;
    let outcome = match (username, id) {
        (Some(username), _) => with_password(call, &username, password).await,
        (None, id) => with_link(call, id.unwrap_or(0), key).await,
    };
    match outcome {
        Err(Failure::Error(error)) if error.kind == Kind::Unauthenticated => {
            Ok(Done::Reply(says("fail")))
        }
        other => other,
    }
}

fn says(word: &str) -> Reply {
    Reply::new("Success").text("validation", word)
}

async fn with_password(call: &CommandCall, username: &str, password: &str) -> Outcome {
    let (core, client) = (call.core(), call.http().head.client);
    let login = core.login(client, call.account.id, username, password);
    Ok(Done::Reply(match login.await? {
        Login::Right(user) => says("success").integer("user_id", user.id),
        Login::Inactive | Login::Passwordless => says("error"),
    }))
}

async fn with_link(call: &CommandCall, id: u64, key: &str) -> Outcome {
    let (core, account) = (call.core(), &call.account);
    let name = format!("ai_sid {id}");
    let counter = core.name_counter(call.http().head.client, account.id, &name);
    core.not_barred(counter)?;
    match guest(call, &call.view(), id, key).await? {
        None => return Err(core.counted(counter).into()),
        Some((_, user)) if !user.active => return Ok(Done::Reply(says("error"))),
        Some(_) => core.not_barred(counter)?,
    }
    call.commit(|tx| async move {
        // Of two at the same time one is first.
        let guest = guest(call, &tx, id, key).await?;
        let guest = guest.filter(|(_, user)| user.active);
        let (link, user) = guest.ok_or_else(Error::unauthenticated)?;
        login_link::consume(&tx, account, link, &user).await?;
        Ok(says("success").integer("user_id", user.id))
    })
    .await
}

/// The link with this number, if it is good and this is its key, and its user.
async fn guest(
    call: &CommandCall,
    tx: &Tx,
    id: u64,
    key: &str,
) -> Result<Option<(LoginLink, User)>> {
    let given = digest(key);
    let found = login_link::by_id(tx, &call.account, id).await?;
    let right = found.filter(|link| bool::from(link.digest.ct_eq(&given)) && !link.used);
    let Some(link) = right else {
        return Ok(None);
    };
    let user = login_link::user_of(tx, &call.account, &link).await?;
    Ok(user.map(|user| (link, user)))
}
