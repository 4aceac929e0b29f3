//! `Custom` of a flex contact: codes with scalar values (`protocols/flex-api.md` section 2).
//!
//! Owns its two shapes on the way in and its one shape on the way out. Does not know what is done
//! with the fields.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::decode::{Members, not_valid, too_long};
use crate::domain::contact::fields::{Fault, MAX_FIELDS};
use crate::domain::contact::{Contact, CustomField};
use crate::domain::words;
use crate::error::Result;

/// The member.
pub const NAME: &str = "Custom";

/// Its fields; a value may be empty. An array is an object with the codes `0`, `1` and so on.
pub fn fields(members: Members<'_>) -> Result<Vec<CustomField>> {
    let pairs: Vec<(String, &Value)> = match members.value(NAME) {
        _ if !members.is_given(NAME) => Vec::new(),
        Some(Value::Object(object)) => object
            .iter()
            .map(|(code, value)| (code.clone(), value))
            .collect(),
        Some(Value::Array(list)) => list
            .iter()
            .enumerate()
            .map(|(code, value)| (code.to_string(), value))
            .collect(),
        _ => return Err(not_valid(NAME)),
    };
    let mut fields = Vec::with_capacity(pairs.len().min(MAX_FIELDS));
    for (code, value) in pairs {
        let text = match value {
            // null is absent.
            Value::Null => continue,
            Value::String(text) => words::single_line(text).ok_or_else(|| not_valid(NAME))?,
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => return Err(not_valid(NAME)),
        };
        let field = CustomField::new(&code, &text).map_err(|fault| match fault {
            Fault::NotValid => not_valid(NAME),
            Fault::TooLong => too_long(NAME),
        })?;
        fields.push(field);
    }
    if fields.len() > MAX_FIELDS {
        return Err(too_long(NAME));
    }
    Ok(fields)
}

/// The last value of each code, in the order in which the codes came.
#[derive(Debug)]
pub struct Shown<'a>(pub &'a Contact);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = &self.0.custom_fields;
        let is_first = |at: &usize| !fields[..*at].iter().any(|it| it.code == fields[*at].code);
        let last = |code: &str| fields.iter().rev().find(|field| field.code == code);
        let firsts = (0..fields.len()).filter(is_first);
        serializer.collect_map(firsts.filter_map(|at| {
            let code = &fields[at].code;
            last(code).map(|field| (code, &field.value))
        }))
    }
}
