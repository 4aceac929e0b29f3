//! Consumers of every manner, on a thread of their own.
//!
//! Owns what an endpoint's other side does: confirm, hang, drip, answer nothing. Does not know
//! the daemon beyond its protocol.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use hookrelay::auth::proof::md5_proof;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::Outcome;
use crate::daemon::Account;
use crate::ledger::{Notes, id, ids};
use crate::load::DATA;

/// How a consumer behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Proves its login and confirms every delivery.
    Confirm,
    /// Proves its login and answers 204 to every delivery, which confirms nothing.
    NoContent,
    /// Takes the request and never answers.
    Hang,
    /// Sends a head and then a byte now and then.
    Drip,
}

/// A running consumer; it ends when dropped.
#[derive(Debug)]
pub struct Consumer {
    pub address: SocketAddr,
    pub notes: Arc<Notes>,
    _end: oneshot::Sender<()>,
}

struct Side {
    manner: Manner,
    login: String,
    password: String,
    notes: Arc<Notes>,
}

impl Consumer {
    pub fn start(account: &Account, manner: Manner) -> Outcome<Self> {
        Self::start_at(account, manner, "127.0.0.1:0".parse()?)
    }

    pub fn start_at(account: &Account, manner: Manner, address: SocketAddr) -> Outcome<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let notes = Arc::<Notes>::default();
        let side = Side {
            manner,
            login: account.login.clone(),
            password: account.password.clone(),
            notes: notes.clone(),
        };
        let (end, ended) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::spawn(move || {
            LocalSet::new().block_on(&runtime, async {
                tokio::select! {
                    accepted = accept(listener, side) => {
                        if let Err(error) = accepted {
                            eprintln!("a consumer ended: {error}");
                        }
                    }
                    _ = ended => {}
                }
            });
        });
        Ok(Self {
            address,
            notes,
            _end: end,
        })
    }

    /// The URL of its endpoint `number`, by which arrivals are told apart.
    pub fn url(&self, number: usize) -> String {
        format!("http://{}/{number}", self.address)
    }
}

async fn accept(listener: std::net::TcpListener, side: Side) -> Outcome<()> {
    let listener = TcpListener::from_std(listener)?;
    let side = std::rc::Rc::new(side);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let side = side.clone();
        tokio::task::spawn_local(async move {
            if side.manner == Manner::Drip {
                // It ends when the daemon gives up.
                let _ = drip(stream).await;
                return;
            }
            let service = service_fn(|request| answer(&side, request));
            let server = hyper::server::conn::http1::Builder::new();
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn drip(mut stream: TcpStream) -> std::io::Result<()> {
    let mut bytes = [0; 4096];
    if stream.read(&mut bytes).await? == 0 {
        return Ok(());
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n")
        .await?;
    loop {
        stream.write_all(b" ").await?;
        sleep(Duration::from_millis(200)).await;
    }
}

async fn answer(
    side: &Side,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Ok(Response::default());
    };
    let body = body.to_bytes();
    if body.starts_with(br#"{"request":"authenticate""#) {
        return Ok(Response::new(Full::from(side.proof(&body))));
    }
    match side.manner {
        Manner::Confirm => {}
        Manner::NoContent => {
            let mut response = Response::default();
            *response.status_mut() = StatusCode::NO_CONTENT;
            return Ok(response);
        }
        Manner::Hang | Manner::Drip => return std::future::pending().await,
    }
    let endpoint = head.uri.path()[1..].parse().unwrap_or(u64::MAX);
    let single = head.headers.get("webhook-id");
    match single.and_then(|value| id(value.as_bytes())) {
        Some(id) => side.notes.add(std::iter::once(id), endpoint),
        // What is not an id of a message is one of a batch.
        None => side.notes.add(ids(&body, DATA), endpoint),
    }
    Ok(Response::new(Full::from(&br#"{"status":"OK"}"#[..])))
}

impl Side {
    fn proof(&self, body: &[u8]) -> String {
        let asked: Value = serde_json::from_slice(body).unwrap_or_default();
        let key = asked["key"].as_str().unwrap_or_default();
        let proof = md5_proof(&self.login, &self.password, key);
        json!({"ai_login_id": self.login, "ai_login_password": proof.as_str()}).to_string()
    }
}

/// An address at which nobody listens.
pub fn nobody() -> Outcome<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?)
}
