//! Listeners and connections: accepting, bounding, draining.
//!
//! Owns every deadline and count on a connection, plain or TLS, HTTP/1.1 or HTTP/2, TCP or Unix.
//! Does not know what a request means.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::linger::Linger;
use super::site::{MAX_FIELDS, MAX_HEADERS, MAX_TARGET, Origin, Site};

/// How long an accept loop rests after an error such as too many open files.
const REST: Duration = Duration::from_millis(100);
/// How long a connection that was asked to end may take for it.
const FAREWELL: Duration = Duration::from_secs(5);
/// HTTP/2 requests at a time on one connection.
const MAX_STREAMS: u32 = 64;
/// HTTP/2 pings find dead peers.
const PING_EVERY: Duration = Duration::from_secs(20);

/// A bound socket and what is served there.
#[derive(Debug)]
pub enum Listener {
    /// Plain HTTP.
    Plain(TcpListener, Arc<Site>),
    /// HTTPS; HTTP/2 and HTTP/1.1 by ALPN.
    Tls(TcpListener, Arc<rustls::ServerConfig>, Arc<Site>),
    /// HTTP on a Unix socket, secure by its file mode.
    Unix(UnixListener, Arc<Site>),
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections cut off at the end of the grace.
    pub cut: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Open,
    Draining,
    Over,
}

/// Serves `listeners` until `shutdown`. Then no connection is accepted any more, requests under
/// way are answered, new ones on open connections get 503, and what is still open after `grace`
/// is cut off. At most `max_connections` are open at a time; further ones wait in the kernel.
///
/// The admin socket should be served by a call of its own, so that a full public door does not
/// shut the operator out.
pub async fn run(
    listeners: Vec<Listener>,
    max_connections: usize,
    shutdown: impl Future<Output = ()>,
    grace: Duration,
) -> Drained {
    let (stage, watching) = watch::channel(Stage::Open);
    let places = Arc::new(Semaphore::new(max_connections));
    let sites: Vec<Arc<Site>> = listeners.iter().map(|one| one.site().clone()).collect();
    for listener in listeners {
        tokio::spawn(accept(listener, places.clone(), watching.clone()));
    }
    drop(watching);
    shutdown.await;
    for site in sites {
        site.core().accepting.set(false);
    }
    stage.send_replace(Stage::Draining);
    if timeout(grace, stage.closed()).await.is_ok() {
        return Drained { cut: 0 };
    }
    let cut = max_connections.saturating_sub(places.available_permits());
    tracing::warn!(cut, "connections were cut off at the end of the grace");
    stage.send_replace(Stage::Over);
    stage.closed().await;
    Drained { cut }
}

impl Listener {
    fn site(&self) -> &Arc<Site> {
        match self {
            Self::Plain(_, site) | Self::Tls(_, _, site) | Self::Unix(_, site) => site,
        }
    }

    /// Accepts one connection and gives it a task of its own.
    async fn accept_one(
        &self,
        permit: OwnedSemaphorePermit,
        stage: &watch::Receiver<Stage>,
    ) -> io::Result<()> {
        let site = self.site().clone();
        let stage = stage.clone();
        match self {
            Self::Plain(listener, _) => {
                let (stream, peer) = listener.accept().await?;
                let _ = stream.set_nodelay(true);
                let origin = Origin {
                    peer: Some(peer.ip()),
                    tls: false,
                };
                tokio::spawn(serve(site, stream, origin, stage, permit));
            }
            Self::Tls(listener, config, _) => {
                let (stream, peer) = listener.accept().await?;
                let _ = stream.set_nodelay(true);
                let origin = Origin {
                    peer: Some(peer.ip()),
                    tls: true,
                };
                let acceptor = TlsAcceptor::from(config.clone());
                tokio::spawn(serve_tls(site, acceptor, stream, origin, stage, permit));
            }
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let origin = Origin {
                    peer: None,
                    tls: false,
                };
                tokio::spawn(serve(site, stream, origin, stage, permit));
            }
        }
        Ok(())
    }
}

