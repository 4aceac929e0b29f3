//! The blocks of a run: sorted postings, packed.
//!
//! Owns the bytes. A posting is a term (a field, and the text from some character on, cut) and
//! the id of the entity that has it. Pure. Does not know where texts come from.
//!
//! ```text
//! block   bytes of the last posting before the block, varint | that posting | group …
//! group   bytes shared with the term before, 1 | other bytes, 1 | these | id, varint
//!         | if MANY is set in the second byte: what each next id is more, varint … | 0
//! posting the term | 0x00 | id, 8 bytes, big-endian
//! ```
//! No text has 0x00 in it, so postings sort as bytes do. A block names the posting under which the
//! one before it is stored, so that a lost block is noticed.

/// Bytes of a block at most: with its key it must fit into one value of the store.
const MAX_BLOCK: usize = 4000;
/// Bytes of a term at most: the field and sixteen characters.
const MAX_TERM: usize = 1 + 16 * 4;
/// What one more posting takes at most.
const MAX_STEP: usize = MAX_TERM + 2 + 10 + 1;
/// There are several ids under the term.
const MANY: u8 = 0x80;

/// Appends a number, seven bits a byte, the lowest first.
pub fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        // The lowest byte, so nothing is cut off that is not written next.
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Takes a number away from the front of `bytes`.
pub fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        let shifted = bits << shift;
        if shifted >> shift != bits {
            return None;
        }
        number |= shifted;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// A posting as bytes that sort as postings do.
pub fn posting(term: &[u8], id: u64) -> Vec<u8> {
    [term, &[0], &id.to_be_bytes()].concat()
}

/// A finished block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Its last posting.
    pub end: Vec<u8>,
    /// What is stored.
    pub bytes: Vec<u8>,
}

/// Packs postings, which come in order and each once.
#[derive(Debug, Default)]
pub struct Packer {
    bytes: Vec<u8>,
    term: Vec<u8>,
    id: u64,
    /// Where the second byte of the current group is.
    group: usize,
    is_many: bool,
}

impl Packer {
    /// Takes a posting. Gives the block that is full without it.
    pub fn push(&mut self, term: &[u8], id: u64) -> Option<Block> {
        let is_full = self.bytes.len() + MAX_STEP > MAX_BLOCK;
        let full = is_full.then(|| self.finish()).flatten();
        if !self.bytes.is_empty() && self.term == term {
            self.is_many = true;
            self.bytes[self.group] |= MANY;
            put_varint(&mut self.bytes, id.wrapping_sub(self.id));
        } else {
            self.open(term, id, full.as_ref());
        }
        self.id = id;
        full
    }

    fn open(&mut self, term: &[u8], id: u64, before: Option<&Block>) {
        if self.bytes.is_empty() {
            let before = before.map_or(&[][..], |block| &block.end);
            put_varint(&mut self.bytes, before.len() as u64);
            self.bytes.extend_from_slice(before);
            self.term.clear();
        }
        self.close();
        let pairs = self.term.iter().zip(term);
        let shared = pairs.take_while(|(one, other)| one == other).count();
        let rest = &term[shared..];
        for length in [shared, rest.len()] {
            // Terms are shorter than 128 bytes.
            self.bytes.push(u8::try_from(length).unwrap_or(MANY - 1));
        }
        self.group = self.bytes.len() - 1;
        self.bytes.extend_from_slice(rest);
        put_varint(&mut self.bytes, id);
        self.term.truncate(shared);
        self.term.extend_from_slice(rest);
    }

    fn close(&mut self) {
        if std::mem::take(&mut self.is_many) {
            self.bytes.push(0);
        }
    }

    /// What is left as the last block; none if nothing is.
    pub fn finish(&mut self) -> Option<Block> {
        self.close();
        let bytes = std::mem::take(&mut self.bytes);
        let end = posting(&self.term, self.id);
        (!bytes.is_empty()).then_some(Block { end, bytes })
    }
}

/// The block is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damaged;

/// Reads the postings of a block one by one.
#[derive(Debug, Default)]
pub struct Postings<B> {
    block: B,
    at: usize,
    is_many: bool,
    /// The current one.
    pub term: Vec<u8>,
    /// The current one.
    pub id: u64,
}

/// The last posting before a block, empty if there is none, and where the block's own begin.
fn opening(block: &[u8]) -> Option<(&[u8], usize)> {
    let mut rest = block;
    let length = usize::try_from(take_varint(&mut rest)?).ok()?;
    let (before, rest) = rest.split_at_checked(length)?;
    Some((before, block.len() - rest.len()))
}

impl<B: AsRef<[u8]>> Postings<B> {
    /// Before the first posting.
    pub fn new(block: B) -> Result<Self, Damaged> {
        let (_, at) = opening(block.as_ref()).ok_or(Damaged)?;
        Ok(Self {
            block,
            at,
            is_many: false,
            term: Vec::new(),
            id: 0,
        })
    }

