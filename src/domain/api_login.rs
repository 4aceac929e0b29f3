//! API logins: id, password and `comm_key` of a site.
//!
//! Owns the login record (`protocols/domain.md` 2.1, `ApiLogin`). The password stays recoverable
//! because the notification protocol hashes it; both secrets are sealed. Does not know how to
//! open them.

use serde::{Deserialize, Serialize};

use super::secret::Sealed;
use crate::clock::Timestamp;
use crate::id::AccountId;

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
