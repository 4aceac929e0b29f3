//! Dead letters: messages that were given up for an endpoint, as ranges.
//!
//! Owns the record. Does not know when a message is given up: that is the relay's.

use serde::{Deserialize, Serialize};

use super::event::DeadReason;
use crate::clock::Timestamp;
use crate::id::Seq;

/// Messages that became dead together; every message from the first to the last that the endpoint
/// admits is dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadRange {
    /// The first one.
    pub first: Seq,
    /// The last one.
    pub last: Seq,
    /// How many they are.
    pub count: u64,
    /// Why.
    pub reason: DeadReason,
    /// When.
    pub at: Timestamp,
    /// Attempts made for each.
    pub attempts: u32,
    /// Class of the last attempt (`attempt::Class`).
    pub last_class: Option<String>,
    /// HTTP status of the last attempt.
    pub last_status: Option<u16>,
}
