//! Fairness between endpoints: slots, the slow pool, turns.
//!
//! Owns how many requests may be under way, in which of two pools, and whose turn is next. Does
//! not know what a request carries or what an endpoint may do.
//!
//! Requests to endpoints that did not confirm their last request (or never any) are doubtful.
//! Together they hold at most half of the slots and a quarter of the loaded bytes, so that
//! however many of them hang, those that answer have the rest.

use std::collections::{BTreeMap, VecDeque};

use super::{AttemptId, Settings};
use crate::clock::{Millis, Timestamp};
use crate::id::{BatchId, EndpointId, JobId};

/// A request holds a slot for so long; then it moves to the slow pool.
const QUICK: Millis = Millis::seconds(1);

/// The two kinds of work that take turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// New messages.
    New,
    /// Batches that are tried again, authenticates, wake-ups.
    Again,
}

impl Turn {
    /// Index of the kind's queue, here and among an endpoint's flags.
    pub(super) fn index(self) -> usize {
        match self {
            Self::New => 0,
            Self::Again => 1,
        }
    }

    fn other(self) -> Self {
        match self {
            Self::New => Self::Again,
            Self::Again => Self::New,
        }
    }
}

/// What an attempt is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Reading messages for a new batch of the endpoint or of a job.
    Form(Option<JobId>),
    /// Sending a batch.
    Send(BatchId),
    /// Waking a thin consumer.
    Wakeup,
    /// Proving identity.
    Authenticate,
    /// Reading on behind acknowledged messages; takes no slot.
    Advance,
    /// Looking for messages that are too old; takes no slot.
    Expire,
}

impl Work {
    /// Whether it counts as a request.
    pub(super) fn takes_slot(self) -> bool {
        !matches!(self, Self::Advance | Self::Expire)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pool {
    Quick,
    Slow,
    None,
}

/// One request under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    /// Whose.
    pub endpoint: EndpointId,
    /// What about.
    pub work: Work,
    turn: Turn,
    bytes: u64,
    doubtful: bool,
    pool: Pool,
}

impl Attempt {
    /// Whether it is in the slow pool.
    pub fn is_slow(&self) -> bool {
        self.pool == Pool::Slow
    }

    /// The bytes it holds.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

/// Where an endpoint waits with one kind of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Waits {
    /// It has nothing to start.
    #[default]
    No,
    /// In the queue of its turn.
    InTurn,
    /// Aside, until there is room among the doubtful.
    Aside,
}

/// What a request weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Bytes of messages it loads at most.
    pub bytes: u64,
    /// Its endpoint did not confirm its last request, or never any.
    pub doubtful: bool,
}

/// All requests under way and all endpoints whose turn will come.
#[derive(Debug)]
pub struct Slots {
    max_quick: usize,
    max_slow: usize,
    max_loaded: u64,
    attempts: BTreeMap<AttemptId, Attempt>,
    last_attempt: u64,
    quick: [usize; 2],
    slow: usize,
    loaded: u64,
    slow_loaded: u64,
    /// Of the quick ones, those that are doubtful.
    doubtful: usize,
    /// Of the loaded bytes, those of doubtful requests.
    doubtful_loaded: u64,
    ageing: VecDeque<(Timestamp, AttemptId)>,
    /// Older than a second, but the slow pool had no room.
    overdue: VecDeque<AttemptId>,
    queues: [VecDeque<EndpointId>; 2],
    /// Doubtful endpoints that wait for room among the doubtful, with what they would load.
    parked: VecDeque<(EndpointId, Turn, u64)>,
    last_turn: Turn,
}

impl Slots {
    /// No request yet.
    pub fn new(settings: &Settings) -> Self {
        Self {
            max_quick: settings.max_in_flight.max(1),
            max_slow: settings.slow_pool,
            max_loaded: settings.max_loaded,
            attempts: BTreeMap::new(),
            last_attempt: 0,
            quick: [0; 2],
            slow: 0,
            loaded: 0,
            slow_loaded: 0,
            doubtful: 0,
            doubtful_loaded: 0,
            ageing: VecDeque::new(),
            overdue: VecDeque::new(),
            queues: [VecDeque::new(), VecDeque::new()],
            parked: VecDeque::new(),
            last_turn: Turn::Again,
        }
    }

