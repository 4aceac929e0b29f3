//! Time and entropy: the only file that asks the operating system for either.
//!
//! Owns [`Timestamp`], the [`Clock`] and the [`Entropy`] source, each with a form that a test
//! drives by hand. Does not know what the time is used for.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// A point in time: milliseconds since the Unix epoch, UTC. Fits 48 bits until the year 10889.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The far future: later than every time that a clock gives.
    pub const MAX: Self = Self(u64::MAX);

    /// This time moved later by `wait`, saturating.
    #[must_use]
    pub fn after(self, wait: Millis) -> Self {
        Self(self.0.saturating_add(wait.0))
    }

    /// How long after `earlier` this time is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }

    /// Whole Unix seconds, fractions cut (`protocols/transport.md` section 7).
    #[must_use]
    pub fn unix_seconds(self) -> u64 {
        self.0 / 1000
    }
}

impl fmt::Display for Timestamp {
    /// `2026-01-15T10:30:00Z`: UTC, fractions cut (`protocols/transport.md` section 7).
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = i64::try_from(self.unix_seconds()).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_second(seconds) {
            Ok(time) => write!(out, "{}", time.strftime("%Y-%m-%dT%H:%M:%SZ")),
            // Beyond the year 9999 no calendar text exists; the number still tells.
            Err(_) => write!(out, "{seconds}"),
        }
    }
}

/// A length of time in milliseconds.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// `n` seconds.
    #[must_use]
    pub const fn seconds(n: u64) -> Self {
        Self(n.saturating_mul(1000))
    }

    /// `n` minutes.
    #[must_use]
    pub const fn minutes(n: u64) -> Self {
        Self::seconds(n.saturating_mul(60))
    }

    /// `n` hours.
    #[must_use]
    pub const fn hours(n: u64) -> Self {
        Self::minutes(n.saturating_mul(60))
    }

    /// `n` days.
    #[must_use]
    pub const fn days(n: u64) -> Self {
        Self::hours(n.saturating_mul(24))
    }
}

impl From<Millis> for Duration {
    fn from(wait: Millis) -> Self {
        Duration::from_millis(wait.0)
    }
}

impl From<Duration> for Millis {
    fn from(wait: Duration) -> Self {
        Self(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Where the time comes from: the operating system, or a test's own hand.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    manual: Option<Arc<AtomicU64>>,
}

impl Clock {
    /// The operating system's wall clock.
    #[must_use]
    pub fn system() -> Self {
        Self { manual: None }
    }

    /// A clock that stands at `start` until [`Clock::set`] moves it; all clones share it.
    #[must_use]
    pub fn manual(start: Timestamp) -> Self {
        Self {
            manual: Some(Arc::new(AtomicU64::new(start.0))),
        }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        if let Some(millis) = &self.manual {
            return Timestamp(millis.load(Ordering::SeqCst));
        }
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// Time that never steps, since an arbitrary start: for limits that a step of the wall clock
    /// must not open or shut. A manual clock gives its own hand.
    #[must_use]
    pub fn steady(&self) -> Duration {
        static START: OnceLock<Instant> = OnceLock::new();
        match &self.manual {
            Some(millis) => Duration::from_millis(millis.load(Ordering::SeqCst)),
            None => START.get_or_init(Instant::now).elapsed(),
        }
    }

    /// Moves a manual clock to `time`; the system's clock is not moved by anybody here.
    pub fn set(&self, time: Timestamp) {
        if let Some(millis) = &self.manual {
            millis.store(time.0, Ordering::SeqCst);
        }
    }
}

/// A stopwatch on the monotonic clock, for durations that a clock step must not falsify.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// The time since the start in whole microseconds, for log lines.
    #[must_use]
    pub fn micros(&self) -> u64 {
        u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// Where random bytes come from: the operating system, or a seeded generator in a simulation.
#[derive(Debug, Clone, Default)]
pub struct Entropy {
    seeded: Option<Arc<Mutex<fastrand::Rng>>>,
}

impl Entropy {
    /// The operating system's generator, fit for secrets.
    #[must_use]
    pub fn system() -> Self {
        Self { seeded: None }
    }

    /// A repeatable generator for simulations and tests. Never fit for secrets.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self {
            seeded: Some(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)))),
        }
    }

    /// Fills `bytes` with random bytes.
    ///
    /// # Panics
    /// When the operating system has no entropy to give: nothing safe can be done then.
    pub fn fill(&self, bytes: &mut [u8]) {
        if let Some(rng) = &self.seeded {
            rng.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .fill(bytes);
        } else if let Err(error) = getrandom::fill(bytes) {
            panic!("the operating system gives no random bytes: {error}");
        }
    }

    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A random 64-bit number.
    #[must_use]
    pub fn u64(&self) -> u64 {
        u64::from_be_bytes(self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_as_utc_with_fractions_cut() {
        assert_eq!(
            Timestamp(1_768_473_000_999).to_string(),
            "2026-01-15T10:30:00Z"
        );
    }

    #[test]
    fn time_arithmetic_saturates_at_both_ends() {
        assert_eq!(Timestamp(5).since(Timestamp(9)), Millis(0));
        assert_eq!(Timestamp::MAX.after(Millis(1)), Timestamp::MAX);
        assert_eq!(Millis::days(14).0, 1_209_600_000);
    }

    #[test]
    fn a_manual_clock_is_shared_by_its_clones() {
        let clock = Clock::manual(Timestamp(1));
        let other = clock.clone();
        clock.set(Timestamp(7));
        assert_eq!(other.now(), Timestamp(7));
    }

    #[test]
    fn seeded_entropy_repeats() {
        assert_eq!(
            Entropy::seeded(3).bytes::<16>(),
            Entropy::seeded(3).bytes::<16>()
        );
        assert_ne!(Entropy::seeded(3).u64(), Entropy::seeded(4).u64());
    }
}
