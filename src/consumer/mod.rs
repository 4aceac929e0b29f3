//! A webhook consumer that speaks the notification protocol, for development and demonstration.
//!
//! Owns an HTTP server on loopback whose answers follow a script and whose arrivals can be
//! watched. Does not know the relay: it sees only what any consumer would see.

mod forward;
mod protocol;

use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};

pub use forward::Forward;
pub use protocol::{Answer, Asked, Login, Received, Reply};

/// Longest request body that is read, in bytes: more than any batch.
const MAX_BODY: usize = 32 << 20;
/// Connections served at once.
const MAX_CONNECTIONS: usize = 256;
/// Arrivals that wait for a reader before requests wait for it.
const MAX_UNREAD: usize = 4096;
/// Message ids remembered to recognize repetitions.
const MAX_REMEMBERED: usize = 100_000;
/// Longest a hanging answer keeps its connection.
const HANG: Duration = Duration::from_mins(10);

/// How a consumer behaves.
#[derive(Clone, Default)]
pub struct Settings {
    /// TCP port on 127.0.0.1; 0 = any free one.
    pub port: u16,
    /// What it proves when asked to authenticate; none = passive.
    pub login: Option<Login>,
    /// Replies to its first deliveries, in order.
    pub script: Vec<Reply>,
    /// The reply to all deliveries after the script.
    pub reply: Reply,
    /// Deliveries go on to this URL, and its answer comes back instead of a reply. Authenticate
    /// goes there too unless there is a login.
    pub forward: Option<Forward>,
}

/// One request as it arrived and was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// 1, 2, 3 … in the order of arrival.
    pub number: u64,
    /// The request's path.
    pub path: String,
    /// What it asked.
    pub asked: Asked,
    /// The `webhook-id` header.
    pub webhook_id: Option<String>,
    /// Messages in it that had arrived before.
    pub repeated: usize,
    /// What was answered, in a word or two.
    pub answered: String,
    /// The answer confirmed the messages.
    pub confirmed: bool,
}

/// What arrived in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Requests of any kind.
    pub requests: u64,
    /// Authenticate requests.
    pub authenticates: u64,
    /// Deliveries, confirmed or not.
    pub deliveries: u64,
    /// Messages in them, repetitions included.
    pub messages: u64,
    /// Of these, in confirmed deliveries.
    pub confirmed: u64,
    /// Messages that had arrived before.
    pub repeated: u64,
}

/// A running consumer. Dropping it stops it.
pub struct Consumer {
    address: SocketAddr,
    arrivals: mpsc::Receiver<Arrival>,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    settings: Settings,
    state: Mutex<State>,
    arrivals: mpsc::Sender<Arrival>,
}

#[derive(Default)]
struct State {
    script: VecDeque<Reply>,
    summary: Summary,
    known: BTreeSet<String>,
    known_order: VecDeque<String>,
}

impl Consumer {
    /// Binds the port and serves until [`Consumer::stop`].
    pub async fn start(settings: Settings) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, settings.port)).await?;
        let address = listener.local_addr()?;
        let (sender, arrivals) = mpsc::channel(MAX_UNREAD);
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                script: settings.script.iter().copied().collect(),
                ..State::default()
            }),
            settings,
            arrivals: sender,
        });
        let serving = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            arrivals,
            shared,
            serving,
        })
    }

    /// Where it listens, such as `http://127.0.0.1:41873/`.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// The next request that was answered. While nobody reads, requests wait once 4 096 arrivals
    /// are unread.
    pub async fn next(&mut self) -> Option<Arrival> {
        self.arrivals.recv().await
    }

    /// What arrived so far.
    pub fn summary(&self) -> Summary {
        self.shared.state().summary
    }

    /// Closes the listener and every connection.
    pub async fn stop(self) -> Summary {
        self.serving.abort();
        let summary = self.summary();
        let mut serving = self;
        // The task ends by its abortion, which is no failure.
        let _ = (&mut serving.serving).await;
        summary
    }
}

