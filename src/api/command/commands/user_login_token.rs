//! `user_login_token` (`protocols/command-api.md` 4.26).

use super::{CommandCall, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::form::Form;
use crate::api::front::Login;
use crate::clock::{Millis, Timestamp};
use crate::domain::{user, user_token};
use crate::error::Error;

/// How long a token holds unless the caller says.
const LIFETIME: Millis = Millis::days(30);

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    form.need(&["username"]);
    form.need(&["password"]);
    let username = form.typed("username", |text| Some(text.to_owned()));
    let password = form.raw("password").unwrap_or_default();
    let reissue = form.integer("reissue") == Some(1);
    let now = call.core().db.clock().now();
    let expires = end(&mut form, now).unwrap_or(now.after(LIFETIME));
    form.finish()?;
    let (core, client) = (call.core(), call.http().head.client);
    let (account, username) = (&call.account, username.unwrap_or_default());
    let proved = match core.login(client, account.id, &username, password).await? {
        Login::Right(user) => *user,
        Login::Inactive | Login::Passwordless => {
            return Err(core.wrong_password(client, account.id, &username).into());
        }
    };
    let proved = &proved;
    call.commit(|tx| async move {
        let user = user::by_id(&tx, account.id, proved.id).await?;
        // It may have changed while the password was compared.
        let user = user.filter(|user| user.active && user.password == proved.password);
        let user = user.ok_or_else(Error::unauthenticated)?;
        let user = user_token::obtain(&tx, account, user, reissue, expires).await?;
        let token = core.callers.token_text(&tx, account.id, &user).await?;
        Ok(Reply::new("Success").text("ai_token", token))
    })
    .await
}

/// `expiration`, which must not be past.
pub fn end(form: &mut Form<'_>, now: Timestamp) -> Option<Timestamp> {
    let end = form.expiration("expiration")?;
    if end < now {
        form.wrong("expiration");
    }
    Some(end)
}
