//! What can still be read of a database that sled cannot open.
//!
//! Owns reading the raw files as far as they go: every segment, every page that is whole, every
//! value whose checksum holds. Opens nothing for writing. Does not know what the records mean.
//!
//! What is found was written once, and checksums hold for all of it. It need not be the newest:
//! behind every unreadable stretch a change can be lost, so that what was before it is found
//! again, and even a key that was removed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::block;
use super::compact::Progress;
use super::copy::must_exist;
use super::directory::{Directory, OpenError, Tried};
use super::disk::{MARKER, first_of, kept_end};
use super::raw::log::{End, Image, Slot, Snap, messages, next_message, number_of};
use super::raw::table::Table;
use super::raw::{Data, HEADER, Place};
use super::value::{self, Stem};
use crate::id::{AccountId, Seq};
use crate::store::{Faults, Message};

/// Something that can be read.
#[derive(Debug)]
pub enum Found<'a> {
    /// A record.
    Record(&'a str, Bytes),
    /// A block of an account's log.
    Block(AccountId, Vec<Arc<Message>>),
    /// The last message that the account's log had.
    End(AccountId, Seq),
}

/// What there was to be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Salvaged {
    /// Where the database lies.
    pub database: PathBuf,
    /// Bytes of its file.
    pub file: u64,
    /// Bytes of a segment.
    pub segment: u64,
    /// Segments that are wholly readable.
    pub whole: u64,
    /// Segments of which a part is not.
    pub torn: u64,
    /// Segments that cannot be read at all.
    pub broken: u64,
    /// Segments that hold nothing.
    pub empty: u64,
    /// Bytes between readable ones that are not.
    pub unreadable: u64,
    /// Pages that are whole.
    pub pages: u64,
    /// Pages of which something is missing.
    pub lost_pages: u64,
    /// Keys with a whole value.
    pub keys: u64,
    /// What is missing.
    pub faults: Faults,
}

