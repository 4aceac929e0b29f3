//! Building runs: what changed lately becomes sorted postings.
//!
//! Owns the steps of a build and their order, so that what is stored is right between any two of
//! them. There is one builder, which the relay's room wakes. Memory of a build: half a MiB of
//! entries and 16 bytes for each character in them, 128 KiB of blocks for each run that it merges,
//! and a MiB of blocks on their way to the disk. Does not know what is searched.
//!
//! | step | what a query finds after it |
//! |---|---|
//! | the number of a new run is noted as garbage | what it found before |
//! | the run's blocks are stored, some at a time | the same: nothing names them |
//! | the manifest names the run in place of those that are merged into it, which are garbage | the same, partly twice: fresh entries come before runs |
//! | fresh entries that are as they were when they were built in are removed, some at a time | the same |
//! | the blocks of garbage are removed, the last ones first, some at a time | the same |

use std::collections::VecDeque;

use bytes::Bytes;
use tokio::task::JoinSet;

use super::block::{Block, Damaged, Packer, Postings};
use super::ids::IdSet;
use super::runs::{ALL, Blocks, Lookup, Manifest, Run, Sizes, damaged};
use super::sorted::Sorted;
use crate::error::{Error, Result};
use crate::id::AccountId;
use crate::store::tx::Pending;
use crate::store::{Database, Key, Tx, Write, keys};

/// The sizes of runs.
pub const SIZES: Sizes = Sizes {
    fresh: 2048,
    fan: 8,
    top: 2048 * 64,
};
/// Bytes of entries that make a run, however few these are.
const MAX_BYTES: usize = 512 << 10;
/// Fresh entries that are read at a time.
const PAGE: usize = 128;
/// Blocks in one commit: as much as the store writes in one piece.
const BLOCKS: usize = 16;
/// Keys removed in one commit.
const REMOVED: usize = 64;
/// Commits that are under way at once: each waits for the disk, and others come between.
const AHEAD: usize = 16;
/// Due kinds that are read at a time.
const DUE: usize = 1000;

/// Builds one run for every account and kind that has enough for one, while `goes_on`. Whether
/// there was any.
pub async fn round(
    database: &Database,
    sizes: &Sizes,
    goes_on: &(dyn Fn() -> bool + Sync),
) -> Result<bool> {
    let mut range = keys::all_search_due();
    let mut built = false;
    loop {
        let due = database.view().scan(&range, DUE).await?;
        let Some((last, _)) = due.last() else {
            return Ok(built);
        };
        range = range.following(last);
        for (key, _) in &due {
            let mut parts = key.parts().skip(1);
            let account = parts.next().and_then(|part| part.parse().ok());
            let (Some(account), Some(kind)) = (account, parts.next()) else {
                continue;
            };
            match step(database, account, kind, sizes).await {
                Ok(did) => built |= did,
                // The store ends before what uses it.
                Err(_) if !goes_on() => return Ok(false),
                // One account that cannot be built must not keep the others from it.
                Err(error) => tracing::warn!(%account, kind, %error, "a run is not built now"),
            }
        }
    }
}

/// Builds one run of what changed lately, if that is enough. Whether it was.
pub async fn step(
    database: &Database,
    account: AccountId,
    kind: &str,
    sizes: &Sizes,
) -> Result<bool> {
    let build = Build {
        database,
        view: database.view(),
        account,
        kind,
    };
    let fresh = build.gather(sizes.fresh).await?;
    let Some(fresh) = fresh else {
        build.sweep().await?;
        build.rest().await?;
        return Ok(false);
    };
    // Sorting takes some milliseconds.
    let sorted = tokio::task::spawn_blocking(move || Sorted::new(fresh)).await;
    let sorted = sorted.map_err(|_| Error::internal())?;
    let sorted = sorted.map_err(|id| damaged(&keys::fresh(kind, account, id)))?;
    let entries = sorted.entries().to_vec();
    let (number, before) = build.reserve().await?;
    let ids = entries.first().zip(entries.last());
    let ids = ids.map_or((0, 0), |(first, last)| (first.0, last.0));
    let from = sizes.merged_from(&before.runs, entries.len() as u64, ids);
    let run = build.write(number, &before.runs[from..], sorted).await?;
    tracing::debug!(%account, kind, entities = run.entities, merged = before.runs.len() - from, "built a run");
    build.name(&before, from, &run).await?;
    build.forget(entries).await?;
    build.sweep().await?;
    Ok(true)
}

