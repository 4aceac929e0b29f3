//! The order of commits and what they look like before they are on the disk.
//!
//! Owns the queue, the overlay of queued values over the tree, and the ends of the logs. Pure
//! data behind one lock: does no I/O, so taking a place never waits for the disk. Does not know
//! sled.
//!
//! Every queued value stays in the overlay under its key until its commit is synced or taken
//! back. The overlay keeps all of them, not the newest only, so that a commit that fails can be
//! taken back while others of the same key stand.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::disk::LogState;
use super::limits::Limits;
use super::recent::Recent;
use super::redo;
use super::tail::Tail;
use crate::clock::Stopwatch;
use crate::id::{AccountId, Seq};
use crate::store::{
    Append, Commit, CommitError, Committed, Durability, Head, Key, KeyRange, Version, Write,
};

/// A group has at most so many commits.
pub const GROUP_COMMITS: usize = 512;
/// Bytes that make a group worth writing at once, although nobody waits for it.
pub const GROUP_BYTES: usize = 64 << 10;
/// What the store's own records cost in a group, and what each log does to which it appends:
/// about its end and the rest of a block.
const OWN_COST: usize = 32 << 10;
const LOG_COST: usize = 12 << 10;
/// How long a relaxed commit waits for a durable one to be written with.
pub const RELAXED_WAIT: Duration = Duration::from_millis(20);

/// Resolves a receipt.
pub type Answer = oneshot::Sender<Result<Committed, CommitError>>;

/// A commit that has its place in the order.
#[derive(Debug)]
pub struct Queued {
    /// The version of what it writes.
    pub version: Version,
    /// What it does.
    pub commit: Commit,
    /// Who waits for it.
    pub answer: Answer,
    /// What it takes in the queue and adds to the disk at most, in bytes.
    pub size: usize,
    /// Its account's share was known when it was submitted, and left room.
    pub share_checked: bool,
    since: Stopwatch,
}

impl Queued {
    /// Every account it is ordered with.
    pub fn accounts(&self) -> BTreeSet<AccountId> {
        let appended = self.commit.appends.iter().map(|append| append.account);
        self.commit
            .accounts
            .iter()
            .copied()
            .chain(appended)
            .collect()
    }

    /// Answers; a caller that went away does not need it.
    pub fn resolve(self, answer: Result<Committed, CommitError>) {
        let _ = self.answer.send(answer);
    }
}

/// An order to forget the beginning of a log.
#[derive(Debug)]
pub struct Trim {
    /// Whose log.
    pub account: AccountId,
    /// The first message to keep.
    pub below: Seq,
    /// Who waits for it.
    pub answer: oneshot::Sender<Result<(), CommitError>>,
}

/// Whether the store takes commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It does.
    Open,
    /// The database is being opened again after a write failure.
    Reopening,
    /// It is closing or closed.
    Closed,
}

/// When the writer should take a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// Now.
    Now,
    /// When this time is over, unless something durable comes first.
    After(Duration),
    /// Nothing waits.
    Idle,
}

#[derive(Debug, Default)]
struct Log {
    /// As synced; none = not loaded yet.
    durable: Option<LogState>,
    /// Its end after each queued commit that appends, and the bytes appended.
    queued: VecDeque<(Version, Head, u64)>,
}

impl Log {
    fn head(&self) -> Option<Head> {
        let queued = self.queued.back().map(|(_, head, _)| *head);
        queued.or_else(|| self.durable.map(|state| state.head))
    }

    /// Bytes of the log once everything queued is written.
    fn bytes(&self) -> Option<u64> {
        let queued: u64 = self.queued.iter().map(|(_, _, bytes)| bytes).sum();
        self.durable.map(|state| state.bytes + queued)
    }
}

