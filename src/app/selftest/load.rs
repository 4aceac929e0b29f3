//! Callers that send messages until the daemon is gone.
//!
//! Owns their requests and what was acknowledged of them. Does not know the consumers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::clock::Stopwatch;
use crate::id::MessageId;

/// Callers at once.
const CALLERS: usize = 4;
/// Most messages of one request.
const MOST: u64 = 20;
/// Between two requests of one caller: bounds what one round can come to.
const PAUSE: Duration = Duration::from_millis(2);

/// What was acknowledged in a round.
#[derive(Debug, Default)]
pub struct Acknowledged {
    /// The number in a message's data, and the id that was told.
    pub messages: Vec<(u64, MessageId)>,
    /// From the daemon's start to the first acknowledgement.
    pub first: Option<Duration>,
    /// Answers that a daemon with room and without limits does not give.
    pub refused: Vec<String>,
}

/// Who calls where.
#[derive(Debug, Clone)]
pub struct Target {
    /// The daemon.
    pub address: SocketAddr,
    /// The API key.
    pub key: Arc<str>,
    /// Since its start.
    pub since: Stopwatch,
    /// Numbers the messages of all rounds.
    pub next: Arc<AtomicU64>,
}

/// Callers that run until the daemon is gone.
pub struct Load(Vec<tokio::task::JoinHandle<Acknowledged>>);

impl Load {
    /// Starts them.
    pub fn start(target: &Target) -> Self {
        let callers = (0..CALLERS).map(|_| tokio::spawn(call(target.clone())));
        Self(callers.collect())
    }

    /// What was acknowledged, once the daemon is gone.
    pub async fn end(self) -> Acknowledged {
        let mut all = Acknowledged::default();
        for caller in self.0 {
            let Ok(mut one) = caller.await else {
                all.refused.push("a caller failed".to_owned());
                continue;
            };
            all.messages.append(&mut one.messages);
            all.refused.append(&mut one.refused);
            all.first = all.first.into_iter().chain(one.first).min();
        }
        all
    }
}

async fn call(target: Target) -> Acknowledged {
    let mut all = Acknowledged::default();
    let Ok(stream) = TcpStream::connect(target.address).await else {
        return all;
    };
    let Ok((mut sender, connection)) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await
    else {
        return all;
    };
    let driving = tokio::spawn(connection);
    loop {
        let count = if fastrand::bool() {
            1
        } else {
            fastrand::u64(2..=MOST)
        };
        let first = target.next.fetch_add(count, Ordering::Relaxed);
        match send(&mut sender, &target, first..first + count).await {
            Some(Ok(ids)) => {
                all.first.get_or_insert_with(|| target.since.elapsed());
                all.messages.extend((first..).zip(ids));
            }
            Some(Err(why)) => {
                all.refused.push(why);
                break;
            }
            // The daemon is gone. What was not answered is acknowledged by nobody.
            None => break,
        }
        tokio::time::sleep(PAUSE).await;
    }
    driving.abort();
    all
}

/// One request; none when there is no whole answer.
async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    target: &Target,
    numbers: std::ops::Range<u64>,
) -> Option<Result<Vec<MessageId>, String>> {
    let count = numbers.end - numbers.start;
    let messages: Vec<Value> = numbers
        .map(|number| json!({"type": "selftest", "data": number.to_string()}))
        .collect();
    let request = Request::builder()
        .method(Method::POST)
        .uri("/relay/v1/messages")
        .header(HOST, target.address.to_string())
        .header(AUTHORIZATION, format!("Bearer {}", target.key))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(json!(messages).to_string())))
        .ok()?;
    let answer = sender.send_request(request).await.ok()?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.ok()?.to_bytes();
    if status != 202 {
        let text = String::from_utf8_lossy(&body).into_owned();
        return Some(Err(format!("{status} {text}")));
    }
    let body: Value = serde_json::from_slice(&body).ok()?;
    let ids: Vec<MessageId> = body["ids"]
        .as_array()?
        .iter()
        .filter_map(|id| id.as_str()?.parse().ok())
        .collect();
    if ids.len() as u64 == count {
        Some(Ok(ids))
    } else {
        Some(Err(format!("{count} messages got {} ids", ids.len())))
    }
}