/// One build.
struct Build<'a> {
    database: &'a Database,
    view: Tx,
    account: AccountId,
    kind: &'a str,
}

impl Build<'_> {
    /// The fresh entries of the lowest ids; none if there are not enough for a run.
    async fn gather(&self, enough: usize) -> Result<Option<Vec<(u64, Bytes)>>> {
        let mut range = keys::all_fresh(self.kind, self.account);
        let (mut found, mut bytes) = (Vec::new(), 0);
        loop {
            let page = self
                .view
                .scan(&range, PAGE.min(enough - found.len()))
                .await?;
            let Some((last, _)) = page.last() else {
                return Ok(None);
            };
            range = range.following(last);
            for (key, entry) in page {
                let id = keys::id_of(&key).ok_or_else(|| damaged(&key))?;
                bytes += entry.len();
                found.push((id, entry));
            }
            if found.len() >= enough || bytes >= MAX_BYTES {
                return Ok(Some(found));
            }
        }
    }

    /// Nothing is to be done until more has changed.
    async fn rest(&self) -> Result<()> {
        let due = &keys::search_due(self.kind, self.account);
        let accounts = [self.account];
        let done = self
            .database
            .transact_essential(&accounts, |tx| async move {
                tx.delete(due.clone());
                Ok(())
            });
        done.await
    }

    /// Changes the manifest.
    async fn change<T: Send>(
        &self,
        change: impl Fn(&mut Manifest) -> Result<T> + Sync,
    ) -> Result<T> {
        let (account, kind, change) = (self.account, self.kind, &change);
        let accounts = [account];
        let changed = self
            .database
            .transact_essential(&accounts, |tx| async move {
                let mut manifest = Manifest::read(&tx, account, kind).await?;
                let value = change(&mut manifest)?;
                tx.put(keys::search_runs(kind, account), &manifest)?;
                Ok(value)
            });
        changed.await
    }

    /// The number of a new run, and the manifest with it.
    async fn reserve(&self) -> Result<(u64, Manifest)> {
        self.change(|manifest| {
            let number = manifest.next;
            manifest.next += 1;
            manifest.garbage.push(number);
            Ok((number, manifest.clone()))
        })
        .await
    }

    /// Writes the blocks of a run, of other runs and what comes before them.
    async fn write(&self, number: u64, merged: &[Run], fresh: Sorted) -> Result<Run> {
        let mut merge = self.merge(merged, fresh).await?;
        let mut packer = Packer::default();
        let mut full = Vec::with_capacity(BLOCKS);
        let mut writes = self.writes(false);
        let mut run = Run {
            number,
            entities: 0,
            first: u64::MAX,
            last: 0,
            end: Vec::new(),
        };
        while let Some((term, id)) = merge.head() {
            full.extend(packer.push(term, id));
            if term == [ALL] {
                run.entities += 1;
                run.first = run.first.min(id);
                run.last = run.last.max(id);
            }
            if full.len() >= BLOCKS {
                self.store(&mut run, &mut full, &mut writes).await?;
            }
            merge.advance(&self.view).await?;
        }
        full.extend(packer.finish());
        self.store(&mut run, &mut full, &mut writes).await?;
        writes.end().await?;
        Ok(run)
    }

    async fn merge(&self, merged: &[Run], fresh: Sorted) -> Result<Merge> {
        let mut newer = IdSet::default();
        for (id, _) in fresh.entries() {
            newer.insert(*id);
        }
        let mut sources = vec![Source::new(Origin::Fresh(fresh), IdSet::default())];
        let mut lookup = Lookup::new(&self.view, self.account, self.kind);
        for run in merged.iter().rev() {
            let range = keys::run_blocks(self.kind, self.account, run.number);
            let postings = Origin::Run(Blocks::new(range), None);
            sources.push(Source::new(postings, newer.clone()));
            newer.extend(&lookup.ids(run).await?);
        }
        Merge::begin(sources, &self.view).await
    }

    /// Stores full blocks of a run.
    async fn store(
        &self,
        run: &mut Run,
        full: &mut Vec<Block>,
        writes: &mut Writes<'_>,
    ) -> Result<()> {
        let Some(last) = full.last() else {
            return Ok(());
        };
        run.end.clone_from(&last.end);
        let put = |block: Block| {
            let key = keys::run_block(self.kind, self.account, run.number, &block.end);
            Write::Put(key, Bytes::from(block.bytes))
        };
        writes.submit(full.drain(..).map(put).collect()).await
    }

    fn writes(&self, essential: bool) -> Writes<'_> {
        Writes {
            database: self.database,
            account: self.account,
            essential,
            under_way: VecDeque::with_capacity(AHEAD),
        }
    }

    /// Names a run in place of those from number `from` on.
    async fn name(&self, before: &Manifest, from: usize, run: &Run) -> Result<()> {
        self.change(|manifest| {
            if manifest != before {
                tracing::error!(account = %self.account, kind = self.kind, "there are two builders of runs");
                return Err(Error::internal());
            }
            let merged = manifest.runs.split_off(from);
            manifest.runs.push(run.clone());
            manifest.garbage.retain(|number| *number != run.number);
            let numbers = merged.iter().map(|run| run.number);
            manifest.garbage.extend(numbers);
            Ok(())
        })
        .await
    }

    /// Removes fresh entries that are as they were built in.
    async fn forget(&self, built: Vec<(u64, Bytes)>) -> Result<()> {
        let keyed = |(id, entry)| (keys::fresh(self.kind, self.account, id), entry);
        let built: Vec<(Key, Bytes)> = built.into_iter().map(keyed).collect();
        let mut under_way = JoinSet::new();
        for some in built.chunks(REMOVED) {
            if under_way.len() >= AHEAD
                && let Some(ended) = under_way.join_next().await
            {
                ended.map_err(|_| Error::internal())??;
            }
            let (database, account, some) = (self.database.clone(), self.account, some.to_vec());
            under_way.spawn(async move { forget(&database, account, &some).await });
        }
        while let Some(ended) = under_way.join_next().await {
            ended.map_err(|_| Error::internal())??;
        }
        Ok(())
    }

    /// Removes the blocks that mean nothing.
    async fn sweep(&self) -> Result<()> {
        let manifest = Manifest::read(&self.view, self.account, self.kind).await?;
        for garbage in manifest.garbage {
            // Each block names the one before it, so these go last.
            let range = keys::run_blocks(self.kind, self.account, garbage).newest_first();
            let mut writes = self.writes(true);
            loop {
                // What is submitted is gone already.
                let blocks = self.view.scan(&range, REMOVED).await?;
                let more = blocks.len() == REMOVED;
                let delete = |(key, _)| Write::Delete(key);
                writes
                    .submit(blocks.into_iter().map(delete).collect())
                    .await?;
                if !more {
                    break;
                }
            }
            writes.end().await?;
            self.change(|manifest| {
                manifest.garbage.retain(|number| *number != garbage);
                Ok(())
            })
            .await?;
        }
        Ok(())
    }
}

