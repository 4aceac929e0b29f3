//! One endpoint inside the engine: its cursor, its open batches, what it could start now.
//!
//! Owns the per-endpoint state and its bookkeeping. What a finished attempt does to it is in
//! `settle.rs`. Does not know the other endpoints or whose turn it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::batch::{Batch, Place};
use super::health::Health;
use super::schedule::Schedule;
use super::slots::Waits;
use super::{
    AttemptId, Auth, BatchState, Change, CursorState, JobState, Order, Ranges, Spec, Stored, Token,
};
use crate::attempt::Class;
use crate::clock::Timestamp;
use crate::id::{AccountId, BatchId, EndpointId, JobId, Seq};

/// A job with its open batches.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub state: JobState,
    pub open: usize,
}

/// The wake-ups of a thin endpoint.
#[derive(Debug, Clone, Default)]
pub(super) struct Wakeups {
    /// When the next one is due, while something is pending.
    pub due: Option<Timestamp>,
    /// Its id over its attempts.
    pub id: Option<BatchId>,
    /// Failures in a row.
    pub failures: u32,
    /// One is out.
    pub in_flight: bool,
}

/// Everything the engine holds of one endpoint.
// The flags are independent of each other: each is one fact about what is under way.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub(super) spec: Spec,
    pub(super) schedule: Schedule,
    /// Everything up to here is settled or in an open batch. While nothing is pending, the end of
    /// the log stands in for it.
    pub(super) cursor: Seq,
    /// Up to here the log is in the counts that were stored before the daemon's start, which may
    /// be further than the log's stored end.
    pub(super) counted: Seq,
    pub(super) delivered: u64,
    pub(super) dead: u64,
    pub(super) filtered: u64,
    pub(super) pending: u64,
    pub(super) oldest: Option<Timestamp>,
    pub(super) batches: BTreeMap<BatchId, Batch>,
    pub(super) deferred: BTreeSet<(Timestamp, BatchId)>,
    pub(super) by_age: BTreeSet<(Timestamp, BatchId)>,
    pub(super) multiples: usize,
    pub(super) singles: usize,
    pub(super) jobs: BTreeMap<JobId, Job>,
    pub(super) job_turn: bool,
    pub(super) acked: Ranges,
    pub(super) advance_wanted: bool,
    pub(super) health: Health,
    pub(super) confirmations: u64,
    pub(super) failing_since: Option<Timestamp>,
    /// An attempt failed since the daemon's start and the last clock step: ages count.
    pub(super) failed_lately: bool,
    pub(super) last_class: Option<Class>,
    pub(super) auth_due: Timestamp,
    pub(super) authenticating: bool,
    pub(super) fresh: bool,
    pub(super) wakeups: Wakeups,
    pub(super) awaiting_facts: bool,
    pub(super) reading: Option<AttemptId>,
    pub(super) in_flight: u32,
    pub(super) slow: u32,
    /// Bytes that its requests under way hold.
    pub(super) loaded: u64,
    pub(super) changes: Vec<Change>,
    pub(super) durable: bool,
    pub(super) unsaved: VecDeque<(Token, Vec<Change>)>,
    pub(super) settling: BTreeSet<BatchId>,
    pub(super) stalled: Option<Timestamp>,
    pub(super) timer: Option<Timestamp>,
    /// Where it waits for its turns.
    pub(super) waits: [Waits; 2],
}

