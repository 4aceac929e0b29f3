//! Rules for short texts that people give to things.
//!
//! Owns the bounds. Does not know which field a text is for.

use std::borrow::Cow;

use crate::error::{Error, Result};

/// A name of 1 to `max` characters on one line, without white space around it.
pub fn name(field: &'static str, value: &str, max: usize) -> Result<String> {
    let value = value.trim();
    if value.is_empty() {
        return Err(Error::invalid(field, "must not be empty"));
    }
    note(field, value, max)
}

/// A text of at most `max` characters on one line; may be empty.
pub fn note(field: &'static str, value: &str, max: usize) -> Result<String> {
    let value = value.trim();
    if value.chars().count() > max {
        let message = format!("must have at most {max} characters");
        return Err(Error::invalid(field, message));
    }
    if value.chars().any(char::is_control) {
        let message = "must not contain control characters";
        return Err(Error::invalid(field, message));
    }
    Ok(value.to_owned())
}

/// A secret or an identifier of `least` to `most` characters, taken as it is.
pub fn token(field: &'static str, value: &str, least: usize, most: usize) -> Result<()> {
    let length = value.chars().count();
    if length < least || length > most || value.contains('\0') {
        let message: Cow<'static, str> = format!("must have {least} to {most} characters").into();
        return Err(Error::invalid(field, message));
    }
    Ok(())
}

/// 1 to `most` printable ASCII characters.
pub fn is_printable(value: &str, most: usize) -> bool {
    (1..=most).contains(&value.len()) && value.bytes().all(|byte| (0x20..0x7f).contains(&byte))
}
