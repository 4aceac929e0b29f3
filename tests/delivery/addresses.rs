//! Addresses that may not be called get no connection.

use std::sync::Arc;

use hookrelay::attempt::{Class, Outcome};
use hookrelay::clock::Clock;
use hookrelay::delivery::address::AddressRules;
use hookrelay::delivery::connect::Connector;
use hookrelay::delivery::http::{Sender, Settings};
use tower_service::Service;

use crate::consumer::{OK, answering};
use crate::{NEVER, class, post, report, settings};

fn strict() -> Sender {
    let settings = Settings {
        addresses: AddressRules::default(),
        ..settings()
    };
    Sender::new(settings, Clock::system()).unwrap()
}

#[tokio::test]
async fn no_notation_of_a_private_address_gets_a_connection() {
    let consumer = answering(OK).await;
    let port = consumer.address.port();
    let sender = strict();
    for host in [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "2130706433",
        "0177.0.0.1",
        "0x7f.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
        "10.0.0.1",
        "169.254.169.254",
        "0.0.0.0",
    ] {
        for scheme in ["http", "https"] {
            let exchange = post(&sender, &format!("{scheme}://{host}:{port}/")).await;
            assert_eq!(class(&exchange), Class::BlockedAddress, "{scheme}://{host}");
            assert_eq!(report(&exchange).outcome, Outcome::NoHead);
        }
    }
    assert_eq!(consumer.connections(), 0);
}

#[tokio::test]
async fn a_name_that_resolves_to_a_private_address_is_blocked_after_resolution() {
    let consumer = answering(OK).await;
    let port = consumer.address.port();
    let roots = rustls::RootCertStore::empty();
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_root_certificates(roots)
    .with_no_client_auth();
    let connect = |rules: AddressRules, uri: String| {
        let mut connector = Connector::new(rules, NEVER.into(), Arc::new(tls.clone()));
        connector.call(uri.parse().unwrap())
    };

    for host in ["localhost", "any.localhost", "127.0.0.1"] {
        for scheme in ["http", "https"] {
            let uri = format!("{scheme}://{host}:{port}/");
            let failure = connect(AddressRules::default(), uri).await.err().unwrap();
            assert_eq!(failure.class, Class::BlockedAddress, "{failure}");
            assert!(failure.detail.contains("loopback"), "{failure}");
        }
    }
    assert_eq!(consumer.connections(), 0);

    let uri = format!("http://localhost:{port}/");
    assert!(connect(settings().addresses, uri).await.is_ok());
}