/// The store's front: all that is in memory and changes under one lock.
#[derive(Debug)]
pub struct Front {
    /// Whether commits are taken.
    pub mode: Mode,
    /// Grows whenever the overlay is thrown away: what was read from the disk before does not fit
    /// what is in memory after.
    pub generation: u64,
    /// Disk limits and what is known of the disk.
    pub limits: Limits,
    /// The newest visible messages.
    pub tail: Tail,
    /// Records that are read again and again.
    pub recent: Recent,
    /// Orders to trim, the oldest first.
    pub trims: VecDeque<Trim>,
    last: Version,
    queue: VecDeque<Queued>,
    overlay: BTreeMap<Key, Vec<(Version, Option<Bytes>)>>,
    logs: HashMap<AccountId, Log>,
    /// Bytes of the queue and of the group that is being written.
    bytes: usize,
    /// Queued commits that wake the writer at once.
    urgent: usize,
}

impl Front {
    /// An empty front over a database whose last commit was `last`.
    pub fn new(last: Version, limits: Limits, tail: Tail) -> Self {
        Self {
            mode: Mode::Open,
            generation: 0,
            limits,
            tail,
            recent: Recent::default(),
            trims: VecDeque::new(),
            last,
            queue: VecDeque::new(),
            overlay: BTreeMap::new(),
            logs: HashMap::new(),
            bytes: 0,
            urgent: 0,
        }
    }

    /// Takes the commit's place in the order, or says why it has none.
    pub fn submit(&mut self, commit: Commit, answer: Answer) -> Result<(), (Answer, CommitError)> {
        if self.mode != Mode::Open {
            return Err((answer, CommitError::Unavailable));
        }
        if !self.admits(&commit) {
            return Err((answer, CommitError::Conflict));
        }
        let size = size_of(&commit);
        let share = self.share(&commit);
        if let Err(error) = self.limits.admit(commit.essential, size, self.bytes, share) {
            return Err((answer, error));
        }
        self.last = Version(self.last.0 + 1);
        let queued = Queued {
            version: self.last,
            size,
            share_checked: share.is_some(),
            commit,
            answer,
            since: Stopwatch::start(),
        };
        self.lay_over(&queued);
        self.bytes += size;
        self.urgent += usize::from(queued.commit.durability == Durability::Durable);
        self.queue.push_back(queued);
        Ok(())
    }

    /// Whether the expectations hold as far as memory can tell. What only the disk knows, the
    /// writer checks; finding a conflict here saves whoever is queued behind.
    fn admits(&self, commit: &Commit) -> bool {
        let mut next: HashMap<AccountId, Seq> = HashMap::new();
        let in_sequence = commit.appends.iter().all(|append| {
            let seq = append.message.seq();
            let known = next.get(&append.account).copied();
            let last = known.or_else(|| self.head(append.account).map(|head| head.last));
            next.insert(append.account, seq);
            last.is_none_or(|last| last.next() == seq)
        });
        in_sequence
            && commit.reads.iter().all(|(key, version)| {
                let queued = self.overlay.get(key).and_then(|values| values.last());
                queued.is_none_or(|(queued, value)| value.as_ref().map(|_| *queued) == *version)
            })
            && commit.present.iter().all(|key| {
                let queued = self.overlay.get(key).and_then(|values| values.last());
                queued.is_none_or(|(_, value)| value.is_some())
            })
    }

    fn share(&self, commit: &Commit) -> Option<u64> {
        let Some(account) = commit.accounts.first() else {
            return Some(0);
        };
        self.logs.get(account)?.bytes()
    }

    fn lay_over(&mut self, queued: &Queued) {
        for write in &queued.commit.writes {
            let (key, value) = match write {
                Write::Put(key, value) => (key, Some(value.clone())),
                Write::Delete(key) => (key, None),
            };
            let values = self.overlay.entry(key.clone()).or_default();
            values.push((queued.version, value));
        }
        for append in &queued.commit.appends {
            let head = Head {
                last: append.message.seq(),
                last_time: append.message.id.time(),
            };
            let size = message_size(append.message.size());
            let log = self.logs.entry(append.account).or_default();
            match log.queued.back_mut() {
                Some((version, last, bytes)) if *version == queued.version => {
                    *last = head;
                    *bytes += size;
                }
                _ => log.queued.push_back((queued.version, head, size)),
            }
        }
    }

