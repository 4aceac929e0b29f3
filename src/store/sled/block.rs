//! Blocks: how messages of an account's log are packed into values.
//!
//! Owns the binary form of a block and the rule when a block is closed. One key for every message
//! would cost four times as much as one for every 4 KiB. Does not know where blocks are stored.
//!
//! ```text
//! block    CRC-32 of what follows, 4 bytes | message …
//! message  id, 16 bytes | targets | type length, 2 | type | data length, 4 | data
//! targets  0x00 = all | 0x01 count, 2, endpoint, 8 each = only these | 0x02 endpoint, 8 = all but
//! ```
//! Numbers are big-endian.

use std::sync::Arc;

use bytes::Bytes;

use crate::id::{EndpointId, MessageId, Seq};
use crate::store::{Message, ReadError, Targets};

/// A block is closed before it would grow beyond this; a single longer message is a block of its
/// own. Leaves room for the header of a value in one piece.
pub const MAX_BLOCK: usize = super::value::MAX_PIECE - 16;

const ALL: u8 = 0;
const ONLY: u8 = 1;
const EXCEPT: u8 = 2;

/// A packed block and the sequence of its first message.
#[derive(Debug, PartialEq, Eq)]
pub struct Block {
    /// Names the block in the log.
    pub first: Seq,
    /// The packed messages.
    pub bytes: Vec<u8>,
}

/// Packs messages, which are in order and without gaps, into blocks. None when a message breaks
/// the format's limits: a type of 64 KiB, data of 4 GiB, or 65 536 targets.
pub fn pack(messages: &[Arc<Message>]) -> Option<Vec<Block>> {
    let mut blocks: Vec<Block> = Vec::new();
    for message in messages {
        let framed = frame(message)?;
        match blocks.last_mut() {
            Some(open) if open.bytes.len() + framed.len() <= MAX_BLOCK => {
                open.bytes.extend_from_slice(&framed);
            }
            _ => {
                let mut bytes = vec![0; 4];
                bytes.extend_from_slice(&framed);
                blocks.push(Block {
                    first: message.seq(),
                    bytes,
                });
            }
        }
    }
    for block in &mut blocks {
        let crc = crc32fast::hash(&block.bytes[4..]).to_be_bytes();
        block.bytes[..4].copy_from_slice(&crc);
    }
    Some(blocks)
}

/// Whether the format can hold a message: see [`pack`].
pub fn fits(message: &Message) -> bool {
    let targets = match &message.targets {
        Targets::Only(endpoints) => endpoints.len(),
        Targets::All | Targets::Except(_) => 0,
    };
    let short = |length| u16::try_from(length).is_ok();
    short(message.event_type.len()) && short(targets) && u32::try_from(message.data.len()).is_ok()
}

fn frame(message: &Message) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(message.size() + 40);
    out.extend_from_slice(&message.id.0.to_be_bytes());
    match &message.targets {
        Targets::All => out.push(ALL),
        Targets::Only(endpoints) => {
            out.push(ONLY);
            out.extend_from_slice(&u16::try_from(endpoints.len()).ok()?.to_be_bytes());
            for endpoint in endpoints {
                out.extend_from_slice(&endpoint.number().to_be_bytes());
            }
        }
        Targets::Except(endpoint) => {
            out.push(EXCEPT);
            out.extend_from_slice(&endpoint.number().to_be_bytes());
        }
    }
    let event_type = message.event_type.as_bytes();
    out.extend_from_slice(&u16::try_from(event_type.len()).ok()?.to_be_bytes());
    out.extend_from_slice(event_type);
    out.extend_from_slice(&u32::try_from(message.data.len()).ok()?.to_be_bytes());
    out.extend_from_slice(&message.data);
    Some(out)
}

/// Unpacks a block. The data of its messages shares the block's memory.
pub fn unpack(block: &Bytes) -> Result<Vec<Arc<Message>>, ReadError> {
    let mut input = Input {
        block: block.clone(),
    };
    let crc = u32::from_be_bytes(input.number()?);
    if crc32fast::hash(&input.block) != crc {
        return Err(ReadError::Corrupt);
    }
    let mut messages = Vec::new();
    while !input.block.is_empty() {
        messages.push(Arc::new(input.message()?));
    }
    Ok(messages)
}

struct Input {
    block: Bytes,
}

