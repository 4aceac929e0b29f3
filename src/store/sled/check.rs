//! May sled open this database? It is asked before sled touches it.
//!
//! Owns the answer. sled repairs while it opens: what it cannot follow it takes for the end of the
//! log and fills with zeros, and on some damage it panics halfway. So the files are read first,
//! the way sled's recovery reads them, without changing a byte:
//!
//! | found | what is done |
//! |---|---|
//! | all that opening needs | sled opens it |
//! | what no kill and no power cut leaves: a header, snapshot or page table that is not whole | it is left as it is |
//! | less than was there when it was closed in order | likewise |
//! | an older segment that breaks off: damage, or a freed one that was being written over | sled opens a copy, and every byte of that is read; the database is opened if nothing is wrong there, or if there is no room for a copy, and otherwise left as it is |
//!
//! A header is whole or was never written, because it lies within one sector. Unreadable bytes at
//! the very end of the log say nothing: a kill or a power cut leaves them there, of groups that
//! were never confirmed. Only a note that the store was closed in order tells them from damage.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::copy::copy_to;
use super::directory::{Directory, OpenError, Tried, left_alone, sync_directory, write_synced};
use super::disk::MARKER;
use super::raw::log::{End, Image, Slot, Snap, messages};
use super::raw::table::Table;
use super::raw::{HEADER, Kind, Page, Place, Snapshot};
use super::settings::{Settings, SyncFile};
use super::survey::survey;
use super::value;

/// Where a copy is opened first.
const TRIAL: &str = "trial";
/// In the database's directory: where the log ended when it was closed in order.
const CLOSED: &str = "closed";
/// sled counts the changes of a page in a byte.
const MAX_LINKS: usize = 254;

/// Why sled may not open it without losing something.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fault {
    /// No kill and no power cut leaves it like this.
    Damage(String),
    /// A power cut can have left it like this.
    Doubt(String),
}

/// What the files say.
#[derive(Debug, PartialEq, Eq)]
pub struct Examined {
    /// The LSN of the newest segment.
    newest: i64,
    /// Where the log ends.
    reached: Result<i64, Fault>,
}

/// Lets nothing pass that sled cannot open, and then leaves every byte of it as it was.
pub fn admit(directory: &Directory, settings: &Settings) -> Result<(), OpenError> {
    let database = directory.database();
    if !database.exists() {
        return Ok(());
    }
    remove_trial(directory)?;
    let found = nothing_gone(&database)?;
    if let Err(Fault::Doubt(doubt)) = found.reached {
        tracing::warn!(%doubt, "the database is doubtful: a copy of it is opened first");
        let tried = tried(directory, settings);
        remove_trial(directory)?;
        match tried {
            Ok(None) => {}
            Ok(Some(fault)) => {
                let reason = format!("{doubt}; opened as a copy: {fault}");
                return Err(left_alone(&database, reason));
            }
            // A full disk must not keep a database closed that a power cut has left like this,
            // which is by far the likeliest.
            Err(error) => tracing::warn!(%error, "no copy could be tried: it is opened as it is"),
        }
    }
    let note = database.join(CLOSED);
    match fs::remove_file(&note) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed
            .tried("remove", &note)
            .and_then(|()| sync_directory(&database)),
    }
}

/// Fails when it is certain that something is damaged: no power cut leaves it like this, or it was
/// there when the database was closed in order.
pub fn nothing_gone(database: &Path) -> Result<Examined, OpenError> {
    let found = examine(database).tried("read the database", database)?;
    // A note that is older than the log was left by a program that does not know of it.
    let closed = closed_at(database).filter(|closed| found.newest <= *closed);
    let reason = match (&found.reached, closed) {
        (Err(Fault::Damage(damage)), _) | (Err(Fault::Doubt(damage)), Some(_)) => damage.clone(),
        (Ok(reached), Some(closed)) if *reached < closed => {
            format!(
                "the last {} bytes of its log cannot be read",
                closed - reached
            )
        }
        _ => return Ok(found),
    };
    Err(left_alone(database, reason))
}

/// Notes in a database that was just closed where its log ends. Without the note, damage at the
/// end of the log is taken for what a kill leaves there.
pub fn note_closed(database: &Path, sync: &SyncFile) {
    let Ok(Some(reached)) = end_of(database) else {
        return;
    };
    // sled writes on while it closes, and the note must not be on the disk before all it counts.
    let synced = File::open(database.join("db")).and_then(|log| sync.call(&log));
    if synced.is_err() {
        return;
    }
    let mut note = reached.to_be_bytes().to_vec();
    note.extend_from_slice(&crc32fast::hash(&note).to_be_bytes());
    // Half a note is none.
    if let Err(error) = write_synced(&database.join(CLOSED), &note) {
        tracing::warn!(%error, "the end of the database cannot be noted");
    }
}