/// Reads the closed database in the data directory `path`, and gives `visit` everything that is
/// whole, in the order of the keys.
pub fn salvage(
    path: &Path,
    mut progress: impl FnMut(Progress),
    visit: &mut dyn FnMut(Found<'_>),
) -> Result<Salvaged, OpenError> {
    must_exist(path)?;
    let directory = Directory::lock(path)?;
    let names = ["db", "db.old"].map(|name| directory.join(name));
    let database = names.iter().find(|path| path.exists());
    let database = database.unwrap_or(&names[0]);
    let image = Image::open(database).tried("read the database", database)?;
    let mut found = Salvaged {
        database: database.clone(),
        file: image.length,
        segment: image.segment,
        ..Salvaged::default()
    };
    let table = replay(&image, &mut found, &mut progress);
    let leaves = leaves(&image, &table, &mut found, &mut progress);
    Gather {
        found: &mut found,
        visit,
        open: None,
    }
    .walk(&image, &table, &leaves, &mut progress);
    Ok(found)
}

/// The pages, from the snapshot and every message behind it that can be read.
fn replay(image: &Image, found: &mut Salvaged, progress: &mut dyn FnMut(Progress)) -> Table {
    let (mut table, stable) = match &image.snapshot {
        Snap::Whole(snapshot) => (Table::new(snapshot), snapshot.stable.unwrap_or(0)),
        Snap::Missing => (Table::default(), 0),
        Snap::Broken => {
            found
                .faults
                .add("the snapshot is damaged; the log is read from its beginning");
            (Table::default(), 0)
        }
    };
    if !image.settings {
        let text = format!(
            "conf is damaged; segments of {} bytes fit best",
            image.segment
        );
        found.faults.add(text);
    }
    let mut order = Vec::new();
    for (number, slot) in (0..).zip(&image.slots) {
        let offset = number * image.segment;
        match slot {
            Slot::Empty => found.empty += 1,
            Slot::Segment(header) if fits(header.lsn, image.segment) => {
                order.push((header.lsn, offset));
            }
            Slot::Segment(_) | Slot::Broken => {
                let lsn = lsn_of(image, offset);
                order.extend(lsn.map(|lsn| (lsn, offset)));
                found.broken += u64::from(lsn.is_none());
                let what = lsn.map_or("cannot be read", |_| "has no readable header");
                let text = format!("the segment at byte {offset} {what}");
                found.faults.add(text);
            }
        }
    }
    order.sort_unstable();
    let newest = order.last().map(|(lsn, _)| *lsn);
    for (read, (lsn, offset)) in (0..).zip(&order) {
        progress(Progress {
            copied: read * image.segment,
            live: image.length,
        });
        let segment = Segment {
            lsn: *lsn,
            offset: *offset,
            last: newest == Some(*lsn),
        };
        segment.read(image, stable, &mut table, found);
    }
    table
}

fn fits(lsn: i64, segment: u64) -> bool {
    lsn >= 0 && lsn.cast_unsigned().is_multiple_of(segment)
}

/// A segment whose header is gone says in its first message which one it is.
fn lsn_of(image: &Image, offset: u64) -> Option<i64> {
    let bytes = image.bytes(offset).ok()?;
    let number = number_of(bytes.get(20..)?, image.segment - HEADER)?;
    number
        .checked_mul(image.segment)
        .and_then(|lsn| i64::try_from(lsn).ok())
}

struct Segment {
    lsn: i64,
    offset: u64,
    /// Nothing was written behind it.
    last: bool,
}

impl Segment {
    fn read(&self, image: &Image, stable: i64, table: &mut Table, found: &mut Salvaged) {
        let Ok(bytes) = image.bytes(self.offset) else {
            found.broken += 1;
            let text = format!("the disk does not give the segment at byte {}", self.offset);
            return found.faults.add(text);
        };
        let (mut at, mut torn) = (HEADER, false);
        loop {
            let ended = messages(&bytes, self.lsn, image.segment, at, |message, within| {
                let place = Place {
                    lsn: self.lsn.saturating_add(within.cast_signed()),
                    offset: self.offset + within,
                };
                if place.lsn >= stable {
                    table.apply(message.kind, message.page, place);
                }
                true
            });
            let End::Open(stopped) = ended else { break };
            let next = next_message(&bytes, self.lsn, image.segment, stopped);
            if next.is_none() && self.last {
                break;
            }
            let end = next.unwrap_or(image.segment);
            torn = true;
            found.unreadable += end - stopped;
            found.faults.add(format!(
                "{} bytes from byte {} on cannot be read",
                end - stopped,
                self.offset + stopped
            ));
            match next {
                Some(next) => at = next,
                None => break,
            }
        }
        if torn {
            found.torn += 1;
        } else {
            found.whole += 1;
        }
    }
}

/// A page with keys.
struct Leaf {
    low: Vec<u8>,
    high: Vec<u8>,
    page: u64,
}

/// The pages with keys, in the order of the keys.
fn leaves(
    image: &Image,
    table: &Table,
    found: &mut Salvaged,
    progress: &mut dyn FnMut(Progress),
) -> Vec<Leaf> {
    let all = table.pages.len() as u64;
    let mut leaves = Vec::new();
    for (read, page) in (0..).zip(table.pages.keys()) {
        if read % 1024 == 0 {
            progress(Progress {
                copied: read,
                live: all,
            });
        }
        if !table.holds_node(*page) {
            continue;
        }
        let Some(node) = table.node(image, *page) else {
            found.lost_pages += 1;
            continue;
        };
        found.pages += 1;
        if matches!(node.data, Data::Leaf(_)) {
            leaves.push(Leaf {
                low: node.low,
                high: node.high,
                page: *page,
            });
        }
    }
    if found.lost_pages > 0 {
        let text = format!("{} pages are not whole", found.lost_pages);
        found.faults.add(text);
    }
    leaves.sort_unstable_by(|a, b| a.low.cmp(&b.low));
    leaves
}

/// Puts values together from their pieces.
struct Gather<'a> {
    found: &'a mut Salvaged,
    visit: &'a mut dyn FnMut(Found<'_>),
    open: Option<Open>,
}

/// A value that lies in parts.
struct Open {
    key: Vec<u8>,
    length: usize,
    crc: u32,
    parts: Vec<Vec<u8>>,
}

