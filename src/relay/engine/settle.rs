//! What a finished attempt does to its batch and its endpoint.
//!
//! Owns the consequences of the two verdicts: delivered, split, deferred, dead, and the
//! endpoint's health. Does not know how the verdicts are found (`verdict.rs`) or what starts
//! next.

use super::batch::{Batch, Place};
use super::changes::UNASSIGNED;
use super::endpoint::Endpoint;
use super::verdict::{self, OnBatch, OnEndpoint, Terms};
use super::{BatchState, Change, DeadReason, DisableReason, Ranges};
use crate::attempt::{Class, Outcome};
use crate::clock::{Millis, Timestamp};
use crate::id::{BatchId, JobId, MessageId, Seq};

/// Refusals after which a batch of several messages is split.
const SPLIT_AFTER: u32 = 2;
/// Ranges of messages acknowledged above the cursor, at most. Beyond, an acknowledgement that
/// would need one more is not taken and its message stays pending.
const MAX_ACKED: usize = 10_000;

/// A fact of the endpoint's record that must change because of an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FactChange {
    LoseVerification,
    Disable(DisableReason),
}

/// How an attempt ended, with what a settlement needs to know of its surroundings.
pub(super) struct Ending<'a> {
    pub now: Timestamp,
    pub outcome: &'a Outcome,
    pub class: Class,
    pub batch_key: &'a [u8; 32],
    pub rng: &'a mut fastrand::Rng,
}

impl Endpoint {
    /// A delivery of `id` ended.
    pub(super) fn delivery_ended(
        &mut self,
        id: BatchId,
        mut end: Ending<'_>,
    ) -> Option<FactChange> {
        let terms = Terms {
            standard: self.spec.standard,
            ignore_confirmation: self.spec.ignore_confirmation,
            fresh: std::mem::take(&mut self.fresh),
        };
        let (on_batch, on_endpoint) = verdict::judge(end.outcome, terms);
        let confirmed = matches!(on_batch, OnBatch::Delivered | OnBatch::DeliveredExcept(_));
        let fact = self.endpoint_verdict(on_endpoint, confirmed, &mut end);
        match on_batch {
            OnBatch::Delivered => self.deliver(id),
            OnBatch::DeliveredExcept(named) => self.deliver_except(id, &named, &mut end),
            OnBatch::Refused => self.fail(id, None, true, &mut end),
            OnBatch::Deferred(not_before) => {
                // The consumer confirmed something else in between, so it is this batch that it
                // cannot take.
                let batch = self.batches.get(&id);
                let before = batch.and_then(|batch| batch.confirmations);
                let refused = before.is_some_and(|before| before < self.confirmations);
                self.fail(id, not_before, refused, &mut end);
            }
        }
        if confirmed {
            self.confirmations += 1;
        }
        self.touch();
        fact
    }

    /// A wake-up of a thin consumer ended.
    pub(super) fn wakeup_ended(&mut self, mut end: Ending<'_>) -> Option<FactChange> {
        let terms = Terms {
            standard: self.spec.standard,
            ignore_confirmation: self.spec.ignore_confirmation,
            fresh: std::mem::take(&mut self.fresh),
        };
        let (on_batch, on_endpoint) = verdict::judge(end.outcome, terms);
        let confirmed = matches!(on_batch, OnBatch::Delivered | OnBatch::DeliveredExcept(_));
        let fact = self.endpoint_verdict(on_endpoint, confirmed, &mut end);
        self.wakeups.in_flight = false;
        if confirmed {
            self.wakeups.failures = 0;
            self.wakeups.id = None;
            self.wakeups.due = Some(end.now.after(self.schedule.settings.thin_reminder));
        } else {
            let not_before = match on_batch {
                OnBatch::Deferred(not_before) => not_before,
                _ => None,
            };
            self.wakeups.failures = self.wakeups.failures.saturating_add(1);
            let due = self
                .schedule
                .due(end.now, self.wakeups.failures, not_before, end.rng);
            self.wakeups.due = Some(due);
        }
        self.touch();
        fact
    }

    /// An authenticate ended; its result is in the facts already.
    pub(super) fn authenticate_ended(
        &mut self,
        accepted: bool,
        mut end: Ending<'_>,
    ) -> Option<FactChange> {
        let terms = Terms {
            standard: true,
            ignore_confirmation: false,
            fresh: false,
        };
        let verdict = match verdict::judge(end.outcome, terms).1 {
            // A failed proof says nothing about deliveries, whatever status came with it.
            OnEndpoint::Gone | OnEndpoint::Unverified => OnEndpoint::Alive,
            other => other,
        };
        // Passing the handshake proves the consumer's identity, not that it takes deliveries.
        let fact = if accepted {
            self.health.alive(false);
            None
        } else {
            self.endpoint_verdict(verdict, false, &mut end)
        };
        self.touch();
        fact
    }

