//! One endpoint inside the engine: its cursor, its open batches, what it could start now.
//!
//! Owns the per-endpoint state and its bookkeeping. What a finished attempt does to it is in
//! `settle.rs`. Does not know the other endpoints or whose turn it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::batch::{Batch, Place};
use super::health::{Health, State};
use super::schedule::Schedule;
use super::slots::Turn;
use super::{
    AttemptId, Auth, BatchState, Change, CursorState, JobState, Order, Ranges, Settings, Spec,
    Stored, Token,
};
use crate::attempt::Class;
use crate::clock::{Millis, Timestamp};
use crate::id::{AccountId, BatchId, EndpointId, JobId, Seq};
use crate::live;

/// Changes that could not be stored are offered again after this pause.
const STORE_RETRY: Millis = Millis::seconds(1);
/// On hold, disabled or thin, nothing expires before the clock was steady for so long.
const STEADY: Millis = Millis::minutes(10);

/// A token of changes that are not handed out yet.
pub(super) const UNASSIGNED: Token = Token(u64::MAX);

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

/// What the endpoint may start, and when to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Readiness {
    pub new: bool,
    pub again: bool,
    pub wake: Option<Timestamp>,
}

/// Everything the engine holds of one endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub(super) spec: Spec,
    pub(super) schedule: Schedule,
    /// Everything up to here is settled or in an open batch. While nothing is pending, the end of
    /// the log stands in for it.
    pub(super) cursor: Seq,
    pub(super) delivered: u64,
    pub(super) dead: u64,
    pub(super) filtered: u64,
    pub(super) pending: u64,
    pub(super) oldest: Option<Timestamp>,
    pub(super) batches: BTreeMap<BatchId, Batch>,
    pub(super) deferred: BTreeSet<(Timestamp, BatchId)>,
    by_age: BTreeSet<(Timestamp, BatchId)>,
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
    pub(super) changes: Vec<Change>,
    pub(super) durable: bool,
    pub(super) unsaved: VecDeque<(Token, Vec<Change>)>,
    pub(super) settling: BTreeSet<BatchId>,
    pub(super) stalled: Option<Timestamp>,
    pub(super) timer: Option<Timestamp>,
    pub(super) queued: [bool; 2],
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
            changes: Vec::new(),
            durable: false,
            unsaved: VecDeque::new(),
            settling: BTreeSet::new(),
            stalled: None,
            timer: None,
            queued: [false; 2],
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

    /// The cursor record has to be written with the next persist.
    pub(super) fn touch(&mut self) {
        if !matches!(self.changes.last(), Some(Change::Cursor(_))) {
            // Its value is filled in when the changes are handed out.
            self.changes.push(Change::Cursor(self.cursor_state(Seq(0))));
        }
    }

    /// What is stored of cursor, counters and health, with the log read up to `seen`.
    pub(super) fn cursor_state(&self, seen: Seq) -> CursorState {
        CursorState {
            cursor: self.cursor,
            delivered: self.delivered,
            dead: self.dead,
            filtered: self.filtered,
            pending: self.pending,
            oldest: self.oldest,
            seen,
            failing_since: self.failing_since,
            suspended: match self.health.state() {
                State::Open | State::Probing => None,
                State::Suspended(until) => Some(until),
            },
            suspensions: self.health.suspensions(),
        }
    }

    /// The changes to hand out now, each key once with its latest value; none while the store
    /// does not take them.
    pub(super) fn take_changes(&mut self, tail: Seq, token: Token) -> Option<(bool, Vec<Change>)> {
        if self.changes.is_empty() || self.stalled.is_some() {
            return None;
        }
        self.catch_up(tail);
        let mut latest: BTreeMap<ChangeKey, Change> = BTreeMap::new();
        for change in std::mem::take(&mut self.changes) {
            latest.insert(ChangeKey::of(&change), change);
        }
        if let Some(cursor) = latest.get_mut(&ChangeKey::Cursor) {
            *cursor = Change::Cursor(self.cursor_state(tail));
        }
        let changes: Vec<Change> = latest.into_values().collect();
        let durable = std::mem::take(&mut self.durable);
        for id in &self.settling {
            if let Some(batch) = self.batches.get_mut(id)
                && batch.place == Place::Settling(UNASSIGNED)
            {
                batch.place = Place::Settling(token);
            }
        }
        self.unsaved.push_back((token, changes.clone()));
        Some((durable, changes))
    }

    /// A persist is stored: what waited for it may go on.
    pub(super) fn stored(&mut self, token: Token) {
        while self
            .unsaved
            .front()
            .is_some_and(|(first, _)| *first <= token)
        {
            self.unsaved.pop_front();
        }
        let settled: Vec<BatchId> = self
            .settling
            .iter()
            .filter(|id| {
                let place = self.batches.get(id).map(|batch| batch.place);
                matches!(place, Some(Place::Settling(waits)) if waits <= token)
            })
            .copied()
            .collect();
        for id in settled {
            self.place(id, Place::Deferred);
        }
    }

    /// A persist is not stored: everything since is offered again in one piece, after a pause.
    pub(super) fn not_stored(&mut self, now: Timestamp, token: Token) {
        if !self.unsaved.iter().any(|(waiting, _)| *waiting == token) {
            return;
        }
        let mut changes: Vec<Change> = std::mem::take(&mut self.unsaved)
            .into_iter()
            .flat_map(|(_, changes)| changes)
            .collect();
        changes.append(&mut self.changes);
        self.changes = changes;
        self.durable = true;
        self.stalled = Some(now.after(STORE_RETRY));
        let settling: Vec<BatchId> = self.settling.iter().copied().collect();
        for id in settling {
            self.place(id, Place::Settling(UNASSIGNED));
        }
    }

    /// Messages that are neither delivered nor dead.
    pub(super) fn has_work(&self) -> bool {
        self.pending > 0 || !self.batches.is_empty() || self.jobs.values().any(job_has_more)
    }

    /// What may be started at `now`.
    pub(super) fn readiness(
        &self,
        now: Timestamp,
        slow_is_full: bool,
        settings: &Settings,
    ) -> Readiness {
        let blocked = self.awaiting_facts
            || self.stalled.is_some()
            || self.spec.order != Order::Enabled
            || (slow_is_full && self.slow > 0);
        if blocked {
            return Readiness::default();
        }
        let later = |until| Readiness {
            wake: Some(until),
            ..Readiness::default()
        };
        if let Some(until) = self.health.held_back(now) {
            return later(until);
        }
        match self.health.state() {
            State::Suspended(until) if until > now => return later(until),
            State::Probing => return Readiness::default(),
            State::Suspended(_) if self.in_flight > 0 => return Readiness::default(),
            State::Open if self.in_flight >= self.health.allowance(self.spec.strict) => {
                return Readiness::default();
            }
            State::Suspended(_) | State::Open => {}
        }
        if let Some(due) = self.must_authenticate(now) {
            let asked = matches!(self.spec.auth, Auth::Unverified { asked: true, .. });
            if self.authenticating || !(asked || self.has_work()) {
                return Readiness::default();
            }
            return again_at(due, now);
        }
        if self.spec.thin {
            return match self.wakeups.due {
                Some(due) if self.pending > 0 && !self.wakeups.in_flight => again_at(due, now),
                _ => Readiness::default(),
            };
        }
        let again = match self.next_batch() {
            Some((due, _)) => again_at(due, now),
            None => Readiness::default(),
        };
        Readiness {
            new: self.may_form(settings),
            ..again
        }
    }

    /// When the next authenticate is due, if one is needed before anything is delivered.
    pub(super) fn must_authenticate(&self, now: Timestamp) -> Option<Timestamp> {
        match self.spec.auth {
            Auth::NotNeeded => None,
            Auth::Verified { until } if until > now => None,
            Auth::Verified { .. } => Some(now),
            Auth::AwaitingConfirmation { until } => Some(until),
            Auth::Unverified { .. } => Some(self.auth_due),
        }
    }

    /// The batch whose turn it is and when it is due: the earliest, or the head if strict.
    pub(super) fn next_batch(&self) -> Option<(Timestamp, BatchId)> {
        if self.spec.strict {
            let head = self.batches.values().min_by_key(|batch| batch.first())?;
            return match head.place {
                Place::Deferred => Some((head.state.due, head.state.id)),
                Place::InFlight(_) | Place::Settling(_) => None,
            };
        }
        self.deferred.first().copied()
    }

    /// Whether a new batch may be formed.
    fn may_form(&self, settings: &Settings) -> bool {
        self.reading.is_none()
            && (self.pending > 0 || self.jobs.values().any(job_has_more))
            && self.multiples < settings.max_batches
            && self.singles < settings.max_singles
            && (!self.spec.strict || self.batches.is_empty())
    }

    /// The job whose turn it is to form a batch; none for the main cursor.
    pub(super) fn job_to_form(&self) -> Option<JobId> {
        let job = self
            .jobs
            .values()
            .find(|job| job_has_more(job))
            .map(|job| job.state.id);
        if self.pending == 0 || self.job_turn {
            job
        } else {
            None
        }
    }

    /// When something becomes too old, as far as ages count now.
    pub(super) fn next_expiry(&self, steady_since: Timestamp) -> Option<Timestamp> {
        let (age, not_before) = self.age_limit(steady_since)?;
        let offered = self.spec.offered_since;
        let expires = |time: Timestamp| time.max(offered).after(age).max(not_before);
        let batch = self
            .by_age
            .iter()
            .find(|(_, id)| self.is_waiting(*id))
            .map(|(newest, _)| expires(*newest).after(Millis(1)));
        let backlog = self
            .oldest
            .filter(|_| self.pending > 0 && self.reading.is_none())
            .map(|oldest| expires(oldest).after(Millis(1)));
        batch.into_iter().chain(backlog).min()
    }

    /// Batches that are too old at `now` and not in flight.
    pub(super) fn expired_batches(&self, now: Timestamp, steady_since: Timestamp) -> Vec<BatchId> {
        let Some((age, not_before)) = self.age_limit(steady_since) else {
            return Vec::new();
        };
        if now < not_before {
            return Vec::new();
        }
        let offered = self.spec.offered_since;
        self.by_age
            .iter()
            .take_while(|(newest, _)| newest.max(&offered).after(age) < now)
            .filter(|(_, id)| self.is_waiting(*id))
            .map(|(_, id)| *id)
            .collect()
    }

    fn is_waiting(&self, id: BatchId) -> bool {
        self.batches
            .get(&id)
            .is_some_and(|batch| batch.place == Place::Deferred)
    }

    /// Messages committed before the result are too old at `now`, if ages count.
    pub(super) fn expiry_horizon(&self, now: Timestamp, steady: Timestamp) -> Option<Timestamp> {
        let (age, not_before) = self.age_limit(steady)?;
        if now < not_before || self.spec.offered_since.after(age) >= now {
            return None;
        }
        Some(Timestamp(now.0.saturating_sub(age.0)))
    }

    /// The age that counts in the present state, and when it counts at the earliest.
    fn age_limit(&self, steady_since: Timestamp) -> Option<(Millis, Timestamp)> {
        let settings = &self.schedule.settings;
        if self.spec.order != Order::Enabled || self.spec.thin {
            return Some((settings.held_max_age, steady_since.after(STEADY)));
        }
        self.failed_lately
            .then_some((settings.max_age, Timestamp(0)))
    }

    /// The lowest sequence of the log that this endpoint still needs.
    pub(super) fn lowest_needed(&self) -> Seq {
        let batches = self.batches.values().map(Batch::first).min();
        let jobs = self
            .jobs
            .values()
            .filter_map(|job| job.state.remaining.first())
            .min();
        let next = self.cursor.next();
        batches
            .into_iter()
            .chain(jobs)
            .chain([next])
            .min()
            .unwrap_or(next)
    }

    /// Messages in open batches.
    pub(super) fn open_messages(&self) -> u64 {
        self.batches.values().map(Batch::count).sum()
    }

    /// This moment, for operators.
    pub(super) fn now(&self, now: Timestamp, settings: &Settings) -> live::EndpointNow {
        let open_messages = self.open_messages();
        let batches = self.batches.values().map(|batch| batch.state.newest);
        live::EndpointNow {
            account: self.spec.account,
            endpoint: self.spec.endpoint,
            health: match self.health.state() {
                State::Open => live::Health::Open {
                    window: self.health.window(),
                },
                State::Suspended(until) => live::Health::Suspended { until },
                State::Probing => live::Health::Probing,
            },
            wait: self.wait(now, settings),
            pending: self.pending + open_messages,
            open_messages,
            open_batches: self.batches.len() as u64,
            in_flight: u64::from(self.in_flight),
            oldest: batches
                .chain(self.oldest.filter(|_| self.pending > 0))
                .min(),
            cursor: self.cursor,
            delivered: self.delivered,
            dead: self.dead,
            filtered: self.filtered,
            failing_since: self.failing_since,
            last_class: self.last_class,
        }
    }

    /// Why nothing goes out although something waits.
    fn wait(&self, now: Timestamp, settings: &Settings) -> Option<live::Wait> {
        if !self.has_work() {
            return None;
        }
        match self.spec.order {
            Order::Disabled => return Some(live::Wait::Disabled),
            Order::OnHold => return Some(live::Wait::OnHold),
            Order::Enabled => {}
        }
        if self.in_flight > 0 {
            return Some(live::Wait::InFlight);
        }
        if let State::Suspended(until) = self.health.state() {
            return Some(live::Wait::Suspended { until });
        }
        if let Some(until) = self.health.held_back(now) {
            return Some(live::Wait::HeldBack { until });
        }
        if let Some(due) = self.must_authenticate(now) {
            return Some(match self.spec.auth {
                Auth::AwaitingConfirmation { until } => live::Wait::AwaitingConfirmation { until },
                _ => live::Wait::Unverified { due: Some(due) },
            });
        }
        if self.spec.thin {
            return Some(live::Wait::Thin);
        }
        match self.next_batch() {
            _ if self.may_form(settings) => Some(live::Wait::Slot),
            Some((due, _)) if self.pending == 0 => Some(live::Wait::Deferred { due }),
            _ => Some(live::Wait::Bound),
        }
    }

    /// Where a message is here. `tail` is how far the log was read.
    pub(super) fn place_of(&self, seq: Seq, tail: Seq) -> live::Place {
        // A message can be in a batch of the main cursor and again in one of a job; the one that
        // is under way tells more.
        let mut found: Option<&Batch> = None;
        for batch in self
            .batches
            .values()
            .filter(|batch| batch.state.ranges.contains(seq))
        {
            if matches!(batch.place, Place::InFlight(_)) || found.is_none() {
                found = Some(batch);
            }
        }
        if let Some(batch) = found {
            let state = &batch.state;
            return match batch.place {
                Place::InFlight(_) => live::Place::InFlight {
                    batch: state.id,
                    attempts: state.attempts,
                },
                Place::Settling(_) | Place::Deferred => live::Place::Deferred {
                    batch: state.id,
                    attempts: state.attempts,
                    due: state.due,
                    why: state.last_class,
                },
            };
        }
        let idle = self.pending == 0 && self.reading.is_none() && self.acked.is_empty();
        let cursor = if idle {
            self.cursor.max(tail)
        } else {
            self.cursor
        };
        if self.acked.contains(seq) {
            live::Place::Acknowledged
        } else if seq > cursor
            || self
                .jobs
                .values()
                .any(|job| job.state.remaining.contains(seq))
        {
            live::Place::Above
        } else {
            live::Place::Settled
        }
    }

    /// Whether the parts fit together; the simulation asks after every step.
    pub(super) fn check(&self, settings: &Settings) -> Result<(), &'static str> {
        self.health.check()?;
        let multiples = self
            .batches
            .values()
            .filter(|batch| batch.is_multiple())
            .count();
        if multiples != self.multiples || self.batches.len() - multiples != self.singles {
            return Err("batch counts drifted");
        }
        // A split may pass the bound on batches by its halves, but never adds a message.
        let most = (settings.max_batches as u64) * u64::from(self.spec.max_messages.max(1))
            + settings.max_singles as u64;
        if self.open_messages() > most {
            return Err("more open messages than the bounds allow");
        }
        let main = self
            .batches
            .values()
            .filter(|batch| batch.state.job.is_none());
        let open: u64 = main.map(Batch::count).sum();
        let passed = self.cursor.0 - self.spec.start.previous().0;
        if passed != self.delivered + self.dead + self.filtered + open {
            return Err("the ledger identity does not hold");
        }
        let in_flight = self
            .batches
            .values()
            .filter(|b| matches!(b.place, Place::InFlight(_)));
        if in_flight.count() > self.in_flight as usize {
            return Err("a batch is in flight without a request");
        }
        if self.in_flight > super::health::MAX_WINDOW {
            return Err("more in flight than the widest window");
        }
        if self.spec.strict && self.in_flight > 1 && !self.authenticating {
            return Err("strict order with two requests in flight");
        }
        if self.spec.thin && self.pending > 0 && self.wakeups.due.is_none() {
            return Err("a thin endpoint that will never be woken");
        }
        Ok(())
    }
}

