//! Errors in the form of this surface (`protocols/contacts-api.md` section 1,
//! `protocols/errors.md`).
//!
//! Owns codes, statuses and texts. Does not know what went wrong.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};
use serde::Serialize;

use crate::api::dialect::JSON;
use crate::api::front::{Answer, Refusal, log_fault};
use crate::domain::credit;
use crate::error::{Error, Kind};

/// Why a call fails.
#[derive(Debug)]
pub enum Failure {
    /// A parameter or rule of this surface: a 400 of this code.
    Finding(Code, Cow<'static, str>),
    /// What the domain says.
    Error(Error),
}

/// Codes of findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs)]
pub enum Code {
    InvalidPhone,
    InvalidEmail,
    InvalidRequest,
    InvalidAmount,
    AgencyRequired,
}

impl Failure {
    /// The parameter must be given.
    pub fn required(name: &str) -> Self {
        Self::request(format!("{name} is required."))
    }

    /// The parameter has another form.
    pub fn not_valid(name: &str) -> Self {
        Self::request(format!("{name} is not valid."))
    }

    /// The parameter has too many characters.
    pub fn too_long(name: &str) -> Self {
        Self::request(format!("{name} is too long."))
    }

    /// A contact has one of the two.
    pub fn nobody() -> Self {
        Self::request("Provide a phone number or an email.")
    }

    /// Anything else that is wrong with the request.
    pub fn request(text: impl Into<Cow<'static, str>>) -> Self {
        Self::Finding(Code::InvalidRequest, text.into())
    }

    /// The phone is not international.
    pub fn phone() -> Self {
        let text = "Phone number must include a valid country code.";
        Self::Finding(Code::InvalidPhone, text.into())
    }

    /// The email has another form.
    pub fn email() -> Self {
        Self::Finding(Code::InvalidEmail, "Email address is not valid.".into())
    }

    /// The amount is no number of credits.
    pub fn amount() -> Self {
        let text = "amount must be a positive whole number.";
        Self::Finding(Code::InvalidAmount, text.into())
    }

    /// The caller's account is no agency.
    pub fn no_agency() -> Self {
        let text = "This operation is available to agency accounts only.";
        Self::Finding(Code::AgencyRequired, text.into())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let error = match self {
            Self::Finding(code, text) => {
                return told(StatusCode::BAD_REQUEST, code, &text).into_response();
            }
            Self::Error(error) => error,
        };
        log_fault(&error);
        let mut response = failed(&error).into_response();
        if error.kind == Kind::Unavailable {
            let wait = HeaderValue::from_static("5");
            response.headers_mut().insert(RETRY_AFTER, wait);
        }
        response
    }
}

/// What handlers give back.
pub type Reply = Result<Answer, Failure>;

/// The text of a body that cannot be taken.
pub const NO_OBJECT: &str = "Request body must be a JSON object.";

/// The form of a refusal.
pub fn refuse(refusal: &Refusal<'_>) -> Answer {
    match refusal {
        Refusal::Insecure => told(
            StatusCode::FORBIDDEN,
            "HTTPS_REQUIRED",
            "Requests must use HTTPS.",
        ),
        Refusal::UnknownRoute => told(StatusCode::NOT_FOUND, "NOT_FOUND", "Resource not found."),
        Refusal::UnknownMethod => told(
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            "Method not allowed.",
        ),
        Refusal::Encoding => told(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Code::InvalidRequest,
            NO_OBJECT,
        ),
        Refusal::Failed(error) => failed(error),
    }
}

fn failed(error: &Error) -> Answer {
    let text = error.message.as_ref();
    match error.kind {
        Kind::Invalid if error.field.as_deref() == Some(credit::FIELD) => told(
            StatusCode::BAD_REQUEST,
            "INSUFFICIENT_CREDITS",
            "Not enough credits.",
        ),
        Kind::Invalid => told(
            StatusCode::BAD_REQUEST,
            Code::InvalidRequest,
            &sentence(text),
        ),
        Kind::Unauthenticated => told(
            StatusCode::UNAUTHORIZED,
            "UNAUTHORIZED",
            "Invalid or missing API key.",
        ),
        Kind::Forbidden => told(StatusCode::FORBIDDEN, "FORBIDDEN", "Permission denied."),
        Kind::NotFound => told(StatusCode::NOT_FOUND, "NOT_FOUND", &sentence(text)),
        Kind::Conflict => told(StatusCode::CONFLICT, "CONFLICT", &sentence(text)),
        Kind::Limited { retry_after } => told(
            StatusCode::TOO_MANY_REQUESTS,
            "RATE_LIMIT_EXCEEDED",
            &format!("Rate limit exceeded. Retry after {retry_after} seconds."),
        ),
        Kind::TooLarge => told(
            StatusCode::PAYLOAD_TOO_LARGE,
            "REQUEST_TOO_LARGE",
            "Request body is too large.",
        ),
        Kind::Unavailable => told(
            StatusCode::SERVICE_UNAVAILABLE,
            "UNAVAILABLE",
            "Service temporarily unavailable.",
        ),
        Kind::Internal => told(
            StatusCode::INTERNAL_SERVER_ERROR,
            "INTERNAL_ERROR",
            "Internal server error.",
        ),
    }
}

/// Texts of this surface end in a full stop, those of the domain do not.
fn sentence(text: &str) -> Cow<'_, str> {
    if text.ends_with('.') {
        text.into()
    } else {
        format!("{text}.").into()
    }
}

#[derive(Serialize)]
struct Body<'a, C> {
    error: Detail<'a, C>,
}

#[derive(Serialize)]
struct Detail<'a, C> {
    code: C,
    message: &'a str,
}

fn told(status: StatusCode, code: impl Serialize, message: &str) -> Answer {
    let body = Body {
        error: Detail { code, message },
    };
    // Texts always encode.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    Answer::new(status, JSON, body)
}