impl Endpoint {
    /// An endpoint with what is stored of it. `tail` is how far the log of its account had been
    /// read.
    pub(super) fn new(spec: Spec, stored: Stored, rng: &mut fastrand::Rng) -> Self {
        let schedule = Schedule::new(spec.schedule);
        let cursor = stored.cursor.unwrap_or(CursorState {
            cursor: spec.start.previous(),
            delivered: 0,
            dead: 0,
            filtered: 0,
            pending: 0,
            oldest: None,
            seen: spec.start.previous(),
            failing_since: None,
            suspended: None,
            suspensions: 0,
        });
        let auth_due = auth_due(&spec, &schedule, rng);
        let mut endpoint = Self {
            schedule,
            cursor: cursor.cursor,
            counted: cursor.seen,
            delivered: cursor.delivered,
            dead: cursor.dead,
            filtered: cursor.filtered,
            pending: cursor.pending,
            oldest: cursor.oldest,
            batches: BTreeMap::new(),
            deferred: BTreeSet::new(),
            by_age: BTreeSet::new(),
            multiples: 0,
            singles: 0,
            jobs: BTreeMap::new(),
            job_turn: false,
            acked: stored.acked,
            advance_wanted: true,
            health: Health::restored(cursor.suspended, cursor.suspensions),
            confirmations: 0,
            failing_since: cursor.failing_since,
            failed_lately: false,
            last_class: None,
            auth_due,
            authenticating: false,
            fresh: true,
            wakeups: Wakeups::default(),
            awaiting_facts: false,
            reading: None,
            in_flight: 0,
            slow: 0,
            loaded: 0,
            changes: Vec::new(),
            durable: false,
            unsaved: VecDeque::new(),
            settling: BTreeSet::new(),
            stalled: None,
            timer: None,
            waits: [Waits::No; 2],
            spec,
        };
        for job in stored.jobs {
            endpoint.jobs.insert(
                job.id,
                Job {
                    state: job,
                    open: 0,
                },
            );
        }
        for batch in stored.batches {
            endpoint.open(batch, Place::Deferred);
        }
        endpoint
    }

    /// Whose endpoint it is, and which.
    pub(super) fn ids(&self) -> (AccountId, EndpointId) {
        (self.spec.account, self.spec.endpoint)
    }

    /// Takes over changed facts.
    pub(super) fn apply(&mut self, spec: Spec, now: Timestamp, rng: &mut fastrand::Rng) {
        let before = std::mem::replace(&mut self.spec, spec);
        if before.schedule != self.spec.schedule {
            self.schedule = Schedule::new(self.spec.schedule);
        }
        if before.auth != self.spec.auth || before.generation != self.spec.generation {
            self.auth_due = auth_due(&self.spec, &self.schedule, rng);
            if !matches!(before.auth, Auth::Verified { .. }) {
                self.fresh = true;
            }
        }
        let enabled = before.order == Order::Disabled && self.spec.order == Order::Enabled;
        if before.order == Order::OnHold && self.spec.order == Order::Enabled {
            // Nothing was sent on hold, so that time says nothing about failing.
            self.failing_since = None;
        }
        if enabled || before.generation != self.spec.generation {
            // Another URL or a fresh start: what was learned of the old one does not count.
            self.health = Health::default();
            self.failing_since = None;
            self.failed_lately = false;
            self.offer_at_once(now);
        }
        if self.spec.thin && !before.thin {
            self.wakeups = Wakeups {
                due: Some(now),
                ..Wakeups::default()
            };
        }
        self.touch();
    }

    fn offer_at_once(&mut self, now: Timestamp) {
        let waiting: Vec<_> = self
            .deferred
            .iter()
            .filter(|(due, _)| *due > now)
            .copied()
            .collect();
        for (due, id) in waiting {
            if let Some(batch) = self.batches.get_mut(&id) {
                batch.state.due = now;
                self.deferred.remove(&(due, id));
                self.deferred.insert((now, id));
            }
        }
    }

    /// Enters a batch.
    pub(super) fn open(&mut self, state: BatchState, place: Place) {
        let id = state.id;
        let batch = Batch {
            state,
            place,
            confirmations: None,
        };
        *self.count_of(&batch) += 1;
        if let Some(job) = batch.state.job.and_then(|job| self.jobs.get_mut(&job)) {
            job.open += 1;
        }
        self.by_age.insert((batch.state.newest, id));
        match place {
            Place::Deferred => {
                self.deferred.insert((batch.state.due, id));
            }
            Place::Settling(_) => {
                self.settling.insert(id);
            }
            Place::InFlight(_) => {}
        }
        self.batches.insert(id, batch);
    }

