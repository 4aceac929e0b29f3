//! The store on sled: one database, one tree, one writer thread, two reader threads.
//!
//! Owns [`SledStore`] and everything that names sled. Does not know what the records mean.
//!
//! ```text
//! submit ─► front (order, overlay, ends of logs) ─► writer: check ─► apply ─► flush ─► sync
//!                                                      publish ─► feed ─► receipts ◄──┘
//! get, scan, head, read_log ─► front, or a reader thread and the front laid over what it finds
//! ```
//!
//! # What a read sees
//!
//! A get or a scan sees the state after some commit, whole: at least everything submitted before
//! it began. It takes the queued values first, then asks the tree, which changes by whole groups
//! only and knows its last commit; of the queued values those are laid over that are newer than
//! that commit. What it saw of a commit that fails later has a version that will never be on the
//! disk, so an expectation on it fails.
//!
//! # What survives
//!
//! sled 0.34.7 alone does not survive power loss, puts large values into files it never syncs,
//! stays broken after its first write error, and never gives disk space back. The precautions
//! stand where they are taken: `directory.rs` (no flusher of its own), `writer.rs` (flush **and**
//! sync after every group, opening again after any failure), `redo.rs` (no more than a segment
//! between two syncs), `value.rs` and `block.rs` (nothing longer than 4 KiB), `compact.rs` (a
//! smaller file).

mod block;
mod check;
mod compact;
mod copy;
mod directory;
mod disk;
mod group;
mod limits;
mod overlay;
mod queue;
pub mod raw;
mod reader;
mod recent;
mod redo;
mod salvage;
mod settings;
mod shared;
mod survey;
mod tail;
mod value;
mod writer;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use async_trait::async_trait;
use tokio::sync::oneshot;

pub use compact::{Compacted, Progress, compact};
pub use copy::{copy, must_exist};
pub use directory::{FORMAT, OpenError};
pub use salvage::{Found, Salvaged, salvage};
pub use settings::{Pressure, Settings, Stats, SyncFile};
pub use survey::{LogFound, Survey, survey};

use self::directory::{Directory, Opened, Tried, damaged, is_outdated, open_database};
use self::disk::{Disk, LogState};
use self::limits::Limits;
use self::overlay::laid_over;
use self::queue::{Front, Mode, Trim};
use self::reader::{Readers, Slot};
use self::shared::Shared;
use self::tail::Tail;
use self::writer::Writer;
use super::{
    Commit, CommitError, Feed, Head, Key, KeyRange, LogPage, ReadError, Receipt, Store, Version,
    Versioned,
};
use crate::clock::Clock;
use crate::id::{AccountId, Seq};

/// Runs the writer. A panic beyond those it catches itself leaves commits that nobody will answer
/// and a state that nobody knows, so the process ends at once: what was acknowledged is on the
/// disk, and the next start finds it.
fn write_or_abort(writer: Writer) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| writer.run())).is_err() {
        tracing::error!("the store's writer failed; the process ends so that it can start afresh");
        std::process::abort();
    }
}

/// The store in a data directory. Dropping it closes it.
#[derive(Debug)]
pub struct SledStore {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl SledStore {
    /// Opens the store in the data directory `path`, creating it if need be, and compacts it
    /// first when that is worth while. Blocks.
    pub fn open(path: &Path, settings: Settings, clock: Clock) -> Result<Self, OpenError> {
        let directory = Directory::lock(path)?;
        let opened = prepare(&directory, &settings)?;
        let ballast_spent = !directory.ensure_ballast(settings.ballast);
        if ballast_spent {
            tracing::warn!("the disk has no room for the ballast: only outcomes are stored");
        }
        let slot: Slot = Arc::new(RwLock::new(None));
        let (readers, mut threads) = Readers::start(&slot).tried("start threads for", path)?;
        let limits = Limits {
            max_disk: settings.max_disk,
            max_account_disk: settings.max_account_disk.unwrap_or(settings.max_disk / 2),
            max_queue: settings.max_queue,
            file: 0,
            live: 0,
            ballast_spent,
        };
        let front = Front::new(Version(0), limits, Tail::new(settings.log_cache));
        let readers = (slot, readers);
        let shared = Shared::new(settings, Arc::new(directory), clock, readers, front);
        let last = shared.install(opened)?.version;
        shared.front().reopen(last);
        let shared = Arc::new(shared);
        let writer = Writer::new(shared.clone());
        let builder = thread::Builder::new().name("store-write".to_owned());
        let writer = builder.spawn(move || write_or_abort(writer));
        threads.push(writer.tried("start a thread for", path)?);
        let threads = Mutex::new(threads);
        Ok(Self { shared, threads })
    }

