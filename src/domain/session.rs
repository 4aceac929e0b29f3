//! Sessions of users on the leads surface (`protocols/leads-api.md` section 2).
//!
//! Owns the record, which is kept only so that an operator can revoke it: whoever proves that a
//! session was opened for them has it until its end. Does not know the tokens: those are
//! `auth/session_token.rs`.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::user::User;
use super::{search, sequence};
use crate::clock::{Millis, Timestamp};
use crate::error::Result;
use crate::id::AccountId;
use crate::store::{Tx, keys};

/// Kind of the records.
const KIND: &str = "session";
/// From the login to the end.
const LIFE: Millis = Millis::minutes(24 * 60);
/// How long a record outlives its session: as long as a clock may be wrong.
pub const LEEWAY: Millis = Millis::minutes(1);

/// A session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Integer id.
    pub id: u64,
    /// Whose.
    pub user_id: u64,
    /// Of which of the user's passwords.
    pub password_generation: u64,
    /// When it ends.
    pub ends_at: Timestamp,
}

/// Opens a session.
pub async fn open(tx: &Tx, account: AccountId, user: &User) -> Result<Session> {
    let session = Session {
        id: sequence::next(tx, account, KIND).await?,
        user_id: user.id,
        password_generation: user.password_generation,
        ends_at: tx.now().after(LIFE),
    };
    let key = keys::part(KIND, account, user.id, session.id);
    let removal = keys::end(session.ends_at.after(LEEWAY), &key);
    tx.put(key, &session)?;
    tx.put_bytes(removal, Bytes::new());
    Ok(session)
}

/// The session, if it was not revoked and belongs to the user's password. Its end is the caller's
/// to look at.
pub async fn standing(
    tx: &Tx,
    account: AccountId,
    user: &User,
    id: u64,
) -> Result<Option<Session>> {
    let key = keys::part(KIND, account, user.id, id);
    let found: Option<Session> = tx.read(&key).await?;
    Ok(found.filter(|session| session.password_generation == user.password_generation))
}

/// Revokes every session of a user. Gives how many there were.
pub async fn revoke_all(tx: &Tx, account: AccountId, user: u64) -> Result<u64> {
    let range = keys::parts(KIND, account, user);
    let ids = search::ids(tx, &range).await?;
    for id in &ids {
        tx.delete(keys::part(KIND, account, user, *id));
    }
    Ok(ids.len() as u64)
}
