//! When the next attempt is due: exponential waits, jitter, and the age limits.
//!
//! Owns the arithmetic of `protocols/notifications.md` 2.2 on the `backoff` crate, with that
//! crate's randomness off. Does not know what is waiting, and reads no clock.

use std::time::Duration;

use backoff::backoff::Backoff;

use crate::clock::{Millis, Timestamp};

/// Waits beyond this many failures are the longest wait. Fifty doublings pass every sensible
/// maximum, and the table stays small whatever the multiplier.
const TABLE: usize = 50;

/// Retry settings (`[retry]`, with an endpoint's own values over them).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Wait after the first failure.
    pub initial: Millis,
    /// Factor from one wait to the next, in thousandths; at least 1000.
    pub multiplier_milli: u32,
    /// Longest wait.
    pub max_interval: Millis,
    /// Jitter lengthens a wait by up to this many thousandths of it.
    pub jitter_milli: u32,
    /// Attempts after which a message alone in its batch is exhausted; 0 = never.
    pub max_attempts: u32,
    /// Age at which a message of an enabled endpoint expires.
    pub max_age: Millis,
    /// Age at which a message expires while its endpoint is on hold, disabled or thin.
    pub held_max_age: Millis,
    /// An endpoint that fails for so long is disabled; 0 = never.
    pub disable_after: Millis,
    /// Pause between wake-ups of a thin endpoint.
    pub thin_reminder: Millis,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            initial: Millis::seconds(5),
            multiplier_milli: 2000,
            max_interval: Millis::hours(1),
            jitter_milli: 200,
            max_attempts: 0,
            max_age: Millis::hours(72),
            held_max_age: Millis::days(14),
            disable_after: Millis::days(5),
            thin_reminder: Millis::minutes(5),
        }
    }
}

/// The waits of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// What it was made from.
    pub settings: Settings,
    waits: Vec<Millis>,
}

impl Schedule {
    /// Computes the waits once.
    pub fn new(settings: Settings) -> Self {
        let max_interval = Duration::from(settings.max_interval);
        let mut exponential = backoff::ExponentialBackoff {
            current_interval: settings.initial.into(),
            initial_interval: settings.initial.into(),
            randomization_factor: 0.0,
            multiplier: f64::from(settings.multiplier_milli.max(1000)) / 1000.0,
            max_interval,
            max_elapsed_time: None,
            ..backoff::ExponentialBackoff::default()
        };
        let waits = (0..TABLE)
            .map(|_| {
                exponential
                    .next_backoff()
                    .unwrap_or(max_interval)
                    .min(max_interval)
                    .into()
            })
            .collect();
        Self { settings, waits }
    }

    /// The wait after failure `n` (1, 2, …), without jitter.
    pub fn wait(&self, n: u32) -> Millis {
        let index = usize::try_from(n.saturating_sub(1)).unwrap_or(usize::MAX);
        self.waits
            .get(index)
            .copied()
            .unwrap_or(self.settings.max_interval)
    }

    /// When the attempt after failure `n` at `now` is due: the wait and its jitter, and not
    /// before `not_before`.
    pub fn due(
        &self,
        now: Timestamp,
        n: u32,
        not_before: Option<Millis>,
        rng: &mut fastrand::Rng,
    ) -> Timestamp {
        let wait = jittered(self.wait(n), self.settings.jitter_milli, rng);
        now.after(wait.max(not_before.unwrap_or_default()))
    }
}

/// `wait` lengthened by a random part of at most `jitter_milli` thousandths; never shortened.
fn jittered(wait: Millis, jitter_milli: u32, rng: &mut fastrand::Rng) -> Millis {
    let most = u128::from(wait.0) * u128::from(jitter_milli) / 1000;
    let most = u64::try_from(most).unwrap_or(u64::MAX);
    Millis(wait.0.saturating_add(rng.u64(0..=most)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(settings: Settings, count: u32) -> Vec<u64> {
        let schedule = Schedule::new(settings);
        (1..=count).map(|n| schedule.wait(n).0).collect()
    }

    #[test]
    fn the_default_waits_double_from_five_seconds_to_an_hour() {
        let seconds = [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600];
        let expected: Vec<u64> = seconds.iter().map(|n| n * 1000).collect();
        assert_eq!(waits(Settings::default(), 12), expected);
        let schedule = Schedule::new(Settings::default());
        assert_eq!(schedule.wait(0), Millis::seconds(5));
        assert_eq!(schedule.wait(u32::MAX), Millis::hours(1));
    }

    #[test]
    fn a_multiplier_of_one_is_a_fixed_pause_and_the_maximum_bounds_the_first_wait() {
        let fixed = Settings {
            multiplier_milli: 1000,
            ..Settings::default()
        };
        assert_eq!(waits(fixed, 3), [5000, 5000, 5000]);
        let short = Settings {
            max_interval: Millis(1500),
            ..Settings::default()
        };
        assert_eq!(waits(short, 2), [1500, 1500]);
    }

    #[test]
    fn jitter_only_lengthens_and_by_at_most_its_share() {
        let schedule = Schedule::new(Settings::default());
        let mut rng = fastrand::Rng::with_seed(1);
        let mut seen = std::collections::BTreeSet::new();
        for n in 1..=12 {
            for _ in 0..200 {
                let wait = schedule.due(Timestamp(0), n, None, &mut rng).0;
                let base = schedule.wait(n).0;
                assert!(wait >= base && wait <= base + base / 5, "{n}: {wait}");
                seen.insert(wait);
            }
        }
        assert!(seen.len() > 1000, "jitter spreads the waits");
    }

    #[test]
    fn a_retry_after_can_only_lengthen_the_wait() {
        let schedule = Schedule::new(Settings {
            jitter_milli: 0,
            ..Settings::default()
        });
        let mut rng = fastrand::Rng::with_seed(1);
        let due = |not_before: u64, rng: &mut fastrand::Rng| {
            schedule.due(Timestamp(0), 2, Some(Millis(not_before)), rng)
        };
        assert_eq!(due(1, &mut rng), Timestamp(10_000));
        assert_eq!(due(90_000, &mut rng), Timestamp(90_000));
    }
}
