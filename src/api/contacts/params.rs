//! Parameters of this surface (`protocols/transport.md` section 5).
//!
//! Owns how a value is read from a JSON object or a query, and what is wrong with it. Does not
//! know which parameters an operation has.

use hyper::Method;
use serde_json::{Map, Value};

use super::KEY;
use super::wire::{Failure, NO_OBJECT};
use crate::api::front::{Head, pairs};
use crate::domain::{phone, words};
use crate::error::{Error, Result};
use crate::json;

/// Characters of a short text.
pub const SHORT: usize = 255;

/// What a request brings beside its path.
#[derive(Debug)]
pub struct Params {
    body: Map<String, Value>,
    query: Map<String, Value>,
}

impl Params {
    /// Decodes query and body. An empty body will do where nothing is created or changed.
    pub fn decode(head: &Head, body: &[u8]) -> Result<Self> {
        let query = pairs(head.query.as_bytes());
        let query = query.map_err(|_| Error::malformed("query is not valid."))?;
        let query = query
            .into_iter()
            .map(|(name, value)| (name, Value::String(value)));
        let may_be_empty = matches!(head.method, Method::GET | Method::DELETE);
        let body = if may_be_empty && body.trim_ascii().is_empty() {
            Map::new()
        } else {
            match json::parse(body) {
                Ok(Value::Object(body)) => body,
                _ => return Err(Error::malformed(NO_OBJECT)),
            }
        };
        Ok(Self {
            body,
            query: query.collect(),
        })
    }

    /// One text for equal parameters, without credentials.
    pub fn canonical(&self) -> String {
        let mut query = self.query.clone();
        query.remove(KEY);
        // Members of a map are sorted by name, and texts always encode.
        let body = serde_json::to_string(&self.body).unwrap_or_default();
        format!("{} {body}", Value::Object(query))
    }

    /// The parameters of the body.
    pub fn body(&self) -> Fields<'_> {
        Fields {
            places: vec![&self.body],
            prefix: "",
        }
    }

    /// The parameters of the query.
    pub fn query(&self) -> Fields<'_> {
        Fields {
            places: vec![&self.query],
            prefix: "",
        }
    }

    /// The parameters of the body, else of the query.
    pub fn either(&self) -> Fields<'_> {
        Fields {
            places: vec![&self.body, &self.query],
            prefix: "",
        }
    }
}

/// Named values.
#[derive(Debug)]
pub struct Fields<'a> {
    places: Vec<&'a Map<String, Value>>,
    prefix: &'static str,
}

impl<'a> Fields<'a> {
    /// The parameters within the parameter `name`, which are called `prefix` and their own name.
    /// None of them is there if it is not.
    pub fn within(&self, name: &'static str, prefix: &'static str) -> Result<Self, Failure> {
        let places = match self.given(name) {
            None => Vec::new(),
            Some(Value::Object(inner)) => vec![inner],
            Some(_) => return Err(Failure::not_valid(name)),
        };
        Ok(Self { places, prefix })
    }

