//! Parameters of a call: from query, urlencoded or multipart body, or a JSON object
//! (`protocols/helpdesk-api.md` 1.1, `protocols/transport.md` section 5).
//!
//! Owns merging and where credentials stand. Does not know which parameters a call has.

use std::collections::BTreeMap;
use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::CONTENT_TYPE;
use serde_json::Value;

use super::address::HANDLER;
use super::faults;
use crate::api::front::{Head, Pairs, pairs};
use crate::domain::words;
use crate::error::Result;
use crate::json;

/// The parameter and header that holds the key.
pub const KEY: &str = "apikey";
/// Parts of a multipart body.
const MAX_PARTS: usize = 1000;

/// The parameters of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params {
    query: BTreeMap<String, String>,
    body: BTreeMap<String, String>,
}

impl Params {
    /// The value of a parameter as it came: the body's, else the query's.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.body.get(name).or_else(|| self.query.get(name));
        found.map(String::as_str)
    }

    /// The key, from the first place where it is not blank.
    pub fn key<'a>(&'a self, head: &'a Head) -> Option<&'a str> {
        let below = [&self.body, &self.query].map(|place| place.get(KEY).map(String::as_str));
        let all = [head.header(KEY)].into_iter().chain(below);
        all.flatten().find(|key| !words::is_blank(key))
    }

    /// Every parameter, sorted by name.
    pub fn all(&self) -> BTreeMap<&str, &str> {
        let merged = self.query.iter().chain(&self.body);
        merged
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| ![KEY, HANDLER].contains(name))
            .collect()
    }

    /// Parameters of a body.
    #[cfg(test)]
    pub fn of(pairs: &[(&str, &str)]) -> Self {
        let pairs = pairs.iter();
        Self {
            query: BTreeMap::new(),
            body: pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        }
    }
}

/// Decodes query and body, whatever the method.
pub async fn decode(head: &Head, body: Bytes) -> Result<Params> {
    let media_type = head.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let found = if essence.eq_ignore_ascii_case("multipart/form-data") {
        parts(media_type, body).await
    } else if is_object(&body) {
        members(&body)
    } else {
        pairs(&body).ok()
    };
    let query = pairs(head.query.as_bytes()).ok();
    let (Some(body), Some(query)) = (found, query) else {
        return Err(faults::not_parsed());
    };
    Ok(Params {
        query: query.into_iter().collect(),
        body: body.into_iter().collect(),
    })
}

/// Whether a body is JSON by its first byte.
fn is_object(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    body.trim_ascii_start().first() == Some(&b'{')
}

/// The members of a JSON object as texts; null is absent.
fn members(body: &[u8]) -> Option<Pairs> {
    let Value::Object(members) = json::parse(body).ok()? else {
        return None;
    };
    let told = |value: Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    };
    let members = members.into_iter();
    Some(
        members
            .filter_map(|(name, value)| Some((name, told(value)?)))
            .collect(),
    )
}

async fn parts(media_type: &str, body: Bytes) -> Option<Pairs> {
    let boundary = multer::parse_boundary(media_type).ok()?;
    if body.is_empty() {
        return Some(Pairs::new());
    }
    let stream = Full::<Bytes>::new(body)
        .map_err(|never: Infallible| never)
        .into_data_stream();
    let mut parts = multer::Multipart::new(stream, boundary);
    let mut found = Vec::new();
    let mut count = 0;
    while let Some(part) = parts.next_field().await.ok()? {
        count += 1;
        if count > MAX_PARTS {
            return None;
        }
        let name = part.name().map(str::to_owned);
        let is_file = part.file_name().is_some();
        let value = part.bytes().await.ok()?;
        if let (Some(name), false) = (name, is_file) {
            found.push((name, String::from_utf8(value.to_vec()).ok()?));
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_json_by_its_first_byte() {
        for (body, expected) in [
            (&b"{}"[..], true),
            (b"\xef\xbb\xbf \r\n{\"a\":1}", true),
            (b"a=1", false),
            (b"[1]", false),
            (b"", false),
        ] {
            assert_eq!(is_object(body), expected, "{body:?}");
        }
        let members = members(br#"{"t":"x","n":1.50,"b":true,"z":null,"a":[1,{"k":"v"}]}"#);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            members.unwrap(),
            [
                pair("a", r#"[1,{"k":"v"}]"#),
                pair("b", "true"),
                pair("n", "1.5"),
                pair("t", "x"),
            ]
        );
    }

    #[test]
    fn the_body_beats_the_query_and_credentials_are_no_parameters() {
        let text = |pairs: &[(&str, &str)]| Params::of(pairs).body;
        let params = Params {
            query: text(&[
                ("a", "query"),
                ("b", "query"),
                ("handler", "x"),
                ("apikey", "k"),
            ]),
            body: text(&[("a", "body"), ("apikey", " ")]),
        };
        assert_eq!(params.get("a"), Some("body"));
        let all: Vec<_> = params.all().into_iter().collect();
        assert_eq!(all, [("a", "body"), ("b", "query")]);
    }
}
