//! The runs of an account: which there are, which of them become one, and what they say.
//!
//! Owns the manifest, the rule of merging, and the look-up of a needle among fresh entries and
//! runs. Does not know how runs are built.

use std::collections::VecDeque;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::block::{Damaged, Postings};
use super::entry::Needle;
use super::ids::IdSet;
use crate::error::{Error, Result};
use crate::id::AccountId;
use crate::store::{Key, KeyRange, Tx, keys};

/// Fresh entries that are read at a time.
const PAGE: usize = 512;
/// Blocks of a run that are read at first and at most at a time.
const BLOCKS: (usize, usize) = (1, 32);
/// How often a look-up whose runs went away meanwhile is done again.
const TRIES: usize = 16;

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// By which its blocks are stored.
    pub number: u64,
    /// How many entities it speaks of.
    pub entities: u64,
    /// The lowest id of these.
    pub first: u64,
    /// The highest id of these.
    pub last: u64,
    /// The last posting of the last block.
    pub end: Vec<u8>,
}

impl Run {
    fn overlaps(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// The runs of one kind of entity of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The number of the next run; none is used twice.
    pub next: u64,
    /// The oldest first: what a later one says of an entity takes the place of what earlier ones
    /// say.
    pub runs: Vec<Run>,
    /// Numbers under which there may be blocks that mean nothing.
    pub garbage: Vec<u64>,
}

impl Manifest {
    /// The manifest as it is stored; empty if there is none.
    pub async fn read(tx: &Tx, account: AccountId, kind: &str) -> Result<Self> {
        let stored = tx.read(&keys::search_runs(kind, account)).await?;
        Ok(stored.unwrap_or_default())
    }

    /// Whether all runs of an earlier manifest are still there, and so their blocks.
    fn still_has(&self, earlier: &[Run]) -> bool {
        let number = |run: &Run| run.number;
        let has = |wanted: u64| self.runs.iter().map(number).any(|found| found == wanted);
        earlier.iter().map(number).all(has)
    }
}

/// How large runs are.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Fresh entries that make a run.
    pub fresh: usize,
    /// Runs of about one size that become one.
    pub fan: usize,
    /// Entities of a run that is not merged for its size any more.
    pub top: u64,
}

impl Sizes {
    /// How often a run of the least size was multiplied; none at the top.
    fn tier(&self, entities: u64) -> Option<u32> {
        let ratio = (entities / self.fresh as u64).max(1);
        (entities < self.top).then(|| ratio.ilog(self.fan as u64))
    }

    /// From which of the runs on they are merged with so many fresh entries of these ids.
    ///
    /// Runs of a size are merged when there are `fan` of them, so each posting is written again
    /// as often as there are sizes. And everything is merged when the runs speak twice of each
    /// entity, so that what was changed again and again does not stay.
    pub fn merged_from(&self, runs: &[Run], fresh: u64, (first, last): (u64, u64)) -> usize {
        let first = runs.iter().map(|run| run.first).fold(first, u64::min);
        let last = runs.iter().map(|run| run.last).fold(last, u64::max);
        let entities = |sum: u64, run: &Run| sum.saturating_add(run.entities);
        let all = runs.iter().fold(fresh, entities);
        if all / 2 > last - first {
            return 0;
        }
        let (mut from, mut size) = (runs.len(), fresh);
        while let Some(tier) = self.tier(size) {
            let is_small = |run: &&Run| self.tier(run.entities).is_some_and(|other| other <= tier);
            let small = runs[..from].iter().rev().take_while(is_small).count();
            if small + 1 < self.fan {
                break;
            }
            from -= small;
            size = runs[from..from + small].iter().fold(size, entities);
        }
        from
    }
}

/// Something stored for searching is damaged.
pub fn damaged(key: &Key) -> Error {
    tracing::error!(%key, "what is stored for searching is damaged");
    Error::internal()
}

/// Reads the blocks of a range one by one.
#[derive(Debug)]
pub struct Blocks {
    range: KeyRange,
    read: VecDeque<(Key, Bytes)>,
    size: usize,
    ended: bool,
    count: usize,
}

impl Blocks {
    /// From the first one of `range`.
    pub fn new(range: KeyRange) -> Self {
        Self {
            range,
            read: VecDeque::new(),
            size: BLOCKS.0,
            ended: false,
            count: 0,
        }
    }

    /// The next block, before its first posting, and its key.
    pub async fn next(&mut self, tx: &Tx) -> Result<Option<(Key, Postings<Bytes>)>> {
        if self.read.is_empty() && !self.ended {
            self.read = tx.scan(&self.range, self.size).await?.into();
            self.count += self.read.len();
            self.ended = self.read.len() < self.size;
            self.size = (self.size * 2).min(BLOCKS.1);
            if let Some((last, _)) = self.read.back() {
                self.range = self.range.clone().following(last);
            }
        }
        let Some((key, block)) = self.read.pop_front() else {
            return Ok(None);
        };
        let postings = Postings::new(block).map_err(|Damaged| damaged(&key))?;
        Ok(Some((key, postings)))
    }
}

/// A look at what is stored for searching one kind of entity.
#[derive(Debug)]
pub struct Lookup<'a> {
    tx: &'a Tx,
    account: AccountId,
    kind: &'a str,
    /// How many keys were read so far.
    pub read: usize,
}

impl<'a> Lookup<'a> {
    /// Before anything is read.
    pub fn new(tx: &'a Tx, account: AccountId, kind: &'a str) -> Self {
        Self {
            tx,
            account,
            kind,
            read: 0,
        }
    }

