//! API logins: id, password and `comm_key` of a site.
//!
//! Owns the login record (`protocols/domain.md` 2.1, `ApiLogin`). The password stays recoverable
//! because the notification protocol hashes it; both secrets are sealed. Does not know how to
//! open them.

use serde::{Deserialize, Serialize};

use super::secret::Sealed;
use super::{account, text};
use crate::clock::Timestamp;
use crate::error::{Error, Result};
use crate::id::AccountId;
use crate::store::{Tx, keys};

/// Logins of one account.
const MAX_LOGINS: usize = 1000;

/// The credentials a site uses for the command surface and proves in notifications.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiLogin {
    /// Unique over all accounts, case-sensitive, 1-64 characters.
    pub ai_login_id: String,
    /// Whose login it is.
    pub account: AccountId,
    /// `ai_login_password`, sealed.
    pub password: Sealed,
    /// `comm_key`, sealed.
    pub comm_key: Sealed,
    /// Requests per minute; none = the configuration's limit, 0 = no limit.
    pub per_minute: Option<u32>,
    /// A disabled login authenticates nobody.
    pub enabled: bool,
    /// When it was created.
    pub created_at: Timestamp,
}

/// What a new login is to be.
#[derive(Debug, Clone)]
pub struct NewLogin {
    /// 1-64 characters, unique over all accounts.
    pub ai_login_id: String,
    /// First 8 bytes of the SHA-256 of `ai_login_id` (`protocols/sitecom-token.md` section 1).
    pub hash: [u8; 8],
    /// `ai_login_password`, sealed.
    pub password: Sealed,
    /// `comm_key`, sealed.
    pub comm_key: Sealed,
}

/// Stores a login with its look-ups.
pub async fn create(tx: &Tx, account: AccountId, new: &NewLogin) -> Result<ApiLogin> {
    let id = &new.ai_login_id;
    text::token("ai_login_id", id, 1, 64)?;
    account::must_be_open(tx, account).await?;
    let key = keys::login(id);
    if tx.get(&key).await?.is_some() {
        return Err(Error::conflict("This ai_login_id is taken"));
    }
    let login = ApiLogin {
        ai_login_id: id.clone(),
        account,
        password: new.password.clone(),
        comm_key: new.comm_key.clone(),
        per_minute: None,
        enabled: true,
        created_at: tx.now(),
    };
    tx.put(key, &login)?;
    tx.put(keys::login_hash(new.hash, id), &id)?;
    tx.put(keys::account_login(account, id), &id)?;
    Ok(login)
}

/// Disables every login of an account: from this commit on they authenticate nobody.
pub(super) async fn disable_all(tx: &Tx, account: AccountId) -> Result<()> {
    for login in list(tx, account).await? {
        if login.enabled {
            let disabled = ApiLogin {
                enabled: false,
                ..login
            };
            tx.put(keys::login(&disabled.ai_login_id), &disabled)?;
        }
    }
    Ok(())
}

/// Every login of the account, in the order of their ids.
pub async fn list(tx: &Tx, account: AccountId) -> Result<Vec<ApiLogin>> {
    let ids = tx
        .read_range::<String>(&keys::account_logins(account), MAX_LOGINS)
        .await?;
    let mut found = Vec::with_capacity(ids.len());
    for (_, id) in ids {
        found.extend(tx.read(&keys::login(&id)).await?);
    }
    Ok(found)
}
