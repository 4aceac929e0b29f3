//! Acknowledgements: messages that a consumer took by another way than a delivery.
//!
//! Owns the stored order, which waits until the relay has taken it in. Does not know the queue.

use serde::{Deserialize, Serialize};

use crate::id::Seq;

/// Messages of the log that need not be delivered any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledge {
    /// Their sequence numbers as inclusive ranges.
    pub ranges: Vec<(Seq, Seq)>,
}
