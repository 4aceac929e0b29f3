//! An endpoint as operators, surfaces and the simulation see it.
//!
//! Owns the answers to questions about this moment. Changes nothing.

use super::batch::{Batch, Place};
use super::endpoint::Endpoint;
use super::health::{MAX_WINDOW, State};
use super::{Auth, Order, Ranges, Settings};
use crate::clock::Timestamp;
use crate::id::Seq;
use crate::live;

impl Endpoint {
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
            counted: true,
            pending: self.pending + open_messages,
            open_messages,
            open_batches: self.batches.len() as u64,
            in_flight: u64::from(self.in_flight),
            oldest: batches
                .chain(self.oldest.filter(|_| self.pending > 0))
                .min(),
            lowest: self.lowest_pending(),
            cursor: self.cursor,
            delivered: self.delivered,
            dead: self.dead,
            filtered: self.filtered,
            failing_since: self.failing_since,
            last_class: self.last_class,
        }
    }

    /// Why nothing goes out although something waits.
    pub(super) fn wait(&self, now: Timestamp, settings: &Settings) -> Option<live::Wait> {
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

    /// What is pending here. `tail` is how far the log was read.
    pub(super) fn backlog(&self, tail: Seq) -> live::Backlog {
        let mut open = Ranges::default();
        for batch in self.batches.values() {
            for (first, last) in batch.state.ranges.pairs() {
                open.insert(*first, *last);
            }
        }
        live::Backlog {
            open: open.pairs().to_vec(),
            cursor: self.settled_to(tail),
            acked: self.acked.pairs().to_vec(),
        }
    }

    /// Everything up to here is settled or in an open batch.
    fn settled_to(&self, tail: Seq) -> Seq {
        let idle = self.pending == 0 && self.reading.is_none() && self.acked.is_empty();
        if idle {
            self.cursor.max(tail)
        } else {
            self.cursor
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
        let cursor = self.settled_to(tail);
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
        if self.in_flight > MAX_WINDOW {
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
