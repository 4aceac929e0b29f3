//! The engine's one step: take an input, settle it, start whatever may start.
//!
//! Owns [`Engine`]: all endpoints, the order of their turns and the timers. Does not know how an
//! action is carried out.

use std::collections::{BTreeMap, BTreeSet};

use super::batch::Place;
use super::endpoint::{Endpoint, Job};
use super::seen::Tail;
use super::slots::{Load, Slots, Turn, Waits, Work};
use super::{Action, Change, Input, JobState, Purpose, Ranges, Settings, Token};
use crate::clock::Timestamp;
use crate::id::{AccountId, EndpointId, Seq};
use crate::live;

/// Acknowledged messages that are looked at in one read behind a thin endpoint's cursor.
const ADVANCE_MESSAGES: u64 = 1000;

/// All scheduling decisions of one node.
#[derive(Debug)]
pub struct Engine {
    pub(super) settings: Settings,
    pub(super) rng: fastrand::Rng,
    pub(super) endpoints: BTreeMap<EndpointId, Endpoint>,
    pub(super) tails: BTreeMap<AccountId, Tail>,
    pub(super) slots: Slots,
    pub(super) timers: BTreeSet<(Timestamp, EndpointId)>,
    /// Endpoints with something waiting that the slow pool blocks.
    pub(super) blocked: BTreeSet<EndpointId>,
    /// Endpoints whose pending count changed since it was last stored.
    pub(super) dirty: BTreeSet<EndpointId>,
    pub(super) flush_at: Option<Timestamp>,
    pub(super) steady_since: Timestamp,
    pub(super) last_token: u64,
    pub(super) draining: bool,
}

impl Engine {
    /// An engine without endpoints, started at `now`. `seed` feeds the jitter.
    pub fn new(settings: Settings, seed: u64, now: Timestamp) -> Self {
        Self {
            slots: Slots::new(&settings),
            settings,
            rng: fastrand::Rng::with_seed(seed),
            endpoints: BTreeMap::new(),
            tails: BTreeMap::new(),
            timers: BTreeSet::new(),
            blocked: BTreeSet::new(),
            dirty: BTreeSet::new(),
            flush_at: None,
            steady_since: now,
            last_token: 0,
            draining: false,
        }
    }

    /// Takes one input at `now` and appends what is to be done to `out`, in order.
    pub fn handle(&mut self, now: Timestamp, input: Input, out: &mut Vec<Action>) {
        self.take(now, input, out);
        self.pass_time(now, out);
        self.dispatch(now, out);
    }

