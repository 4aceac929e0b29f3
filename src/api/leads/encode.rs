//! The envelope (`protocols/leads-api.md` 1.3).
//!
//! Owns how data and errors are wrapped, and which status an error has. Does not know any route.

use std::borrow::Cow;

use hyper::StatusCode;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::form::Findings;
use crate::api::front::Answer;
use crate::error::{Error, Kind, Result};

/// `Content-Type` of every answer.
pub const JSON: &str = "application/json; charset=utf-8";
/// Where a fault that is no field's is told.
const DETAIL: &str = "detail";
/// Where a request that failed although its fields are valid is told why.
const NON_FIELD: &str = "non_field_errors";

#[derive(Serialize)]
struct Envelope<'a, D: Serialize> {
    status_code: u16,
    errors: Errors<'a>,
    data: D,
}

/// Members in their order, each with one text.
struct Errors<'a>(&'a [(&'static str, Cow<'static, str>)]);

impl Serialize for Errors<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, text) in self.0 {
            map.serialize_entry(name, &[text])?;
        }
        map.end()
    }
}

#[derive(Serialize)]
struct Nothing {}

/// `value` as JSON without the envelope.
pub fn bare<T: Serialize>(value: &T) -> Result<Answer> {
    let body = serde_json::to_vec(value).map_err(|error| {
        tracing::error!(%error, "an answer cannot be encoded");
        Error::internal()
    })?;
    Ok(Answer::new(StatusCode::OK, JSON, body))
}

/// A success.
pub fn success<T: Serialize>(data: &T) -> Result<Answer> {
    bare(&Envelope {
        status_code: 200,
        errors: Errors(&[]),
        data,
    })
}

/// A failure with these errors.
fn failure(status: StatusCode, errors: &[(&'static str, Cow<'static, str>)]) -> Answer {
    let envelope = Envelope {
        status_code: status.as_u16(),
        errors: Errors(errors),
        data: Nothing {},
    };
    // Texts always encode.
    let body = serde_json::to_vec(&envelope).unwrap_or_default();
    Answer::new(status, JSON, body)
}

/// A failure that is no field's.
pub fn detail(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Answer {
    failure(status, &[(DETAIL, text.into())])
}

/// Fields that cannot be taken.
pub fn fields(findings: &Findings) -> Answer {
    failure(StatusCode::BAD_REQUEST, findings.fields())
}

/// An error in its wire form (`protocols/errors.md` section 1).
pub fn error(error: &Error) -> Answer {
    let text = || sentence(&error.message);
    match error.kind {
        Kind::Invalid => detail(StatusCode::BAD_REQUEST, text()),
        // Its texts are told as they are.
        Kind::Unauthenticated => detail(StatusCode::UNAUTHORIZED, error.message.clone()),
        Kind::Conflict => failure(StatusCode::UNAUTHORIZED, &[(NON_FIELD, text())]),
        Kind::Forbidden => detail(StatusCode::FORBIDDEN, "Permission denied."),
        Kind::NotFound => detail(StatusCode::NOT_FOUND, "Not found."),
        Kind::Limited { retry_after } => {
            let text =
                format!("Request was throttled. Expected available in {retry_after} seconds.");
            detail(StatusCode::TOO_MANY_REQUESTS, text)
        }
        Kind::TooLarge => detail(StatusCode::PAYLOAD_TOO_LARGE, "Request is too large."),
        Kind::Unavailable => detail(StatusCode::SERVICE_UNAVAILABLE, "Service unavailable."),
        Kind::Internal => detail(StatusCode::INTERNAL_SERVER_ERROR, "Internal error."),
    }
}

/// A text with its full stop, which every sentence of this surface has.
fn sentence(text: &str) -> Cow<'static, str> {
    let stop = if text.ends_with('.') { "" } else { "." };
    format!("{text}{stop}").into()
}
