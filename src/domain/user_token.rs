//! User tokens (`protocols/command-api.md` section 6), as far as they are stored: a generation and
//! an end.
//!
//! Owns when a token is made anew, and its notification. Does not know a token's text: that is
//! `auth/user_token.rs`.

use serde::Serialize;

use super::account::Account;
use super::event::emit;
use super::user::{self, User};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::store::Tx;

#[derive(Serialize)]
struct Notice<'a> {
    user_id: u64,
    username: &'a str,
    expires_at: Option<String>,
    reissued: bool,
}

/// The user with a token that lives: the current one as it is, unless it ended or is to be
/// `reissued`; a new one ends at `expires`.
pub async fn obtain(
    tx: &Tx,
    account: &Account,
    user: User,
    reissue: bool,
    expires: Timestamp,
) -> Result<User> {
    if user.has_token(tx.now()) && !reissue {
        return Ok(user);
    }
    renew(tx, account, user, expires).await
}

/// The user whose live token was proved, with a new one if it is to be reissued, and with a new end
/// if there is one.
pub async fn update(
    tx: &Tx,
    account: &Account,
    mut user: User,
    reissue: bool,
    expires: Option<Timestamp>,
) -> Result<User> {
    let end = expires.or(user.token_expires).unwrap_or(tx.now());
    if reissue {
        return renew(tx, account, user, end).await;
    }
    if user.token_expires != Some(end) {
        user.token_expires = Some(end);
        store(tx, account, &user, false).await?;
    }
    Ok(user)
}

async fn renew(tx: &Tx, account: &Account, mut user: User, end: Timestamp) -> Result<User> {
    let reissued = user.has_token(tx.now());
    user.end_token();
    user.token_expires = Some(end);
    store(tx, account, &user, reissued).await?;
    Ok(user)
}

async fn store(tx: &Tx, account: &Account, user: &User, reissued: bool) -> Result<()> {
    user::save_token(tx, account.id, user)?;
    let data = Notice {
        user_id: user.id,
        username: &user.username,
        expires_at: user.token_expires.map(|end| end.to_string()),
        reissued,
    };
    emit(tx, account.id, "user_token", &data).await.map(drop)
}
