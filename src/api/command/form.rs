//! Typed reading of a command's parameters (`protocols/command-api.md` section 2).
//!
//! Owns the common types and the findings: everything that is missing, wrong or too long in a call
//! is reported together, in that order. Does not know any command.

use serde_json::Value;

use super::Params;
use super::commands::Failure;
use crate::clock::Timestamp;
use crate::domain::words;
use crate::domain::zone::{Unit, Zone};

/// Bytes of a JSON value (`protocols/domain.md` section 1) and its depth.
pub const MAX_JSON: usize = 64 * 1024;
/// Characters of a decimal.
const MAX_DECIMAL: usize = 32;

/// The parameters of one call, while they are read. A getter gives none for what is absent and for
/// what is wrong; [`Form::finish`] tells them apart.
#[derive(Debug)]
pub struct Form<'a> {
    params: &'a Params,
    zone: &'a Zone,
    now: Timestamp,
    missing: Vec<String>,
    invalid: Vec<String>,
    long: Vec<String>,
}

impl<'a> Form<'a> {
    /// Reads `params`; times without a zone are those of `zone`.
    pub fn new(params: &'a Params, zone: &'a Zone, now: Timestamp) -> Self {
        Self {
            params,
            zone,
            now,
            missing: Vec::new(),
            invalid: Vec::new(),
            long: Vec::new(),
        }
    }

    /// Whether the parameter is there and not blank.
    pub fn is_given(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// Whether the parameter is there, but blank: what clears a field.
    pub fn is_blank(&self, name: &str) -> bool {
        self.params.get(name).is_some() && !self.is_given(name)
    }

    /// The first of these names that is given, else the first.
    pub fn either(&self, names: &[&'static str]) -> &'static str {
        let given = names.iter().find(|name| self.is_given(name));
        given.or(names.first()).copied().unwrap_or_default()
    }

    /// The parameter must be given. One with several names is missing by its first.
    pub fn need(&mut self, names: &[&str]) {
        if let Some(first) = names.first()
            && !names.iter().any(|name| self.is_given(name))
        {
            let text = format!("ERROR: Required parameter \"{first}\" missing");
            self.missing.push(text);
        }
    }

    /// The value of this parameter cannot be taken; said once.
    pub fn wrong(&mut self, name: &str) {
        let text = format!("Invalid value for parameter \"{name}\"");
        if !self.invalid.contains(&text) {
            self.invalid.push(text);
        }
    }

    /// A finding with a text of its own, among the invalid ones.
    pub fn refuse(&mut self, text: &str) {
        self.invalid.push(text.to_owned());
    }

    /// The value of this parameter is too long; said once.
    pub fn too_long(&mut self, name: &str) {
        let text = format!("Value of parameter \"{name}\" is too long");
        if !self.long.contains(&text) {
            self.long.push(text);
        }
    }

    /// What was given, as it came.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        self.params
            .get(name)
            .filter(|value| !words::is_blank(value))
    }

    /// A text on one line of at most `max` characters.
    pub fn text(&mut self, name: &str, max: usize) -> Option<String> {
        let text = words::single_line(self.raw(name)?);
        self.bounded(name, text, max)
    }

    /// A text that may have several lines.
    pub fn lines(&mut self, name: &str, max: usize) -> Option<String> {
        let text = words::multi_line(self.raw(name)?);
        self.bounded(name, text, max)
    }

    fn bounded(&mut self, name: &str, text: Option<String>, max: usize) -> Option<String> {
        match text {
            None => self.wrong(name),
            Some(text) if text.chars().count() > max => self.too_long(name),
            Some(text) => return Some(text),
        }
        None
    }

    /// The value that `read` finds in the parameter's single line.
    pub fn typed<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = words::single_line(self.raw(name)?);
        let value = text.and_then(|text| read(&text));
        if value.is_none() {
            self.wrong(name);
        }
        value
    }

    /// `-?[0-9]+`, within 64 bits.
    pub fn integer(&mut self, name: &str) -> Option<i64> {
        self.typed(name, |text| {
            let digits = text.strip_prefix('-').unwrap_or(text);
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse().ok()).flatten()
        })
    }