    fn endpoint_verdict(
        &mut self,
        verdict: OnEndpoint,
        confirmed: bool,
        end: &mut Ending<'_>,
    ) -> Option<FactChange> {
        let now = end.now;
        match verdict {
            OnEndpoint::Alive | OnEndpoint::Unverified | OnEndpoint::Gone => {
                self.health.alive(confirmed);
            }
            OnEndpoint::Slowed { hold_back } => self.health.slowed(now, hold_back, confirmed),
            OnEndpoint::Unreachable => self.health.unreachable(now, &self.schedule, end.rng),
        }
        if confirmed {
            self.failing_since = None;
            self.last_class = None;
        } else {
            self.failing_since.get_or_insert(now);
            self.failed_lately = true;
            self.last_class = Some(end.class);
        }
        let disable_after = self.schedule.settings.disable_after;
        let too_long = disable_after > Millis(0)
            && self
                .failing_since
                .is_some_and(|since| now.since(since) > disable_after);
        match verdict {
            OnEndpoint::Gone => Some(FactChange::Disable(DisableReason::Gone)),
            _ if too_long => Some(FactChange::Disable(DisableReason::Failing)),
            OnEndpoint::Unverified => Some(FactChange::LoseVerification),
            _ => None,
        }
    }

    /// Everything of the batch is confirmed.
    fn deliver(&mut self, id: BatchId) {
        let Some(batch) = self.close(id) else { return };
        self.changes.push(Change::DeleteBatch(id));
        self.count_delivered(batch.state.job, batch.count());
    }

    fn count_delivered(&mut self, job: Option<JobId>, count: u64) {
        match job {
            None => self.delivered += count,
            Some(job) => {
                if let Some(job) = self.jobs.get_mut(&job) {
                    job.state.delivered += count;
                }
                self.job_moved(job);
            }
        }
    }

    /// A job's counters or range moved: it is stored again, or gone when nothing is left of it.
    pub(super) fn job_moved(&mut self, id: JobId) {
        let Some(job) = self.jobs.get(&id) else {
            return;
        };
        if job.open == 0 && job.state.remaining.is_empty() {
            self.jobs.remove(&id);
            self.changes.push(Change::DeleteJob(id));
        } else {
            self.changes.push(Change::PutJob(job.state.clone()));
        }
    }