fn end_of(database: &Path) -> io::Result<Option<i64>> {
    let image = Image::open(database)?;
    let Snap::Whole(snapshot) = &image.snapshot else {
        return Ok(None);
    };
    Ok(tail(&image, snapshot).ok().map(|tail| tail.end + 1))
}

fn closed_at(database: &Path) -> Option<i64> {
    let note = fs::read(database.join(CLOSED)).ok()?;
    let (reached, crc) = note.split_first_chunk::<8>()?;
    let holds = crc == crc32fast::hash(reached).to_be_bytes();
    holds.then(|| i64::from_be_bytes(*reached))
}

fn remove_trial(directory: &Directory) -> Result<(), OpenError> {
    let path = directory.join(TRIAL);
    match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).tried("remove", &path),
        _ => Ok(()),
    }
}

/// What is wrong with a copy that sled has opened, if anything is.
fn tried(directory: &Directory, settings: &Settings) -> Result<Option<String>, OpenError> {
    let trial: PathBuf = directory.join(TRIAL);
    copy_to(&directory.join(""), &trial, |_| {})?;
    Ok(match survey(&trial, settings, |_| {}) {
        Err(OpenError::Damaged { reason, .. }) => Some(reason),
        Err(error) => return Err(error),
        Ok(found) => found.faults.named().first().cloned(),
    })
}

/// Reads what sled would read.
fn examine(database: &Path) -> io::Result<Examined> {
    let missing = |name: &str| {
        Ok(Examined {
            newest: 0,
            reached: Err(Fault::Damage(format!("its file {name} is missing"))),
        })
    };
    let image = match Image::open(database) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return missing("db"),
        image => image?,
    };
    let lsn = |slot: &Slot| match slot {
        Slot::Segment(header) => header.lsn,
        Slot::Empty | Slot::Broken => 0,
    };
    let newest = image.slots.iter().map(lsn).max().unwrap_or_default();
    let reached = match recover(&image) {
        Ok(reached) => Ok(reached),
        Err(Stop::Io(error)) => return Err(error),
        Err(Stop::Found(fault)) => Err(fault),
    };
    Ok(Examined { newest, reached })
}

