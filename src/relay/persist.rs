//! Storing the engine's changes in order.
//!
//! Owns the way from [`Action::Persist`](super::engine::Action::Persist) to a commit, and the
//! lanes that keep one endpoint's persists in order while one of them has to take its account's
//! turn. Does not know what the changes are about.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::engine::{Change, DeadState, Token};
use super::{lines, records};
use crate::clock::{Millis, Stopwatch};
use crate::domain::endpoint::{self, Endpoint};
use crate::domain::event::{self, MessageDead};
use crate::error::Result;
use crate::id::{AccountId, EndpointId};
use crate::store::{Commit, Database, Durability, Receipt, Write, keys};

/// Operational messages about messages that die together, at most
/// (`protocols/notifications.md` 4.7).
const MAX_DEAD_NOTICES: usize = 100;

/// One persist of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Persist {
    /// Whose.
    pub account: AccountId,
    /// Of which endpoint.
    pub endpoint: EndpointId,
    /// Which persist.
    pub token: Token,
    /// Wait for the disk.
    pub durable: bool,
    /// The engine's changes.
    pub changes: Vec<Change>,
    /// Records beside them: the attempt that led here.
    pub extra: Vec<Write>,
}

impl Persist {
    fn writes(&self, dead_retention: Millis) -> Result<Vec<Write>> {
        let mut writes = self.extra.clone();
        for change in &self.changes {
            writes.extend(records::writes(
                self.account,
                self.endpoint,
                change,
                dead_retention,
            )?);
        }
        Ok(writes)
    }

    /// The ranges that become dead with it.
    pub fn deaths(&self) -> impl Iterator<Item = &DeadState> {
        self.changes.iter().filter_map(|change| match change {
            Change::PutDead(state) => Some(state),
            _ => None,
        })
    }

    /// Hands the commit to the store now.
    pub fn submit(&self, database: &Database, dead_retention: Millis) -> Result<Receipt> {
        let durability = if self.durable {
            Durability::Durable
        } else {
            Durability::Relaxed
        };
        Ok(database.store().submit(of_endpoint(
            self.account,
            self.endpoint,
            self.writes(dead_retention)?,
            durability,
        )))
    }

    /// Stores it together with `message_dead` for the messages that die with it. Takes the
    /// account's turn, because it appends to the log. Not run again on a conflict: a persist
    /// before it may have failed, and then this one must not stand alone.
    pub async fn submit_with_notices(
        &self,
        database: &Database,
        dead_retention: Millis,
        about: &Endpoint,
        notices: &[MessageDead],
    ) -> Result<()> {
        let writes = &self.writes(dead_retention)?;
        let watch = Stopwatch::start();
        let appended = database
            .transact_essential_once(&[self.account], |tx| async move {
                // What belongs to an endpoint must not outlive it.
                endpoint::load(&tx, self.account, self.endpoint).await?;
                for write in writes.clone() {
                    match write {
                        Write::Put(key, value) => tx.put_bytes(key, value),
                        Write::Delete(key) => tx.delete(key),
                    }
                }
                for notice in notices {
                    event::message_dead(&tx, about, notice).await?;
                }
                Ok(tx.appended())
            })
            .await?;
        lines::committed(
            self.account,
            self.endpoint,
            "dead messages",
            &appended,
            watch,
        );
        Ok(())
    }
}

/// What to tell about the messages that die with a persist: nothing about operational ones, and
/// about the first hundred at most.
pub async fn dead_notices(
    database: &Database,
    endpoint: &Endpoint,
    persist: &Persist,
) -> Vec<MessageDead> {
    let mut notices = Vec::new();
    for state in persist.deaths() {
        let mut next = state.first;
        while next <= state.last && notices.len() < MAX_DEAD_NOTICES {
            let page = database
                .store()
                .read_log(endpoint.account, next, 256, 1 << 18)
                .await;
            let messages = page.map(|page| page.messages).unwrap_or_default();
            let Some(end) = messages.last().map(|message| message.seq()) else {
                break;
            };
            for message in messages {
                let tell = message.seq() <= state.last
                    && endpoint.admits(&message)
                    && !event::is_operational(&message.event_type);
                if tell && notices.len() < MAX_DEAD_NOTICES {
                    notices.push(MessageDead {
                        endpoint_id: endpoint.id,
                        message_id: message.id,
                        message_type: message.event_type.to_string(),
                        reason: records::dead_reason(state.reason),
                        attempts: state.attempts,
                        last_status: state.last_status,
                    });
                }
            }
            next = end.next();
        }
    }
    notices
}

/// Whether anybody of the account wants to hear of dead messages of `about`.
pub fn wants_dead_notices<'a>(
    mut endpoints: impl Iterator<Item = &'a Arc<Endpoint>>,
    about: EndpointId,
) -> bool {
    endpoints.any(|endpoint| {
        endpoint.id != about
            && endpoint.filters.last().is_some_and(|version| {
                version
                    .types
                    .iter()
                    .any(|entry| crate::domain::endpoint::matches(entry, "message_dead"))
            })
    })
}