    /// Takes a slot and reserves `bytes`.
    pub fn start(
        &mut self,
        now: Timestamp,
        endpoint: EndpointId,
        work: Work,
        turn: Turn,
        Load { bytes, doubtful }: Load,
    ) -> AttemptId {
        self.last_attempt += 1;
        let id = AttemptId(self.last_attempt);
        let pool = if work.takes_slot() {
            Pool::Quick
        } else {
            Pool::None
        };
        if pool == Pool::Quick {
            self.quick[turn.index()] += 1;
            self.loaded += bytes;
            if doubtful {
                self.doubtful += 1;
                self.doubtful_loaded += bytes;
            }
            self.ageing.push_back((now.after(QUICK), id));
        }
        self.attempts.insert(
            id,
            Attempt {
                endpoint,
                work,
                turn,
                bytes,
                doubtful,
                pool,
            },
        );
        id
    }

    /// What an attempt is about, if it is under way.
    pub fn get(&self, id: AttemptId) -> Option<&Attempt> {
        self.attempts.get(&id)
    }

    /// The attempt goes on with other work and so many bytes: a batch was formed. Gives the bytes
    /// that it held until now.
    pub fn continue_as(&mut self, id: AttemptId, work: Work, bytes: u64) -> u64 {
        if let Some(attempt) = self.attempts.get_mut(&id) {
            let before = std::mem::replace(&mut attempt.bytes, bytes);
            attempt.work = work;
            self.loaded = self.loaded - before + bytes;
            if attempt.pool == Pool::Slow {
                self.slow_loaded = self.slow_loaded - before + bytes;
            }
            if attempt.doubtful {
                self.doubtful_loaded = self.doubtful_loaded - before + bytes;
            }
            before
        } else {
            0
        }
    }

    /// Gives the slot back.
    pub fn finish(&mut self, id: AttemptId) -> Option<Attempt> {
        let attempt = self.attempts.remove(&id)?;
        match attempt.pool {
            Pool::Quick => {
                self.quick[attempt.turn.index()] -= 1;
                self.doubtful -= usize::from(attempt.doubtful);
            }
            Pool::Slow => {
                self.slow -= 1;
                self.slow_loaded -= attempt.bytes;
            }
            Pool::None => return Some(attempt),
        }
        self.loaded -= attempt.bytes;
        if attempt.doubtful {
            self.doubtful_loaded -= attempt.bytes;
        }
        Some(attempt)
    }

    /// Moves what has been unanswered for a second to the slow pool, as far as it has room.
    /// Gives the endpoints whose attempts moved.
    pub fn age(&mut self, now: Timestamp) -> Vec<EndpointId> {
        while let Some((time, id)) = self.ageing.front().copied() {
            let Some(attempt) = self.attempts.get(&id) else {
                self.ageing.pop_front();
                continue;
            };
            if time > now {
                break;
            }
            debug_assert!(attempt.pool == Pool::Quick, "only quick attempts age");
            self.ageing.pop_front();
            self.overdue.push_back(id);
        }
        let mut moved = Vec::new();
        while let Some(id) = self.overdue.front().copied() {
            if let Some(attempt) = self.attempts.get_mut(&id) {
                let room = self.slow < self.max_slow
                    && (self.slow_loaded + attempt.bytes) * 2 <= self.max_loaded;
                if !room {
                    break;
                }
                attempt.pool = Pool::Slow;
                self.quick[attempt.turn.index()] -= 1;
                self.doubtful -= usize::from(attempt.doubtful);
                self.slow += 1;
                self.slow_loaded += attempt.bytes;
                moved.push(attempt.endpoint);
            }
            self.overdue.pop_front();
        }
        moved
    }

    /// Whether the slow pool has no room, so that an endpoint in it gets nothing more.
    pub fn slow_is_full(&self) -> bool {
        self.slow >= self.max_slow || !self.overdue.is_empty()
    }

    /// Whether a request with so many bytes fits; a single one always does.
    pub fn fits(&self, bytes: u64) -> bool {
        self.loaded == 0 || self.loaded + bytes <= self.max_loaded
    }

