//! The newest messages of every log, in memory.
//!
//! Owns a bounded window on what was just published, so that whoever follows a log reads it
//! without the disk and without copying. Does not know which messages are visible: only those are
//! put in. The oldest go first, whosever they are.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::id::{AccountId, Seq};
use crate::store::{LogPage, Message};

/// What a message takes beside its type and data: id, targets, counters, places in the queues.
const OVERHEAD: usize = 160;

/// A window that ends at the visible end of each log.
#[derive(Debug)]
pub struct Tail {
    capacity: usize,
    bytes: usize,
    logs: HashMap<AccountId, VecDeque<Arc<Message>>>,
    /// One entry for each message that came in, oldest first. An entry may outlive its message,
    /// but not by much: see [`Tail::forget_order`].
    order: VecDeque<AccountId>,
    /// Messages in the window.
    messages: usize,
}

/// Entries of the order that may be too many before they are swept.
const SLACK: usize = 1024;

impl Tail {
    /// A window of at most `capacity` bytes over all accounts.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            bytes: 0,
            logs: HashMap::new(),
            order: VecDeque::new(),
            messages: 0,
        }
    }

    /// Adds the message that follows the last one of its account.
    pub fn push(&mut self, account: AccountId, message: Arc<Message>) {
        let log = self.logs.entry(account).or_default();
        if log
            .back()
            .is_some_and(|last| last.seq().next() != message.seq())
        {
            // A window with a gap would hide messages; start a new one.
            self.messages -= log.len();
            self.bytes -= log.drain(..).map(|gone| size(&gone)).sum::<usize>();
        }
        self.bytes += size(&message);
        self.messages += 1;
        log.push_back(message);
        self.order.push_back(account);
        while self.bytes > self.capacity {
            let Some(oldest) = self.order.pop_front() else {
                break;
            };
            self.drop_first(oldest);
        }
        self.forget_order();
    }

    /// Sweeps entries of messages that were trimmed: a window that never fills would keep them
    /// for ever. Of each account the newest entries are those of its messages.
    fn forget_order(&mut self) {
        if self.order.len() <= 2 * self.messages + SLACK {
            return;
        }
        let mut left: HashMap<AccountId, usize> = HashMap::new();
        for (account, log) in &self.logs {
            left.insert(*account, log.len());
        }
        let mut kept = VecDeque::with_capacity(self.messages);
        for account in self.order.drain(..).rev() {
            if let Some(left) = left.get_mut(&account).filter(|left| **left > 0) {
                *left -= 1;
                kept.push_front(account);
            }
        }
        self.order = kept;
    }

    fn drop_first(&mut self, account: AccountId) {
        let Some(log) = self.logs.get_mut(&account) else {
            return;
        };
        if let Some(gone) = log.pop_front() {
            self.bytes -= size(&gone);
            self.messages -= 1;
        }
        if log.is_empty() {
            self.logs.remove(&account);
        }
    }

    /// Messages from `from` on, as [`crate::store::Store::read_log`] gives them. None when the
    /// window begins later.
    pub fn read(
        &self,
        account: AccountId,
        from: Seq,
        max_messages: usize,
        max_bytes: usize,
    ) -> Option<LogPage> {
        let log = self.logs.get(&account)?;
        let first = log.front()?.seq();
        let skipped = from.0.max(1).checked_sub(first.0)?;
        let skipped = usize::try_from(skipped)
            .unwrap_or(usize::MAX)
            .min(log.len());
        let mut page = LogPage::default();
        let mut bytes = 0;
        for message in log.range(skipped..).take(max_messages) {
            if bytes >= max_bytes && !page.messages.is_empty() {
                break;
            }
            bytes += message.size();
            page.messages.push(message.clone());
        }
        Some(page)
    }

    /// Forgets the messages of an account below `below`.
    pub fn trim(&mut self, account: AccountId, below: Seq) {
        while let Some(first) = self.logs.get(&account).and_then(|log| log.front())
            && first.seq() < below
        {
            self.drop_first(account);
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Self::new(self.capacity);
    }
}

fn size(message: &Message) -> usize {
    message.size() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::MessageId;
    use crate::store::Targets;

    const A: AccountId = AccountId::from_number(1);
    const B: AccountId = AccountId::from_number(2);

    fn message(seq: u64) -> Arc<Message> {
        Arc::new(Message {
            id: MessageId::new(Timestamp(1), Seq(seq), 0),
            event_type: "t".into(),
            targets: Targets::All,
            data: vec![b'x'; 39].into(),
        })
    }

    fn seqs(tail: &Tail, account: AccountId, from: u64, count: usize, bytes: usize) -> Vec<u64> {
        let page = tail.read(account, Seq(from), count, bytes).unwrap();
        page.messages.iter().map(|m| m.seq().0).collect()
    }

    #[test]
    fn the_oldest_message_of_all_accounts_goes_first() {
        let mut tail = Tail::new(600);
        tail.push(A, message(1));
        tail.push(B, message(1));
        tail.push(A, message(2));
        assert_eq!(seqs(&tail, A, 0, 9, 999), [1, 2]);
        tail.push(B, message(2));
        assert_eq!(tail.read(A, Seq(1), 9, 999), None);
        assert_eq!(seqs(&tail, A, 2, 9, 999), [2]);
        assert_eq!(seqs(&tail, B, 1, 9, 999), [1, 2]);
        assert!(tail.bytes <= 600);
    }

    #[test]
    fn trimmed_messages_leave_nothing_behind() {
        let mut tail = Tail::new(1 << 20);
        tail.push(B, message(1));
        for seq in 1..20_000 {
            tail.push(A, message(seq));
            tail.trim(A, Seq(seq));
        }
        assert_eq!(tail.messages, 2);
        assert!(tail.order.len() <= 2 * tail.messages + SLACK + 1);
        assert_eq!(seqs(&tail, A, 19_999, 9, 999), [19_999]);
        assert_eq!(seqs(&tail, B, 1, 9, 999), [1]);
    }

    #[test]
    fn pages_end_at_either_bound_and_past_the_end_is_empty() {
        let mut tail = Tail::new(10_000);
        (4..9).for_each(|seq| tail.push(A, message(seq)));
        assert_eq!(seqs(&tail, A, 5, 2, 999), [5, 6]);
        assert_eq!(seqs(&tail, A, 5, 9, 80), [5, 6]);
        assert_eq!(seqs(&tail, A, 5, 9, 81), [5, 6, 7]);
        assert_eq!(seqs(&tail, A, 5, 9, 0), [5]);
        assert!(seqs(&tail, A, 9, 9, 9).is_empty());
        assert_eq!(tail.read(A, Seq(3), 9, 999), None);
    }

    #[test]
    fn a_gap_starts_a_new_window_and_trimming_shortens_it() {
        let mut tail = Tail::new(10_000);
        tail.push(A, message(1));
        tail.push(A, message(3));
        tail.push(A, message(4));
        assert_eq!(seqs(&tail, A, 3, 9, 999), [3, 4]);
        tail.trim(A, Seq(4));
        assert_eq!(tail.read(A, Seq(3), 9, 999), None);
        assert_eq!(seqs(&tail, A, 4, 9, 999), [4]);
        tail.clear();
        assert_eq!((tail.bytes, tail.read(A, Seq(4), 9, 999)), (0, None));
    }
}
