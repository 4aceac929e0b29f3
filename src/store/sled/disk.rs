//! Reading the tree: keys, ranges, logs and the store's own records.
//!
//! Owns the open sled database and the meaning of what is stored in it. Called on the store's own
//! threads only, because every call can wait for the disk. Does not know the queue: what it finds
//! is what was applied, which may not be synced yet.
//!
//! | key of the store's own | value |
//! |---|---|
//! | `log/<account>/<first seq>` | a block of messages |
//! | `meta/log/<account>` | end and size of the account's log |
//! | `meta/commit` | its version is that of the last commit; the value: bytes of live data, 8 |

use std::fs::File;
use std::sync::Arc;

use sled::IVec;

use super::{block, value};
use crate::clock::Timestamp;
use crate::id::{AccountId, Seq};
use crate::store::{Head, Key, KeyRange, LogPage, ReadError, Version, Versioned};

/// The record of the last commit.
pub const MARKER: &[u8] = b"meta/commit";

/// The marker as it is stored.
pub fn encode_marker(marker: Marker) -> Vec<(Vec<u8>, Vec<u8>)> {
    // Eight bytes are never too long for a value.
    value::encode(MARKER, marker.version, &marker.live.to_be_bytes()).unwrap_or_default()
}

/// What is known of an account's log as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogState {
    /// The last message.
    pub head: Head,
    /// Bytes of its blocks in the tree: the account's share of the disk.
    pub bytes: u64,
}

/// The last commit that was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// Its version.
    pub version: Version,
    /// Keys and values in the tree after it, in bytes.
    pub live: u64,
}

/// The open database.
#[derive(Debug)]
pub struct Disk {
    /// The one tree.
    pub tree: sled::Db,
    /// The store's own handle on sled's file, for its size and for syncing it.
    pub file: Arc<File>,
    /// The version of the last commit that the tree holds.
    pub applied: Version,
    /// Which opening this is; see [`super::queue::Front::generation`].
    pub generation: u64,
}

/// What a failed call of sled means for a reader.
pub fn read_error(error: &sled::Error) -> ReadError {
    match error {
        sled::Error::Io(_) => ReadError::Unavailable,
        _ => ReadError::Corrupt,
    }
}

/// The key of a block.
pub fn block_key(account: AccountId, first: Seq) -> Vec<u8> {
    format!("log/{account}/{:016x}", first.0).into_bytes()
}

/// The key of what is known of an account's log.
pub fn log_key(account: AccountId) -> Vec<u8> {
    format!("meta/log/{account}").into_bytes()
}

/// `state` as it is stored.
pub fn encode_log_state(state: LogState) -> Vec<u8> {
    [state.head.last.0, state.head.last_time.0, state.bytes]
        .map(u64::to_be_bytes)
        .concat()
}

fn decode_log_state(bytes: &[u8]) -> Option<LogState> {
    let mut numbers = bytes
        .chunks_exact(8)
        .map(|chunk| chunk.try_into().map(u64::from_be_bytes));
    let mut next = || numbers.next()?.ok();
    Some(LogState {
        head: Head {
            last: Seq(next()?),
            last_time: Timestamp(next()?),
        },
        bytes: next()?,
    })
}

/// The last message of a log, from what is stored about it.
pub fn kept_end(bytes: &[u8]) -> Option<Seq> {
    decode_log_state(bytes).map(|state| state.head.last)
}

/// The first sequence of the block that a stored key names.
pub fn first_of(stored_key: &[u8]) -> Option<Seq> {
    let text = stored_key.rsplit(|byte| *byte == b'/').next()?;
    let text = std::str::from_utf8(text).ok()?;
    u64::from_str_radix(text, 16).ok().map(Seq)
}

/// A part of a log that may go.
#[derive(Debug, Default)]
pub struct Trimmable {
    /// Stored keys to remove.
    pub keys: Vec<IVec>,
    /// What they and their values take.
    pub bytes: u64,
    /// Nothing more can go for the same bound.
    pub done: bool,
}

/// What `stored` takes in the tree.
pub fn footprint(key: &[u8], value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64
}

impl Disk {
    /// The stored bytes under a stored key.
    pub fn raw(&self, key: &[u8]) -> Result<Option<IVec>, ReadError> {
        self.tree.get(key).map_err(|error| read_error(&error))
    }

    fn resolve(&self, key: &[u8], stored: &[u8]) -> Result<Versioned, ReadError> {
        let (version, stem) = value::decode(stored)?;
        let part = |number| {
            let found = self.raw(&value::part_key(key, number))?;
            Ok(found.map(|part| part.to_vec()))
        };
        let value = value::whole(stem, part)?;
        Ok(Versioned { version, value })
    }

