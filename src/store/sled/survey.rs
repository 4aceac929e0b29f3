//! A walk over every stored byte: is each value whole, and each log without gaps?
//!
//! Owns what can be judged of a database without knowing what its records mean: pieces, checksums,
//! versions, blocks and the figures that are kept beside the logs. Works on a closed store, and
//! opening sled can write, so whoever must not change a store surveys a copy of it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use bytes::Bytes;

use super::block;
use super::check;
use super::compact::{self, Progress};
use super::directory::{Directory, OpenError, Tried, damaged, open_database, panic_text};
use super::disk::{Disk, MARKER, Marker, footprint};
use super::settings::Settings;
use super::value::{self, Stem};
use crate::id::{AccountId, MessageId, Seq};
use crate::store::{Faults, Head, Version};

/// Bytes between two reports of progress.
const PIECE: u64 = 1 << 20;

/// What there is of an account's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogFound {
    /// The first message that is kept.
    pub first: Seq,
    /// The last message.
    pub last: Seq,
    /// Bytes of its blocks.
    pub bytes: u64,
    /// The id of the last message.
    id: MessageId,
}

/// What a walk found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    /// Records, messages not counted.
    pub records: u64,
    /// Bytes of keys and values.
    pub live: u64,
    /// Bytes of the database's file.
    pub file: u64,
    /// Every log that holds a message.
    pub logs: BTreeMap<AccountId, LogFound>,
    /// What does not hold.
    pub faults: Faults,
}

/// Walks over the closed store in the data directory `path`, telling its progress about every
/// mebibyte.
pub fn survey(
    path: &Path,
    settings: &Settings,
    mut progress: impl FnMut(Progress),
) -> Result<Survey, OpenError> {
    let directory = Directory::lock(path)?;
    compact::finish_swap(&directory)?;
    let database = directory.database();
    check::nothing_gone(&database)?;
    let mut found = Survey::default();
    blobs(&database, &mut found)?;
    let opened = open_database(&database, settings.cache, &settings.sync)?;
    let disk = Disk {
        tree: opened.tree,
        file: opened.file,
        applied: Version(0),
        generation: 0,
    };
    found.file = disk.size().tried("measure", &database)?;
    let marker = disk.marker().map_err(|_| {
        let reason = "the record of its last commit is missing or cannot be read";
        damaged(&database, reason.to_owned())
    })?;
    // sled panics on some kinds of damage.
    let walked = catch_unwind(AssertUnwindSafe(|| {
        let mut walk = Walk {
            disk: &disk,
            marker,
            found,
            open: None,
        };
        walk.run(&mut progress)
            .map_err(|error| damaged(&database, error.to_string()))?;
        Ok(walk.found)
    }));
    walked.unwrap_or_else(|panic| Err(damaged(&database, panic_text(&*panic))))
}

/// sled moves large pages into files that it never syncs; see [`super::value`].
fn blobs(database: &Path, found: &mut Survey) -> Result<(), OpenError> {
    let path = database.join("blobs");
    let entries = match fs::read_dir(&path) {
        // A copy has no empty directories, and sled makes this one when it opens.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.tried("list", &path)?,
    };
    for entry in entries {
        let name = entry.tried("list", &path)?.file_name();
        found.faults.add(format!(
            "{} holds a value that power loss can take",
            path.join(name).display()
        ));
    }
    Ok(())
}

struct Walk<'a> {
    disk: &'a Disk,
    marker: Marker,
    found: Survey,
    /// The key that was met last, and how many parts belong to it.
    open: Option<(Vec<u8>, u32)>,
}