    /// The value of a parameter; null is none.
    pub fn given(&self, name: &str) -> Option<&'a Value> {
        let mut values = self.places.iter().filter_map(|place| place.get(name));
        values.find(|value| !value.is_null())
    }

    /// The first of these names that has a value other than an empty text, and the value.
    fn present<'n>(&self, names: &[&'n str]) -> Option<(&'n str, &'a Value)> {
        let is_blank = |value: &Value| value.as_str().is_some_and(|text| text.trim().is_empty());
        names.iter().find_map(|name| {
            let mut values = self.places.iter().filter_map(|place| place.get(*name));
            let value = values.find(|value| !value.is_null() && !is_blank(value))?;
            Some((*name, value))
        })
    }

    fn named(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// A text on one line under one of these names.
    pub fn text(&self, names: &[&str], max: usize) -> Result<Option<String>, Failure> {
        self.cleaned(names, max, words::single_line)
    }

    /// A text that may have several lines.
    pub fn lines(&self, names: &[&str], max: usize) -> Result<Option<String>, Failure> {
        self.cleaned(names, max, words::multi_line)
    }

    /// A text that must be there.
    pub fn required(&self, names: &[&str], max: usize) -> Result<String, Failure> {
        let found = self.text(names, max)?;
        found.ok_or_else(|| self.missing(names))
    }

    /// What is said of a parameter that must be there.
    pub fn missing(&self, names: &[&str]) -> Failure {
        Failure::required(&self.named(names.first().unwrap_or(&"")))
    }

    fn cleaned(
        &self,
        names: &[&str],
        max: usize,
        clean: fn(&str) -> Option<String>,
    ) -> Result<Option<String>, Failure> {
        let Some((name, value)) = self.present(names) else {
            return Ok(None);
        };
        let not_valid = || Failure::not_valid(&self.named(name));
        let raw = scalar(value).ok_or_else(not_valid)?;
        let text = clean(&raw).ok_or_else(not_valid)?;
        if text.chars().count() > max {
            return Err(Failure::too_long(&self.named(name)));
        }
        // Control characters alone are no text.
        Ok(Some(text).filter(|text| !text.trim().is_empty()))
    }

    /// Texts of an array; an empty one is none.
    pub fn texts(&self, name: &str) -> Result<Option<Vec<String>>, Failure> {
        let not_valid = || Failure::not_valid(&self.named(name));
        match self.present(&[name]) {
            None => Ok(None),
            Some((_, Value::Array(items))) if items.is_empty() => Ok(None),
            Some((_, Value::Array(items))) => {
                let texts: Option<Vec<String>> = items.iter().map(scalar).collect();
                texts.map(Some).ok_or_else(not_valid)
            }
            Some(_) => Err(not_valid()),
        }
    }

    /// A truth value.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Failure> {
        let Some((_, value)) = self.present(&[name]) else {
            return Ok(None);
        };
        let word = match value {
            Value::Bool(flag) => return Ok(Some(*flag)),
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.trim().to_ascii_lowercase(),
            _ => String::new(),
        };
        match word.as_str() {
            "true" | "1" | "yes" | "y" => Ok(Some(true)),
            "false" | "0" | "no" | "n" => Ok(Some(false)),
            _ => Err(Failure::not_valid(&self.named(name))),
        }
    }

    /// A whole number from 0 upward; a decimal text and a double without fraction will do.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        let Some((_, value)) = self.present(&[name]) else {
            return Ok(None);
        };
        let number = whole(value);
        let number = number.ok_or_else(|| Failure::not_valid(&self.named(name)))?;
        Ok(Some(number))
    }

    /// An e-mail address.
    pub fn email(&self, name: &str) -> Result<Option<String>, Failure> {
        let Some((_, value)) = self.present(&[name]) else {
            return Ok(None);
        };
        let raw = value.as_str();
        let raw = raw.ok_or_else(|| Failure::not_valid(&self.named(name)))?;
        let text = words::single_line(raw).filter(|text| words::is_email(text));
        text.map(Some).ok_or_else(Failure::email)
    }

    /// An international number under one of these names.
    pub fn phone(&self, names: &[&str]) -> Result<Option<String>, Failure> {
        let Some((name, value)) = self.present(names) else {
            return Ok(None);
        };
        let raw = scalar(value).ok_or_else(|| Failure::not_valid(&self.named(name)))?;
        let text = words::single_line(&raw);
        let phone = text.and_then(|text| phone::international(&text));
        phone.map(Some).ok_or_else(Failure::phone)
    }

    /// As [`Fields::phone`], of a query, in which a `+` that was not escaped became a space.
    pub fn phone_of_query(&self, names: &[&str]) -> Result<Option<String>, Failure> {
        let Some((name, value)) = self.present(names) else {
            return Ok(None);
        };
        let raw = value.as_str().unwrap_or_default();
        let mended = match raw.strip_prefix(' ') {
            Some(rest) => format!("+{}", rest.trim_start()),
            None => raw.to_owned(),
        };
        let mended = Map::from_iter([(name.to_owned(), Value::String(mended))]);
        let fields = Fields {
            places: vec![&mended],
            prefix: self.prefix,
        };
        fields.phone(&[name])
    }
}

