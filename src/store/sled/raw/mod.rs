//! sled's files, read without sled and never written.
//!
//! Owns what the bytes of sled 0.34.7 mean: segments, messages, the snapshot and the pages. Every
//! decoder takes any bytes, allocates no more than they are long, and never panics. Does not know
//! which files there are (`log.rs`), which page is the newest (`table.rs`), or what the keys mean.
//!
//! ```text
//! segment   CRC, 4 | LSN ^ MASK, 8 | stable LSN ^ MASK, 8 | message …
//! message   CRC, 4 | kind, 1 | length | segment number | page | the body
//! node      next | merging child | merging, 1 | prefix, 1 | low key | high key | 0 = leaf |
//!           count | keys | values; or 1 = index | count | keys | pages
//! link      0 | key | value = set; 1 | key = removed; 2 | page, 3, 4 = steps of a merge
//! snapshot  stable LSN + 1, 8 | active segment + 1 | page … | length, 8 | CRC, 4
//! ```
//! Numbers without a length are of variable length, byte strings have theirs before them, and what
//! is fixed is little-endian. An LSN counts the bytes ever logged; a segment keeps its place in
//! the file until everything in it is written again elsewhere.

pub mod log;
pub mod table;

/// Bytes of a segment's header.
pub const HEADER: u64 = 20;
/// No message begins in so many last bytes of a segment.
pub const RED_ZONE: u64 = 32;
/// What sled reads of a message to find its header.
pub const MESSAGE_HEADER: usize = 128;
/// Laid over the numbers in a segment's header.
const MASK: i64 = i64::MAX;

/// Bytes that are read from the front. None says that they are not what they should be.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|byte| byte[0])
    }

    fn fixed<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    /// A number of variable length.
    pub fn number(&mut self) -> Option<u64> {
        let first = self.byte()?;
        Some(match first {
            0..=240 => u64::from(first),
            241..=248 => 240 + 256 * (u64::from(first) - 241) + u64::from(self.byte()?),
            249 => {
                let [high, low] = self.fixed()?;
                2288 + 256 * u64::from(high) + u64::from(low)
            }
            longer => {
                let mut bytes = [0; 8];
                let length = usize::from(longer) - 247;
                bytes[..length].copy_from_slice(self.take(length)?);
                u64::from_le_bytes(bytes)
            }
        })
    }

    fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    fn signed(&mut self) -> Option<i64> {
        self.fixed().map(i64::from_le_bytes)
    }

    /// `count` times what `read` reads; each takes a byte at least, so no count costs memory.
    fn many<T>(
        &mut self,
        count: u64,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let mut found = Vec::new();
        for _ in 0..count {
            found.push(read(self)?);
        }
        Some(found)
    }
}

/// What a segment's header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The LSN of the segment's first byte.
    pub lsn: i64,
    /// Everything below was written when the segment began.
    pub stable: i64,
}

/// The header of a segment. None when its checksum does not hold.
pub fn segment_header(bytes: &[u8]) -> Option<SegmentHeader> {
    let mut input = Input(bytes);
    let crc = u32::from_le_bytes(input.fixed()?);
    let (lsn, stable) = (input.signed()? ^ MASK, input.signed()? ^ MASK);
    let holds = crc32fast::hash(bytes.get(4..20)?) == !crc;
    holds.then_some(SegmentHeader { lsn, stable })
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Was given up before it was complete.
    Cancelled,
    /// Fills the segment: nothing follows.
    Cap,
    /// Until this LSN all of a batch must be there, or none of it counts.
    Batch,
    /// The page is free.
    Free,
    /// The page with the counter of identifiers.
    Counter,
    /// The page with the roots of the trees.
    Meta,
    /// A whole node of a tree.
    Node,
    /// A change of a node.
    Link,
    /// Its body lies in a file of its own, which this store never makes.
    Elsewhere,
}

/// A message whose checksum holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is.
    pub kind: Kind,
    /// The page it belongs to.
    pub page: u64,
    /// The body.
    pub body: &'a [u8],
    /// Bytes of the whole message.
    pub length: u64,
}

/// How long a message is that begins here, and at which byte its body begins, if its header can be
/// true: `room` bytes are left in the segment of this `number`.
pub fn message_length(bytes: &[u8], room: u64, number: u64) -> Option<(u64, usize)> {
    let before = bytes.get(..bytes.len().min(MESSAGE_HEADER))?;
    let mut input = Input(before);
    input.take(4)?;
    let kind = input.byte()?;
    let body = input.number()?;
    let found = input.number()?;
    input.number()?;
    let header = before.len() - input.0.len();
    let length = body.checked_add(header as u64)?;
    let holds = (1..=11).contains(&kind) && found == number && length <= room;
    holds.then_some((length, header))
}

/// The message at the beginning of `bytes`: `room` bytes are left in the segment of this `number`.
/// None when there is none, or its checksum does not hold.
pub fn message(bytes: &[u8], room: u64, number: u64) -> Option<Message<'_>> {
    let (length, header) = message_length(bytes, room, number)?;
    let bytes = bytes.get(..usize::try_from(length).ok()?)?;
    let (head, body) = bytes.split_at_checked(header)?;
    let mut input = Input(head);
    let crc = u32::from_le_bytes(input.fixed()?);
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(body);
    hasher.update(head.get(4..)?);
    if hasher.finalize() != !crc {
        return None;
    }
    let kind = match input.byte()? {
        1 => Kind::Cancelled,
        2 => Kind::Cap,
        3 => Kind::Batch,
        4 => Kind::Free,
        5 => Kind::Counter,
        6 => Kind::Meta,
        8 => Kind::Node,
        10 => Kind::Link,
        _ => Kind::Elsewhere,
    };
    input.number()?;
    input.number()?;
    let page = input.number()?;
    Some(Message {
        kind,
        page,
        body,
        length,
    })
}

