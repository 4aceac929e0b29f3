//! The engine's one step: take an input, settle it, start whatever may start.
//!
//! Owns [`Engine`]: all endpoints, the order of their turns and the timers. Does not know how an
//! action is carried out.

use std::collections::{BTreeMap, BTreeSet};

use super::batch::{self, Place};
use super::endpoint::{Endpoint, Job};
use super::settle::{Ending, FactChange};
use super::slots::{Slots, Turn, Work};
use super::{
    Action, Arrival, AttemptId, Change, Entry, Input, JobState, Order, Purpose, Ranges, Settings,
    Spec, Stored, Token,
};
use crate::attempt::{Class, Outcome};
use crate::clock::{Millis, Timestamp};
use crate::id::{AccountId, BatchId, EndpointId, JobId, Seq};
use crate::live;

/// How far logs were read is stored at most so often.
const SEEN_EVERY: Millis = Millis::seconds(5);
/// Acknowledged messages that are looked at in one read behind a thin endpoint's cursor.
const ADVANCE_MESSAGES: u64 = 1000;

/// How far the log of one account was read.
#[derive(Debug, Default)]
struct Tail {
    /// Read up to here.
    seq: Seq,
    /// Stored up to here.
    stored: Seq,
    /// Being stored: once these persists are, `seq` of then may be.
    round: Option<(Seq, BTreeSet<(EndpointId, Token)>)>,
}

