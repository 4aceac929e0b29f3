//! Login links (`protocols/domain.md` 2.7): a number and a key that log a user in once.
//!
//! Owns the record, its ten minutes and its notifications. Knows only the key's digest.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::account::Account;
use super::event::emit;
use super::sequence;
use super::user::{self, User};
use crate::clock::{Millis, Timestamp};
use crate::error::Result;
use crate::store::{Tx, keys};

const KIND: &str = "login-link";
/// How long a link is good.
const LIFETIME: Millis = Millis::minutes(10);

/// A link that was given out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoginLink {
    /// `ai_sid`.
    pub id: u64,
    /// SHA-256 of `ai_sid_key`.
    pub digest: [u8; 32],
    /// Whom it logs in.
    pub user: u64,
    /// Good before this time.
    pub expires_at: Timestamp,
    /// It logged in already.
    pub used: bool,
}

#[derive(Serialize)]
struct Given<'a> {
    user_id: u64,
    username: &'a str,
    ai_sid: u64,
    expires_at: String,
}

#[derive(Serialize)]
struct Used<'a> {
    user_id: u64,
    username: &'a str,
    ai_sid: u64,
}

/// Makes a link for `user`, whose key has this digest; gives its number.
pub async fn create(tx: &Tx, account: &Account, user: &User, digest: [u8; 32]) -> Result<u64> {
    let id = sequence::next(tx, account.id, KIND).await?;
    let expires_at = tx.now().after(LIFETIME);
    let link = LoginLink {
        id,
        digest,
        user: user.id,
        expires_at,
        used: false,
    };
    let key = keys::record(KIND, account.id, id);
    tx.put_bytes(keys::end(expires_at, &key), Bytes::new());
    tx.put(key, &link)?;
    let data = Given {
        user_id: user.id,
        username: &user.username,
        ai_sid: id,
        expires_at: expires_at.to_string(),
    };
    emit(tx, account.id, "user_login_link", &data).await?;
    Ok(id)
}

/// The link with this number, used or not, as long as it is good.
pub async fn by_id(tx: &Tx, account: &Account, id: u64) -> Result<Option<LoginLink>> {
    let found: Option<LoginLink> = tx.read(&keys::record(KIND, account.id, id)).await?;
    Ok(found.filter(|link| link.expires_at > tx.now()))
}

/// The user whom the link logs in; none if there is none any more.
pub async fn user_of(tx: &Tx, account: &Account, link: &LoginLink) -> Result<Option<User>> {
    user::by_id(tx, account.id, link.user).await
}

/// Uses the link up: it logged `user` in.
pub async fn consume(tx: &Tx, account: &Account, mut link: LoginLink, user: &User) -> Result<()> {
    link.used = true;
    tx.put(keys::record(KIND, account.id, link.id), &link)?;
    let data = Used {
        user_id: user.id,
        username: &user.username,
        ai_sid: link.id,
    };
    emit(tx, account.id, "user_logged_in", &data)
        .await
        .map(drop)
}
