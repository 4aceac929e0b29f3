//! Keeps a line that repeats from filling the log.
//!
//! Owns the decision which repetitions pass and the counts of those that do not, as a pure
//! function of the time. Does not know where lines come from or go.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::time::Duration;

/// Lines of one kind that pass within one window.
const BURST: u32 = 5;
/// How long repetitions are counted together.
const WINDOW: Duration = Duration::from_mins(1);
/// Kinds of lines that are told apart; when more occur at once, all further ones share one count.
const MAX_KINDS: usize = 1024;

/// What a line is, for the purpose of repetition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind(u64);

impl Kind {
    /// The kind of a line: where it stands in the program, and the parts that tell one
    /// occurrence from another (message text, endpoint, class).
    pub fn of(place: (&str, u32), parts: &[String]) -> Self {
        // The default hasher has fixed keys, so kinds are the same in every run.
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        Self(hasher.hash_one((place, parts)))
    }

    /// All lines beyond [`MAX_KINDS`].
    const OTHERS: Self = Self(u64::MAX);
}

/// What was held back of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppressed {
    /// The line's text, as it first occurred.
    pub line: String,
    /// How many like it were held back.
    pub count: u64,
}

#[derive(Debug)]
struct Count {
    line: String,
    since: Duration,
    passed: u32,
    suppressed: u64,
}

/// Counts of recent lines, bounded in number.
#[derive(Debug, Default)]
pub struct Repetition {
    counts: HashMap<Kind, Count>,
}

impl Repetition {
    /// Whether a line of this kind passes at `now` (since any fixed start). `line` is asked for
    /// once per kind and window, for the summary.
    pub fn admit(&mut self, now: Duration, kind: Kind, line: impl FnOnce() -> String) -> bool {
        let kind = if self.counts.contains_key(&kind) || self.counts.len() < MAX_KINDS {
            kind
        } else {
            Kind::OTHERS
        };
        let count = self.counts.entry(kind).or_insert_with(|| Count {
            line: if kind == Kind::OTHERS {
                "(many different lines)".to_owned()
            } else {
                line()
            },
            since: now,
            passed: 0,
            suppressed: 0,
        });
        if count.passed < BURST {
            count.passed += 1;
            return true;
        }
        count.suppressed += 1;
        false
    }

    /// Ends the windows that are over at `now`, and tells what was held back in them, most first.
    pub fn take_over(&mut self, now: Duration) -> Vec<Suppressed> {
        let mut over = Vec::new();
        self.counts.retain(|_, count| {
            if now.saturating_sub(count.since) < WINDOW {
                return true;
            }
            if count.suppressed > 0 {
                over.push(Suppressed {
                    line: std::mem::take(&mut count.line),
                    count: count.suppressed,
                });
            }
            false
        });
        over.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.line.cmp(&b.line)));
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(100);

    fn kind(endpoint: &str) -> Kind {
        Kind::of(("relay", 7), &[endpoint.to_owned()])
    }

    #[test]
    fn a_burst_passes_and_the_rest_is_counted_until_the_window_is_over() {
        let mut repetition = Repetition::default();
        let passed = (0..20)
            .filter(|_| repetition.admit(START, kind("a"), || "unreachable".into()))
            .count();
        assert_eq!(passed, 5);
        assert!(
            repetition
                .take_over(START + Duration::from_secs(59))
                .is_empty()
        );
        let over = repetition.take_over(START + WINDOW);
        assert_eq!(
            over,
            [Suppressed {
                line: "unreachable".into(),
                count: 15
            }]
        );
        assert!(repetition.take_over(START + WINDOW).is_empty(), "told once");
        assert!(repetition.admit(START + WINDOW, kind("a"), String::new));
    }

    #[test]
    fn different_endpoints_do_not_hide_each_other() {
        let mut repetition = Repetition::default();
        for _ in 0..10 {
            repetition.admit(START, kind("a"), String::new);
        }
        assert!(repetition.admit(START, kind("b"), String::new));
        assert!(!repetition.admit(START, kind("a"), String::new));
    }

    #[test]
    fn what_occurs_seldom_is_never_held_back() {
        let mut repetition = Repetition::default();
        for minute in 0..100 {
            let now = START + WINDOW * minute;
            assert!(repetition.take_over(now).is_empty());
            assert!(repetition.admit(now, kind("a"), String::new));
        }
    }

    #[test]
    fn memory_is_bounded_whatever_occurs() {
        let mut repetition = Repetition::default();
        let passed = (0..100_000)
            .filter(|n: &u32| repetition.admit(START, kind(&n.to_string()), String::new))
            .count();
        assert!(repetition.counts.len() <= MAX_KINDS + 1);
        assert_eq!(passed, MAX_KINDS + usize::try_from(BURST).unwrap());
        let over = repetition.take_over(START + WINDOW);
        assert_eq!(over[0].line, "(many different lines)");
        assert_eq!(over[0].count, 100_000 - passed as u64);
    }
}
