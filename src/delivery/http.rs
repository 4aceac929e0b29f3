//! One POST within one deadline.
//!
//! Owns the HTTP client: [`Sender::post`] sends a request and brings back what came, as data.
//! Does not know bodies, answers or endpoints.
//!
//! # One attempt is one POST
//!
//! An idle connection may have been closed by the consumer while it waited in the pool. When the
//! client notices before it has written anything of the request, it takes another connection, and
//! the consumer has seen nothing: that is no failure. Once any of the request was written, nothing
//! is sent a second time; a connection that closes then is reported as a reset, because the
//! consumer may have processed the request, and the relay's own schedule repeats it visibly, under
//! the same id. To make that rare, idle connections are kept for less time than common servers
//! keep them. A connection on which anything went wrong is not used again.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_ENCODING, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::time::{Instant, timeout_at};

use super::address::AddressRules;
use super::connect::{ConnectFailure, Connector, PROGRESS, Progress, shortened};
use super::exchange::{Body, End, Exchange, Head, MAX_BODY_BYTES, retry_after};
use super::header::{CustomHeader, Webhook, request_headers};
use super::sign::{SigningKey, signature};
use super::url::check_url;
use crate::attempt::{Class, Phase};
use crate::clock::{Clock, Millis, Stopwatch};

/// `User-Agent` of every request.
const USER_AGENT: &str = concat!("hookrelay/", env!("CARGO_PKG_VERSION"));
/// Longest response head over HTTP/1, and size of its read buffer, in bytes.
const MAX_HTTP1_BUFFER: usize = 64 * 1024;
/// Longest response head over HTTP/2, in bytes.
const MAX_HTTP2_HEAD: u32 = 64 * 1024;
/// What an HTTP/2 consumer may send ahead of our reading, in bytes: a little more than a whole
/// answer per request, and a few of them per connection.
const HTTP2_STREAM_WINDOW: u32 = 128 * 1024;
const HTTP2_CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What the operator sets (`[delivery]`).
#[derive(Debug, Clone)]
pub struct Settings {
    /// One deadline over resolution, connection, TLS, response head and body.
    pub deadline: Millis,
    /// Deadline over resolution, connection and TLS, within the other one.
    pub connect_deadline: Millis,
    /// What may be called besides public addresses over https.
    pub addresses: AddressRules,
    /// PEM certificates of authorities that are trusted besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// How long an unused connection is kept.
    pub pool_idle: Millis,
    /// Unused connections kept per scheme, host and port.
    pub pool_idle_per_host: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            deadline: Millis::seconds(30),
            connect_deadline: Millis::seconds(5),
            addresses: AddressRules::default(),
            ca_file: None,
            // Many servers close after 5 s; closing first avoids requests that meet a close.
            pool_idle: Millis::seconds(4),
            pool_idle_per_host: 16,
        }
    }
}

/// Why there is no client. The text is for the operator.
#[derive(Debug)]
pub enum SenderError {
    /// `ca_file` cannot be read.
    CaFile(PathBuf, io::Error),
    /// `ca_file` holds no certificate, or something else.
    NoCertificate(PathBuf),
    /// TLS cannot be set up.
    Tls(rustls::Error),
}

impl fmt::Display for SenderError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CaFile(path, error) => {
                write!(out, "ca_file {}: {error}", path.display())
            }
            Self::NoCertificate(path) => write!(
                out,
                "ca_file {}: no valid certificate in PEM form",
                path.display()
            ),
            Self::Tls(error) => write!(out, "TLS cannot be set up: {error}"),
        }
    }
}

impl Error for SenderError {}

/// One request to send.
#[derive(Debug, Clone)]
pub struct Post<'a> {
    /// The endpoint's URL; checked again here.
    pub url: &'a str,
    /// The endpoint's custom headers.
    pub headers: &'a [CustomHeader],
    /// `webhook-id`: batch, message or authenticate id.
    pub webhook_id: &'a str,
    /// Unix seconds of the attempt.
    pub timestamp: u64,
    /// The current signing key, and the retiring one while it signs.
    pub keys: &'a [SigningKey],
    /// The body, as `protocol.rs` makes it.
    pub body: Bytes,
}

