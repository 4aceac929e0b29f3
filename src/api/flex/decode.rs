//! The array body of a flex call (`protocols/flex-api.md` section 1).
//!
//! Owns where the key stands, how members are found whatever their case, and how their values
//! become texts, numbers and truth values. Does not know what an operation does.

use std::fmt;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::domain::words;
use crate::error::{Error, Result};
use crate::json;

/// Operations of one request.
const MAX_OPERATIONS: usize = 100;

/// A decoded body.
pub struct Request {
    key: Option<Zeroizing<String>>,
    operations: Vec<Value>,
}

impl fmt::Debug for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Request").finish_non_exhaustive()
    }
}

impl Request {
    /// The body's array, whatever is in it.
    pub fn decode(body: &[u8]) -> Result<Self> {
        let malformed = || Error::malformed("Body must be a JSON array");
        let Value::Array(elements) = json::parse(body).map_err(|_| malformed())? else {
            return Err(malformed());
        };
        let mut elements = elements.into_iter();
        let first = elements.next().ok_or_else(malformed)?;
        let key = match &first {
            Value::Object(members) => Members(members).key(),
            _ => None,
        };
        Ok(Self {
            key,
            operations: elements.collect(),
        })
    }

    /// The secret key, taken as it is.
    pub fn key(&self) -> Option<&str> {
        self.key.as_ref().map(|key| key.as_str())
    }

    /// The operations as they came, 1 to 100 of them.
    pub fn operations(&self) -> Result<&[Value]> {
        match self.operations.len() {
            0 => Err(Error::malformed("No operation given")),
            1..=MAX_OPERATIONS => Ok(&self.operations),
            _ => Err(Error::malformed("Too many operations")),
        }
    }

    /// The operations in one text, whatever the case of their members.
    pub fn canonical(&self) -> String {
        let operations = self
            .operations
            .iter()
            .map(|element| match Act::of(element) {
                Some((act, members)) => members.canonical(act),
                None => element.clone(),
            });
        Value::Array(operations.collect()).to_string()
    }
}

/// What an operation is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// A contact, new or found.
    New,
    /// New values of a contact.
    Edit,
    /// Away with a contact.
    Trash,
    /// Which contacts?
    Search,
    /// A contact into an automation.
    Enroll,
    /// A text message.
    Sms,
    /// A call.
    Call,
}

/// The acts that `type` names.
const TYPES: [(&str, Act); 6] = [
    ("NEW", Act::New),
    ("EDIT", Act::Edit),
    ("TRASH", Act::Trash),
    ("SEARCH", Act::Search),
    ("SMS", Act::Sms),
    ("CALL", Act::Call),
];

impl Act {
    /// What an element asks for, and its members.
    pub fn of(element: &Value) -> Option<(Self, Members<'_>)> {
        let members = Members(element.as_object()?);
        let named = members.text("type", usize::MAX).ok()?;
        let act = match named.as_deref() {
            None | Some("") => members.is_given("idAuto").then_some(Self::Enroll),
            Some(text) => {
                let mut types = TYPES.iter();
                let found = types.find(|(name, _)| name.eq_ignore_ascii_case(text));
                found.map(|(_, act)| *act)
            }
        };
        act.map(|act| (act, members))
    }

    /// The members that it reads, as its table spells them.
    fn members(self) -> &'static [&'static str] {
        match self {
            Self::New => &[
                "Number",
                "Email",
                "Fname",
                "Lname",
                "Custom",
                "Opportunitie",
            ],
            Self::Edit => &["idContact", "Number", "Email", "Fname", "Lname", "Custom"],
            Self::Trash => &["idContact"],
            Self::Search => &["idContact", "Fname", "Lname"],
            Self::Enroll => &["idContact", "idAuto"],
            Self::Sms | Self::Call => &["number", "text"],
        }
    }
}

/// The members of an element. Exact spelling wins over another case; null is absent.
#[derive(Debug, Clone, Copy)]
pub struct Members<'a>(&'a Map<String, Value>);

