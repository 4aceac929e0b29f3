//! From messages of the log to a new batch, and past acknowledged ones.
//!
//! Owns what becomes of a read's result. Does not know when a read starts.

use super::batch;
use super::endpoint::Endpoint;
use super::{BatchState, Change, Entry, Purpose, Ranges};
use crate::clock::{Millis, Timestamp};
use crate::id::{JobId, Seq};

/// Ranges of a job that one read looks at: single messages that died here and there come
/// together in one batch again.
const JOB_RANGES: usize = 64;

impl Endpoint {
    /// Takes read messages into a new batch; none when there was nothing to take.
    pub(super) fn form(
        &mut self,
        now: Timestamp,
        key: &[u8; 32],
        job: Option<JobId>,
        entries: &[Entry],
        through: Seq,
    ) -> Option<BatchState> {
        let mut taken = Vec::with_capacity(entries.len());
        for entry in entries {
            if job.is_none() && self.acked.remove(entry.seq) {
                self.delivered += 1;
            } else {
                taken.push(*entry);
            }
        }
        if let Some(id) = job {
            if let Some(job) = self.jobs.get_mut(&id) {
                job.state.remaining.remove_through(through);
            }
        } else {
            self.pass(through, entries.len() as u64);
            self.pending = self.pending.saturating_sub(taken.len() as u64);
            // What is left is not older than what was taken.
            if let Some(last) = entries.last() {
                self.oldest = Some(last.time);
            }
            if taken.len() < entries.len() {
                self.changes.push(Change::Acked(self.acked.clone()));
            }
        }
        self.touch();
        let newest = taken.iter().map(|entry| entry.time).max();
        let state = newest.map(|newest| {
            let ranges = Ranges::of(taken.iter().map(|entry| entry.seq));
            let bytes = taken.iter().map(|entry| entry.bytes).sum();
            let id = batch::id(key, self.spec.endpoint, job, &ranges, newest);
            batch::formed(id, job, ranges, bytes, newest, now)
        });
        if let Some(state) = &state {
            self.changes.push(Change::PutBatch(state.clone()));
        }
        if let Some(job) = job {
            // The batch is opened by the caller right after this; a job is over only without it.
            if state.is_none() {
                self.job_moved(job);
            } else if let Some(job) = self.jobs.get(&job) {
                self.changes.push(Change::PutJob(job.state.clone()));
            }
        }
        state
    }

    /// Moves the cursor over acknowledged messages, up to the first that is not.
    pub(super) fn advance(&mut self, entries: &[Entry], through: Seq) {
        let mut passed = 0;
        let mut end = through;
        for entry in entries {
            if !self.acked.remove(entry.seq) {
                end = entry.seq.previous();
                break;
            }
            passed += 1;
        }
        self.delivered += passed;
        self.pass(end, passed);
        // Cleared only when a message that is not acknowledged comes next.
        let stopped = end < through && !self.acked.contains(self.cursor.next());
        self.advance_wanted = !stopped;
        self.changes.push(Change::Acked(self.acked.clone()));
        self.touch();
    }

    /// Whether a read could move the cursor over acknowledged messages.
    pub(super) fn wants_advance(&self) -> bool {
        (self.advance_wanted || self.acked.contains(self.cursor.next()))
            && self.reading.is_none()
            && !self.acked.is_empty()
    }

    /// Where a new batch is read: behind the cursor, or in the next ranges of a job.
    pub(super) fn ranges_to_form(&self, job: Option<JobId>, tail: Seq) -> Ranges {
        let job = job.and_then(|job| self.jobs.get(&job));
        let pairs = job.map(|job| job.state.remaining.pairs());
        match pairs {
            Some([]) | None => Ranges::from_pairs([(self.cursor.next(), tail)]),
            Some(pairs) => Ranges::from_pairs(pairs.iter().take(JOB_RANGES).copied()),
        }
    }

    pub(super) fn batch_purpose(&self) -> Purpose {
        let settings = &self.schedule.settings;
        Purpose::Batch {
            max_messages: if self.spec.standard {
                1
            } else {
                self.spec.max_messages.max(1)
            },
            max_bytes: self.spec.max_bytes,
            // A batch ages as one; the spread bounds how much older its first message may get.
            max_spread: Millis(settings.max_age.0 / 72),
        }
    }
}
