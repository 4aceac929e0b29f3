//! The ledger of one endpoint, held against the messages of its account's log.
//!
//! Owns the rule: each message is in exactly one state, the counters say so, and what is still
//! needed is still there. Pure: takes records and messages in, gives faults out. Used by the
//! simulation after every crash and by `store verify`, so that both mean the same. Does not know
//! where either is read.

use std::collections::VecDeque;

use super::engine::Stored;
use crate::domain::dead_letter::DeadRange;
use crate::domain::endpoint::Endpoint;
use crate::id::Seq;
use crate::store::{Faults, Message};

/// What became of the messages that were offered to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// In the log since the endpoint's start.
    pub accepted: u64,
    /// Confirmed, or acknowledged by another way.
    pub delivered: u64,
    /// Given up, also if they were redriven later.
    pub dead: u64,
    /// Not for this endpoint.
    pub filtered: u64,
    /// Still to be delivered.
    pub pending: u64,
}

/// Messages that a record names.
#[derive(Debug, Clone)]
struct Span {
    first: Seq,
    last: Seq,
    what: &'static str,
    /// It names these messages only, each of them admitted.
    exact: bool,
    /// Messages in it that were met.
    met: u64,
}

/// One endpoint's records against the messages of its log.
#[derive(Debug)]
pub struct Ledger<'a> {
    endpoint: &'a Endpoint,
    stored: &'a Stored,
    /// The account's log was read up to here for everybody.
    seen: Seq,
    /// Messages come from here on; what is below is gone.
    from: Seq,
    /// Everything up to here is settled or in an open batch.
    cursor: Seq,
    /// From here on it is known what the endpoint admits.
    filters_from: Seq,
    waiting: VecDeque<Span>,
    open: Vec<Span>,
    dead: VecDeque<(DeadRange, u64)>,
    /// Admitted up to the cursor.
    below: u64,
    /// Admitted above the cursor, as far as it was counted.
    counted: u64,
    /// Admitted above the cursor.
    above: u64,
    /// Not admitted above the cursor.
    filtered: u64,
    acked: u64,
    uncounted: Option<Seq>,
    faults: Faults,
}

impl<'a> Ledger<'a> {
    /// The ledger of `endpoint`, with its account's log read up to `seen` and messages known from
    /// `from` on.
    pub fn new(endpoint: &'a Endpoint, stored: &'a Stored, seen: Seq, from: Seq) -> Self {
        let cursor = stored.cursor.as_ref().map(|cursor| cursor.cursor);
        // A setting that changed very often forgets what it was for settled messages.
        let oldest = endpoint.filters.first().map(|filter| filter.from);
        let mut ledger = Self {
            endpoint,
            stored,
            seen,
            from,
            cursor: cursor.unwrap_or_default().max(endpoint.start.previous()),
            filters_from: oldest
                .filter(|oldest| *oldest > endpoint.start)
                .unwrap_or_default(),
            waiting: VecDeque::new(),
            open: Vec::new(),
            dead: VecDeque::new(),
            below: 0,
            counted: 0,
            above: 0,
            filtered: 0,
            acked: 0,
            uncounted: None,
            faults: Faults::default(),
        };
        ledger.waiting = ledger.spans().into();
        ledger
    }

    fn spans(&mut self) -> Vec<Span> {
        let batches = self.stored.batches.iter().flat_map(|batch| {
            let pairs = batch.ranges.pairs().iter();
            pairs.map(|pair| (pair, "in an open batch", true))
        });
        let jobs = self.stored.jobs.iter().flat_map(|job| {
            let pairs = job.remaining.pairs().iter();
            pairs.map(|pair| (pair, "in a job", false))
        });
        let mut spans: Vec<Span> = batches
            .chain(jobs)
            .map(|((first, last), what, exact)| Span {
                first: *first,
                last: *last,
                what,
                exact,
                met: 0,
            })
            .collect();
        spans.sort_by_key(|span| span.first);
        for span in &spans {
            if span.first < self.from {
                let text = format!("{} is {}, and trimmed", span.first, span.what);
                self.faults.add(text);
            }
        }
        spans
    }

    /// The next dead range, in rising order and before the messages in it.
    pub fn dead(&mut self, range: DeadRange) {
        if range.first < self.from {
            self.faults
                .add(format!("{} is dead, and trimmed", range.first));
        }
        self.dead.push_back((range, 0));
    }