/// Where a message lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its LSN.
    pub lsn: i64,
    /// Its offset in the file.
    pub offset: u64,
}

/// Of which messages a page consists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// A whole state, and changes that are laid over it in order.
    Present(Place, Vec<Place>),
    /// It is free since this message.
    Free(Place),
}

/// Which pages there were at some LSN.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Up to here the log is contained.
    pub stable: Option<i64>,
    /// Where the segment lies that was being written.
    pub active: Option<u64>,
    /// The pages; a page's number is its place.
    pub pages: Vec<Page>,
}

/// A snapshot file. None when its checksum does not hold, or it is none.
pub fn snapshot(file: &[u8]) -> Option<Snapshot> {
    let (rest, crc) = file.split_last_chunk::<4>()?;
    let (body, _) = rest.split_last_chunk::<8>()?;
    if body.is_empty() || crc32fast::hash(body) != u32::from_le_bytes(*crc) {
        return None;
    }
    let mut input = Input(body);
    let stable = match input.signed()? {
        0 => None,
        negative if negative < 0 => Some(negative),
        raised => Some(raised - 1),
    };
    let active = input.number()?.checked_sub(1);
    let mut pages = Vec::new();
    while !input.0.is_empty() {
        pages.push(page(&mut input)?);
    }
    Some(Snapshot {
        stable,
        active,
        pages,
    })
}

fn page(input: &mut Input<'_>) -> Option<Page> {
    let place = |input: &mut Input<'_>| {
        let lsn = input.signed()?;
        let elsewhere = input.byte()?;
        let offset = input.number()?;
        if elsewhere != 0 {
            input.signed()?;
        }
        Some(Place { lsn, offset })
    };
    let sized = |input: &mut Input<'_>| {
        let found = place(input)?;
        input.number()?;
        Some(found)
    };
    match input.byte()? {
        0 => place(input).map(Page::Free),
        count => {
            let base = sized(input)?;
            let links = input.many(u64::from(count) - 1, sized)?;
            Some(Page::Present(base, links))
        }
    }
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Keys, without the prefix, and their values.
    Leaf(Vec<(Vec<u8>, Vec<u8>)>),
    /// Keys, without the prefix, and from each on the page with what is there.
    Index(Vec<(Vec<u8>, u64)>),
}

/// A node of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The page to the right, 0 for none.
    pub next: u64,
    /// What all its keys begin with.
    pub prefix: Vec<u8>,
    /// Its first key is not below this.
    pub low: Vec<u8>,
    /// All its keys are below this; empty = there is no bound.
    pub high: Vec<u8>,
    /// What it holds.
    pub data: Data,
    /// The child that is being merged into its left neighbour, 0 for none.
    merged: u64,
}

/// The node in the body of a message.
pub fn node(body: &[u8]) -> Option<Node> {
    let mut input = Input(body);
    let (next, merged) = (input.number()?, input.number()?);
    let [_, prefix] = input.fixed()?;
    let (low, high) = (input.string()?, input.string()?);
    let (kind, count) = (input.byte()?, input.number()?);
    let keys = input.many(count, Input::string)?;
    let keys = keys.into_iter().map(<[u8]>::to_vec);
    let data = match kind {
        0 => Data::Leaf(
            keys.zip(input.many(count, |input| input.string().map(<[u8]>::to_vec))?)
                .collect(),
        ),
        1 => Data::Index(keys.zip(input.many(count, Input::number)?).collect()),
        _ => return None,
    };
    Some(Node {
        next,
        prefix: low.get(..usize::from(prefix))?.to_vec(),
        low: low.to_vec(),
        high: high.to_vec(),
        data,
        merged,
    })
}

impl Node {
    /// Lays a change over the node. None when it does not fit.
    pub fn apply(&mut self, body: &[u8]) -> Option<()> {
        let mut input = Input(body);
        match (input.byte()?, &mut self.data) {
            (0, Data::Leaf(entries)) => {
                let (key, value) = (input.string()?, input.string()?.to_vec());
                match entries.binary_search_by(|(found, _)| found.as_slice().cmp(key)) {
                    Ok(at) => entries[at].1 = value,
                    Err(at) => entries.insert(at, (key.to_vec(), value)),
                }
            }
            (1, Data::Leaf(entries)) => {
                let key = input.string()?;
                if let Ok(at) = entries.binary_search_by(|(found, _)| found.as_slice().cmp(key)) {
                    entries.remove(at);
                }
            }
            (2, _) => self.merged = input.number()?,
            (3, Data::Index(children)) => {
                let merged = std::mem::take(&mut self.merged);
                children.retain(|(_, child)| *child != merged);
            }
            // Its left neighbour takes its keys over; until it is free, it keeps them.
            (4, _) => {}
            _ => return None,
        }
        Some(())
    }

    /// Where the search for `key` goes on: a page; none = here.
    pub fn toward(&self, key: &[u8]) -> Option<u64> {
        if !self.high.is_empty() && key >= self.high.as_slice() {
            return (self.next != 0).then_some(self.next);
        }
        let Data::Index(children) = &self.data else {
            return None;
        };
        let key = key.get(self.prefix.len()..).unwrap_or_default();
        let after = children.partition_point(|(from, _)| from.as_slice() <= key);
        let (_, child) = children.get(after.checked_sub(1)?)?;
        Some(*child)
    }
}

/// The root page of the tree in which the store lies, from the body of the meta page.
pub fn root(body: &[u8]) -> Option<u64> {
    let mut input = Input(body);
    while !input.0.is_empty() {
        let (name, page) = (input.string()?, input.number()?);
        if name == b"__sled__default" {
            return Some(page);
        }
    }
    None
}
