//! How often may they? Rate limits and the bars after failed authentications.
//!
//! Owns the token buckets (`protocols/transport.md` 4.1) and the sliding windows (4.3), both in
//! memory and both bounded. The only file that names governor. Does not know HTTP, nor what is
//! done with a decision.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use governor::clock::{Clock as GovernorClock, Reference};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::StateStore;
use governor::{Quota, RateLimiter};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::domain::subject::Subject;

/// `[limits]` of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Requests per minute of one subject; 0 = no limit.
    pub per_minute: u32,
    /// Wrong keys and tokens per minute of one address before it is answered 429; 0 = off.
    pub auth_failures_per_minute: u32,
    /// Wrong passwords per minute of one address and login before 429; 0 = off.
    pub password_failures_per_minute: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            per_minute: 120,
            auth_failures_per_minute: 20,
            password_failures_per_minute: 10,
        }
    }
}

/// The numbers of the rate limit headers (4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Capacity.
    pub limit: u32,
    /// Whole tokens left after this request.
    pub remaining: u32,
    /// Seconds until the bucket is full, rounded up.
    pub reset: u32,
}

/// What a request may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// No limit holds; no headers.
    Unlimited,
    /// It took a token.
    Allowed(Figures),
    /// There was no token.
    Refused {
        /// The numbers all the same.
        figures: Figures,
        /// Whole seconds until one is there, at least 1.
        retry_after: u32,
    },
}

/// Whose failed authentications are counted together (4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failing {
    /// Keys and tokens tried from an address.
    Address(IpAddr),
    /// Passwords of one login tried from an address; the login by a keyed hash, so that long
    /// names cost no memory.
    Login(IpAddr, u64),
}

/// The window of 4.3.
const WINDOW: Duration = Duration::from_mins(1);
/// Buckets and windows kept at most, each. At about 64 bytes they stay below 16 MiB.
const MAX_ENTRIES: usize = 131_072;
/// Entries below which nobody looks for those that ended.
const SWEEP_FROM: usize = 1024;
/// Different limits for which a limiter is kept.
const MAX_LIMITERS: usize = 256;

/// Every bucket and window of this process.
#[derive(Debug)]
pub struct Limits {
    settings: RwLock<Settings>,
    clock: Clock,
    hasher: RandomState,
    buckets: Mutex<Buckets>,
    windows: Mutex<Windows>,
}

impl Limits {
    /// Full buckets and no failures.
    pub fn new(settings: Settings, clock: Clock) -> Self {
        Self {
            settings: RwLock::new(settings),
            clock,
            hasher: RandomState::new(),
            buckets: Mutex::default(),
            windows: Mutex::default(),
        }
    }

    /// Other settings from now on; buckets and windows stay.
    pub fn set(&self, settings: Settings) {
        *self
            .settings
            .write()
            .unwrap_or_else(PoisonError::into_inner) = settings;
    }

    fn settings(&self) -> Settings {
        *self.settings.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a token of `subject`, whose own limit, if it has one, is `per_minute`.
    pub fn take(&self, subject: &Subject, per_minute: Option<u32>) -> Decision {
        let limit = per_minute.unwrap_or(self.settings().per_minute);
        if *subject == Subject::Operator {
            return Decision::Unlimited;
        }
        match NonZeroU32::new(limit) {
            None => Decision::Unlimited,
            Some(limit) => lock(&self.buckets).take(subject, limit, self.clock.steady()),
        }
    }

    /// The counter for passwords of `login` tried from `address`.
    pub fn password_counter(&self, address: IpAddr, login: &str) -> Failing {
        Failing::Login(address, self.hasher.hash_one(login))
    }

    /// Whether `who` has failed too often already: seconds until the next look.
    pub fn barred(&self, who: Failing) -> Option<u32> {
        let allowed = self.allowed(who)?;
        lock(&self.windows).barred(who, allowed, self.clock.steady())
    }

    /// Counts a failed authentication, or tells that there were too many already.
    pub fn failed(&self, who: Failing) -> Option<u32> {
        let allowed = self.allowed(who)?;
        let now = self.clock.steady();
        let mut windows = lock(&self.windows);
        if let Some(wait) = windows.barred(who, allowed, now) {
            return Some(wait);
        }
        windows.count(who, now);
        None
    }

    fn allowed(&self, who: Failing) -> Option<usize> {
        let setting = match who {
            Failing::Address(_) => self.settings().auth_failures_per_minute,
            Failing::Login(..) => self.settings().password_failures_per_minute,
        };
        (setting > 0).then_some(setting as usize)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn whole_seconds(nanos: u64) -> u32 {
    u32::try_from(nanos.div_ceil(1_000_000_000)).unwrap_or(u32::MAX)
}

/// The time as governor sees it: set by hand before every question, so that all limiters share
/// one origin and a bucket's state means the same to each of them.
#[derive(Debug, Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl GovernorClock for Hand {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::new(self.0.load(Ordering::Relaxed))
    }
}

/// When each bucket is full again; a subject that is not here has a full one.
#[derive(Debug, Clone, Default)]
struct FullAt(Arc<Mutex<HashMap<Subject, Nanos>>>);

impl StateStore for FullAt {
    type Key = Subject;

