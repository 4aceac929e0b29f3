//! Attempts that never reach a consumer: what operators read of them.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;

use serde_json::json;

use crate::world::World;

/// A server that shows a certificate which nobody has signed. Gives its URL.
fn untrusted() -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = made.signing_key.serialize_der();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.try_into().unwrap())
        .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut session = rustls::ServerConnection::new(config.clone()).unwrap();
            // The other side ends the handshake.
            while session.is_handshaking() && session.complete_io(&mut stream).is_ok() {}
        }
    });
    format!("https://localhost:{port}/hook")
}

#[test]
fn a_name_that_does_not_resolve_and_a_certificate_nobody_trusts_have_their_words() {
    let world = World::started();
    let account = world.account("shop");
    let untrusted = untrusted();
    let cases = [
        (
            "https://nosuch.invalid/hook",
            "dns",
            ["does not resolve", "check the URL"],
        ),
        (
            untrusted.as_str(),
            "tls",
            ["TLS handshake failed", "delivery.ca_file"],
        ),
    ];
    for (url, class, words) in cases {
        let endpoint = world.endpoint(&account, url, &json!({"protocol": "standard"}));
        let to = json!({"type": "generic", "data": "x", "endpoints": [endpoint]});
        let id = world.send(&account, &to).remove(0);
        let row = world.attempt(&account, &endpoint, class);
        let hint = row["hint"].as_str().unwrap();
        for word in words {
            assert!(hint.contains(word), "{class}: {hint}");
        }
        assert!(row["status"].is_null(), "{row}");
        assert_eq!(
            (&row["kind"], &row["number"]),
            (&json!("delivery"), &json!(1))
        );
        world.until(&account, &id, &endpoint, "deferred");
    }
}