    fn take_off(&mut self, queued: &Queued) {
        for write in &queued.commit.writes {
            if let Some(values) = self.overlay.get_mut(write.key()) {
                values.retain(|(version, _)| *version != queued.version);
                if values.is_empty() {
                    self.overlay.remove(write.key());
                }
            }
        }
        for account in queued.accounts() {
            if let Some(log) = self.logs.get_mut(&account) {
                log.queued
                    .retain(|(version, _, _)| *version != queued.version);
            }
        }
        self.bytes -= queued.size;
    }

    /// The latest queued value of a key (none = deleted), unless only the disk knows.
    pub fn get(&self, key: &Key) -> Option<(Version, Option<Bytes>)> {
        self.overlay.get(key)?.last().cloned()
    }

    /// The latest queued values of a range.
    pub fn range(&self, range: &KeyRange) -> BTreeMap<Key, (Version, Option<Bytes>)> {
        if range.start >= range.end {
            return BTreeMap::new();
        }
        let queued = self.overlay.range(range.start.clone()..range.end.clone());
        queued
            .filter_map(|(key, values)| values.last().map(|value| (key.clone(), value.clone())))
            .collect()
    }

    /// The end of a log after everything queued, if it is known.
    pub fn head(&self, account: AccountId) -> Option<Head> {
        self.logs.get(&account)?.head()
    }

    /// The synced state of a log, if it is known.
    pub fn durable(&self, account: AccountId) -> Option<LogState> {
        self.logs.get(&account)?.durable
    }

    /// Remembers what the disk says of a log. What is known already is as new or newer: the
    /// writer makes a log known before it applies a group that changes it.
    pub fn learn(&mut self, account: AccountId, state: LogState) {
        let log = self.logs.entry(account).or_default();
        log.durable.get_or_insert(state);
    }

    /// Accounts near the limit of their share, once everything queued is written.
    pub fn pressed(&self) -> Vec<AccountId> {
        let pressed = self.logs.iter().filter(|(_, log)| {
            let bytes = log.bytes();
            bytes.is_some_and(|bytes| self.limits.account_is_pressed(bytes))
        });
        pressed.map(|(account, _)| *account).collect()
    }

    /// When the next group is to be taken.
    pub fn ready(&self) -> Ready {
        let Some(oldest) = self.queue.front() else {
            return if self.trims.is_empty() {
                Ready::Idle
            } else {
                Ready::Now
            };
        };
        let large = self.bytes >= GROUP_BYTES || self.queue.len() >= GROUP_COMMITS;
        if self.urgent > 0 || large || !self.trims.is_empty() || self.mode != Mode::Open {
            return Ready::Now;
        }
        match RELAXED_WAIT.checked_sub(oldest.since.elapsed()) {
            Some(left) if !left.is_zero() => Ready::After(left),
            _ => Ready::Now,
        }
    }

    /// The next group, in order: what can be written in one go if that may cost `budget`, and at
    /// least one commit. Its values stay in the overlay.
    pub fn take_group(&mut self, budget: usize) -> Vec<Queued> {
        let (mut keys, mut logs) = (HashMap::new(), HashSet::new());
        let (mut cost, mut count) = (OWN_COST, 0);
        for queued in self.queue.iter().take(GROUP_COMMITS) {
            for write in &queued.commit.writes {
                // What several commits of a group leave under one key is written once.
                let before: &mut usize = keys.entry(write.key()).or_default();
                let most = write_cost(write).max(*before);
                cost += most - std::mem::replace(before, most);
            }
            for append in &queued.commit.appends {
                cost += append_cost(append);
                cost += LOG_COST * usize::from(logs.insert(append.account));
            }
            if cost > budget && count > 0 {
                break;
            }
            count += 1;
        }
        let group: Vec<Queued> = self.queue.drain(..count).collect();
        let urgent = |queued: &&Queued| queued.commit.durability == Durability::Durable;
        self.urgent -= group.iter().filter(urgent).count();
        group
    }