    /// Whether there is room for so many bytes among the doubtful; a single one always has it.
    pub fn fits_doubtful(&self, bytes: u64) -> bool {
        self.doubtful < (self.max_quick / 2).max(1)
            && (self.doubtful_loaded == 0 || self.doubtful_loaded + bytes <= self.max_loaded / 4)
    }

    /// Sets a doubtful endpoint aside until there is room among the doubtful.
    pub fn park(&mut self, endpoint: EndpointId, turn: Turn, bytes: u64) {
        self.parked.push_back((endpoint, turn, bytes));
    }

    /// Enters an endpoint at the end of a queue.
    pub fn queue(&mut self, endpoint: EndpointId, turn: Turn) {
        self.queues[turn.index()].push_back(endpoint);
    }

    /// Puts an endpoint back to the front, because there is no room for its bytes yet.
    pub fn put_back(&mut self, endpoint: EndpointId, turn: Turn) {
        self.queues[turn.index()].push_front(endpoint);
        self.last_turn = turn.other();
    }

    /// The next endpoint in turn, if a slot is free. Those that were set aside come first, as far
    /// as there is room for them. New and repeated work alternate; neither takes more than half of
    /// the slots while the other waits.
    pub fn next(&mut self) -> Option<(EndpointId, Turn, Waits)> {
        if self.quick[0] + self.quick[1] >= self.max_quick {
            return None;
        }
        if let Some((endpoint, turn, bytes)) = self.parked.front().copied()
            && self.fits_doubtful(bytes)
            && self.fits(bytes)
        {
            self.parked.pop_front();
            return Some((endpoint, turn, Waits::Aside));
        }
        let half = (self.max_quick / 2).max(1);
        for turn in [self.last_turn.other(), self.last_turn] {
            let other_waits = !self.queues[turn.other().index()].is_empty();
            if other_waits && self.quick[turn.index()] >= half {
                continue;
            }
            if let Some(endpoint) = self.queues[turn.index()].pop_front() {
                self.last_turn = turn;
                return Some((endpoint, turn, Waits::InTurn));
            }
        }
        None
    }

