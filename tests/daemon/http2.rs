//! HTTP/2 from callers: by prior knowledge on the plain listener, by ALPN on the TLS listener.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::stub::{Act, Stub};
use crate::world::{Account, World};

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

/// Two POSTs of a message over one connection that speaks HTTP/2 only; their answers.
async fn post_twice<S>(stream: S, scheme: &str, account: &Account) -> Vec<(Response<()>, Value)>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut answers = Vec::new();
    for _ in 0..2 {
        let body = json!({"type": "generic", "data": "over HTTP/2"}).to_string();
        let request = Request::post(format!("{scheme}://localhost/relay/v1/messages"))
            .header("authorization", format!("Bearer {}", account.key))
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let json = serde_json::from_slice(&body).unwrap_or_default();
        answers.push((Response::from_parts(head, ()), json));
    }
    answers
}

/// Each was accepted over HTTP/2 and is delivered.
fn accepted(world: &World, account: &Account, endpoint: &str, answers: &[(Response<()>, Value)]) {
    for (head, json) in answers {
        assert_eq!(
            (head.status().as_u16(), head.version()),
            (202, Version::HTTP_2)
        );
        let request = head.headers()["x-request-id"].to_str().unwrap();
        assert!(request.starts_with("req_"), "{request}");
        assert!(!head.headers().contains_key("connection"));
        let id = json["ids"][0].as_str().unwrap();
        world.until(account, id, endpoint, "delivered");
    }
}

#[test]
fn messages_are_accepted_over_http2_by_prior_knowledge() {
    let world = World::started();
    let account = world.account("shop");
    let stub = Stub::start(&account, |_| Act::ok());
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    let answers = wait(async {
        let stream = TcpStream::connect(world.address).await.unwrap();
        post_twice(stream, "http", &account).await
    });
    accepted(&world, &account, &endpoint, &answers);
}

#[test]
fn messages_are_accepted_over_http2_by_alpn() {
    let mut world = World::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let path = |name: &str| world.folder.path().join(name);
    let (cert, key) = (path("tls.pem"), path("tls.key"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    world.set("HTTP__TLS_LISTEN", "127.0.0.1:0");
    world.set("HTTP__TLS_CERT", cert.to_str().unwrap());
    world.set("HTTP__TLS_KEY", key.to_str().unwrap());
    world.start();
    let account = world.account("shop");
    let stub = Stub::start(&account, |_| Act::ok());
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let answers = wait(async {
        let stream = TcpStream::connect(world.tls_address.unwrap())
            .await
            .unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        let stream = connector.connect(name, stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        post_twice(stream, "https", &account).await
    });
    accepted(&world, &account, &endpoint, &answers);
}
