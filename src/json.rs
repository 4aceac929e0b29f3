//! Strict JSON: bounded depth, no repeated member names, numbers within range.
//!
//! Owns the one decoder for JSON that comes from outside (`protocols/transport.md` section 5,
//! `protocols/notifications.md` section 1). Does not know what the values mean.

use std::borrow::Cow;
use std::cell::Cell;
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
    let (text, wide) = (text(bytes)?, Wide::default());
    let strict = Strict {
        depth: MAX_DEPTH,
        wide: &wide,
    };
    read(text, strict, &wide)
}

/// Reads the whole of `text` with `seed`, which tells `wide` what it meets.
fn read<'t, S: DeserializeSeed<'t>>(
    text: &'t str,
    seed: S,
    wide: &Wide,
) -> Result<S::Value, JsonError> {
    let mut decoder = serde_json::Deserializer::from_str(text);
    let value = seed
        .deserialize(&mut decoder)
        .and_then(|value| decoder.end().map(|()| value))
        .map_err(|error| JsonError(error.to_string()))?;
    if wide.0.get() && has_wide_integer(text) {
        return Err(JsonError(OUT_OF_RANGE.into()));
    }
    Ok(value)
}

const OUT_OF_RANGE: &str = "an integer is out of range";

/// Whether a double of an integer's size was met: the decoder reads integers beyond 64 bits as
/// doubles, so only the text can tell what it was.
#[derive(Default)]
struct Wide(Cell<bool>);

impl Wide {
    fn look_at(&self, value: f64) {
        const BEYOND: f64 = 9_223_372_036_854_775_808.0;
        if value.abs() >= BEYOND {
            self.0.set(true);
        }
    }
}

/// Whether a valid document has an integer, written without fraction and exponent, that is not
/// within 2^63 of zero.
fn has_wide_integer(text: &str) -> bool {
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        match first {
            b'"' => rest = after_string(after),
            b'-' | b'0'..=b'9' => {
                let is_part = |byte: &u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
                let length = rest.iter().take_while(|byte| is_part(byte)).count();
                let (number, after) = rest.split_at(length);
                if is_wide_integer(number) {
                    return true;
                }
                rest = after;
            }
            _ => rest = after,
        }
    }
    false
}

fn is_wide_integer(number: &[u8]) -> bool {
    let digits = number.strip_prefix(b"-").unwrap_or(number);
    let is_integer = digits.iter().all(u8::is_ascii_digit);
    // Numbers have no leading zeros, so texts of equal length compare as numbers.
    let limit = b"9223372036854775808";
    is_integer && (digits.len(), digits) > (limit.len(), limit.as_slice())
}

/// What follows a string whose opening quote was just read.
fn after_string(mut rest: &[u8]) -> &[u8] {
    while let Some((first, after)) = rest.split_first() {
        rest = match first {
            b'"' => return after,
            b'\\' => after.get(1..).unwrap_or_default(),
            _ => after,
        };
    }
    rest
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
/// text they came as. `depth` is how deep it may nest: less than [`MAX_DEPTH`] for a part of a
/// larger document.
pub fn check(text: &str, depth: usize) -> Result<Shape, JsonError> {
    let wide = Wide::default();
    read(text, Checked { depth, wide: &wide }, &wide)
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
        return Err(E::custom(OUT_OF_RANGE));
    }
    Ok(value)
}

#[derive(Clone, Copy)]
struct Strict<'w> {
    depth: usize,
    wide: &'w Wide,
}

impl Strict<'_> {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        deeper(self.depth).map(|depth| Self { depth, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
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
        self.wide.look_at(value);
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
#[derive(Clone, Copy)]
struct Checked<'w> {
    depth: usize,
    wide: &'w Wide,
}

impl Checked<'_> {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        deeper(self.depth).map(|depth| Self { depth, ..self })
    }
}

/// A member name, borrowed from the text where it has no escapes.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Name {
    type Value = Cow<'de, str>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a member name")
    }

    fn visit_borrowed_str<E>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(name))
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(name.to_owned()))
    }
}

