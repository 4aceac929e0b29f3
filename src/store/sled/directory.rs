//! The data directory: what lies where, who may open it, and opening sled in it.
//!
//! Owns the layout, the lock, the format version and the ballast. Does not know what is in the
//! tree.
//!
//! | name | what |
//! |---|---|
//! | `lock` | locked while the store is open; holds the pid of who opened it |
//! | `format` | the format version as text |
//! | `ballast` | space that is given up when essential commits find the disk full |
//! | `db/` | the sled database; its log is `db/db` |
//! | `db.new/`, `db.old/` | a compaction under way: see [`super::compact`] |

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::redo;
use super::settings::SyncFile;
use crate::clock::Stopwatch;

/// The format that this program writes and reads.
pub const FORMAT: u32 = 1;
/// sled's unit of writing and freeing: larger than anything that is written between two syncs; see
/// `redo.rs`.
const SEGMENT: usize = 2 << 20;
/// How long sled's background work may keep its file locked after it was closed.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Why a store cannot be opened. The text says what to do.
#[derive(Debug)]
pub enum OpenError {
    /// Another process has it open.
    Locked {
        /// Its process id, as it wrote it.
        pid: Option<u32>,
    },
    /// It was written by another version of this program.
    Format {
        /// What the directory says; none = it has a database and no format version.
        found: Option<String>,
        /// What this program reads.
        expected: u32,
    },
    /// sled cannot open its database. Nothing was removed or replaced.
    Damaged {
        /// Where it lies.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
        /// It was found before sled touched it: no byte was changed.
        untouched: bool,
    },
    /// The operating system refused something.
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: io::Error,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { pid: Some(pid) } => write!(
                out,
                "the data directory is in use by process {pid}; stop it first or use another one"
            ),
            Self::Locked { pid: None } => out.write_str(
                "the data directory is in use by another process; stop it first or use another one",
            ),
            Self::Format { found, expected } => write!(
                out,
                "the data directory has format {}, and this program reads format {expected}; use \
                 the version of the program that wrote it, or another directory",
                found.as_deref().unwrap_or("(none)")
            ),
            Self::Damaged {
                path,
                reason,
                untouched,
            } => write_damaged(out, path, reason, *untouched),
            Self::Io { what, source } => write!(out, "{what}: {source}"),
        }
    }
}

