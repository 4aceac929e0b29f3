//! Accounts (tenants).
//!
//! Owns the account record (`protocols/domain.md` 2.1). Does not know its credentials or
//! endpoints, which have files of their own.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::AccountId;

/// A tenant: every other record, id sequence and message log belongs to exactly one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The reference.
    pub id: AccountId,
    /// The operator's name for it, unique without regard to case.
    pub name: String,
    /// When it was created.
    pub created_at: Timestamp,
}
