//! What comes back, from ordinary to hostile.

use hookrelay::attempt::{Class, Outcome};
use hookrelay::clock::{Clock, Millis, Timestamp};
use hookrelay::delivery::exchange::{Body, MAX_BODY_BYTES};
use hookrelay::delivery::http::Sender;
use tokio::sync::mpsc;

use crate::consumer::{OK, answering, answering_once, consumer, with_body};
use crate::{class, head, post, report, report_of, sender, settings};

#[tokio::test]
async fn answers_of_every_kind_have_their_class() {
    let nested = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let json = "{\"status\":\"OK\"}";
    let html = "content-type: text/html; charset=utf-8\r\n";
    for (answer, class) in [
        (with_body("200 OK", "", json), Class::Ok),
        (with_body("200 OK", html, json), Class::Ok),
        (with_body("202 Accepted", "", "\u{feff}{\"status\":\" ok \"}"), Class::Ok),
        (with_body("200 OK", "content-encoding: identity\r\n", json), Class::Ok),
        (with_body("200 OK", html, "<!DOCTYPE html><h1>OK</h1>"), Class::Html2xx),
        (b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), Class::Empty2xx),
        (with_body("200 OK", "", ""), Class::Empty2xx),
        (with_body("200 OK", "", b"{\"status\":\"OK\",\"x\":\"\xe4\"}"), Class::NotJson2xx),
        (with_body("200 OK", "", "{\0\"\0s\0t\0"), Class::NotJson2xx),
        (with_body("200 OK", "", "{\"status\":\"OK\",\"status\":\"OK\"}"), Class::NotJson2xx),
        (with_body("200 OK", "", nested), Class::NotJson2xx),
        (with_body("200 OK", "content-encoding: gzip\r\n", b"\x1f\x8b\x08\0"), Class::NotJson2xx),
        (with_body("200 OK", "", "{}"), Class::NoStatus2xx),
        (with_body("200 OK", "", "{\"status\":\"no\"}"), Class::StatusNotOk2xx),
        (with_body("200 OK", "", "{\"status\":\"OK\",\"retry\":1}"), Class::BadRetry2xx),
        (with_body("400 Bad Request", "", json), Class::Status4xx),
        (with_body("410 Gone", "", json), Class::Status4xx),
        (with_body("500 Oops", "", json), Class::Status5xx),
        (with_body("304 Not Modified", "", ""), Class::Status3xx),
        (b"HTTP/1.1 100 Continue\r\n\r\n".iter().copied().chain(OK.bytes()).collect(), Class::Ok),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\ne\r\n\"status\":\"OK\"}\r\n0\r\n\r\n"
                .to_vec(),
            Class::Ok,
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), Class::BadHttp),
        (b"<html>no head at all</html>".to_vec(), Class::BadHttp),
        (b"HTTP/1.1 2x0 OK\r\n\r\n".to_vec(), Class::BadHttp),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n".to_vec(), Class::BadHttp),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc".to_vec(),
            Class::BadHttp,
        ),
        (
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"
                .to_vec(),
            Class::BadHttp,
        ),
        (
            format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(1000)).into_bytes(),
            Class::BadHttp,
        ),
        (
            format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(200_000)).into_bytes(),
            Class::BadHttp,
        ),
    ] {
        let shown = String::from_utf8_lossy(&answer[..answer.len().min(120)]).into_owned();
        let report = report_of(answer).await;
        assert_eq!(report.class, class, "{shown}\n{report:?}");
    }
}

