//! The writer thread: one group after the other, from the queue to the disk.
//!
//! Owns the order check → apply → flush → sync → publish → answer, and what happens when the
//! disk fails. Does not know how a batch is made, nor who waits.
//!
//! After a failed write or sync nothing that is in memory can be trusted to reach the disk: the
//! kernel reports a failed sync once and may drop the bytes, and sled stays broken after its
//! first error. So the database is closed, the kernel's cached pages of it are dropped, and it is
//! opened again, which finds either the whole group or nothing of it.

use std::fmt;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use super::directory::{OpenError, Tried, open_database, panic_text};
use super::disk::{LogState, Marker};
use super::group::{Group, Sealed};
use super::queue::{Mode, Queued, Ready, Trim};
use super::redo::{self, Op};
use super::settings::SyncFile;
use super::shared::Shared;
use crate::clock::Stopwatch;
use crate::id::{AccountId, Seq};
use crate::store::{CommitError, Committed, Key, Version, Write, keys};

/// Stored keys that one group trims at most: trimming must not hold up commits.
const TRIMMED_KEYS: usize = 40;
/// What the commits of such a group may cost beside that, to be written in one piece with it.
const BESIDE_TRIM: usize = redo::PIECE / 2;
/// How often a spent ballast is tried to be restored.
const BALLAST_RETRY: Duration = Duration::from_secs(10);
/// Waits between attempts to open the database again.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);
/// How long the callers of a failed group wait for the truth about it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why a group could not be written.
#[derive(Debug)]
enum Failure {
    Disk(io::Error),
    Sled(String),
}

impl From<sled::Error> for Failure {
    fn from(error: sled::Error) -> Self {
        match error {
            sled::Error::Io(error) => Self::Disk(error),
            other => Self::Sled(other.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // sled hands errors of the system over with a text of its own making.
            Self::Disk(error) if error.raw_os_error().is_none() => error.kind().fmt(out),
            Self::Disk(error) => error.fmt(out),
            Self::Sled(reason) => out.write_str(reason),
        }
    }
}

impl Failure {
    fn is_full(&self) -> bool {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
        matches!(self, Self::Disk(error) if full.contains(&error.kind()))
    }
}

/// A group that is checked, together with what it does to the tree.
#[derive(Debug)]
struct Checked {
    sealed: Option<Sealed>,
    trim: Option<(Trim, Result<bool, CommitError>)>,
}

/// The writer.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    ballast_tried: Stopwatch,
}

