//! TLS and HTTP/2.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use hookrelay::attempt::{Class, Phase};
use hookrelay::clock::{Clock, Millis};
use hookrelay::delivery::exchange::{Body, MAX_BODY_BYTES};
use hookrelay::delivery::http::{Sender, SenderError, Settings};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use crate::consumer::answering_once;
use crate::{NEVER, class, head, post, report, sender, settings};

/// A consumer over TLS that speaks HTTP/2, with its authority's certificate in a file.
struct Secure {
    port: u16,
    connections: Arc<AtomicUsize>,
    ca_file: PathBuf,
    _directory: tempfile::TempDir,
}

impl Secure {
    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    fn sender(&self, deadline: Millis) -> Sender {
        let settings = Settings {
            ca_file: Some(self.ca_file.clone()),
            deadline,
            ..settings()
        };
        Sender::new(settings, Clock::system()).unwrap()
    }
}

async fn answer_securely(
    request: hyper::Request<hyper::body::Incoming>,
) -> Result<hyper::Response<http_body_util::Full<Bytes>>, hyper::Error> {
    assert_eq!(request.version(), hyper::Version::HTTP_2);
    assert_eq!(request.headers()["content-length"], "22");
    if request.uri().path() == "/hang" {
        std::future::pending::<()>().await;
    }
    let body = match request.uri().path() {
        "/big" => Bytes::from(vec![b' '; MAX_BODY_BYTES + 1]),
        _ => Bytes::from_static(b"{\"status\":\"OK\"}"),
    };
    Ok(hyper::Response::new(body.into()))
}

async fn secure(name: &str) -> Secure {
    let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    std::fs::write(&ca_file, certified.cert.pem()).unwrap();
    let key = certified.signing_key.serialize_der();
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![certified.cert.der().clone()], key.try_into().unwrap())
    .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(tls) = acceptor.accept(stream).await else {
                    return;
                };
                let service = hyper::service::service_fn(answer_securely);
                let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(tls), service)
                    .await;
            });
        }
    });
    Secure {
        port,
        connections,
        ca_file,
        _directory: directory,
    }
}

#[tokio::test]
async fn http2_over_tls_shares_one_connection() {
    let consumer = secure("localhost").await;
    let sender = consumer.sender(NEVER);
    for _ in 0..3 {
        let exchange = post(&sender, &consumer.url("/")).await;
        assert_eq!(class(&exchange), Class::Ok, "{exchange:?}");
    }
    let exchange = post(&sender, &consumer.url("/big")).await;
    assert_eq!(head(&exchange).body, Body::TooBig);
    assert_eq!(consumer.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_http2_connection_that_met_a_deadline_is_not_used_again() {
    let consumer = secure("localhost").await;
    let sender = consumer.sender(Millis::seconds(3));
    let exchange = post(&sender, &consumer.url("/hang")).await;
    assert_eq!(class(&exchange), Class::Deadline(Phase::Head));
    let exchange = post(&sender, &consumer.url("/")).await;
    assert_eq!(class(&exchange), Class::Ok, "{exchange:?}");
    assert_eq!(consumer.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_wrong_certificate_has_its_class() {
    // Of an unknown authority; for another name; and no TLS at all.
    let unknown = secure("localhost").await;
    let exchange = post(&sender(), &unknown.url("/")).await;
    assert_eq!(class(&exchange), Class::Tls, "{exchange:?}");
    let other = secure("other.example").await;
    let exchange = post(&other.sender(NEVER), &other.url("/")).await;
    assert_eq!(class(&exchange), Class::Tls, "{exchange:?}");
    assert!(report(&exchange).hint.contains("ca_file"));
    let plain = answering_once("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let url = format!("https://{}/", plain.address);
    let exchange = post(&sender(), &url).await;
    assert_eq!(class(&exchange), Class::Tls, "{exchange:?}");
}

#[tokio::test]
async fn a_ca_file_that_holds_no_certificate_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    let build = || {
        let ca_file = Some(path.clone());
        let settings = Settings {
            ca_file,
            ..settings()
        };
        Sender::new(settings, Clock::system()).err()
    };
    assert!(matches!(build(), Some(SenderError::CaFile(..))));
    let rubbish = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for text in ["", "no pem", rubbish] {
        std::fs::write(&path, text).unwrap();
        assert!(matches!(build(), Some(SenderError::NoCertificate(_))));
    }
}
