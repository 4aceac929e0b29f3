//! What becomes dead: expired, exhausted, or lost by the disk.
//!
//! Owns the dead ranges and what dying does to counters, jobs and the cursor. Does not know when
//! something is too old (`expiry.rs`) or has failed too often (`settle.rs`).

use super::batch::Batch;
use super::endpoint::Endpoint;
use super::{BatchState, Change, DeadReason, DeadState, Ranges};
use crate::clock::Timestamp;
use crate::id::{BatchId, JobId, Seq};

impl Endpoint {
    /// The batch's messages are dead: one record for each unbroken range of them.
    pub(super) fn bury(&mut self, batch: &Batch, reason: DeadReason, now: Timestamp) {
        self.changes.push(Change::DeleteBatch(batch.state.id));
        for (first, last) in batch.state.ranges.pairs() {
            self.changes.push(Change::PutDead(DeadState {
                first: *first,
                last: *last,
                count: last.0 - first.0 + 1,
                reason,
                at: now,
                attempts: batch.state.attempts,
                last_class: batch.state.last_class,
                last_status: batch.state.last_status,
            }));
        }
        match batch.state.job {
            None => self.dead += batch.count(),
            Some(id) => {
                if let Some(job) = self.jobs.get_mut(&id) {
                    job.state.dead += batch.count();
                }
                self.job_moved(id);
            }
        }
        self.durable = true;
        self.touch();
    }

    /// Buries what is too old and not in flight.
    pub(super) fn bury_expired(&mut self, ids: Vec<BatchId>, now: Timestamp) {
        for id in ids {
            if let Some(batch) = self.close(id) {
                self.bury(&batch, DeadReason::Expired, now);
            }
        }
    }

    /// `count` messages of the backlog up to `through` are too old; the next one is of `next`, or
    /// none of them was young enough. `tail` is how far the log was read.
    pub(super) fn bury_backlog(
        &mut self,
        now: Timestamp,
        (through, tail): (Seq, Seq),
        count: u64,
        next: Option<Timestamp>,
    ) {
        let first = self.cursor.next();
        self.pass(through, count);
        self.dead += count;
        self.pending = self.pending.saturating_sub(count);
        // Where the read ended before the log's end, what is behind it may be as old; beyond the
        // end there is only what arrived since.
        if next.is_some() || through >= tail {
            self.oldest = Some(next.unwrap_or(now));
        }
        if count > 0 {
            self.changes.push(Change::PutDead(DeadState {
                first,
                last: through,
                count,
                reason: DeadReason::Expired,
                at: now,
                attempts: 0,
                last_class: self.last_class,
                last_status: None,
            }));
            self.durable = true;
        }
        self.touch();
    }

    /// Messages that the disk lost are dead; behind the cursor or before it, in a job.
    pub(super) fn bury_damaged(
        &mut self,
        now: Timestamp,
        job: Option<JobId>,
        (first, last): (Seq, Seq),
    ) {
        let mut count = last.0 - first.0 + 1;
        if let Some(id) = job {
            if let Some(job) = self.jobs.get_mut(&id) {
                job.state.remaining.remove_through(last);
                job.state.dead += count;
            }
            self.job_moved(id);
        } else {
            self.pass(first.previous(), 0);
            let acked = self.acked.count();
            self.acked.remove_through(last);
            let acknowledged = acked - self.acked.count();
            self.changes.push(Change::Acked(self.acked.clone()));
            self.pass(last, count);
            self.delivered += acknowledged;
            count -= acknowledged;
            self.dead += count;
            self.pending = self.pending.saturating_sub(count);
        }
        self.changes.push(Change::PutDead(DeadState {
            first,
            last,
            count,
            reason: DeadReason::Damaged,
            at: now,
            attempts: 0,
            last_class: None,
            last_status: None,
        }));
        self.durable = true;
        self.touch();
    }

    /// Of an open batch, `seqs` are lost: they are dead, the rest is a batch of its own.
    pub(super) fn take_damage_out(
        &mut self,
        now: Timestamp,
        key: &[u8; 32],
        id: BatchId,
        seqs: &Ranges,
    ) {
        let Some(mut batch) = self.close(id) else {
            return;
        };
        // The request was counted and not made.
        batch.state.attempts = batch.state.attempts.saturating_sub(1);
        let ranges = &batch.state.ranges;
        let (lost, left): (Vec<Seq>, Vec<Seq>) = ranges.iter().partition(|seq| seqs.contains(*seq));
        if !left.is_empty() {
            let part = batch.part(key, self.spec.endpoint, Ranges::of(left));
            self.settle(BatchState { due: now, ..part });
        }
        batch.state.ranges = Ranges::of(lost);
        self.bury(&batch, DeadReason::Damaged, now);
    }
}
