//! What each input does to the engine.
//!
//! Owns one method per kind of input. Does not start anything: that is `core.rs`, which looks
//! after every input at what may start.

use super::batch::Place;
use super::core::Engine;
use super::endpoint::Endpoint;
use super::seen::SEEN_EVERY;
use super::settle::{Ending, FactChange};
use super::slots::Work;
use super::{Action, Arrival, AttemptId, Entry, Order, Ranges, Spec, Stored, Token};
use crate::attempt::{Class, Outcome};
use crate::clock::Timestamp;
use crate::id::{AccountId, BatchId, EndpointId, JobId, Seq};

impl Engine {
    pub(super) fn load(
        &mut self,
        now: Timestamp,
        spec: Spec,
        stored: Stored,
        out: &mut Vec<Action>,
    ) {
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

    pub(super) fn change(&mut self, now: Timestamp, spec: Spec, out: &mut Vec<Action>) {
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

    pub(super) fn remove(&mut self, id: EndpointId, out: &mut Vec<Action>) {
        if let Some(endpoint) = self.endpoints.remove(&id) {
            if let Some(timer) = endpoint.timer {
                self.timers.remove(&(timer, id));
            }
            let (account, _) = endpoint.ids();
            if let Some(tail) = self.tails.get_mut(&account)
                && let Some((seq, waits)) = &mut tail.round
            {
                waits.retain(|(endpoint, _)| *endpoint != id);
                if waits.is_empty() {
                    // It was the last one that was waited for.
                    let seq = *seq;
                    tail.stored = seq;
                    tail.round = None;
                    out.push(Action::PersistSeen { account, seq });
                }
            }
        }
        self.dirty.remove(&id);
        self.blocked.remove(&id);
    }

    pub(super) fn arrived(
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

    pub(super) fn read(
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

    /// A read met messages that cannot be read any more: they are dead, and it goes on behind them.
    pub(super) fn read_damage(
        &mut self,
        now: Timestamp,
        attempt: AttemptId,
        damaged: (Seq, Seq),
        out: &mut Vec<Action>,
    ) {
        let Some(read) = self.slots.get(attempt).copied() else {
            return;
        };
        let job = match read.work {
            Work::Form(job) => job,
            _ => None,
        };
        self.release(attempt);
        self.with(now, read.endpoint, out, |endpoint, _| {
            endpoint.reading = None;
            if read.work.takes_slot() {
                endpoint.health.withdraw(now);
            }
            endpoint.bury_damaged(now, job, damaged);
        });
    }

    /// A batch has messages that cannot be read any more: they are dead, the others go on.
    pub(super) fn unreadable(
        &mut self,
        now: Timestamp,
        attempt: AttemptId,
        seqs: &Ranges,
        out: &mut Vec<Action>,
    ) {
        let Some(sent) = self.slots.get(attempt).copied() else {
            return;
        };
        self.release(attempt);
        let key = self.settings.batch_key;
        self.with(now, sent.endpoint, out, |endpoint, _| {
            endpoint.health.withdraw(now);
            if let Work::Send(batch) = sent.work {
                endpoint.take_damage_out(now, &key, batch, seqs);
            }
        });
    }

    /// A read without a slot came back.
    pub(super) fn finish_read(
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
    pub(super) fn formed(
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
        // What was ordered during the read holds: the batch then waits like a deferred one.
        let may_send = !self.draining && endpoint.may_send(now);
        let post = formed.and_then(|state| {
            let (batch, bytes) = (state.id, state.bytes);
            if !may_send {
                endpoint.open(state, Place::Deferred);
                return None;
            }
            let reserved = self.slots.continue_as(attempt, Work::Send(batch), bytes);
            endpoint.loaded = endpoint.loaded - reserved + bytes;
            endpoint.open(state, Place::InFlight(attempt));
            Some(batch)
        });
        if post.is_none() {
            endpoint.health.withdraw(now);
            self.release(attempt);
        }
        self.persist(now, id, out);
        if let Some(batch) = post {
            self.post(id, attempt, batch, out);
        }
        self.refresh(now, id, out);
    }

    pub(super) fn post(
        &mut self,
        id: EndpointId,
        attempt: AttemptId,
        batch: BatchId,
        out: &mut Vec<Action>,
    ) {
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

    pub(super) fn done(
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

    pub(super) fn change_facts(&mut self, id: EndpointId, fact: FactChange, out: &mut Vec<Action>) {
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
    pub(super) fn not_sent(&mut self, now: Timestamp, attempt: AttemptId, out: &mut Vec<Action>) {
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
        // A read without a slot is no probe, though one may be out.
        if finished.work.takes_slot() {
            endpoint.health.withdraw(now);
        }
        self.refresh(now, id, out);
    }

    pub(super) fn authenticated(
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
    pub(super) fn release(&mut self, attempt: AttemptId) {
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
        endpoint.loaded -= finished.bytes();
        if finished.is_slow() {
            endpoint.slow -= 1;
        }
    }

    pub(super) fn stored(
        &mut self,
        now: Timestamp,
        id: EndpointId,
        token: Token,
        out: &mut Vec<Action>,
    ) {
        self.with(now, id, out, |endpoint, _| endpoint.stored(token));
        self.round_moved(id, token, true, out);
    }

    pub(super) fn not_stored(
        &mut self,
        now: Timestamp,
        id: EndpointId,
        token: Token,
        out: &mut Vec<Action>,
    ) {
        self.with(now, id, out, |endpoint, _| endpoint.not_stored(now, token));
        self.round_moved(id, token, false, out);
        // What the round stood for is still to be stored.
        self.flush_at.get_or_insert(now.after(SEEN_EVERY));
    }

    pub(super) fn clock_stepped(&mut self, now: Timestamp, by: i64, out: &mut Vec<Action>) {
        let shift = |time: Timestamp| Timestamp(time.0.saturating_add_signed(by));
        self.steady_since = now;
        self.slots.shift(shift);
        self.flush_at = self.flush_at.map(shift);
        let ids: Vec<EndpointId> = self.endpoints.keys().copied().collect();
        for id in ids {
            self.with(now, id, out, |endpoint, _| endpoint.shift(shift));
        }
    }
}
