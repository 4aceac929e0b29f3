//! `user_login_token_update` (`protocols/command-api.md` 4.27).

use super::user_login_token::end;
use super::{CommandCall, Outcome};
use crate::api::command::encode::Reply;
use crate::domain::user_token;
use crate::error::Error;

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    form.need(&["ai_token"]);
    let reissue = form.integer("reissue") == Some(1);
    let now = call.core().db.clock().now();
    let expires = end(&mut form, now);
    form.finish()?;
    let token = call.params().credential("ai_token").unwrap_or_default();
    let (account, callers) = (&call.account, &call.core().callers);
    call.commit(|tx| async move {
        // Whoever else held the token may have ended it meanwhile.
        let proved = callers.token_user(&tx, token).await?;
        let (_, user) = proved.ok_or_else(Error::unauthenticated)?;
        let user = user_token::update(&tx, account, user, reissue, expires).await?;
        let token = callers.token_text(&tx, account.id, &user).await?;
        let expires = user.token_expires.unwrap_or(tx.now());
        let expires = account.settings.time_zone.local(expires);
        Ok(Reply::new("Success")
            .text("ai_token", token)
            .text("ai_expiration", expires))
    })
    .await
}