impl<'a> Members<'a> {
    /// The value of a member.
    pub fn value(self, name: &str) -> Option<&'a Value> {
        let other_case = || {
            let mut members = self.0.iter();
            let found = members.find(|(known, _)| known.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value)
        };
        let value = self.0.get(name).or_else(other_case)?;
        (!value.is_null()).then_some(value)
    }

    /// Whether it is there and neither null nor blank.
    pub fn is_given(self, name: &str) -> bool {
        let is_blank = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
        self.value(name).is_some_and(|value| !is_blank(value))
    }

    fn key(self) -> Option<Zeroizing<String>> {
        let text = match self.value("key")? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        (!text.trim().is_empty()).then(|| Zeroizing::new(text))
    }

    /// A text of one line, at most `max` characters; may be empty.
    pub fn text(self, name: &'static str, max: usize) -> Result<Option<String>> {
        self.cleaned(name, max, words::single_line)
    }

    /// A text of several lines, not trimmed, at most `max` characters.
    pub fn long_text(self, name: &'static str, max: usize) -> Result<Option<String>> {
        self.cleaned(name, max, words::multi_line)
    }

    fn cleaned(
        self,
        name: &'static str,
        max: usize,
        clean: fn(&str) -> Option<String>,
    ) -> Result<Option<String>> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        let text = match value {
            Value::String(text) => clean(text),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let text = text.ok_or_else(|| not_valid(name))?;
        if text.chars().count() > max {
            return Err(too_long(name));
        }
        Ok(Some(text))
    }

    /// An integer that is not negative, or its decimal text; none if absent or blank.
    pub fn integer(self, name: &'static str) -> Result<Option<u64>> {
        if !self.is_given(name) {
            return Ok(None);
        }
        let number = match self.value(name) {
            Some(Value::Number(number)) => number.as_u64(),
            Some(Value::String(text)) => {
                let text = text.trim();
                let all_digits = text.bytes().all(|byte| byte.is_ascii_digit());
                all_digits.then(|| text.parse().ok()).flatten()
            }
            _ => None,
        };
        number.map(Some).ok_or_else(|| not_valid(name))
    }

    /// `idContact`, where 0 is as good as absent.
    pub fn contact(self) -> Result<Option<u64>> {
        Ok(self.integer("idContact")?.filter(|id| *id != 0))
    }

    /// A truth value in one of its spellings; none if absent or blank.
    pub fn boolean(self, name: &'static str) -> Result<Option<bool>> {
        if !self.is_given(name) {
            return Ok(None);
        }
        let text = match self.value(name) {
            Some(Value::Bool(value)) => return Ok(Some(*value)),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::String(text)) => text.trim().to_ascii_lowercase(),
            _ => String::new(),
        };
        match text.as_str() {
            "true" | "1" | "yes" | "y" => Ok(Some(true)),
            "false" | "0" | "no" | "n" => Ok(Some(false)),
            _ => Err(not_valid(name)),
        }
    }

    /// The members that an act reads, under their own names.
    fn canonical(self, act: Act) -> Value {
        let named = TYPES.iter().find(|(_, known)| *known == act);
        let named = named.map(|(name, _)| ("type".to_owned(), Value::from(*name)));
        let read = act.members().iter();
        let read = read.filter_map(|name| Some(((*name).to_owned(), self.value(name)?.clone())));
        Value::Object(read.chain(named).collect())
    }
}

/// A member that must be given is not.
pub fn required(name: &'static str) -> Error {
    Error::invalid(name, format!("{name} is required"))
}

/// A member's value cannot be taken.
pub fn not_valid(name: &'static str) -> Error {
    Error::invalid(name, format!("{name} is not valid"))
}

