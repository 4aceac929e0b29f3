//! Times in an account's zone (`protocols/transport.md` section 7).
//!
//! Owns the zone-less forms, read and written, and calendar steps. Zone data are compiled in, so
//! the machine's own have no say. Does not know which surfaces take or write which form.

use std::fmt;

use jiff::ToSpan;
use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Serialize};

use super::day::Day;
use crate::clock::Timestamp;

/// The zone of an account that has set none.
const DEFAULT: &str = "America/Los_Angeles";

/// The name of a time zone that is known here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Zone(String);

impl Default for Zone {
    fn default() -> Self {
        Self(DEFAULT.to_owned())
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// A calendar step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// The same local time on another day.
    Day,
    /// Seven days.
    Week,
    /// The same day of another month, or its last one.
    Month,
    /// Twelve months.
    Year,
}

/// A calendar period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From Monday to Sunday.
    Week,
    /// From the first to the last.
    Month,
}

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Its first moment.
    pub start: Timestamp,
    /// The first moment after it.
    pub end: Timestamp,
}

impl Span {
    /// Its last moment: what stands in an inclusive range.
    pub fn last(self) -> Timestamp {
        Timestamp(self.end.0.saturating_sub(1))
    }
}

/// A date, and the time of day if it was given, with its own offset if that was.
struct Parts {
    date: Date,
    time: Option<(i8, i8, i8)>,
    offset: Option<Offset>,
}

impl Zone {
    /// The IANA zone of this name, without regard to case.
    pub fn named(name: &str) -> Option<Self> {
        let zone = TimeZone::get(name).ok()?;
        zone.iana_name().map(|name| Self(name.to_owned()))
    }

    fn zone(&self) -> TimeZone {
        // Only known names are stored.
        TimeZone::get(&self.0).unwrap_or(TimeZone::UTC)
    }

    /// `2026-01-15 02:30:00`, fractions cut.
    pub fn local(&self, time: Timestamp) -> String {
        self.written(time, "%Y-%m-%d %H:%M:%S")
    }

    /// `2026-01-15 02:30`, seconds cut.
    pub fn local_minute(&self, time: Timestamp) -> String {
        self.written(time, "%Y-%m-%d %H:%M")
    }

    fn written(&self, time: Timestamp, form: &str) -> String {
        let seconds = i64::try_from(time.unix_seconds()).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_second(seconds) {
            Ok(time) => time.to_zoned(self.zone()).strftime(form).to_string(),
            // Beyond the year 9999 no calendar text exists; the number still tells.
            Err(_) => seconds.to_string(),
        }
    }

    /// The local day.
    pub fn day(&self, time: Timestamp) -> Option<Day> {
        let time = jiff::Timestamp::from_millisecond(i64::try_from(time.0).ok()?).ok()?;
        Day::of(time.to_zoned(self.zone()).date())
    }

    /// The time of a date-time in any of the accepted forms; a date alone is its midnight.
    pub fn parse(&self, text: &str) -> Option<Timestamp> {
        let parts = parts(text)?;
        self.resolve(&parts, parts.time.unwrap_or((0, 0, 0)))
    }

    /// As [`Zone::parse`], but a date alone is its last second: the upper bound of a range.
    pub fn parse_upper(&self, text: &str) -> Option<Timestamp> {
        let parts = parts(text)?;
        self.resolve(&parts, parts.time.unwrap_or((23, 59, 59)))
    }

    /// `now`, later (or earlier) by `count` units of this zone's calendar.
    pub fn step(&self, now: Timestamp, count: i64, unit: Unit) -> Option<Timestamp> {
        let span = jiff::Span::new();
        let span = match unit {
            Unit::Minute => span.try_minutes(count),
            Unit::Hour => span.try_hours(count),
            Unit::Day => span.try_days(count),
            Unit::Week => span.try_weeks(count),
            Unit::Month => span.try_months(count),
            Unit::Year => span.try_years(count),
        };
        let time = jiff::Timestamp::from_millisecond(i64::try_from(now.0).ok()?).ok()?;
        let later = time.to_zoned(self.zone()).checked_add(span.ok()?).ok()?;
        stamp(later.timestamp())
    }

    /// The first moment of the local day after `now`.
    pub fn tomorrow(&self, now: Timestamp) -> Option<Timestamp> {
        let time = jiff::Timestamp::from_millisecond(i64::try_from(now.0).ok()?).ok()?;
        let next = time.to_zoned(self.zone()).date().checked_add(1.day());
        stamp(next.ok()?.to_zoned(self.zone()).ok()?.timestamp())
    }

    /// The calendar period of this zone that holds `now`.
    pub fn period(&self, now: Timestamp, length: Period) -> Option<Span> {
        let time = jiff::Timestamp::from_millisecond(i64::try_from(now.0).ok()?).ok()?;
        let today = time.to_zoned(self.zone()).date();
        let monday = i64::from(today.weekday().to_monday_zero_offset());
        let first = match length {
            Period::Day => today,
            Period::Week => today.checked_sub(monday.days()).ok()?,
            Period::Month => today.first_of_month(),
        };
        self.span(first, length)
    }

