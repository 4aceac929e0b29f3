//! Typed reading of a call's parameters (`protocols/helpdesk-api.md` 1.1).
//!
//! Owns the common types and which finding is told: the first that is missing, else the first that
//! is wrong, in the order in which a call reads them. Does not know any call.

use serde_json::Value;

use super::compared::{self, Compared};
use super::faults;
use super::params::Params;
use crate::clock::Timestamp;
use crate::domain::contact::CustomField;
use crate::domain::contact::fields::{Fault, MAX_FIELDS};
use crate::domain::words;
use crate::domain::zone::Zone;
use crate::error::{Error, Result};

/// Rows that one answer has at most, and if nothing is said.
const MAX_ROWS: usize = 1000;
const ROWS: usize = 100;
/// Bytes of a JSON value (`protocols/domain.md` section 1).
const MAX_JSON: usize = 64 * 1024;
/// Bytes of a name or an id that something is looked for by.
const MAX_NAMED: usize = 1024;
/// Parts of a list between commas.
const MAX_PARTS: usize = 1000;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Rows that are passed over.
    pub skip: usize,
    /// Rows that are shown, at most.
    pub take: usize,
}

/// The parameters of one call, while they are read. A getter gives none for what is absent and for
/// what is wrong; [`Form::finish`] tells them apart.
#[derive(Debug)]
pub struct Form<'a> {
    params: &'a Params,
    zone: &'a Zone,
    missing: Option<Error>,
    wrong: Option<Error>,
}

impl<'a> Form<'a> {
    /// Reads `params`; times without a zone are those of `zone`.
    pub fn new(params: &'a Params, zone: &'a Zone) -> Self {
        Self {
            params,
            zone,
            missing: None,
            wrong: None,
        }
    }

