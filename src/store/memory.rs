//! The store in memory: the contract in its plainest form.
//!
//! Owns the reference implementation that simulations and tests run on, with the durability of a
//! commit under the test's hand: [`MemoryStore::stepped`] queues commits until
//! [`MemoryStore::step`], and [`MemoryStore::crash`] forgets the rest. Does not know sled.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::{
    Commit, CommitError, Committed, Feed, Head, Key, KeyRange, LogPage, Message, ReadError,
    Receipt, Store, Version, Versioned, Write,
};
use crate::id::{AccountId, Seq};

/// Everything a store holds.
#[derive(Debug, Clone, Default)]
struct Image {
    records: BTreeMap<Key, Versioned>,
    logs: BTreeMap<AccountId, Log>,
}

#[derive(Debug, Clone, Default)]
struct Log {
    messages: BTreeMap<Seq, Arc<Message>>,
    head: Head,
}

impl Image {
    fn scan(&self, range: &KeyRange, limit: usize) -> Vec<(Key, Versioned)> {
        if range.start >= range.end {
            return Vec::new();
        }
        let found = self.records.range(range.start.clone()..range.end.clone());
        let owned = |(key, found): (&Key, &Versioned)| (key.clone(), found.clone());
        if range.newest_first {
            found.rev().take(limit).map(owned).collect()
        } else {
            found.take(limit).map(owned).collect()
        }
    }

    fn head(&self, account: AccountId) -> Head {
        self.logs
            .get(&account)
            .map(|log| log.head)
            .unwrap_or_default()
    }

    /// Whether everything the commit has looked at still is as it was.
    fn admits(&self, commit: &Commit) -> bool {
        let mut next = BTreeMap::new();
        let in_sequence = commit.appends.iter().all(|append| {
            let last = next
                .entry(append.account)
                .or_insert_with(|| self.head(append.account).last);
            *last = last.next();
            append.message.seq() == *last
        });
        let reads = commit
            .reads
            .iter()
            .all(|(key, version)| self.records.get(key).map(|found| found.version) == *version);
        let ranges = commit.ranges.iter().all(|read| {
            let found = self.scan(&read.range, read.limit);
            found.len() == read.found.len()
                && found
                    .iter()
                    .zip(&read.found)
                    .all(|((key, found), (known, version))| {
                        key == known && found.version == *version
                    })
        });
        let present = commit
            .present
            .iter()
            .all(|key| self.records.contains_key(key));
        in_sequence && reads && ranges && present
    }

    fn apply(&mut self, commit: &Commit, version: Version) {
        for write in &commit.writes {
            match write {
                Write::Put(key, value) => {
                    let value = Versioned {
                        version,
                        value: value.clone(),
                    };
                    self.records.insert(key.clone(), value);
                }
                Write::Delete(key) => {
                    self.records.remove(key);
                }
            }
        }
        for append in &commit.appends {
            let log = self.logs.entry(append.account).or_default();
            let seq = append.message.seq();
            log.head = Head {
                last: seq,
                last_time: append.message.id.time(),
            };
            log.messages.insert(seq, append.message.clone());
        }
    }
}

#[derive(Debug)]
struct Queued {
    commit: Commit,
    version: Version,
    answer: oneshot::Sender<Result<Committed, CommitError>>,
}

#[derive(Debug, Default)]
struct State {
    /// What reads see: everything submitted.
    view: Image,
    /// What a crash leaves: everything stepped over.
    durable: Image,
    queue: VecDeque<Queued>,
    version: u64,
    stepped: bool,
    full: bool,
}

/// A store without a disk.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
    feed: Arc<Feed>,
}

impl MemoryStore {
    /// A store in which every commit is durable at once.
    pub fn new() -> Self {
        Self::default()
    }

    /// A store in which a commit becomes durable when [`MemoryStore::step`] says so.
    pub fn stepped() -> Self {
        let store = Self::default();
        store.set_stepped(true);
        store
    }

