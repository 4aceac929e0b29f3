//! Transactions: run a closure over a consistent view, then submit what it did as one commit.
//!
//! Owns [`Tx`] (reads become expectations, own writes are visible, messages get their sequence
//! and id) and [`Database`] (turns per account, conflict retries). Does not know what the records
//! mean, nor which store is behind.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    Append, Commit, CommitError, Durability, Head, Key, KeyRange, Message, RangeRead, ReadError,
    Receipt, Store, Targets, Version, Versioned, Write,
};
use crate::clock::{Clock, Entropy, Timestamp};
use crate::error::{Error, Result};
use crate::id::{AccountId, MessageId};

/// Conflicts in a row after which a transaction gives up: with turns per account only records
/// shared between accounts can conflict, and those rarely.
const MAX_RUNS: usize = 32;

/// The handle through which rooms reach the store.
#[derive(Debug, Clone)]
pub struct Database {
    store: Arc<dyn Store>,
    clock: Clock,
    entropy: Entropy,
    turns: Arc<Turns>,
}

impl Database {
    /// A handle on `store`; transactions take their time and ids from `clock` and `entropy`.
    pub fn new(store: Arc<dyn Store>, clock: Clock, entropy: Entropy) -> Self {
        Self {
            store,
            clock,
            entropy,
            turns: Arc::default(),
        }
    }

    /// The store behind, for reads outside of transactions and for the log.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The clock of the transactions.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The entropy of the transactions.
    pub fn entropy(&self) -> &Entropy {
        &self.entropy
    }

    /// Runs `body` and commits what it did, durably and atomically; its value comes back only
    /// when the commit is on the disk. On a conflict `body` runs again on fresh reads, so it must
    /// have no side effects. An error of `body` commits nothing.
    ///
    /// `accounts` are the accounts whose records or logs it touches: their transactions take
    /// turns. A turn ends when the commit is submitted, not when it is durable.
    pub async fn transact<T, F, U>(&self, accounts: &[AccountId], body: F) -> Result<T>
    where
        F: Fn(Tx) -> U,
        U: Future<Output = Result<T>> + Send,
    {
        self.run(accounts, false, MAX_RUNS, body).await
    }

    /// As [`Database::transact`], for outcomes and operator orders, which are stored even at a
    /// disk limit.
    pub async fn transact_essential<T, F, U>(&self, accounts: &[AccountId], body: F) -> Result<T>
    where
        F: Fn(Tx) -> U,
        U: Future<Output = Result<T>> + Send,
    {
        self.run(accounts, true, MAX_RUNS, body).await
    }

    /// As [`Database::transact_essential`], but a conflict is an answer: for what builds on
    /// commits before it, one of which may have failed.
    pub async fn transact_essential_once<T, F, U>(
        &self,
        accounts: &[AccountId],
        body: F,
    ) -> Result<T>
    where
        F: Fn(Tx) -> U,
        U: Future<Output = Result<T>> + Send,
    {
        self.run(accounts, true, 1, body).await
    }

    async fn run<T, F, U>(
        &self,
        accounts: &[AccountId],
        essential: bool,
        runs: usize,
        body: F,
    ) -> Result<T>
    where
        F: Fn(Tx) -> U,
        U: Future<Output = Result<T>> + Send,
    {
        for _ in 0..runs {
            let turns = self.turns.take(accounts).await;
            let tx = self.begin(true);
            let value = body(tx.clone()).await?;
            let mut commit = tx.into_commit(accounts, essential);
            if commit.writes.is_empty() && commit.appends.is_empty() {
                // What is essential answers nobody who would take it for a promise.
                if essential || (commit.reads.is_empty() && commit.ranges.is_empty()) {
                    return Ok(value);
                }
                // It may have read what is submitted and not durable yet, and its answer must not
                // outlive that: it takes its place in the order, with nothing to write.
                commit.essential = true;
            }
            let receipt = self.store.submit(commit);
            drop(turns);
            match receipt.wait().await {
                Ok(_) => return Ok(value),
                Err(CommitError::Conflict) => {}
                Err(error) => return Err(commit_refused(error)),
            }
        }
        if runs > 1 {
            tracing::error!("a transaction conflicted {runs} times in a row and was given up");
        }
        Err(Error::unavailable(
            "Too many concurrent changes of the same records; try again",
        ))
    }