    /// The local day that is written `MM/DD/YYYY`.
    pub fn named_day(&self, text: &str) -> Option<Span> {
        let text = text.as_bytes();
        if text.len() != 10 || text[2] != b'/' || text[5] != b'/' {
            return None;
        }
        let year = i16::try_from(digits(&text[6..])?).ok()?;
        let month = i8::try_from(digits(&text[..2])?).ok()?;
        let day = i8::try_from(digits(&text[3..5])?).ok()?;
        self.span(Date::new(year, month, day).ok()?, Period::Day)
    }

    fn span(&self, first: Date, length: Period) -> Option<Span> {
        let step = match length {
            Period::Day => 1.day(),
            Period::Week => 1.week(),
            Period::Month => 1.month(),
        };
        let midnight = |date: Date| stamp(date.to_zoned(self.zone()).ok()?.timestamp());
        Some(Span {
            start: midnight(first)?,
            end: midnight(first.checked_add(step).ok()?)?,
        })
    }

    fn resolve(&self, parts: &Parts, (hour, minute, second): (i8, i8, i8)) -> Option<Timestamp> {
        let date = parts.date;
        let (year, month, day) = (date.year(), date.month(), date.day());
        let local = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
        // A time that occurs twice means the first; one that does not exist moves later by the
        // length of the gap.
        let zone = parts.offset.map_or_else(|| self.zone(), TimeZone::fixed);
        stamp(zone.to_ambiguous_timestamp(local).compatible().ok()?)
    }
}

/// Times before 1970 are none.
fn stamp(time: jiff::Timestamp) -> Option<Timestamp> {
    u64::try_from(time.as_millisecond()).ok().map(Timestamp)
}

/// `YYYY-MM-DD`, then maybe a space or `T` and `HH:MM` or `HH:MM:SS`, then maybe `Z` or an offset.
fn parts(text: &str) -> Option<Parts> {
    let text = text.as_bytes();
    let date = Date::new(
        i16::try_from(digits(text.get(..4)?)?).ok()?,
        small(text, 5, b'-')?,
        small(text, 8, b'-')?,
    );
    let date = date.ok()?;
    let Some(rest) = text.get(10..).filter(|rest| !rest.is_empty()) else {
        return Some(Parts {
            date,
            time: None,
            offset: None,
        });
    };
    if !matches!(rest[0], b' ' | b'T') {
        return None;
    }
    let hour = small(rest, 1, rest[0])?;
    let minute = small(rest, 4, b':')?;
    let (second, rest) = match rest.get(6) {
        Some(b':') => (small(rest, 7, b':')?, &rest[9..]),
        _ => (0, &rest[6..]),
    };
    Some(Parts {
        date,
        time: Some((hour, minute, second)),
        offset: offset(rest)?,
    })
}

/// Nothing, `Z`, `+HH:MM` or `+HHMM`. The outer none: anything else.
#[allow(clippy::option_option)]
fn offset(text: &[u8]) -> Option<Option<Offset>> {
    let sign = match text {
        [] => return Some(None),
        b"Z" => return Some(Some(Offset::UTC)),
        [b'+', ..] => 1,
        [b'-', ..] => -1,
        _ => return None,
    };
    let (hours, minutes) = match text.len() {
        5 => (digits(&text[1..3])?, digits(&text[3..5])?),
        6 if text[3] == b':' => (digits(&text[1..3])?, digits(&text[4..6])?),
        _ => return None,
    };
    if minutes > 59 {
        return None;
    }
    let seconds = i32::try_from(hours * 3600 + minutes * 60).ok()?;
    Offset::from_seconds(sign * seconds).ok().map(Some)
}

/// Two digits at `at`, behind `before`.
fn small(text: &[u8], at: usize, before: u8) -> Option<i8> {
    (*text.get(at - 1)? == before).then_some(())?;
    i8::try_from(digits(text.get(at..at + 2)?)?).ok()
}

fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + u32::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> Option<String> {
        Zone::default().parse(text).map(|time| time.to_string())
    }

    #[test]
    fn local_times_follow_the_zone_through_the_year() {
        let zone = Zone::default();
        assert_eq!(
            zone.local(Timestamp(1_768_473_000_999)),
            "2026-01-15 02:30:00"
        );
        assert_eq!(
            zone.local(Timestamp(1_784_111_400_000)),
            "2026-07-15 03:30:00"
        );
        let zone = Zone::named("europe/berlin").unwrap();
        assert_eq!(zone.to_string(), "Europe/Berlin");
        assert_eq!(
            zone.local(Timestamp(1_768_473_000_000)),
            "2026-01-15 11:30:00"
        );
        assert_eq!(Zone::named("Mars/Olympus"), None);
    }

    #[test]
    fn every_accepted_form_and_nothing_else() {
        for (text, expected) in [
            ("2026-01-15 02:30:00", "2026-01-15T10:30:00Z"),
            ("2026-01-15 02:30", "2026-01-15T10:30:00Z"),
            ("2026-01-15T02:30:00", "2026-01-15T10:30:00Z"),
            ("2026-01-15T02:30", "2026-01-15T10:30:00Z"),
            ("2026-01-15T10:30:00Z", "2026-01-15T10:30:00Z"),
            ("2026-01-15 10:30Z", "2026-01-15T10:30:00Z"),
            ("2026-01-15T11:30:00+01:00", "2026-01-15T10:30:00Z"),
            ("2026-01-15T02:30-0800", "2026-01-15T10:30:00Z"),
            ("2026-01-15", "2026-01-15T08:00:00Z"),
            // 02:30 does not exist on this day, 01:30 occurs twice on that one.
            ("2026-03-08 02:30:00", "2026-03-08T10:30:00Z"),
            ("2026-11-01 01:30:00", "2026-11-01T08:30:00Z"),
        ] {
            assert_eq!(utc(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "",
            "2026",
            "2026-1-15",
            "2026-02-30",
            "2026-01-15 ",
            "2026-01-15 2:30",
            "2026-01-15 02:60",
            "2026-01-15 24:00",
            "2026-01-15 02:30:00.5",
            "2026-01-15x02:30",
            "2026-01-15 02:30+1",
            "2026-01-15 02:30+01:60",
            "1969-01-01",
            "ä026-01-15",
        ] {
            assert_eq!(utc(text), None, "{text}");
        }
    }

    #[test]
    fn a_date_alone_bounds_a_range_on_both_sides() {
        let upper = Zone::default().parse_upper("2026-01-15").unwrap();
        assert_eq!(upper.to_string(), "2026-01-16T07:59:59Z");
    }

    #[test]
    fn periods_follow_the_calendar_through_a_change_of_the_clock() {
        let zone = Zone::default();
        let at = |text: &str| zone.parse(text).unwrap();
        for (now, length, start, end, hours) in [
            (
                "2026-03-08 12:00",
                Period::Day,
                "2026-03-08",
                "2026-03-09",
                23,
            ),
            (
                "2026-11-01 00:00",
                Period::Day,
                "2026-11-01",
                "2026-11-02",
                25,
            ),
            (
                "2026-03-08 23:59",
                Period::Week,
                "2026-03-02",
                "2026-03-09",
                167,
            ),
            (
                "2026-03-09 00:00",
                Period::Week,
                "2026-03-09",
                "2026-03-16",
                168,
            ),
            (
                "2026-03-31 23:59",
                Period::Month,
                "2026-03-01",
                "2026-04-01",
                743,
            ),
            (
                "2028-02-29 12:00",
                Period::Month,
                "2028-02-01",
                "2028-03-01",
                696,
            ),
        ] {
            let span = zone.period(at(now), length).unwrap();
            assert_eq!((span.start, span.end), (at(start), at(end)), "{now}");
            assert_eq!((span.end.0 - span.start.0) / 3_600_000, hours, "{now}");
            assert_eq!(span.last().0, span.end.0 - 1);
        }
        assert_eq!(
            zone.named_day("03/08/2026"),
            zone.period(at("2026-03-08"), Period::Day)
        );
        for text in [
            "3/8/2026",
            "13/01/2026",
            "02/30/2026",
            "2026-03-08",
            "03/08/26",
            "",
        ] {
            assert_eq!(zone.named_day(text), None, "{text}");
        }
        assert_eq!(
            zone.local_minute(at("2026-01-15 02:30:59")),
            "2026-01-15 02:30"
        );
    }

    #[test]
    fn calendar_steps() {
        let zone = Zone::default();
        let now = zone.parse("2026-01-31 12:00:00").unwrap();
        for (count, unit, expected) in [
            (5, Unit::Minute, "2026-01-31 12:05:00"),
            (2, Unit::Hour, "2026-01-31 14:00:00"),
            (40, Unit::Day, "2026-03-12 12:00:00"),
            (1, Unit::Week, "2026-02-07 12:00:00"),
            (1, Unit::Month, "2026-02-28 12:00:00"),
            (1, Unit::Year, "2027-01-31 12:00:00"),
        ] {
            let later = zone.step(now, count, unit).unwrap();
            assert_eq!(zone.local(later), expected);
        }
        assert_eq!(zone.step(now, i64::MAX, Unit::Year), None);
        let next = zone.tomorrow(now).unwrap();
        assert_eq!(zone.local(next), "2026-02-01 00:00:00");
        assert_eq!(zone.day(now), Day::parse("2026-01-31"));
        // The day in Los Angeles, not the one in London.
        let late = zone.parse("2026-01-31 23:00:00").unwrap();
        assert_eq!(zone.day(late), Day::parse("2026-01-31"));
    }
}
