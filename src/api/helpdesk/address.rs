//! Where a request goes and how it is answered: by path or by `handler`, and the suffix
//! (`protocols/helpdesk-api.md` 1.1).
//!
//! Owns both spellings of an address. Pure. Does not know which calls there are.

use crate::api::front::{Head, pairs};

/// The first segment of every path.
pub const MOUNT: &str = "/api";
/// The script that takes the path as a parameter.
const SCRIPT: &str = "index.php";
/// That parameter.
pub const HANDLER: &str = "handler";

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `.json`, or no suffix.
    Json,
    /// `.xml`.
    Xml,
    /// `.yaml` or `.yml`, which is not supported.
    Yaml,
}

/// An address below the mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Segments, without the suffix. None = it cannot be understood.
    pub segments: Vec<String>,
    /// By the suffix.
    pub format: Format,
}

const SUFFIXES: [(&str, Format); 4] = [
    (".json", Format::Json),
    (".xml", Format::Xml),
    (".yaml", Format::Yaml),
    (".yml", Format::Yaml),
];

/// The address of a request.
pub fn of(head: &Head) -> Address {
    let below = head.segments.get(1..).unwrap_or_default();
    let mut segments = match below {
        [script] if script == SCRIPT => named(&head.query),
        below => below.to_vec(),
    };
    let mut format = Format::Json;
    if let Some(last) = segments.last_mut()
        && let Some((suffix, told)) = SUFFIXES.iter().find(|(suffix, _)| last.ends_with(suffix))
    {
        last.truncate(last.len() - suffix.len());
        format = *told;
    }
    if segments.last().is_some_and(String::is_empty) {
        segments.pop();
    }
    Address { segments, format }
}

/// The segments of the path in the query, which was percent-decoded as every parameter is.
fn named(query: &str) -> Vec<String> {
    let pairs = pairs(query.as_bytes()).unwrap_or_default();
    let mut named = pairs.into_iter().rev().filter(|(name, _)| name == HANDLER);
    let path = named.next().map(|(_, path)| path).unwrap_or_default();
    let segments: Vec<String> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .map(str::to_owned)
        .collect();
    let climbs =
        |segment: &String| matches!(segment.as_str(), "." | "..") || segment.contains('\0');
    if segments.iter().any(climbs) {
        return Vec::new();
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Entropy, Timestamp};
    use crate::id::RequestId;
    use hyper::{HeaderMap, Method};

    fn at(path: &str, query: &str) -> (Vec<String>, Format) {
        let head = Head {
            id: RequestId::random(Timestamp(1), &Entropy::seeded(1)),
            method: Method::GET,
            segments: path.split('/').map(str::to_owned).collect(),
            params: Vec::new(),
            query: query.to_owned(),
            headers: HeaderMap::new(),
            client: None,
        };
        let address = of(&head);
        (address.segments, address.format)
    }

    #[test]
    fn both_spellings_and_every_suffix() {
        for (path, query, segments, format) in [
            (
                "api/agents/a@b.example",
                "",
                vec!["agents", "a@b.example"],
                Format::Json,
            ),
            ("api/tags.xml", "", vec!["tags"], Format::Xml),
            ("api/tags.json", "", vec!["tags"], Format::Json),
            ("api/tags.yaml", "", vec!["tags"], Format::Yaml),
            ("api/tags.yml", "", vec!["tags"], Format::Yaml),
            ("api/tags.XML", "", vec!["tags.XML"], Format::Json),
            (
                "api/index.php",
                "handler=tags.xml",
                vec!["tags"],
                Format::Xml,
            ),
            (
                "api/index.php",
                "handler=/tags/",
                vec!["tags"],
                Format::Json,
            ),
            (
                "api/index.php",
                "handler=agents%2Fa%40b.example.xml",
                vec!["agents", "a@b.example"],
                Format::Xml,
            ),
            // Decoded once: what is escaped twice stays escaped.
            (
                "api/index.php",
                "handler=agents%2Fa%2540b",
                vec!["agents", "a%40b"],
                Format::Json,
            ),
            (
                "api/index.php",
                "handler=a&handler=b",
                vec!["b"],
                Format::Json,
            ),
            ("api/index.php", "handler=a/../b", vec![], Format::Json),
            ("api/index.php", "", vec![], Format::Json),
            (
                "api/index.php/tags",
                "handler=x",
                vec!["index.php", "tags"],
                Format::Json,
            ),
            ("api/tags/.xml", "", vec!["tags"], Format::Xml),
            ("api", "", vec![], Format::Json),
        ] {
            let segments: Vec<String> = segments.into_iter().map(str::to_owned).collect();
            assert_eq!(at(path, query), (segments, format), "{path}?{query}");
        }
    }
}
