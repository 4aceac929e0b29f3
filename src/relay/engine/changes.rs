//! What an endpoint has to store, and what waits for that.
//!
//! Owns the collection of changes into persists and what becomes of them. Does not know what the
//! changes are about.

use std::collections::BTreeMap;

use super::batch::Place;
use super::endpoint::Endpoint;
use super::health::State;
use super::{Change, CursorState, Token};
use crate::clock::{Millis, Timestamp};
use crate::id::{BatchId, JobId, Seq};

/// Changes that could not be stored are offered again after this pause.
const STORE_RETRY: Millis = Millis::seconds(1);

/// A token of changes that are not handed out yet.
pub(super) const UNASSIGNED: Token = Token(u64::MAX);

impl Endpoint {
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
