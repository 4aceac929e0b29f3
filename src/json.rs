//! Strict JSON: bounded depth, no repeated member names, numbers within range.
//!
//! Owns the one decoder for JSON that comes from outside (`protocols/transport.md` section 5,
//! `protocols/notifications.md` section 1). Does not know what the values mean.

use std::collections::HashSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Nesting allowed in every document from outside: an array or object counts one level.
pub const MAX_DEPTH: usize = 32;

/// Why a document is refused. The text is fit for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError(String);

impl fmt::Display for JsonError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl std::error::Error for JsonError {}

/// Decodes one JSON document. A byte-order mark is tolerated; anything after the document but
/// white space is refused.
pub fn parse(bytes: &[u8]) -> Result<Value, JsonError> {
    let text = text(bytes)?;
    let mut decoder = serde_json::Deserializer::from_str(text);
    let value = Strict { depth: MAX_DEPTH }
        .deserialize(&mut decoder)
        .and_then(|value| decoder.end().map(|()| value))
        .map_err(|error| JsonError(error.to_string()))?;
    Ok(value)
}

/// What kind of value a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
    /// A string.
    Text,
    /// An array.
    Array,
    /// An object.
    Object,
}

/// Applies the rules of [`parse`] without building the value: for documents that are kept as the
/// text they came as.
pub fn check(text: &str) -> Result<Shape, JsonError> {
    let mut decoder = serde_json::Deserializer::from_str(text);
    Checked { depth: MAX_DEPTH }
        .deserialize(&mut decoder)
        .and_then(|shape| decoder.end().map(|()| shape))
        .map_err(|error| JsonError(error.to_string()))
}

/// The document as text without its byte-order mark.
pub fn text(bytes: &[u8]) -> Result<&str, JsonError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|_| JsonError("the text is not UTF-8".into()))
}

fn deeper<E: de::Error>(depth: usize) -> Result<usize, E> {
    depth
        .checked_sub(1)
        .ok_or_else(|| E::custom(format_args!("nested more than {MAX_DEPTH} levels deep")))
}

fn repeated<E: de::Error>(name: &str) -> E {
    E::custom(format_args!("member {name:?} is repeated"))
}

fn within_range<E: de::Error>(value: u64) -> Result<u64, E> {
    if value > 1 << 63 {
        return Err(E::custom("an integer is out of range"));
    }
    Ok(value)
}

struct Strict {
    depth: usize,
}

impl Strict {
    fn deeper<E: de::Error>(&self) -> Result<Self, E> {
        deeper(self.depth).map(|depth| Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        within_range(value).map(Value::from)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        // serde_json reads integers beyond 64 bits as doubles; those without a fraction at that
        // size cannot be told from them and are integers out of range all the same.
        Number::from_f64(value)
            .map(Value::Number)
            .ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self.deeper()?)? {
            list.push(item);
        }
        // An empty array is a level of its own too.
        self.deeper::<A::Error>()?;
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(self.deeper()?)?;
            if object.insert(name.clone(), value).is_some() {
                return Err(repeated(&name));
            }
        }
        self.deeper::<A::Error>()?;
        Ok(Value::Object(object))
    }
}

/// The same rules as [`Strict`], keeping nothing but the member names of the open objects.
struct Checked {
    depth: usize,
}

impl Checked {
    fn deeper<E: de::Error>(&self) -> Result<Self, E> {
        deeper(self.depth).map(|depth| Self { depth })
    }
}

impl<'de> DeserializeSeed<'de> for Checked {
    type Value = Shape;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Shape, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = Shape;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Shape, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Shape, E> {
        Ok(Shape::Boolean)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Shape, E> {
        Ok(Shape::Number)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Shape, E> {
        within_range(value).map(|_| Shape::Number)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Shape, E> {
        Ok(Shape::Number)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        let inner = self.deeper::<A::Error>()?.depth;
        while items.next_element_seed(Self { depth: inner })?.is_some() {}
        Ok(Shape::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Shape, A::Error> {
        let inner = self.deeper::<A::Error>()?.depth;
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            members.next_value_seed(Self { depth: inner })?;
            if let Some(name) = names.replace(name) {
                return Err(repeated(&name));
            }
        }
        Ok(Shape::Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn plain_documents_pass_unchanged() {
        for text in [
            r#"{"a":[1,-2,0.5,"x",null,true,{}]}"#,
            "[]",
            "\"x\"",
            "9223372036854775808",
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap().to_string(), text);
        }
        assert_eq!(parse(b"\xEF\xBB\xBF {} ").unwrap().to_string(), "{}");
    }

    #[test]
    fn depth_is_bounded_at_exactly_the_limit() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(refusal(&nested(MAX_DEPTH + 1)).contains("levels deep"));
        assert!(parse("[".repeat(1_000_000).as_bytes()).is_err());
    }

    #[test]
    fn a_check_finds_what_parsing_finds() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for text in [
            r#"{"a":[1,-2,0.5,"x",null,true,{}]}"#,
            "[]",
            "\"x\"",
            "null",
            "9223372036854775808",
            "9223372036854775809",
            r#"{"a":1,"b":{"c":1,"c":2}}"#,
            r#"{"a":1,"\u0061":2}"#,
            "{} x",
            "{",
            "",
            "1e999",
            r#""\ud800""#,
            &deep(MAX_DEPTH),
            &deep(MAX_DEPTH + 1),
            &"[".repeat(100_000),
        ] {
            let checked = check(text).map(|_| ()).map_err(|error| error.to_string());
            let parsed = parse(text.as_bytes()).map(|_| ());
            assert_eq!(
                checked,
                parsed.map_err(|error| error.to_string()),
                "{text:.40}"
            );
        }
        assert_eq!(check("{}"), Ok(Shape::Object));
        assert_eq!(check(" \"x\" "), Ok(Shape::Text));
        assert_eq!(check("[1]"), Ok(Shape::Array));
        assert_eq!(check("1"), Ok(Shape::Number));
    }

    #[test]
    fn repeated_members_rubbish_and_wide_numbers_are_refused() {
        assert!(refusal(r#"{"a":1,"b":{"c":1,"c":2}}"#).contains("\"c\" is repeated"));
        assert!(refusal("{} x").contains("trailing"));
        assert!(refusal("9223372036854775809").contains("out of range"));
        assert!(parse(b"1e999").is_err());
        assert!(parse(b"\xff").unwrap_err().to_string().contains("UTF-8"));
        assert!(parse(b"").is_err());
    }
}
