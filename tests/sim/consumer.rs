//! Scripted consumers: what each answers, how late, and what it has seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hookrelay::attempt::{Class, Outcome, Phase};
use hookrelay::clock::Millis;
use hookrelay::id::{MessageId, Seq};
use hookrelay::store::Message;

/// How a consumer behaves for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Healthy,
    Refuse,
    Empty,
    Fail500,
    Busy429,
    Unauthorized,
    Gone,
    Down,
    Hang,
    BodyBroken,
    LostAnswer,
    Flaky,
    Retry,
}

const FAULTS: [Mode; 12] = [
    Mode::Refuse,
    Mode::Empty,
    Mode::Fail500,
    Mode::Busy429,
    Mode::Unauthorized,
    Mode::Gone,
    Mode::Down,
    Mode::Hang,
    Mode::BodyBroken,
    Mode::LostAnswer,
    Mode::Flaky,
    Mode::Retry,
];

/// A consumer behind one endpoint.
#[derive(Debug)]
pub struct Consumer {
    rng: fastrand::Rng,
    pub mode: Mode,
    /// The kinds of fault this seed gives it.
    swarm: Vec<Mode>,
    /// Never misbehaves: the measure of isolation.
    pub reliable: bool,
    /// Messages it refuses or hangs on, whoever they come with.
    poison: BTreeMap<u64, bool>,
    /// Messages it has processed.
    pub seen: BTreeSet<Seq>,
    /// Messages it has confirmed in an answer that came back.
    pub confirmed: BTreeSet<Seq>,
}

impl Consumer {
    pub fn new(seed: u64, reliable: bool) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let swarm = FAULTS.into_iter().filter(|_| rng.u8(0..4) == 0).collect();
        let poisoned = if reliable || rng.bool() {
            0
        } else {
            rng.u64(0..4)
        };
        let poison = (0..poisoned)
            .map(|_| (rng.u64(1..80), rng.bool()))
            .collect();
        Self {
            mode: Mode::Healthy,
            swarm,
            reliable,
            poison,
            seen: BTreeSet::new(),
            confirmed: BTreeSet::new(),
            rng,
        }
    }

    /// Draws another behaviour.
    pub fn change(&mut self) {
        let fault = self
            .rng
            .choice(self.swarm.clone())
            .filter(|_| self.rng.u8(0..3) > 0);
        self.mode = match fault {
            Some(fault) if !self.reliable => fault,
            _ => Mode::Healthy,
        };
    }

    /// Everything is well from here on, poison included.
    pub fn heal(&mut self) {
        self.mode = Mode::Healthy;
        self.poison.clear();
    }

    /// Takes a delivery: what comes back, and after how many milliseconds.
    pub fn receive(&mut self, messages: &[Arc<Message>], standard: bool) -> (u64, Outcome, Class) {
        let mode = match self.mode {
            Mode::Flaky => self.rng.choice(FAULTS).unwrap_or(Mode::Healthy),
            other => other,
        };
        let poison = messages
            .iter()
            .find_map(|message| self.poison.get(&message.seq().0));
        let mode = match poison {
            Some(true) => Mode::Hang,
            Some(false) => Mode::Fail500,
            None if mode == Mode::Flaky || mode == Mode::Gone && self.mode == Mode::Flaky => {
                Mode::Refuse
            }
            None => mode,
        };
        let latency = self.rng.u64(1..200);
        let not_ok = |status| Outcome::NotOk {
            status,
            retry_after: None,
        };
        let seqs = messages.iter().map(|message| message.seq());
        match mode {
            Mode::Healthy => {
                self.seen.extend(seqs.clone());
                self.confirmed.extend(seqs);
                (latency, Outcome::Ok { retry: Vec::new() }, Class::Ok)
            }
            Mode::Retry if !standard => {
                let named: Vec<MessageId> = messages
                    .iter()
                    .filter(|_| self.rng.u8(0..4) == 0)
                    .map(|message| message.id)
                    .collect();
                let taken = messages
                    .iter()
                    .filter(|message| !named.contains(&message.id));
                let taken: Vec<Seq> = taken.map(|message| message.seq()).collect();
                self.seen.extend(taken.iter().copied());
                self.confirmed.extend(taken);
                (latency, Outcome::Ok { retry: named }, Class::OkRetry)
            }
            Mode::Refuse | Mode::Retry | Mode::Flaky => (latency, not_ok(400), Class::Status4xx),
            // 2xx is OK for the standard protocol, so there it confirms.
            Mode::Empty if standard => {
                self.seen.extend(seqs.clone());
                self.confirmed.extend(seqs);
                (latency, Outcome::Ok { retry: Vec::new() }, Class::Ok)
            }
            Mode::Empty => (latency, not_ok(204), Class::Empty2xx),
            Mode::Fail500 => (latency, not_ok(500), Class::Status5xx),
            Mode::Busy429 => {
                let retry_after = self.rng.bool().then(|| Millis(self.rng.u64(0..120_000)));
                (
                    latency,
                    Outcome::NotOk {
                        status: 429,
                        retry_after,
                    },
                    Class::Status4xx,
                )
            }
            Mode::Unauthorized => (latency, not_ok(401), Class::Status4xx),
            Mode::Gone => (latency, not_ok(410), Class::Status4xx),
            Mode::Down => (self.rng.u64(0..5), Outcome::NoHead, Class::RefusedConnect),
            Mode::Hang => (30_000, Outcome::NoHead, Class::Deadline(Phase::Head)),
            Mode::BodyBroken => (latency, Outcome::BodyBroken { status: 200 }, Class::Reset),
            Mode::LostAnswer => {
                // Processed, but the relay never learns of it.
                self.seen.extend(seqs);
                (latency, Outcome::NoHead, Class::Reset)
            }
        }
    }

    /// Takes an authenticate: whether it proves itself, what came back, after how long.
    pub fn prove(&mut self) -> (u64, bool, Outcome, Class) {
        let latency = self.rng.u64(1..200);
        match self.mode {
            Mode::Down => (1, false, Outcome::NoHead, Class::RefusedConnect),
            Mode::Hang => (30_000, false, Outcome::NoHead, Class::Deadline(Phase::Head)),
            Mode::LostAnswer => (latency, false, Outcome::NoHead, Class::Reset),
            Mode::Fail500 => {
                let outcome = Outcome::NotOk {
                    status: 500,
                    retry_after: None,
                };
                (latency, false, outcome, Class::Status5xx)
            }
            _ => (latency, true, Outcome::Ok { retry: Vec::new() }, Class::Ok),
        }
    }

    /// Takes a wake-up.
    pub fn wake(&mut self) -> (u64, Outcome, Class) {
        self.receive(&[], false)
    }
}