#[tokio::test]
async fn an_answer_is_read_up_to_the_limit_and_no_further() {
    let pad = |length: usize| {
        let start = "{\"status\":\"OK\"";
        format!("{start}{}}}", " ".repeat(length - start.len() - 1))
    };
    let full = report_of(with_body("200 OK", "", pad(MAX_BODY_BYTES))).await;
    assert_eq!(full.class, Class::Ok);
    let chunked = |body: &str| {
        let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
    };
    assert_eq!(
        report_of(chunked(&pad(MAX_BODY_BYTES))).await.class,
        Class::Ok
    );
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    for answer in [
        with_body("200 OK", "", pad(MAX_BODY_BYTES + 1)),
        chunked(&pad(MAX_BODY_BYTES + 1)).into_bytes(),
        with_body("200 OK", "", deep),
    ] {
        let report = report_of(answer).await;
        assert_eq!(report.class, Class::TooBig);
        assert_eq!(report.outcome, Outcome::TooBig { status: 200 });
    }
}

#[tokio::test]
async fn an_endless_answer_is_cut_and_its_connection_closed() {
    let (closed, mut closings) = mpsc::unbounded_channel();
    let consumer = consumer(move |mut visit| {
        let closed = closed.clone();
        async move {
            visit.request().await;
            let _ = visit
                .write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                .await;
            let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
            while visit.write(&chunk).await.is_ok() {}
            closed.send(()).unwrap();
        }
    })
    .await;
    let sender = sender();
    let exchange = post(&sender, &consumer.url()).await;
    assert_eq!(head(&exchange).body, Body::TooBig);
    closings.recv().await.unwrap();
}

#[tokio::test]
async fn a_server_of_another_protocol_that_speaks_first_is_told() {
    // Whether the greeting or the request is first on the client's side is a race; both must
    // come to the same.
    for _ in 0..20 {
        let consumer = consumer(|mut visit| async move {
            let _ = visit.write("220 mail.example ESMTP\r\n").await;
            visit.closed().await;
        })
        .await;
        let report = report(&post(&sender(), &consumer.url()).await);
        assert_eq!(report.class, Class::BadHttp, "{report:?}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let target = answering(OK).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: {}\r\n", target.url());
        let report = report_of(with_body(&format!("{status} Moved"), &location, "")).await;
        assert_eq!(report.class, Class::Status3xx);
        assert_eq!(report.status, Some(status));
    }
    assert_eq!(target.connections(), 0);
}

#[tokio::test]
async fn a_broken_exchange_is_told_by_where_it_broke() {
    let consumer = answering_once("").await;
    let report_before = report(&post(&sender(), &consumer.url()).await);
    assert_eq!(report_before.class, Class::Reset);
    assert_eq!(report_before.outcome, Outcome::NoHead);
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"status\":\"OK\"}",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nf\r\n{\"status\":\"OK\"}\r\n",
    ] {
        let consumer = answering_once(answer).await;
        let report = report(&post(&sender(), &consumer.url()).await);
        assert_eq!(report.class, Class::Reset);
        assert_eq!(report.outcome, Outcome::BodyBroken { status: 200 });
    }
    // Without a length the end of the connection is the end of the body.
    let consumer = answering_once("HTTP/1.1 200 OK\r\n\r\n{\"status\":\"OK\"}").await;
    assert_eq!(class(&post(&sender(), &consumer.url()).await), Class::Ok);
}

#[tokio::test]
async fn retry_after_is_read_from_the_senders_clock() {
    let clock = Clock::manual(Timestamp(1_768_473_000_000));
    let sender = Sender::new(settings(), clock).unwrap();
    for (value, expected) in [
        ("90", Some(Millis::seconds(90))),
        ("Thu, 15 Jan 2026 10:31:00 GMT", Some(Millis::seconds(60))),
        ("soon", None),
    ] {
        let header = format!("retry-after: {value}\r\n");
        let consumer = answering(with_body("503 Busy", &header, "")).await;
        let exchange = post(&sender, &consumer.url()).await;
        assert_eq!(head(&exchange).retry_after, expected);
        let (status, retry_after) = (503, expected);
        assert_eq!(
            report(&exchange).outcome,
            Outcome::NotOk {
                status,
                retry_after
            }
        );
    }
}