    /// The next message in rising order. `kept`: it is in the log, not only remembered.
    pub fn message(&mut self, message: &Message, kept: bool) {
        let seq = message.seq();
        if seq < self.endpoint.start {
            return;
        }
        let admitted = self.endpoint.admits(message);
        self.pass(seq);
        self.count(seq, admitted);
        let mut state: Option<&'static str> = None;
        let mut enter = |next: &'static str, faults: &mut Faults| {
            if let Some(other) = state.replace(next) {
                faults.add(format!("{seq} is {other} and {next}"));
            }
            if !kept {
                faults.add(format!("{seq} is {next}, and trimmed"));
            }
        };
        for span in &mut self.open {
            span.met += 1;
            if admitted || span.exact {
                enter(span.what, &mut self.faults);
            }
        }
        if !admitted {
            return;
        }
        for (range, inside) in &mut self.dead {
            if range.first <= seq {
                *inside += 1;
                enter("dead", &mut self.faults);
            }
        }
        if seq > self.cursor {
            enter("above the cursor", &mut self.faults);
        }
    }

    /// Opens what begins and closes what has ended at `seq`.
    fn pass(&mut self, seq: Seq) {
        while let Some(span) = self.waiting.pop_front_if(|span| span.first <= seq) {
            self.open.push(span);
        }
        for span in self.open.extract_if(.., |span| span.last < seq) {
            close(&span, &mut self.faults);
        }
        while let Some((range, inside)) = self.dead.pop_front_if(|(range, _)| range.last < seq) {
            self.bury(&range, inside);
        }
    }

    fn bury(&mut self, range: &DeadRange, inside: u64) {
        let known = range.first >= self.filters_from && range.first >= self.from;
        if known && inside != range.count {
            let (first, last, count) = (range.first, range.last, range.count);
            let text = format!("{count} of {first} to {last} are dead, and {inside} are there");
            self.faults.add(text);
        }
    }

    fn count(&mut self, seq: Seq, admitted: bool) {
        match (seq <= self.cursor, admitted) {
            (true, true) => self.below += 1,
            (true, false) => {}
            (false, true) => self.above += 1,
            (false, false) => self.filtered += 1,
        }
        if seq <= self.cursor || !admitted {
            return;
        }
        let counted = self.stored.cursor.as_ref().map(|cursor| cursor.seen);
        if counted.is_some_and(|counted| seq <= counted) {
            self.counted += 1;
            self.acked += u64::from(self.stored.acked.contains(seq));
        } else if seq <= self.seen {
            self.uncounted.get_or_insert(seq);
        }
    }

    /// Ends the ledger with the last message of the log. The balance adds up unless there are
    /// faults.
    pub fn finish(mut self, end: Seq) -> (Balance, Faults) {
        self.pass(Seq(u64::MAX));
        for span in self.waiting.drain(..).chain(self.open.drain(..)) {
            close(&span, &mut self.faults);
        }
        self.check_places(end);
        let balance = self.balance(end);
        self.check_counters(&balance);
        (balance, self.faults)
    }

    /// Where cursors stand, and that what follows them is there.
    fn check_places(&mut self, end: Seq) {
        let stored = self.stored;
        let counted = stored.cursor.as_ref().map(|cursor| cursor.seen);
        for (place, what) in [
            (counted.unwrap_or_default(), "its counts reach"),
            (self.cursor, "its cursor stands at"),
        ] {
            if place > end.max(self.endpoint.start.previous()) {
                let text = format!("{what} {place}, and the log ends with {end}");
                self.faults.add(text);
            }
        }
        if stored.cursor.is_none() && !stored.batches.is_empty() {
            self.faults.add("it has open batches and no cursor");
        }
        if let Some(seq) = self.uncounted {
            let text = format!("{seq} was read for it and is not counted");
            self.faults.add(text);
        }
        let queued = stored
            .cursor
            .as_ref()
            .is_some_and(|cursor| cursor.pending > 0 || !stored.acked.is_empty());
        let read = if queued {
            self.cursor.min(self.seen)
        } else {
            self.seen
        };
        let needed = read.next().max(self.endpoint.start);
        if needed < self.from {
            let text = format!("it needs {needed}, and the log begins with {}", self.from);
            self.faults.add(text);
        }
    }

    fn balance(&self, end: Seq) -> Balance {
        let before = self.endpoint.start.previous();
        let main = self.stored.batches.iter().filter(|it| it.job.is_none());
        let open: u64 = main.map(|batch| batch.ranges.count()).sum();
        let acked = self.stored.acked.count();
        let (delivered, dead, filtered) = match &self.stored.cursor {
            Some(cursor) => (cursor.delivered, cursor.dead, cursor.filtered),
            None => (0, 0, 0),
        };
        // What was trimmed above the cursor was needed by nobody: it was not for this endpoint.
        let gone = self.from.min(end.next()).0;
        let gone = gone.saturating_sub(self.cursor.next().0);
        Balance {
            accepted: end.0.saturating_sub(before.0),
            delivered: delivered + acked,
            dead,
            filtered: filtered + self.filtered + gone,
            pending: (open + self.above).saturating_sub(acked),
        }
    }

    fn check_counters(&mut self, balance: &Balance) {
        let Balance {
            accepted,
            delivered,
            dead,
            filtered,
            pending,
        } = *balance;
        if accepted != delivered + dead + filtered + pending {
            self.faults.add(format!(
                "{accepted} were accepted for it, but {delivered} are delivered, {dead} dead, \
                 {filtered} filtered and {pending} pending"
            ));
        }
        let Some(cursor) = &self.stored.cursor else {
            return;
        };
        let main = self.stored.batches.iter().filter(|it| it.job.is_none());
        let open: u64 = main.map(|batch| batch.ranges.count()).sum();
        let settled = cursor.delivered + cursor.dead;
        let whole = self.from <= self.endpoint.start && self.filters_from <= self.endpoint.start;
        if whole && settled + open != self.below {
            self.faults.add(format!(
                "{} up to its cursor are for it, but {settled} are settled and {open} open",
                self.below
            ));
        }
        let acked = self.stored.acked.count();
        if self.acked != acked {
            let text = format!(
                "{acked} are acknowledged above the cursor, but only {} of them are there",
                self.acked
            );
            self.faults.add(text);
        }
        if self.counted != cursor.pending + acked {
            self.faults.add(format!(
                "{} above its cursor are for it, but {} pend and {acked} are acknowledged",
                self.counted, cursor.pending
            ));
        }
    }
}

fn close(span: &Span, faults: &mut Faults) {
    let length = span.last.0 - span.first.0 + 1;
    if span.exact && span.met != length {
        let (first, last, what, met) = (span.first, span.last, span.what, span.met);
        faults.add(format!("{first} to {last} are {what}, and {met} are there"));
    }
}
