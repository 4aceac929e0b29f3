//! The health part of an endpoint's state: window, suspension, probe.
//!
//! Owns how fast an endpoint may be called and when it counts as unreachable. Does not know
//! batches, authentication, or what the operator ordered.
//!
//! | from | by | to |
//! |---|---|---|
//! | open | as many unreachable verdicts in a row as the window, at least 3 | suspended |
//! | suspended | its time has come, one request starts | probing |
//! | probing | the request is answered, whatever the answer | open, window 1 |
//! | probing | unreachable again | suspended, longer |
//! | any | the operator changes URL or enables the endpoint | open, window 1 |

use super::schedule::Schedule;
use crate::clock::{Millis, Timestamp};

/// Requests in flight to one endpoint, at most.
pub const MAX_WINDOW: u32 = 16;
/// Unreachable verdicts in a row that suspend, at least.
const MIN_COHORT: u32 = 3;

/// Where an endpoint stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Requests go out.
    Open,
    /// Nothing goes out before this time.
    Suspended(Timestamp),
    /// One request is out to see whether it answers.
    Probing,
}

/// The health of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    state: State,
    window: u32,
    /// Answers in a row towards the next growth.
    successes: u32,
    /// Failures in a row towards the next shrinking.
    failures: u32,
    /// Unreachable verdicts in a row.
    unreachable: u32,
    /// Suspensions in a row.
    suspensions: u32,
    /// The last finished attempt was confirmed.
    proven: bool,
    held_back: Option<Timestamp>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            state: State::Open,
            window: 1,
            successes: 0,
            failures: 0,
            unreachable: 0,
            suspensions: 0,
            proven: false,
            held_back: None,
        }
    }
}