    /// Submits writes that expect nothing and whose caller does not wait for one before the next.
    /// They stand in the order in which they are submitted. For records that only one task of this
    /// process writes.
    pub fn submit(&self, account: AccountId, writes: Vec<Write>, essential: bool) -> Pending {
        Pending(self.store.submit(Commit {
            accounts: vec![account],
            reads: Vec::new(),
            ranges: Vec::new(),
            present: Vec::new(),
            writes,
            appends: Vec::new(),
            durability: Durability::Durable,
            essential,
        }))
    }

    /// A read-only view of the latest submitted state, without a turn.
    pub fn view(&self) -> Tx {
        self.begin(false)
    }

    fn begin(&self, expects: bool) -> Tx {
        Tx {
            shared: Arc::new(Shared {
                store: self.store.clone(),
                now: self.clock.now(),
                entropy: self.entropy.clone(),
                state: Mutex::default(),
            }),
            expects,
        }
    }
}

fn commit_refused(error: CommitError) -> Error {
    match error {
        CommitError::Full => Error::unavailable("The storage limit is reached"),
        CommitError::Conflict | CommitError::Unavailable => {
            Error::unavailable("The store does not take writes now")
        }
        CommitError::Corrupt => {
            tracing::error!("a commit met a stored record that cannot be read");
            Error::internal()
        }
    }
}

fn read_failed(key: &str, error: ReadError) -> Error {
    match error {
        ReadError::Unavailable => Error::unavailable("The store cannot be read now"),
        ReadError::Corrupt => {
            tracing::error!(key, "a stored record cannot be read");
            Error::internal()
        }
    }
}

/// Writes that were submitted.
#[derive(Debug)]
pub struct Pending(Receipt);

impl Pending {
    /// Waits until they are on the disk.
    pub async fn durable(self) -> Result<()> {
        let answer = self.0.wait().await;
        answer.map(drop).map_err(commit_refused)
    }
}

/// One lock for each account with a transaction under way.
#[derive(Debug, Default)]
struct Turns {
    locks: Mutex<HashMap<AccountId, Weak<tokio::sync::Mutex<()>>>>,
}

impl Turns {
    /// Takes the turns of all `accounts`, in one order for everybody, so that no two callers wait
    /// for each other.
    async fn take(&self, accounts: &[AccountId]) -> Vec<tokio::sync::OwnedMutexGuard<()>> {
        let mut sorted = accounts.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let mut guards = Vec::with_capacity(sorted.len());
        for account in sorted {
            let lock = self.lock_of(account);
            guards.push(lock.lock_owned().await);
        }
        guards
    }

    fn lock_of(&self, account: AccountId) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(&account).and_then(Weak::upgrade) {
            return lock;
        }
        // Accounts without a transaction leave a dead entry; sweep them now and then so that the
        // map stays as small as the number of busy accounts.
        if locks.len() >= 1024 && locks.len().is_power_of_two() {
            locks.retain(|_, lock| lock.strong_count() > 0);
        }
        let lock = Arc::new(tokio::sync::Mutex::new(()));
        locks.insert(account, Arc::downgrade(&lock));
        lock
    }
}

/// What one run of a transaction's body has read and written so far. Clones share it.
#[derive(Debug, Clone)]
pub struct Tx {
    shared: Arc<Shared>,
    /// Whether what is read becomes an expectation: a view has no commit that could hold one, and
    /// may read far more than a transaction.
    expects: bool,
}

#[derive(Debug)]
struct Shared {
    store: Arc<dyn Store>,
    now: Timestamp,
    entropy: Entropy,
    state: Mutex<State>,
}

/// What was written under a key; none = it was removed.
type Written = Option<Bytes>;

#[derive(Debug, Default)]
struct State {
    reads: BTreeMap<Key, Option<Version>>,
    ranges: Vec<RangeRead>,
    writes: BTreeMap<Key, Written>,
    appends: Vec<Append>,
    heads: BTreeMap<AccountId, Head>,
    /// What stood under the keys that were written since the outermost open part began, oldest
    /// first: none where no part is open.
    undo: Option<Vec<(Key, Option<Written>)>>,
}

impl State {
    fn write(&mut self, key: Key, value: Written) {
        match &mut self.undo {
            None => {
                self.writes.insert(key, value);
            }
            Some(undo) => {
                let before = self.writes.insert(key.clone(), value);
                undo.push((key, before));
            }
        }
    }