impl Walk<'_> {
    fn run(&mut self, progress: &mut dyn FnMut(Progress)) -> sled::Result<()> {
        let mut told = 0;
        for entry in self.disk.tree.iter() {
            let (key, stored) = entry?;
            if key == MARKER {
                continue;
            }
            self.found.live += footprint(&key, &stored);
            if value::is_part(&key) {
                self.part(&key);
            } else {
                self.stem(&key, &stored);
            }
            if self.found.live >= told + PIECE {
                told = self.found.live;
                progress(Progress {
                    copied: told,
                    live: self.marker.live.max(told),
                });
            }
        }
        self.logs();
        if self.found.live != self.marker.live {
            let (live, counted) = (self.found.live, self.marker.live);
            let text = format!("{live} bytes are stored, and {counted} are counted");
            self.found.faults.add(text);
        }
        progress(Progress {
            copied: self.found.live,
            live: self.found.live,
        });
        Ok(())
    }

    fn part(&mut self, key: &[u8]) {
        let known = self.open.as_ref().is_some_and(|(owner, parts)| {
            let number = key
                .get(owner.len() + 1..)
                .and_then(|rest| rest.try_into().ok());
            let number = number.map(u32::from_be_bytes);
            value::owner(key) == owner && number.is_some_and(|number| number < *parts)
        });
        if !known {
            let owner = String::from_utf8_lossy(value::owner(key)).into_owned();
            self.found
                .faults
                .add(format!("{owner}: a part belongs to no value"));
        }
    }

    fn stem(&mut self, key: &[u8], stored: &[u8]) {
        self.open = None;
        let Ok(text) = std::str::from_utf8(key) else {
            let text = String::from_utf8_lossy(key).into_owned();
            return self
                .found
                .faults
                .add(format!("{text}: the key is not text"));
        };
        let whole = match value::decode(stored) {
            Ok((version, _)) if version > self.marker.version => {
                return self
                    .found
                    .faults
                    .add(format!("{text}: it is newer than the last commit"));
            }
            Ok((_, Stem::Inline(inline))) => Ok(Bytes::copy_from_slice(inline)),
            Ok((_, stem)) => {
                self.open = Some((key.to_vec(), stem.parts()));
                let found = self.disk.get(key);
                found.map(|found| found.map(|found| found.value).unwrap_or_default())
            }
            Err(error) => Err(error),
        };
        match whole {
            Err(error) => self.found.faults.add(format!("{text}: {error}")),
            Ok(value) => match text.strip_prefix("log/") {
                Some(place) => self.block(text, place, &value, stored.len()),
                None => self.found.records += 1,
            },
        }
    }

    /// One block of a log, in the order of the log.
    fn block(&mut self, key: &str, place: &str, packed: &Bytes, in_stem: usize) {
        let place = place.split_once('/').and_then(|(account, first)| {
            let first = u64::from_str_radix(first, 16).ok()?;
            Some((account.parse::<AccountId>().ok()?, Seq(first)))
        });
        let Some((account, first)) = place else {
            return self
                .found
                .faults
                .add(format!("{key}: not the key of a block"));
        };
        let length = packed.len();
        let messages = match block::unpack(packed) {
            Ok(messages) => messages,
            Err(error) => return self.found.faults.add(format!("{key}: {error}")),
        };
        if messages.first().map(|message| message.seq()) != Some(first) {
            self.found
                .faults
                .add(format!("{key}: it does not begin with its message"));
        }
        let bytes = self.footprint_of(key, length, in_stem);
        for message in &messages {
            self.follow(account, message.id);
        }
        if let Some(log) = self.found.logs.get_mut(&account) {
            log.bytes += bytes;
        }
    }

    /// What a block takes in the tree, with its parts.
    fn footprint_of(&self, key: &str, length: usize, in_stem: usize) -> u64 {
        let stem = key.len() + in_stem;
        let parts = self.open.as_ref().map_or(0, |(key, parts)| {
            let keys = (0..*parts).map(|number| value::part_key(key, number).len());
            keys.sum::<usize>() + length
        });
        (stem + parts) as u64
    }

    /// The next message of a log.
    fn follow(&mut self, account: AccountId, id: MessageId) {
        let Some(log) = self.found.logs.get_mut(&account) else {
            let log = LogFound {
                first: id.seq(),
                last: id.seq(),
                bytes: 0,
                id,
            };
            self.found.logs.insert(account, log);
            return;
        };
        let (last, before) = (log.last, log.id);
        (log.last, log.id) = (id.seq(), id);
        if id.seq() != last.next() {
            let text = format!("log of {account}: after {last} comes {}", id.seq());
            self.found.faults.add(text);
        }
        if id <= before {
            self.found
                .faults
                .add(format!("log of {account}: the id {id} does not rise"));
        }
    }

    /// The logs against what is kept of them as a whole.
    fn logs(&mut self) {
        for (account, log) in self.found.logs.clone() {
            let kept = match self.disk.log_state(account) {
                Ok(kept) => kept,
                Err(error) => {
                    self.found
                        .faults
                        .add(format!("the end of the log of {account}: {error}"));
                    continue;
                }
            };
            let end = Head {
                last: log.last,
                last_time: log.id.time(),
            };
            if kept.head != end {
                let text = format!(
                    "log of {account}: it ends with {}, and {} is kept as its end",
                    end.last, kept.head.last
                );
                self.found.faults.add(text);
            }
            if kept.bytes != log.bytes {
                let text = format!(
                    "log of {account}: {} bytes are stored, and {} are counted",
                    log.bytes, kept.bytes
                );
                self.found.faults.add(text);
            }
        }
    }
}