async fn forget(database: &Database, account: AccountId, some: &[(Key, Bytes)]) -> Result<()> {
    let keys: Vec<Key> = some.iter().map(|(key, _)| key.clone()).collect();
    let (accounts, keys) = ([account], &keys);
    let removed = database.transact_essential(&accounts, |tx| async move {
        let now = tx.get_all(keys).await?;
        for ((key, built), now) in some.iter().zip(now) {
            if now.as_ref() == Some(built) {
                tx.delete(key.clone());
            }
        }
        Ok(())
    });
    removed.await
}

/// Commits of one build, in order and several at once.
struct Writes<'a> {
    database: &'a Database,
    account: AccountId,
    essential: bool,
    under_way: VecDeque<Pending>,
}

impl Writes<'_> {
    async fn submit(&mut self, writes: Vec<Write>) -> Result<()> {
        if writes.is_empty() {
            return Ok(());
        }
        if self.under_way.len() >= AHEAD
            && let Some(oldest) = self.under_way.pop_front()
        {
            oldest.durable().await?;
        }
        let pending = self.database.submit(self.account, writes, self.essential);
        self.under_way.push_back(pending);
        Ok(())
    }

    /// Waits until all of them are on the disk.
    async fn end(self) -> Result<()> {
        for pending in self.under_way {
            pending.durable().await?;
        }
        Ok(())
    }
}