    /// Takes back what was written since there were `writes` to undo.
    fn take_back(&mut self, writes: usize) {
        let undone = match &mut self.undo {
            Some(undo) => undo.split_off(writes.min(undo.len())),
            None => Vec::new(),
        };
        for (key, before) in undone.into_iter().rev() {
            match before {
                Some(before) => self.writes.insert(key, before),
                None => self.writes.remove(&key),
            };
        }
    }
}

impl Tx {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The time of this transaction.
    pub fn now(&self) -> Timestamp {
        self.shared.now
    }

    /// The entropy for ids of this transaction.
    pub fn entropy(&self) -> &Entropy {
        &self.shared.entropy
    }

    /// The bytes under `key`, own writes included.
    pub async fn get(&self, key: &Key) -> Result<Option<Bytes>> {
        if let Some(own) = self.state().writes.get(key) {
            return Ok(own.clone());
        }
        let found = self
            .shared
            .store
            .get(key)
            .await
            .map_err(|error| read_failed(key.as_str(), error))?;
        Ok(self.noted(key, found))
    }

    /// The record under `key`.
    pub async fn read<T: DeserializeOwned>(&self, key: &Key) -> Result<Option<T>> {
        match self.get(key).await? {
            Some(bytes) => decode(key, &bytes).map(Some),
            None => Ok(None),
        }
    }

    /// The bytes under several keys, in their order, own writes included.
    pub async fn get_all(&self, keys: &[Key]) -> Result<Vec<Option<Bytes>>> {
        let found = self.shared.store.get_all(keys).await;
        let found = found.map_err(|error| read_failed("several keys", error))?;
        let noted = keys.iter().zip(found);
        Ok(noted.map(|(key, found)| self.noted(key, found)).collect())
    }

    /// The records under several keys, in their order, own writes included.
    pub async fn read_all<T: DeserializeOwned>(&self, keys: &[Key]) -> Result<Vec<Option<T>>> {
        let found = keys.iter().zip(self.get_all(keys).await?);
        let read = |(key, bytes): (&Key, Option<Bytes>)| bytes.map(|bytes| decode(key, &bytes));
        found.map(|found| read(found).transpose()).collect()
    }

    /// What this transaction sees under a key of which the store said this.
    fn noted(&self, key: &Key, found: Option<Versioned>) -> Option<Bytes> {
        let mut state = self.state();
        if let Some(own) = state.writes.get(key) {
            return own.clone();
        }
        if self.expects {
            // The first look is the expectation: a later one that differs must make a conflict.
            let version = found.as_ref().map(|found| found.version);
            state.reads.entry(key.clone()).or_insert(version);
        }
        found.map(|found| found.value)
    }

    /// At most `limit` keys of `range` with their bytes, own writes included.
    pub async fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<(Key, Bytes)>> {
        let own: BTreeMap<Key, Option<Bytes>> = self
            .state()
            .writes
            .range(range.start.clone()..range.end.clone())
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        // Own deletes can hide as many stored keys, so ask for that many more.
        let asked = limit.saturating_add(own.len());
        let found = self
            .shared
            .store
            .scan(range, asked)
            .await
            .map_err(|error| read_failed(range.start.as_str(), error))?;
        if self.expects {
            let versions = found.iter();
            let versions = versions.map(|(key, found)| (key.clone(), found.version));
            let found = versions.collect();
            self.state().ranges.push(RangeRead {
                range: range.clone(),
                limit: asked,
                found,
            });
        }
        Ok(overlaid(found, own, range.newest_first, limit))
    }

