//! What is too old.
//!
//! Owns the ages of `protocols/notifications.md` 2.2 and when they count. Does not bury anything:
//! that is `settle.rs`.

use super::Order;
use super::batch::Place;
use super::endpoint::Endpoint;
use crate::clock::{Millis, Timestamp};
use crate::id::BatchId;

/// On hold, disabled or thin, nothing expires before the clock was steady for so long.
const STEADY: Millis = Millis::minutes(10);

impl Endpoint {
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

    pub(super) fn is_waiting(&self, id: BatchId) -> bool {
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
    pub(super) fn age_limit(&self, steady_since: Timestamp) -> Option<(Millis, Timestamp)> {
        let settings = &self.schedule.settings;
        if self.spec.order != Order::Enabled || self.spec.thin {
            return Some((settings.held_max_age, steady_since.after(STEADY)));
        }
        self.failed_lately
            .then_some((settings.max_age, Timestamp(0)))
    }
}