/// All scheduling decisions of one node.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    rng: fastrand::Rng,
    endpoints: BTreeMap<EndpointId, Endpoint>,
    tails: BTreeMap<AccountId, Tail>,
    slots: Slots,
    timers: BTreeSet<(Timestamp, EndpointId)>,
    /// Endpoints with something waiting that the slow pool blocks.
    blocked: BTreeSet<EndpointId>,
    /// Endpoints whose pending count changed since it was last stored.
    dirty: BTreeSet<EndpointId>,
    flush_at: Option<Timestamp>,
    steady_since: Timestamp,
    last_token: u64,
    draining: bool,
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

    /// The lowest sequence of each account's log that any endpoint still needs, dead letters
    /// apart; accounts without endpoints are missing.
    pub fn lowest_needed(&self) -> BTreeMap<AccountId, Seq> {
        let mut lowest: BTreeMap<AccountId, Seq> = BTreeMap::new();
        for endpoint in self.endpoints.values() {
            let (account, _) = endpoint.ids();
            let idle = !endpoint.has_work();
            // What was read and not stored is read again after a crash.
            let tail = self
                .tails
                .get(&account)
                .map(|tail| tail.stored.next())
                .unwrap_or_default();
            let needed = if idle {
                tail
            } else {
                endpoint.lowest_needed().min(tail)
            };
            let entry = lowest.entry(account).or_insert(needed);
            *entry = (*entry).min(needed);
        }
        lowest
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

    /// Where message `seq` is at an endpoint.
    pub fn place_of(&self, id: EndpointId, seq: Seq) -> Option<live::Place> {
        let endpoint = self.endpoints.get(&id)?;
        Some(endpoint.place_of(seq, self.tail(endpoint.ids().0)))
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
            Input::Removed(id) => self.remove(id),
            Input::Arrived {
                account,
                through,
                arrivals,
            } => {
                self.arrived(now, account, through, &arrivals, out);
            }
            Input::Read {
                attempt,
                entries,
                through,
            } => {
                self.read(now, attempt, &entries, through, out);
            }
            Input::Expired {
                attempt,
                count,
                through,
                next,
            } => {
                self.finish_read(now, attempt, out, |endpoint| {
                    endpoint.bury_backlog(now, through, count, next);
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

    fn load(&mut self, now: Timestamp, spec: Spec, stored: Stored, out: &mut Vec<Action>) {
        let id = spec.endpoint;
        self.tails.entry(spec.account).or_default();
        let mut endpoint = Endpoint::new(spec, stored, &mut self.rng);
        if endpoint.spec.thin && endpoint.pending > 0 {
            endpoint.wakeups.due = Some(now);
        }
        endpoint.drop_finished_jobs();
        self.endpoints.insert(id, endpoint);
        self.refresh(now, id, out);
    }

    fn change(&mut self, now: Timestamp, spec: Spec, out: &mut Vec<Action>) {
        let id = spec.endpoint;
        let Self { endpoints, rng, .. } = self;
        if let Some(endpoint) = endpoints.get_mut(&id) {
            if endpoint.spec == spec {
                return;
            }
            endpoint.apply(spec, now, rng);
            self.refresh(now, id, out);
        } else {
            let nothing = Stored {
                cursor: None,
                batches: Vec::new(),
                jobs: Vec::new(),
                acked: Ranges::default(),
            };
            self.load(now, spec, nothing, out);
        }
    }

    fn remove(&mut self, id: EndpointId) {
        if let Some(endpoint) = self.endpoints.remove(&id) {
            if let Some(timer) = endpoint.timer {
                self.timers.remove(&(timer, id));
            }
            let (account, _) = endpoint.ids();
            if let Some(tail) = self.tails.get_mut(&account)
                && let Some((_, waits)) = &mut tail.round
            {
                waits.retain(|(endpoint, _)| *endpoint != id);
            }
        }
        self.dirty.remove(&id);
        self.blocked.remove(&id);
    }

    fn arrived(
        &mut self,
        now: Timestamp,
        account: AccountId,
        through: Seq,
        arrivals: &[Arrival],
        out: &mut Vec<Action>,
    ) {
        // The end of the log moves first: an endpoint without an arrival has seen it too.
        let tail = self.tails.entry(account).or_default();
        tail.seq = tail.seq.max(through);
        if tail.seq > tail.stored {
            self.flush_at.get_or_insert(now.after(SEEN_EVERY));
        }
        for arrival in arrivals {
            let Some(endpoint) = self.endpoints.get_mut(&arrival.endpoint) else {
                continue;
            };
            endpoint.catch_up(arrival.first.previous());
            if endpoint.pending == 0 {
                endpoint.oldest = Some(arrival.oldest);
                endpoint.first_pending(now);
            }
            endpoint.pending += arrival.count;
            self.dirty.insert(arrival.endpoint);
            self.refresh(now, arrival.endpoint, out);
        }
    }

    fn read(
        &mut self,
        now: Timestamp,
        attempt: AttemptId,
        entries: &[Entry],
        through: Seq,
        out: &mut Vec<Action>,
    ) {
        match self.slots.get(attempt).map(|attempt| attempt.work) {
            Some(Work::Form(job)) => self.formed(now, attempt, job, entries, through, out),
            Some(Work::Advance) => self.finish_read(now, attempt, out, |endpoint| {
                endpoint.advance(entries, through);
            }),
            _ => self.not_sent(now, attempt, out),
        }
    }

    /// A read without a slot came back.
    fn finish_read(
        &mut self,
        now: Timestamp,
        attempt: AttemptId,
        out: &mut Vec<Action>,
        settle: impl FnOnce(&mut Endpoint),
    ) {
        let Some(finished) = self.slots.finish(attempt) else {
            return;
        };
        self.with(now, finished.endpoint, out, |endpoint, _| {
            endpoint.reading = None;
            settle(endpoint);
        });
    }

    /// The messages of a new batch were read: it is entered and sent.
    fn formed(
        &mut self,
        now: Timestamp,
        attempt: AttemptId,
        job: Option<JobId>,
        entries: &[Entry],
        through: Seq,
        out: &mut Vec<Action>,
    ) {
        let Some(id) = self.slots.get(attempt).map(|attempt| attempt.endpoint) else {
            return;
        };
        let key = self.settings.batch_key;
        let tail = self.tail_of(id);
        let Some(endpoint) = self.endpoints.get_mut(&id) else {
            self.slots.finish(attempt);
            return;
        };
        endpoint.reading = None;
        let formed = endpoint.form(now, &key, job, entries, through);
        if endpoint.cursor >= tail {
            // Nothing is above the cursor, so nothing is pending there.
            endpoint.pending = 0;
        }
        let mut post = None;
        match formed {
            Some(state) => {
                let bytes = entries.iter().map(|entry| entry.bytes).sum();
                self.slots.continue_as(attempt, Work::Send(state.id), bytes);
                post = Some(state.id);
                endpoint.open(state, Place::InFlight(attempt));
            }
            None => {
                endpoint.health.withdraw(now);
                self.release(attempt);
            }
        }
        self.persist(now, id, out);
        if let Some(batch) = post {
            self.post(id, attempt, batch, out);
        }
        self.refresh(now, id, out);
    }

    fn post(&mut self, id: EndpointId, attempt: AttemptId, batch: BatchId, out: &mut Vec<Action>) {
        let Some(endpoint) = self.endpoints.get_mut(&id) else {
            return;
        };
        let (account, _) = endpoint.ids();
        let Some(open) = endpoint.batches.get_mut(&batch) else {
            return;
        };
        open.state.attempts = open.state.attempts.saturating_add(1);
        out.push(Action::Post {
            attempt,
            account,
            endpoint: id,
            batch,
            number: open.state.attempts,
            ranges: open.state.ranges.clone(),
        });
    }

    fn done(
        &mut self,
        now: Timestamp,
        attempt: AttemptId,
        outcome: &Outcome,
        class: Class,
        out: &mut Vec<Action>,
    ) {
        let Some(finished) = self.slots.get(attempt).copied() else {
            return;
        };
        self.release(attempt);
        let id = finished.endpoint;
        let Self {
            endpoints,
            rng,
            settings,
            ..
        } = self;
        let Some(endpoint) = endpoints.get_mut(&id) else {
            return;
        };
        let end = Ending {
            now,
            outcome,
            class,
            batch_key: &settings.batch_key,
            rng,
        };
        let fact = match finished.work {
            Work::Send(batch) => endpoint.delivery_ended(batch, end),
            Work::Wakeup => endpoint.wakeup_ended(end),
            _ => None,
        };
        self.persist(now, id, out);
        if let Some(fact) = fact {
            self.change_facts(id, fact, out);
        }
        self.refresh(now, id, out);
    }

    fn change_facts(&mut self, id: EndpointId, fact: FactChange, out: &mut Vec<Action>) {
        let Some(endpoint) = self.endpoints.get_mut(&id) else {
            return;
        };
        if endpoint.awaiting_facts || endpoint.spec.order == Order::Disabled {
            return;
        }
        endpoint.awaiting_facts = true;
        let (account, _) = endpoint.ids();
        out.push(match fact {
            FactChange::LoseVerification => Action::LoseVerification {
                account,
                endpoint: id,
                generation: endpoint.spec.generation,
            },
            FactChange::Disable(reason) => Action::Disable {
                account,
                endpoint: id,
                reason,
                held: endpoint.pending + endpoint.open_messages(),
            },
        });
    }

    /// A request was not made: nothing is known of the endpoint, the work is still to be done.
    fn not_sent(&mut self, now: Timestamp, attempt: AttemptId, out: &mut Vec<Action>) {
        let Some(finished) = self.slots.get(attempt).copied() else {
            return;
        };
        self.release(attempt);
        let id = finished.endpoint;
        let Self { endpoints, rng, .. } = self;
        let Some(endpoint) = endpoints.get_mut(&id) else {
            return;
        };
        let soon = endpoint.schedule.due(now, 1, None, rng);
        match finished.work {
            Work::Form(_) | Work::Advance | Work::Expire => {
                endpoint.reading = None;
                // The log could not be read; a pause keeps this from spinning.
                endpoint.stalled = Some(soon);
            }
            Work::Send(batch) => {
                if let Some(open) = endpoint.batches.get_mut(&batch) {
                    open.state.attempts = open.state.attempts.saturating_sub(1);
                    open.state.due = soon;
                    endpoint.place(batch, Place::Deferred);
                }
            }
            Work::Wakeup => {
                endpoint.wakeups.in_flight = false;
                endpoint.wakeups.due = Some(soon);
            }
            Work::Authenticate => endpoint.auth_due = endpoint.auth_due.max(soon),
        }
        endpoint.health.withdraw(now);
        self.refresh(now, id, out);
    }

    fn authenticated(
        &mut self,
        now: Timestamp,
        attempt: AttemptId,
        outcome: &Outcome,
        class: Class,
        accepted: bool,
        out: &mut Vec<Action>,
    ) {
        let Some(finished) = self.slots.get(attempt).copied() else {
            return;
        };
        self.release(attempt);
        let Self {
            endpoints,
            rng,
            settings,
            ..
        } = self;
        let Some(endpoint) = endpoints.get_mut(&finished.endpoint) else {
            return;
        };
        let end = Ending {
            now,
            outcome,
            class,
            batch_key: &settings.batch_key,
            rng,
        };
        let fact = endpoint.authenticate_ended(accepted, end);
        self.persist(now, finished.endpoint, out);
        if let Some(fact) = fact {
            self.change_facts(finished.endpoint, fact, out);
        }
        self.refresh(now, finished.endpoint, out);
    }

    /// Gives a slot back and takes the request off its endpoint's counts.
    fn release(&mut self, attempt: AttemptId) {
        let Some(finished) = self.slots.finish(attempt) else {
            return;
        };
        let Some(endpoint) = self.endpoints.get_mut(&finished.endpoint) else {
            return;
        };
        match finished.work {
            Work::Advance | Work::Expire => return,
            Work::Authenticate => endpoint.authenticating = false,
            Work::Form(_) | Work::Send(_) | Work::Wakeup => {}
        }
        endpoint.in_flight -= 1;
        if finished.is_slow() {
            endpoint.slow -= 1;
        }
    }

    fn stored(&mut self, now: Timestamp, id: EndpointId, token: Token, out: &mut Vec<Action>) {
        self.with(now, id, out, |endpoint, _| endpoint.stored(token));
        self.round_moved(id, token, true, out);
    }

    fn not_stored(&mut self, now: Timestamp, id: EndpointId, token: Token, out: &mut Vec<Action>) {
        self.with(now, id, out, |endpoint, _| endpoint.not_stored(now, token));
        self.round_moved(id, token, false, out);
    }

    /// Stores how far an account's log was read, once everything that stands for is stored.
    fn round_moved(&mut self, id: EndpointId, token: Token, stored: bool, out: &mut Vec<Action>) {
        let Some(account) = self.endpoints.get(&id).map(|endpoint| endpoint.ids().0) else {
            return;
        };
        let Some(tail) = self.tails.get_mut(&account) else {
            return;
        };
        let Some((seq, waits)) = &mut tail.round else {
            return;
        };
        if !waits.remove(&(id, token)) {
            return;
        }
        if !stored {
            tail.round = None;
        } else if waits.is_empty() {
            tail.stored = *seq;
            out.push(Action::PersistSeen { account, seq: *seq });
            tail.round = None;
        }
    }

    fn clock_stepped(&mut self, now: Timestamp, by: i64, out: &mut Vec<Action>) {
        let shift = |time: Timestamp| Timestamp(time.0.saturating_add_signed(by));
        self.steady_since = now;
        self.slots.shift(shift);
        self.flush_at = self.flush_at.map(shift);
        let ids: Vec<EndpointId> = self.endpoints.keys().copied().collect();
        for id in ids {
            self.with(now, id, out, |endpoint, _| endpoint.shift(shift));
        }
    }

    /// Changes one endpoint, then hands out its changes and looks what it may start.
    fn with(
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

    fn tail_of(&self, id: EndpointId) -> Seq {
        self.endpoints
            .get(&id)
            .map(|endpoint| self.tail(endpoint.ids().0))
            .unwrap_or_default()
    }

    /// Hands out an endpoint's changes.
    fn persist(&mut self, now: Timestamp, id: EndpointId, out: &mut Vec<Action>) -> Option<Token> {
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
    fn refresh(&mut self, now: Timestamp, id: EndpointId, out: &mut Vec<Action>) {
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
            if wanted && !self.draining && !endpoint.queued[turn.flag()] {
                endpoint.queued[turn.flag()] = true;
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
        let attempt = self.slots.start(now, id, work, Turn::Again, 0);
        endpoint.reading = Some(attempt);
        out.push(Action::Read {
            attempt,
            account,
            endpoint: id,
            from,
            to,
            purpose,
        });
    }

    /// Stores the pending counts that changed, and then how far the logs were read: only when
    /// everything that stands for is stored, so that a crash never makes a message unseen.
    fn flush_seen(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        self.flush_at = None;
        for id in std::mem::take(&mut self.dirty) {
            if let Some(endpoint) = self.endpoints.get_mut(&id) {
                endpoint.touch();
                self.persist(now, id, out);
            }
        }
        let mut waits: BTreeMap<AccountId, BTreeSet<(EndpointId, Token)>> = BTreeMap::new();
        let mut held_up = BTreeSet::new();
        for (id, endpoint) in &self.endpoints {
            let (account, _) = endpoint.ids();
            if endpoint.stalled.is_some() {
                held_up.insert(account);
            }
            if let Some((token, _)) = endpoint.unsaved.back() {
                waits.entry(account).or_default().insert((*id, *token));
            }
        }
        let mut later = false;
        for (account, tail) in &mut self.tails {
            if tail.seq <= tail.stored {
                continue;
            }
            if tail.round.is_some() || held_up.contains(account) {
                later = true;
            } else if let Some(waits) = waits.remove(account) {
                tail.round = Some((tail.seq, waits));
            } else {
                tail.stored = tail.seq;
                out.push(Action::PersistSeen {
                    account: *account,
                    seq: tail.seq,
                });
            }
        }
        if later {
            self.flush_at = Some(now.after(SEEN_EVERY));
        }
    }

    /// Starts whatever may start, in turn, while there is room.
    fn dispatch(&mut self, now: Timestamp, out: &mut Vec<Action>) {
        while !self.draining {
            let Some((id, turn)) = self.slots.next() else {
                break;
            };
            let Some(endpoint) = self.endpoints.get_mut(&id) else {
                continue;
            };
            let full = self.slots.slow_is_full();
            let ready = endpoint.readiness(now, full, &self.settings);
            let wanted = match turn {
                Turn::New => ready.new,
                Turn::Again => ready.again,
            };
            if !wanted {
                endpoint.queued[turn.flag()] = false;
                self.refresh(now, id, out);
                continue;
            }
            let bytes = endpoint.bytes_to_start(now, turn);
            if !self.slots.fits(bytes) {
                self.slots.put_back(id, turn);
                break;
            }
            endpoint.queued[turn.flag()] = false;
            self.start(now, id, turn, bytes, out);
            self.refresh(now, id, out);
        }
    }

    fn start(
        &mut self,
        now: Timestamp,
        id: EndpointId,
        turn: Turn,
        bytes: u64,
        out: &mut Vec<Action>,
    ) {
        let tail = self.tail_of(id);
        let Some(endpoint) = self.endpoints.get_mut(&id) else {
            return;
        };
        let (account, _) = endpoint.ids();
        endpoint.health.start();
        endpoint.in_flight += 1;
        if endpoint.must_authenticate(now).is_some() {
            let attempt = self.slots.start(now, id, Work::Authenticate, turn, bytes);
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
            let attempt = self.slots.start(now, id, Work::Form(job), turn, bytes);
            endpoint.reading = Some(attempt);
            let (from, to) = endpoint.stretch_to_form(job, tail);
            let purpose = endpoint.batch_purpose();
            out.push(Action::Read {
                attempt,
                account,
                endpoint: id,
                from,
                to,
                purpose,
            });
        } else if endpoint.spec.thin {
            let attempt = self.slots.start(now, id, Work::Wakeup, turn, bytes);
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
            let attempt = self.slots.start(now, id, Work::Send(batch), turn, bytes);
            endpoint.place(batch, Place::InFlight(attempt));
            self.post(id, attempt, batch, out);
        }
    }
}

fn add_job(endpoint: &mut Endpoint, state: JobState) {
    endpoint
        .jobs
        .entry(state.id)
        .or_insert(Job { state, open: 0 });
}

/// Forming and advancing, where they need the log's messages.
impl Endpoint {
    /// Takes read messages into a new batch; none when there was nothing to take.
    fn form(
        &mut self,
        now: Timestamp,
        key: &[u8; 32],
        job: Option<JobId>,
        entries: &[Entry],
        through: Seq,
    ) -> Option<super::BatchState> {
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
    fn advance(&mut self, entries: &[Entry], through: Seq) {
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
    fn wants_advance(&self) -> bool {
        self.advance_wanted && self.reading.is_none() && !self.acked.is_empty()
    }

    /// What a start would load at most.
    fn bytes_to_start(&self, now: Timestamp, turn: Turn) -> u64 {
        if self.must_authenticate(now).is_some() || self.spec.thin {
            return 0;
        }
        match turn {
            Turn::New => self.spec.max_bytes,
            Turn::Again => self
                .next_batch()
                .and_then(|(_, id)| self.batches.get(&id))
                .map_or(0, |batch| batch.state.bytes),
        }
    }

    /// From where to where a new batch is read.
    fn stretch_to_form(&self, job: Option<JobId>, tail: Seq) -> (Seq, Seq) {
        let job = job.and_then(|job| self.jobs.get(&job));
        let stretch = job.and_then(|job| job.state.remaining.pairs().first().copied());
        stretch.unwrap_or((self.cursor.next(), tail))
    }

    fn batch_purpose(&self) -> Purpose {
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

    /// A wake-up starts.
    fn wake_up(&mut self, now: Timestamp, attempt: AttemptId, key: &[u8; 32]) -> BatchId {
        self.wakeups.in_flight = true;
        let next = self.cursor.next();
        let id = *self.wakeups.id.get_or_insert_with(|| {
            let content = Ranges::of([next, Seq(attempt.0)]);
            batch::id(key, self.spec.endpoint, None, &content, now)
        });
        id
    }

    /// Moves every wait, because the wall clock was stepped; what was learned about age is void.
    fn shift(&mut self, shift: impl Fn(Timestamp) -> Timestamp + Copy) {
        self.failed_lately = false;
        self.failing_since = self.failing_since.map(shift);
        self.auth_due = shift(self.auth_due);
        self.wakeups.due = self.wakeups.due.map(shift);
        self.stalled = self.stalled.map(shift);
        self.health.shift(shift);
        let waiting: Vec<BatchId> = self.batches.keys().copied().collect();
        for id in waiting {
            let Some(place) = self.batches.get(&id).map(|batch| batch.place) else {
                continue;
            };
            self.place_due(id, place, shift);
        }
        self.touch();
    }

    fn place_due(&mut self, id: BatchId, place: Place, shift: impl Fn(Timestamp) -> Timestamp) {
        // Out of the index under the old time, back into it under the new one.
        if let Some(batch) = self.batches.get(&id) {
            self.deferred.remove(&(batch.state.due, id));
        }
        if let Some(batch) = self.batches.get_mut(&id) {
            batch.state.due = shift(batch.state.due);
        }
        self.place(id, place);
    }
}