fn write_damaged(
    out: &mut fmt::Formatter<'_>,
    path: &Path,
    reason: &str,
    untouched: bool,
) -> fmt::Result {
    let directory = path.parent().unwrap_or(path).display();
    let path = path.display();
    let left = if untouched {
        "It was left exactly as it is."
    } else {
        "Nothing of it was removed, but opening it may have filled segments with zeros that it \
         could not follow."
    };
    write!(
        out,
        "the database {path} cannot be opened: {reason}. {left} Next: (1) see what can be read: \
         hookrelay store salvage --dir {directory}; (2) keep a copy: cp -a {path} {path}.damaged, \
         and look for disk errors in the kernel's log; (3) restore {directory} from a backup, or, \
         to start empty and lose what is in it, mv {path} {path}.damaged, or set store.path to a \
         new directory"
    )
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Names what was tried when it fails.
pub trait Tried<T> {
    /// The error as an [`OpenError::Io`] that says `what` was tried on `path`.
    fn tried(self, what: &str, path: &Path) -> Result<T, OpenError>;
}

impl<T> Tried<T> for io::Result<T> {
    fn tried(self, what: &str, path: &Path) -> Result<T, OpenError> {
        self.map_err(|source| OpenError::Io {
            what: format!("cannot {what} {}", path.display()),
            source,
        })
    }
}

/// The locked data directory. Dropping it gives it free.
#[derive(Debug)]
pub struct Directory {
    path: PathBuf,
    lock: File,
}

impl Directory {
    /// Creates the directory if need be, locks it and checks its format.
    pub fn lock(path: &Path) -> Result<Self, OpenError> {
        if !path.exists() {
            let mut builder = DirBuilder::new();
            let created = builder.recursive(true).mode(0o700).create(path);
            created.tried("create", path)?;
            if let Some(parent) = path.parent().filter(|parent| parent.is_dir()) {
                sync_directory(parent)?;
            }
        }
        let lock = take_lock(&path.join("lock"))?;
        let directory = Self {
            path: path.to_owned(),
            lock,
        };
        directory.check_format()?;
        Ok(directory)
    }

    /// Gives the directory free for others.
    pub fn release(&self) {
        if let Err(error) = self.lock.unlock() {
            tracing::warn!(%error, "the data directory cannot be unlocked");
        }
    }

    /// Where sled's database is.
    pub fn database(&self) -> PathBuf {
        self.path.join("db")
    }

    /// A name in the directory.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes created, renamed and removed names survive power loss.
    pub fn sync(&self) -> Result<(), OpenError> {
        sync_directory(&self.path)
    }

    fn check_format(&self) -> Result<(), OpenError> {
        let path = self.join("format");
        match fs::read_to_string(&path) {
            Ok(text) if text.trim() == FORMAT.to_string() => Ok(()),
            Ok(text) => Err(OpenError::Format {
                found: Some(text.trim().chars().take(40).collect()),
                expected: FORMAT,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if self.database().exists() {
                    return Err(OpenError::Format {
                        found: None,
                        expected: FORMAT,
                    });
                }
                // Complete under another name first: half a number would be another format.
                let new = self.join("format.new");
                write_synced(&new, format!("{FORMAT}\n").as_bytes()).tried("write", &new)?;
                fs::rename(&new, &path).tried("write", &path)?;
                self.sync()
            }
            Err(error) => Err(error).tried("read", &path),
        }
    }

    /// Removes the ballast. True when there was one.
    pub fn drop_ballast(&self) -> bool {
        fs::remove_file(self.join("ballast")).is_ok()
    }

    /// Creates the ballast of `bytes` unless it is there. True when it is. Leaves none behind
    /// unless there is room for two of it, so that it never takes the last space itself.
    pub fn ensure_ballast(&self, bytes: u64) -> bool {
        let path = self.join("ballast");
        if bytes == 0 || fs::metadata(&path).is_ok_and(|found| found.len() == bytes) {
            return true;
        }
        let room = rustix::fs::statvfs(&self.path)
            .is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) / 2 >= bytes);
        if !room {
            return false;
        }
        let filled = fill(&path, bytes);
        if let Err(error) = &filled {
            tracing::warn!(%error, "the ballast cannot be created");
            self.drop_ballast();
        }
        filled.is_ok()
    }
}

fn take_lock(path: &Path) -> Result<File, OpenError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut lock = options.mode(0o600).open(path).tried("open", path)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            // Without a readable pid the message is poorer and still true.
            let _ = lock.take(20).read_to_string(&mut text);
            let pid = text.trim().parse().ok();
            return Err(OpenError::Locked { pid });
        }
        Err(TryLockError::Error(error)) => return Err(error).tried("lock", path),
    }
    let written = lock
        .set_len(0)
        .and_then(|()| lock.rewind())
        .and_then(|()| writeln!(lock, "{}", std::process::id()));
    written.tried("write", path)?;
    Ok(lock)
}

/// Writes a file and syncs it.
pub fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Random bytes, so that no file system stores them in less room than they are to hold free.
fn fill(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    let mut generator = fastrand::Rng::with_seed(bytes);
    let mut block = vec![0; 1 << 20];
    generator.fill(&mut block);
    let mut left = bytes;
    while left > 0 {
        let piece = left.min(block.len() as u64);
        file.write_all(&block[..usize::try_from(piece).unwrap_or(block.len())])?;
        left -= piece;
    }
    file.sync_all()
}

/// Syncs a directory's names.
pub fn sync_directory(path: &Path) -> Result<(), OpenError> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .tried("sync the directory", path)
}

