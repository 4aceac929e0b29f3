//! Consumers on loopback, as raw sockets, so that they can answer what no server would.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

pub const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"status\":\"OK\"}";

/// A consumer on loopback.
pub struct Consumer {
    pub address: SocketAddr,
    pub connections: Arc<AtomicUsize>,
    /// Requests as they came in, head and body.
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Consumer {
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// One connection to a consumer.
pub struct Visit {
    pub stream: TcpStream,
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Visit {
    /// The next whole request; none when the connection ended before it.
    pub async fn request(&mut self) -> Option<String> {
        let mut bytes = Vec::new();
        loop {
            if self.stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
            let text = String::from_utf8(bytes.clone()).unwrap();
            let Some((head, body)) = text.split_once("\r\n\r\n") else {
                continue;
            };
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                self.requests.lock().unwrap().push(text.clone());
                return Some(text);
            }
        }
    }

    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await
    }

    /// Waits until the other side has closed.
    pub async fn closed(&mut self) {
        let mut rest = [0; 1024];
        while !matches!(self.stream.read(&mut rest).await, Ok(0) | Err(_)) {}
    }
}

/// Starts a consumer that treats every connection the same way.
pub async fn consumer<F, Fut>(serve: F) -> Consumer
where
    F: Fn(Visit) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let requests = Arc::new(Mutex::new(Vec::new()));
    let consumer = Consumer {
        address,
        connections: Arc::clone(&connections),
        requests: Arc::clone(&requests),
    };
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            connections.fetch_add(1, Ordering::SeqCst);
            let visit = Visit {
                stream,
                requests: Arc::clone(&requests),
            };
            tokio::spawn(serve(visit));
        }
    });
    consumer
}

/// A consumer that gives every request on every connection this answer.
pub async fn answering(answer: impl AsRef<[u8]>) -> Consumer {
    let answer = Bytes::copy_from_slice(answer.as_ref());
    consumer(move |mut visit| {
        let answer = answer.clone();
        async move {
            while visit.request().await.is_some() {
                if visit.write(&answer).await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}

/// A consumer that reads one request, gives this answer and closes.
pub async fn answering_once(answer: &'static str) -> Consumer {
    consumer(move |mut visit| async move {
        visit.request().await;
        let _ = visit.write(answer).await;
    })
    .await
}

pub fn with_body(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let mut answer =
        format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n").into_bytes();
    answer.extend_from_slice(body);
    answer
}

/// Writes `piece` every 20 ms until the other side has had enough.
pub async fn drip(visit: &mut Visit, piece: &str) {
    let mut beat = tokio::time::interval(Duration::from_millis(20));
    loop {
        beat.tick().await;
        if visit.write(piece).await.is_err() {
            return;
        }
    }
}
