//! Parameters of a call: of a GET its query, of a POST its body (`protocols/transport.md`
//! section 5).
//!
//! Owns the choice between the media types and what becomes of JSON values. Does not know which
//! parameters a route has.

use std::collections::BTreeMap;

use bytes::Bytes;
use hyper::Method;
use serde::Serialize;
use serde_json::Value;

use crate::api::front::{Head, Pairs, multipart, pairs};
use crate::error::{Error, Result};
use crate::json;

/// What was given for a parameter.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Given {
    /// A text, or a JSON scalar as its text.
    Text(String),
    /// A JSON array or object, which is no text.
    Other(Value),
}

/// The parameters of one call.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Params(BTreeMap<String, Given>);

impl Params {
    /// What was given for a parameter.
    pub fn get(&self, name: &str) -> Option<&Given> {
        self.0.get(name)
    }

    /// Whether nothing at all was given.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, sorted by name, as JSON.
    pub fn canonical(&self) -> String {
        // A map of texts and values that were JSON always encodes.
        serde_json::to_string(&self.0).unwrap_or_default()
    }

    fn of(pairs: Pairs) -> Self {
        let given = pairs.into_iter();
        Self(
            given
                .map(|(name, value)| (name, Given::Text(value)))
                .collect(),
        )
    }
}

/// Decodes query or body.
pub async fn decode(head: &Head, body: Bytes) -> Result<Params> {
    let malformed = |_| Error::malformed("Parse error.");
    if head.method == Method::GET {
        return pairs(head.query.as_bytes())
            .map(Params::of)
            .map_err(malformed);
    }
    if let Some(boundary) = multipart::boundary(head).map_err(malformed)? {
        let parts = multipart::pairs(boundary, body).await;
        return parts.map(Params::of).map_err(malformed);
    }
    if is_object(&body) {
        return from_json(&body);
    }
    pairs(&body).map(Params::of).map_err(malformed)
}

/// Whether the first byte after a byte-order mark and white space opens an object.
fn is_object(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    body.trim_ascii_start().first() == Some(&b'{')
}

fn from_json(body: &[u8]) -> Result<Params> {
    let malformed = || Error::malformed("Parse error.");
    let Value::Object(members) = json::parse(body).map_err(|_| malformed())? else {
        return Err(malformed());
    };
    let given = members.into_iter().filter_map(|(name, value)| {
        let given = match value {
            // null is absent.
            Value::Null => return None,
            Value::String(text) => Given::Text(text),
            Value::Bool(_) | Value::Number(_) => Given::Text(value.to_string()),
            Value::Array(_) | Value::Object(_) => Given::Other(value),
        };
        Some((name, given))
    });
    Ok(Params(given.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_scalars_are_texts_and_null_is_absent() {
        let body = br#" {"a":"x","b":1,"c":true,"d":null,"e":[1],"f":{"g":1.5},"h":1.50}"#;
        assert!(is_object(body) && is_object(b"\xef\xbb\xbf\n{") && !is_object(b"a={"));
        let params = from_json(body).unwrap();
        let text = |text: &str| Some(Given::Text(text.to_owned()));
        for (name, expected) in [
            ("a", text("x")),
            ("b", text("1")),
            ("c", text("true")),
            ("d", None),
            ("e", Some(Given::Other(serde_json::json!([1])))),
            ("f", Some(Given::Other(serde_json::json!({"g": 1.5})))),
            ("h", text("1.5")),
        ] {
            assert_eq!(params.get(name), expected.as_ref(), "{name}");
        }
        let canonical = r#"{"a":"x","b":"1","c":"true","e":[1],"f":{"g":1.5},"h":"1.5"}"#;
        assert_eq!(params.canonical(), canonical);
        assert!(from_json(br#"{"a":1,"a":2}"#).is_err());
        assert!(from_json(b"{}").unwrap().is_empty());
    }
}