/// A member's value is too long.
pub fn too_long(name: &'static str) -> Error {
    Error::invalid(name, format!("{name} is too long"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(body: &str) -> Option<String> {
        let request = Request::decode(body.as_bytes()).unwrap();
        request.key().map(str::to_owned)
    }

    #[test]
    fn the_body_is_an_array_whose_first_element_has_the_key() {
        for (body, expected) in [
            (r#"[{"key":"k"}]"#, Some("k")),
            (r#"[{"KEY":"k"},1]"#, Some("k")),
            (r#"[{"Key":"other","key":"k"}]"#, Some("k")),
            (r#"[{"key":" k "}]"#, Some(" k ")),
            (r#"[{"key":12}]"#, Some("12")),
            (r#"[{"key":""}]"#, None),
            (r#"[{"key":" "}]"#, None),
            (r#"[{"key":null}]"#, None),
            (r#"[{"key":["k"]}]"#, None),
            (r#"["k"]"#, None),
            (r#"[[],{"key":"k"}]"#, None),
        ] {
            assert_eq!(key(body).as_deref(), expected, "{body}");
        }
        for body in [
            "",
            "[]",
            "{}",
            "x",
            "[1,]",
            "null",
            r#"[{"a":1,"a":2}]"#,
            "[1] 2",
        ] {
            let error = Request::decode(body.as_bytes()).unwrap_err();
            assert_eq!(error.message, "Body must be a JSON array", "{body}");
        }
        let deep = format!("[{}{}]", "[".repeat(32), "]".repeat(32));
        Request::decode(deep.as_bytes()).unwrap_err();
    }

    #[test]
    fn operations_are_counted_on_both_sides_of_each_bound() {
        let with = |count: usize| Request {
            key: None,
            operations: vec![json!({}); count],
        };
        assert!(with(1).operations().is_ok() && with(100).operations().is_ok());
        let fault = |count| with(count).operations().unwrap_err().message;
        assert_eq!(fault(0), "No operation given");
        assert_eq!(fault(101), "Too many operations");
    }

    #[test]
    fn an_act_is_known_by_its_type_or_by_an_automation() {
        for (element, expected) in [
            (json!({"type": "NEW"}), Some(Act::New)),
            (json!({"TYPE": " new "}), Some(Act::New)),
            (json!({"type": "Edit"}), Some(Act::Edit)),
            (json!({"type": "tRASH"}), Some(Act::Trash)),
            (json!({"type": "search", "idAuto": 1}), Some(Act::Search)),
            (json!({"type": "sms"}), Some(Act::Sms)),
            (json!({"type": "call"}), Some(Act::Call)),
            (json!({"idAuto": 1}), Some(Act::Enroll)),
            (json!({"type": "", "IDAUTO": "1"}), Some(Act::Enroll)),
            (json!({"type": null, "idauto": 0}), Some(Act::Enroll)),
            (json!({"idAuto": ""}), None),
            (json!({"idAuto": null}), None),
            (json!({"type": "DROP", "idAuto": 1}), None),
            (json!({"type": ["NEW"]}), None),
            (json!({"type": 1}), None),
            (json!({}), None),
            (json!([]), None),
            (json!("NEW"), None),
        ] {
            let found = Act::of(&element).map(|(act, _)| act);
            assert_eq!(found, expected, "{element}");
        }
    }

    #[test]
    fn values_are_coerced_as_the_tables_say() {
        let element = json!({
            "a": 7, "b": " 7 ", "c": -1, "d": 1.5, "e": true, "f": "x", "g": " ", "h": null,
            "i": "99999999999999999999", "j": [7], "k": "+7",
        });
        let members = Members(element.as_object().unwrap());
        for name in ["a", "b"] {
            assert_eq!(members.integer(name), Ok(Some(7)), "{name}");
        }
        for name in ["c", "d", "e", "f", "i", "j", "k"] {
            assert_eq!(members.integer(name), Err(not_valid(name)), "{name}");
        }
        for name in ["g", "h", "z"] {
            assert_eq!(members.integer(name), Ok(None), "{name}");
            assert_eq!(members.boolean(name), Ok(None), "{name}");
        }
        for (value, expected) in [
            (json!(true), Ok(Some(true))),
            (json!(0), Ok(Some(false))),
            (json!("1"), Ok(Some(true))),
            (json!("FALSE"), Ok(Some(false))),
            (json!("Yes"), Ok(Some(true))),
            (json!(" n "), Ok(Some(false))),
            (json!("on"), Err(not_valid("x"))),
            (json!(2), Err(not_valid("x"))),
            (json!([]), Err(not_valid("x"))),
        ] {
            let element = json!({ "X": value });
            let members = Members(element.as_object().unwrap());
            assert_eq!(members.boolean("x"), expected, "{element}");
        }
        for (value, expected) in [
            (json!(" a\tb "), Ok(Some("a b"))),
            (json!(12), Ok(Some("12"))),
            (json!("abcdef"), Err(too_long("x"))),
            (json!("a\0"), Err(not_valid("x"))),
            (json!(true), Err(not_valid("x"))),
            (json!({}), Err(not_valid("x"))),
            (json!(""), Ok(Some(""))),
        ] {
            let element = json!({ "x": value });
            let members = Members(element.as_object().unwrap());
            let expected = expected.map(|text| text.map(str::to_owned));
            assert_eq!(members.text("x", 5), expected, "{element}");
        }
        let element = json!({"x": " a\r\nb\u{7} "});
        let members = Members(element.as_object().unwrap());
        let text = members.long_text("x", 9).unwrap();
        assert_eq!(text.as_deref(), Some(" a\r\nb "));
    }

    #[test]
    fn one_canonical_text_for_every_spelling_of_members() {
        let canonical = |body: &str| Request::decode(body.as_bytes()).unwrap().canonical();
        let one = canonical(r#"[{"key":"a"},{"type":"NEW","Number":"+1","Fname":"x"}]"#);
        assert_eq!(one, r#"[{"Fname":"x","Number":"+1","type":"NEW"}]"#);
        for same in [
            r#"[{"key":"b"},{"FNAME":"x","number":"+1","TYPE":"new","other":1,"Lname":null}]"#,
            r#"[{}, {"Fname":"x", "fname":"y","Number":"+1","type":"New"} ]"#,
        ] {
            assert_eq!(canonical(same), one, "{same}");
        }
        let other = canonical(r#"[{"key":"a"},{"type":"NEW","Number":"+1"}]"#);
        assert_ne!(other, one);
    }
}
