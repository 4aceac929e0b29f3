//! What was accepted and what arrived.
//!
//! Owns the two lists of message ids and their comparison: nothing missing, and how long it took.
//! Does not know sockets.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hookrelay::id::MessageId;

use crate::Outcome;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Nanoseconds since the first call, the one time line of a run.
pub fn now() -> u64 {
    u64::try_from(START.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// A message id at a moment. `mark` is the endpoint's number where it arrived, and where it was
/// accepted the request's begin before `at`, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub struct Noted {
    pub id: u128,
    pub at: u64,
    pub mark: u64,
}

/// A growing list that is cheap to add to.
#[derive(Debug, Default)]
pub struct Notes {
    list: Mutex<Vec<Noted>>,
    count: AtomicU64,
}

impl Notes {
    pub fn add(&self, ids: impl Iterator<Item = u128>, mark: u64) {
        let at = now();
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        list.extend(ids.map(|id| Noted { id, at, mark }));
        let count = u64::try_from(list.len()).unwrap_or(u64::MAX);
        self.count.store(count, Ordering::Release);
    }

    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    pub fn copy(&self) -> Vec<Noted> {
        self.list
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub fn clear(&self) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        *list = Vec::new();
        self.count.store(0, Ordering::Release);
    }
}

const ID_MARK: &[u8] = b"\"msg_";
const ID_LEN: usize = 30;

/// Ids of messages in a text where each stands in quotes; after each, `skip` bytes are passed by,
/// because they are known to hold none: the data of the next message.
pub fn ids(text: &[u8], skip: usize) -> impl Iterator<Item = u128> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..)?;
        let found = rest
            .windows(ID_MARK.len())
            .position(|part| part == ID_MARK)?;
        let begin = at + found + 1;
        at = begin + ID_LEN + skip;
        id(text.get(begin..begin + ID_LEN)?)
    })
}

/// One id.
pub fn id(text: &[u8]) -> Option<u128> {
    let id: MessageId = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(id.0)
}

/// How what arrived relates to what was accepted.
#[derive(Debug, Default)]
pub struct Balance {
    /// From the answer to the caller until the consumer had it; 0 where the consumer was first.
    pub from_accept: Vec<u64>,
    /// From the caller's request until the consumer had it.
    pub from_request: Vec<u64>,
    pub duplicates: usize,
    /// From the first to the last arrival.
    pub span: Duration,
}

/// Every accepted message arrived at every endpoint, or an error that says what is missing.
pub fn balance(accepted: &[Noted], arrived: &[Noted], endpoints: &[u64]) -> Outcome<Balance> {
    let known: HashMap<u128, (u64, u64)> = accepted
        .iter()
        .map(|noted| (noted.id, (noted.at, noted.mark)))
        .collect();
    let mut balance = Balance::default();
    let mut seen: HashMap<u64, HashSet<u128>> = HashMap::new();
    let (mut first, mut last) = (u64::MAX, 0);
    for noted in arrived {
        let Some((at, lasted)) = known.get(&noted.id) else {
            continue;
        };
        first = first.min(noted.at);
        last = last.max(noted.at);
        if seen.entry(noted.mark).or_default().insert(noted.id) {
            balance.from_accept.push(noted.at.saturating_sub(*at));
            let begun = at.saturating_sub(*lasted);
            balance.from_request.push(noted.at.saturating_sub(begun));
        } else {
            balance.duplicates += 1;
        }
    }
    if known.len() != accepted.len() {
        return Err("an id was given twice".into());
    }
    for endpoint in endpoints {
        let arrived = seen.get(endpoint).map_or(0, HashSet::len);
        if arrived != known.len() {
            let all = known.len();
            return Err(format!("endpoint {endpoint} got {arrived} of {all} messages").into());
        }
    }
    balance.span = Duration::from_nanos(last.saturating_sub(first));
    Ok(balance)
}

/// The value below which `share` of them lie, in milliseconds.
pub fn quantile(nanoseconds: &mut [u64], share: f64) -> f64 {
    if nanoseconds.is_empty() {
        return f64::NAN;
    }
    nanoseconds.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "counts of a benchmark are far from the limits"
    )]
    let at = ((nanoseconds.len() - 1) as f64 * share).round() as usize;
    Duration::from_nanos(nanoseconds[at]).as_secs_f64() * 1000.0
}
