//! Pairs of a command call: from query, urlencoded or multipart body
//! (`protocols/transport.md` section 5).
//!
//! Owns merging and the rules for empty values. Does not know which parameters a command has.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::api::front::{Head, multipart, pairs};
use crate::error::Result;

/// The parameters of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params {
    query: BTreeMap<String, String>,
    body: BTreeMap<String, String>,
}

impl Params {
    /// The value of a parameter: the body's, else the query's, as it came.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.body
            .get(name)
            .or_else(|| self.query.get(name))
            .map(String::as_str)
    }

    /// Pairs as those of a body.
    pub fn of<N: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (N, V)>) -> Self {
        let pairs = pairs.into_iter();
        Self {
            query: BTreeMap::new(),
            body: pairs
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        }
    }

    /// A credential, taken as it is from the first place where it is not blank.
    pub fn credential(&self, name: &str) -> Option<&str> {
        [&self.body, &self.query]
            .into_iter()
            .filter_map(|place| place.get(name))
            .find(|value| !value.trim().is_empty())
            .map(String::as_str)
    }

    /// Every parameter but `without`, sorted by name, as JSON.
    pub fn canonical(&self, without: &[&str]) -> String {
        let merged: BTreeMap<&str, &str> = self
            .query
            .iter()
            .chain(&self.body)
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(|(name, _)| !without.contains(name))
            .collect();
        // A map of texts always encodes.
        serde_json::to_string(&merged).unwrap_or_default()
    }
}

/// Decodes query and body.
pub async fn decode(head: &Head, body: Bytes) -> Result<Params> {
    let body = match multipart::boundary(head)? {
        Some(boundary) => multipart::pairs(boundary, body).await?,
        None => pairs(&body)?,
    };
    Ok(Params {
        query: pairs(head.query.as_bytes())?.into_iter().collect(),
        body: body.into_iter().collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn the_body_beats_the_query_and_blank_is_absent() {
        let params = Params {
            query: map(&[("a", "query"), ("b", "query"), ("key", "query")]),
            body: map(&[
                ("a", "body"),
                ("key", " "),
                ("t", " x\t\r\ny\u{7}"),
                ("e", "\n"),
            ]),
        };
        assert_eq!(params.get("a"), Some("body"));
        assert_eq!(params.get("b"), Some("query"));
        assert_eq!(params.credential("key"), Some("query"));
        assert_eq!(params.credential("none"), None);
        assert_eq!(
            params.canonical(&["key", "t", "e"]),
            r#"{"a":"body","b":"query"}"#
        );
    }
}