    /// Takes a batch out. The caller says what becomes of its messages.
    pub(super) fn close(&mut self, id: BatchId) -> Option<Batch> {
        let batch = self.batches.remove(&id)?;
        *self.count_of(&batch) -= 1;
        self.by_age.remove(&(batch.state.newest, id));
        self.deferred.remove(&(batch.state.due, id));
        self.settling.remove(&id);
        if let Some(job) = batch.state.job.and_then(|job| self.jobs.get_mut(&job)) {
            job.open -= 1;
        }
        Some(batch)
    }

    fn count_of(&mut self, batch: &Batch) -> &mut usize {
        if batch.is_multiple() {
            &mut self.multiples
        } else {
            &mut self.singles
        }
    }

    /// Changes the place of an open batch.
    pub(super) fn place(&mut self, id: BatchId, place: Place) {
        let Some(batch) = self.batches.get_mut(&id) else {
            return;
        };
        self.deferred.remove(&(batch.state.due, id));
        self.settling.remove(&id);
        batch.place = place;
        match place {
            Place::Deferred => {
                self.deferred.insert((batch.state.due, id));
            }
            Place::Settling(_) => {
                self.settling.insert(id);
            }
            Place::InFlight(_) => {}
        }
    }

    /// Takes one message out of a batch, because it was acknowledged by another way.
    pub(super) fn take_from_batch(&mut self, id: BatchId, seq: Seq) -> bool {
        let Some(batch) = self.batches.get_mut(&id) else {
            return false;
        };
        let was_multiple = batch.is_multiple();
        let taken = batch.state.ranges.remove(seq);
        if was_multiple && !batch.is_multiple() {
            self.multiples -= 1;
            self.singles += 1;
        }
        taken
    }

    /// Something is pending again: a thin consumer is woken at once, unless wake-ups fail anyway.
    pub(super) fn first_pending(&mut self, now: Timestamp) {
        if self.spec.thin && (self.wakeups.failures == 0 || self.wakeups.due.is_none()) {
            self.wakeups.due = Some(now);
        }
    }

    /// A cursor that has something pending up to `first`, or nothing up to `tail`.
    pub(super) fn catch_up(&mut self, tail: Seq) {
        if self.pending == 0 && self.reading.is_none() && self.acked.is_empty() {
            self.oldest = None;
            if self.cursor < tail {
                self.filtered += tail.0 - self.cursor.0;
                self.cursor = tail;
            }
        }
    }

    /// Moves the cursor to `through`; of the messages passed, `admitted` were admitted.
    pub(super) fn pass(&mut self, through: Seq, admitted: u64) {
        let passed = through.0.saturating_sub(self.cursor.0);
        self.filtered += passed.saturating_sub(admitted);
        self.cursor = self.cursor.max(through);
    }

    /// Messages that are neither delivered nor dead.
    pub(super) fn has_work(&self) -> bool {
        self.pending > 0 || !self.batches.is_empty() || self.jobs.values().any(job_has_more)
    }

    /// Messages in open batches.
    pub(super) fn open_messages(&self) -> u64 {
        self.batches.values().map(Batch::count).sum()
    }
}

pub(super) fn job_has_more(job: &Job) -> bool {
    !job.state.remaining.is_empty()
}

/// When the next authenticate is due by these facts.
fn auth_due(spec: &Spec, schedule: &Schedule, rng: &mut fastrand::Rng) -> Timestamp {
    match spec.auth {
        Auth::Unverified {
            since, failures: 0, ..
        } => since,
        Auth::Unverified {
            since, failures, ..
        } => schedule.due(since, failures, None, rng),
        Auth::AwaitingConfirmation { until } | Auth::Verified { until } => until,
        Auth::NotNeeded => Timestamp(0),
    }
}