    /// Jobs of which nothing was left when the daemon stopped.
    pub(super) fn drop_finished_jobs(&mut self) {
        let finished = |job: &super::endpoint::Job| job.open == 0 && job.state.remaining.is_empty();
        let ids: Vec<JobId> = self
            .jobs
            .iter()
            .filter(|(_, job)| finished(job))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.job_moved(id);
        }
    }

    /// Everything but the named messages is confirmed; those form a new batch. With strict order
    /// everything after the first named one comes again too.
    fn deliver_except(&mut self, id: BatchId, named: &[MessageId], end: &mut Ending<'_>) {
        let Some(batch) = self.batches.get(&id) else {
            return;
        };
        let ranges = &batch.state.ranges;
        let mut again = Ranges::of(
            named
                .iter()
                .map(|message| message.seq())
                .filter(|seq| ranges.contains(*seq)),
        );
        if self.spec.strict
            && let Some(first) = again.first()
        {
            again = Ranges::of(ranges.iter().filter(|seq| *seq >= first));
        }
        if again.is_empty() {
            self.deliver(id);
            return;
        }
        if again == *ranges {
            self.fail(id, None, false, end);
            return;
        }
        let Some(batch) = self.close(id) else { return };
        self.changes.push(Change::DeleteBatch(id));
        let part = batch.part(end.batch_key, self.spec.endpoint, again);
        let confirmed = batch.count() - part.ranges.count();
        let failures = part.failures.saturating_add(1);
        let due = self.schedule.due(end.now, failures, None, end.rng);
        self.settle(BatchState {
            failures,
            refusals: 0,
            due,
            last_class: Some(end.class),
            last_status: end.outcome.status(),
            ..part
        });
        self.count_delivered(batch.state.job, confirmed);
    }

    /// Enters a batch that waits for its record to be durable.
    pub(super) fn settle(&mut self, state: BatchState) {
        self.changes.push(Change::PutBatch(state.clone()));
        self.open(state, Place::Settling(UNASSIGNED));
        self.durable = true;
    }

    /// The batch is not confirmed: it dies, is split, or is tried again.
    fn fail(
        &mut self,
        id: BatchId,
        not_before: Option<Millis>,
        refused: bool,
        end: &mut Ending<'_>,
    ) {
        let Some(mut batch) = self.close(id) else {
            return;
        };
        if batch.state.ranges.is_empty() {
            // Acknowledged by another way while it was in flight.
            self.changes.push(Change::DeleteBatch(id));
            if let Some(job) = batch.state.job {
                self.job_moved(job);
            }
            return;
        }
        batch.state.failures = batch.state.failures.saturating_add(1);
        batch.state.last_class = Some(end.class);
        batch.state.last_status = end.outcome.status();
        if refused {
            batch.state.refusals = batch.state.refusals.saturating_add(1);
        }
        batch.confirmations = Some(self.confirmations);
        let settings = &self.schedule.settings;
        let exhausted = !batch.is_multiple()
            && settings.max_attempts > 0
            && batch.state.attempts >= settings.max_attempts;
        let expires = batch.expires(self.spec.offered_since, settings.max_age);
        let counts = self.age_counts_for_attempts();
        if exhausted {
            self.bury(&batch, DeadReason::Exhausted, end.now);
        } else if counts && end.now > expires {
            self.bury(&batch, DeadReason::Expired, end.now);
        } else if batch.is_multiple() && batch.state.refusals >= SPLIT_AFTER {
            self.split(&batch, end);
        } else {
            let due = self
                .schedule
                .due(end.now, batch.state.failures, not_before, end.rng);
            batch.state.due = due;
            let confirmations = batch.confirmations;
            self.settle(batch.state);
            if let Some(batch) = self.batches.get_mut(&id) {
                batch.confirmations = confirmations;
            }
        }
    }

    /// A failed attempt is reason enough for ages to count, unless the endpoint was put on hold
    /// or disabled meanwhile.
    fn age_counts_for_attempts(&self) -> bool {
        self.spec.order == super::Order::Enabled && !self.spec.thin
    }

    fn split(&mut self, batch: &Batch, end: &mut Ending<'_>) {
        self.changes.push(Change::DeleteBatch(batch.state.id));
        let (low, high) = batch.state.ranges.split();
        for half in [low, high] {
            let part = batch.part(end.batch_key, self.spec.endpoint, half);
            // A half that is refused once is split again.
            self.settle(BatchState {
                failures: 0,
                refusals: SPLIT_AFTER - 1,
                due: end.now,
                ..part
            });
        }
    }

    /// Takes in what the consumer acknowledged by another way.
    pub(super) fn acknowledge(&mut self, now: Timestamp, seqs: &Ranges, tail: Seq) {
        self.catch_up(tail);
        if self.spec.thin {
            // The consumer came by itself, so the next reminder is a whole pause away.
            self.wakeups.due = Some(now.after(self.schedule.settings.thin_reminder));
        }
        for seq in seqs.iter() {
            let holder = self
                .batches
                .values()
                .find(|batch| batch.state.ranges.contains(seq))
                .map(|batch| batch.state.id);
            if let Some(id) = holder {
                self.acknowledge_in_batch(id, seq);
            } else if seq > self.cursor
                // What was not counted yet must not be taken off the count of others.
                && seq <= tail
                && !self.acked.contains(seq)
                && self.pending > 0
                && self.acked.pairs().len() < MAX_ACKED
            {
                self.acked.insert(seq, seq);
                self.pending -= 1;
                self.advance_wanted = true;
            }
        }
        if self.pending == 0 && self.reading.is_none() && !self.acked.is_empty() {
            // Everything admitted above the cursor is acknowledged.
            let acknowledged = std::mem::take(&mut self.acked).count();
            self.delivered += acknowledged;
            self.pass(tail, acknowledged);
        }
        self.changes.push(Change::Acked(self.acked.clone()));
        self.durable = true;
        self.touch();
    }

    fn acknowledge_in_batch(&mut self, id: BatchId, seq: Seq) {
        if !self.take_from_batch(id, seq) {
            return;
        }
        let Some(batch) = self.batches.get(&id) else {
            return;
        };
        let job = batch.state.job;
        let in_flight = matches!(batch.place, Place::InFlight(_));
        let change = Change::PutBatch(batch.state.clone());
        if !batch.state.ranges.is_empty() {
            self.changes.push(change);
        } else if !in_flight {
            self.close(id);
            self.changes.push(Change::DeleteBatch(id));
        }
        self.count_delivered(job, 1);
    }
}