    fn measure_and_replace<T, F, E>(&self, key: &Subject, measure: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut map = lock(&self.0);
        let (value, full_at) = measure(map.get(key).copied())?;
        map.insert(key.clone(), full_at);
        Ok(value)
    }
}

type Limiter = RateLimiter<Subject, FullAt, Hand, StateInformationMiddleware>;

#[derive(Debug, Default)]
struct Buckets {
    hand: Hand,
    full_at: FullAt,
    limiters: HashMap<NonZeroU32, Limiter>,
    sweep: Sweep,
}

impl Buckets {
    fn take(&mut self, subject: &Subject, limit: NonZeroU32, now: Duration) -> Decision {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.sweep(now);
        if self.limiters.len() >= MAX_LIMITERS && !self.limiters.contains_key(&limit) {
            // They hold no state of their own; the next question builds them again.
            self.limiters.clear();
        }
        if !self.limiters.contains_key(&limit) {
            // A limiter counts from the time of its birth: let all be born at zero.
            self.hand.0.store(0, Ordering::Relaxed);
            let (full_at, hand) = (self.full_at.clone(), self.hand.clone());
            let limiter: Limiter = RateLimiter::new(quota(limit), full_at, hand);
            self.limiters.insert(limit, limiter);
        }
        let Some(limiter) = self.limiters.get(&limit) else {
            return Decision::Unlimited;
        };
        self.hand.0.store(now, Ordering::Relaxed);
        let answer = limiter.check_key(subject);
        let full_at = lock(&self.full_at.0).get(subject).copied();
        let until_full = full_at.map_or(0, |at| at.as_u64().saturating_sub(now));
        let mut figures = Figures {
            limit: limit.get(),
            remaining: 0,
            reset: whole_seconds(until_full),
        };
        match answer {
            Ok(state) => {
                figures.remaining = state.remaining_burst_capacity();
                Decision::Allowed(figures)
            }
            Err(not_until) => {
                let wait = not_until
                    .earliest_possible()
                    .duration_since(Nanos::new(now));
                Decision::Refused {
                    figures,
                    retry_after: whole_seconds(wait.as_u64()).max(1),
                }
            }
        }
    }

    /// Forgets full buckets now and then. Should more than [`MAX_ENTRIES`] be in use, those
    /// nearest to full are given up: they lose least.
    fn sweep(&mut self, now: u64) {
        let mut map = lock(&self.full_at.0);
        if !self.sweep.is_due(map.len(), Duration::from_nanos(now)) {
            return;
        }
        map.retain(|_, full_at| full_at.as_u64() > now);
        if map.len() >= MAX_ENTRIES {
            keep_later_half(&mut map, |full_at| *full_at);
        }
        map.shrink_to(SWEEP_FROM);
        self.sweep.done(map.len(), Duration::from_nanos(now));
    }
}

/// When a map is looked through for entries that ended: when it has doubled, so that the cost per
/// entry stays constant, and once per window, so that memory is given back after a rush.
#[derive(Debug, Default)]
struct Sweep {
    at_len: usize,
    last: Duration,
}

impl Sweep {
    fn is_due(&self, len: usize, now: Duration) -> bool {
        len >= self.at_len.max(SWEEP_FROM)
            || (len >= SWEEP_FROM && now.saturating_sub(self.last) >= WINDOW)
    }

