//! What happens to every request: identity, checks 1 to 3, headers and one log line.
//!
//! Owns the way from a connection to a mounted surface. Does not know sockets, nor what a
//! surface does.

use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Extension;
use axum::response::{IntoResponse, Response};
use hyper::body::{Body as _, Incoming};
use hyper::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Request, StatusCode, Uri, Version};
use tower_service::Service;
use tracing::Instrument as _;

use super::gate::Closing;
use super::secure::{self, Security};
use super::{Answer, Core, Head, Refusal, Surface, path};
use crate::clock::Stopwatch;
use crate::domain::subject::Subject;
use crate::id::{AccountId, RequestId};

/// Bytes of a request target, a header block; fields (section 2, row 1).
pub const MAX_TARGET: usize = 64 * 1024;
/// Bytes of a header block.
pub const MAX_HEADERS: usize = 80 * 1024;
/// Fields of a header block.
pub const MAX_FIELDS: usize = 100;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const JSON: &str = "application/json; charset=utf-8";

type Refuse = Arc<dyn Fn(&Head, &Refusal<'_>) -> Answer + Send + Sync>;

/// A surface at its paths.
#[derive(Clone)]
pub struct Mount {
    name: &'static str,
    prefixes: Vec<Vec<String>>,
    refuse: Refuse,
    router: Router,
}

impl fmt::Debug for Mount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Mount")
            .field("name", &self.name)
            .field("prefixes", &self.prefixes)
            .finish_non_exhaustive()
    }
}

impl Mount {
    /// Mounts `router`, whose routes are full paths, at everything at or below `prefixes`. What
    /// it does not know is answered in the surface's wire form.
    pub fn new<S: Surface>(surface: &Arc<S>, prefixes: &[&str], router: Router) -> Self {
        let unknown = |refusal: Refusal<'static>| {
            let surface = surface.clone();
            move |Extension(head): Extension<Arc<Head>>| {
                let answer = surface.refuse(&head, &refusal);
                async move { answer }
            }
        };
        let router = router
            .fallback(unknown(Refusal::UnknownRoute))
            .method_not_allowed_fallback(unknown(Refusal::UnknownMethod));
        let refuse = {
            let surface = surface.clone();
            Arc::new(move |head: &Head, refusal: &Refusal<'_>| surface.refuse(head, refusal))
        };
        Self {
            name: surface.name(),
            prefixes: prefixes
                .iter()
                .map(|prefix| path::parse(prefix).segments)
                .collect(),
            refuse,
            router,
        }
    }

    fn holds(&self, segments: &[String]) -> bool {
        self.prefixes
            .iter()
            .any(|prefix| segments.starts_with(prefix))
    }
}

/// What the gate found out for the log line.
#[derive(Debug, Clone, Default)]
pub(super) struct Note {
    pub(super) caller: Option<(AccountId, Subject)>,
}

/// From where a connection came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    /// The peer's address; none on the admin socket, which is secure by its file mode.
    pub(super) peer: Option<IpAddr>,
    /// It arrived on our own TLS listener.
    pub(super) tls: bool,
}

/// A set of mounts behind listeners.
#[derive(Debug)]
pub struct Site {
    core: Arc<Core>,
    mounts: Vec<Mount>,
}

impl Site {
    /// The first mount that holds a path takes it.
    pub fn new(core: Arc<Core>, mounts: Vec<Mount>) -> Self {
        Self { core, mounts }
    }

    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// Answers one request.
    pub(super) async fn answer(
        self: Arc<Self>,
        origin: Origin,
        request: Request<Incoming>,
    ) -> Result<Response, Infallible> {
        let watch = Stopwatch::start();
        let db = &self.core.db;
        let id = RequestId::random(db.clock().now(), db.entropy());
        let version = request.version();
        // At the level of errors, so that the line of a fault carries it at every log level.
        let span = tracing::error_span!("http", request = %id);
        let line = tracing::enabled!(tracing::Level::INFO).then(|| Line::of(&request));
        let dispatched = self.dispatch(id, origin, request);
        let (security, surface, mut response) = dispatched.instrument(span.clone()).await;
        let note = response.extensions_mut().remove::<Note>();
        let closing = response.extensions_mut().remove::<Closing>().is_some();
        dress(
            &mut response,
            id,
            security,
            closing && version < Version::HTTP_2,
        );
        if let Some(line) = line {
            span.in_scope(|| line.log(surface, note, response.status(), watch));
        }
        Ok(response)
    }