impl Gather<'_> {
    fn walk(
        mut self,
        image: &Image,
        table: &Table,
        leaves: &[Leaf],
        progress: &mut dyn FnMut(Progress),
    ) {
        // Every key below this was met; none = every key there can be.
        let mut met: Option<Vec<u8>> = Some(Vec::new());
        for (read, leaf) in (0..).zip(leaves) {
            if read % 1024 == 0 {
                progress(Progress {
                    copied: read,
                    live: leaves.len() as u64,
                });
            }
            let Some(from) = met.clone() else { break };
            if leaf.low > from {
                self.gap(&from, Some(&leaf.low));
            }
            let node = table.node(image, leaf.page);
            let Some((prefix, Data::Leaf(entries))) = node.map(|node| (node.prefix, node.data))
            else {
                continue;
            };
            for (rest, stored) in entries {
                let key = [prefix.as_slice(), &rest].concat();
                // An older page can still hold what a newer one took over.
                if key >= from {
                    self.entry(&key, &stored);
                }
            }
            met = (!leaf.high.is_empty()).then(|| leaf.high.clone().max(from));
        }
        self.close();
        if let Some(from) = met {
            self.gap(&from, None);
        }
    }

    fn gap(&mut self, from: &[u8], to: Option<&[u8]>) {
        let text = |key: &[u8]| format!("{:.80}", String::from_utf8_lossy(key));
        self.found.faults.add(match to {
            Some(to) => format!("keys from '{}' to '{}' are lost", text(from), text(to)),
            None => format!("keys from '{}' on are lost", text(from)),
        });
    }

    fn entry(&mut self, key: &[u8], stored: &[u8]) {
        if value::is_part(key) {
            let next = self.open.as_mut().filter(|open| {
                u32::try_from(open.parts.len())
                    .is_ok_and(|number| key == value::part_key(&open.key, number))
            });
            match next {
                Some(open) => open.parts.push(stored.to_vec()),
                None => self.fault(value::owner(key), "a part of it is left"),
            }
            return;
        }
        self.close();
        if key == MARKER {
            return;
        }
        if key.starts_with(b"redo") {
            return self.fault(key, "a group of changes was under way");
        }
        match value::decode(stored) {
            Ok((_, Stem::Inline(inline))) => self.whole(key, Bytes::copy_from_slice(inline)),
            Ok((_, Stem::Cut { length, crc })) => {
                self.open = Some(Open {
                    key: key.to_vec(),
                    length,
                    crc,
                    parts: Vec::new(),
                });
            }
            Err(_) => self.fault(key, "its value is damaged"),
        }
    }

    /// The value that lies in parts has all of them by now.
    fn close(&mut self) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        let stem = Stem::Cut {
            length: open.length,
            crc: open.crc,
        };
        let part = |number| {
            let part = usize::try_from(number)
                .ok()
                .and_then(|number| open.parts.get_mut(number));
            Ok(part.map(std::mem::take))
        };
        match value::whole(stem, part) {
            Ok(value) => self.whole(&open.key, value),
            Err(_) => self.fault(&open.key, "its value is not whole"),
        }
    }

    fn whole(&mut self, key: &[u8], value: Bytes) {
        let Ok(text) = std::str::from_utf8(key) else {
            return self.fault(key, "the key is not text");
        };
        if let Some(account) = text.strip_prefix("meta/log/") {
            match (account.parse(), kept_end(&value)) {
                (Ok(account), Some(last)) => (self.visit)(Found::End(account, last)),
                _ => return self.fault(key, "it does not decode"),
            }
        } else if let Some(place) = text.strip_prefix("log/") {
            let account = place.split('/').next().and_then(|text| text.parse().ok());
            let messages = block::unpack(&value).ok();
            let (Some(account), Some(messages)) = (account, messages) else {
                return self.fault(key, "its messages are damaged");
            };
            if messages.first().map(|message| message.seq()) != first_of(key) {
                return self.fault(key, "it does not begin with its message");
            }
            (self.visit)(Found::Block(account, messages));
        } else {
            (self.visit)(Found::Record(text, value));
        }
        self.found.keys += 1;
    }

    fn fault(&mut self, key: &[u8], what: &str) {
        let key = String::from_utf8_lossy(key);
        self.found.faults.add(format!("{key}: {what}"));
    }
}
