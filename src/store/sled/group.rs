//! What a group of commits does to the tree.
//!
//! Owns the check of expectations against the tree and the earlier commits of the group, and the
//! one list of changes that a group becomes. Does not write: the writer applies it and syncs it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;

use super::disk::{self, Disk, LogState, Marker, block_key, footprint, log_key};
use super::limits::Limits;
use super::overlay::laid_over;
use super::queue::Queued;
use super::redo::Op;
use super::{block, value};
use crate::id::{AccountId, Seq};
use crate::store::{Commit, CommitError, Head, Key, Message, ReadError, Version, Write};

/// The changes of one group under construction.
#[derive(Debug)]
pub struct Group<'d> {
    disk: &'d Disk,
    /// What the admitted commits leave under each key.
    staged: BTreeMap<Key, (Version, Option<Bytes>)>,
    appended: BTreeMap<AccountId, Vec<Arc<Message>>>,
    /// Logs as the admitted commits leave them; their bytes as they were.
    logs: HashMap<AccountId, LogState>,
    trimmed: BTreeMap<AccountId, u64>,
    /// What is done to each stored key: the last word counts.
    ops: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    marker: Marker,
}

/// A group that is ready to be applied.
#[derive(Debug)]
pub struct Sealed {
    /// Everything, the store's own records included.
    pub ops: Vec<Op>,
    /// The marker in it.
    pub marker: Marker,
    /// The logs it leaves.
    pub logs: Vec<(AccountId, LogState)>,
}

impl From<ReadError> for CommitError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Unavailable => Self::Unavailable,
            ReadError::Corrupt => Self::Corrupt,
        }
    }
}

impl<'d> Group<'d> {
    /// An empty group over what is on the disk.
    pub fn new(disk: &'d Disk) -> Result<Self, ReadError> {
        Ok(Self {
            disk,
            staged: BTreeMap::new(),
            appended: BTreeMap::new(),
            logs: HashMap::new(),
            trimmed: BTreeMap::new(),
            ops: BTreeMap::new(),
            marker: disk.marker()?,
        })
    }

    /// Takes the commits that can stand, in order. Gives the others with the reason, and the
    /// accounts on which nothing that is queued behind them can stand either.
    pub fn admit_all(
        &mut self,
        group: Vec<Queued>,
        limits: &Limits,
    ) -> (Vec<Queued>, Vec<(Queued, CommitError)>, BTreeSet<AccountId>) {
        let (mut standing, mut failed, mut spoilt) = (Vec::new(), Vec::new(), BTreeSet::new());
        for queued in group {
            let accounts = queued.accounts();
            let admitted = if accounts.is_disjoint(&spoilt) {
                self.admit(&queued, limits)
            } else {
                Err(CommitError::Conflict)
            };
            match admitted {
                Ok(()) => standing.push(queued),
                Err(error) => {
                    spoilt.extend(accounts);
                    failed.push((queued, error));
                }
            }
        }
        (standing, failed, spoilt)
    }

    fn admit(&mut self, queued: &Queued, limits: &Limits) -> Result<(), CommitError> {
        let commit = &queued.commit;
        if !self.reads_hold(commit)? || !self.present_hold(commit)? || !self.ranges_hold(commit)? {
            return Err(CommitError::Conflict);
        }
        if !queued.share_checked && !commit.essential {
            self.share_holds(queued, limits)?;
        }
        // Changes nothing before everything is known to be right.
        let heads = self.heads_after(commit)?;
        for (account, head) in heads {
            self.logs.entry(account).or_default().head = head;
        }
        for append in &commit.appends {
            let messages = self.appended.entry(append.account).or_default();
            messages.push(append.message.clone());
        }
        for write in &commit.writes {
            let (key, value) = match write {
                Write::Put(key, value) => (key, Some(value.clone())),
                Write::Delete(key) => (key, None),
            };
            self.staged.insert(key.clone(), (queued.version, value));
        }
        self.marker.version = queued.version;
        Ok(())
    }