    async fn dispatch(
        &self,
        id: RequestId,
        origin: Origin,
        request: Request<Incoming>,
    ) -> (Security, &'static str, Response) {
        let settings = &self.core.settings;
        let (mut parts, body) = request.into_parts();
        let security = origin.peer.map_or(Security::Loopback, |peer| {
            secure::judge(settings, peer, origin.tls, &parts.headers)
        });
        if let Some(status) = oversized(&parts.uri, &parts.headers) {
            return (security, "-", closed(Answer::empty(status)));
        }
        let path = path::parse(parts.uri.path());
        let mount = self.mounts.iter().find(|mount| mount.holds(&path.segments));
        let surface = mount.map_or("-", |mount| mount.name);
        let client = origin
            .peer
            .map(|peer| secure::client(settings, peer, &parts.headers));
        // HTTP/2 names the host in the request's target.
        if let Some(authority) = parts.uri.authority()
            && let Ok(host) = HeaderValue::from_str(authority.as_str())
        {
            parts.headers.entry(HOST).or_insert(host);
        }
        let head = Head {
            id,
            method: parts.method.clone(),
            raw_path: parts.uri.path().to_owned(),
            segments: path.segments,
            params: Vec::new(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            // The router reads method and path only.
            headers: std::mem::take(&mut parts.headers),
            client,
        };
        let refuse = |refusal: Refusal<'_>| match mount {
            Some(mount) => (mount.refuse)(&head, &refusal),
            None => unmounted(refusal),
        };
        if security == Security::Insecure {
            let answer = refuse(Refusal::Insecure);
            return (security, surface, closed(answer));
        }
        let Some(mount) = mount.filter(|_| path.understood) else {
            let answer = refuse(Refusal::UnknownRoute);
            return (security, surface, answer.into_response());
        };
        let Ok(uri) = path::spell(&head.segments).parse::<Uri>() else {
            let answer = refuse(Refusal::UnknownRoute);
            return (security, surface, answer.into_response());
        };
        parts.uri = uri;
        if parts.method == Method::HEAD {
            // The router would answer it as GET; no surface knows HEAD.
            parts.method = Method::TRACE;
        }
        parts.extensions.insert(Arc::new(head));
        let request = Request::from_parts(parts, Body::new(body));
        let mut router = mount.router.clone();
        // A router is always ready and never fails; its error type says so.
        let mut response = match router.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        if response.status() == StatusCode::METHOD_NOT_ALLOWED {
            without_head(response.headers_mut());
        }
        (security, surface, response)
    }
}

fn oversized(uri: &Uri, headers: &HeaderMap) -> Option<StatusCode> {
    let target = uri.path().len() + uri.query().map_or(0, |query| query.len() + 1);
    if target > MAX_TARGET {
        return Some(StatusCode::URI_TOO_LONG);
    }
    let block: usize = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum();
    (block > MAX_HEADERS || headers.len() > MAX_FIELDS)
        .then_some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
}

fn closed(answer: Answer) -> Response {
    let mut response = answer.into_response();
    response.extensions_mut().insert(Closing);
    response
}

fn unmounted(refusal: Refusal<'_>) -> Answer {
    match refusal {
        Refusal::Insecure => {
            Answer::new(StatusCode::FORBIDDEN, JSON, r#"{"error":"https required"}"#)
        }
        _ => Answer::new(
            StatusCode::NOT_FOUND,
            "application/json",
            r#"{"error":"not found"}"#,
        ),
    }
}

/// The router lists HEAD wherever it knows GET; here it is unknown.
fn without_head(headers: &mut HeaderMap) {
    let Some(allow) = headers.get(ALLOW).and_then(|value| value.to_str().ok()) else {
        return;
    };
    let methods: Vec<&str> = allow
        .split(',')
        .map(str::trim)
        .filter(|method| *method != "HEAD")
        .collect();
    if let Ok(value) = HeaderValue::from_str(&methods.join(", ")) {
        headers.insert(ALLOW, value);
    }
}

/// The headers of section 6; `Date` is added by the server.
fn dress(response: &mut Response, id: RequestId, security: Security, close: bool) {
    let length = response.body().size_hint().exact();
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&id.to_string()) {
        headers.insert(REQUEST_ID, value);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if security == Security::Secure {
        headers.insert(
            STRICT_TRANSPORT_SECURITY,
            HeaderValue::from_static("max-age=31536000"),
        );
    }
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    if close {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// What the log says of a request: never a value of its query, never its body.
struct Line {
    method: Method,
    path: String,
    query: String,
}

impl Line {
    /// Names of a query that are shown, and their characters.
    const MAX_NAMES: usize = 16;
    const MAX_NAME: usize = 32;
    const MAX_PATH: usize = 256;

    fn of(request: &Request<Incoming>) -> Self {
        // Only what stands before a `=` is a name: anything else may be a secret out of place.
        let names: Vec<String> = request
            .uri()
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .take(Self::MAX_NAMES)
            .map(|(name, _)| name.chars().take(Self::MAX_NAME).collect())
            .collect();
        Self {
            method: request.method().clone(),
            path: request.uri().path().chars().take(Self::MAX_PATH).collect(),
            query: names.join("&"),
        }
    }

    fn log(self, surface: &'static str, note: Option<Note>, status: StatusCode, watch: Stopwatch) {
        let (account, by) = note.unwrap_or_default().caller.unzip();
        tracing::info!(
            surface,
            method = %self.method,
            path = self.path,
            query = (!self.query.is_empty()).then_some(self.query),
            account = account.map(tracing::field::display),
            by = by.map(tracing::field::display),
            status = status.as_u16(),
            took_us = watch.micros(),
            "request"
        );
    }
}