    /// What was given, as it came; blank is absent.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        let given = self.params.get(name);
        given.filter(|value| !words::is_blank(value))
    }

    /// Whether the parameter is there and not blank.
    pub fn is_given(&self, name: &str) -> bool {
        self.raw(name).is_some()
    }

    /// The first of these names that is given, else the first.
    pub fn either(&self, names: &[&'static str]) -> &'static str {
        let given = names.iter().find(|name| self.is_given(name));
        given.or(names.first()).copied().unwrap_or_default()
    }

    /// One of these must be given. None is told by the first.
    pub fn need(&mut self, names: &[&str]) {
        if let Some(first) = names.first()
            && !names.iter().any(|name| self.is_given(name))
        {
            self.missing.get_or_insert_with(|| faults::missing(first));
        }
    }

    /// The value of this parameter cannot be taken.
    pub fn wrong(&mut self, name: &str) {
        self.wrong.get_or_insert_with(|| faults::invalid(name));
    }

    fn too_long(&mut self, name: &str) {
        self.wrong.get_or_insert_with(|| faults::too_long(name));
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

    /// A name or an id that something is looked for by. One that is longer than any is nobody's.
    pub fn named(&mut self, name: &str) -> Option<String> {
        self.text(name, MAX_NAMED)
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

    /// One of these letters; case matters.
    pub fn letter(&mut self, name: &str, letters: &str) -> Option<char> {
        self.typed(name, |text| {
            letters.chars().find(|letter| text.chars().eq([*letter]))
        })
    }

    /// `Y` or `N`; absent is `default`.
    pub fn yes(&mut self, name: &str, default: bool) -> bool {
        let letter = self.letter(name, "YN");
        letter.map_or(default, |letter| letter == 'Y')
    }

    /// A date-time.
    pub fn time(&mut self, name: &str) -> Option<Timestamp> {
        let zone = self.zone;
        self.typed(name, |text| zone.parse(text))
    }

    /// A date-time as the upper bound of a range: the last millisecond of its second, and of its
    /// day if it is a date alone.
    pub fn time_upper(&mut self, name: &str) -> Option<Timestamp> {
        let zone = self.zone;
        let time = self.typed(name, |text| zone.parse_upper(text))?;
        Some(Timestamp(time.0.saturating_add(999)))
    }

    /// A date-time behind an operator.
    pub fn compared(&mut self, name: &str) -> Option<Compared> {
        let zone = self.zone;
        if self.raw(name)?.len() > compared::MAX {
            self.too_long(name);
            return None;
        }
        self.typed(name, |text| compared::parse(text, zone))
    }

    /// An e-mail address.
    pub fn email(&mut self, name: &str) -> Option<String> {
        self.typed(name, |text| words::is_email(text).then(|| text.to_owned()))
    }

    /// A color.
    pub fn color(&mut self, name: &str) -> Option<String> {
        self.typed(name, words::color)
    }

    /// Parts between commas, trimmed, empty ones dropped; `read` takes each.
    pub fn csv<T>(&mut self, name: &str, read: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
        self.typed(name, |text| {
            let parts = text.split(',').map(str::trim);
            let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
            if parts.len() > MAX_PARTS {
                return None;
            }
            parts.into_iter().map(read).collect()
        })
    }

    /// One text, or a JSON array of texts, each of which may have several lines.
    pub fn texts(&mut self, name: &str, max: usize) -> Vec<String> {
        let Some(raw) = self.raw(name) else {
            return Vec::new();
        };
        let listed = |value: &Value| Some(value.as_str()?.to_owned());
        let array = match crate::json::parse(raw.as_bytes()) {
            Ok(Value::Array(values)) => values.iter().map(listed).collect::<Option<Vec<_>>>(),
            _ => None,
        };
        let raws = array.unwrap_or_else(|| vec![raw.to_owned()]);
        let mut texts = Vec::new();
        for raw in raws.iter().filter(|raw| !words::is_blank(raw)) {
            let text = words::multi_line(raw);
            texts.extend(self.bounded(name, text, max));
        }
        texts
    }

    /// Custom fields: an array of {code, value}.
    pub fn fields(&mut self, name: &str) -> Option<Vec<CustomField>> {
        let raw = self.raw(name)?;
        if raw.len() > MAX_JSON {
            self.too_long(name);
            return None;
        }
        match custom_fields(raw) {
            Ok(fields) => return Some(fields),
            Err(Fault::NotValid) => self.wrong(name),
            Err(Fault::TooLong) => self.too_long(name),
        }
        None
    }

    /// `limitcount` or `limit`, `limitfrom` or `offset`.
    pub fn page(&mut self) -> Page {
        self.page_of(ROWS)
    }

    /// The same with another number of rows if nothing is said.
    pub fn page_of(&mut self, rows: usize) -> Page {
        let take = self.number(&["limitcount", "limit"]).unwrap_or(rows);
        Page {
            take: take.min(MAX_ROWS),
            skip: self.number(&["limitfrom", "offset"]).unwrap_or(0),
        }
    }

    /// An integer from 0 on; what is greater than any list stands for its end.
    fn number(&mut self, names: &[&'static str]) -> Option<usize> {
        self.typed(self.either(names), |text| {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse().unwrap_or(usize::MAX))
        })
    }

    /// Goes on only if nothing was found.
    pub fn finish(self) -> Result<()> {
        match self.missing.or(self.wrong) {
            Some(found) => Err(found),
            None => Ok(()),
        }
    }
}

fn custom_fields(raw: &str) -> Result<Vec<CustomField>, Fault> {
    let Ok(Value::Array(given)) = crate::json::parse(raw.as_bytes()) else {
        return Err(Fault::NotValid);
    };
    if given.len() > MAX_FIELDS {
        return Err(Fault::NotValid);
    }
    given.iter().map(custom_field).collect()
}

fn custom_field(given: &Value) -> Result<CustomField, Fault> {
    let code = given.get("code").and_then(Value::as_str);
    let value = match given.get("value") {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        None | Some(Value::Null) => Some(String::new()),
        _ => None,
    };
    let (Some(code), Some(value)) = (code, value) else {
        return Err(Fault::NotValid);
    };
    CustomField::new(code, &value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(value: &str, read: impl FnOnce(&mut Form<'_>) -> T) -> (T, Option<String>) {
        let params = Params::of(&[("x", value)]);
        let zone = Zone::default();
        let mut form = Form::new(&params, &zone);
        let value = read(&mut form);
        (
            value,
            form.finish().err().map(|error| error.message.into_owned()),
        )
    }

    const WRONG: &str = "invalid value of parameter x";
    const LONG: &str = "parameter x is too long";

    #[test]
    fn what_is_missing_is_told_before_what_is_wrong() {
        let params = Params::of(&[("a", "?"), ("b", "?"), ("blank", " \n")]);
        let zone = Zone::default();
        let mut form = Form::new(&params, &zone);
        form.letter("a", "YN");
        form.letter("b", "YN");
        assert_eq!(form.wrong, Some(faults::invalid("a")));
        form.need(&["b", "none"]);
        form.need(&["blank", "other"]);
        form.need(&["none"]);
        assert_eq!(form.finish(), Err(faults::missing("blank")));
    }

    #[test]
    fn letters_are_case_sensitive() {
        for (value, expected) in [("Y", Some('Y')), ("y", None), ("YN", None), ("1", None)] {
            let (letter, told) = with(value, |form| form.letter("x", "YN"));
            assert_eq!(letter, expected, "{value}");
            assert_eq!(
                told.as_deref(),
                expected.is_none().then_some(WRONG),
                "{value}"
            );
        }
        assert_eq!(with(" ", |form| form.yes("x", true)), (true, None));
        assert_eq!(with("N", |form| form.yes("x", true)), (false, None));
    }

    #[test]
    fn pages() {
        for (value, expected) in [
            ("0", Some(0)),
            ("7", Some(7)),
            ("99999999999999999999999", Some(usize::MAX)),
            ("-1", None),
            ("1.5", None),
            ("ten", None),
        ] {
            let (number, told) = with(value, |form| form.number(&["x"]));
            assert_eq!(number, expected, "{value}");
            assert_eq!(told.is_none(), expected.is_some(), "{value}");
        }
        let params = Params::of(&[("limit", "5000"), ("offset", "3")]);
        let zone = Zone::default();
        let page = Form::new(&params, &zone).page();
        assert_eq!(
            page,
            Page {
                skip: 3,
                take: 1000
            }
        );
        let none = Params::default();
        let page = Form::new(&none, &zone).page();
        assert_eq!(page, Page { skip: 0, take: 100 });
    }

    #[test]
    fn custom_fields_are_texts_or_numbers_under_codes() {
        let long = format!(r#"[{{"code":"a","value":"{}"}}]"#, "v".repeat(10_001));
        let many = format!("[{}]", vec![r#"{"code":"a","value":""}"#; 201].join(","));
        for (value, expected) in [
            (
                r#"[{"code":"a","value":"x"},{"code":"a","value":1.5}]"#,
                None,
            ),
            (r#"[{"code":"a"}]"#, None),
            ("[]", None),
            ("{}", Some(WRONG)),
            ("x", Some(WRONG)),
            (r#"[{"value":"x"}]"#, Some(WRONG)),
            (r#"[{"code":"","value":"x"}]"#, Some(WRONG)),
            (r#"[{"code":"a","value":[]}]"#, Some(WRONG)),
            (r#"["a"]"#, Some(WRONG)),
            (&many, Some(WRONG)),
            (&long, Some(LONG)),
        ] {
            let (_, told) = with(value, |form| form.fields("x"));
            assert_eq!(told.as_deref(), expected, "{value:.60}");
        }
        let fields = with(r#"[{"code":"a","value":1.50}]"#, |form| form.fields("x")).0;
        assert_eq!(fields.unwrap()[0].value, "1.5");
    }

    #[test]
    fn one_text_or_an_array_of_them() {
        for (value, expected) in [
            ("a\nb", vec!["a\nb"]),
            (r#"["a","b"]"#, vec!["a", "b"]),
            (r#"["a"," "]"#, vec!["a"]),
            ("[1]", vec!["[1]"]),
            ("[note]", vec!["[note]"]),
            ("[]", vec![]),
        ] {
            assert_eq!(
                with(value, |form| form.texts("x", 10)).0,
                expected,
                "{value}"
            );
        }
        assert_eq!(
            with("abc", |form| form.texts("x", 2)).1.as_deref(),
            Some(LONG)
        );
    }
}