    fn done(&mut self, len: usize, now: Duration) {
        self.at_len = (len * 2).min(MAX_ENTRIES);
        self.last = now;
    }
}

/// Forgets the entries of the earlier half; among equals, any.
fn keep_later_half<K, V, T: Ord + Copy>(map: &mut HashMap<K, V>, time: impl Fn(&V) -> T) {
    let mut times: Vec<T> = map.values().map(&time).collect();
    let middle = times.len() / 2;
    if middle == 0 {
        return;
    }
    let (_, median, later) = times.select_nth_unstable(middle);
    let median = *median;
    let mut equals = later.iter().filter(|time| **time == median).count();
    map.retain(|_, value| {
        let time = time(value);
        if time != median {
            return time > median;
        }
        let keep = equals > 0;
        equals = equals.saturating_sub(1);
        keep
    });
}

fn quota(limit: NonZeroU32) -> Quota {
    let each = Duration::from_mins(1) / limit.get();
    Quota::with_period(each.max(Duration::from_nanos(1)))
        .unwrap_or_else(|| Quota::per_minute(limit))
        .allow_burst(limit)
}

#[derive(Debug, Default)]
struct Windows {
    failures: HashMap<Failing, VecDeque<Duration>>,
    sweep: Sweep,
}

impl Windows {
    fn barred(&mut self, who: Failing, allowed: usize, now: Duration) -> Option<u32> {
        let times = self.failures.get_mut(&who)?;
        while times.front().is_some_and(|oldest| *oldest + WINDOW <= now) {
            times.pop_front();
        }
        if times.len() < allowed {
            return None;
        }
        let leaves = times.front().copied()? + WINDOW;
        let wait = u64::try_from(leaves.saturating_sub(now).as_nanos()).unwrap_or(u64::MAX);
        Some(whole_seconds(wait).max(1))
    }

    fn count(&mut self, who: Failing, now: Duration) {
        self.sweep(now);
        self.failures.entry(who).or_default().push_back(now);
    }