impl Health {
    /// As it was stored: suspended again after a restart, otherwise open with window 1.
    pub fn restored(suspended: Option<Timestamp>, suspensions: u32) -> Self {
        let state = suspended.map_or(State::Open, State::Suspended);
        Self {
            state,
            suspensions,
            ..Self::default()
        }
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// The window.
    pub fn window(&self) -> u32 {
        self.window
    }

    /// Suspensions in a row.
    pub fn suspensions(&self) -> u32 {
        self.suspensions
    }

    /// Whether the last finished attempt was confirmed.
    pub fn is_proven(&self) -> bool {
        self.proven
    }

    /// Until when the endpoint asked to be left alone, if that is after `now`.
    pub fn held_back(&self, now: Timestamp) -> Option<Timestamp> {
        self.held_back.filter(|until| *until > now)
    }

    /// How many requests may be in flight: the window; one while unproven or strict.
    pub fn allowance(&self, strict: bool) -> u32 {
        if strict || !self.proven {
            1
        } else {
            self.window
        }
    }

    /// A request starts. From suspended it is the probe.
    pub fn start(&mut self) {
        if matches!(self.state, State::Suspended(_)) {
            self.state = State::Probing;
        }
    }

    /// A request that was started came to nothing by our own doing: the probe is still due.
    pub fn withdraw(&mut self, now: Timestamp) {
        if self.state == State::Probing {
            self.state = State::Suspended(now);
        }
    }

    /// The endpoint answered; `confirmed` when the answer was a confirmation.
    pub fn alive(&mut self, confirmed: bool) {
        if !self.answered() {
            return;
        }
        self.failures = 0;
        self.proven = confirmed;
        self.successes += 1;
        if self.successes >= self.window {
            self.successes = 0;
            self.window = (self.window + 1).min(MAX_WINDOW);
        }
    }

    /// The endpoint answered that it is in trouble, and perhaps asked to be left alone.
    pub fn slowed(&mut self, now: Timestamp, hold_back: Option<Millis>, confirmed: bool) {
        if let Some(wait) = hold_back {
            let until = now.after(wait);
            self.held_back = Some(self.held_back.map_or(until, |held| held.max(until)));
        }
        if self.answered() {
            self.shrink();
            self.proven = confirmed;
        }
    }

    /// The endpoint did not answer.
    pub fn unreachable(&mut self, now: Timestamp, schedule: &Schedule, rng: &mut fastrand::Rng) {
        let cohort = self.window.max(MIN_COHORT);
        self.shrink();
        self.proven = false;
        self.unreachable = self.unreachable.saturating_add(1);
        match self.state {
            State::Open if self.unreachable < cohort => {}
            // A late answer of a request from before the suspension changes nothing more.
            State::Suspended(_) => {}
            State::Open | State::Probing => {
                self.suspensions = self.suspensions.saturating_add(1);
                self.state = State::Suspended(schedule.due(now, self.suspensions, None, rng));
            }
        }
    }

    /// Moves every wait by `shift` milliseconds, because the wall clock was stepped.
    pub fn shift(&mut self, shift: impl Fn(Timestamp) -> Timestamp) {
        if let State::Suspended(until) = self.state {
            self.state = State::Suspended(shift(until));
        }
        self.held_back = self.held_back.map(shift);
    }

    /// False for a late answer to a request from before the suspension: only the probe opens.
    fn answered(&mut self) -> bool {
        match self.state {
            State::Open => self.unreachable = 0,
            State::Suspended(_) => return false,
            // A paced drain: the window grows again from 1.
            State::Probing => {
                *self = Self {
                    held_back: self.held_back,
                    ..Self::default()
                }
            }
        }
        true
    }

    /// Shrinks at the start of a run of failures, and again for each window's worth of them.
    fn shrink(&mut self) {
        self.successes = 0;
        if self.failures == 0 || self.failures >= self.window {
            self.window = self.window.saturating_sub(1).max(1);
            self.failures = 0;
        }
        self.failures += 1;
    }

    /// Whether the parts fit together; the simulation asks after every step.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.window == 0 || self.window > MAX_WINDOW {
            return Err("window out of range");
        }
        if self.state == State::Open && self.unreachable > MAX_WINDOW {
            return Err("open although every request was unreachable");
        }
        if self.state != State::Open && self.proven {
            return Err("proven although not open");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::engine::schedule::Settings;

    fn schedule() -> Schedule {
        Schedule::new(Settings {
            jitter_milli: 0,
            ..Settings::default()
        })
    }

    fn grown(answers: u32) -> Health {
        let mut health = Health::default();
        for _ in 0..answers {
            health.alive(true);
        }
        health
    }

    #[test]
    fn the_window_grows_by_one_for_a_windowful_of_answers_up_to_its_maximum() {
        let windows: Vec<u32> = (0..8).map(|answers| grown(answers).window()).collect();
        assert_eq!(windows, [1, 2, 2, 3, 3, 3, 4, 4]);
        assert_eq!(grown(10_000).window(), MAX_WINDOW);
    }

    #[test]
    fn the_window_shrinks_once_at_the_start_of_a_run_and_then_once_a_windowful() {
        let mut health = grown(10);
        assert_eq!(health.window(), 5);
        let mut windows = Vec::new();
        for _ in 0..10 {
            health.slowed(Timestamp(0), None, false);
            windows.push(health.window());
        }
        assert_eq!(windows, [4, 4, 4, 4, 3, 3, 3, 2, 2, 1]);
    }

    #[test]
    fn an_unproven_endpoint_gets_one_request_at_a_time() {
        let mut health = grown(10);
        assert_eq!(health.allowance(false), 5);
        assert_eq!(health.allowance(true), 1);
        health.alive(false);
        assert_eq!(health.allowance(false), 1);
        health.alive(true);
        assert!(health.allowance(false) > 1);
        assert_eq!(Health::default().allowance(false), 1);
    }

    #[test]
    fn three_unreachable_verdicts_suspend_and_failed_probes_suspend_longer() {
        let (schedule, mut rng) = (schedule(), fastrand::Rng::with_seed(1));
        let mut health = Health::default();
        for _ in 0..2 {
            health.unreachable(Timestamp(0), &schedule, &mut rng);
            assert_eq!(health.state(), State::Open);
        }
        health.unreachable(Timestamp(0), &schedule, &mut rng);
        assert_eq!(health.state(), State::Suspended(Timestamp(5_000)));
        health.start();
        assert_eq!(health.state(), State::Probing);
        health.unreachable(Timestamp(6_000), &schedule, &mut rng);
        assert_eq!(health.state(), State::Suspended(Timestamp(16_000)));
        health.start();
        health.alive(false);
        assert_eq!((health.state(), health.suspensions()), (State::Open, 0));
    }

    #[test]
    fn a_wide_window_needs_as_many_unreachable_verdicts() {
        let (schedule, mut rng) = (schedule(), fastrand::Rng::with_seed(1));
        let mut health = grown(10_000);
        let mut needed = 0;
        while health.state() == State::Open {
            health.unreachable(Timestamp(0), &schedule, &mut rng);
            needed += 1;
        }
        assert!(needed > 3 && needed <= MAX_WINDOW, "{needed}");
    }

    #[test]
    fn an_answer_in_between_starts_the_count_again() {
        let (schedule, mut rng) = (schedule(), fastrand::Rng::with_seed(1));
        let mut health = Health::default();
        for _ in 0..5 {
            health.unreachable(Timestamp(0), &schedule, &mut rng);
            health.unreachable(Timestamp(0), &schedule, &mut rng);
            health.slowed(Timestamp(0), None, false);
        }
        assert_eq!(health.state(), State::Open);
    }

    #[test]
    fn retry_after_holds_the_endpoint_back_and_never_less_than_before() {
        let mut health = Health::default();
        health.slowed(Timestamp(0), Some(Millis(900)), false);
        health.slowed(Timestamp(0), Some(Millis(300)), false);
        assert_eq!(health.held_back(Timestamp(100)), Some(Timestamp(900)));
        assert_eq!(health.held_back(Timestamp(900)), None);
    }
}
