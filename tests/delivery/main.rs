//! Hostile and ordinary consumers over real sockets: whatever they answer, one POST ends within
//! its deadline, bounded, with the right outcome, class and hint.

// Helper functions of these files are test code as well.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod addresses;
mod answers;
mod consumer;
mod secure;

use std::time::Duration;

use bytes::Bytes;
use hookrelay::attempt::{Class, Outcome, Phase, Report};
use hookrelay::clock::{Clock, Millis};
use hookrelay::delivery::address::AddressRules;
use hookrelay::delivery::answer::read_delivery;
use hookrelay::delivery::exchange::{Body, End, Exchange, Head};
use hookrelay::delivery::header::{CustomHeader, check_header};
use hookrelay::delivery::http::{Post, Sender, Settings};
use hookrelay::delivery::protocol::Protocol;
use hookrelay::delivery::sign::{SigningKey, signature};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use consumer::{OK, answering, consumer, drip};

const BODY: &str = r#"{"request":"delivery"}"#;
const BATCH: &str = "bat_01kf0k900gh4qx4fr84g98pbsk";
const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
/// Long enough to be no matter; every test that meets a deadline sets its own.
const NEVER: Millis = Millis::seconds(120);
/// A deadline to be met: long enough to connect on loopback before it on a busy machine.
const SOON: Millis = Millis::seconds(1);

fn settings() -> Settings {
    Settings {
        deadline: NEVER,
        connect_deadline: NEVER,
        addresses: AddressRules {
            allow_networks: Vec::new(),
            insecure_loopback: true,
        },
        pool_idle: NEVER,
        ..Settings::default()
    }
}

fn sender() -> Sender {
    Sender::new(settings(), Clock::system()).unwrap()
}

fn impatient(deadline: Millis) -> Sender {
    let settings = Settings {
        deadline,
        ..settings()
    };
    Sender::new(settings, Clock::system()).unwrap()
}

async fn post_body(sender: &Sender, url: &str, headers: &[CustomHeader], body: Bytes) -> Exchange {
    let keys = [SigningKey::parse(SECRET).unwrap()];
    let post = Post {
        url,
        headers,
        webhook_id: BATCH,
        timestamp: 1_768_473_002,
        keys: &keys,
        body,
    };
    tokio::time::timeout(Duration::from_mins(1), sender.post(post))
        .await
        .expect("a post ends by itself")
}

async fn post(sender: &Sender, url: &str) -> Exchange {
    post_body(sender, url, &[], Bytes::from_static(BODY.as_bytes())).await
}

fn head(exchange: &Exchange) -> &Head {
    match &exchange.end {
        End::Head(head) => head,
        other @ End::NoHead { .. } => panic!("no head: {other:?}"),
    }
}

fn class(exchange: &Exchange) -> Class {
    report(exchange).class
}

fn report(exchange: &Exchange) -> Report {
    read_delivery(exchange, Protocol::Relay)
}

async fn report_of(answer: impl AsRef<[u8]>) -> Report {
    let consumer = answering(answer).await;
    report(&post(&sender(), &consumer.url()).await)
}

#[tokio::test]
async fn the_request_carries_exactly_the_documented_headers_and_the_body() {
    let consumer = answering(OK).await;
    let custom = [check_header("X-Token", "abc").unwrap()];
    let url = format!("http://{}/hook?a=b", consumer.address);
    let exchange = post_body(
        &sender(),
        &url,
        &custom,
        Bytes::from_static(BODY.as_bytes()),
    )
    .await;
    assert_eq!(report(&exchange).outcome, Outcome::Ok { retry: vec![] });

    let request = consumer.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, BODY);
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /hook?a=b HTTP/1.1"));
    let mut headers: Vec<&str> = lines.collect();
    headers.sort_unstable();
    let keys = [SigningKey::parse(SECRET).unwrap()];
    let signed = signature(&keys, BATCH, 1_768_473_002, BODY.as_bytes());
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        headers,
        [
            "accept-encoding: identity",
            "accept: application/json",
            "content-length: 22",
            "content-type: application/json",
            &format!("host: {}", consumer.address),
            &format!("user-agent: hookrelay/{version}"),
            &format!("webhook-id: {BATCH}"),
            &format!("webhook-signature: {signed}"),
            "webhook-timestamp: 1768473002",
            "x-token: abc",
        ]
    );
}