    /// Takes back commits of the group that failed, and every commit still queued behind them on
    /// one of `accounts` (and, in turn, behind those). Gives the latter.
    pub fn take_back(
        &mut self,
        failed: &[Queued],
        mut accounts: BTreeSet<AccountId>,
    ) -> Vec<Queued> {
        let mut behind = Vec::new();
        for queued in std::mem::take(&mut self.queue) {
            let own = queued.accounts();
            if own.is_disjoint(&accounts) {
                self.queue.push_back(queued);
            } else {
                accounts.extend(own);
                behind.push(queued);
            }
        }
        for queued in failed.iter().chain(&behind) {
            self.take_off(queued);
        }
        let durable = |queued: &&Queued| queued.commit.durability == Durability::Durable;
        self.urgent -= behind.iter().filter(durable).count();
        behind
    }

    /// The group is synced: its values are on the disk, its messages visible.
    pub fn settle(
        &mut self,
        group: &[Queued],
        logs: impl IntoIterator<Item = (AccountId, LogState)>,
    ) {
        for queued in group {
            self.take_off(queued);
            for write in &queued.commit.writes {
                self.recent.changed(write.key());
            }
            for append in &queued.commit.appends {
                self.tail.push(append.account, append.message.clone());
            }
        }
        for (account, state) in logs {
            self.logs.entry(account).or_default().durable = Some(state);
        }
    }

    /// Throws away everything that is not on the disk and takes nothing until
    /// [`Front::reopen`]. Gives who waited.
    pub fn reset(&mut self) -> (Vec<Queued>, Vec<Trim>) {
        if self.mode == Mode::Open {
            self.mode = Mode::Reopening;
        }
        self.generation += 1;
        self.overlay.clear();
        self.logs.clear();
        self.tail.clear();
        self.recent.clear();
        self.bytes = 0;
        self.urgent = 0;
        let waiting = std::mem::take(&mut self.queue).into();
        (waiting, std::mem::take(&mut self.trims).into())
    }

    /// Takes commits again, over a database whose last commit was `last`. Versions are never
    /// used twice, not even those of commits that were thrown away: somebody may have read them.
    pub fn reopen(&mut self, last: Version) {
        self.last = self.last.max(last);
        if self.mode == Mode::Reopening {
            self.mode = Mode::Open;
        }
    }

    /// Commits that wait, and their bytes together with the group's.
    pub fn waiting(&self) -> (usize, usize) {
        (self.queue.len(), self.bytes)
    }
}

/// What a write costs in its group; see `redo.rs`.
fn write_cost(write: &Write) -> usize {
    match write {
        Write::Put(key, value) => redo::cost(key.as_str().len(), value.len()),
        Write::Delete(key) => redo::cost_of_removal(key.as_str().len()),
    }
}

/// The same of a message, which is packed into blocks with others.
fn append_cost(append: &Append) -> usize {
    5 * (append.message.size() + 80)
}

/// What a message adds to the disk at most: frame, and its part of the keys of its block.
fn message_size(size: usize) -> u64 {
    (size + 96) as u64
}

/// What a commit takes in the queue and adds to the disk, about.
fn size_of(commit: &Commit) -> usize {
    let writes = commit.writes.iter().map(|write| match write {
        Write::Put(key, value) => key.as_str().len() + value.len() + 32,
        Write::Delete(key) => key.as_str().len(),
    });
    let appends = commit
        .appends
        .iter()
        .map(|append| append.message.size() + 96);
    writes.chain(appends).sum()
}

#[cfg(test)]
mod tests;