impl Writer {
    /// The writer of `shared`.
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            ballast_tried: Stopwatch::start(),
        }
    }

    /// Writes groups until the store is closed and nothing waits any more.
    pub fn run(mut self) {
        while self.wait() {
            let (mut group, trim) = {
                let mut front = self.shared.front();
                let trim = front.trims.pop_front();
                let budget = trim.as_ref().map_or(redo::PIECE, |_| BESIDE_TRIM);
                (front.take_group(budget), trim)
            };
            // sled panics on some kinds of damage.
            let written = catch_unwind(AssertUnwindSafe(|| self.write(&mut group, trim)));
            let failure = match written {
                Ok(Ok(())) => continue,
                Ok(Err(failure)) => failure,
                Err(panic) => Failure::Sled(panic_text(&*panic)),
            };
            self.recover(group, &failure);
        }
        self.shared.close_disk();
    }

    /// Waits for work. False when the store is closed and nothing is left to do.
    fn wait(&mut self) -> bool {
        let wake = &self.shared.wake;
        let mut front = self.shared.front();
        loop {
            let spent = front.limits.ballast_spent;
            if spent && self.ballast_tried.elapsed() >= BALLAST_RETRY {
                drop(front);
                self.shared.restore_ballast();
                self.ballast_tried = Stopwatch::start();
                front = self.shared.front();
            }
            let wait = match front.ready() {
                Ready::Now => return true,
                Ready::Idle if front.mode == Mode::Closed => return false,
                Ready::After(left) => left,
                Ready::Idle if spent => BALLAST_RETRY,
                Ready::Idle => {
                    front = wake.wait(front).unwrap_or_else(PoisonError::into_inner);
                    continue;
                }
            };
            let waited = wake.wait_timeout(front, wait);
            front = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Brings a group to the disk and answers it. What is still in `group` after a failure was
    /// not answered.
    fn write(&self, group: &mut Vec<Queued>, trim: Option<Trim>) -> Result<(), Failure> {
        let checked = self.check(group, trim)?;
        let logs = match checked.sealed {
            Some(sealed) => self.apply(sealed)?,
            None => Vec::new(),
        };
        self.publish(std::mem::take(group), logs);
        self.answer_trim(checked.trim);
        Ok(())
    }

    /// Keeps in `group` what can stand and answers the rest.
    fn check(&self, group: &mut Vec<Queued>, trim: Option<Trim>) -> Result<Checked, Failure> {
        let slot = self
            .shared
            .slot
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let disk = slot.as_ref().ok_or_else(not_open)?;
        let unreadable = |error| Failure::Sled(format!("{error}"));
        let mut plan = Group::new(disk).map_err(unreadable)?;
        let limits = self.shared.front().limits.clone();
        let (standing, failed, spoilt) = plan.admit_all(std::mem::take(group), &limits);
        *group = standing;
        let trim = trim.map(|trim| {
            let trimmed = plan.trim(trim.account, trim.below, TRIMMED_KEYS);
            (trim, trimmed.map_err(CommitError::from))
        });
        let before = plan.logs_before().map_err(unreadable)?;
        let (refused, reasons): (Vec<_>, Vec<_>) = failed.into_iter().unzip();
        let behind = {
            let mut front = self.shared.front();
            // From here on the front knows these logs; see Front::learn.
            for (account, state) in before {
                front.learn(account, state);
            }
            if refused.is_empty() {
                Vec::new()
            } else {
                front.take_back(&refused, spoilt)
            }
        };
        // Reads have seen what is taken back here.
        let taken_back = News::of(&refused).changed;
        let taken_back = taken_back.into_iter().chain(News::of(&behind).changed);
        self.shared.feed.publish([], taken_back);
        for (queued, reason) in refused.into_iter().zip(reasons) {
            queued.resolve(Err(reason));
        }
        for queued in behind {
            queued.resolve(Err(CommitError::Conflict));
        }
        let sealed = if group.is_empty() && !plan.trims() {
            None
        } else {
            Some(plan.seal().map_err(unreadable)?)
        };
        Ok(Checked { sealed, trim })
    }

    /// Applies a group and makes it durable. Gives the logs it leaves.
    fn apply(&self, sealed: Sealed) -> Result<Vec<(AccountId, LogState)>, Failure> {
        let version = sealed.marker.version;
        let pieces = redo::pieces(sealed.ops);
        if let [whole] = pieces.as_slice() {
            self.write_through(redo::apply(whole), Some(version))?;
        } else {
            self.apply_pieces(&pieces, version)?;
        }
        let mut front = self.shared.front();
        front.limits.live = sealed.marker.live;
        Ok(sealed.logs)
    }

    /// The four steps of `redo.rs`. What readers find in between is whole all the same: the values
    /// of the group are laid over the tree until it knows the group's version.
    fn apply_pieces(&self, pieces: &[Vec<Op>], version: Version) -> Result<(), Failure> {
        for piece in pieces {
            self.write_through(redo::stage(piece), None)?;
        }
        self.write_through(redo::ready(), None)?;
        for (number, piece) in (1..).zip(pieces) {
            let last = number == pieces.len();
            self.write_through(redo::apply(piece), last.then_some(version))?;
        }
        self.write_through(redo::over(), None)?;
        for piece in pieces {
            self.write_through(redo::unstage(piece), None)?;
        }
        Ok(())
    }

    /// Applies a batch and syncs it; the tree holds everything up to `applied` with it.
    fn write_through(&self, batch: sled::Batch, applied: Option<Version>) -> Result<(), Failure> {
        let (tree, file) = {
            let mut slot = self
                .shared
                .slot
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            let disk = slot.as_mut().ok_or_else(not_open)?;
            disk.tree.apply_batch(batch)?;
            if let Some(version) = applied {
                disk.applied = version;
            }
            (disk.tree.clone(), disk.file.clone())
        };
        // Readers may go on: what they see beyond the last sync is in the overlay as well.
        tree.flush()?;
        let watch = Stopwatch::start();
        self.shared
            .settings
            .sync
            .call(&file)
            .map_err(Failure::Disk)?;
        let size = file.metadata().map_err(Failure::Disk)?.len();
        self.shared.figures(|stats| {
            stats.last_sync = watch.elapsed();
            stats.groups += u64::from(applied.is_some());
        });
        self.shared.front().limits.file = size;
        Ok(())
    }

    /// Makes a synced group visible and answers it, in this order: who is told by the feed or by
    /// a receipt finds what he is told of.
    fn publish(&self, group: Vec<Queued>, logs: Vec<(AccountId, LogState)>) {
        self.shared.front().settle(&group, logs);
        let news = News::of(&group);
        self.shared.feed.publish(news.logs, news.changed);
        self.shared
            .figures(|stats| stats.commits += group.len() as u64);
        for queued in group {
            let version = queued.version;
            queued.resolve(Ok(Committed { version }));
        }
    }

    /// Answers a finished trim; lets an unfinished one go on with the next group.
    fn answer_trim(&self, trim: Option<(Trim, Result<bool, CommitError>)>) {
        let Some((trim, trimmed)) = trim else {
            return;
        };
        let mut front = self.shared.front();
        if trimmed == Ok(false) {
            front.trims.push_front(trim);
            return;
        }
        front.tail.trim(trim.account, trim.below);
        drop(front);
        let _ = trim.answer.send(trimmed.map(|_| ()));
    }

    /// Opens the database again after a failure and answers `group` with what became of it.
    fn recover(&self, group: Vec<Queued>, failure: &Failure) {
        tracing::error!(%failure, "the store cannot write and is opened again");
        let (waiting, trims) = self.shared.fail();
        let taken_back = News::of(&waiting).changed;
        for queued in waiting {
            queued.resolve(Err(CommitError::Unavailable));
        }
        for trim in trims {
            let _ = trim.answer.send(Err(CommitError::Unavailable));
        }
        if failure.is_full() {
            self.shared.spend_ballast();
        }
        let news = News::of(&group);
        let waiting = Waiting::start(group);
        let mut retry = FIRST_RETRY;
        loop {
            match self.reopen() {
                Ok(marker) => {
                    self.settle_failed(waiting.take(), &news, marker.version);
                    self.shared.feed.publish([], taken_back);
                    return;
                }
                Err(error) => tracing::warn!(%error, "the store cannot be opened yet"),
            }
            if !self.shared.sleep(retry) {
                give_up(waiting.take());
                return;
            }
            retry = (retry * 2).min(LAST_RETRY);
        }
    }

    /// Opens the database and gives its last commit.
    fn reopen(&self) -> Result<Marker, OpenError> {
        let shared = &self.shared;
        let path = shared.directory.database();
        drop_cached_pages(&path.join("db"), &shared.settings.sync)?;
        let opened = open_database(&path, shared.settings.cache, &shared.settings.sync)?;
        shared.install(opened)
    }

    /// Takes commits again, over a database whose last commit is `last`, and answers the failed
    /// group truthfully.
    fn settle_failed(&self, group: Vec<Queued>, news: &News, last: Version) {
        let stands = news.version.is_some_and(|version| version <= last);
        self.shared.front().reopen(last);
        // Also for callers that were given up: what is on the disk is what happened.
        let logs = news.logs.iter().copied().filter(|_| stands);
        self.shared.feed.publish(logs, news.changed.iter().cloned());
        tracing::info!(stands, "the store writes again");
        for queued in group {
            let version = queued.version;
            queued.resolve(if stands {
                Ok(Committed { version })
            } else {
                Err(CommitError::Unavailable)
            });
        }
    }
}

fn not_open() -> Failure {
    Failure::Sled("the database is not open".to_owned())
}

fn give_up(group: Vec<Queued>) {
    for queued in group {
        queued.resolve(Err(CommitError::Unavailable));
    }
}

/// A failed group whose callers wait for the truth, for [`PATIENCE`] at most: opening a large
/// database again can take longer.
#[derive(Debug)]
struct Waiting {
    group: Arc<Mutex<Vec<Queued>>>,
    /// Ends the thread when it is dropped.
    _open: mpsc::Sender<()>,
}

impl Waiting {
    fn start(group: Vec<Queued>) -> Self {
        let group = Arc::new(Mutex::new(group));
        let (open, opened) = mpsc::channel::<()>();
        let waiting = Self { group, _open: open };
        let group = waiting.group.clone();
        let builder = thread::Builder::new().name("store-patience".to_owned());
        let started = builder.spawn(move || {
            if opened.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
                give_up(take(&group));
            }
        });
        if started.is_err() {
            // Without the thread nobody would count the time.
            give_up(waiting.take());
        }
        waiting
    }

    /// Those who still wait.
    fn take(&self) -> Vec<Queued> {
        take(&self.group)
    }
}

