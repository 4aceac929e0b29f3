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