/// Sends requests. Cheap to clone; clones share the connection pool.
#[derive(Clone)]
pub struct Sender {
    client: Client<Connector, Full<Bytes>>,
    rules: Arc<AddressRules>,
    deadline: Millis,
    clock: Clock,
    user_agent: HeaderValue,
}

impl Sender {
    /// Builds the client. Reads `ca_file`; opens no connection.
    pub fn new(settings: Settings, clock: Clock) -> Result<Self, SenderError> {
        let tls = Arc::new(tls_config(settings.ca_file.as_deref())?);
        let connect_deadline = settings.connect_deadline.min(settings.deadline);
        let connector = Connector::new(settings.addresses.clone(), connect_deadline.into(), tls);
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(std::time::Duration::from(settings.pool_idle))
            .pool_max_idle_per_host(settings.pool_idle_per_host)
            // Only requests of which nothing was written; see the head of this file.
            .retry_canceled_requests(true)
            .http1_max_buf_size(MAX_HTTP1_BUFFER)
            .http2_max_header_list_size(MAX_HTTP2_HEAD)
            .http2_initial_stream_window_size(HTTP2_STREAM_WINDOW)
            .http2_initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
            .build(connector);
        Ok(Self {
            client,
            rules: Arc::new(settings.addresses),
            deadline: settings.deadline,
            clock,
            user_agent: HeaderValue::from_static(USER_AGENT),
        })
    }

    /// Sends one request and reads its answer, all within the one deadline. Dropping the future
    /// drops the connection.
    pub async fn post(&self, post: Post<'_>) -> Exchange {
        let watch = Stopwatch::start();
        let end = match self.request(post) {
            Ok((host, request)) => self.exchange(&host, request).await,
            Err(failure) => no_head(failure.class, failure.detail),
        };
        Exchange {
            took: watch.elapsed().into(),
            end,
        }
    }

