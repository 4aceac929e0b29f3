//! Comparisons of date-times: `[op:]value` (`protocols/helpdesk-api.md` 1.1, opdatetime).
//!
//! Owns the operators and the patterns of `lk`. Pure. Does not know what is compared.

use crate::clock::Timestamp;
use crate::domain::zone::Zone;

/// Characters of a comparison.
pub const MAX: usize = 255;

/// What a time must be, in whole seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// This second.
    Equal(u64),
    /// Another second.
    NotEqual(u64),
    /// From the first to the second one.
    Within(u64, u64),
    /// Written like this: `%` any run of characters, `?` one.
    Like(String),
}

/// The comparison of a text in a zone. A date alone is its midnight, or, as the upper bound of a
/// range, its last second.
pub fn parse(text: &str, zone: &Zone) -> Option<Compared> {
    let is_operator = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase());
    let (operator, value) = match text.split_once(':') {
        Some((word, value)) if is_operator(word) => (word, value.trim()),
        _ => ("eq", text),
    };
    let at = |text: &str| zone.parse(text.trim()).map(Timestamp::unix_seconds);
    let until = |text: &str| zone.parse_upper(text.trim()).map(Timestamp::unix_seconds);
    Some(match operator {
        "eq" => Compared::Equal(at(value)?),
        "neq" => Compared::NotEqual(at(value)?),
        "gt" => Compared::Within(at(value)? + 1, u64::MAX),
        "gte" => Compared::Within(at(value)?, u64::MAX),
        "lt" => match at(value)?.checked_sub(1) {
            Some(last) => Compared::Within(0, last),
            None => Compared::Within(1, 0),
        },
        "lte" => Compared::Within(0, until(value)?),
        "btw" => {
            let (from, to) = value.split_once(',')?;
            Compared::Within(at(from)?, until(to)?)
        }
        "lk" if !value.is_empty() => Compared::Like(value.to_owned()),
        _ => return None,
    })
}

impl Compared {
    /// Whether a time is so.
    pub fn holds(&self, time: Timestamp, zone: &Zone) -> bool {
        let second = time.unix_seconds();
        match self {
            Self::Equal(wanted) => second == *wanted,
            Self::NotEqual(wanted) => second != *wanted,
            Self::Within(from, to) => (*from..=*to).contains(&second),
            Self::Like(pattern) => is_like(&zone.local(time), pattern),
        }
    }
}

/// Whether a text is of a pattern. Never slower than the product of their lengths.
fn is_like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) =
        (text.chars().collect(), pattern.chars().collect());
    let (mut at, mut of) = (0, 0);
    // Where the last run began in the text, and the pattern behind its `%`.
    let mut run: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(of) {
            Some('%') => {
                run = Some((at, of + 1));
                of += 1;
            }
            Some(one) if *one == '?' || *one == text[at] => {
                at += 1;
                of += 1;
            }
            _ => {
                let Some((begun, behind)) = run else {
                    return false;
                };
                run = Some((begun + 1, behind));
                at = begun + 1;
                of = behind;
            }
        }
    }
    pattern[of..].iter().all(|one| *one == '%')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operator_at_both_sides_of_its_bounds() {
        let zone = Zone::default();
        let time = |text: &str| zone.parse(text).unwrap();
        let times = [
            "2026-01-14 23:59:59",
            "2026-01-15 00:00:00",
            "2026-01-15 02:30:00",
            "2026-01-15 23:59:59",
            "2026-01-16 00:00:00",
        ];
        for (text, expected) in [
            ("2026-01-15 02:30:00", "..x.."),
            ("eq:2026-01-15 02:30:00", "..x.."),
            ("eq:2026-01-15T10:30:00Z", "..x.."),
            ("neq:2026-01-15 02:30", "xx.xx"),
            ("gt:2026-01-15 02:30:00", "...xx"),
            ("gte:2026-01-15 02:30:00", "..xxx"),
            ("lt:2026-01-15 02:30:00", "xx..."),
            ("lte:2026-01-15 02:30:00", "xxx.."),
            ("eq:2026-01-15", ".x..."),
            ("gte:2026-01-15", ".xxxx"),
            ("lt:2026-01-15", "x...."),
            ("lte:2026-01-15", "xxxx."),
            ("btw:2026-01-15,2026-01-15", ".xxx."),
            ("btw:2026-01-15 02:30:00, 2026-01-15 23:59:59", "..xx."),
            ("btw:2026-01-16,2026-01-14", "....."),
            ("lk:2026-01-15%", ".xxx."),
            ("lk:%:59", "x..x."),
            ("lk:2026-01-1? 00:00:00", ".x..x"),
            ("lk:%", "xxxxx"),
            ("lk:2026-01-15", "....."),
            ("lk:[2]026%", "....."),
            ("lt:1970-01-01T00:00:00Z", "....."),
        ] {
            let compared = parse(text, &zone).unwrap();
            let held: String = times
                .iter()
                .map(|at| {
                    if compared.holds(time(at), &zone) {
                        'x'
                    } else {
                        '.'
                    }
                })
                .collect();
            assert_eq!(held, expected, "{text}");
        }
        // Fractions are cut.
        let half = Timestamp(time(times[2]).0 + 500);
        assert!(
            parse("eq:2026-01-15 02:30:00", &zone)
                .unwrap()
                .holds(half, &zone)
        );
        assert!(
            !parse("gt:2026-01-15 02:30:00", &zone)
                .unwrap()
                .holds(half, &zone)
        );
    }

    #[test]
    fn what_is_no_comparison() {
        for text in [
            "",
            "eq:",
            "lk:",
            "ne:2026-01-15",
            "GT:2026-01-15",
            "btw:2026-01-15",
            "btw:,",
            "gt:soon",
            "lk",
            "2026",
            ":2026-01-15",
        ] {
            assert_eq!(parse(text, &Zone::default()), None, "{text}");
        }
    }

    #[test]
    fn patterns() {
        for (text, pattern, expected) in [
            ("abc", "abc", true),
            ("abc", "a%", true),
            ("abc", "%c", true),
            ("abc", "%b%", true),
            ("abc", "a?c", true),
            ("abc", "a??c", false),
            ("abc", "%%", true),
            ("", "%", true),
            ("", "?", false),
            ("aab", "%ab", true),
            ("a.c", "a.c", true),
            ("abc", "a.c", false),
            ("a*c", "a*c", true),
        ] {
            assert_eq!(is_like(text, pattern), expected, "{text} {pattern}");
        }
        assert!(!is_like(
            &"a".repeat(2000),
            &format!("{}b", "a%".repeat(100))
        ));
    }
}