impl Input {
    fn take(&mut self, length: usize) -> Result<Bytes, ReadError> {
        if self.block.len() < length {
            return Err(ReadError::Corrupt);
        }
        Ok(self.block.split_to(length))
    }

    fn number<const N: usize>(&mut self) -> Result<[u8; N], ReadError> {
        let bytes = self.take(N)?;
        bytes.as_ref().try_into().map_err(|_| ReadError::Corrupt)
    }

    fn endpoint(&mut self) -> Result<EndpointId, ReadError> {
        Ok(EndpointId::from_number(u64::from_be_bytes(self.number()?)))
    }

    fn targets(&mut self) -> Result<Targets, ReadError> {
        match self.number()? {
            [ALL] => Ok(Targets::All),
            [ONLY] => {
                let count = u16::from_be_bytes(self.number()?);
                let endpoints = (0..count).map(|_| self.endpoint());
                Ok(Targets::Only(endpoints.collect::<Result<_, _>>()?))
            }
            [EXCEPT] => Ok(Targets::Except(self.endpoint()?)),
            _ => Err(ReadError::Corrupt),
        }
    }

    fn message(&mut self) -> Result<Message, ReadError> {
        let id = MessageId(u128::from_be_bytes(self.number()?));
        let targets = self.targets()?;
        let length = u16::from_be_bytes(self.number()?);
        let event_type = self.take(usize::from(length))?;
        let event_type = std::str::from_utf8(&event_type).map_err(|_| ReadError::Corrupt)?;
        let length = u32::from_be_bytes(self.number()?);
        Ok(Message {
            id,
            event_type: event_type.into(),
            targets,
            data: self.take(length as usize)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;

    fn message(seq: u64, targets: Targets, data: usize) -> Arc<Message> {
        Arc::new(Message {
            id: MessageId::new(Timestamp(1_768_473_000_123), Seq(seq), 9),
            event_type: "contact.created".into(),
            targets,
            data: vec![b'x'; data].into(),
        })
    }

    #[test]
    fn every_kind_of_message_comes_back() {
        let endpoint = EndpointId::from_number;
        let messages = [
            message(1, Targets::All, 0),
            message(2, Targets::Only(vec![]), 3),
            message(3, Targets::Only(vec![endpoint(5), endpoint(6)]), 300),
            message(4, Targets::Except(endpoint(7)), 1),
        ];
        let blocks = pack(&messages).unwrap();
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].first, Seq(1));
        let back = unpack(&Bytes::from(blocks[0].bytes.clone())).unwrap();
        assert_eq!(back, messages);
    }

    #[test]
    fn blocks_close_at_four_kib_and_long_messages_stand_alone() {
        let sizes = [1000, 1000, 1000, 1000, 300_000, 10];
        let messages: Vec<_> = (1..)
            .zip(sizes)
            .map(|(seq, size)| message(seq, Targets::All, size))
            .collect();
        let blocks = pack(&messages).unwrap();
        let firsts: Vec<_> = blocks.iter().map(|block| block.first.0).collect();
        assert_eq!(firsts, [1, 4, 5, 6]);
        assert!(blocks[0].bytes.len() <= MAX_BLOCK);
    }

    #[test]
    fn any_altered_or_missing_byte_is_corrupt() {
        let messages = [message(1, Targets::Except(EndpointId::from_number(3)), 20)];
        let bytes = pack(&messages).unwrap().remove(0).bytes;
        for place in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[place] ^= 0x10;
            assert_eq!(unpack(&altered.into()), Err(ReadError::Corrupt));
            let cut = Bytes::copy_from_slice(&bytes[..place]);
            assert_eq!(unpack(&cut), Err(ReadError::Corrupt));
        }
    }

    #[test]
    fn a_lying_length_is_corrupt_even_under_a_right_checksum() {
        let mut bytes = pack(&[message(1, Targets::All, 4)])
            .unwrap()
            .remove(0)
            .bytes;
        let place = bytes.len() - 5;
        bytes[place] = 200;
        let crc = crc32fast::hash(&bytes[4..]).to_be_bytes();
        bytes[..4].copy_from_slice(&crc);
        assert_eq!(unpack(&bytes.into()), Err(ReadError::Corrupt));
    }

    #[test]
    fn a_message_beyond_the_format_is_refused() {
        let mut long = (*message(1, Targets::All, 1)).clone();
        long.event_type = "x".repeat(70_000).into();
        assert!(!fits(&long));
        assert_eq!(pack(&[Arc::new(long)]), None);
    }
}
