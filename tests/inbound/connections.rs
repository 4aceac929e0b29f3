//! Listeners: TLS, HTTP/2, keep-alive, the bound on connections, the drain.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::world::{KEY, Options, Reply, World, exchange, request};

fn tls() -> (Arc<ServerConfig>, RootCertStore) {
    let made = rcgen::generate_simple_self_signed(vec!["relay.example".into()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.into())
        .unwrap();
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    (Arc::new(server), roots)
}

async fn connect(
    world: &World,
    roots: &RootCertStore,
    protocol: &[u8],
) -> tokio_rustls::client::TlsStream<TcpStream> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    client.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(world.address).await.unwrap();
    let name = ServerName::try_from("relay.example").unwrap();
    let stream = TlsConnector::from(Arc::new(client))
        .connect(name, stream)
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    stream
}

#[tokio::test]
async fn https_is_secure_in_both_versions_of_http() {
    let (config, roots) = tls();
    let world = World::with(Options {
        tls: Some(config),
        http: hookrelay::api::front::Settings::default(),
        ..Options::default()
    })
    .await;
    let key = [("x-api-key", KEY), ("x-forwarded-proto", "http")];
    let stream = connect(&world, &roots, b"http/1.1").await;
    let reply = exchange(stream, &request("GET", "/relay/v1/endpoints", &key, "")).await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.header("strict-transport-security"),
        Some("max-age=31536000")
    );

    let stream = TokioIo::new(connect(&world, &roots, b"h2").await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
    let connection = tokio::spawn(connection);
    for (path, status) in [("/relay/v1/endpoints", 200), ("/relay/v1/none", 404)] {
        let request = hyper::Request::get(format!("https://relay.example{path}"))
            .header("x-api-key", KEY)
            .body(Empty::<Bytes>::new())
            .unwrap();
        let reply = sender.send_request(request).await.unwrap();
        assert_eq!(
            (reply.status().as_u16(), reply.version()),
            (status, hyper::Version::HTTP_2)
        );
        assert!(reply.headers().contains_key("x-request-id"));
        assert!(reply.headers().contains_key("content-length"));
        assert!(reply.headers().contains_key("date"));
        reply.into_body().collect().await.unwrap();
    }
    let mut wide = hyper::Request::get("https://relay.example/relay/v1/endpoints");
    for n in 0..101 {
        wide = wide.header(format!("x-{n}"), "v");
    }
    let wide = wide.body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(
        sender.send_request(wide).await.unwrap().status().as_u16(),
        431
    );
    drop(sender);
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn what_is_not_tls_is_dropped_and_others_go_on() {
    let (config, roots) = tls();
    let world = World::with(Options {
        tls: Some(config),
        ..Options::default()
    })
    .await;
    let reply = world.raw(b"GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(reply.status, 0);
    let stream = connect(&world, &roots, b"http/1.1").await;
    let reply = exchange(stream, &request("GET", "/relay/v1/endpoints", &[], "")).await;
    assert_eq!(reply.status, 401);
}

/// Sends a request that keeps the connection and reads its answer.
async fn keep(stream: &mut TcpStream, path: &str) -> Reply {
    let text = format!("GET {path} HTTP/1.1\r\nhost: relay\r\nx-api-key: {KEY}\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let count = stream.read(&mut piece).await.unwrap();
        bytes.extend(&piece[..count]);
        let reply = Reply::parse(&bytes);
        let length = reply
            .header("content-length")
            .and_then(|text| text.parse().ok());
        if length == Some(reply.body.len()) {
            return reply;
        }
        assert!(count > 0, "closed early: {reply:?}");
    }
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let world = World::start().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    for (path, status) in [
        ("/relay/v1/endpoints", 200),
        ("/x", 404),
        ("/relay/v1/endpoints", 200),
    ] {
        assert_eq!(keep(&mut stream, path).await.status, status);
    }
}

#[tokio::test]
async fn connections_beyond_the_bound_wait_for_a_place() {
    // The operator's listener holds a place while it waits, so three leave two for this one.
    let world = World::with(Options {
        max_connections: 3,
        ..Options::default()
    })
    .await;
    let mut first = TcpStream::connect(world.address).await.unwrap();
    keep(&mut first, "/x").await;
    let mut second = TcpStream::connect(world.address).await.unwrap();
    keep(&mut second, "/x").await;
    let mut third = TcpStream::connect(world.address).await.unwrap();
    let waiting = keep(&mut third, "/x");
    let mut waiting = std::pin::pin!(waiting);
    // The first connection is answered again and again while the third is not.
    for _ in 0..20 {
        tokio::select! {
            biased;
            reply = &mut waiting => panic!("served beyond the bound: {reply:?}"),
            reply = keep(&mut first, "/x") => assert_eq!(reply.status, 404),
        }
    }
    drop(second);
    assert_eq!(waiting.await.status, 404);
}

#[tokio::test]
async fn a_drain_answers_what_is_under_way_and_ends_what_is_idle() {
    let world = World::with(Options {
        store: hookrelay::store::memory::MemoryStore::stepped(),
        ..Options::default()
    })
    .await;
    let mut idle = TcpStream::connect(world.address).await.unwrap();
    keep(&mut idle, "/x").await;
    let mut busy = TcpStream::connect(world.address).await.unwrap();
    let message = r#"{"type":"t","data":"x"}"#;
    let bytes = request("POST", "/relay/v1/messages", &[("x-api-key", KEY)], message);
    busy.write_all(&bytes).await.unwrap();
    while world.store.queued() == 0 {
        tokio::task::yield_now().await;
    }
    world.stop.send(()).unwrap();
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).await.unwrap();
    assert!(
        rest.is_empty(),
        "an idle connection is closed without a word"
    );
    assert!(!world.accepting.get());
    assert!(!world.served.is_finished(), "one call is under way");
    while world.store.step() {}
    let mut answer = Vec::new();
    busy.read_to_end(&mut answer).await.unwrap();
    assert_eq!(Reply::parse(&answer).status, 202);
    drop((idle, busy));
    let drained = world.served.await.unwrap();
    assert_eq!(drained.cut, 0);
    assert!(
        TcpStream::connect(world.address).await.is_err(),
        "nobody listens any more"
    );
}