fn take(group: &Mutex<Vec<Queued>>) -> Vec<Queued> {
    std::mem::take(&mut group.lock().unwrap_or_else(PoisonError::into_inner))
}

/// After a failed sync the kernel may show pages as clean that never reached the disk. What is
/// read next must come from the disk itself.
fn drop_cached_pages(path: &Path, sync: &SyncFile) -> Result<(), OpenError> {
    let file = File::options().write(true).open(path).tried("open", path)?;
    sync.call(&file).tried("sync", path)?;
    let dropped = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
    dropped
        .map_err(io::Error::from)
        .tried("drop the cache of", path)
}

/// What a group would publish, kept beyond its callers' patience.
#[derive(Debug)]
struct News {
    /// The group's last commit; none for a group without commits.
    version: Option<Version>,
    logs: Vec<(AccountId, Seq)>,
    changed: Vec<Key>,
}

impl News {
    fn of(group: &[Queued]) -> Self {
        let commits = || group.iter().map(|queued| &queued.commit);
        let appends = commits().flat_map(|commit| &commit.appends);
        let writes = commits().flat_map(|commit| &commit.writes);
        Self {
            version: group.last().map(|queued| queued.version),
            logs: appends
                .map(|append| (append.account, append.message.seq()))
                .collect(),
            changed: writes
                .map(Write::key)
                .filter(|key| keys::is_watched(key))
                .cloned()
                .collect(),
        }
    }
}
