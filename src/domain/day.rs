//! Calendar days.
//!
//! Owns the form `YYYY-MM-DD` and steps from day to day. Does not know zones: `zone.rs` says which
//! day it is.

use std::fmt;

use jiff::ToSpan;
use jiff::civil::Date;

/// A day of the calendar, from the year 1970 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(Date);

impl Day {
    /// The day of a date.
    pub(super) fn of(date: Date) -> Option<Self> {
        (1970..=9999).contains(&date.year()).then_some(Self(date))
    }

    /// The day of a text `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |at: usize, byte: u8| matches!(at, 4 | 7) || byte.is_ascii_digit();
        let mut bytes = text.bytes().enumerate();
        if text.len() != 10 || !bytes.all(|(at, byte)| is_digit(at, byte)) {
            return None;
        }
        Self::of(text.parse().ok()?)
    }

    /// Its number: digits of year, month and day, so that days sort as their numbers do.
    pub fn number(self) -> u64 {
        let part = |number: i16| u64::try_from(number).unwrap_or_default();
        let (month, day) = (i16::from(self.0.month()), i16::from(self.0.day()));
        part(self.0.year()) * 10_000 + part(month) * 100 + part(day)
    }

    /// The day with this number.
    pub fn numbered(number: u64) -> Option<Self> {
        let year = i16::try_from(number / 10_000).ok()?;
        let part = |number: u64| i8::try_from(number % 100).ok();
        Self::of(Date::new(year, part(number / 100)?, part(number)?).ok()?)
    }

    /// The first day of its month.
    #[must_use]
    pub fn first_of_month(self) -> Self {
        Self(self.0.first_of_month())
    }

    /// So many days earlier; the first day of all where there is none.
    #[must_use]
    pub fn earlier(self, days: i32) -> Self {
        let date = self.0.checked_sub(i64::from(days).days()).ok();
        date.and_then(Self::of)
            .unwrap_or(Self(Date::constant(1970, 1, 1)))
    }

    /// How many days it lies after another; negative before it.
    pub fn since(self, other: Self) -> i32 {
        self.0.since(other.0).map_or(0, |span| span.get_days())
    }
}

impl fmt::Display for Day {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn one_form_and_no_other() {
        assert_eq!(day("2026-01-15").to_string(), "2026-01-15");
        for text in [
            "",
            "2026",
            "2026-1-15",
            "2026-02-30",
            "20260115",
            "2026-01-15 ",
            "1969-12-31",
            "2026-01-1é",
            "+026-01-15",
            "2026/01/15",
        ] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    #[test]
    fn days_are_numbered_and_counted() {
        let jan = day("2026-01-15");
        assert_eq!(jan.number(), 20_260_115);
        assert_eq!(Day::numbered(20_260_115), Some(jan));
        assert_eq!(Day::numbered(20_260_230), None);
        assert_eq!(jan.first_of_month(), day("2026-01-01"));
        assert_eq!(jan.earlier(15), day("2025-12-31"));
        assert_eq!(day("2026-03-01").since(day("2026-02-01")), 28);
        assert_eq!(day("2024-12-31").since(day("2024-01-01")), 365);
        assert_eq!(day("2026-01-01").since(jan), -14);
    }
}