/// A commit of an endpoint's records: the relay is their only writer, so all it expects is that
/// the endpoint was not removed meanwhile.
pub fn of_endpoint(
    account: AccountId,
    endpoint: EndpointId,
    writes: Vec<Write>,
    durability: Durability,
) -> Commit {
    Commit {
        present: vec![keys::endpoint(account, endpoint)],
        ..commit(account, writes, durability)
    }
}

/// A commit of an account's records without expectations: the relay is their only writer.
pub fn commit(account: AccountId, writes: Vec<Write>, durability: Durability) -> Commit {
    Commit {
        accounts: vec![account],
        reads: Vec::new(),
        ranges: Vec::new(),
        present: Vec::new(),
        writes,
        appends: Vec::new(),
        durability,
        essential: true,
    }
}

/// Keeps the persists of an endpoint in order: while one waits for its account's turn, those
/// after it wait behind it.
#[derive(Debug, Default)]
pub struct Lanes {
    waiting: BTreeMap<EndpointId, VecDeque<Persist>>,
}

impl Lanes {
    /// Gives the persist back if nothing is before it, else keeps it.
    pub fn enter(&mut self, persist: Persist) -> Option<Persist> {
        match self.waiting.get_mut(&persist.endpoint) {
            Some(lane) => {
                lane.push_back(persist);
                None
            }
            None => Some(persist),
        }
    }

    /// Everything of this endpoint waits from now on.
    pub fn block(&mut self, endpoint: EndpointId) {
        self.waiting.entry(endpoint).or_default();
    }

    /// The next waiting persist of an endpoint; the lane is free when none is left. Whoever
    /// blocks the lane again with what it gets here must not ask on.
    pub fn next(&mut self, endpoint: EndpointId) -> Option<Persist> {
        let lane = self.waiting.get_mut(&endpoint)?;
        let next = lane.pop_front();
        if next.is_none() {
            self.waiting.remove(&endpoint);
        }
        next
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn persist(endpoint: u64, token: u64) -> Persist {
        Persist {
            account: AccountId::from_number(1),
            endpoint: EndpointId::from_number(endpoint),
            token: Token(token),
            durable: true,
            changes: Vec::new(),
            extra: Vec::new(),
        }
    }

    fn next(lanes: &mut Lanes, endpoint: u64) -> Option<u64> {
        let next = lanes.next(EndpointId::from_number(endpoint));
        next.map(|persist| persist.token.0)
    }

    #[test]
    fn a_free_lane_keeps_nothing() {
        let mut lanes = Lanes::default();
        assert_eq!(lanes.enter(persist(1, 1)), Some(persist(1, 1)));
        assert_eq!(lanes.enter(persist(1, 2)), Some(persist(1, 2)));
        assert_eq!(next(&mut lanes, 1), None);
        assert!(lanes.is_empty());
    }

    #[test]
    fn what_comes_behind_a_blocked_persist_waits_in_its_order() {
        let mut lanes = Lanes::default();
        lanes.block(EndpointId::from_number(1));
        assert!(!lanes.is_empty(), "a drain waits for the one under way");
        assert_eq!(lanes.enter(persist(1, 2)), None);
        assert_eq!(lanes.enter(persist(1, 3)), None);
        assert_eq!(next(&mut lanes, 1), Some(2));
        // While those before it are handed out, a new one still waits behind them.
        assert_eq!(lanes.enter(persist(1, 4)), None);
        assert_eq!(next(&mut lanes, 1), Some(3));
        assert_eq!(next(&mut lanes, 1), Some(4));
        assert_eq!(lanes.enter(persist(1, 5)), None, "the last may still wait");
        assert_eq!(next(&mut lanes, 1), Some(5));
        assert_eq!(next(&mut lanes, 1), None);
        assert!(lanes.is_empty());
        assert_eq!(lanes.enter(persist(1, 6)), Some(persist(1, 6)));
    }

    #[test]
    fn blocking_again_keeps_what_waits() {
        let mut lanes = Lanes::default();
        lanes.block(EndpointId::from_number(1));
        assert_eq!(lanes.enter(persist(1, 2)), None);
        assert_eq!(lanes.enter(persist(1, 3)), None);
        // The first of them has to wait itself.
        assert_eq!(next(&mut lanes, 1), Some(2));
        lanes.block(EndpointId::from_number(1));
        assert_eq!(next(&mut lanes, 1), Some(3));
        assert_eq!(next(&mut lanes, 1), None);
    }

    #[test]
    fn one_endpoint_does_not_hold_up_another() {
        let mut lanes = Lanes::default();
        lanes.block(EndpointId::from_number(1));
        assert_eq!(lanes.enter(persist(2, 7)), Some(persist(2, 7)));
        assert_eq!(next(&mut lanes, 2), None);
        assert!(!lanes.is_empty());
    }
}
