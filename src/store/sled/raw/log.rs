//! The files of a database as they lie there: sizes, segments, the snapshot, messages in order.
//!
//! Owns finding and reading them. Opens everything for reading only. Does not know pages.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::{
    HEADER, MESSAGE_HEADER, Message, Place, RED_ZONE, SegmentHeader, Snapshot, message,
    message_length, segment_header, snapshot,
};

/// Segments that sled can make.
const SEGMENTS: std::ops::RangeInclusive<u32> = 8..=24;
/// A snapshot of more is none.
const MAX_SNAPSHOT: u64 = 1 << 30;
/// Behind unreadable bytes messages are looked for at every byte, and a lying length makes each
/// try cost as much as it says: beyond this sum the rest of the segment is given up.
const MAX_SEARCH: u64 = 256 << 20;

/// What lies where a segment can begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// A segment.
    Segment(SegmentHeader),
    /// Zeros: nothing.
    Empty,
    /// Neither.
    Broken,
}

/// What is there instead of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Snap {
    /// There is none.
    Missing,
    /// Its checksum does not hold.
    Broken,
    /// It is whole.
    Whole(Snapshot),
}

/// A database's files.
#[derive(Debug)]
pub struct Image {
    file: File,
    /// Bytes of the log.
    pub length: u64,
    /// Bytes of a segment.
    pub segment: u64,
    /// The file with the settings can be read.
    pub settings: bool,
    /// What lies where.
    pub slots: Vec<Slot>,
    /// The newest snapshot.
    pub snapshot: Snap,
}

/// How the messages of a segment end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// As they should: the segment is full.
    Full,
    /// At this offset in it there is no message.
    Open(u64),
}

impl Image {
    /// Looks at the database at `path`.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::open(path.join("db"))?;
        let length = file.metadata()?.len();
        let known = settings(&fs::read(path.join("conf")).unwrap_or_default());
        let mut image = Self {
            file,
            length,
            segment: 1 << 24,
            settings: known.is_some(),
            slots: Vec::new(),
            snapshot: newest_snapshot(path)?,
        };
        match known {
            Some(segment) => (image.segment, image.slots) = (segment, image.headers(segment)?),
            None => image.guess()?,
        }
        Ok(image)
    }

    /// The size at which the most segments begin where it says.
    fn guess(&mut self) -> io::Result<()> {
        let mut best = 0;
        for power in SEGMENTS.rev().take(9) {
            let slots = self.headers(1 << power)?;
            let sound = |slot: &&Slot| matches!(slot, Slot::Segment(found) if found.lsn % (1 << power) == 0);
            let found = slots.iter().filter(sound).count();
            if found > best {
                (best, self.segment, self.slots) = (found, 1 << power, slots);
            }
        }
        Ok(())
    }

    fn headers(&self, segment: u64) -> io::Result<Vec<Slot>> {
        let count = self.length / segment + u64::from(self.length % segment >= HEADER);
        let mut bytes = [0; 20];
        let slot = |number| {
            self.file.read_exact_at(&mut bytes, number * segment)?;
            Ok(match segment_header(&bytes) {
                Some(header) => Slot::Segment(header),
                None if bytes == [0; 20] => Slot::Empty,
                None => Slot::Broken,
            })
        };
        (0..count).map(slot).collect()
    }

    /// The segments from the one that begins with `from`, by LSN, and where each lies. None when
    /// two say that they are the same, or one cannot be where it says.
    pub fn order(&self, from: i64) -> Option<BTreeMap<i64, u64>> {
        let mut order = BTreeMap::new();
        for (number, slot) in (0..).zip(&self.slots) {
            let Slot::Segment(header) = slot else {
                continue;
            };
            if header.lsn < from {
                continue;
            }
            let known = header.lsn >= 0 && header.lsn.cast_unsigned() % self.segment == 0;
            if !known || order.insert(header.lsn, number * self.segment).is_some() {
                return None;
            }
        }
        Some(order)
    }

    /// The bytes of the segment at `offset`, as far as there are.
    pub fn bytes(&self, offset: u64) -> io::Result<Vec<u8>> {
        let length = self.segment.min(self.length.saturating_sub(offset));
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    /// The message at a place, read into `buffer`. None when there is none, or it cannot be read.
    pub fn message<'a>(&self, place: Place, buffer: &'a mut Vec<u8>) -> Option<Message<'a>> {
        let within = place.offset % self.segment;
        let fits = within >= HEADER && within <= self.segment - RED_ZONE;
        let room = self.segment - within;
        let number = place.lsn.cast_unsigned() / self.segment;
        let left = self.length.checked_sub(place.offset)?.min(room);
        if !fits || place.lsn < 0 {
            return None;
        }
        buffer.clear();
        buffer.resize(usize::try_from(left).ok()?.min(MESSAGE_HEADER), 0);
        self.file.read_exact_at(buffer, place.offset).ok()?;
        let (length, _) = message_length(buffer, left, number)?;
        buffer.resize(usize::try_from(length).ok()?, 0);
        self.file.read_exact_at(buffer, place.offset).ok()?;
        message(buffer, room, number)
    }
}

