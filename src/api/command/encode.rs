//! Answers of the command surface (`protocols/command-api.md` section 2).
//!
//! Owns the pairs' spelling. Does not know any command.

use std::fmt::Write;

use hyper::StatusCode;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::api::front::Answer;
use crate::error::{Error, Result};

/// `Content-Type` of every answer.
pub const PAIRS: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// A value of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    Text(String),
    Integer(u64),
    /// JSON text.
    Json(String),
    Counters(Vec<(&'static str, u64)>),
}

/// What a command answers when it succeeds: the text, then its fields in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    message: String,
    fields: Vec<(&'static str, Field)>,
}

impl Reply {
    /// Without fields.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            fields: Vec::new(),
        }
    }

    /// Without fields; the text is JSON.
    pub fn of_json(message: &impl Serialize) -> Result<Self> {
        Ok(Self::new(json_text(message)?))
    }

    fn with(mut self, name: &'static str, field: Field) -> Self {
        self.fields.push((name, field));
        self
    }

    /// A text; a boolean is one, `1` or `0`.
    #[must_use]
    pub fn text(self, name: &'static str, value: impl Into<String>) -> Self {
        self.with(name, Field::Text(value.into()))
    }

    /// An integer.
    #[must_use]
    pub fn integer(self, name: &'static str, value: u64) -> Self {
        self.with(name, Field::Integer(value))
    }

    /// A value that is JSON text.
    pub fn json(self, name: &'static str, value: &impl Serialize) -> Result<Self> {
        Ok(self.with(name, Field::Json(json_text(value)?)))
    }

    /// `result_totals[name]`, one pair each.
    #[must_use]
    pub fn counters(self, counters: &[(&'static str, u64)]) -> Self {
        self.with("result_totals", Field::Counters(counters.to_vec()))
    }

    /// As pairs.
    pub fn answer(&self) -> Answer {
        let mut body = String::from("status=0");
        push(&mut body, "status_message", &self.message);
        for (name, field) in &self.fields {
            match field {
                Field::Text(text) | Field::Json(text) => push(&mut body, name, text),
                Field::Integer(number) => push(&mut body, name, &number.to_string()),
                Field::Counters(counters) => {
                    for (counter, number) in counters {
                        push(
                            &mut body,
                            &format!("{name}[{counter}]"),
                            &number.to_string(),
                        );
                    }
                }
            }
        }
        Answer::new(StatusCode::OK, PAIRS, body)
    }

    /// As an element of a batch's answer.
    pub fn element(&self) -> Result<Box<RawValue>> {
        let mut members = vec![
            ("status", "0".to_owned()),
            ("status_message", quoted(&self.message)),
        ];
        for (name, field) in &self.fields {
            let value = match field {
                Field::Text(text) => quoted(text),
                Field::Integer(number) => number.to_string(),
                Field::Json(text) => text.clone(),
                Field::Counters(counters) => {
                    let numbers = counters.iter();
                    object(numbers.map(|(counter, number)| (*counter, number.to_string())))
                }
            };
            members.push((*name, value));
        }
        raw(object(members))
    }
}

/// A failed element of a batch's answer: one missing parameter as a bare text, all else as an
/// object.
pub fn failed_element(texts: &[String]) -> Result<Box<RawValue>> {
    raw(match texts {
        [text] if text.starts_with("ERROR: Required parameter ") => quoted(text),
        [text] => object([("status", "1".to_owned()), ("status_message", quoted(text))]),
        several => {
            let several: Vec<String> = several.iter().map(|text| quoted(text)).collect();
            let several = format!("[{}]", several.join(","));
            object([("status", "1".to_owned()), ("status_message", several)])
        }
    })
}

/// The text of a failure, for the commands that tell theirs as JSON.
pub fn as_json(texts: &[String]) -> String {
    object([("message", quoted(&texts.join("; ")))])
}

fn json_text(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| {
        tracing::error!(%error, "an answer cannot be encoded");
        Error::internal()
    })
}

fn raw(text: String) -> Result<Box<RawValue>> {
    RawValue::from_string(text).map_err(|error| {
        tracing::error!(%error, "an answer is no JSON");
        Error::internal()
    })
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn object<'a>(members: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let members: Vec<String> = members
        .into_iter()
        .map(|(name, value)| format!("{}:{value}", quoted(name)))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// A failure: one text plain, several numbered.
pub fn failed(status: StatusCode, texts: &[impl AsRef<str>]) -> Answer {
    let mut body = String::from("status=1");
    match texts {
        [text] => push(&mut body, "status_message", text.as_ref()),
        several => {
            for (index, text) in several.iter().enumerate() {
                push(
                    &mut body,
                    &format!("status_message[{index}]"),
                    text.as_ref(),
                );
            }
        }
    }
    Answer::new(status, PAIRS, body)
}

fn push(body: &mut String, name: &str, value: &str) {
    body.push('&');
    escape(body, name);
    body.push('=');
    escape(body, value);
}

fn escape(body: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b' ' => body.push('+'),
            b'-' | b'_' | b'.' => body.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => body.push(char::from(byte)),
            // Writing to a String cannot fail.
            _ => drop(write!(body, "%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: &Answer) -> &str {
        std::str::from_utf8(&answer.body).unwrap()
    }

    #[test]
    fn the_documented_answers() {
        assert_eq!(
            text(
                &Reply::new("Lead Creation Successful")
                    .integer("lead_id", 1001)
                    .answer()
            ),
            "status=0&status_message=Lead+Creation+Successful&lead_id=1001"
        );
        assert_eq!(
            text(&failed(StatusCode::OK, &["Record does not exist"])),
            "status=1&status_message=Record+does+not+exist"
        );
        let missing = |name| format!("ERROR: Required parameter \"{name}\" missing");
        assert_eq!(
            text(&failed(
                StatusCode::OK,
                &[missing("username"), missing("email")]
            )),
            "status=1&status_message%5B0%5D=ERROR%3A+Required+parameter+%22username%22+missing\
             &status_message%5B1%5D=ERROR%3A+Required+parameter+%22email%22+missing"
        );
        assert_eq!(
            text(&Reply::new("ä*~").answer()),
            "status=0&status_message=%C3%A4%2A%7E"
        );
    }
    #[test]
    fn counters_and_json_in_both_forms() {
        let reply = Reply::new("Success")
            .counters(&[("moved", 2), ("missing", 0)])
            .json("list", &["a/\"b"])
            .unwrap()
            .text("note", "ä");
        assert_eq!(
            text(&reply.answer()),
            "status=0&status_message=Success&result_totals%5Bmoved%5D=2\
             &result_totals%5Bmissing%5D=0&list=%5B%22a%2F%5C%22b%22%5D&note=%C3%A4"
        );
        assert_eq!(
            reply.element().unwrap().get(),
            r#"{"status":0,"status_message":"Success","result_totals":{"moved":2,"missing":0},"list":["a/\"b"],"note":"ä"}"#
        );
    }

    #[test]
    fn failed_elements() {
        let missing = "ERROR: Required parameter \"lead_id\" missing".to_owned();
        let element = |texts: &[String]| failed_element(texts).unwrap().get().to_owned();
        assert_eq!(
            element(std::slice::from_ref(&missing)),
            r#""ERROR: Required parameter \"lead_id\" missing""#
        );
        assert_eq!(
            element(&["Record does not exist".to_owned()]),
            r#"{"status":1,"status_message":"Record does not exist"}"#
        );
        assert_eq!(
            element(&[missing, "x".to_owned()]),
            r#"{"status":1,"status_message":["ERROR: Required parameter \"lead_id\" missing","x"]}"#
        );
    }
}
