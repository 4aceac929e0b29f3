//! What a surface is, and the types it speaks in with the front door.
//!
//! Owns [`Surface`], [`Head`], [`Answer`] and [`Refusal`]. Does not know any surface.

use std::borrow::Cow;
use std::future::Future;
use std::net::IpAddr;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use hyper::{HeaderMap, Method, StatusCode};

use crate::auth::caller::Caller;
use crate::error::{Error, Result};
use crate::id::RequestId;

/// A request before its body.
#[derive(Debug, Clone)]
pub struct Head {
    /// `X-Request-Id`.
    pub id: RequestId,
    /// As it came.
    pub method: Method,
    /// The path as it came.
    pub raw_path: String,
    /// Decoded path segments.
    pub segments: Vec<String>,
    /// Named segments of the route, decoded.
    pub params: Vec<(String, String)>,
    /// The raw query, without the question mark.
    pub query: String,
    /// All fields.
    pub headers: HeaderMap,
    /// The client's address; none on the admin socket.
    pub client: Option<IpAddr>,
}

impl Head {
    /// The named segment of the route.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// The path in its one spelling, whatever the spelling it came in.
    pub fn path(&self) -> String {
        super::path::spell(&self.segments)
    }

    /// The host that the request is for, without its port, in lower case.
    pub fn host(&self) -> Option<String> {
        let host = self.header(HOST.as_str())?;
        let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
        let name = match host.rsplit_once(':') {
            Some((name, port)) if is_port(port) => name,
            _ => host,
        };
        Some(name.to_ascii_lowercase())
    }

    /// A header's text, trimmed; none when it is absent, empty or not ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?.to_str().ok()?.trim();
        (!value.is_empty()).then_some(value)
    }
}

/// Why the front door refuses a request, or what a surface's own code raised.
#[derive(Debug, Clone, Copy)]
pub enum Refusal<'a> {
    /// Not secure (section 3).
    Insecure,
    /// The mount has no such route.
    UnknownRoute,
    /// The route does not know the method.
    UnknownMethod,
    /// A `Content-Encoding` that is not taken.
    Encoding,
    /// Everything else.
    Failed(&'a Error),
}

/// A response in the making.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// `Content-Type`; empty = none.
    pub content_type: &'static str,
    /// The whole body.
    pub body: Bytes,
    /// Further fields.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Answer {
    /// An answer without further fields.
    pub fn new(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            content_type,
            body: body.into(),
            headers: Vec::new(),
        }
    }

    /// An answer without a body.
    pub fn empty(status: StatusCode) -> Self {
        Self::new(status, "", Bytes::new())
    }

    /// The same with one more field.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if !self.content_type.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        response
    }
}

/// One inbound API.
pub trait Surface: Send + Sync + Sized + 'static {
    /// What a decoded body is.
    type Input: Clone + Send + Sync + 'static;

    /// Its name in the log, in idempotency records and in the surfaces of a key.
    fn name(&self) -> &'static str;

    /// Credentials are in the query or header, so they are checked before the body is read
    /// (section 2, last line).
    fn credentials_in_head(&self) -> bool;

    /// It is served while the daemon drains or the store takes no writes.
    fn always_open(&self) -> bool {
        false
    }

    /// The `Content-Type` of its answers.
    fn content_type(&self, head: &Head) -> &'static str;

    /// The wire form of a refusal.
    fn refuse(&self, head: &Head, refusal: &Refusal<'_>) -> Answer;

    /// Check 6.
    fn decode(&self, head: &Head, body: Bytes) -> impl Future<Output = Result<Self::Input>> + Send;

    /// Check 7: who is calling. `input` is there unless [`Surface::credentials_in_head`].
    fn identify(
        &self,
        head: &Head,
        input: Option<&Self::Input>,
    ) -> impl Future<Output = Result<Caller>> + Send;

    /// The operation, its path parts and its decoded parameters without credentials, in one
    /// canonical text, for the digest of an `Idempotency-Key`; none for operations that ignore it
    /// (section 9).
    fn canonical(&self, head: &Head, input: &Self::Input) -> Result<Option<Cow<'static, str>>>;
}