/// The messages of a segment that begins with `lsn`, from `at` on, one after the other. `visit`
/// gets each with its offset in the segment, and says whether to go on.
pub fn messages<'a>(
    bytes: &'a [u8],
    lsn: i64,
    segment: u64,
    at: u64,
    mut visit: impl FnMut(Message<'a>, u64) -> bool,
) -> End {
    let number = lsn.cast_unsigned() / segment;
    let mut at = at;
    while at <= segment - RED_ZONE {
        let rest = usize::try_from(at).ok().and_then(|at| bytes.get(at..));
        let Some(found) = rest.and_then(|rest| message(rest, segment - at, number)) else {
            return End::Open(at);
        };
        if found.kind == super::Kind::Cap {
            return End::Full;
        }
        if !visit(found, at) {
            return End::Open(at);
        }
        at += found.length;
    }
    End::Full
}

/// Where in a segment that begins with `lsn` the next message lies behind `at`.
pub fn next_message(bytes: &[u8], lsn: i64, segment: u64, at: u64) -> Option<u64> {
    let number = lsn.cast_unsigned() / segment;
    let mut spent = 0;
    for at in at + 1..=segment - RED_ZONE {
        let rest = bytes.get(usize::try_from(at).ok()?..)?;
        let Some((length, _)) = message_length(rest, segment - at, number) else {
            continue;
        };
        if message(rest, segment - at, number).is_some() {
            return Some(at);
        }
        spent += length;
        if spent > MAX_SEARCH {
            return None;
        }
    }
    None
}

/// The number of the segment to which the message at the beginning of `bytes` says that it
/// belongs, if its checksum holds.
pub fn number_of(bytes: &[u8], room: u64) -> Option<u64> {
    let mut input = super::Input(bytes.get(5..)?);
    input.number()?;
    let number = input.number()?;
    message(bytes, room, number).map(|_| number)
}

/// The segment size in sled's file of settings. None when its checksum does not hold or it is not
/// what this store writes.
pub fn settings(file: &[u8]) -> Option<u64> {
    let (body, crc) = file.split_last_chunk::<4>()?;
    if crc32fast::hash(body) != u32::from_le_bytes(*crc) {
        return None;
    }
    let text = std::str::from_utf8(body).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("segment_size: "))?;
    let segment: u64 = line.parse().ok()?;
    let known = segment.is_power_of_two() && SEGMENTS.contains(&segment.trailing_zeros());
    known.then_some(segment)
}

/// sled takes the last one by name. Half of one has another name: see `directory.rs`.
fn newest_snapshot(path: &Path) -> io::Result<Snap> {
    let mut newest: Option<PathBuf> = None;
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let whole = name.is_some_and(|name| {
            name.starts_with("snap.") && !name.ends_with(super::super::directory::HALF_WRITTEN)
        });
        if whole && newest.as_ref().is_none_or(|newest| path > *newest) {
            newest = Some(path);
        }
    }
    let Some(path) = newest else {
        return Ok(Snap::Missing);
    };
    let mut bytes = Vec::new();
    File::open(path)?
        .take(MAX_SNAPSHOT)
        .read_to_end(&mut bytes)?;
    Ok(snapshot(&bytes).map_or(Snap::Broken, Snap::Whole))
}