#[tokio::test]
async fn a_large_request_arrives_whole_and_an_early_answer_is_read() {
    let large = "x".repeat(4 * 1024 * 1024);
    let patient = answering(OK).await;
    let exchange = post_body(&sender(), &patient.url(), &[], large.clone().into()).await;
    assert_eq!(class(&exchange), Class::Ok);
    assert!(patient.requests().remove(0).ends_with(&large));

    let hasty = consumer(|mut visit| async move {
        visit.stream.read_u8().await.unwrap();
        visit
            .write("HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
            .await
            .unwrap();
        visit.closed().await;
    })
    .await;
    let exchange = post_body(&sender(), &hasty.url(), &[], large.into()).await;
    assert_eq!(head(&exchange).status, 413);
}

#[tokio::test]
async fn a_refused_connection_has_its_class() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let report = report(&post(&sender(), &format!("http://{address}/")).await);
    assert_eq!(report.class, Class::RefusedConnect);
    assert_eq!(report.outcome, Outcome::NoHead);
    assert!(report.hint.contains(&address.to_string()), "{report:?}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_has_its_class() {
    let exchange = post(&sender(), "https://hookrelay-test.invalid/").await;
    assert_eq!(class(&exchange), Class::Dns, "{exchange:?}");
}

#[tokio::test]
async fn a_connection_is_reused() {
    let consumer = answering(OK).await;
    let sender = sender();
    for _ in 0..3 {
        let exchange = post(&sender, &consumer.url()).await;
        assert_eq!(class(&exchange), Class::Ok);
    }
    assert_eq!((consumer.connections(), consumer.requests().len()), (1, 3));
}

#[tokio::test]
async fn an_idle_connection_that_the_consumer_closed_is_no_failure() {
    let (closed, mut closings) = mpsc::unbounded_channel();
    let consumer = consumer(move |mut visit| {
        let closed = closed.clone();
        async move {
            visit.request().await;
            visit.write(OK).await.unwrap();
            drop(visit);
            closed.send(()).unwrap();
        }
    })
    .await;
    let other = answering(OK).await;
    let sender = sender();
    for n in 1..=3 {
        let exchange = post(&sender, &consumer.url()).await;
        assert_eq!(class(&exchange), Class::Ok, "{exchange:?}");
        assert_eq!(consumer.connections(), n);
        closings.recv().await.unwrap();
        // The close is on the socket; another whole exchange makes the client see it.
        post(&sender, &other.url()).await;
    }
}

#[tokio::test]
async fn a_request_that_was_written_is_never_sent_a_second_time() {
    let consumer = consumer(|mut visit| async move {
        visit.request().await;
        visit.write(OK).await.unwrap();
        // The second request on this connection is read whole, and then nothing is answered.
        visit.request().await;
    })
    .await;
    let sender = sender();
    assert_eq!(class(&post(&sender, &consumer.url()).await), Class::Ok);
    let report = report(&post(&sender, &consumer.url()).await);
    assert_eq!(report.class, Class::Reset);
    assert_eq!(report.outcome, Outcome::NoHead);
    assert_eq!((consumer.connections(), consumer.requests().len()), (1, 2));
}

#[tokio::test]
async fn a_post_that_is_dropped_closes_its_connection() {
    let (seen, mut events) = mpsc::unbounded_channel();
    let consumer = consumer(move |mut visit| {
        let seen = seen.clone();
        async move {
            visit.request().await;
            seen.send("request").unwrap();
            visit.closed().await;
            seen.send("closed").unwrap();
        }
    })
    .await;
    let url = consumer.url();
    let task = tokio::spawn(async move { post(&sender(), &url).await });
    assert_eq!(events.recv().await, Some("request"));
    task.abort();
    assert_eq!(events.recv().await, Some("closed"));
}

#[tokio::test]
async fn a_consumer_that_hangs_meets_the_deadline_before_the_head() {
    let consumer = consumer(|mut visit| async move {
        visit.request().await;
        visit.closed().await;
    })
    .await;
    let exchange = post(&impatient(SOON), &consumer.url()).await;
    assert_eq!(class(&exchange), Class::Deadline(Phase::Head));
    assert_eq!(report(&exchange).outcome, Outcome::NoHead);
    assert!(exchange.took >= SOON);
}

#[tokio::test]
async fn a_head_that_drips_meets_the_deadline() {
    let consumer = consumer(|mut visit| async move {
        visit.request().await;
        let _ = visit.write("HTTP/1.1 200 OK\r\n").await;
        drip(&mut visit, "x: y\r\n").await;
    })
    .await;
    let exchange = post(&impatient(SOON), &consumer.url()).await;
    assert_eq!(class(&exchange), Class::Deadline(Phase::Head));
}

#[tokio::test]
async fn a_body_that_drips_meets_the_same_one_deadline() {
    let consumer = consumer(|mut visit| async move {
        visit.request().await;
        let _ = visit
            .write("HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n{")
            .await;
        drip(&mut visit, " ").await;
    })
    .await;
    let exchange = post(&impatient(SOON), &consumer.url()).await;
    assert_eq!(head(&exchange).body, Body::Deadline);
    assert!(exchange.took >= SOON);
    let report = report(&exchange);
    assert_eq!(report.class, Class::Deadline(Phase::Body));
    assert_eq!(report.outcome, Outcome::BodyBroken { status: 200 });
}

#[tokio::test]
async fn a_handshake_that_hangs_meets_the_connect_deadline() {
    let consumer = consumer(|mut visit| async move { visit.closed().await }).await;
    let settings = Settings {
        connect_deadline: SOON,
        ..settings()
    };
    let sender = Sender::new(settings, Clock::system()).unwrap();
    let exchange = post(&sender, &format!("https://{}/", consumer.address)).await;
    assert_eq!(class(&exchange), Class::Deadline(Phase::Connect));
    assert_eq!(report(&exchange).outcome, Outcome::NoHead);
}

#[tokio::test]
async fn the_one_deadline_covers_the_connection_too() {
    let consumer = consumer(|mut visit| async move { visit.closed().await }).await;
    let sender = impatient(SOON);
    let exchange = post(&sender, &format!("https://{}/", consumer.address)).await;
    assert_eq!(class(&exchange), Class::Deadline(Phase::Connect));
}
