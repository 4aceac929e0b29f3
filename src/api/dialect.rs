//! The JSON dialect of the management and operator APIs.
//!
//! Owns the error shape `{"error":{"code","message","field"?}}`, how answers are encoded, and
//! [`Json`], the surface that speaks so. Does not know any route, nor who may come in: that is a
//! [`Door`]'s.

use std::borrow::Cow;
use std::future::Future;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{HeaderValue, RETRY_AFTER};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::front::{Answer, Head, Refusal, Surface, log_fault};
use crate::auth::caller::Caller;
use crate::error::{Error, Kind, Result};
use crate::json;

/// `Content-Type` of every answer.
pub const JSON: &str = "application/json; charset=utf-8";

/// An error on its way into the wire form; handlers return it.
#[derive(Debug)]
pub struct Failure(pub Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        log_fault(&self.0);
        let mut response = refuse(&Refusal::Failed(&self.0)).into_response();
        if self.0.kind == Kind::Unavailable {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

/// What handlers give back.
pub type Reply = std::result::Result<Answer, Failure>;

/// `value` as a JSON answer.
pub fn answer<T: Serialize>(status: StatusCode, value: &T) -> Result<Answer> {
    let body = serde_json::to_vec(value).map_err(|error| {
        tracing::error!(%error, "an answer cannot be encoded");
        Error::internal()
    })?;
    Ok(Answer::new(status, JSON, body))
}

/// `value` as a 200.
pub fn ok<T: Serialize>(value: &T) -> Result<Answer> {
    answer(StatusCode::OK, value)
}

/// The wire form of a refusal.
pub fn refuse(refusal: &Refusal<'_>) -> Answer {
    let (status, code, message): (StatusCode, &str, Cow<'_, str>) = match refusal {
        Refusal::Insecure => (
            StatusCode::FORBIDDEN,
            "HTTPS_REQUIRED",
            "Requests must use HTTPS.".into(),
        ),
        Refusal::UnknownRoute => (
            StatusCode::NOT_FOUND,
            "NOT_FOUND",
            "Resource not found.".into(),
        ),
        Refusal::UnknownMethod => (
            StatusCode::METHOD_NOT_ALLOWED,
            "METHOD_NOT_ALLOWED",
            "Method not allowed.".into(),
        ),
        Refusal::Encoding => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "INVALID_REQUEST",
            "Compressed request bodies are not taken.".into(),
        ),
        Refusal::Failed(error) => {
            let (status, code) = wire(error.kind);
            (status, code, Cow::Borrowed(error.message.as_ref()))
        }
    };
    let field = match refusal {
        Refusal::Failed(error) => error.field.as_deref(),
        _ => None,
    };
    let body = Body {
        error: Detail {
            code,
            message,
            field,
        },
    };
    // Texts always encode.
    let body = serde_json::to_vec(&body).unwrap_or_default();
    Answer::new(status, JSON, body)
}

#[derive(Serialize)]
struct Body<'a> {
    error: Detail<'a>,
}

#[derive(Serialize)]
struct Detail<'a> {
    code: &'a str,
    message: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

fn wire(kind: Kind) -> (StatusCode, &'static str) {
    match kind {
        Kind::Invalid => (StatusCode::BAD_REQUEST, "INVALID_REQUEST"),
        Kind::Unauthenticated => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED"),
        Kind::Forbidden => (StatusCode::FORBIDDEN, "FORBIDDEN"),
        Kind::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND"),
        Kind::Conflict => (StatusCode::CONFLICT, "CONFLICT"),
        Kind::Limited { .. } => (StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED"),
        Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "REQUEST_TOO_LARGE"),
        Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE"),
        Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL_ERROR"),
    }
}

/// One JSON document by the strict rules; an empty body counts as `{}`.
fn parse(body: &[u8]) -> Result<serde_json::Value> {
    let body = if body.trim_ascii().is_empty() {
        b"{}"
    } else {
        body
    };
    json::parse(body)
        .map_err(|error| Error::malformed(format!("The body is not valid JSON: {error}")))
}

/// Decodes a JSON object by the strict rules; an empty body counts as `{}`. Members that are not
/// known are refused: a misspelt setting must not be lost silently.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let value = parse(body)?;
    if !value.is_object() {
        return Err(Error::malformed("The body must be a JSON object"));
    }
    serde_json::from_value(value)
        .map_err(|error| Error::malformed(format!("The body cannot be taken: {error}")))
}

/// Who comes in to a surface of this dialect: all that differs between them.
pub trait Door: Send + Sync + 'static {
    /// [`Surface::name`].
    const NAME: &'static str;

    /// [`Surface::always_open`].
    const ALWAYS_OPEN: bool;

    /// Who is calling, by the head alone.
    fn identify(&self, head: &Head) -> impl Future<Output = Result<Caller>> + Send;
}

/// A surface of this dialect behind a door.
#[derive(Debug)]
pub struct Json<D>(pub D);

impl<D: Door> Surface for Json<D> {
    type Input = Bytes;

    fn name(&self) -> &'static str {
        D::NAME
    }

    fn credentials_in_head(&self) -> bool {
        true
    }

    fn always_open(&self) -> bool {
        D::ALWAYS_OPEN
    }

    fn content_type(&self, _: &Head) -> &'static str {
        JSON
    }

    fn refuse(&self, _: &Head, refusal: &Refusal<'_>) -> Answer {
        refuse(refusal)
    }

    /// Decoding is left to the routes, which know the shape and so decode once.
    async fn decode(&self, _: &Head, body: Bytes) -> Result<Bytes> {
        Ok(body)
    }

    async fn identify(&self, head: &Head, _: Option<&Bytes>) -> Result<Caller> {
        self.0.identify(head).await
    }

    fn canonical(&self, head: &Head, input: &Bytes) -> Result<Option<Cow<'static, str>>> {
        canonical(head, input).map(|text| Some(text.into()))
    }
}

/// The canonical text of an operation: its path, then its JSON body with members sorted by name
/// and without white space.
fn canonical(head: &Head, body: &[u8]) -> Result<String> {
    parse(body).map(|value| format!("{} {value}", head.path()))
}