impl Drop for Consumer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// How many of the messages were seen before; remembers them all.
    fn remember(&mut self, messages: &[Received]) -> usize {
        let mut repeated = 0;
        for id in messages.iter().filter_map(|message| message.id.as_ref()) {
            if !self.known.insert(id.clone()) {
                repeated += 1;
                continue;
            }
            self.known_order.push_back(id.clone());
            if self.known_order.len() > MAX_REMEMBERED
                && let Some(oldest) = self.known_order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
        repeated
    }

    fn count(&mut self, asked: &Asked, repeated: usize) -> u64 {
        self.summary.requests += 1;
        match asked {
            Asked::Authenticate { .. } => self.summary.authenticates += 1,
            Asked::Delivery { .. } | Asked::Standard(_) => self.summary.deliveries += 1,
            Asked::Unreadable(_) => {}
        }
        self.summary.messages += asked.messages().len() as u64;
        self.summary.repeated += repeated as u64;
        self.summary.requests
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        // A failed accept concerns one caller, or is over when descriptors are free again.
        if let Ok((stream, _)) = listener.accept().await {
            let shared = Arc::clone(&shared);
            connections.spawn(async move {
                serve(stream, shared).await;
                drop(permit);
            });
        } else {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let service = hyper::service::service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(respond(&shared, request).await) }
    });
    // How a connection ends is the caller's business; what arrived is recorded already.
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn respond(shared: &Shared, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE, Bytes::new());
    };
    let body = body.to_bytes();
    let webhook_id = head
        .headers
        .get("webhook-id")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let asked = protocol::read(&body, webhook_id.as_deref());
    let mut arrival = register(shared, head.uri.path(), asked, webhook_id);

    let login = shared.settings.login.as_ref();
    let ours = login.is_some() && matches!(arrival.asked, Asked::Authenticate { .. });
    let response = match &shared.settings.forward {
        Some(forward) if !ours => {
            let (response, answered, confirmed) = hand_on(forward, &head.headers, body).await;
            arrival.answered = answered;
            arrival.confirmed = confirmed;
            response
        }
        _ => {
            let reply = next_reply(shared, &arrival.asked);
            let Some(answer) = protocol::answer(&arrival.asked, login, reply) else {
                "hanging".clone_into(&mut arrival.answered);
                report(shared, arrival).await;
                tokio::time::sleep(HANG).await;
                return plain(StatusCode::SERVICE_UNAVAILABLE, Bytes::new());
            };
            answer.word.clone_into(&mut arrival.answered);
            arrival.confirmed = reply == Reply::Ok && !arrival.asked.messages().is_empty();
            render(answer)
        }
    };
    report(shared, arrival).await;
    response
}

fn register(shared: &Shared, path: &str, asked: Asked, webhook_id: Option<String>) -> Arrival {
    let mut state = shared.state();
    let repeated = state.remember(asked.messages());
    Arrival {
        number: state.count(&asked, repeated),
        path: path.to_owned(),
        asked,
        webhook_id,
        repeated,
        answered: String::new(),
        confirmed: false,
    }
}

fn next_reply(shared: &Shared, asked: &Asked) -> Reply {
    match asked {
        Asked::Delivery { .. } | Asked::Standard(_) => {
            let scripted = shared.state().script.pop_front();
            scripted.unwrap_or(shared.settings.reply)
        }
        Asked::Authenticate { .. } | Asked::Unreadable(_) => Reply::Ok,
    }
}

/// The answer goes out only after the arrival is told, so that who waits for a delivery's effect
/// finds its arrival before it.
async fn report(shared: &Shared, arrival: Arrival) {
    if arrival.confirmed {
        shared.state().summary.confirmed += arrival.asked.messages().len() as u64;
    }
    // Nobody listens any more while the consumer stops.
    let _ = shared.arrivals.send(arrival).await;
}

async fn hand_on(
    forward: &Forward,
    headers: &hyper::HeaderMap,
    body: Bytes,
) -> (Response<Full<Bytes>>, String, bool) {
    match forward.post(headers, body).await {
        Ok(answer) => {
            let (head, body) = answer.into_parts();
            let confirmed = head.status.is_success() && says_ok(&body);
            let mut response = plain(head.status, body);
            for name in [CONTENT_TYPE, LOCATION, hyper::header::RETRY_AFTER] {
                if let Some(value) = head.headers.get(&name) {
                    response.headers_mut().insert(name, value.clone());
                }
            }
            let answered = format!("forwarded, {}", head.status.as_u16());
            (response, answered, confirmed)
        }
        Err(why) => (
            plain(StatusCode::BAD_GATEWAY, Bytes::new()),
            format!("502, forwarding failed: {why}"),
            false,
        ),
    }
}