    /// Goes on to the next posting. Whether there is one.
    pub fn advance(&mut self) -> Result<bool, Damaged> {
        self.step().ok_or(Damaged)
    }

    fn step(&mut self) -> Option<bool> {
        let block = self.block.as_ref();
        let mut rest = &block[self.at..];
        if self.is_many {
            let more = take_varint(&mut rest)?;
            self.at = block.len() - rest.len();
            if more != 0 {
                self.id = self.id.checked_add(more)?;
                return Some(true);
            }
            self.is_many = false;
        }
        if rest.is_empty() {
            return Some(false);
        }
        let (shared, after) = rest.split_first()?;
        let (length, after) = after.split_first()?;
        let (own, mut after) = after.split_at_checked(usize::from(length & !MANY))?;
        let shared = usize::from(*shared);
        if shared > self.term.len() {
            return None;
        }
        self.term.truncate(shared);
        self.term.extend_from_slice(own);
        self.id = take_varint(&mut after)?;
        self.is_many = length & MANY != 0;
        self.at = block.len() - after.len();
        Some(true)
    }
}

/// What a block says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ends {
    /// The last posting before it; none if it is the first block.
    pub before: Option<Vec<u8>>,
    /// Its own last posting.
    pub last: Vec<u8>,
}

/// Reads a block whole.
pub fn check(block: &[u8]) -> Result<Ends, Damaged> {
    let (before, _) = opening(block).ok_or(Damaged)?;
    let mut postings = Postings::new(block)?;
    let mut last = before.to_vec();
    while postings.advance()? {
        let next = posting(&postings.term, postings.id);
        if next <= last || postings.term.len() > MAX_TERM {
            return Err(Damaged);
        }
        last = next;
    }
    let is_empty = last == before;
    let before = (!before.is_empty()).then(|| before.to_vec());
    if is_empty {
        Err(Damaged)
    } else {
        Ok(Ends { before, last })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(postings: &[(Vec<u8>, u64)]) -> Vec<Block> {
        let mut packer = Packer::default();
        let mut blocks: Vec<Block> = Vec::new();
        for (term, id) in postings {
            blocks.extend(packer.push(term, *id));
        }
        blocks.extend(packer.finish());
        blocks
    }

    fn some(rng: &mut fastrand::Rng, count: usize) -> Vec<(Vec<u8>, u64)> {
        let mut all: Vec<(Vec<u8>, u64)> = (0..count)
            .map(|_| {
                let length = rng.usize(0..=MAX_TERM);
                let alphabet = if rng.bool() { 2 } else { 255 };
                let term = (0..length).map(|_| rng.u8(1..=alphabet)).collect();
                let bits = rng.u32(1..64);
                (term, rng.u64(..1 << bits))
            })
            .chain((0..count as u64).map(|id| (b"common".to_vec(), 1001 + 3 * id)))
            .collect();
        all.sort_by_key(|(term, id)| posting(term, *id));
        all.dedup();
        all
    }

    #[test]
    fn what_is_packed_is_read() {
        let mut rng = fastrand::Rng::with_seed(5);
        for count in [0, 1, 2, 100, 3000] {
            let all = some(&mut rng, count);
            let blocks = packed(&all);
            let mut read = Vec::new();
            let mut before = None;
            for block in &blocks {
                assert!(block.bytes.len() <= MAX_BLOCK, "{}", block.bytes.len());
                let mut postings = Postings::new(&block.bytes).unwrap();
                while postings.advance().unwrap() {
                    read.push((postings.term.clone(), postings.id));
                }
                let ends = check(&block.bytes).unwrap();
                assert_eq!(ends.before, before);
                assert_eq!(ends.last, block.end);
                before = Some(ends.last);
            }
            assert_eq!(read, all);
        }
    }

    #[test]
    fn damage_is_an_error_at_most() {
        let mut rng = fastrand::Rng::with_seed(6);
        let all = some(&mut rng, 50);
        let sound = &packed(&all)[0].bytes;
        for _ in 0..20_000 {
            let mut bytes = sound.clone();
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..bytes.len());
                bytes[at] = rng.u8(..);
            }
            bytes.truncate(rng.usize(..=bytes.len()));
            let _ = check(&bytes);
        }
        assert_eq!(check(&[]), Err(Damaged));
        assert_eq!(check(&[0]), Err(Damaged));
    }

    #[test]
    fn numbers_of_every_length() {
        for number in [0, 127, 128, 1 << 35, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, number);
            let mut rest = &bytes[..];
            assert_eq!(take_varint(&mut rest), Some(number));
            assert!(rest.is_empty());
        }
        assert_eq!(take_varint(&mut &[0xff; 10][..]), None);
        assert_eq!(take_varint(&mut &[0x80][..]), None);
    }
}
