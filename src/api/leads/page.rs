//! Parts of a list and the links between them (`protocols/leads-api.md` 1.3).
//!
//! Owns offset and limit. Does not know what is listed.

use hyper::header::HOST;
use serde::Serialize;

use super::decode::{Given, Params};
use crate::api::front::{Head, pairs};

/// Entries of a part if nothing is said, and at most.
const LIMIT: (usize, usize) = (10, 100);

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Entries before it.
    pub offset: usize,
    /// Entries in it.
    pub limit: usize,
}

/// A list as it is shown.
#[derive(Debug, Serialize)]
pub struct Listed<T> {
    results: Vec<T>,
    count: usize,
    previous: Option<String>,
    next: Option<String>,
}

impl Page {
    /// The part that is asked for. What cannot be used is as if it were not there; a part that is
    /// too large is cut.
    pub fn of(params: &Params) -> Self {
        let number = |name: &str| match params.get(name) {
            Some(Given::Text(text)) => {
                let text = text.trim();
                let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
                is_number.then(|| text.parse::<usize>().ok()).flatten()
            }
            _ => None,
        };
        let limit = number("limit").filter(|limit| *limit > 0);
        Self {
            offset: number("offset").unwrap_or(0),
            limit: limit.unwrap_or(LIMIT.0).min(LIMIT.1),
        }
    }

    /// The list of which `results` are this part and `count` all.
    pub fn listed<T>(self, head: &Head, results: Vec<T>, count: usize) -> Listed<T> {
        let at = |offset| link(head, Self { offset, ..self });
        let behind = self.offset.saturating_add(self.limit);
        Listed {
            results,
            count,
            previous: (self.offset > 0)
                .then(|| at(self.offset.saturating_sub(self.limit)))
                .flatten(),
            next: (behind < count).then(|| at(behind)).flatten(),
        }
    }
}

/// The request's own URL with another offset and limit; none for a request that names no host.
fn link(head: &Head, page: Page) -> Option<String> {
    let host = head.header(HOST.as_str())?;
    let query = query(&head.query, page);
    Some(format!("https://{host}{}?{query}", head.raw_path))
}

/// Everything else of a query stays as it came.
fn query(raw: &str, page: Page) -> String {
    let name = |pair: &str| pairs(pair.as_bytes()).ok()?.pop().map(|(name, _)| name);
    let others = raw.split('&').filter(|pair| !pair.is_empty());
    let others = others.filter(|pair| !matches!(name(pair).as_deref(), Some("offset" | "limit")));
    let mut parts: Vec<String> = others.map(str::to_owned).collect();
    parts.push(format!("offset={}", page.offset));
    parts.push(format!("limit={}", page.limit));
    parts.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_keeps_the_rest_of_the_query() {
        let page = Page {
            offset: 20,
            limit: 10,
        };
        for (raw, expected) in [
            ("", "offset=20&limit=10"),
            ("status=prospect", "status=prospect&offset=20&limit=10"),
            ("limit=10&a=%20b&offset=30&c", "a=%20b&c&offset=20&limit=10"),
            ("%6Fffset=5&offset=6&x=", "x=&offset=20&limit=10"),
        ] {
            assert_eq!(query(raw, page), expected, "{raw}");
        }
    }
}
