//! Answers of the command surface (`protocols/command-api.md` section 2).
//!
//! Owns the pairs' spelling. Does not know any command.

use std::fmt::Write;

use hyper::StatusCode;

use crate::api::front::Answer;

/// `Content-Type` of every answer.
pub const PAIRS: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// A successful answer: `status=0`, the text, then the command's fields in their order.
pub fn success(text: &str, fields: &[(&str, &str)]) -> Answer {
    let mut body = String::from("status=0");
    push(&mut body, "status_message", text);
    for (name, value) in fields {
        push(&mut body, name, value);
    }
    Answer::new(StatusCode::OK, PAIRS, body)
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
            text(&success("Lead Creation Successful", &[("lead_id", "1001")])),
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
            text(&success("ä*~", &[])),
            "status=0&status_message=%C3%A4%2A%7E"
        );
    }
}