fn says_ok(body: &[u8]) -> bool {
    let answer = serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default();
    let status = answer.get("status").and_then(serde_json::Value::as_str);
    status.is_some_and(|status| status.trim().eq_ignore_ascii_case("ok"))
}

fn render(answer: Answer) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(answer.status).unwrap_or_default();
    let json = !answer.body.is_empty();
    let mut response = plain(status, answer.body.into());
    if json {
        let value = HeaderValue::from_static("application/json");
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    if let Some(location) = answer.location {
        let value = HeaderValue::from_static(location);
        response.headers_mut().insert(LOCATION, value);
    }
    response
}

fn plain(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELIVERY: &str = r#"{"request":"delivery","batch_id":"bat_1","messages":[{"type":"generic","data":"x","id":"msg_1"}]}"#;

    async fn post(url: &str, body: &str) -> Result<Response<Bytes>, String> {
        let forward = Forward::new(url).unwrap();
        forward
            .post(&hyper::HeaderMap::new(), body.to_owned().into())
            .await
    }

    #[tokio::test]
    async fn a_script_refuses_first_and_then_confirms_and_repetitions_are_known() {
        let mut consumer = Consumer::start(Settings {
            script: vec![Reply::Refuse],
            ..Settings::default()
        })
        .await
        .unwrap();
        let url = consumer.url();
        let refused = post(&url, DELIVERY).await.unwrap();
        assert_eq!(refused.body(), &Bytes::from(r#"{"status":"ERROR"}"#));
        let confirmed = post(&url, DELIVERY).await.unwrap();
        assert_eq!(confirmed.body(), &Bytes::from(r#"{"status":"OK"}"#));

        let first = consumer.next().await.unwrap();
        assert_eq!((first.number, first.repeated), (1, 0));
        assert!(!first.confirmed && first.answered == "refused");
        let second = consumer.next().await.unwrap();
        assert_eq!((second.number, second.repeated), (2, 1));
        assert!(second.confirmed);
        let summary = consumer.stop().await;
        assert_eq!((summary.messages, summary.confirmed), (2, 1));
        assert!(post(&url, DELIVERY).await.is_err(), "it is stopped");
    }

    #[tokio::test]
    async fn deliveries_are_handed_on_and_the_answer_comes_back() {
        let behind = Consumer::start(Settings {
            reply: Reply::Redirect,
            ..Settings::default()
        })
        .await
        .unwrap();
        let front = Consumer::start(Settings {
            login: Some(Login {
                id: "a".into(),
                password: "b".into(),
            }),
            forward: Some(Forward::new(&behind.url()).unwrap()),
            ..Settings::default()
        })
        .await
        .unwrap();
        let answer = post(&front.url(), DELIVERY).await.unwrap();
        assert_eq!(answer.status(), StatusCode::FOUND);
        assert_eq!(answer.headers()[LOCATION], "/elsewhere");
        // The login proves itself here; the consumer behind is not asked.
        let proof = post(&front.url(), r#"{"request":"authenticate"}"#)
            .await
            .unwrap();
        assert!(proof.body().starts_with(br#"{"ai_login_id":"a""#));
        assert_eq!(behind.summary().requests, 1);

        let gone = behind.url();
        behind.stop().await;
        let answer = post(&front.url(), DELIVERY).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY, "{gone} is gone");
    }

    #[tokio::test]
    async fn a_hanging_answer_ends_with_its_consumer() {
        let mut consumer = Consumer::start(Settings {
            reply: Reply::Hang,
            ..Settings::default()
        })
        .await
        .unwrap();
        let url = consumer.url();
        let call = tokio::spawn(async move { post(&url, DELIVERY).await.map(|_| ()) });
        assert_eq!(consumer.next().await.unwrap().answered, "hanging");
        consumer.stop().await;
        assert!(call.await.unwrap().is_err());
    }

    #[test]
    fn a_forward_needs_an_absolute_url() {
        for url in ["", "/x", "ftp://h/", "127.0.0.1:80", "http:///x"] {
            assert!(Forward::new(url).is_err(), "{url}");
        }
    }

    #[test]
    fn memory_for_repetitions_is_bounded() {
        let mut state = State::default();
        for n in 0..=MAX_REMEMBERED {
            let message = Received {
                event_type: "t".into(),
                id: Some(n.to_string()),
                data: String::new(),
            };
            assert_eq!(state.remember(&[message]), 0);
        }
        assert_eq!(state.known.len(), MAX_REMEMBERED);
    }
}
