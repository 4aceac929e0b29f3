//! What an endpoint could start now, and when to look again.
//!
//! Owns the question of readiness over the three parts of an endpoint's state (order,
//! authentication, health), its bounds and its batches. Changes nothing.

use super::batch::Place;
use super::endpoint::{Endpoint, job_has_more};
use super::health::State;
use super::slots::Turn;
use super::{Auth, Order, Settings};
use crate::clock::Timestamp;
use crate::id::{BatchId, JobId};

/// Persists of one endpoint that may wait for the disk before nothing more is started for it. Far
/// more than come together in the 20 ms for which a relaxed commit waits.
const MAX_UNSAVED: usize = 1024;

/// One endpoint holds at most this part of the loaded bytes, or a single batch.
const OWN_SHARE: u64 = 16;

/// What the endpoint may start, and when to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Readiness {
    pub new: bool,
    pub again: bool,
    pub wake: Option<Timestamp>,
}

impl Endpoint {
    /// What may be started at `now`.
    pub(super) fn readiness(
        &self,
        now: Timestamp,
        slow_is_full: bool,
        settings: &Settings,
    ) -> Readiness {
        let blocked = self.awaiting_facts
            || self.stalled.is_some()
            || self.unsaved.len() >= MAX_UNSAVED
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
            Some((due, id)) if self.has_room(self.batch_bytes(id), settings) => again_at(due, now),
            _ => Readiness::default(),
        };
        Readiness {
            new: self.may_form(settings) && self.has_room(self.spec.max_bytes, settings),
            ..again
        }
    }

    /// Whether another request of so many bytes stays within the endpoint's own share.
    fn has_room(&self, bytes: u64, settings: &Settings) -> bool {
        self.loaded == 0 || self.loaded + bytes <= settings.max_loaded / OWN_SHARE
    }

    fn batch_bytes(&self, id: BatchId) -> u64 {
        self.batches.get(&id).map_or(0, |batch| batch.state.bytes)
    }

    /// Whether a delivery may go out as far as orders and authentication are concerned.
    pub(super) fn may_send(&self, now: Timestamp) -> bool {
        !self.awaiting_facts
            && self.spec.order == Order::Enabled
            && self.must_authenticate(now).is_none()
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
    pub(super) fn may_form(&self, settings: &Settings) -> bool {
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

    /// What a start would load at most.
    pub(super) fn bytes_to_start(&self, now: Timestamp, turn: Turn) -> u64 {
        if self.must_authenticate(now).is_some() || self.spec.thin {
            return 0;
        }
        match turn {
            Turn::New => self.spec.max_bytes,
            Turn::Again => self.next_batch().map_or(0, |(_, id)| self.batch_bytes(id)),
        }
    }
}

fn again_at(due: Timestamp, now: Timestamp) -> Readiness {
    let ready = due <= now;
    Readiness {
        again: ready,
        wake: (!ready).then_some(due),
        new: false,
    }
}