    /// From now on a commit becomes durable when [`MemoryStore::step`] says so, or at once.
    pub fn set_stepped(&self, stepped: bool) {
        self.state().stepped = stepped;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many commits wait to become durable.
    pub fn queued(&self) -> usize {
        self.state().queue.len()
    }

    /// Makes the oldest waiting commit durable. False when none waits.
    pub fn step(&self) -> bool {
        let mut state = self.state();
        let Some(next) = state.queue.pop_front() else {
            return false;
        };
        state.durable.apply(&next.commit, next.version);
        drop(state);
        let logs = next
            .commit
            .appends
            .iter()
            .map(|append| (append.account, append.message.seq()));
        let changed = next.commit.writes.iter().map(|write| write.key().clone());
        self.feed.publish(logs, changed);
        // A caller that went away does not need the answer.
        let _ = next.answer.send(Ok(Committed {
            version: next.version,
        }));
        true
    }

    /// Fails every waiting commit with `error`, as a group that could not be written does.
    pub fn fail_queued(&self, error: CommitError) {
        let mut state = self.state();
        state.view = state.durable.clone();
        let failed = std::mem::take(&mut state.queue);
        drop(state);
        let writes = failed.iter().flat_map(|queued| &queued.commit.writes);
        let taken_back = writes.map(|write| write.key().clone());
        self.feed.publish([], taken_back);
        for queued in failed {
            let _ = queued.answer.send(Err(error));
        }
    }

    /// Refuses commits that are not essential with [`CommitError::Full`] while `full`.
    pub fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    /// What a power loss leaves: the commits that were stepped over, in a store of its own.
    #[must_use]
    pub fn crash(&self) -> Self {
        let state = self.state();
        let survivor = State {
            view: state.durable.clone(),
            durable: state.durable.clone(),
            queue: VecDeque::new(),
            version: state.version,
            stepped: state.stepped,
            full: state.full,
        };
        Self {
            state: Mutex::new(survivor),
            feed: Arc::default(),
        }
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, ReadError> {
        Ok(self.state().view.records.get(key).cloned())
    }

    async fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, ReadError> {
        Ok(self.state().view.scan(range, limit))
    }

    fn submit(&self, commit: Commit) -> Receipt {
        let (answer, receipt) = Receipt::new();
        let mut state = self.state();
        let refused = if !state.view.admits(&commit) {
            Some(CommitError::Conflict)
        } else if state.full && !commit.essential {
            Some(CommitError::Full)
        } else {
            None
        };
        if let Some(error) = refused {
            let _ = answer.send(Err(error));
            return receipt;
        }
        state.version += 1;
        let version = Version(state.version);
        state.view.apply(&commit, version);
        state.queue.push_back(Queued {
            commit,
            version,
            answer,
        });
        let stepped = state.stepped;
        drop(state);
        if !stepped {
            while self.step() {}
        }
        receipt
    }

    async fn head(&self, account: AccountId) -> Result<Head, ReadError> {
        Ok(self.state().view.head(account))
    }

    async fn visible(&self, account: AccountId) -> Result<Seq, ReadError> {
        Ok(self.state().durable.head(account).last)
    }

    async fn read_log(
        &self,
        account: AccountId,
        from: Seq,
        max_messages: usize,
        max_bytes: usize,
    ) -> Result<LogPage, ReadError> {
        let state = self.state();
        let mut page = LogPage::default();
        let Some(log) = state.durable.logs.get(&account) else {
            return Ok(page);
        };
        let mut bytes = 0;
        for message in log.messages.range(from..).map(|(_, message)| message) {
            let filled = bytes >= max_bytes && !page.messages.is_empty();
            if page.messages.len() >= max_messages || filled {
                break;
            }
            bytes += message.size();
            page.messages.push(message.clone());
        }
        Ok(page)
    }

    async fn trim_log(&self, account: AccountId, below: Seq) -> Result<(), CommitError> {
        let mut state = self.state();
        let State { view, durable, .. } = &mut *state;
        for image in [view, durable] {
            if let Some(log) = image.logs.get_mut(&account) {
                log.messages = log.messages.split_off(&below);
            }
        }
        Ok(())
    }

    fn feed(&self) -> Arc<Feed> {
        self.feed.clone()
    }
}
