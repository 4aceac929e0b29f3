//! Reading the log for the engine: messages for a batch, what follows a cursor, what is too old.
//!
//! Owns the scan behind [`Purpose`] and the loading of a batch's content. Does not know why the
//! engine asks.

use std::sync::Arc;

use super::engine::{Entry, Purpose, Ranges};
use crate::clock::Timestamp;
use crate::domain::endpoint::Endpoint;
use crate::id::Seq;
use crate::store::{Message, ReadError, Store};

/// Messages and bytes of one page.
const PAGE_MESSAGES: usize = 1024;
const PAGE_BYTES: usize = 1 << 20;
/// Messages looked at for one batch before the engine is asked again: bounds the time of one
/// read of a lagging endpoint whose filter admits little.
const BATCH_SCAN: u64 = 16_384;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Admitted messages in order; empty for [`Purpose::Expire`], which only counts.
    pub messages: Vec<Arc<Message>>,
    /// How many admitted messages.
    pub count: u64,
    /// Everything up to here was looked at.
    pub through: Seq,
    /// Instead of messages: sequences that the log has no longer, although the endpoint needs them.
    /// They come next, up to `through`.
    pub damaged: Option<(Seq, Seq)>,
    /// For [`Purpose::Expire`]: the commit time of the message that was young enough to stop at.
    pub stopped_at: Option<Timestamp>,
}

impl Found {
    /// The messages as the engine counts them.
    pub fn entries(&self) -> Vec<Entry> {
        self.messages.iter().map(|message| entry(message)).collect()
    }
}

fn entry(message: &Message) -> Entry {
    Entry {
        seq: message.seq(),
        bytes: message.size() as u64,
        time: message.id.time(),
    }
}

/// What decides whether another message belongs to the result.
struct Gate {
    purpose: Purpose,
    taken: u64,
    bytes: u64,
    first_time: Option<Timestamp>,
}

impl Gate {
    /// Whether the scan ends before this message, whoever admits it.
    fn ends_before(&self, message: &Message) -> bool {
        match self.purpose {
            Purpose::Expire { before } => message.id.time() >= before,
            Purpose::Batch { .. } | Purpose::Advance => false,
        }
    }

    /// Whether an admitted message still fits.
    fn fits(&self, message: &Message) -> bool {
        match self.purpose {
            Purpose::Expire { .. } | Purpose::Advance => true,
            Purpose::Batch {
                max_messages,
                max_bytes,
                max_spread,
            } => {
                self.taken == 0
                    || (self.taken < u64::from(max_messages)
                        && self.bytes + message.size() as u64 <= max_bytes
                        && self
                            .first_time
                            .is_none_or(|first| message.id.time().since(first) <= max_spread))
            }
        }
    }

    fn is_full(&self) -> bool {
        matches!(self.purpose, Purpose::Batch { max_messages, .. }
            if self.taken >= u64::from(max_messages))
    }

    fn take(&mut self, message: &Message) {
        self.taken += 1;
        self.bytes += message.size() as u64;
        self.first_time.get_or_insert(message.id.time());
    }
}

/// Reads what `endpoint` admits of `wanted`, as far as `purpose` goes.
pub async fn read(
    store: &dyn Store,
    endpoint: &Endpoint,
    wanted: &Ranges,
    purpose: Purpose,
) -> Result<Found, ReadError> {
    let first = wanted.first().unwrap_or_default();
    let mut scan = Scan {
        store,
        endpoint,
        looked_at: 0,
        gate: Gate {
            purpose,
            taken: 0,
            bytes: 0,
            first_time: None,
        },
        found: Found {
            through: first.previous(),
            ..Found::default()
        },
    };
    for (from, to) in wanted.pairs() {
        if !scan.stretch(*from, *to).await? {
            break;
        }
    }
    Ok(scan.found)
}

/// One read, over one range after the other.
struct Scan<'a> {
    store: &'a dyn Store,
    endpoint: &'a Endpoint,
    looked_at: u64,
    gate: Gate,
    found: Found,
}

impl Scan<'_> {
    /// Reads one range. False when the result is complete before its end.
    async fn stretch(&mut self, from: Seq, to: Seq) -> Result<bool, ReadError> {
        let purpose = self.gate.purpose;
        let page_messages = match purpose {
            Purpose::Batch { max_messages, .. } => (max_messages as usize).clamp(1, PAGE_MESSAGES),
            Purpose::Advance | Purpose::Expire { .. } => PAGE_MESSAGES,
        };
        let mut next = from;
        while next <= to {
            let bounded = matches!(purpose, Purpose::Batch { .. });
            if self.gate.is_full() || (bounded && self.looked_at >= BATCH_SCAN) {
                return Ok(false);
            }
            let page = self
                .store
                .read_log(self.endpoint.account, next, page_messages, PAGE_BYTES)
                .await?;
            let messages = page.messages.into_iter();
            let (mut messages, mut found_any) = (messages.peekable(), false);
            loop {
                // A log has no gaps, and is not trimmed where somebody still needs it.
                let seq = messages.peek().map(|message| message.seq());
                let gap_ends = match seq {
                    Some(seq) => seq.previous().min(to),
                    None if found_any => break,
                    None => to,
                };
                found_any = true;
                if next <= gap_ends {
                    if !self.lose(next, gap_ends) {
                        return Ok(false);
                    }
                    next = gap_ends.next();
                }
                let Some(message) = messages.next_if(|message| message.seq() <= to) else {
                    break;
                };
                let seq = message.seq();
                if !self.take(message) {
                    return Ok(false);
                }
                self.looked_at += 1;
                self.found.through = seq;
                next = seq.next();
            }
        }
        self.found.through = to;
        Ok(true)
    }

    /// Meets sequences that the log has no longer. False when the result ends with or before them.
    fn lose(&mut self, first: Seq, last: Seq) -> bool {
        if matches!(self.gate.purpose, Purpose::Expire { .. }) {
            self.found.count += last.0 - first.0 + 1;
            self.found.through = last;
            return true;
        }
        if self.found.messages.is_empty() {
            self.found.damaged = Some((first, last));
            self.found.through = last;
        }
        false
    }

    /// Takes the next message in, if the endpoint admits it. False when the result ends before it.
    fn take(&mut self, message: Arc<Message>) -> bool {
        if self.gate.ends_before(&message) {
            self.found.stopped_at = Some(message.id.time());
            return false;
        }
        if !self.endpoint.admits(&message) {
            return !self.gate.is_full();
        }
        if self.gate.is_full() || !self.gate.fits(&message) {
            return false;
        }
        self.gate.take(&message);
        self.found.count += 1;
        if !matches!(self.gate.purpose, Purpose::Expire { .. }) {
            self.found.messages.push(message);
        }
        true
    }
}

/// The messages of a batch, in order. One that is missing from the log is missing here too.
pub async fn load(
    store: &dyn Store,
    endpoint: &Endpoint,
    ranges: &Ranges,
) -> Result<Vec<Arc<Message>>, ReadError> {
    let mut messages = Vec::new();
    for (first, last) in ranges.pairs() {
        let mut next = *first;
        while next <= *last {
            let count = usize::try_from(last.0 - next.0 + 1).unwrap_or(PAGE_MESSAGES);
            let page = store
                .read_log(endpoint.account, next, count.min(PAGE_MESSAGES), PAGE_BYTES)
                .await?;
            let Some(end) = page.messages.last().map(|message| message.seq()) else {
                break;
            };
            messages.extend(
                page.messages
                    .into_iter()
                    .filter(|message| message.seq() <= *last),
            );
            next = end.next();
        }
    }
    Ok(messages)
}