    /// The value under a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Versioned>, ReadError> {
        let found = self.raw(key)?;
        found.map(|stored| self.resolve(key, &stored)).transpose()
    }

    /// When a key was last written.
    pub fn version(&self, key: &[u8]) -> Result<Option<Version>, ReadError> {
        let found = self.raw(key)?;
        found
            .map(|stored| value::decode(&stored).map(|(version, _)| version))
            .transpose()
    }

    /// At most `limit` keys of a range, each with what `read` makes of its stored bytes.
    fn walk<T>(
        &self,
        range: &KeyRange,
        limit: usize,
        read: impl Fn(&[u8], &[u8]) -> Result<T, ReadError>,
    ) -> Result<Vec<(Key, T)>, ReadError> {
        let (start, end) = (range.start.as_str(), range.end.as_str());
        if start >= end {
            return Ok(Vec::new());
        }
        let entries = self.tree.range(start.as_bytes()..end.as_bytes());
        let entries: Box<dyn Iterator<Item = sled::Result<(IVec, IVec)>>> = if range.newest_first {
            Box::new(entries.rev())
        } else {
            Box::new(entries)
        };
        entries
            .filter(|entry| !matches!(entry, Ok((key, _)) if value::is_part(key)))
            .take(limit)
            .map(|entry| {
                let (key, stored) = entry.map_err(|error| read_error(&error))?;
                let text = std::str::from_utf8(&key).map_err(|_| ReadError::Corrupt)?;
                Ok((Key::from_stored(text.to_owned()), read(&key, &stored)?))
            })
            .collect()
    }

    /// At most `limit` keys of a range with their values.
    pub fn scan(&self, range: &KeyRange, limit: usize) -> Result<Vec<(Key, Versioned)>, ReadError> {
        self.walk(range, limit, |key, stored| self.resolve(key, stored))
    }

    /// At most `limit` keys of a range with their versions.
    pub fn scan_versions(
        &self,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<(Key, Version)>, ReadError> {
        let version = |_: &[u8], stored: &[u8]| value::decode(stored).map(|(version, _)| version);
        self.walk(range, limit, version)
    }

    /// What is known of an account's log; the default for a log without messages.
    pub fn log_state(&self, account: AccountId) -> Result<LogState, ReadError> {
        match self.get(&log_key(account))? {
            Some(found) => decode_log_state(&found.value).ok_or(ReadError::Corrupt),
            None => Ok(LogState::default()),
        }
    }

    /// The last commit in the tree. Every database has one from its creation on: sled can take
    /// a file it does not recognize for an empty one, and that must not look like a new store.
    pub fn marker(&self) -> Result<Marker, ReadError> {
        let found = self.get(MARKER)?.ok_or(ReadError::Corrupt)?;
        let live = found.value.as_ref().try_into();
        Ok(Marker {
            version: found.version,
            live: u64::from_be_bytes(live.map_err(|_| ReadError::Corrupt)?),
        })
    }

    /// Messages from `from` to `until` (inclusive), which is the last one of a synced group, so
    /// that no block goes on beyond it: at most `max_messages`, and no more once
    /// their sizes have reached `max_bytes`. A damaged block is left out, and the log says so:
    /// what is behind it can be read all the same.
    pub fn read_log(
        &self,
        account: AccountId,
        from: Seq,
        until: Seq,
        max_messages: usize,
        max_bytes: usize,
    ) -> Result<LogPage, ReadError> {
        let mut page = LogPage::default();
        let mut bytes = 0;
        let start = self.block_holding(account, from)?;
        let end = block_key(account, until.next());
        if start >= end {
            return Ok(page);
        }
        for entry in self.tree.range(start..end) {
            let (key, stored) = entry.map_err(|error| read_error(&error))?;
            if value::is_part(&key) {
                continue;
            }
            let whole = self.resolve(&key, &stored);
            let unpacked = whole.and_then(|found| block::unpack(&found.value));
            let messages = match unpacked {
                Err(ReadError::Corrupt) => {
                    let block = String::from_utf8_lossy(&key);
                    tracing::error!(%block, "a block of a log is damaged and left out");
                    continue;
                }
                unpacked => unpacked?,
            };
            for message in messages {
                if page.messages.len() >= max_messages {
                    return Ok(page);
                }
                if bytes >= max_bytes && !page.messages.is_empty() {
                    return Ok(page);
                }
                if message.seq() >= from {
                    bytes += message.size();
                    page.messages.push(message);
                }
            }
        }
        Ok(page)
    }

    /// The key of the last block that begins at or before `seq`; where it would be if none does.
    fn block_holding(&self, account: AccountId, seq: Seq) -> Result<Vec<u8>, ReadError> {
        let lowest = block_key(account, Seq(0));
        let before = self.tree.get_lt(block_key(account, seq.next()));
        let found = before.map_err(|error| read_error(&error))?;
        Ok(found
            .map(|(key, _)| value::owner(&key).to_vec())
            .filter(|key| *key > lowest)
            .unwrap_or(lowest))
    }

    /// Whole blocks that hold only messages below `below`: the oldest ones, about `max_keys`
    /// stored keys of them. `last` is the end of the log.
    pub fn trimmable(
        &self,
        account: AccountId,
        below: Seq,
        last: Seq,
        max_keys: usize,
    ) -> Result<Trimmable, ReadError> {
        let mut found = Trimmable::default();
        let mut block = Trimmable::default();
        let (start, end) = (block_key(account, Seq(0)), block_key(account, last.next()));
        for entry in self.tree.range(start..end) {
            let (key, stored) = entry.map_err(|error| read_error(&error))?;
            if !value::is_part(&key) {
                // Everything in the block before is below the first message of this one.
                let first = first_of(&key).ok_or(ReadError::Corrupt)?;
                found.done = first > below;
                if !found.done {
                    found.keys.append(&mut block.keys);
                    found.bytes += std::mem::take(&mut block.bytes);
                }
                if found.done || found.keys.len() >= max_keys {
                    return Ok(found);
                }
            }
            block.bytes += footprint(&key, &stored);
            block.keys.push(key);
        }
        if last < below {
            found.keys.append(&mut block.keys);
            found.bytes += block.bytes;
        }
        found.done = true;
        Ok(found)
    }

    /// Bytes of sled's file.
    pub fn size(&self) -> std::io::Result<u64> {
        self.file.metadata().map(|data| data.len())
    }
}