    /// The integer id of an entity; none has one below 1, nor the greatest, which stands for those.
    pub fn id(&mut self, name: &str) -> Option<u64> {
        let id = self.integer(name)?;
        let id = if id < 1 { i64::MAX } else { id };
        Some(id.unsigned_abs())
    }

    /// An integer from `least` to `most`.
    pub fn within(&mut self, name: &str, least: i64, most: i64) -> Option<i64> {
        let value = self.integer(name)?;
        if (least..=most).contains(&value) {
            return Some(value);
        }
        self.wrong(name);
        None
    }

    /// False for `0`, `n`, `no` and `false`, true for everything else.
    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        let is_false =
            |text: &str| matches!(text.to_lowercase().as_str(), "0" | "n" | "no" | "false");
        self.typed(name, |text| Some(!is_false(text)))
    }

    /// A date-time, or Unix seconds.
    pub fn time(&mut self, name: &str) -> Option<Timestamp> {
        let zone = self.zone;
        self.typed(name, |text| zone.parse(text).or_else(|| seconds(text)))
    }

    /// The same as the upper bound of a range: a date alone is its last second.
    pub fn time_upper(&mut self, name: &str) -> Option<Timestamp> {
        let zone = self.zone;
        self.typed(name, |text| {
            zone.parse_upper(text).or_else(|| seconds(text))
        })
    }

    /// When something ends: a date-time, `now`, `tomorrow`, or `+N unit`.
    pub fn expiration(&mut self, name: &str) -> Option<Timestamp> {
        let (zone, now) = (self.zone, self.now);
        self.typed(name, |text| expiration(text, zone, now))
    }

    /// Parts between commas, trimmed, empty ones dropped; at most `most` of them.
    pub fn csv(&mut self, name: &str, most: usize) -> Option<Vec<String>> {
        let parts = self.typed(name, |text| {
            let parts = text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            let parts: Vec<String> = parts.map(str::to_owned).collect();
            (parts.len() <= most).then_some(parts)
        })?;
        (!parts.is_empty()).then_some(parts)
    }

    /// What `read` finds in a JSON value of at most [`MAX_JSON`] bytes.
    pub fn json<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Option<T>) -> Option<T> {
        if self.raw(name)?.len() > MAX_JSON {
            self.too_long(name);
            return None;
        }
        self.body(name, read)
    }

    /// The same of a value that only the request's own size bounds.
    pub fn body<T>(&mut self, name: &str, read: impl FnOnce(Value) -> Option<T>) -> Option<T> {
        let value = crate::json::parse(self.raw(name)?.as_bytes());
        let value = value.ok().and_then(read);
        if value.is_none() {
            self.wrong(name);
        }
        value
    }

    /// What was found so far.
    pub fn found(&self) -> Vec<String> {
        let lists = [&self.missing, &self.invalid, &self.long];
        lists.into_iter().flatten().cloned().collect()
    }

    /// Goes on only if nothing was found.
    pub fn finish(self) -> Result<(), Failure> {
        let found = self.found();
        if found.is_empty() {
            Ok(())
        } else {
            Err(Failure::Findings(found))
        }
    }
}

/// Whether the text is a decimal number.
pub fn is_decimal(text: &str) -> bool {
    let number = text.strip_prefix('-').unwrap_or(text);
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    text.len() <= MAX_DECIMAL && is_number(whole) && fraction.is_none_or(is_number)
}

/// Unix seconds up to the year 9999.
fn seconds(text: &str) -> Option<Timestamp> {
    const LAST: u64 = 253_402_300_799;
    let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds: u64 = all_digits.then(|| text.parse().ok()).flatten()?;
    (seconds <= LAST).then_some(Timestamp(seconds * 1000))
}