    /// Writes what is queued, answers it, closes the database, ends the store's threads and gives
    /// the directory free. Blocks; every later call is answered Unavailable.
    pub fn close(&self) {
        self.shared.front().mode = Mode::Closed;
        self.shared.wake.notify_all();
        // Held until the end: a second caller must not give free what the first still uses.
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let first = !threads.is_empty();
        // The writer is the last one and needs the database; the readers go after it.
        while let Some(thread) = threads.pop() {
            if thread.join().is_err() {
                tracing::error!("a thread of the store panicked");
            }
            self.shared.readers.stop();
        }
        self.shared.close_disk();
        if first {
            let database = self.shared.directory.database();
            check::note_closed(&database, &self.shared.settings.sync);
        }
        self.shared.directory.release();
    }

    /// The store's figures.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// How near the disk limits are.
    pub fn pressure(&self) -> Pressure {
        let front = self.shared.front();
        Pressure {
            installation: front.limits.pressed(),
            accounts: front.pressed(),
        }
    }

    /// Makes an account's log known to the front.
    async fn load(&self, account: AccountId) -> Result<(), ReadError> {
        let generation = self.shared.generation()?;
        let read = move |disk: &Disk| disk.log_state(account);
        let state = self.shared.readers.ask(generation, read).await?;
        let mut front = self.shared.front();
        if front.generation != generation {
            return Err(ReadError::Unavailable);
        }
        front.learn(account, state);
        Ok(())
    }

    /// The synced state of an account's log.
    async fn durable(&self, account: AccountId) -> Result<LogState, ReadError> {
        self.shared.generation()?;
        if let Some(state) = self.shared.front().durable(account) {
            return Ok(state);
        }
        self.load(account).await?;
        let state = self.shared.front().durable(account);
        state.ok_or(ReadError::Unavailable)
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        self.close();
    }
}

/// Opens the database of a locked directory, after ending a compaction that was interrupted and
/// making one that is due.
fn prepare(directory: &Directory, settings: &Settings) -> Result<Opened, OpenError> {
    compact::settle(directory)?;
    check::admit(directory, settings)?;
    compact::finish_swap(directory)?;
    compact::create(directory, settings)?;
    let path = directory.database();
    let open = || open_database(&path, settings.cache, &settings.sync);
    let opened = open()?;
    let size = opened.file.metadata().tried("measure", &path)?.len();
    let live = compact::live(&opened).map_err(|_| {
        let reason = "the record of its last commit is missing or cannot be read";
        damaged(&path, reason.to_owned())
    })?;
    let roomy = size > settings.compact_over && live < size / settings.compact_share.max(1);
    if !roomy && !is_outdated(&path) {
        return Ok(opened);
    }
    tracing::info!(size, live, "compacting the store");
    match compact::rewrite(directory, opened, settings, &mut |_| {}) {
        Ok(done) => tracing::info!(before = done.before, after = done.after, "compacted"),
        // The store works without; it is tried again at the next start.
        Err(error) => tracing::warn!(%error, "the store could not be compacted"),
    }
    compact::finish_swap(directory)?;
    open()
}

#[async_trait]
impl Store for SledStore {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, ReadError> {
        let generation = self.shared.generation()?;
        let ticket = {
            let front = self.shared.front();
            if let Some((version, value)) = front.get(key) {
                return Ok(value.map(|value| Versioned { version, value }));
            }
            if let Some(found) = front.recent.get(key) {
                return Ok(Some(found));
            }
            front.recent.ticket()
        };
        let wanted = key.clone();
        let read = move |disk: &Disk| disk.get(wanted.as_str().as_bytes());
        let found = self.shared.readers.ask(generation, read).await?;
        if let Some(found) = &found {
            self.shared.front().recent.keep(ticket, key, found);
        }
        Ok(found)
    }