    /// The entities that have the needle; if it is not exact, those that may have it.
    pub async fn find(&mut self, needle: &Needle) -> Result<IdSet> {
        for _ in 0..TRIES {
            if let Some(found) = self.try_to_find(needle).await? {
                return Ok(found);
            }
        }
        tracing::warn!(account = %self.account, kind = self.kind, "runs change faster than they are read");
        Err(Error::unavailable(
            "What is searched changes too fast now; try again",
        ))
    }

    /// None if runs went away meanwhile.
    ///
    /// An entity moves from the fresh entries into a run that the manifest has named before, and
    /// from a run into one that takes its place; read in this order none is missed.
    async fn try_to_find(&mut self, needle: &Needle) -> Result<Option<IdSet>> {
        let (mut found, mut known) = self.among_fresh(needle).await?;
        let manifest = Manifest::read(self.tx, self.account, self.kind).await?;
        let runs = &manifest.runs;
        for (number, run) in runs.iter().enumerate().rev() {
            for field in needle.fields() {
                let term = [&[field.0], needle.cut().as_bytes()].concat();
                self.each(run, &term, |id| {
                    if !known.contains(id) {
                        found.insert(id);
                    }
                })
                .await?;
            }
            if runs[..number].iter().any(|older| older.overlaps(run)) {
                known.extend(&self.ids(run).await?);
            }
        }
        let now = Manifest::read(self.tx, self.account, self.kind).await?;
        Ok(now.still_has(runs).then_some(found))
    }

    /// The fresh entities that have the needle, and all fresh ones.
    async fn among_fresh(&mut self, needle: &Needle) -> Result<(IdSet, IdSet)> {
        let (mut found, mut all) = (IdSet::default(), IdSet::default());
        let mut range = keys::all_fresh(self.kind, self.account);
        loop {
            let page = self.tx.scan(&range, PAGE).await?;
            self.read += page.len();
            for (key, entry) in &page {
                let has = needle.is_in(entry).ok_or_else(|| damaged(key))?;
                let id = keys::id_of(key).ok_or_else(|| damaged(key))?;
                all.insert(id);
                if has {
                    found.insert(id);
                }
            }
            match page.last() {
                Some((last, _)) if page.len() == PAGE => range = range.following(last),
                _ => return Ok((found, all)),
            }
        }
    }

    /// Every entity that a run speaks of.
    pub async fn ids(&mut self, run: &Run) -> Result<IdSet> {
        let mut ids = IdSet::default();
        let insert = |id| {
            ids.insert(id);
        };
        self.each(run, &[ALL], insert).await?;
        Ok(ids)
    }

    /// Calls `each` with the id of every posting of a run whose term begins with `begin`.
    async fn each(&mut self, run: &Run, begin: &[u8], mut each: impl FnMut(u64)) -> Result<()> {
        let range = keys::run_blocks_from(self.kind, self.account, run.number, begin);
        let mut blocks = Blocks::new(range);
        'blocks: while let Some((key, mut postings)) = blocks.next(self.tx).await? {
            while postings.advance().map_err(|Damaged| damaged(&key))? {
                if postings.term.starts_with(begin) {
                    each(postings.id);
                } else if postings.term.as_slice() > begin {
                    break 'blocks;
                }
            }
        }
        self.read += blocks.count;
        Ok(())
    }
}

/// The term under which a run has every entity that it speaks of, also those without a text. No
/// field has this number.
pub const ALL: u8 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    fn run(entities: u64, first: u64, last: u64) -> Run {
        Run {
            number: 0,
            entities,
            first,
            last,
            end: Vec::new(),
        }
    }

    #[test]
    fn runs_of_a_size_become_one_and_none_is_merged_twice_for_nothing() {
        let sizes = Sizes {
            fresh: 10,
            fan: 4,
            top: 640,
        };
        // Sizes of runs of ids that follow each other, and what is left of them after ten more.
        for (before, kept) in [
            (&[][..], 0),
            (&[10], 1),
            (&[10, 10], 2),
            (&[10, 10, 10], 0),
            (&[40, 10, 10], 3),
            (&[40, 10, 10, 10], 1),
            (&[40, 40, 40, 10, 10, 10], 0),
            (&[40, 40, 40, 10, 10], 5),
            (&[160, 40, 40, 40, 10, 10, 10], 1),
            (&[160, 160, 160, 40, 40, 40, 10, 10, 10], 0),
            (&[640, 10, 10, 10], 1),
            (&[640, 640, 640, 640, 10, 10, 10], 4),
            // Larger than it would be alone: nothing waits for it.
            (&[15, 10, 10], 0),
        ] {
            let mut next = 1001;
            let runs: Vec<Run> = before
                .iter()
                .map(|entities| {
                    next += entities;
                    run(*entities, next - entities, next - 1)
                })
                .collect();
            assert_eq!(
                sizes.merged_from(&runs, 10, (next, next + 9)),
                kept,
                "{before:?}"
            );
        }
    }

    #[test]
    fn what_changes_again_and_again_does_not_stay() {
        let sizes = Sizes {
            fresh: 10,
            fan: 100,
            top: 640,
        };
        let of = |count: usize| vec![run(10, 1, 20); count];
        // Forty entries of twenty entities are twice as many.
        assert_eq!(sizes.merged_from(&of(2), 10, (1, 20)), 2);
        assert_eq!(sizes.merged_from(&of(3), 10, (1, 20)), 0);
    }
}