    fn reads_hold(&self, commit: &Commit) -> Result<bool, ReadError> {
        for (key, expected) in &commit.reads {
            let found = match self.staged.get(key) {
                Some((version, value)) => value.as_ref().map(|_| *version),
                None => self.disk.version(key.as_str().as_bytes())?,
            };
            if found != *expected {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn present_hold(&self, commit: &Commit) -> Result<bool, ReadError> {
        for key in &commit.present {
            let found = match self.staged.get(key) {
                Some((_, value)) => value.is_some(),
                None => self.disk.raw(key.as_str().as_bytes())?.is_some(),
            };
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn ranges_hold(&self, commit: &Commit) -> Result<bool, ReadError> {
        for read in &commit.ranges {
            if read.range.start >= read.range.end {
                continue;
            }
            let bounds = read.range.start.clone()..read.range.end.clone();
            let staged: BTreeMap<Key, Option<Version>> = self
                .staged
                .range(bounds)
                .map(|(key, (version, value))| (key.clone(), value.as_ref().map(|_| *version)))
                .collect();
            let asked = read.limit.saturating_add(staged.len());
            let found = self.disk.scan_versions(&read.range, asked)?;
            if laid_over(found, staged, &read.range, read.limit) != read.found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// A log as this group leaves it so far.
    fn log(&mut self, account: AccountId) -> Result<LogState, ReadError> {
        if let Some(state) = self.logs.get(&account) {
            return Ok(*state);
        }
        let state = self.disk.log_state(account)?;
        self.logs.insert(account, state);
        Ok(state)
    }

    fn share_holds(&mut self, queued: &Queued, limits: &Limits) -> Result<(), CommitError> {
        let Some(account) = queued.commit.accounts.first() else {
            return Ok(());
        };
        let state = self.log(*account)?;
        limits.admit(false, queued.size, 0, Some(state.bytes))
    }

    fn heads_after(&mut self, commit: &Commit) -> Result<BTreeMap<AccountId, Head>, CommitError> {
        let mut heads: BTreeMap<AccountId, Head> = BTreeMap::new();
        for append in &commit.appends {
            let last = match heads.get(&append.account) {
                Some(head) => head.last,
                None => self.log(append.account)?.head.last,
            };
            let message = &append.message;
            if last.next() != message.seq() {
                return Err(CommitError::Conflict);
            }
            if !block::fits(message) {
                return Err(CommitError::Corrupt);
            }
            let head = Head {
                last: message.seq(),
                last_time: message.id.time(),
            };
            heads.insert(append.account, head);
        }
        Ok(heads)
    }

    /// Removes about `max_keys` stored keys of the log's beginning. True when no more can go.
    pub fn trim(
        &mut self,
        account: AccountId,
        below: Seq,
        max_keys: usize,
    ) -> Result<bool, ReadError> {
        self.log(account)?;
        // The end on the disk: what this group appends is not there yet and stays.
        let last = self.disk.log_state(account)?.head.last;
        let found = self.disk.trimmable(account, below, last, max_keys)?;
        for key in found.keys {
            self.ops.insert(key.to_vec(), None);
        }
        *self.trimmed.entry(account).or_default() += found.bytes;
        Ok(found.done)
    }

    /// Whether a trim found anything to remove.
    pub fn trims(&self) -> bool {
        self.trimmed.values().any(|bytes| *bytes > 0)
    }

    /// The logs that this group changes, as they are on the disk.
    pub fn logs_before(&self) -> Result<Vec<(AccountId, LogState)>, ReadError> {
        let logs = self.logs.keys();
        logs.map(|account| Ok((*account, self.disk.log_state(*account)?)))
            .collect()
    }

    /// Closes the group with the store's own records.
    pub fn seal(mut self) -> Result<Sealed, ReadError> {
        let version = self.marker.version;
        for (key, (version, value)) in std::mem::take(&mut self.staged) {
            self.replace(key.as_str().as_bytes(), version, value.as_deref())?;
        }
        for (account, messages) in std::mem::take(&mut self.appended) {
            let mut added = 0;
            for block in block::pack(&messages).ok_or(ReadError::Corrupt)? {
                let key = block_key(account, block.first);
                added += self.replace(&key, version, Some(&block.bytes))?;
            }
            let state = self.logs.entry(account).or_default();
            state.bytes = state.bytes.saturating_add(added);
        }
        for (account, bytes) in std::mem::take(&mut self.trimmed) {
            let state = self.logs.entry(account).or_default();
            state.bytes = state.bytes.saturating_sub(bytes);
            self.marker.live = self.marker.live.saturating_sub(bytes);
        }
        let logs: Vec<_> = std::mem::take(&mut self.logs).into_iter().collect();
        for (account, state) in &logs {
            let record = disk::encode_log_state(*state);
            self.replace(&log_key(*account), version, Some(&record))?;
        }
        for (key, stored) in disk::encode_marker(self.marker) {
            self.ops.insert(key, Some(stored));
        }
        Ok(Sealed {
            ops: self.ops.into_iter().collect(),
            marker: self.marker,
            logs,
        })
    }

    /// Puts or deletes one value with all its pieces. Gives the bytes that the new one takes.
    fn replace(
        &mut self,
        key: &[u8],
        version: Version,
        new: Option<&[u8]>,
    ) -> Result<u64, ReadError> {
        let pieces = match new {
            Some(new) => value::encode(key, version, new).ok_or(ReadError::Corrupt)?,
            None => Vec::new(),
        };
        if let Some(stored) = self.disk.raw(key)? {
            self.remove_old(key, &stored, pieces.len())?;
        }
        let mut added = 0;
        for (key, stored) in pieces {
            added += footprint(&key, &stored);
            self.ops.insert(key, Some(stored));
        }
        self.marker.live = self.marker.live.saturating_add(added);
        Ok(added)
    }

    /// Removes the pieces of an old value behind the first `kept`, and counts off all of them.
    fn remove_old(&mut self, key: &[u8], stored: &[u8], kept: usize) -> Result<(), ReadError> {
        let mut gone = footprint(key, stored);
        if kept == 0 {
            self.ops.insert(key.to_vec(), None);
        }
        // A stem that cannot be read has no parts that anybody could find; replacing it heals it.
        let parts = value::decode(stored).map_or(0, |(_, stem)| stem.parts());
        for number in 0..parts {
            let part = value::part_key(key, number);
            let Some(old) = self.disk.raw(&part)? else {
                continue;
            };
            gone += footprint(&part, &old);
            if number as usize + 1 >= kept {
                self.ops.insert(part, None);
            }
        }
        self.marker.live = self.marker.live.saturating_sub(gone);
        Ok(())
    }
}