/// Sorted postings, from wherever they are.
#[derive(Debug)]
enum Origin {
    Fresh(Sorted),
    Run(Blocks, Option<(Key, Postings<Bytes>)>),
}

/// Sorted postings, less those of entities of which something newer speaks.
#[derive(Debug)]
struct Source {
    postings: Origin,
    newer: IdSet,
    ended: bool,
}

impl Source {
    fn new(postings: Origin, newer: IdSet) -> Self {
        Self {
            postings,
            newer,
            ended: false,
        }
    }

    /// The current posting; none at the end.
    fn head(&self) -> Option<(&[u8], u64)> {
        match &self.postings {
            _ if self.ended => None,
            Origin::Fresh(sorted) => Some((&sorted.term, sorted.id)),
            Origin::Run(_, current) => {
                let (_, postings) = current.as_ref()?;
                Some((&postings.term, postings.id))
            }
        }
    }

    async fn advance(&mut self, view: &Tx) -> Result<()> {
        loop {
            self.ended = !self.postings.advance(view).await?;
            if !self.head().is_some_and(|(_, id)| self.newer.contains(id)) {
                return Ok(());
            }
        }
    }
}

impl Origin {
    async fn advance(&mut self, view: &Tx) -> Result<bool> {
        let (blocks, current) = match self {
            Self::Fresh(sorted) => return Ok(sorted.advance()),
            Self::Run(blocks, current) => (blocks, current),
        };
        loop {
            if let Some((key, postings)) = current
                && postings.advance().map_err(|Damaged| damaged(key))?
            {
                return Ok(true);
            }
            *current = blocks.next(view).await?;
            if current.is_none() {
                return Ok(false);
            }
        }
    }
}

/// Several sources as one.
#[derive(Debug)]
struct Merge {
    sources: Vec<Source>,
    /// The one with the least posting.
    least: usize,
}

impl Merge {
    async fn begin(mut sources: Vec<Source>, view: &Tx) -> Result<Self> {
        for source in &mut sources {
            source.advance(view).await?;
        }
        let mut merge = Self { sources, least: 0 };
        merge.choose();
        Ok(merge)
    }

    fn head(&self) -> Option<(&[u8], u64)> {
        self.sources[self.least].head()
    }

    async fn advance(&mut self, view: &Tx) -> Result<()> {
        self.sources[self.least].advance(view).await?;
        self.choose();
        Ok(())
    }

    fn choose(&mut self) {
        let heads = self.sources.iter().enumerate();
        let heads = heads.filter_map(|(number, source)| Some((source.head()?, number)));
        self.least = heads.min().map_or(0, |(_, number)| number);
    }
}