/// An open sled database and the store's own handle on its file.
#[derive(Debug)]
pub struct Opened {
    /// The database.
    pub tree: sled::Db,
    /// The handle.
    pub file: Arc<File>,
}

/// Opens sled's database at `path`, creating it if need be, and makes what opening wrote survive
/// power loss.
pub fn open_database(path: &Path, cache: u64, sync: &SyncFile) -> Result<Opened, OpenError> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(cache)
        .segment_size(segment_of(path).unwrap_or(SEGMENT))
        .use_compression(false)
        // Segments that sled's own flusher let go early were written again before the data that
        // replaced them was on the disk: after power loss the database was lost. The writer
        // flushes and syncs every group instead.
        .flush_every_ms(None);
    remove_half_written(path)?;
    let tree = open_sled(path, &config)?;
    match make_durable(path, &tree, sync) {
        Ok(file) => Ok(Opened { tree, file }),
        Err(error) => {
            let_go(tree);
            Err(error)
        }
    }
}

/// Lets a database go. While its file cannot be synced, sled panics over it, and whoever closes a
/// database because of that must go on.
pub fn let_go<T>(tree: T) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(tree))) {
        let reason = panic_text(&*panic);
        tracing::warn!(reason, "the database was closed without its last sync");
    }
}

/// Syncs what opening wrote and ends what a crash interrupted. Gives the store's own handle.
fn make_durable(path: &Path, tree: &sled::Db, sync: &SyncFile) -> Result<Arc<File>, OpenError> {
    let log = path.join("db");
    let file = File::options().read(true).write(true).open(&log);
    let file = file.tried("open", &log)?;
    let flushed = catch_unwind(AssertUnwindSafe(|| tree.flush()));
    match flushed {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => return Err(refused(path, error)),
        Err(_) => return Err(damaged(path, "it panicked while flushing".to_owned())),
    }
    sync.call(&file).tried("sync", &log)?;
    for entry in fs::read_dir(path).tried("list", path)? {
        let entry = entry.tried("list", path)?.path();
        if entry.is_file() && entry != log {
            let synced = File::open(&entry).and_then(|file| file.sync_all());
            synced.tried("sync", &entry)?;
        }
    }
    sync_directory(&path.join("blobs"))?;
    sync_directory(path)?;
    if let Some(parent) = path.parent() {
        sync_directory(parent)?;
    }
    redo::finish(
        tree,
        |error| damaged(path, error.to_string()),
        |batch| {
            let written = tree.apply_batch(batch).and_then(|()| tree.flush());
            written.map_err(|error| refused(path, error))?;
            sync.call(&file).tried("sync", &log)
        },
    )?;
    Ok(Arc::new(file))
}

/// The segment size of an existing database, which sled keeps in its file `conf`: it never changes
/// but by compaction, which writes a new database.
fn segment_of(path: &Path) -> Option<usize> {
    let conf = fs::read(path.join("conf")).ok()?;
    let text = String::from_utf8_lossy(&conf);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("segment_size: "))?;
    line.trim().parse().ok()
}

/// Whether a database was made before segments were as large as they must be.
pub fn is_outdated(path: &Path) -> bool {
    segment_of(path).is_some_and(|segment| segment != SEGMENT)
}

/// Opening, sled writes a snapshot under a name that ends so, and then renames it. Killed in
/// between, it takes the rest of one for the newest snapshot at the next start and refuses to
/// open. The snapshot before it, or none, says all that is needed.
pub const HALF_WRITTEN: &str = ".generating";

fn remove_half_written(path: &Path) -> Result<(), OpenError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.tried("list", path)?,
    };
    for entry in entries {
        let entry = entry.tried("list", path)?.path();
        let name = entry.file_name().and_then(|name| name.to_str());
        if name.is_some_and(|name| name.starts_with("snap.") && name.ends_with(HALF_WRITTEN)) {
            fs::remove_file(&entry).tried("remove", &entry)?;
        }
    }
    Ok(())
}

