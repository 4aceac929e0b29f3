//! Everything that a caller can be told is wrong (`protocols/helpdesk-api.md` 1.4).
//!
//! Owns the texts and which status a kind has. Does not know when one is due.

use std::fmt::Display;

use hyper::StatusCode;

use super::value::Value;
use crate::api::front::Refusal;
use crate::error::{Error, Kind};
use crate::id::RequestId;

/// No key at all.
pub fn no_key() -> Error {
    Error::forbidden("apikey is missing")
}

/// The key is known, but disabled or not for this surface.
pub fn unusable_key() -> Error {
    Error::forbidden("apikey is not usable")
}

/// Query or body cannot be decoded.
pub fn not_parsed() -> Error {
    Error::malformed("unable to parse request")
}

/// An R parameter is absent or empty.
pub fn missing(name: &str) -> Error {
    Error::malformed(format!("parameter {name} is missing"))
}

/// A value is not of its form.
pub fn invalid(name: &str) -> Error {
    Error::malformed(format!("invalid value of parameter {name}"))
}

/// A value is too long.
pub fn too_long(name: &str) -> Error {
    Error::malformed(format!("parameter {name} is too long"))
}

/// An entity that the path or a parameter names by its id or name.
pub fn not_found(what: &str, by: &str, value: impl Display) -> Error {
    Error::not_found(format!("{what} with {by} {value} not found"))
}

/// A person whom the path names: by e-mail address if it looks like one.
pub fn no_person(what: &str, named: &str) -> Error {
    let by = if named.contains('@') { "email" } else { "id" };
    not_found(what, by, named)
}

/// The conversation of the path, or what a parameter names, is not there: a fault of the call, not
/// of the path.
pub fn unable(what: &str) -> Error {
    Error::malformed(format!("unable to load {what}"))
}

/// A name is taken.
pub fn taken(what: &str, by: &str, value: &str) -> Error {
    Error::conflict(format!("{what} with {by} {value} already exists"))
}

/// What the domain says of the field `custom_fields` and of credits, in the words of this surface.
pub fn told(error: Error) -> Error {
    match error.field.as_deref() {
        Some("credits") => Error::malformed("not enough credits"),
        Some("custom_fields") => invalid("customfields"),
        _ => error,
    }
}

/// Status and body of a refusal.
pub fn body(refusal: &Refusal<'_>, id: RequestId) -> (StatusCode, Value) {
    let (status, message, debug) = match refusal {
        Refusal::Insecure => (StatusCode::FORBIDDEN, "https is required", String::new()),
        Refusal::UnknownRoute => (StatusCode::NOT_FOUND, "handler not found", String::new()),
        Refusal::UnknownMethod => (
            StatusCode::METHOD_NOT_ALLOWED,
            "method not allowed",
            String::new(),
        ),
        Refusal::Encoding => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unable to parse request",
            String::new(),
        ),
        Refusal::Failed(error) => failed(error, id),
    };
    (status, error(status, message, debug))
}

/// The body of a refusal that only this surface knows: no YAML.
pub fn no_yaml() -> (StatusCode, Value) {
    let status = StatusCode::BAD_REQUEST;
    let message = "yaml format is not supported";
    (status, error(status, message, String::new()))
}

fn failed(error: &Error, id: RequestId) -> (StatusCode, &str, String) {
    let own = error.message.as_ref();
    match error.kind {
        Kind::Invalid | Kind::Conflict => (StatusCode::INTERNAL_SERVER_ERROR, own, String::new()),
        Kind::Unauthenticated => (
            StatusCode::UNAUTHORIZED,
            "apikey is not valid",
            String::new(),
        ),
        Kind::Forbidden => (StatusCode::BAD_REQUEST, own, String::new()),
        Kind::NotFound => (StatusCode::NOT_FOUND, own, String::new()),
        Kind::Limited { retry_after } => (
            StatusCode::TOO_MANY_REQUESTS,
            "rate limit exceeded",
            format!("retry after {retry_after} seconds"),
        ),
        Kind::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "request is too large",
            String::new(),
        ),
        Kind::Unavailable => (
            StatusCode::SERVICE_UNAVAILABLE,
            "application is unavailable",
            String::new(),
        ),
        Kind::Internal => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal error",
            id.to_string(),
        ),
    }
}

fn error(status: StatusCode, message: &str, debug: String) -> Value {
    Value::members([
        ("status", "ERROR".into()),
        ("statuscode", Value::Code(status.as_u16())),
        ("errormessage", message.into()),
        ("debugmessage", debug.into()),
    ])
}
