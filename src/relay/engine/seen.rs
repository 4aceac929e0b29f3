//! How far the logs were read, and when that may be stored.
//!
//! Owns the rule that a crash never makes a message unseen: the end of the read part is stored
//! only when every cursor record that it stands for is. Does not know what is read.

use std::collections::{BTreeMap, BTreeSet};

use super::core::Engine;
use super::{Action, Token};
use crate::clock::{Millis, Timestamp};
use crate::id::{AccountId, EndpointId, Seq};

/// How far logs were read is stored at most so often.
pub(super) const SEEN_EVERY: Millis = Millis::seconds(5);

/// How far the log of one account was read.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// Read up to here.
    pub(super) seq: Seq,
    /// Stored up to here.
    pub(super) stored: Seq,
    /// Being stored: once these persists are, `seq` of then may be.
    pub(super) round: Option<(Seq, BTreeSet<(EndpointId, Token)>)>,
}

impl Engine {
    /// Stores how far an account's log was read, once everything that stands for is stored.
    pub(super) fn round_moved(
        &mut self,
        id: EndpointId,
        token: Token,
        stored: bool,
        out: &mut Vec<Action>,
    ) {
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

    /// How far an account's log was read is not stored after all: it is offered again.
    pub(super) fn seen_not_stored(&mut self, now: Timestamp, account: AccountId) {
        if let Some(tail) = self.tails.get_mut(&account) {
            tail.stored = Seq(0);
            self.flush_at.get_or_insert(now.after(SEEN_EVERY));
        }
    }

    /// Stores the pending counts that changed, and then how far the logs were read: only when
    /// everything that stands for is stored, so that a crash never makes a message unseen.
    pub(super) fn flush_seen(&mut self, now: Timestamp, out: &mut Vec<Action>) {
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
}

#[cfg(test)]
mod tests {
    use super::super::schedule;
    use super::super::{Auth, CursorState, Input, Order, Ranges, Settings, Spec, Stored};
    use super::*;

    const ACCOUNT: AccountId = AccountId::from_number(1);
    const ENDPOINT: EndpointId = EndpointId::from_number(1);
    const NOW: Timestamp = Timestamp(1_000_000);

    fn spec() -> Spec {
        Spec {
            account: ACCOUNT,
            endpoint: ENDPOINT,
            start: Seq(1),
            order: Order::Enabled,
            auth: Auth::NotNeeded,
            generation: 1,
            strict: false,
            thin: false,
            ignore_confirmation: false,
            standard: true,
            max_messages: 100,
            max_bytes: 1 << 18,
            schedule: schedule::Settings::default(),
            offered_since: NOW,
        }
    }

    /// The cursor record was stored with two messages pending, and how far the log was read was
    /// not: the messages are looked for, although the log's end is below them.
    #[test]
    fn what_was_counted_before_a_start_is_looked_for_after_it() {
        let mut engine = Engine::new(Settings::default(), 1, NOW);
        let mut actions = Vec::new();
        let seen = Input::Seen {
            account: ACCOUNT,
            seq: Seq(0),
        };
        let cursor = CursorState {
            cursor: Seq(1),
            delivered: 1,
            dead: 0,
            filtered: 0,
            pending: 2,
            oldest: Some(NOW),
            seen: Seq(3),
            failing_since: None,
            suspended: None,
            suspensions: 0,
        };
        let stored = Stored {
            cursor: Some(cursor),
            batches: Vec::new(),
            jobs: Vec::new(),
            acked: Ranges::default(),
        };
        engine.handle(NOW, seen, &mut actions);
        let load = Input::Load(Box::new(spec()), Box::new(stored));
        engine.handle(NOW, load, &mut actions);
        let stretches: Vec<(Seq, Seq)> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Read { wanted, .. } => wanted.pairs().first().copied(),
                _ => None,
            })
            .collect();
        assert_eq!(stretches, [(Seq(2), Seq(3))]);
    }
}
