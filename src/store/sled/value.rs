//! How one value lies in the tree: in one piece, or cut.
//!
//! Owns the bytes under a key and the keys of the parts. sled moves a page above a quarter of a
//! segment into a file that it never syncs, so nothing longer than [`MAX_PIECE`] may reach the
//! tree. Does not know the tree.
//!
//! ```text
//! <key>              0x00 | version, 8 bytes | the value
//! <key>              0x01 | version, 8 bytes | length, 4 bytes | CRC-32 of the value, 4 bytes
//! <key> 0x00 <part>  4096 bytes of the value (the last part: the rest); <part> counts from 0
//! ```
//! Numbers are big-endian. 0x00 appears in no key, so the parts of a key lie between it and the
//! next key of any directory, and a range of keys holds the parts of its own keys only.

use bytes::Bytes;

use crate::store::{ReadError, Version};

/// The longest value that goes into the tree, header included.
pub const MAX_PIECE: usize = 4096;

const INLINE: u8 = 0;
const CUT: u8 = 1;
const SEPARATOR: u8 = 0;
const HEADER: usize = 9;

/// What lies under a key itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stem<'a> {
    /// The whole value.
    Inline(&'a [u8]),
    /// The value lies in parts.
    Cut {
        /// Bytes of the value.
        length: usize,
        /// CRC-32 of the value.
        crc: u32,
    },
}

impl Stem<'_> {
    /// How many parts the value has beside the stem.
    pub fn parts(&self) -> u32 {
        match self {
            Self::Inline(_) => 0,
            Self::Cut { length, .. } => {
                u32::try_from(length.div_ceil(MAX_PIECE)).unwrap_or(u32::MAX)
            }
        }
    }
}

/// Reads what lies under a key.
pub fn decode(stored: &[u8]) -> Result<(Version, Stem<'_>), ReadError> {
    let (header, rest) = stored
        .split_first_chunk::<HEADER>()
        .ok_or(ReadError::Corrupt)?;
    let [tag, version @ ..] = header;
    let version = Version(u64::from_be_bytes(*version));
    match *tag {
        INLINE => Ok((version, Stem::Inline(rest))),
        CUT => {
            let (length, crc) = rest.split_first_chunk::<4>().ok_or(ReadError::Corrupt)?;
            let crc = crc.try_into().map_err(|_| ReadError::Corrupt)?;
            let stem = Stem::Cut {
                length: u32::from_be_bytes(*length) as usize,
                crc: u32::from_be_bytes(crc),
            };
            Ok((version, stem))
        }
        _ => Err(ReadError::Corrupt),
    }
}

/// The pieces under which `value` is stored: the stem first, then its parts in order. None when
/// the value is longer than 4 GiB.
pub fn encode(key: &[u8], version: Version, value: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut stem = Vec::with_capacity(HEADER + 8.max(value.len().min(MAX_PIECE)));
    if HEADER + value.len() <= MAX_PIECE {
        stem.push(INLINE);
        stem.extend_from_slice(&version.0.to_be_bytes());
        stem.extend_from_slice(value);
        return Some(vec![(key.to_vec(), stem)]);
    }
    let length = u32::try_from(value.len()).ok()?;
    stem.push(CUT);
    stem.extend_from_slice(&version.0.to_be_bytes());
    stem.extend_from_slice(&length.to_be_bytes());
    stem.extend_from_slice(&crc32fast::hash(value).to_be_bytes());
    let mut pieces = vec![(key.to_vec(), stem)];
    for (number, part) in (0..).zip(value.chunks(MAX_PIECE)) {
        pieces.push((part_key(key, number), part.to_vec()));
    }
    Some(pieces)
}

/// The key of one part.
pub fn part_key(key: &[u8], number: u32) -> Vec<u8> {
    let mut part = Vec::with_capacity(key.len() + 5);
    part.extend_from_slice(key);
    part.push(SEPARATOR);
    part.extend_from_slice(&number.to_be_bytes());
    part
}

/// The key whose value a stored key belongs to: itself, or what stands before the separator.
pub fn owner(stored_key: &[u8]) -> &[u8] {
    stored_key
        .split(|byte| *byte == SEPARATOR)
        .next()
        .unwrap_or_default()
}

/// Whether a stored key names a part.
pub fn is_part(stored_key: &[u8]) -> bool {
    stored_key.contains(&SEPARATOR)
}

/// The value, its parts fetched by `part`.
pub fn whole(
    stem: Stem<'_>,
    mut part: impl FnMut(u32) -> Result<Option<Vec<u8>>, ReadError>,
) -> Result<Bytes, ReadError> {
    let (length, crc) = match stem {
        Stem::Inline(value) => return Ok(Bytes::copy_from_slice(value)),
        Stem::Cut { length, crc } => (length, crc),
    };
    let mut value = Vec::new();
    for number in 0..stem.parts() {
        // A wrong length is found before it costs memory: every part must be there.
        value.extend_from_slice(&part(number)?.ok_or(ReadError::Corrupt)?);
    }
    if value.len() != length || crc32fast::hash(&value) != crc {
        return Err(ReadError::Corrupt);
    }
    Ok(value.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn stored(value: &[u8]) -> BTreeMap<Vec<u8>, Vec<u8>> {
        encode(b"a/b", Version(7), value)
            .unwrap()
            .into_iter()
            .collect()
    }

    fn read(pieces: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<(Version, Bytes), ReadError> {
        let (version, stem) = decode(&pieces[b"a/b".as_slice()])?;
        let value = whole(stem, |n| Ok(pieces.get(&part_key(b"a/b", n)).cloned()))?;
        Ok((version, value))
    }

    #[test]
    fn values_of_every_length_come_back_and_no_piece_is_too_long() {
        for length in [
            0, 1, 4086, 4087, 4088, 4095, 4096, 4097, 8192, 8193, 300_000,
        ] {
            let value: Vec<u8> = (0..=250).cycle().take(length).collect();
            let pieces = stored(&value);
            assert!(pieces.values().all(|piece| piece.len() <= MAX_PIECE));
            assert_eq!(pieces.len() == 1, length + HEADER <= MAX_PIECE);
            assert_eq!(read(&pieces), Ok((Version(7), value.into())));
        }
    }

    #[test]
    fn parts_sort_behind_their_key_and_before_its_neighbours() {
        let pieces = stored(&[1; 10_000]);
        let keys: Vec<_> = pieces.keys().cloned().collect();
        assert_eq!(keys[0], b"a/b");
        assert!(
            keys[1..]
                .iter()
                .all(|key| is_part(key) && owner(key) == b"a/b")
        );
        assert!(
            keys.iter()
                .all(|key| key.as_slice() < b"a/b\x01".as_slice())
        );
    }

    #[test]
    fn missing_altered_or_short_pieces_are_corrupt() {
        let whole_value = stored(&[1; 10_000]);
        let mut missing = whole_value.clone();
        missing.remove(&part_key(b"a/b", 1));
        assert_eq!(read(&missing), Err(ReadError::Corrupt));
        let mut altered = whole_value.clone();
        altered.get_mut(&part_key(b"a/b", 2)).unwrap()[5] ^= 1;
        assert_eq!(read(&altered), Err(ReadError::Corrupt));
        assert_eq!(decode(b"\x00short"), Err(ReadError::Corrupt));
        assert_eq!(decode(&[9; 40]), Err(ReadError::Corrupt));
        assert_eq!(decode(&[1; 12]), Err(ReadError::Corrupt));
    }
}
