//! JSON objects of answers, with their members in the order of the tables.
//!
//! Owns `limit_fields` and the paging of lists. Does not know what is listed.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::form::Form;

/// Names in one `limit_fields`.
const MAX_FIELDS: usize = 200;
/// Entries of a page at most, and if nothing is said.
const PAGE: (i64, usize) = (500, 20);

/// Members in their order.
#[derive(Debug, Clone, PartialEq)]
pub struct Object(Vec<(&'static str, Value)>);

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Which members of an object are wanted.
#[derive(Debug)]
pub struct Wanted {
    kept: &'static str,
    names: Option<Vec<String>>,
}

impl Wanted {
    /// Those of `limit_fields`, and `kept` in any case; without it all.
    pub fn read(form: &mut Form<'_>, kept: &'static str) -> Self {
        let names = form.csv("limit_fields", MAX_FIELDS);
        Self { kept, names }
    }

    /// Whether a member is wanted.
    pub fn has(&self, name: &str) -> bool {
        let listed = |names: &Vec<String>| names.iter().any(|known| known == name);
        name == self.kept || self.names.as_ref().is_none_or(listed)
    }

    /// The object of the members that are wanted.
    pub fn object(&self, members: Vec<(&'static str, Value)>) -> Object {
        let members = members.into_iter().filter(|(name, _)| self.has(name));
        Object(members.collect())
    }
}

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Entries before it.
    pub skip: usize,
    /// Entries at most.
    pub size: usize,
}

impl Page {
    /// `page_size` and `page_number`.
    pub fn read(form: &mut Form<'_>) -> Self {
        let size = form.within("page_size", 1, PAGE.0);
        let number = form.within("page_number", 1, i64::MAX);
        let size = size.map_or(PAGE.1, |size| usize::try_from(size).unwrap_or(PAGE.1));
        let before = number.map_or(0, |number| {
            usize::try_from(number - 1).unwrap_or(usize::MAX)
        });
        Self {
            skip: before.saturating_mul(size),
            size,
        }
    }
}