/// The text of a text or a number.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The whole number in a value, from 0 upward.
pub fn whole(value: &Value) -> Option<u64> {
    /// Doubles below it are exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match value {
        Value::Number(number) => match (number.as_u64(), number.as_f64()) {
            (Some(number), _) => Some(number),
            // Without a fraction and within range, so nothing is cut off.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            (None, Some(double)) if double.fract() == 0.0 && (0.0..EXACT).contains(&double) => {
                Some(double as u64)
            }
            _ => None,
        },
        Value::String(text) => {
            let text = text.trim();
            let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit());
            is_decimal.then(|| text.parse().ok()).flatten()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with<T>(
        value: &Value,
        read: impl Fn(&Fields<'_>) -> Result<T, Failure>,
    ) -> Result<T, String> {
        let Value::Object(body) = json!({ "x": value }) else {
            unreachable!("it is an object")
        };
        let params = Params {
            body,
            query: Map::new(),
        };
        read(&params.body()).map_err(|failure| match failure {
            Failure::Finding(_, text) => text.into_owned(),
            Failure::Error(error) => error.to_string(),
        })
    }

    #[test]
    fn texts_are_coerced_cleaned_and_bounded() {
        let not_valid = || Err("x is not valid.".to_owned());
        for (value, expected) in [
            (json!("a\r\nb "), Ok(Some("a b".to_owned()))),
            (json!(17), Ok(Some("17".to_owned()))),
            (json!(1.5), Ok(Some("1.5".to_owned()))),
            (json!("ä".repeat(5)), Ok(Some("ä".repeat(5)))),
            (json!("123456"), Err("x is too long.".to_owned())),
            (json!(""), Ok(None)),
            (json!(" \u{7}"), Ok(None)),
            (json!(null), Ok(None)),
            (json!("\0"), not_valid()),
            (json!(true), not_valid()),
            (json!(["a"]), not_valid()),
            (json!({}), not_valid()),
        ] {
            assert_eq!(with(&value, |x| x.text(&["x"], 5)), expected, "{value}");
        }
        let kept = with(&json!(" a\nb\u{7} "), |x| x.lines(&["x"], 9));
        assert_eq!(kept, Ok(Some(" a\nb ".to_owned())));
        let missing = with(&json!(" "), |x| x.required(&["x", "y"], 9));
        assert_eq!(missing, Err("x is required.".to_owned()));
    }

    #[test]
    fn flags_and_numbers_have_several_spellings() {
        for (value, expected) in [
            (json!(true), Some(true)),
            (json!(0), Some(false)),
            (json!("1"), Some(true)),
            (json!("No"), Some(false)),
            (json!("Y"), Some(true)),
            (json!(""), None),
        ] {
            assert_eq!(with(&value, |x| x.flag("x")), Ok(expected), "{value}");
        }
        for value in [json!(2), json!("on"), json!([]), json!(1.0)] {
            assert!(with(&value, |x| x.flag("x")).is_err(), "{value}");
        }
        for (value, expected) in [
            (json!(7), Some(7)),
            (json!(7.0), Some(7)),
            (json!("7"), Some(7)),
            (json!("+7"), None),
            (json!(-1), None),
            (json!(7.5), None),
            (json!(1e300), None),
            (json!(true), None),
            (json!("99999999999999999999"), None),
        ] {
            assert_eq!(whole(&value), expected, "{value}");
        }
    }
}