    fn request(&self, post: Post<'_>) -> Result<(String, Request<Full<Bytes>>), ConnectFailure> {
        // The record may be older than the rules; a literal address is refused before anything
        // is opened or taken from the pool.
        let url = check_url(post.url, &self.rules).map_err(|error| ConnectFailure {
            class: Class::BlockedAddress,
            detail: error.to_string(),
        })?;
        let unfit = || ConnectFailure {
            class: Class::BadHttp,
            detail: "the request cannot be written as HTTP".to_owned(),
        };
        let uri = Uri::try_from(url.text).map_err(|_| unfit())?;
        let signature = signature(post.keys, post.webhook_id, post.timestamp, &post.body);
        let webhook = Webhook {
            id: post.webhook_id,
            timestamp: post.timestamp,
            signature: &signature,
        };
        let length = post.body.len();
        let headers = request_headers(&self.user_agent, length, webhook, post.headers);
        let mut request = Request::new(Full::new(post.body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers.ok_or_else(unfit)?;
        Ok((url.host, request))
    }

    async fn exchange(&self, host: &str, mut request: Request<Full<Bytes>>) -> End {
        let deadline = Instant::now() + self.deadline.into();
        let connection = capture_connection(&mut request);
        let progress = Progress::default();
        let sending = PROGRESS.scope(progress.clone(), self.client.request(request));
        let end = match timeout_at(deadline, sending).await {
            Ok(Ok(response)) => self.read(host, response, deadline).await,
            Ok(Err(error)) => failed(host, &error),
            Err(_) => {
                let phase = match &*connection.connection_metadata() {
                    Some(_) => Phase::Head,
                    None => progress.phase(),
                };
                no_head(Class::Deadline(phase), host)
            }
        };
        if !came_whole(&end) {
            poison(&connection);
        }
        end
    }

    async fn read(&self, host: &str, response: Response<Incoming>, deadline: Instant) -> End {
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        if status < 200 {
            let detail = format!("{host} answers {status}, which was not asked for");
            return no_head(Class::BadHttp, detail);
        }
        End::Head(Head {
            status,
            retry_after: head
                .headers
                .get(RETRY_AFTER)
                .and_then(|value| retry_after(value.as_bytes(), self.clock.now())),
            encoded: is_encoded(&head.headers),
            body: read_body(body, deadline).await,
        })
    }
}

fn no_head(class: Class, detail: impl Into<String>) -> End {
    let detail = detail.into();
    End::NoHead { class, detail }
}

fn came_whole(end: &End) -> bool {
    matches!(end, End::Head(head) if matches!(head.body, Body::Complete(_)))
}

/// Keeps a connection from being used again. Over HTTP/2 a connection outlives its requests, so a
/// dead one would otherwise take every later request with it.
fn poison(connection: &CaptureConnection) {
    if let Some(connected) = &*connection.connection_metadata() {
        connected.poison();
    }
}

fn is_encoded(headers: &HeaderMap) -> bool {
    let plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    !headers.get_all(CONTENT_ENCODING).iter().all(plain)
}

/// Reads a body up to the limit and no further: what is dropped unread closes its connection.
async fn read_body(mut body: Incoming, deadline: Instant) -> Body {
    let mut bytes = BytesMut::new();
    loop {
        // A timeout is asked only when nothing is ready, and empty frames can be ready forever.
        if Instant::now() >= deadline {
            return Body::Deadline;
        }
        match timeout_at(deadline, body.frame()).await {
            Err(_) => return Body::Deadline,
            Ok(None) => return Body::Complete(bytes.freeze()),
            Ok(Some(Err(_))) => return Body::Reset,
            Ok(Some(Ok(frame))) => {
                let data = frame.into_data().unwrap_or_default();
                if bytes.len() + data.len() > MAX_BODY_BYTES {
                    return Body::TooBig;
                }
                bytes.extend_from_slice(&data);
            }
        }
    }
}

/// What an error of the client means, by the first cause in its chain that tells.
fn failed(host: &str, error: &hyper_util::client::legacy::Error) -> End {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(failure) = current.downcast_ref::<ConnectFailure>() {
            return no_head(failure.class, failure.detail.clone());
        }
        if let Some(error) = tls_error(current) {
            return no_head(Class::Tls, format!("{host}: {}", shortened(error)));
        }
        if let Some(error) = current.downcast_ref::<hyper::Error>()
            && (error.is_parse() || spoke_first(error))
        {
            return no_head(Class::BadHttp, format!("{host}: {}", shortened(error)));
        }
        cause = current.source();
    }
    no_head(Class::Reset, host)
}

/// Servers of other protocols greet before they are asked. The library tells that by its text
/// only; a test holds it to it.
fn spoke_first(error: &hyper::Error) -> bool {
    error.to_string() == "received unexpected message from connection"
}

/// A consumer may refuse a TLS session after the handshake, for want of a client certificate.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    error
        .downcast_ref::<io::Error>()?
        .get_ref()?
        .downcast_ref::<rustls::Error>()
}

fn tls_config(ca_file: Option<&Path>) -> Result<ClientConfig, SenderError> {
    let public = webpki_roots::TLS_SERVER_ROOTS.iter().cloned();
    let mut roots: RootCertStore = public.collect();
    if let Some(path) = ca_file {
        let pem =
            std::fs::read(path).map_err(|error| SenderError::CaFile(path.to_owned(), error))?;
        let unusable = || SenderError::NoCertificate(path.to_owned());
        let mut found = false;
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|_| unusable())?;
            roots.add(certificate).map_err(|_| unusable())?;
            found = true;
        }
        if !found {
            return Err(unusable());
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(SenderError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
