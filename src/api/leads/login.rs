//! `user/login` and `user/token/refresh` (`protocols/leads-api.md` section 2).
//!
//! Owns their answers, which have no envelope. Does not know what is in a token.

use std::sync::Arc;

use serde::Serialize;

use super::call::Outcome;
use super::decode::Params;
use super::form::{BLANK, Form};
use super::{encode, unauthenticated, worded};
use crate::api::front::{Call, Login};
use crate::auth::session_token::{Kind, Standing};
use crate::domain::{session, user};

/// An unknown user or a wrong password.
const FAILED: &str = "Authentication failed";
const INACTIVE: &str = "Inactive Account";
const ENDED: &str = "Token is invalid or expired";

#[derive(Serialize)]
struct Tokens {
    refresh: String,
    access: String,
}

#[derive(Serialize)]
struct Access {
    access: String,
}

/// `user/login`.
pub async fn login(call: &Call<Arc<Params>>) -> Outcome {
    let mut form = Form::new(&call.input);
    let username = form.required("username", BLANK).unwrap_or_default();
    let password = form.secret("password").unwrap_or_default();
    form.findings.finish(&["username", "password"])?;
    let (core, client, account) = (&call.core, call.head.client, call.caller.account);
    let proved = core.login(client, account, &username, password).await;
    let proved = match proved.map_err(|error| worded(error, FAILED))? {
        Login::Right(user) => user,
        Login::Inactive => return Err(unauthenticated(INACTIVE).into()),
        Login::Passwordless => {
            let error = core.wrong_password(client, account, &username);
            return Err(worded(error, FAILED).into());
        }
    };
    let (id, password) = (proved.id, proved.password_generation);
    let opened = call.commit(|tx| async move {
        // It may have been changed since the password was looked at.
        let user = user::by_id(&tx, account, id).await?;
        let right = user.filter(|user| user.password_generation == password);
        let user = right.ok_or_else(|| unauthenticated(FAILED))?;
        if !user.active {
            return Err(unauthenticated(INACTIVE));
        }
        let session = session::open(&tx, account, &user).await?;
        let callers = &core.callers;
        let token = async |kind| callers.session_token(&tx, account, kind, &session).await;
        encode::bare(&Tokens {
            refresh: token(Kind::Refresh).await?,
            access: token(Kind::Access).await?,
        })
    });
    Ok(Box::pin(opened).await?)
}

/// `user/token/refresh`.
pub async fn refresh(call: &Call<Arc<Params>>) -> Outcome {
    let mut form = Form::new(&call.input);
    let token = form.secret("refresh").unwrap_or_default();
    form.findings.finish(&["refresh"])?;
    let (core, account) = (&call.core, call.caller.account);
    let standing = core.by_session_token(call.head.client, account, Kind::Refresh, token.trim());
    let standing = standing.await.map_err(|error| worded(error, ENDED))?;
    let Standing::Live(_, session) = standing else {
        return Err(unauthenticated(ENDED).into());
    };
    let tx = core.db.view();
    let access = core
        .callers
        .session_token(&tx, account, Kind::Access, &session)
        .await?;
    Ok(encode::bare(&Access { access })?)
}
