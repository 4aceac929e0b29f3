//! The load: raw HTTP/1.1 connections that send prebuilt bodies, closed or open loop.
//!
//! Owns the one client that measures the daemon and the yardstick alike. Does not know what the
//! bodies mean.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{Instant, sleep_until};

use crate::Outcome;
use crate::ledger::{Noted, ids, now};

/// Where a load goes, and as whom.
#[derive(Debug, Clone)]
pub struct Target {
    pub address: SocketAddr,
    pub path: Uri,
    bearer: HeaderValue,
}

impl Target {
    pub fn new(address: SocketAddr, path: &str, key: &str) -> Outcome<Self> {
        Ok(Self {
            address,
            path: path.parse()?,
            bearer: HeaderValue::from_str(&format!("Bearer {key}"))?,
        })
    }
}

/// Bodies that take turns, and how many messages each has.
#[derive(Debug, Clone)]
pub struct Bodies {
    pub each: Rc<[Bytes]>,
    pub messages: u64,
}

/// Bytes of a message's data in all loads.
pub const DATA: usize = 300;

impl Bodies {
    /// Requests of `messages` messages; one request for each type.
    pub fn of(types: &[String], messages: usize) -> Self {
        let data = "x".repeat(DATA - 2);
        let body = |event_type: &String| {
            let one = format!(r#"{{"type":"{event_type}","data":"{data}"}}"#);
            match messages {
                0 | 1 => Bytes::from(one),
                _ => Bytes::from(format!("[{}]", vec![one; messages].join(","))),
            }
        };
        Self {
            each: types.iter().map(body).collect(),
            messages: u64::try_from(messages.max(1)).unwrap_or(1),
        }
    }

    pub fn single() -> Self {
        Self::of(&["bench.load".to_owned()], 1)
    }

    pub fn array(messages: usize) -> Self {
        Self::of(&["bench.load".to_owned()], messages)
    }
}

/// When the next request of a connection is sent.
#[derive(Debug, Clone, Copy)]
pub enum Pace {
    /// As soon as the one before is answered.
    Closed,
    /// So many requests a second over all connections, whatever the answers do.
    Open(f64),
}

/// A load to put on something.
#[derive(Debug, Clone)]
pub struct Load {
    pub bodies: Bodies,
    pub connections: u32,
    pub pace: Pace,
    pub time: Duration,
    /// Ends earlier after so many requests.
    pub requests: u64,
}

impl Load {
    pub fn closed(bodies: Bodies, connections: u32, time: Duration) -> Self {
        Self {
            bodies,
            connections,
            pace: Pace::Closed,
            time,
            requests: u64::MAX,
        }
    }

    pub fn open(bodies: Bodies, rate: f64, time: Duration) -> Self {
        Self {
            pace: Pace::Open(rate),
            ..Self::closed(bodies, 16, time)
        }
    }

    /// As many messages as that, however long it takes.
    pub fn amount(bodies: Bodies, connections: u32, messages: u64) -> Self {
        let requests = messages.div_ceil(bodies.messages);
        Self {
            requests,
            ..Self::closed(bodies, connections, Duration::from_hours(1))
        }
    }
}

/// What came of a load.
#[derive(Debug, Default)]
pub struct Answered {
    pub requests: u64,
    pub messages: u64,
    pub accepted: Vec<Noted>,
    /// Nanoseconds of each request.
    pub latencies: Vec<u64>,
    pub elapsed: Duration,
}

impl Answered {
    #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark")]
    pub fn rate(&self) -> f64 {
        self.messages as f64 / self.elapsed.as_secs_f64()
    }
}

#[derive(Default)]
struct Shared {
    answered: RefCell<Answered>,
    begun: Cell<u64>,
}

/// Puts the load on the target; an answer that accepts nothing is an error.
pub async fn run(target: &Target, load: &Load) -> Outcome<Answered> {
    let local = LocalSet::new();
    local
        .run_until(async {
            let shared = Rc::new(Shared::default());
            let mut senders = Vec::new();
            for _ in 0..load.connections {
                senders.push(connect(target.address).await?);
            }
            let begin = Instant::now();
            let mut tasks = JoinSet::new();
            for (number, sender) in (0_u32..).zip(senders) {
                let (target, load) = (target.clone(), load.clone());
                tasks.spawn_local(drive(sender, target, load, shared.clone(), begin, number));
            }
            while let Some(ended) = tasks.join_next().await {
                ended??;
            }
            let mut answered = shared.answered.take();
            answered.elapsed = begin.elapsed();
            Ok(answered)
        })
        .await
}

pub async fn connect(address: SocketAddr) -> Outcome<SendRequest<Full<Bytes>>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(connection);
    Ok(sender)
}

async fn drive(
    mut sender: SendRequest<Full<Bytes>>,
    target: Target,
    load: Load,
    shared: Rc<Shared>,
    begin: Instant,
    number: u32,
) -> Outcome<()> {
    let end = begin + load.time;
    let mut turn = 0_u32;
    loop {
        let due = match load.pace {
            Pace::Closed => Instant::now(),
            Pace::Open(rate) => {
                let place = f64::from(number) + f64::from(turn) * f64::from(load.connections);
                begin + Duration::from_secs_f64(place / rate)
            }
        };
        if due >= end || shared.begun.get() >= load.requests {
            return Ok(());
        }
        if let Pace::Open(_) = load.pace {
            sleep_until(due).await;
        }
        shared.begun.set(shared.begun.get() + 1);
        let at = usize::try_from(number + turn)? % load.bodies.each.len();
        let body = load.bodies.each[at].clone();
        turn += 1;
        let sent = now();
        let text = exchange(&mut sender, &target, Method::POST, body, 202).await?;
        let ended = now();
        let mut answered = shared.answered.borrow_mut();
        answered.requests += 1;
        answered.messages += load.bodies.messages;
        answered.latencies.push(ended - sent);
        answered.accepted.extend(ids(&text, 0).map(|id| Noted {
            id,
            at: ended,
            mark: ended - sent,
        }));
    }
}

/// One request; another status than `expected` is an error.
pub async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    target: &Target,
    method: Method,
    body: Bytes,
    expected: u16,
) -> Outcome<Bytes> {
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = target.path.clone();
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("relay"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(AUTHORIZATION, target.bearer.clone());
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let text = response.into_body().collect().await?.to_bytes();
    if status != expected {
        return Err(format!("answered {status}: {}", String::from_utf8_lossy(&text)).into());
    }
    Ok(text)
}

/// A few requests in turn, on a connection of their own.
pub async fn calls(
    target: &Target,
    method: &Method,
    bodies: &[Bytes],
    expected: u16,
) -> Outcome<Vec<Bytes>> {
    let local = LocalSet::new();
    local
        .run_until(async {
            let mut sender = connect(target.address).await?;
            let mut answers = Vec::with_capacity(bodies.len());
            for body in bodies {
                let method = method.clone();
                let asked = exchange(&mut sender, target, method, body.clone(), expected);
                answers.push(asked.await?);
            }
            Ok(answers)
        })
        .await
}
