//! Jobs: messages that are offered to an endpoint once more, beside its main cursor.
//!
//! Owns the record by which a job is ordered and in which the relay keeps how far it has come:
//! its ranges shrink as they are read. Does not know how a job is worked off.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::{EndpointId, JobId, Seq};

/// What a job is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// Dead letters go back to the queue.
    Redrive,
}

/// An order to offer ranges of the log again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The reference.
    pub id: JobId,
    /// To whom.
    pub endpoint: EndpointId,
    /// Why.
    pub kind: JobKind,
    /// What is still to be read, as inclusive, rising ranges.
    pub ranges: Vec<(Seq, Seq)>,
    /// When it was ordered.
    pub created_at: Timestamp,
    /// Messages confirmed so far.
    #[serde(default)]
    pub delivered: u64,
    /// Messages that became dead again so far.
    #[serde(default)]
    pub dead: u64,
}