    /// When [`Engine::handle`] wants to be called again at the latest, with [`Input::Tick`].
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        let timer = self.timers.first().map(|(time, _)| *time);
        timer
            .into_iter()
            .chain(self.slots.next_wakeup())
            .chain(self.flush_at)
            .min()
    }

    /// How far the log of `account` was read.
    pub fn tail(&self, account: AccountId) -> Seq {
        self.tails
            .get(&account)
            .map(|tail| tail.seq)
            .unwrap_or_default()
    }

    /// One endpoint now.
    pub fn endpoint_now(&self, now: Timestamp, id: EndpointId) -> Option<live::EndpointNow> {
        self.endpoints
            .get(&id)
            .map(|endpoint| endpoint.now(now, &self.settings))
    }

    /// Every endpoint of an account, or all.
    pub fn endpoints_now(&self, now: Timestamp, of: Option<AccountId>) -> Vec<live::EndpointNow> {
        let chosen = self
            .endpoints
            .values()
            .filter(|endpoint| of.is_none_or(|account| endpoint.ids().0 == account));
        chosen
            .map(|endpoint| endpoint.now(now, &self.settings))
            .collect()
    }

    /// Every endpoint with its pending messages by age; `marks` are those of its account's log.
    pub fn endpoints_by_age(
        &self,
        now: Timestamp,
        marks: &BTreeMap<AccountId, live::AgeMarks>,
    ) -> Vec<(live::EndpointNow, live::Ages)> {
        let by_age = self.endpoints.iter().map(|(id, endpoint)| {
            let marks = marks.get(&endpoint.ids().0).copied().unwrap_or_default();
            let ages = endpoint.ages(&marks, self.tail_of(*id));
            (endpoint.now(now, &self.settings), ages)
        });
        by_age.collect()
    }

    /// What is pending for an endpoint.
    pub fn backlog(&self, id: EndpointId) -> Option<live::Backlog> {
        let endpoint = self.endpoints.get(&id)?;
        Some(endpoint.backlog(self.tail_of(id)))
    }

    /// Where message `seq` is at an endpoint.
    pub fn place_of(&self, id: EndpointId, seq: Seq) -> Option<live::Place> {
        let endpoint = self.endpoints.get(&id)?;
        Some(endpoint.place_of(seq, self.tail_of(id)))
    }

    /// Requests under way.
    pub fn under_way(&self) -> usize {
        self.slots.under_way()
    }

    /// Endpoints that have a request under way: who is still busy when the daemon drains.
    pub fn busy(&self) -> Vec<EndpointId> {
        let busy = self
            .endpoints
            .values()
            .filter(|endpoint| endpoint.in_flight > 0);
        busy.map(|endpoint| endpoint.ids().1).collect()
    }

    /// Whether every outcome so far is stored.
    pub fn is_stored(&self) -> bool {
        self.endpoints
            .values()
            .all(|endpoint| endpoint.unsaved.is_empty() && endpoint.changes.is_empty())
    }

    /// Whether the parts fit together; the simulation asks after every step.
    pub fn check(&self) -> Result<(), String> {
        self.slots.check()?;
        for (id, endpoint) in &self.endpoints {
            endpoint
                .check(&self.settings)
                .map_err(|problem| format!("{id}: {problem}"))?;
        }
        Ok(())
    }

    fn take(&mut self, now: Timestamp, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Seen { account, seq } => {
                self.tails.insert(
                    account,
                    Tail {
                        seq,
                        stored: seq,
                        round: None,
                    },
                );
            }
            Input::Load(spec, stored) => self.load(now, *spec, *stored, out),
            Input::Endpoint(spec) => self.change(now, *spec, out),
            Input::Removed(id) => self.remove(id, out),
            Input::Arrived {
                account,
                through,
                arrivals,
            } => {
                self.arrived(now, account, through, &arrivals, out);
            }
            Input::Read {
                attempt,
                damaged: Some(damaged),
                ..
            } => self.read_damage(now, attempt, damaged, out),
            Input::Read {
                attempt,
                entries,
                through,
                damaged: None,
            } => {
                self.read(now, attempt, &entries, through, out);
            }
            Input::Unreadable { attempt, seqs } => self.unreadable(now, attempt, &seqs, out),
            Input::Expired {
                attempt,
                count,
                through,
                next,
            } => {
                let tail = self
                    .slots
                    .get(attempt)
                    .map(|attempt| self.tail_of(attempt.endpoint))
                    .unwrap_or_default();
                self.finish_read(now, attempt, out, |endpoint| {
                    endpoint.bury_backlog(now, (through, tail), count, next);
                });
            }
            Input::Done {
                attempt,
                outcome,
                class,
            } => {
                self.done(now, attempt, &outcome, class, out);
            }
            Input::NotSent { attempt } => self.not_sent(now, attempt, out),
            Input::Authenticated {
                attempt,
                outcome,
                class,
                accepted,
            } => {
                self.authenticated(now, attempt, &outcome, class, accepted, out);
            }
            Input::FactsSettled(id) => {
                self.with(now, id, out, |endpoint, _| endpoint.awaiting_facts = false);
            }
            Input::Stored(id, token) => self.stored(now, id, token, out),
            Input::NotStored(id, token) => self.not_stored(now, id, token, out),
            Input::SeenNotStored(account) => self.seen_not_stored(now, account),
            Input::Job(id, job) => self.with(now, id, out, |endpoint, _| add_job(endpoint, job)),
            Input::Acknowledged {
                endpoint: id,
                order,
                seqs,
            } => {
                let tail = self.tail_of(id);
                self.with(now, id, out, |endpoint, _| {
                    endpoint.acknowledge(now, &seqs, tail);
                    endpoint.changes.push(Change::DeleteOrder(order));
                });
            }
            Input::ClockStepped(by) => self.clock_stepped(now, by, out),
            Input::Tick => {}
            Input::Drain => self.draining = true,
        }
    }

    /// Changes one endpoint, then hands out its changes and looks what it may start.
    pub(super) fn with(
        &mut self,
        now: Timestamp,
        id: EndpointId,
        out: &mut Vec<Action>,
        change: impl FnOnce(&mut Endpoint, &mut fastrand::Rng),
    ) {
        let Self { endpoints, rng, .. } = self;
        if let Some(endpoint) = endpoints.get_mut(&id) {
            change(endpoint, rng);
            self.refresh(now, id, out);
        }
    }

    /// How far the log was read for an endpoint. After a start its own counts may be ahead of its
    /// log's end: what it counted must not look as if it were not there.
    pub(super) fn tail_of(&self, id: EndpointId) -> Seq {
        self.endpoints
            .get(&id)
            .map(|endpoint| self.tail(endpoint.ids().0).max(endpoint.counted))
            .unwrap_or_default()
    }

    /// Hands out an endpoint's changes.
    pub(super) fn persist(
        &mut self,
        now: Timestamp,
        id: EndpointId,
        out: &mut Vec<Action>,
    ) -> Option<Token> {
        let tail = self.tail_of(id);
        let endpoint = self.endpoints.get_mut(&id)?;
        if endpoint.stalled.is_some_and(|until| until <= now) {
            endpoint.stalled = None;
        }
        let token = Token(self.last_token + 1);
        let (durable, changes) = endpoint.take_changes(tail, token)?;
        self.last_token += 1;
        if changes
            .iter()
            .any(|change| matches!(change, Change::Cursor(_)))
        {
            self.dirty.remove(&id);
        }
        let (account, endpoint) = endpoint.ids();
        out.push(Action::Persist {
            account,
            endpoint,
            token,
            durable,
            changes,
        });
        Some(token)
    }

    /// Looks again at what an endpoint may start and when to look next.
    pub(super) fn refresh(&mut self, now: Timestamp, id: EndpointId, out: &mut Vec<Action>) {
        self.persist(now, id, out);
        let tail = self.tail_of(id);
        let Some(endpoint) = self.endpoints.get_mut(&id) else {
            return;
        };
        endpoint.catch_up(tail);
        let slow_is_full = self.slots.slow_is_full();
        let ready = endpoint.readiness(now, slow_is_full, &self.settings);
        if slow_is_full && endpoint.slow > 0 {
            self.blocked.insert(id);
        }
        for (turn, wanted) in [(Turn::New, ready.new), (Turn::Again, ready.again)] {
            let waits = &mut endpoint.waits[turn.index()];
            let enters = match waits {
                Waits::No => true,
                // It confirmed something meanwhile: it need not wait among the doubtful.
                Waits::Aside => endpoint.health.is_proven(),
                Waits::InTurn => false,
            };
            if wanted && !self.draining && enters {
                *waits = Waits::InTurn;
                self.slots.queue(id, turn);
            }
        }
        let expiry = endpoint.next_expiry(self.steady_since);
        let advance = (endpoint.wants_advance()).then_some(now);
        // While the store does not take changes, nothing else can go on either.
        let timer = endpoint
            .stalled
            .or([ready.wake, expiry, advance].into_iter().flatten().min());
        if timer != endpoint.timer {
            if let Some(before) = endpoint.timer {
                self.timers.remove(&(before, id));
            }
            if let Some(timer) = timer {
                self.timers.insert((timer, id));
            }
            endpoint.timer = timer;
        }
    }

    /// Does what has become due by time alone.
    fn pass_time(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        for id in self.slots.age(now) {
            if let Some(endpoint) = self.endpoints.get_mut(&id) {
                endpoint.slow += 1;
            }
        }
        if !self.blocked.is_empty() && !self.slots.slow_is_full() {
            for id in std::mem::take(&mut self.blocked) {
                self.refresh(now, id, out);
            }
        }
        // Each endpoint is looked at once: what stays due shows up as a new timer.
        let due: Vec<EndpointId> = self
            .timers
            .range(..=(now, EndpointId::from_number(u64::MAX)))
            .map(|(_, id)| *id)
            .collect();
        for id in due {
            self.expire(now, id, out);
            self.refresh(now, id, out);
        }
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush_seen(now, out);
        }
    }

    /// Buries what is too old; looks for more of it in the log.
    fn expire(&mut self, now: Timestamp, id: EndpointId, out: &mut Vec<Action>) {
        let steady = self.steady_since;
        let tail = self.tail_of(id);
        let Some(endpoint) = self.endpoints.get_mut(&id) else {
            return;
        };
        let (account, _) = endpoint.ids();
        let old = endpoint.expired_batches(now, steady);
        endpoint.bury_expired(old, now);
        if endpoint.reading.is_some() || endpoint.stalled.is_some_and(|until| until > now) {
            return;
        }
        let from = endpoint.cursor.next();
        let horizon = endpoint.expiry_horizon(now, steady);
        let old = horizon.filter(|before| endpoint.oldest.is_some_and(|oldest| oldest < *before));
        let (work, purpose, to) = match old {
            // Messages acknowledged out of turn must not be buried: stop before them.
            Some(before) if endpoint.pending > 0 && !endpoint.acked.contains(from) => {
                let stop = endpoint.acked.first().map_or(tail, Seq::previous);
                (Work::Expire, Purpose::Expire { before }, stop.min(tail))
            }
            _ if endpoint.wants_advance() => {
                let to = Seq(endpoint.cursor.0.saturating_add(ADVANCE_MESSAGES)).min(tail);
                (Work::Advance, Purpose::Advance, to)
            }
            _ => return,
        };
        let attempt = self
            .slots
            .start(now, id, work, Turn::Again, Load::default());
        endpoint.reading = Some(attempt);
        out.push(Action::Read {
            attempt,
            account,
            endpoint: id,
            wanted: Ranges::from_pairs([(from, to)]),
            purpose,
        });
    }

    /// Starts whatever may start, in turn, while there is room.
    fn dispatch(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        while !self.draining {
            let Some((id, turn, place)) = self.slots.next() else {
                break;
            };
            let Some(endpoint) = self.endpoints.get_mut(&id) else {
                continue;
            };
            if endpoint.waits[turn.index()] != place {
                // It left its place aside for one in the queue.
                continue;
            }
            let full = self.slots.slow_is_full();
            let ready = endpoint.readiness(now, full, &self.settings);
            let wanted = match turn {
                Turn::New => ready.new,
                Turn::Again => ready.again,
            };
            if !wanted {
                endpoint.waits[turn.index()] = Waits::No;
                self.refresh(now, id, out);
                continue;
            }
            let bytes = endpoint.bytes_to_start(now, turn);
            let doubtful = !endpoint.health.is_proven();
            if doubtful && !self.slots.fits_doubtful(bytes) {
                endpoint.waits[turn.index()] = Waits::Aside;
                self.slots.park(id, turn, bytes);
                continue;
            }
            if !self.slots.fits(bytes) {
                endpoint.waits[turn.index()] = Waits::InTurn;
                self.slots.put_back(id, turn);
                break;
            }
            endpoint.waits[turn.index()] = Waits::No;
            self.start(now, id, turn, Load { bytes, doubtful }, out);
            self.refresh(now, id, out);
        }
    }

    fn start(
        &mut self,
        now: Timestamp,
        id: EndpointId,
        turn: Turn,
        load: Load,
        out: &mut Vec<Action>,
    ) {
        let tail = self.tail_of(id);
        let Some(endpoint) = self.endpoints.get_mut(&id) else {
            return;
        };
        let (account, _) = endpoint.ids();
        endpoint.health.start();
        endpoint.in_flight += 1;
        endpoint.loaded += load.bytes;
        if endpoint.must_authenticate(now).is_some() {
            let attempt = self.slots.start(now, id, Work::Authenticate, turn, load);
            endpoint.authenticating = true;
            let generation = endpoint.spec.generation;
            out.push(Action::Authenticate {
                attempt,
                account,
                endpoint: id,
                generation,
            });
        } else if turn == Turn::New {
            let job = endpoint.job_to_form();
            endpoint.job_turn = !endpoint.job_turn;
            let attempt = self.slots.start(now, id, Work::Form(job), turn, load);
            endpoint.reading = Some(attempt);
            out.push(Action::Read {
                attempt,
                account,
                endpoint: id,
                wanted: endpoint.ranges_to_form(job, tail),
                purpose: endpoint.batch_purpose(),
            });
        } else if endpoint.spec.thin {
            let attempt = self.slots.start(now, id, Work::Wakeup, turn, load);
            let batch = endpoint.wake_up(now, attempt, &self.settings.batch_key);
            let pending = endpoint.pending;
            out.push(Action::Wakeup {
                attempt,
                account,
                endpoint: id,
                batch,
                pending,
            });
        } else if let Some((_, batch)) = endpoint.next_batch() {
            let attempt = self.slots.start(now, id, Work::Send(batch), turn, load);
            endpoint.place(batch, Place::InFlight(attempt));
            self.post(id, attempt, batch, out);
        }
    }
}

/// Enters a job, unless it is over already and only its removal is not stored yet.
fn add_job(endpoint: &mut Endpoint, state: JobState) {
    let stored = endpoint.unsaved.iter().flat_map(|(_, changes)| changes);
    let over = stored
        .chain(&endpoint.changes)
        .any(|change| matches!(change, Change::DeleteJob(id) if *id == state.id));
    if !over {
        endpoint
            .jobs
            .entry(state.id)
            .or_insert(Job { state, open: 0 });
    }
}