    async fn get_all(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, ReadError> {
        let generation = self.shared.generation()?;
        let queued: Vec<_> = {
            let front = self.shared.front();
            keys.iter().map(|key| front.get(key)).collect()
        };
        let wanted: Vec<Option<Key>> = keys
            .iter()
            .zip(&queued)
            .map(|(key, queued)| queued.is_none().then(|| key.clone()))
            .collect();
        // One hand-over for all of them.
        let read = move |disk: &Disk| -> Result<Vec<_>, ReadError> {
            let get = |key: &Option<Key>| match key {
                Some(key) => disk.get(key.as_str().as_bytes()),
                None => Ok(None),
            };
            wanted.iter().map(get).collect()
        };
        let stored = self.shared.readers.ask(generation, read).await?;
        let latest = queued.into_iter().zip(stored);
        Ok(latest
            .map(|(queued, stored)| match queued {
                Some((version, value)) => value.map(|value| Versioned { version, value }),
                None => stored,
            })
            .collect())
    }

    async fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, ReadError> {
        let generation = self.shared.generation()?;
        let queued = self.shared.front().range(range);
        // Queued deletes can hide as many stored keys.
        let asked = limit.saturating_add(queued.len());
        let wanted = range.clone();
        let read = move |disk: &Disk| Ok((disk.applied, disk.scan(&wanted, asked)?));
        let (applied, found) = self.shared.readers.ask(generation, read).await?;
        let newer: BTreeMap<Key, Option<Versioned>> = queued
            .into_iter()
            .filter(|(_, (version, _))| *version > applied)
            .map(|(key, (version, value))| (key, value.map(|value| Versioned { version, value })))
            .collect();
        Ok(laid_over(found, newer, range, limit))
    }

    fn submit(&self, commit: Commit) -> Receipt {
        let (answer, receipt) = Receipt::new();
        let taken = self.shared.front().submit(commit, answer);
        match taken {
            Ok(()) => self.shared.wake.notify_one(),
            Err((answer, error)) => {
                // The receipt is still here.
                let _ = answer.send(Err(error));
            }
        }
        receipt
    }

    async fn head(&self, account: AccountId) -> Result<Head, ReadError> {
        self.shared.generation()?;
        if let Some(head) = self.shared.front().head(account) {
            return Ok(head);
        }
        self.load(account).await?;
        let head = self.shared.front().head(account);
        head.ok_or(ReadError::Unavailable)
    }

    async fn visible(&self, account: AccountId) -> Result<Seq, ReadError> {
        Ok(self.durable(account).await?.head.last)
    }

    async fn read_log(
        &self,
        account: AccountId,
        from: Seq,
        max_messages: usize,
        max_bytes: usize,
    ) -> Result<LogPage, ReadError> {
        let visible = self.durable(account).await?.head.last;
        if from > visible || max_messages == 0 {
            return Ok(LogPage::default());
        }
        let cached = {
            let front = self.shared.front();
            front.tail.read(account, from, max_messages, max_bytes)
        };
        if let Some(page) = cached {
            return Ok(page);
        }
        let generation = self.shared.generation()?;
        // The tree may hold messages that are not synced yet, so it is read up to here only.
        let read =
            move |disk: &Disk| disk.read_log(account, from, visible, max_messages, max_bytes);
        self.shared.readers.ask(generation, read).await
    }

    async fn trim_log(&self, account: AccountId, below: Seq) -> Result<(), CommitError> {
        let (answer, answered) = oneshot::channel();
        {
            let mut front = self.shared.front();
            if front.mode != Mode::Open {
                return Err(CommitError::Unavailable);
            }
            front.trims.push_back(Trim {
                account,
                below,
                answer,
            });
        }
        self.shared.wake.notify_all();
        answered.await.unwrap_or(Err(CommitError::Unavailable))
    }

    fn feed(&self) -> Arc<Feed> {
        self.shared.feed.clone()
    }
}