/// The member names of one object. Most objects are small, and comparing a few names costs less
/// than hashing them.
#[derive(Default)]
struct Names<'de> {
    few: Vec<Cow<'de, str>>,
    many: HashSet<Cow<'de, str>>,
}

impl<'de> Names<'de> {
    const FEW: usize = 16;

    /// Gives the name back if it is there already.
    fn repeated(&mut self, name: Cow<'de, str>) -> Option<Cow<'de, str>> {
        if self.few.contains(&name) {
            return Some(name);
        }
        if self.few.len() < Self::FEW {
            self.few.push(name);
            return None;
        }
        self.many.replace(name)
    }
}

impl<'de> DeserializeSeed<'de> for Checked<'_> {
    type Value = Shape;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Shape, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Checked<'_> {
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

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Shape, E> {
        self.wide.look_at(value);
        Ok(Shape::Number)
    }

    fn visit_str<E>(self, _: &str) -> Result<Shape, E> {
        Ok(Shape::Text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Shape, A::Error> {
        let inner = self.deeper::<A::Error>()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(Shape::Array)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Shape, A::Error> {
        let inner = self.deeper::<A::Error>()?;
        let mut names = Names::default();
        while let Some(name) = members.next_key_seed(Name)? {
            members.next_value_seed(inner)?;
            if let Some(name) = names.repeated(name) {
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

    /// An object of `count` members and one more of this name.
    fn many_names(count: usize, last: &str) -> String {
        let members: Vec<String> = (0..count).map(|n| format!("\"n{n}\":{n}")).collect();
        format!("{{{},\"{last}\":0}}", members.join(","))
    }

    #[test]
    fn integers_are_told_from_doubles_by_their_text() {
        for (text, taken) in [
            ("9223372036854775808", true),
            ("-9223372036854775808", true),
            ("9223372036854775809", false),
            ("-9223372036854775809", false),
            ("18446744073709551615", false),
            ("18446744073709551616", false),
            ("[0.5, -99999999999999999999999]", false),
            (r#"{"a":"\\","b":99999999999999999999}"#, false),
            ("18446744073709551616.0", true),
            ("1.8446744073709551616e19", true),
            ("1e300", true),
            ("-1E+300", true),
            (r#"[1e300,"\"99999999999999999999"]"#, true),
            (r#"{"99999999999999999999":1e300}"#, true),
        ] {
            assert_eq!(parse(text.as_bytes()).is_ok(), taken, "{text}");
            assert_eq!(check(text, MAX_DEPTH).is_ok(), taken, "{text}");
        }
        assert!(refusal("18446744073709551616").contains("out of range"));
    }

    #[test]
    fn a_part_of_a_document_has_the_depth_that_is_left() {
        assert!(check("[[]]", 2).is_ok());
        assert!(check("[[[]]]", 2).is_err());
        assert!(check("1", 0).is_ok());
        assert!(check("[]", 0).is_err());
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
            "-9223372036854775809",
            "[1e300,18446744073709551616]",
            r#"{"a":1e300,"9999999999999999999999":"\"99999999999999999999"}"#,
            &many_names(200, "n7"),
            &many_names(200, "n170"),
            &many_names(200, "other"),
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
            let checked = check(text, MAX_DEPTH)
                .map(|_| ())
                .map_err(|error| error.to_string());
            let parsed = parse(text.as_bytes()).map(|_| ());
            assert_eq!(
                checked,
                parsed.map_err(|error| error.to_string()),
                "{text:.40}"
            );
        }
        assert_eq!(check("{}", MAX_DEPTH), Ok(Shape::Object));
        assert_eq!(check(" \"x\" ", MAX_DEPTH), Ok(Shape::Text));
        assert_eq!(check("[1]", MAX_DEPTH), Ok(Shape::Array));
        assert_eq!(check("1", MAX_DEPTH), Ok(Shape::Number));
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