fn expiration(text: &str, zone: &Zone, now: Timestamp) -> Option<Timestamp> {
    match text.to_lowercase().as_str() {
        "now" => return Some(now),
        "tomorrow" => return zone.tomorrow(now),
        _ => {}
    }
    let Some(step) = text.strip_prefix('+') else {
        return zone.parse(text).or_else(|| seconds(text));
    };
    let step = step.trim_start().to_lowercase();
    let end = step.find(|character: char| !character.is_ascii_digit())?;
    let (count, unit) = step.split_at(end);
    let unit = match unit.trim().trim_end_matches('s') {
        "minute" => Unit::Minute,
        "hour" => Unit::Hour,
        "day" => Unit::Day,
        "week" => Unit::Week,
        "month" => Unit::Month,
        "year" => Unit::Year,
        _ => return None,
    };
    zone.step(now, count.parse().ok()?, unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(value: &str, read: impl FnOnce(&mut Form<'_>) -> T) -> (T, Vec<String>) {
        let params = Params::of([("x", value)]);
        let zone = Zone::default();
        let mut form = Form::new(&params, &zone, Timestamp(1_768_473_000_000));
        let value = read(&mut form);
        match form.finish() {
            Ok(()) => (value, Vec::new()),
            Err(Failure::Findings(texts)) => (value, texts),
            Err(Failure::Error(error)) => (value, vec![error.to_string()]),
        }
    }

    #[test]
    fn integers_and_decimals() {
        for (text, expected) in [
            ("12", Some(12)),
            ("-3", Some(-3)),
            (" 7 ", Some(7)),
            ("+3", None),
            ("1.0", None),
            ("-", None),
            ("99999999999999999999", None),
        ] {
            let (value, found) = with(text, |form| form.integer("x"));
            assert_eq!(value, expected, "{text}");
            assert_eq!(found.is_empty(), expected.is_some(), "{text}");
        }
        for (text, expected) in [
            ("1", true),
            ("-1.50", true),
            ("1.", false),
            (".5", false),
            ("1e3", false),
        ] {
            assert_eq!(is_decimal(text), expected, "{text}");
        }
    }

    #[test]
    fn booleans() {
        for (text, expected) in [
            ("0", Some(false)),
            ("No", Some(false)),
            ("FALSE", Some(false)),
            ("n", Some(false)),
            ("1", Some(true)),
            ("anything", Some(true)),
            ("", None),
        ] {
            assert_eq!(with(text, |form| form.boolean("x")).0, expected, "{text}");
        }
    }

    #[test]
    fn expirations() {
        for (text, expected) in [
            ("now", Some("2026-01-15T10:30:00Z")),
            ("Tomorrow", Some("2026-01-16T08:00:00Z")),
            ("+1 hour", Some("2026-01-15T11:30:00Z")),
            ("+ 2 weeks", Some("2026-01-29T10:30:00Z")),
            ("+1 Month", Some("2026-02-15T10:30:00Z")),
            ("+30days", Some("2026-02-14T10:30:00Z")),
            ("2026-02-01 00:00", Some("2026-02-01T08:00:00Z")),
            ("1768473000", Some("2026-01-15T10:30:00Z")),
            ("+1", None),
            ("+1 fortnight", None),
            ("soon", None),
            ("+99999999999999 years", None),
        ] {
            let (value, found) = with(text, |form| form.expiration("x"));
            let value = value.map(|time| time.to_string());
            assert_eq!(value.as_deref(), expected, "{text}");
            assert_eq!(found.is_empty(), expected.is_some(), "{text}");
        }
    }

    #[test]
    fn findings_come_missing_first_then_wrong_then_long() {
        let params = Params::of([("a", "abc"), ("b", "x"), ("c", " ")]);
        let zone = Zone::default();
        let mut form = Form::new(&params, &zone, Timestamp(0));
        assert_eq!(form.text("a", 2), None);
        assert_eq!(form.integer("b"), None);
        form.need(&["c", "d"]);
        form.need(&["a"]);
        assert!(form.is_blank("c") && !form.is_blank("d"));
        let Err(Failure::Findings(found)) = form.finish() else {
            panic!("nothing was found");
        };
        assert_eq!(
            found,
            [
                "ERROR: Required parameter \"c\" missing",
                "Invalid value for parameter \"b\"",
                "Value of parameter \"a\" is too long",
            ]
        );
    }
}