/// sled's threads may hold its file for a moment after a database was closed, so a lock alone is
/// no reason to give up at once: the directory's own lock keeps everybody else out.
fn open_sled(path: &Path, config: &sled::Config) -> Result<sled::Db, OpenError> {
    let watch = Stopwatch::start();
    loop {
        // sled panics on some kinds of damage.
        let opened = catch_unwind(AssertUnwindSafe(|| config.open()));
        match opened {
            Ok(Ok(tree)) => return Ok(tree),
            Ok(Err(error)) if is_locked(&error) && watch.elapsed() < LOCK_WAIT => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Ok(Err(error)) => return Err(refused(path, error)),
            Err(panic) => return Err(damaged(path, panic_text(&*panic))),
        }
    }
}

fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

fn refused(path: &Path, error: sled::Error) -> OpenError {
    match error {
        sled::Error::Io(source) => OpenError::Io {
            what: format!("cannot open the database {}", path.display()),
            source,
        },
        other => damaged(path, other.to_string()),
    }
}

/// The database at `path` cannot be used for this reason.
pub fn damaged(path: &Path, reason: String) -> OpenError {
    OpenError::Damaged {
        path: path.to_owned(),
        reason,
        untouched: false,
    }
}

/// The same, found before anything was changed.
pub fn left_alone(path: &Path, reason: String) -> OpenError {
    OpenError::Damaged {
        path: path.to_owned(),
        reason,
        untouched: true,
    }
}

/// What a panic said, shortened.
pub fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text: String = text
        .unwrap_or("no reason given")
        .chars()
        .take(300)
        .collect();
    format!("it panicked: {text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_opener_is_told_the_pid_of_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = Directory::lock(dir.path()).unwrap();
        let Err(OpenError::Locked { pid }) = Directory::lock(dir.path()) else {
            panic!("locked twice");
        };
        assert_eq!(pid, Some(std::process::id()));
        drop(first);
        Directory::lock(dir.path()).unwrap();
    }

    #[test]
    fn other_formats_are_refused_and_nothing_is_changed() {
        let dir = tempfile::tempdir().unwrap();
        drop(Directory::lock(dir.path()).unwrap());
        for text in ["2\n", "", "one"] {
            fs::write(dir.path().join("format"), text).unwrap();
            let error = Directory::lock(dir.path()).unwrap_err();
            assert!(
                matches!(&error, OpenError::Format { found: Some(found), expected: 1 }
                if found == text.trim())
            );
            assert!(error.to_string().contains("format"));
            assert!(!dir.path().join("db").exists());
        }
    }

    #[test]
    fn a_database_without_a_format_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("db")).unwrap();
        let error = Directory::lock(dir.path()).unwrap_err();
        assert!(matches!(error, OpenError::Format { found: None, .. }));
    }

    #[test]
    fn the_rest_of_a_snapshot_does_not_stop_a_start() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        let open = || open_database(&path, 1 << 20, &SyncFile::default());
        let opened = open().unwrap();
        opened.tree.insert("key", "value").unwrap();
        opened.tree.flush().unwrap();
        drop(opened);
        // As a kill leaves it: nothing written yet, or a part.
        for part in ["", "a part of a snapshot that was not written to its end"] {
            let rest = path.join("snap.FFFFFFFFFFFFFFFF.generating");
            fs::write(&rest, part).unwrap();
            let opened = open().unwrap();
            assert_eq!(opened.tree.get("key").unwrap().unwrap(), "value");
            assert!(!rest.exists());
        }
    }

    #[test]
    fn the_ballast_has_its_size_and_goes_when_asked() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::lock(dir.path()).unwrap();
        assert!(directory.ensure_ballast(3 << 19));
        let path = dir.path().join("ballast");
        assert_eq!(fs::metadata(&path).unwrap().len(), 3 << 19);
        assert!(directory.drop_ballast());
        assert!(!directory.drop_ballast());
        assert!(!directory.ensure_ballast(1 << 60), "no disk has this room");
        assert!(!path.exists());
    }
}
