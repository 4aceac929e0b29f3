//! Typed reading of parameters, and what is wrong with them.
//!
//! Owns the texts of the rules that every route shares, and that a field is told its first fault
//! only. Does not know any route.

use std::borrow::Cow;

use super::decode::{Given, Params};
use crate::domain::words;

pub const REQUIRED: &str = "This field is required.";
/// The blank text of appointments, as their tables spell it.
pub const BLANK_APPOINTMENT: &str = "This field is may not be blank.";
/// The blank text of leads and notes.
pub const BLANK: &str = "This field may not be blank.";

/// One fault of each field that has one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings(Vec<(&'static str, Cow<'static, str>)>);

impl Findings {
    /// A field's fault, unless it has one.
    pub fn add(&mut self, field: &'static str, text: impl Into<Cow<'static, str>>) {
        if !self.has(field) {
            self.0.push((field, text.into()));
        }
    }

    /// Whether a field has a fault.
    pub fn has(&self, field: &str) -> bool {
        self.0.iter().any(|(known, _)| *known == field)
    }

    /// Goes on only if there is no fault; otherwise the fields come as `order` has them.
    pub fn finish(mut self, order: &[&str]) -> Result<(), Self> {
        if self.0.is_empty() {
            return Ok(());
        }
        self.0
            .sort_by_key(|(field, _)| order.iter().position(|known| known == field));
        Err(self)
    }

    /// The fields and their faults.
    pub fn fields(&self) -> &[(&'static str, Cow<'static, str>)] {
        &self.0
    }
}

/// The parameters of a call, while they are read.
#[derive(Debug)]
pub struct Form<'a> {
    params: &'a Params,
    /// What was found so far.
    pub findings: Findings,
}

impl<'a> Form<'a> {
    /// Reads `params`.
    pub fn new(params: &'a Params) -> Self {
        Self {
            params,
            findings: Findings::default(),
        }
    }

    /// What was given, as it came; none if it is no text.
    fn raw(&mut self, field: &'static str) -> Option<&'a str> {
        match self.params.get(field)? {
            Given::Other(_) => self.findings.add(field, "Not a valid string."),
            Given::Text(text) if text.contains('\0') => {
                self.findings.add(field, "Null characters are not allowed.");
            }
            Given::Text(text) => return Some(text),
        }
        None
    }

    /// A text on one line; maybe empty.
    pub fn text(&mut self, field: &'static str) -> Option<String> {
        words::single_line(self.raw(field)?)
    }

    /// A text that may have several lines, without white space around it; maybe empty.
    pub fn lines(&mut self, field: &'static str) -> Option<String> {
        let text = words::multi_line(self.raw(field)?)?;
        Some(text.trim().to_owned())
    }

    /// A text of one line that says something: an empty one is absent.
    pub fn filter(&mut self, field: &'static str) -> Option<String> {
        self.text(field).filter(|text| !text.is_empty())
    }

    /// A secret, as it came; one of white space is blank.
    pub fn secret(&mut self, field: &'static str) -> Option<&'a str> {
        let given = self.raw(field);
        self.is_there(field, given.map(|text| !text.trim().is_empty()), BLANK);
        given
    }

    /// A text of one line that must be there and not be empty.
    pub fn required(&mut self, field: &'static str, blank: &'static str) -> Option<String> {
        let given = self.text(field);
        self.is_there(field, given.as_ref().map(|text| !text.is_empty()), blank);
        given.filter(|text| !text.is_empty())
    }

    /// The same of several lines.
    pub fn required_lines(&mut self, field: &'static str, blank: &'static str) -> Option<String> {
        let given = self.lines(field);
        self.is_there(field, given.as_ref().map(|text| !text.is_empty()), blank);
        given.filter(|text| !text.is_empty())
    }

    /// A text of one line that need not be there, but must not be empty.
    pub fn not_blank(&mut self, field: &'static str, blank: &'static str) -> Option<String> {
        let given = self.text(field)?;
        if given.is_empty() {
            self.findings.add(field, blank);
            return None;
        }
        Some(given)
    }

    /// `is_said` is none for what is absent, or no text at all, which has its own fault already.
    fn is_there(&mut self, field: &'static str, is_said: Option<bool>, blank: &'static str) {
        match is_said {
            None => self.findings.add(field, REQUIRED),
            Some(false) => self.findings.add(field, blank),
            Some(true) => {}
        }
    }

    /// At most `max` characters.
    pub fn bounded(
        &mut self,
        field: &'static str,
        text: Option<String>,
        max: usize,
    ) -> Option<String> {
        if text.as_ref()?.chars().count() > max {
            let fault = format!("Ensure this field has no more than {max} characters.");
            self.findings.add(field, fault);
            return None;
        }
        text
    }

    /// What `read` finds in a text; `fault` if that is nothing.
    pub fn typed<T>(
        &mut self,
        field: &'static str,
        text: Option<String>,
        fault: impl FnOnce(&str) -> Cow<'static, str>,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let text = text?;
        let value = read(&text);
        if value.is_none() {
            self.findings.add(field, fault(&text));
        }
        value
    }
}

/// The number of an entity: decimal digits, not zero. One beyond 64 bits is nobody's.
pub fn id(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_positive = is_number && text.bytes().any(|byte| byte != b'0');
    is_positive.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_positive_integers() {
        for (text, expected) in [
            ("1001", Some(1001)),
            ("007", Some(7)),
            ("99999999999999999999", Some(u64::MAX)),
            ("0", None),
            ("000", None),
            ("-1", None),
            ("+1", None),
            ("1.0", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(id(text), expected, "{text}");
        }
    }

    #[test]
    fn a_field_has_one_fault_and_fields_come_in_order() {
        let mut findings = Findings::default();
        findings.add("b", "first");
        findings.add("b", "second");
        findings.add("a", "third");
        let found = findings.finish(&["a", "b"]).unwrap_err();
        assert_eq!(
            found.fields(),
            [("a", "third".into()), ("b", "first".into())]
        );
        assert_eq!(Findings::default().finish(&[]), Ok(()));
    }
}