    /// Forgets windows whose failures are over now and then; beyond [`MAX_ENTRIES`], the older
    /// half.
    fn sweep(&mut self, now: Duration) {
        if !self.sweep.is_due(self.failures.len(), now) {
            return;
        }
        let last = |times: &VecDeque<Duration>| times.back().copied().unwrap_or_default();
        self.failures.retain(|_, times| last(times) + WINDOW > now);
        if self.failures.len() >= MAX_ENTRIES {
            keep_later_half(&mut self.failures, last);
        }
        self.failures.shrink_to(SWEEP_FROM);
        self.sweep.done(self.failures.len(), now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::KeyId;

    fn limits() -> (Limits, Clock) {
        let clock = Clock::manual(Timestamp(1_000_000));
        (Limits::new(Settings::default(), clock.clone()), clock)
    }

    fn key(number: u64) -> Subject {
        Subject::Key(KeyId::from_number(number))
    }

    fn allowed(limit: u32, remaining: u32, reset: u32) -> Decision {
        Decision::Allowed(Figures {
            limit,
            remaining,
            reset,
        })
    }

    #[test]
    fn the_documented_figures_of_limit_120() {
        let (limits, clock) = limits();
        assert_eq!(limits.take(&key(1), None), allowed(120, 119, 1));
        for left in (0..119_u32).rev() {
            let reset = (120 - left).div_ceil(2);
            assert_eq!(limits.take(&key(1), None), allowed(120, left, reset));
        }
        let refused = Decision::Refused {
            figures: Figures {
                limit: 120,
                remaining: 0,
                reset: 60,
            },
            retry_after: 1,
        };
        assert_eq!(limits.take(&key(1), None), refused);
        assert_eq!(
            limits.take(&key(1), None),
            refused,
            "a refusal costs nothing"
        );
        clock.set(Timestamp(1_000_499));
        assert!(matches!(
            limits.take(&key(1), None),
            Decision::Refused { .. }
        ));
        clock.set(Timestamp(1_000_500));
        assert_eq!(limits.take(&key(1), None), allowed(120, 0, 60));
        clock.set(Timestamp(1_061_000));
        assert_eq!(limits.take(&key(1), None), allowed(120, 119, 1));
    }

    #[test]
    fn subjects_and_overrides_stand_apart() {
        let (limits, _) = limits();
        assert_eq!(limits.take(&key(1), Some(1)), allowed(1, 0, 60));
        assert_eq!(
            limits.take(&key(1), Some(1)),
            Decision::Refused {
                figures: Figures {
                    limit: 1,
                    remaining: 0,
                    reset: 60
                },
                retry_after: 60
            }
        );
        assert_eq!(limits.take(&key(2), Some(1)), allowed(1, 0, 60));
        assert_eq!(limits.take(&key(3), Some(0)), Decision::Unlimited);
        assert_eq!(limits.take(&Subject::Operator, None), Decision::Unlimited);
        assert_eq!(limits.take(&key(4), Some(7)), allowed(7, 6, 9));
    }

    #[test]
    fn many_subjects_do_not_fill_the_memory() {
        let (limits, clock) = limits();
        for number in 0..1_000_000 {
            assert_eq!(limits.take(&key(number), None), allowed(120, 119, 1));
        }
        assert!(lock(&lock(&limits.buckets).full_at.0).len() <= MAX_ENTRIES);
        for number in 0..20_000_u64 {
            clock.set(Timestamp(2_000_000 + number));
            limits.take(&key(number), None);
        }
        // Each bucket is full again after half a second, so only about 500 are ever in use.
        assert!(lock(&lock(&limits.buckets).full_at.0).len() <= 2 * SWEEP_FROM);
    }

    #[test]
    fn of_many_at_once_exactly_as_many_pass_as_there_are_tokens() {
        let (limits, _) = limits();
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    scope.spawn(|| {
                        let taken = (0..16).map(|_| limits.take(&key(1), None));
                        let passed = taken.filter(|it| matches!(it, Decision::Allowed(_)));
                        passed.count()
                    })
                })
                .collect();
            threads.into_iter().map(|it| it.join().unwrap()).sum()
        });
        assert_eq!(passed, 120, "of 128");
    }

    #[test]
    fn a_busy_subject_keeps_its_bucket_through_a_sweep() {
        let (limits, _) = limits();
        for _ in 0..120 {
            limits.take(&key(0), None);
        }
        for number in 1..200_000 {
            limits.take(&key(number), None);
        }
        assert!(matches!(
            limits.take(&key(0), None),
            Decision::Refused { .. }
        ));
    }

    #[test]
    fn failures_bar_for_as_long_as_the_oldest_is_in_the_window() {
        let (limits, clock) = limits();
        let who = Failing::Address("192.0.2.1".parse().unwrap());
        for second in 0..20 {
            clock.set(Timestamp(1_000_000 + second * 1000));
            assert_eq!(limits.failed(who), None);
        }
        assert_eq!(limits.failed(who), Some(41));
        assert_eq!(limits.barred(who), Some(41));
        clock.set(Timestamp(1_059_999));
        assert_eq!(limits.failed(who), Some(1));
        clock.set(Timestamp(1_060_000));
        assert_eq!(limits.failed(who), None, "the oldest has left");
        assert_eq!(limits.failed(who), Some(1), "the next leaves in a second");
        let other = Failing::Address("192.0.2.2".parse().unwrap());
        assert_eq!(limits.barred(other), None);
    }

    #[test]
    fn passwords_are_counted_by_address_and_login() {
        let (limits, _) = limits();
        let address = "192.0.2.1".parse().unwrap();
        let one = limits.password_counter(address, "one");
        for _ in 0..10 {
            assert_eq!(limits.failed(one), None);
        }
        assert_eq!(limits.barred(one), Some(60));
        assert_eq!(limits.barred(limits.password_counter(address, "two")), None);
        let off = Settings {
            password_failures_per_minute: 0,
            ..Settings::default()
        };
        let off = Limits::new(off, Clock::manual(Timestamp(0)));
        for _ in 0..100 {
            assert_eq!(off.failed(off.password_counter(address, "one")), None);
        }
    }

    #[test]
    fn many_failing_addresses_do_not_fill_the_memory() {
        let (limits, _) = limits();
        for number in 0..1_000_000_u32 {
            limits.failed(Failing::Address(IpAddr::V4(number.into())));
        }
        assert!(lock(&limits.windows).failures.len() <= MAX_ENTRIES);
    }
}
