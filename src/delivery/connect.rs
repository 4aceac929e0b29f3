//! Opening a connection: check every resolved address, connect, TLS.
//!
//! Owns the connector of the HTTP client. It asks [`super::address`] about every resolved address
//! and about literal ones, and connects only to addresses it asked about, so that no second
//! resolution can lead elsewhere. Does not know requests.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::Uri;
use hyper_rustls::MaybeHttpsStream;
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::address::AddressRules;
use super::resolve::Names;
use crate::attempt::{Class, Phase};

/// Addresses of one name that are tried; all of them are checked.
const MAX_TRIED: usize = 8;
/// Longest text taken over from an error, in characters: certificates can name what they like.
const MAX_ERROR_CHARACTERS: usize = 200;

/// How far a connection attempt is, readable from outside when a deadline strikes.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<AtomicU8>);

const NOT_STARTED: u8 = 0;
const RESOLVING: u8 = 1;
const CONNECTING: u8 = 2;

impl Progress {
    fn set(&self, step: u8) {
        self.0.store(step, Ordering::Relaxed);
    }

    /// The phase that is under way: [`Phase::Head`] while no connection is being opened.
    #[must_use]
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Relaxed) {
            RESOLVING => Phase::Resolve,
            CONNECTING => Phase::Connect,
            _ => Phase::Head,
        }
    }
}

tokio::task_local! {
    /// The progress of the request on whose behalf the connector is called. The HTTP client hands
    /// a connector nothing but the URL, and calls it while the request is polled.
    pub static PROGRESS: Progress;
}

/// Why no connection was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectFailure {
    /// The operator's word.
    pub class: Class,
    /// Host, address and rule or error.
    pub detail: String,
}

impl ConnectFailure {
    fn new(class: Class, detail: impl Into<String>) -> Self {
        Self {
            class,
            detail: detail.into(),
        }
    }
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.class, self.detail)
    }
}

impl Error for ConnectFailure {}

/// The connector: one deadline over resolution, connection and TLS handshake.
#[derive(Clone)]
pub struct Connector(Arc<Shared>);

struct Shared {
    rules: AddressRules,
    deadline: Duration,
    tls: TlsConnector,
    names: Names,
}

/// A connection, TLS or not.
pub type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

impl Connector {
    /// A connector that calls what `rules` permit, within `deadline`.
    #[must_use]
    pub fn new(rules: AddressRules, deadline: Duration, tls: Arc<rustls::ClientConfig>) -> Self {
        Self(Arc::new(Shared {
            rules,
            deadline,
            tls: TlsConnector::from(tls),
            names: Names::default(),
        }))
    }
}

impl Service<Uri> for Connector {
    type Response = Stream;
    type Error = ConnectFailure;
    type Future = Pin<Box<dyn Future<Output = Result<Stream, ConnectFailure>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectFailure>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let shared = Arc::clone(&self.0);
        let progress = PROGRESS.try_with(Progress::clone).unwrap_or_default();
        Box::pin(async move {
            let end = Instant::now() + shared.deadline;
            let opening = shared.open(&uri, &progress, end);
            let opened = timeout_at(end, opening).await;
            // Only what is in progress can be late.
            let opened = opened.unwrap_or_else(|_| {
                let class = Class::Deadline(progress.phase());
                let host = uri.host().unwrap_or_default();
                Err(ConnectFailure::new(class, host))
            });
            progress.set(NOT_STARTED);
            opened
        })
    }
}

impl Shared {
    async fn open(
        &self,
        uri: &Uri,
        progress: &Progress,
        end: Instant,
    ) -> Result<Stream, ConnectFailure> {
        let https = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });

        progress.set(RESOLVING);
        let addresses = self.permitted(host, port, https).await?;
        progress.set(CONNECTING);
        let tcp = connect(host, &addresses, end).await?;
        // Requests are written whole; waiting for more to send only delays them.
        let _ = tcp.set_nodelay(true);
        if !https {
            return Ok(MaybeHttpsStream::Http(TokioIo::new(tcp)));
        }
        let failed = |error: &dyn Error| {
            ConnectFailure::new(Class::Tls, format!("{host}: {}", shortened(error)))
        };
        let name = ServerName::try_from(host.trim_end_matches('.').to_owned())
            .map_err(|error| failed(&error))?;
        let tls = self.tls.connect(name, TokioIo::new(TokioIo::new(tcp)));
        let tls = tls.await.map_err(|error| failed(&error))?;
        Ok(MaybeHttpsStream::from(tls))
    }

    /// Every address of the host, if every one of them is permitted.
    async fn permitted(
        &self,
        host: &str,
        port: u16,
        https: bool,
    ) -> Result<Vec<SocketAddr>, ConnectFailure> {
        let literal = host.parse::<IpAddr>().ok();
        let found = match literal {
            Some(ip) => vec![ip],
            None => self.names.addresses(host).await.map_err(|error| {
                let detail = format!("{host}: {}", shortened(&error));
                ConnectFailure::new(Class::Dns, detail)
            })?,
        };
        let addresses: Vec<SocketAddr> = found
            .into_iter()
            .map(|ip| SocketAddr::new(ip, port))
            .collect();
        if addresses.is_empty() {
            let detail = format!("{host} has no address");
            return Err(ConnectFailure::new(Class::Dns, detail));
        }
        for address in &addresses {
            if let Err(refusal) = self.rules.permit(address.ip(), https) {
                let ip = address.ip();
                let detail = match literal {
                    Some(_) => format!("{ip}: {refusal}"),
                    None => format!("{host} resolves to {ip}: {refusal}"),
                };
                return Err(ConnectFailure::new(Class::BlockedAddress, detail));
            }
        }
        Ok(addresses)
    }
}

/// The first address that takes the connection. Each has an equal share of the time that is left
/// until `end`, so that one that swallows packets does not hide the others.
async fn connect(
    host: &str,
    addresses: &[SocketAddr],
    end: Instant,
) -> Result<TcpStream, ConnectFailure> {
    let tried = addresses.len().min(MAX_TRIED);
    let mut failure = ConnectFailure::new(Class::RefusedConnect, host);
    for (n, address) in addresses.iter().take(MAX_TRIED).enumerate() {
        let left = end.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(tried - n).unwrap_or(1);
        failure = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => refused(host, *address, &error),
            Err(_) => ConnectFailure::new(
                Class::Deadline(Phase::Connect),
                format!("{host}: {address}"),
            ),
        };
    }
    Err(failure)
}

fn refused(host: &str, address: SocketAddr, error: &io::Error) -> ConnectFailure {
    let class = match error.kind() {
        // The kernel's own deadline came before ours.
        io::ErrorKind::TimedOut => Class::Deadline(Phase::Connect),
        _ => Class::RefusedConnect,
    };
    ConnectFailure::new(class, format!("{host}: {address}: {}", shortened(error)))
}

/// An error's text, bounded and without control characters.
#[must_use]
pub fn shortened(error: &dyn Error) -> String {
    let text = error.to_string();
    let visible = text.chars().filter(|c| !c.is_control());
    visible.take(MAX_ERROR_CHARACTERS).collect()
}
