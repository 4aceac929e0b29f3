//! Custom fields: values that consumers keep with a contact or a conversation
//! (`protocols/domain.md` 2.3).
//!
//! Owns their bounds and how they are replaced, appended and removed. Does not know whose they
//! are.

use serde::{Deserialize, Serialize};

use crate::domain::words;
use crate::error::{Error, Result};

/// Characters of a code and of a value.
pub const MAX_CODE: usize = 64;
/// Characters of a value.
pub const MAX_VALUE: usize = 10_000;
/// Fields of one entity.
pub const MAX_FIELDS: usize = 200;

/// A value under a code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomField {
    /// 1-64 characters.
    pub code: String,
    /// At most 10 000 characters.
    pub value: String,
}

/// Why a field cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The code is empty or holds a control character, or a text holds U+0000.
    NotValid,
    /// A text is too long.
    TooLong,
}

impl CustomField {
    /// A field of these texts; the value may have several lines.
    pub fn new(code: &str, value: &str) -> Result<Self, Fault> {
        let code = code.trim();
        if code.is_empty() || code.chars().any(char::is_control) {
            return Err(Fault::NotValid);
        }
        let value = words::multi_line(value).ok_or(Fault::NotValid)?;
        if code.chars().count() > MAX_CODE || value.chars().count() > MAX_VALUE {
            return Err(Fault::TooLong);
        }
        Ok(Self {
            code: code.to_owned(),
            value,
        })
    }
}

/// The fields with each given code's values replaced by the one given, at the place of the first;
/// an empty value removes the code.
pub fn replaced(fields: &[CustomField], given: &[CustomField]) -> Vec<CustomField> {
    let mut after = fields.to_vec();
    for new in given {
        let at = after.iter().position(|known| known.code == new.code);
        after.retain(|known| known.code != new.code);
        if !new.value.is_empty() {
            after.insert(at.unwrap_or(after.len()), new.clone());
        }
    }
    after
}

/// The fields without those of a code; none = all.
pub fn removed(fields: &[CustomField], code: Option<&str>) -> Vec<CustomField> {
    let stays = |field: &&CustomField| code.is_some_and(|code| field.code != code);
    fields.iter().filter(stays).cloned().collect()
}

/// Whether there are not too many.
pub fn bounded(fields: &[CustomField]) -> Result<()> {
    if fields.len() <= MAX_FIELDS {
        return Ok(());
    }
    let message = format!("must be at most {MAX_FIELDS}");
    Err(Error::invalid("custom_fields", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(code: &str, value: &str) -> CustomField {
        CustomField::new(code, value).unwrap()
    }

    #[test]
    fn a_field_is_bounded_on_both_sides_of_each_limit() {
        for (code, value, expected) in [
            ("c".repeat(64), "v".repeat(10_000), None),
            ("c".repeat(65), String::new(), Some(Fault::TooLong)),
            ("c".to_owned(), "v".repeat(10_001), Some(Fault::TooLong)),
            (String::new(), String::new(), Some(Fault::NotValid)),
            ("a\nb".to_owned(), String::new(), Some(Fault::NotValid)),
            ("a".to_owned(), "\0".to_owned(), Some(Fault::NotValid)),
            ("a".to_owned(), "x\ny".to_owned(), None),
        ] {
            assert_eq!(CustomField::new(&code, &value).err(), expected);
        }
        bounded(&vec![field("a", "b"); MAX_FIELDS]).unwrap();
        bounded(&vec![field("a", "b"); MAX_FIELDS + 1]).unwrap_err();
    }

    #[test]
    fn a_code_is_replaced_where_it_stood_and_removed_by_an_empty_value() {
        let before = [field("a", "1"), field("b", "2"), field("a", "3")];
        let after = replaced(&before, &[field("a", "4"), field("c", "5")]);
        assert_eq!(after, [field("a", "4"), field("b", "2"), field("c", "5")]);
        assert_eq!(replaced(&after, &[field("b", "")])[1], field("c", "5"));
        assert_eq!(removed(&before, Some("a")), [field("b", "2")]);
        assert_eq!(removed(&before, None), []);
    }
}