async fn accept(listener: Listener, places: Arc<Semaphore>, mut stage: watch::Receiver<Stage>) {
    let watching = stage.clone();
    loop {
        let one = async {
            let Ok(permit) = places.clone().acquire_owned().await else {
                return;
            };
            if let Err(error) = listener.accept_one(permit, &watching).await {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(REST).await;
            }
        };
        tokio::select! {
            () = one => {}
            _ = stage.changed() => return,
        }
    }
}

async fn serve_tls(
    site: Arc<Site>,
    acceptor: TlsAcceptor,
    stream: TcpStream,
    origin: Origin,
    mut stage: watch::Receiver<Stage>,
    permit: OwnedSemaphorePermit,
) {
    let deadline = site.core().settings.header_deadline.into();
    let shaken = tokio::select! {
        shaken = timeout(deadline, acceptor.accept(stream)) => shaken,
        _ = stage.changed() => return,
    };
    match shaken {
        Ok(Ok(stream)) => serve(site, stream, origin, stage, permit).await,
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

/// When a connection had its last request, so that idle ones can be ended: the server library
/// bounds header blocks, but neither the protocol's first bytes nor an idle HTTP/2 connection.
struct Activity {
    state: Mutex<ActivityState>,
}

struct ActivityState {
    under_way: usize,
    since: Instant,
    any: bool,
}

impl Activity {
    fn new() -> Self {
        Self {
            state: Mutex::new(ActivityState {
                under_way: 0,
                since: Instant::now(),
                any: false,
            }),
        }
    }

    fn with<T>(&self, change: impl FnOnce(&mut ActivityState) -> T) -> T {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn begin(self: Arc<Self>) -> UnderWay {
        self.with(|state| {
            state.under_way += 1;
            state.any = true;
        });
        UnderWay(self)
    }

    /// When the connection is idle for too long if nothing happens until then.
    fn end(&self, first: Duration, idle: Duration) -> Instant {
        self.with(|state| match (state.under_way, state.any) {
            (0, false) => state.since + first,
            (0, true) => state.since + idle,
            _ => Instant::now() + idle,
        })
    }
}

/// A request under way.
struct UnderWay(Arc<Activity>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.with(|state| {
            state.under_way -= 1;
            state.since = Instant::now();
        });
    }
}

fn server(site: &Site) -> auto::Builder<TokioExecutor> {
    let settings = &site.core().settings;
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from(settings.header_deadline))
        .max_headers(MAX_FIELDS)
        .max_buf_size(MAX_TARGET + MAX_HEADERS + 4096);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(MAX_HEADERS + MAX_TARGET).unwrap_or(u32::MAX))
        .max_concurrent_streams(MAX_STREAMS)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_EVERY);
    server
}

async fn serve<I>(
    site: Arc<Site>,
    stream: I,
    origin: Origin,
    mut stage: watch::Receiver<Stage>,
    _place: OwnedSemaphorePermit,
) where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (first, idle) = {
        let settings = &site.core().settings;
        (
            settings.header_deadline.into(),
            settings.idle_deadline.into(),
        )
    };
    let server = server(&site);
    let activity = Arc::new(Activity::new());
    let service = {
        let activity = activity.clone();
        service_fn(move |request| {
            let under_way = activity.clone().begin();
            let answer = site.clone().answer(origin, request);
            async move {
                let answer = answer.await;
                drop(under_way);
                answer
            }
        })
    };
    let connection = server.serve_connection(TokioIo::new(Linger::new(stream)), service);
    let mut connection = std::pin::pin!(connection);
    // Set once the connection was asked to end.
    let mut farewell: Option<Instant> = None;
    // The stage may have moved on before this connection began to watch it.
    if *stage.borrow_and_update() != Stage::Open {
        connection.as_mut().graceful_shutdown();
    }
    loop {
        let end = farewell.unwrap_or_else(|| activity.end(first, idle));
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "a connection ended");
                }
                return;
            }
            changed = stage.changed() => match (changed, *stage.borrow()) {
                (Ok(()), Stage::Draining) => connection.as_mut().graceful_shutdown(),
                _ => return,
            },
            () = sleep_until(end) => {
                if farewell.is_some() {
                    return;
                }
                if activity.end(first, idle) > Instant::now() {
                    continue;
                }
                if activity.with(|state| !state.any) {
                    return;
                }
                connection.as_mut().graceful_shutdown();
                farewell = Some(Instant::now() + FAREWELL);
            }
        }
    }
}
