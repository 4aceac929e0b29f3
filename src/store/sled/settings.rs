//! What the operator may set, and what the store tells of itself.
//!
//! Owns plain data only. Does not know how any of it is used or found out.

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::AccountId;

/// How written bytes are forced to the disk.
///
/// [`File::sync_data`] in the daemon; a test puts a slow or a failing disk in its place.
#[derive(Clone)]
pub struct SyncFile(Arc<ForceOut>);

type ForceOut = dyn Fn(&File) -> io::Result<()> + Send + Sync;

impl SyncFile {
    /// Syncs with `sync`.
    pub fn new(sync: impl Fn(&File) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Arc::new(sync))
    }

    /// Forces the file's bytes to the disk.
    pub fn call(&self, file: &File) -> io::Result<()> {
        (self.0)(file)
    }
}

impl Default for SyncFile {
    fn default() -> Self {
        Self::new(File::sync_data)
    }
}

impl fmt::Debug for SyncFile {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SyncFile")
    }
}

/// Settings of the sled store. All sizes in bytes.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Size of the database file from which on commits that are not essential are refused, unless
    /// less than half as much is live: the file does not shrink, but freed room in it is used
    /// again. It can therefore grow somewhat beyond this while there is much dead data in it.
    pub max_disk: u64,
    /// Size of one account's log from which on its commits are refused; none = half of
    /// `max_disk`.
    pub max_account_disk: Option<u64>,
    /// Commits in memory that wait for the disk; beyond it, commits that are not essential are
    /// refused.
    pub max_queue: usize,
    /// sled's page cache.
    pub cache: u64,
    /// The newest messages kept in memory.
    pub log_cache: usize,
    /// Space that is given up when essential commits find the disk full; 0 = none.
    pub ballast: u64,
    /// A file up to this size is never compacted when the store is opened.
    pub compact_over: u64,
    /// A larger file is, when its live data is less than one part in this many.
    pub compact_share: u64,
    /// How written bytes are forced to the disk.
    pub sync: SyncFile,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_disk: 10 << 30,
            max_account_disk: None,
            max_queue: 64 << 20,
            cache: 16 << 20,
            log_cache: 8 << 20,
            ballast: 64 << 20,
            compact_over: 1 << 30,
            compact_share: 4,
            sync: SyncFile::default(),
        }
    }
}

/// How near the disk limits are. Whoever owns the logs should trim what only `retention` keeps
/// while anything is pressed; the store itself never forgets a message that nobody gave up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pressure {
    /// The installation is above nine tenths of its limit, or the ballast is spent.
    pub installation: bool,
    /// Accounts above nine tenths of their share.
    pub accounts: Vec<AccountId>,
}

/// The store's figures.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Whether commits are taken now.
    pub open: bool,
    /// Bytes of the database file.
    pub disk: u64,
    /// Bytes of keys and values in it.
    pub live: u64,
    /// Commits that wait for the writer.
    pub queued: usize,
    /// Bytes of commits that are not synced yet.
    pub queued_bytes: usize,
    /// Groups written since the store was opened.
    pub groups: u64,
    /// Commits in them.
    pub commits: u64,
    /// How long the last sync took.
    pub last_sync: Duration,
    /// Write failures since the store was opened.
    pub failures: u64,
    /// When the last of them happened.
    pub failed_at: Option<Timestamp>,
    /// The ballast is given up.
    pub ballast_spent: bool,
}
