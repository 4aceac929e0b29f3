//! Jobs: a part of the log offered to an endpoint again, beside its main cursor.
//!
//! Owns the record. Does not know how a job is worked off: that is the relay's.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::id::{EndpointId, JobId, Seq};

/// What a job is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Dead letters back to the queue.
    Redrive,
}

/// A stored, resumable job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The reference.
    pub id: JobId,
    /// Whose queue it joins.
    pub endpoint: EndpointId,
    /// What for.
    pub kind: Kind,
    /// What is still to be read, as inclusive ranges.
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
