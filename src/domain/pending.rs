//! What is pending for an endpoint, message by message (`protocols/notifications.md` 1.6).
//!
//! Owns the reading of it from the log. Does not know who asks, nor how the relay came to its
//! backlog.

use std::sync::Arc;

use super::acknowledgement::{MAX_RANGES, joined};
use super::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::id::{MessageId, Seq};
use crate::live::Backlog;
use crate::store::{Message, ReadError, Store};

/// Messages and bytes of one page of the log.
const PAGE_MESSAGES: usize = 1024;
const PAGE_BYTES: usize = 1 << 20;
/// Messages that are looked at for one listing: an endpoint may want few of many.
const MAX_SCAN: usize = 100_000;

/// What is pending for an endpoint.
#[derive(Debug, Clone)]
pub struct Pending<'a> {
    endpoint: &'a Endpoint,
    backlog: &'a Backlog,
    /// Ordered to be taken as delivered, which the relay has not done yet: rising ranges.
    ordered: Vec<(Seq, Seq)>,
}

fn within(ranges: &[(Seq, Seq)], seq: Seq) -> bool {
    let behind = ranges.partition_point(|(_, last)| *last < seq);
    ranges.get(behind).is_some_and(|(first, _)| *first <= seq)
}

impl<'a> Pending<'a> {
    /// The backlog of `endpoint` without what waits to be acknowledged.
    pub fn new(endpoint: &'a Endpoint, backlog: &'a Backlog, ordered: Vec<(Seq, Seq)>) -> Self {
        Self {
            endpoint,
            backlog,
            ordered,
        }
    }

    /// Whether this message of the account's log is pending.
    pub fn holds(&self, message: &Message) -> bool {
        let seq = message.seq();
        let above = seq > self.backlog.cursor && self.endpoint.admits(message);
        (above || within(&self.backlog.open, seq))
            && !within(&self.backlog.acked, seq)
            && !within(&self.ordered, seq)
    }

    /// The same without these, which are ordered now; rising.
    #[must_use]
    pub fn without(mut self, seqs: &[Seq]) -> Self {
        self.ordered.extend(seqs.iter().map(|seq| (*seq, *seq)));
        self.ordered = joined(self.ordered);
        self
    }

    /// The pending message with this id, which is compared whole.
    pub async fn named(&self, store: &dyn Store, id: MessageId) -> Result<Option<Arc<Message>>> {
        let page = store
            .read_log(self.endpoint.account, id.seq(), 1, 1)
            .await
            .map_err(unreadable)?;
        let mut found = page.messages.into_iter();
        Ok(found.find(|message| message.id == id && self.holds(message)))
    }

    /// How many messages wait to be acknowledged.
    pub fn ordered(&self) -> u64 {
        let counts = self
            .ordered
            .iter()
            .map(|(first, last)| last.0 - first.0 + 1);
        counts.sum()
    }

    /// Pending messages behind `after` for which `take` is true, which ends the listing by being
    /// false.
    pub async fn read(
        &self,
        store: &dyn Store,
        after: Seq,
        mut take: impl FnMut(&Arc<Message>) -> bool,
    ) -> Result<()> {
        let mut budget = MAX_SCAN;
        let above = (self.backlog.cursor.next(), Seq(u64::MAX));
        let stretches = self.backlog.open.iter().copied().chain([above]);
        for (first, last) in stretches.filter(|(_, last)| *last > after) {
            let mut from = first.max(after.next());
            while from <= last && budget > 0 {
                let page = store
                    .read_log(self.endpoint.account, from, PAGE_MESSAGES, PAGE_BYTES)
                    .await
                    .map_err(unreadable)?;
                let Some(end) = page.messages.last().map(|message| message.seq()) else {
                    break;
                };
                let inside = page.messages.iter().filter(|found| found.seq() <= last);
                for message in inside.filter(|message| self.holds(message)) {
                    if !take(message) {
                        return Ok(());
                    }
                }
                budget = budget.saturating_sub(page.messages.len());
                from = end.next();
            }
        }
        Ok(())
    }

    /// The pending sequences up to and including `through`, as far as `room` ranges hold them.
    pub async fn through(&self, store: &dyn Store, through: Seq, room: usize) -> Result<Vec<Seq>> {
        let (mut seqs, mut ranges) = (Vec::new(), 0);
        let mut last = Seq(0);
        let room = room.min(MAX_RANGES);
        self.read(store, Seq(0), |message| {
            let seq = message.seq();
            ranges += usize::from(seq != last.next() || ranges == 0);
            last = seq;
            let fits = seq <= through && ranges <= room;
            if fits {
                seqs.push(seq);
            }
            fits
        })
        .await?;
        Ok(seqs)
    }
}

fn unreadable(error: ReadError) -> Error {
    match error {
        ReadError::Unavailable => Error::unavailable("The store cannot be read now"),
        ReadError::Corrupt => {
            tracing::error!("a stored message cannot be read");
            Error::internal()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_searched_by_their_ends() {
        let ranges = [(Seq(2), Seq(4)), (Seq(8), Seq(8))];
        let inside: Vec<u64> = (0..10).filter(|seq| within(&ranges, Seq(*seq))).collect();
        assert_eq!(inside, [2, 3, 4, 8]);
    }
}
