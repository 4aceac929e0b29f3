//! One batch: its messages, its id, how it is split.
//!
//! Owns [`Batch`]. The id is a keyed hash of the content, so that the same content has the same
//! id over attempts and restarts, stored or not. Does not know when a batch is sent.

use sha2::{Digest, Sha256};

use super::{AttemptId, BatchState, Ranges, Token};
use crate::attempt::Class;
use crate::clock::{Millis, Timestamp};
use crate::id::{BatchId, EndpointId, JobId, Seq};

/// Where an open batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Being sent.
    InFlight(AttemptId),
    /// Its last outcome is not durable yet.
    Settling(Token),
    /// Waiting for its time.
    Deferred,
}

/// An open batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// What is stored of it.
    pub state: BatchState,
    /// Where it is.
    pub place: Place,
    /// The endpoint's confirmations when the last attempt ended; none before the first one.
    pub confirmations: Option<u64>,
}

impl Batch {
    /// How many messages.
    pub fn count(&self) -> u64 {
        self.state.ranges.count()
    }

    /// Whether it holds several messages.
    pub fn is_multiple(&self) -> bool {
        match self.state.ranges.pairs() {
            [(first, last)] => first != last,
            pairs => pairs.len() > 1,
        }
    }

    /// The lowest sequence.
    pub fn first(&self) -> Seq {
        self.state.ranges.first().unwrap_or_default()
    }

    /// When its messages are too old, counted from the later of commit and `offered_since`.
    pub fn expires(&self, offered_since: Timestamp, max_age: Millis) -> Timestamp {
        self.state.newest.max(offered_since).after(max_age)
    }

    /// A batch of `ranges` out of this one, with its history.
    #[must_use]
    pub fn part(&self, key: &[u8; 32], endpoint: EndpointId, ranges: Ranges) -> BatchState {
        BatchState {
            id: id(key, endpoint, self.state.job, &ranges, self.state.newest),
            ranges,
            ..self.state.clone()
        }
    }
}

/// The id of a batch: the commit time of its last message, then a keyed hash of endpoint, job and
/// ranges.
pub fn id(
    key: &[u8; 32],
    endpoint: EndpointId,
    job: Option<JobId>,
    ranges: &Ranges,
    newest: Timestamp,
) -> BatchId {
    let mut hash = Sha256::new();
    hash.update(key);
    hash.update(endpoint.number().to_be_bytes());
    // A reference has 60 bits, so no job is taken for "no job".
    hash.update(job.map_or(u64::MAX, JobId::number).to_be_bytes());
    for (first, last) in ranges.pairs() {
        hash.update(first.0.to_be_bytes());
        hash.update(last.0.to_be_bytes());
    }
    let mut low = [0; 16];
    low.copy_from_slice(&hash.finalize()[..16]);
    BatchId::new(newest, u128::from_be_bytes(low))
}

/// A batch as it is first formed.
pub fn formed(
    id: BatchId,
    job: Option<JobId>,
    ranges: Ranges,
    bytes: u64,
    newest: Timestamp,
    now: Timestamp,
) -> BatchState {
    BatchState {
        id,
        job,
        ranges,
        bytes,
        newest,
        attempts: 0,
        failures: 0,
        refusals: 0,
        due: now,
        last_class: None::<Class>,
        last_status: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_depends_on_content_and_key_and_sorts_by_time() {
        let endpoint = EndpointId::from_number(1);
        let ranges = Ranges::of([Seq(1), Seq(2), Seq(5)]);
        let of = |key: u8, job: Option<JobId>, ranges: &Ranges, time: u64| {
            id(&[key; 32], endpoint, job, ranges, Timestamp(time))
        };
        let plain = of(1, None, &ranges, 10);
        assert_eq!(plain, of(1, None, &ranges, 10));
        assert_ne!(plain, of(2, None, &ranges, 10));
        assert_ne!(plain, of(1, Some(JobId::from_number(0)), &ranges, 10));
        assert_ne!(plain, of(1, None, &Ranges::of([Seq(1), Seq(2)]), 10));
        assert!(plain < of(1, None, &ranges, 11));
        assert!(plain.to_string() < of(9, None, &ranges, 11).to_string());
    }

    #[test]
    fn several_messages_are_told_from_one() {
        let batch = |seqs: &[u64]| Batch {
            state: formed(
                BatchId(0),
                None,
                Ranges::of(seqs.iter().map(|seq| Seq(*seq))),
                0,
                Timestamp(0),
                Timestamp(0),
            ),
            place: Place::Deferred,
            confirmations: None,
        };
        assert!(!batch(&[4]).is_multiple());
        assert!(batch(&[4, 5]).is_multiple());
        assert!(batch(&[4, 9]).is_multiple());
    }
}
