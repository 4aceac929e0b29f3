//! API keys.
//!
//! Owns the key record, known by the SHA-256 of the key only (`protocols/transport.md` section
//! 8). Does not know the key itself.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::{AccountId, KeyId};

/// An API key without the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// Its public name.
    pub id: KeyId,
    /// Whose key it is.
    pub account: AccountId,
    /// What the operator calls it.
    pub name: String,
    /// Surfaces it may use; empty = all.
    pub surfaces: Vec<String>,
    /// Requests per minute; none = the configuration's limit, 0 = no limit.
    pub per_minute: Option<u32>,
    /// A disabled key authenticates nobody.
    pub enabled: bool,
    /// When it was created.
    pub created_at: Timestamp,
}