#[derive(Debug)]
enum Stop {
    Io(io::Error),
    Found(Fault),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<&str> for Stop {
    fn from(text: &str) -> Self {
        Self::Found(Fault::Damage(text.to_owned()))
    }
}

/// The way sled's recovery takes, up to the record of the last commit. Gives the end of the log.
fn recover(image: &Image) -> Result<i64, Stop> {
    if !image.settings {
        return Err("its file conf is damaged".into());
    }
    let snapshot = match &image.snapshot {
        Snap::Missing => &Snapshot::default(),
        Snap::Broken => return Err("its snapshot is damaged".into()),
        Snap::Whole(snapshot) => snapshot,
    };
    if let Some(number) = image.slots.iter().position(|slot| *slot == Slot::Broken) {
        let damage = at(image, number as u64 * image.segment, 0);
        return Err(Stop::Found(Fault::Damage(damage)));
    }
    let (table, reached) = follow(image, snapshot)?;
    holds_together(image, &table)?;
    let root = table.root(image).ok_or("its root cannot be read")?;
    for key in [b"redo!".as_slice(), b"redo/"] {
        let found = table.get(image, root, key);
        found.ok_or("the page of its unfinished groups cannot be read")?;
    }
    let marker = table.get(image, root, MARKER).flatten();
    let marker = marker.ok_or("the record of its last commit is missing or cannot be read")?;
    match value::decode(&marker) {
        Ok((_, value::Stem::Inline(live))) if live.len() == 8 => Ok(reached),
        _ => Err("the record of its last commit is damaged".into()),
    }
}

fn at(image: &Image, segment: u64, within: u64) -> String {
    format!(
        "the segment at byte {segment} of db ({} bytes long) is damaged {within} bytes behind its \
         beginning",
        image.segment
    )
}

/// The log from the snapshot on, and where it ends.
fn follow(image: &Image, snapshot: &Snapshot) -> Result<(Table, i64), Stop> {
    let stable = snapshot.stable.unwrap_or(0);
    let Tail {
        order,
        written,
        end,
    } = tail(image, snapshot)?;
    let mut table = Table::new(snapshot);
    let mut reached = None;
    let mut stopped = false;
    for (lsn, offset) in &order {
        if stopped || *lsn > end {
            break;
        }
        let bytes = image.bytes(*offset)?;
        let mut now = lsn + HEADER.cast_signed();
        let ended = messages(&bytes, *lsn, image.segment, HEADER, |found, within| {
            let place = Place {
                lsn: lsn + within.cast_signed(),
                offset: offset + within,
            };
            let torn = found.kind == Kind::Batch && until(found.body).is_none_or(|last| last > end);
            stopped = place.lsn > end || torn;
            if !stopped {
                now = place.lsn + found.length.cast_signed();
                if place.lsn >= stable {
                    table.apply(found.kind, found.page, place);
                }
            }
            !stopped
        });
        reached = Some(now);
        if let End::Open(within) = ended
            && *lsn < written
        {
            // A freed segment that was being written over looks like this as well.
            return Err(Stop::Found(Fault::Doubt(at(image, *offset, within))));
        }
    }
    match reached {
        Some(reached) if reached < stable => Err("its log ends before its snapshot".into()),
        None if snapshot.active.is_some() => Err("the last segment of its log is missing".into()),
        _ => Ok((table, end + 1)),
    }
}

/// The end of the log.
struct Tail {
    /// The segments behind the snapshot, by LSN, and where each lies.
    order: BTreeMap<i64, u64>,
    /// From this segment on, what is unreadable was never confirmed.
    written: i64,
    /// The last LSN that belongs to the log.
    end: i64,
}

fn tail(image: &Image, snapshot: &Snapshot) -> Result<Tail, Stop> {
    let segment = image.segment.cast_signed();
    let stable = snapshot.stable.unwrap_or(0);
    if stable < 0 {
        return Err("its snapshot contradicts itself".into());
    }
    let from = stable / segment * segment;
    let order = image.order(from);
    let order = order.ok_or("two of its segments claim the same place in the log")?;
    let early = |(lsn, offset): (&i64, &u64)| lsn.cast_unsigned() < *offset;
    if order.iter().any(early) {
        return Err("one of its segments lies where it cannot".into());
    }
    let stables = image.slots.iter().filter_map(|slot| match slot {
        Slot::Segment(header) if header.lsn >= from => Some(header.stable),
        _ => None,
    });
    let written = stables.fold(from, i64::max).max(0) / segment * segment;
    let end = end_of_tail(image, &order, written)?;
    Ok(Tail {
        order,
        written,
        end,
    })
}

/// The last LSN that belongs to the log: segments from `written` on must follow each other, and
/// messages too.
fn end_of_tail(image: &Image, order: &BTreeMap<i64, u64>, written: i64) -> Result<i64, Stop> {
    let mut expected = written;
    let mut reached = 0;
    for (lsn, offset) in order.range(written..) {
        if *lsn != expected {
            break;
        }
        expected += image.segment.cast_signed();
        let bytes = image.bytes(*offset)?;
        reached = lsn + HEADER.cast_signed();
        let ended = messages(&bytes, *lsn, image.segment, HEADER, |found, within| {
            reached = lsn + (within + found.length).cast_signed();
            true
        });
        if ended != End::Full {
            break;
        }
    }
    Ok(reached - 1)
}

fn until(batch: &[u8]) -> Option<i64> {
    batch.try_into().map(i64::from_le_bytes).ok()
}

/// What sled takes for granted of the page table, and stops without.
fn holds_together(image: &Image, table: &Table) -> Result<(), Stop> {
    let last = table.pages.last_key_value().map(|(page, _)| *page);
    if last.is_some_and(|last| last >= table.pages.len() as u64) {
        return Err("pages of it are missing".into());
    }
    let many = |page: &Page| matches!(page, Page::Present(_, links) if links.len() > MAX_LINKS);
    if table.pages.values().any(many) {
        return Err("a page of it was changed too often".into());
    }
    let segment = image.segment;
    for place in table.places() {
        let number = usize::try_from(place.offset / segment).unwrap_or(usize::MAX);
        let holds = match image.slots.get(number) {
            Some(Slot::Segment(header)) => {
                header.lsn / segment.cast_signed() == place.lsn / segment.cast_signed()
            }
            _ => false,
        };
        if !holds {
            let damage = at(image, number as u64 * segment, 0);
            return Err(Stop::Found(Fault::Damage(damage)));
        }
    }
    Ok(())
}
