//! Durations and sizes as an operator writes them.
//!
//! Owns the two little notations ("30 s", "256 KiB") and their inverse. Does not know which key
//! a value is for.

use crate::clock::Millis;

/// Unit names of a duration with their milliseconds, in the order that help names them.
const DURATIONS: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// Unit names of a size with their bytes.
const SIZES: [(&str, u64); 5] = [
    ("B", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Spellings that operators try, with the unit that is meant.
const NEAR_DURATIONS: [(&str, &str); 16] = [
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("hr", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("day", "d"),
    ("days", "d"),
    ("S", "s"),
    ("H", "h"),
    ("D", "d"),
];
const NEAR_SIZES: [(&str, &str); 16] = [
    ("b", "B"),
    ("bytes", "B"),
    ("K", "KiB"),
    ("k", "KiB"),
    ("KB", "KiB"),
    ("kB", "KiB"),
    ("kb", "KiB"),
    ("M", "MiB"),
    ("MB", "MiB"),
    ("mb", "MiB"),
    ("G", "GiB"),
    ("GB", "GiB"),
    ("gb", "GiB"),
    ("T", "TiB"),
    ("TB", "TiB"),
    ("tb", "TiB"),
];

/// Why a text is no quantity, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAQuantity {
    /// What is wrong.
    pub reason: String,
    /// A text that would be taken.
    pub instead: String,
}

/// A length of time: a whole number and `ms`, `s`, `m`, `h` or `d`, with or without a space.
pub fn duration(text: &str) -> Result<Millis, NotAQuantity> {
    quantity(text, &DURATIONS, &NEAR_DURATIONS, "30 s").map(Millis)
}

/// A size in bytes: a whole number and `B`, `KiB`, `MiB`, `GiB` or `TiB`.
pub fn size(text: &str) -> Result<u64, NotAQuantity> {
    quantity(text, &SIZES, &NEAR_SIZES, "256 KiB")
}

/// The shortest text that [`duration`] reads back as `time`.
pub fn duration_text(time: Millis) -> String {
    quantity_text(time.0, &DURATIONS)
}

/// The shortest text that [`size`] reads back as `bytes`.
pub fn size_text(bytes: u64) -> String {
    quantity_text(bytes, &SIZES)
}

fn quantity_text(value: u64, units: &[(&str, u64)]) -> String {
    let (unit, factor) = units
        .iter()
        .rev()
        .find(|(_, factor)| value != 0 && value.is_multiple_of(*factor))
        .copied()
        .unwrap_or((units[0].0, 1));
    format!("{} {unit}", value / factor)
}

fn quantity(
    text: &str,
    units: &[(&str, u64)],
    near: &[(&str, &str)],
    example: &str,
) -> Result<u64, NotAQuantity> {
    let refuse = |reason: String, instead: String| Err(NotAQuantity { reason, instead });
    let trimmed = text.trim();
    let split = trimmed
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(trimmed.len());
    let (digits, rest) = trimmed.split_at(split);
    let unit = rest.trim_start();
    if digits.is_empty() {
        return refuse(
            format!("{text:?} does not begin with a whole number"),
            format!("\"{example}\""),
        );
    }
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        let names: Vec<&str> = units.iter().map(|(name, _)| *name).collect();
        if unit.is_empty() {
            return refuse(
                format!("{text:?} has no unit"),
                format!("\"{digits} {}\" (units: {})", names[1], names.join(", ")),
            );
        }
        let meant = near.iter().find(|(name, _)| *name == unit);
        return refuse(
            format!("{unit:?} is not a unit here"),
            match meant {
                Some((_, meant)) => format!("\"{digits} {meant}\""),
                None => format!("one of the units {}", names.join(", ")),
            },
        );
    };
    let value = digits
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(*factor));
    match value {
        Some(value) => Ok(value),
        None => refuse(
            format!("{text:?} is too large a number"),
            format!("\"{example}\""),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_with_and_without_a_space() {
        for (text, millis) in [
            ("30 s", 30_000),
            ("5m", 300_000),
            (" 72  h ", 259_200_000),
            ("14 d", 1_209_600_000),
            ("250ms", 250),
            ("0 s", 0),
        ] {
            assert_eq!(duration(text), Ok(Millis(millis)), "{text}");
        }
    }

    #[test]
    fn sizes_are_binary() {
        for (text, bytes) in [
            ("10 GiB", 10 << 30),
            ("256KiB", 262_144),
            ("1 B", 1),
            ("2 TiB", 2 << 40),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn each_refusal_says_what_to_write() {
        for (text, instead) in [
            ("30", "\"30 s\""),
            ("30 seconds", "\"30 s\""),
            ("5 min", "\"5 m\""),
            ("s", "\"30 s\""),
            ("-5 s", "\"30 s\""),
            ("1.5 h", "one of the units"),
            ("99999999999999999999 d", "\"30 s\""),
            ("9999999999999999 d", "\"30 s\""),
            ("", "\"30 s\""),
        ] {
            let refusal = duration(text).unwrap_err();
            assert!(refusal.instead.contains(instead), "{text}: {refusal:?}");
        }
        assert_eq!(size("10 GB").unwrap_err().instead, "\"10 GiB\"");
        assert!(size("10").unwrap_err().instead.contains("\"10 KiB\""));
        assert!(size("10 parsecs").unwrap_err().reason.contains("parsecs"));
    }

    #[test]
    fn quantities_print_as_they_are_read() {
        for text in ["30 s", "90 s", "14 d", "250 ms", "0 ms"] {
            assert_eq!(duration_text(duration(text).unwrap()), text);
        }
        for text in ["10 GiB", "100 B", "1536 KiB", "0 B"] {
            assert_eq!(size_text(size(text).unwrap()), text);
        }
    }
}