fn job_has_more(job: &Job) -> bool {
    !job.state.remaining.is_empty()
}

fn again_at(due: Timestamp, now: Timestamp) -> Readiness {
    let ready = due <= now;
    Readiness {
        again: ready,
        wake: (!ready).then_some(due),
        new: false,
    }
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

impl Turn {
    /// Index of the endpoint's queue flags.
    pub(super) fn flag(self) -> usize {
        match self {
            Self::New => 0,
            Self::Again => 1,
        }
    }
}

/// Which record a change writes: of several changes of one record only the last counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ChangeKey {
    Batch(BatchId),
    Dead(Seq),
    Job(JobId),
    Order(JobId),
    Acked,
    Cursor,
}

impl ChangeKey {
    fn of(change: &Change) -> Self {
        match change {
            Change::Cursor(_) => Self::Cursor,
            Change::PutBatch(state) => Self::Batch(state.id),
            Change::DeleteBatch(id) => Self::Batch(*id),
            Change::PutDead(state) => Self::Dead(state.first),
            Change::Acked(_) => Self::Acked,
            Change::DeleteOrder(id) => Self::Order(*id),
            Change::PutJob(state) => Self::Job(state.id),
            Change::DeleteJob(id) => Self::Job(*id),
        }
    }
}

/// Ids that every action needs.
impl Endpoint {
    /// Whose endpoint it is, and which.
    pub(super) fn ids(&self) -> (AccountId, EndpointId) {
        (self.spec.account, self.spec.endpoint)
    }
}
