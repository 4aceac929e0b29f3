//! The remembered attempts of an endpoint.
//!
//! Owns the record of one attempt and how many are kept. Does not know how attempts are made.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// Attempts remembered per endpoint; the oldest is overwritten.
pub const SLOTS: u64 = 256;

/// What an attempt was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A batch.
    Delivery,
    /// A proof of identity.
    Authenticate,
    /// A wake-up of a thin consumer.
    Wakeup,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRow {
    /// When it ended.
    pub at: Timestamp,
    /// What for.
    pub kind: Kind,
    /// The batch; none for an authenticate.
    pub batch: Option<String>,
    /// The how-manieth attempt for the batch's messages; 0 where nothing is counted.
    pub number: u32,
    /// Messages in the request.
    pub messages: u64,
    /// Class of the outcome (`attempt::Class`).
    pub class: String,
    /// What happened and what to do about it.
    pub hint: String,
    /// HTTP status, where a head was received.
    pub status: Option<u16>,
    /// From start to end.
    pub took_ms: u64,
}
