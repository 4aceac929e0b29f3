//! The feed of published changes: what became durable since the last look, and which watched
//! keys must be read again because a change of theirs, which reads had seen, was taken back.
//!
//! Owns the hand-over from the store's writer to the relay. Coalesces, so it stays small however
//! slow its reader is. Does not know why anybody watches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use super::Key;
use crate::id::{AccountId, Seq};

/// Everything that became durable since the last [`Feed::take`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Published {
    /// The highest visible sequence of each account whose log grew.
    pub logs: BTreeMap<AccountId, Seq>,
    /// Watched keys that changed, or changed back ([`super::keys::is_watched`]); read them again
    /// for the values.
    pub changed: BTreeSet<Key>,
}

impl Published {
    /// Nothing happened.
    pub fn is_empty(&self) -> bool {
        self.logs.is_empty() && self.changed.is_empty()
    }
}

/// One writer's hand-over to one reader.
#[derive(Debug, Default)]
pub struct Feed {
    state: Mutex<Published>,
    wake: Notify,
}

impl Feed {
    /// Adds what one group made durable. Logs and keys of one group appear together, so a reader
    /// that sees a message sees every watched key that was committed before it.
    pub fn publish(
        &self,
        logs: impl IntoIterator<Item = (AccountId, Seq)>,
        changed: impl IntoIterator<Item = Key>,
    ) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = state.is_empty();
        for (account, seq) in logs {
            let last = state.logs.entry(account).or_default();
            *last = (*last).max(seq);
        }
        state
            .changed
            .extend(changed.into_iter().filter(super::keys::is_watched));
        let news = quiet && !state.is_empty();
        drop(state);
        if news {
            self.wake.notify_one();
        }
    }

    /// Takes everything since the last call.
    pub fn take(&self) -> Published {
        std::mem::take(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Resolves when there is something to take.
    pub async fn changed(&self) {
        self.wake.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::EndpointId;
    use crate::store::keys;

    #[tokio::test]
    async fn the_feed_coalesces_and_keeps_only_watched_keys() {
        let feed = Feed::default();
        let account = AccountId::from_number(1);
        let endpoint = keys::endpoint(account, EndpointId::from_number(2));
        feed.publish(
            [(account, Seq(3))],
            [endpoint.clone(), keys::account(account)],
        );
        feed.publish([(account, Seq(2))], []);
        feed.changed().await;
        let news = feed.take();
        assert_eq!(news.logs, BTreeMap::from([(account, Seq(3))]));
        assert_eq!(news.changed, BTreeSet::from([endpoint]));
        assert!(feed.take().is_empty());
    }
}
