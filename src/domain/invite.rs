//! Invites (`protocols/domain.md` 2.7): codes that a user hands out.
//!
//! Owns the codes and their notification. Does not know what a code is good for.

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::event::emit;
use super::sequence;
use super::user::User;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{AccountId, InviteCode};
use crate::store::{Tx, keys};

const KIND: &str = "invite";
const BY_CODE: &str = "invite-code";

/// An invite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// Unique; shown in upper case.
    pub code: InviteCode,
    /// Whose it is.
    pub user: u64,
    /// The caller's word for what it invites to.
    pub type_name: String,
    /// When it was issued.
    pub created_at: Timestamp,
}

#[derive(Serialize)]
struct Notice<'a> {
    user_id: u64,
    username: &'a str,
    type_name: &'a str,
    codes: &'a [String],
}

/// Issues `count` invites of `user`; gives their codes.
pub async fn issue(
    tx: &Tx,
    account: &Account,
    user: &User,
    type_name: &str,
    count: usize,
) -> Result<Vec<String>> {
    let mut codes = Vec::with_capacity(count);
    for _ in 0..count {
        let code = fresh_code(tx, account.id).await?;
        let id = sequence::next(tx, account.id, KIND).await?;
        let invite = Invite {
            code,
            user: user.id,
            type_name: type_name.to_owned(),
            created_at: tx.now(),
        };
        tx.put(keys::unique(BY_CODE, account.id, &code.to_string()), &id)?;
        tx.put(keys::record(KIND, account.id, id), &invite)?;
        codes.push(code.to_string().to_uppercase());
    }
    let data = Notice {
        user_id: user.id,
        username: &user.username,
        type_name,
        codes: &codes,
    };
    emit(tx, account.id, "invites_issued", &data).await?;
    Ok(codes)
}

async fn fresh_code(tx: &Tx, account: AccountId) -> Result<InviteCode> {
    loop {
        let code = InviteCode::random(tx.entropy());
        let key = keys::unique(BY_CODE, account, &code.to_string());
        if tx.get(&key).await?.is_none() {
            return Ok(code);
        }
    }
}