    /// The records of a range.
    pub async fn read_range<T: DeserializeOwned>(
        &self,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<(Key, T)>> {
        let found = self.scan(range, limit).await?;
        found
            .into_iter()
            .map(|(key, bytes)| decode(&key, &bytes).map(|record| (key, record)))
            .collect()
    }

    /// Stores bytes under `key`.
    pub fn put_bytes(&self, key: Key, value: Bytes) {
        self.state().write(key, Some(value));
    }

    /// Stores a record under `key` as JSON.
    pub fn put<T: Serialize>(&self, key: Key, record: &T) -> Result<()> {
        let bytes = encode(record)?;
        self.put_bytes(key, bytes);
        Ok(())
    }

    /// Whether nothing was written or appended yet: such a transaction commits nothing.
    pub fn is_unchanged(&self) -> bool {
        let state = self.state();
        state.writes.is_empty() && state.appends.is_empty()
    }

    /// Removes `key`.
    pub fn delete(&self, key: Key) {
        self.state().write(key, None);
    }

    /// Runs a part that may fail without failing the whole: an error takes back what the part
    /// wrote and appended, and nothing else. What it read stays an expectation.
    pub async fn part<T>(&self, part: impl Future<Output = Result<T>>) -> Result<T> {
        let (outermost, writes, appends, heads) = {
            let mut state = self.state();
            let outermost = state.undo.is_none();
            let writes = state.undo.get_or_insert_default().len();
            (outermost, writes, state.appends.len(), state.heads.clone())
        };
        let done = part.await;
        let mut state = self.state();
        if done.is_err() {
            state.take_back(writes);
            state.appends.truncate(appends);
            state.heads = heads;
        }
        if outermost {
            state.undo = None;
        }
        done
    }

    /// The same transaction for a look at what may be much and decides nothing: what is read
    /// through it, own writes included, is no expectation.
    #[must_use]
    pub fn glance(&self) -> Self {
        Self {
            expects: false,
            ..self.clone()
        }
    }

    /// The end of the account's log as this transaction would leave it.
    pub async fn head(&self, account: AccountId) -> Result<Head> {
        if let Some(head) = self.state().heads.get(&account) {
            return Ok(*head);
        }
        let head = self
            .shared
            .store
            .head(account)
            .await
            .map_err(|error| read_failed("log", error))?;
        Ok(*self.state().heads.entry(account).or_insert(head))
    }

    /// Appends a message to the account's log; `data` is one JSON value as text. Gives its id,
    /// which stands if the transaction commits.
    pub async fn append(
        &self,
        account: AccountId,
        event_type: &str,
        targets: Targets,
        data: Bytes,
    ) -> Result<MessageId> {
        let head = self.head(account).await?;
        let seq = head.last.next();
        let time = self.shared.now.max(head.last_time);
        let random = u32::from_be_bytes(self.shared.entropy.bytes());
        let id = MessageId::new(time, seq, random);
        let mut state = self.state();
        state.heads.insert(
            account,
            Head {
                last: seq,
                last_time: time,
            },
        );
        let message = Arc::new(Message {
            id,
            event_type: event_type.into(),
            targets,
            data,
        });
        state.appends.push(Append { account, message });
        Ok(id)
    }

    /// The ids of the messages appended so far, in order.
    pub fn appended(&self) -> Vec<MessageId> {
        let state = self.state();
        state.appends.iter().map(|one| one.message.id).collect()
    }

    fn into_commit(self, accounts: &[AccountId], essential: bool) -> Commit {
        let state = std::mem::take(&mut *self.state());
        let writes = state.writes.into_iter().map(|(key, value)| match value {
            Some(value) => Write::Put(key, value),
            None => Write::Delete(key),
        });
        Commit {
            accounts: accounts.to_vec(),
            reads: state.reads.into_iter().collect(),
            ranges: state.ranges,
            present: Vec::new(),
            writes: writes.collect(),
            appends: state.appends,
            durability: Durability::Durable,
            essential,
        }
    }
}

fn overlaid(
    found: Vec<(Key, Versioned)>,
    own: BTreeMap<Key, Option<Bytes>>,
    newest_first: bool,
    limit: usize,
) -> Vec<(Key, Bytes)> {
    if own.is_empty() {
        return found
            .into_iter()
            .map(|(key, found)| (key, found.value))
            .take(limit)
            .collect();
    }
    let mut merged: BTreeMap<Key, Bytes> = found
        .into_iter()
        .map(|(key, found)| (key, found.value))
        .collect();
    for (key, value) in own {
        match value {
            Some(value) => merged.insert(key, value),
            None => merged.remove(&key),
        };
    }
    if newest_first {
        merged.into_iter().rev().take(limit).collect()
    } else {
        merged.into_iter().take(limit).collect()
    }
}

/// A record as JSON bytes.
pub fn encode<T: Serialize>(record: &T) -> Result<Bytes> {
    serde_json::to_vec(record)
        .map(Bytes::from)
        .map_err(|error| {
            tracing::error!(%error, "a record cannot be encoded");
            Error::internal()
        })
}

/// The record in JSON bytes that this program once wrote.
pub fn decode<T: DeserializeOwned>(key: &Key, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        tracing::error!(%key, %error, "a stored record cannot be decoded");
        Error::internal()
    })
}
