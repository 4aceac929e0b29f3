//! The waits of an endpoint that are not a batch's: wake-ups, and the wall clock under all.
//!
//! Owns wake-ups of thin endpoints and what a step of the clock does. Does not know why an
//! endpoint waits.

use super::AttemptId;
use super::Ranges;
use super::batch::{self, Place};
use super::endpoint::Endpoint;
use crate::clock::Timestamp;
use crate::id::{BatchId, Seq};

impl Endpoint {
    /// A wake-up starts.
    pub(super) fn wake_up(
        &mut self,
        now: Timestamp,
        attempt: AttemptId,
        key: &[u8; 32],
    ) -> BatchId {
        self.wakeups.in_flight = true;
        let next = self.cursor.next();
        *self.wakeups.id.get_or_insert_with(|| {
            let content = Ranges::of([next, Seq(attempt.0)]);
            batch::id(key, self.spec.endpoint, None, &content, now)
        })
    }

    /// Moves every wait, because the wall clock was stepped; what was learned about age is void.
    pub(super) fn shift(&mut self, shift: impl Fn(Timestamp) -> Timestamp + Copy) {
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

    pub(super) fn place_due(
        &mut self,
        id: BatchId,
        place: Place,
        shift: impl Fn(Timestamp) -> Timestamp,
    ) {
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