    /// When the next request leaves its slot.
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        self.ageing.front().map(|(time, _)| *time)
    }

    /// Moves the ageing times, because the wall clock was stepped.
    pub fn shift(&mut self, shift: impl Fn(Timestamp) -> Timestamp) {
        for (time, _) in &mut self.ageing {
            *time = shift(*time);
        }
    }

    /// Requests in their first second.
    pub fn quick(&self) -> usize {
        self.quick[0] + self.quick[1]
    }

    /// Requests under way, slotless reads included.
    pub fn under_way(&self) -> usize {
        self.attempts.len()
    }

    /// Whether the counts fit the requests; the simulation asks after every step.
    pub fn check(&self) -> Result<(), &'static str> {
        let count = |pool| {
            self.attempts
                .values()
                .filter(|attempt| attempt.pool == pool)
                .count()
        };
        if count(Pool::Quick) != self.quick() || count(Pool::Slow) != self.slow {
            return Err("slot counts drifted");
        }
        if self.quick() > self.max_quick || self.slow > self.max_slow {
            return Err("more requests than slots");
        }
        let bytes: u64 = self
            .attempts
            .values()
            .filter(|attempt| attempt.pool != Pool::None)
            .map(|attempt| attempt.bytes)
            .sum();
        if bytes != self.loaded {
            return Err("loaded bytes drifted");
        }
        let doubtful = || self.attempts.values().filter(|attempt| attempt.doubtful);
        let quick = doubtful().filter(|attempt| attempt.pool == Pool::Quick);
        let loaded: u64 = doubtful().map(|attempt| attempt.bytes).sum();
        if quick.count() != self.doubtful || loaded != self.doubtful_loaded {
            return Err("the share of the doubtful drifted");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(max_in_flight: usize, slow_pool: usize) -> Slots {
        Slots::new(&Settings {
            max_in_flight,
            slow_pool,
            max_loaded: 1000,
            ..Settings::default()
        })
    }

    fn endpoint(number: u64) -> EndpointId {
        EndpointId::from_number(number)
    }

    #[test]
    fn new_and_repeated_work_alternate_and_neither_takes_more_than_half_while_the_other_waits() {
        let mut slots = slots(8, 100);
        for number in 0..20 {
            slots.queue(endpoint(number), Turn::New);
            slots.queue(endpoint(100 + number), Turn::Again);
        }
        let mut turns = Vec::new();
        while let Some((id, turn, _)) = slots.next() {
            slots.start(Timestamp(0), id, Work::Wakeup, turn, Load::default());
            turns.push(turn);
        }
        assert_eq!(turns.len(), 8);
        assert_eq!(turns.iter().filter(|turn| **turn == Turn::New).count(), 4);
        assert!(turns.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn one_kind_alone_may_take_every_slot() {
        let mut slots = slots(8, 100);
        for number in 0..20 {
            slots.queue(endpoint(number), Turn::New);
        }
        let mut started = 0;
        while let Some((id, turn, _)) = slots.next() {
            slots.start(Timestamp(0), id, Work::Wakeup, turn, Load::default());
            started += 1;
        }
        assert_eq!(started, 8);
    }

    #[test]
    fn an_unanswered_request_frees_its_slot_after_a_second() {
        let mut slots = slots(1, 1);
        let first = slots.start(Timestamp(0), endpoint(1), Work::Wakeup, Turn::New, load(10));
        assert!(slots.age(Timestamp(999)).is_empty());
        slots.queue(endpoint(2), Turn::New);
        assert_eq!(slots.next(), None);
        assert_eq!(slots.age(Timestamp(1000)), [endpoint(1)]);
        assert_eq!(slots.next(), Some((endpoint(2), Turn::New, Waits::InTurn)));
        slots.start(
            Timestamp(1000),
            endpoint(2),
            Work::Wakeup,
            Turn::New,
            load(10),
        );
        assert!(slots.slow_is_full());
        assert!(
            slots.age(Timestamp(2000)).is_empty(),
            "the slow pool has no room"
        );
        slots.finish(first);
        assert_eq!(slots.age(Timestamp(2001)), [endpoint(2)]);
        slots.check().unwrap();
    }

    fn load(bytes: u64) -> Load {
        Load {
            bytes,
            doubtful: false,
        }
    }

    #[test]
    fn doubtful_endpoints_leave_slots_and_bytes_for_the_others() {
        let mut slots = slots(8, 100);
        let doubtful = |bytes| Load {
            bytes,
            doubtful: true,
        };
        let start = |slots: &mut Slots, number, bytes| {
            assert!(slots.fits_doubtful(bytes));
            let (work, turn) = (Work::Wakeup, Turn::Again);
            slots.start(Timestamp(0), endpoint(number), work, turn, doubtful(bytes))
        };
        let first = start(&mut slots, 1, 250);
        assert!(!slots.fits_doubtful(1), "a quarter of the bytes is theirs");
        assert!(slots.fits(700));
        slots.park(endpoint(2), Turn::Again, 1);
        assert_eq!(slots.next(), None);
        slots.queue(endpoint(9), Turn::New);
        assert_eq!(slots.next(), Some((endpoint(9), Turn::New, Waits::InTurn)));
        slots.finish(first);
        assert_eq!(slots.next(), Some((endpoint(2), Turn::Again, Waits::Aside)));
        for number in 2..6 {
            start(&mut slots, number, 1);
        }
        assert!(!slots.fits_doubtful(1), "half of the slots is theirs");
        slots.check().unwrap();
        slots.age(Timestamp(1000));
        assert!(slots.fits_doubtful(1), "in the slow pool they hold no slot");
        slots.check().unwrap();
    }

    #[test]
    fn the_slow_pool_holds_at_most_half_of_the_loaded_bytes() {
        let mut slots = slots(10, 10);
        slots.start(
            Timestamp(0),
            endpoint(1),
            Work::Wakeup,
            Turn::New,
            load(400),
        );
        slots.start(
            Timestamp(0),
            endpoint(2),
            Work::Wakeup,
            Turn::New,
            load(400),
        );
        assert!(!slots.fits(300));
        assert_eq!(slots.age(Timestamp(1000)), [endpoint(1)]);
        slots.check().unwrap();
    }
}
