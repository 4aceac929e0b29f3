//! `store …` and `selftest`: the data directory, and whether this machine keeps what it was given.
//!
//! Owns their grammar and help. Does not know how either is done.

// These comments are printed by --help, where backticks would stand as they are.
#![allow(clippy::doc_markdown)]

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Which data directory.
#[derive(Debug, Args)]
pub struct Directory {
    /// Data directory [default: store.path of the configuration]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `store …`
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Check everything that is stored against itself; changes nothing
    #[command(after_help = "\
Examples:
  systemctl stop hookrelay && hookrelay store verify
  hookrelay store verify --dir /srv/backup/hookrelay --scratch /var/tmp
  hookrelay store verify --json | jq -r '.faults[]'

It checks that the logs have no gaps, every block and record can be read, no record is left of
something that is gone, nothing that is still needed was trimmed, and for each endpoint that
accepted = delivered + dead + filtered + pending. It works on a copy of the database, which takes no
room where the file system can share blocks (btrfs, XFS). Exits with 0 if all holds, with 1 if not,
or if a daemon uses the directory.")]
    Verify {
        /// Which.
        #[command(flatten)]
        of: Directory,
        /// Where the copy is made [default: in the data directory]
        #[arg(long, value_name = "DIR")]
        scratch: Option<PathBuf>,
    },
    /// What is in it: accounts, endpoints, logs, sizes, format version; changes nothing
    #[command(after_help = "\
Examples:
  hookrelay store inspect
  hookrelay store inspect --json | jq '.accounts[] | {name, messages}'

It works on a copy of the database, as store verify does.")]
    Inspect {
        /// Which.
        #[command(flatten)]
        of: Directory,
        /// Where the copy is made [default: in the data directory]
        #[arg(long, value_name = "DIR")]
        scratch: Option<PathBuf>,
    },
    /// Say what can be read of a database that cannot be opened; changes nothing
    #[command(after_help = "\
Examples:
  hookrelay store salvage
  hookrelay store salvage --dir /srv/backup/hookrelay --json | jq '.accounts[] | {name, ranges}'

It reads the raw files, never through the database itself, and tells which segments are damaged,
which accounts, endpoints and messages are still there, which are missing, and what was still to be
delivered. Everything it names was stored once, and its checksums hold; behind an unreadable stretch
it can be an older state, so that even something deleted is named again. Exits with 0 when there was
something to read.")]
    Salvage {
        /// Which.
        #[command(flatten)]
        of: Directory,
    },
    /// Give disk space back: copy what lives to a new database
    #[command(after_help = "\
Examples:
  systemctl stop hookrelay && hookrelay store compact && systemctl start hookrelay

Freed space is used again without this; a start compacts by itself a file over 1 GiB of which less
than a quarter lives. It needs room for the live data, and an interruption at any moment leaves one
whole database.")]
    Compact {
        /// Which.
        #[command(flatten)]
        of: Directory,
    },
}

/// `selftest`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hookrelay selftest
  hookrelay selftest --rounds 200 --dir /var/lib

Starts this very binary as a daemon with a temporary data directory below DIR, puts it under load
over HTTP, kills it with SIGKILL at random moments, starts it again, and holds what its consumers
received against what it had acknowledged: nothing missing, nothing repeated but what was in flight
or confirmed in the last 20 ms before a kill, the same ids each time, order kept where it is strict.
At the end it runs the checks of store verify. It stays on loopback and removes what it made.

SIGKILL tries the program and its restart, not the power supply: whether the disk keeps what it has
confirmed, only cutting the power shows. A disk whose write + sync takes far less than a millisecond
and is no SSD with power-loss protection deserves that test.")]
pub struct SelftestArgs {
    /// How often the daemon is killed
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rounds: u32,
    /// The disk to try: where the temporary data directory is made [default: the system's
    /// temporary directory]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
