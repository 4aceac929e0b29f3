//! How a daemon stops, what it tells the service manager, and what it takes over while running.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::json;

use crate::stub::{Act, Stub};
use crate::world::{Account, Answer, World, eventually, exchange};

/// A consumer that answers a delivery only when it is told to.
fn patient(account: &Account) -> (Stub, Sender<()>) {
    let (release, released) = channel();
    let released = Mutex::new(released);
    let stub = Stub::start(account, move |_| match released.lock().unwrap().recv() {
        Ok(()) => Act::ok(),
        Err(_) => Act::Close,
    });
    (stub, release)
}

fn is_draining(world: &World) {
    eventually("it is draining", || {
        let lines = world.lines();
        lines
            .iter()
            .any(|line| {
                line["message"]
                    .as_str()
                    .is_some_and(|it| it.starts_with("draining"))
            })
            .then_some(())
    });
}

#[test]
fn a_drain_answers_what_is_under_way_and_keeps_its_outcome() {
    let mut world = World::started();
    let account = world.account("shop");
    let (stub, release) = patient(&account);
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    let first = world
        .send(&account, &json!({"type": "generic", "data": "first"}))
        .remove(0);
    stub.wait_for(1);

    // A request whose body is still to come: it was let in before the stop.
    let body = json!({"type": "generic", "data": "second"}).to_string();
    let mut slow = TcpStream::connect(world.address).unwrap();
    write!(
        slow,
        "POST /relay/v1/messages HTTP/1.1\r\nHost: relay\r\nAuthorization: Bearer {}\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        account.key,
        body.len()
    )
    .unwrap();
    let mut go = [0; 25];
    slow.read_exact(&mut go).unwrap();
    assert_eq!(&go, b"HTTP/1.1 100 Continue\r\n\r\n");

    let began = Instant::now();
    world.signal("-TERM");
    is_draining(&world);
    slow.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let (_, ids) = answer.split_once("\r\n\r\n").unwrap();
    let ids: serde_json::Value = serde_json::from_str(ids).unwrap();
    let second = ids["ids"][0].as_str().unwrap().to_owned();
    release.send(()).unwrap();
    assert_eq!(world.ended().code(), Some(0));
    assert!(
        began.elapsed() < Duration::from_secs(35),
        "within the grace"
    );
    assert_eq!(
        stub.deliveries().len(),
        1,
        "no new attempt begins while it drains"
    );

    world.start();
    assert_eq!(
        world.place(&account, &first, &endpoint)["state"],
        "delivered"
    );
    release.send(()).unwrap();
    world.until(&account, &second, &endpoint, "delivered");
    let came: Vec<_> = stub
        .deliveries()
        .iter()
        .flat_map(crate::stub::Request::ids)
        .collect();
    assert_eq!(came, [first, second], "nothing was repeated");
}

#[test]
fn after_the_grace_it_ends_anyway_and_repeats_later() {
    let mut world = World::new();
    world.set("SHUTDOWN__GRACE", "1 s");
    world.start();
    let account = world.account("shop");
    let (stub, release) = patient(&account);
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    let id = world
        .send(&account, &json!({"type": "generic", "data": "x"}))
        .remove(0);
    stub.wait_for(1);
    world.stop();
    assert!(world.log().contains("the grace is over"), "{}", world.log());
    // The consumer goes on with the first request, then answers the repetition.
    release.send(()).unwrap();
    release.send(()).unwrap();
    world.start();
    world.until(&account, &id, &endpoint, "delivered");
    let deliveries = stub.deliveries();
    assert_eq!(
        deliveries[0].body, deliveries[1].body,
        "batch id and content stay"
    );
}

#[test]
fn the_service_manager_hears_ready_watchdog_and_stopping() {
    let mut world = World::new();
    let path = world.folder.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager
        .set_read_timeout(Some(crate::world::PATIENCE))
        .unwrap();
    let heard = || {
        let mut bytes = [0; 512];
        let length = manager.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    };
    world.set("NOTIFY_SOCKET", &path.display().to_string());
    world.set("WATCHDOG_USEC", "200000");
    world.start();
    assert!(heard().starts_with("READY=1\n"));
    for _ in 0..3 {
        assert_eq!(heard(), "WATCHDOG=1\n");
    }
    world.stop();
    let told: Vec<String> = std::iter::repeat_with(heard)
        .take_while(|text| text.starts_with("WATCHDOG=1"))
        .collect();
    assert!(
        told.len() < 100,
        "STOPPING=1 came after the last ping that was on its way"
    );
}

/// Settings from a file, so that a reload can find others.
fn write_file(path: &Path, per_minute: u32, level: &str, more: &str) {
    let text = format!("[limits]\nper_minute = {per_minute}\n[log]\nlevel = \"{level}\"\n{more}");
    std::fs::write(path, text).unwrap();
}

#[test]
fn a_reload_changes_limits_and_log_level_and_survives_mistakes() {
    let mut world = World::new();
    world.unset("LIMITS__PER_MINUTE");
    world.unset("LOG__LEVEL");
    let path = world.folder.path().join("hookrelay.toml");
    write_file(&path, 1000, "info", "");
    world.start_with(&["serve", "--config", &path.display().to_string()]);
    let account = world.account("shop");
    let get = || world.call(&account, "GET", "endpoints", &serde_json::Value::Null);
    assert!(
        get()
            .head
            .to_ascii_lowercase()
            .contains("ratelimit-limit: 1000\r\n")
    );

    write_file(&path, 0, "info", "[retry]\ninitial = \"soon\"\n");
    world.signal("-HUP");
    eventually("the mistake is told", || {
        world.log().contains("retry.initial").then_some(())
    });
    assert!(
        get()
            .head
            .to_ascii_lowercase()
            .contains("ratelimit-limit: 1000\r\n")
    );

    let requests = || {
        world
            .lines()
            .iter()
            .filter(|line| line["message"] == "request")
            .count()
    };
    eventually("the requests are told", || (requests() >= 2).then_some(()));
    write_file(&path, 3, "error", "");
    world.signal("-HUP");
    let quiet = eventually("the limit is taken over", || {
        let before = requests();
        let head = get().head.to_ascii_lowercase();
        head.contains("ratelimit-limit: 3\r\n").then_some(before)
    });
    eventually("the limit is reached", || {
        (get().status == 429).then_some(())
    });
    let told = requests();
    assert!(told <= quiet + 1, "error lines only: {quiet} {told}");

    write_file(&path, 0, "debug", "");
    world.signal("-HUP");
    eventually("requests are told again", || {
        (get().status == 200 && requests() > told).then_some(())
    });
    eventually("the reload is told", || {
        world
            .log()
            .contains("configuration read again")
            .then_some(())
    });
    world.stop();
}

/// A key that needs a restart is named by every reload until there was one, or until it is as it
/// was.
#[test]
fn what_waits_for_a_restart_is_named_by_every_reload() {
    let mut world = World::new();
    let path = world.folder.path().join("hookrelay.toml");
    write_file(&path, 0, "info", "");
    world.start_with(&["serve", "--config", &path.display().to_string()]);
    let waiting = |times: usize| {
        eventually("the reload is told", || {
            let lines = world.lines();
            let told = lines
                .iter()
                .filter_map(|line| line["wait_for_restart"].as_str());
            let told: Vec<String> = told.map(str::to_owned).collect();
            (told.len() == times).then_some(told)
        })
    };
    let held = "[retry]\nheld_max_age = \"20 d\"\n";
    for (times, more) in [(1, held), (2, held), (3, "")] {
        write_file(&path, 0, "info", more);
        world.signal("-HUP");
        waiting(times);
    }
    assert_eq!(waiting(3), ["retry.held_max_age", "retry.held_max_age", ""]);
    world.stop();
}

/// A certificate and its key in the daemon's files.
fn certificate(world: &World) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let file = |name: &str| world.folder.path().join(name);
    std::fs::write(file("tls.pem"), made.cert.pem()).unwrap();
    std::fs::write(file("tls.key"), made.signing_key.serialize_pem()).unwrap();
    made.cert.der().clone()
}

/// A request by a client that trusts this certificate only.
fn over_tls(
    world: &World,
    trusted: &CertificateDer<'static>,
    headers: &str,
) -> std::io::Result<Answer> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let client = ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(world.tls_address.unwrap())?;
    let stream = StreamOwned::new(client, stream);
    exchange(stream, "GET", "/relay/v1/endpoints", headers, "")
}

#[test]
fn tls_is_served_and_a_renewed_certificate_is_taken_over() {
    let mut world = World::new();
    let path = |name: &str| world.folder.path().join(name).display().to_string();
    let (cert, key) = (path("tls.pem"), path("tls.key"));
    world.set("HTTP__INSECURE_LOOPBACK", "false");
    world.set("HTTP__TLS_LISTEN", "127.0.0.1:0");
    world.set("HTTP__TLS_CERT", &cert);
    world.set("HTTP__TLS_KEY", &key);
    let first = certificate(&world);
    world.start();
    let account = world.account("shop");
    let headers = format!("x-api-key: {}\r\n", account.key);
    let answer = over_tls(&world, &first, &headers).unwrap();
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .head
            .to_ascii_lowercase()
            .contains("strict-transport-security")
    );
    let plain = world
        .http("GET", "/relay/v1/endpoints", &headers, "")
        .unwrap();
    assert_eq!(plain.status, 403, "plain HTTP is not secure");
    assert_eq!(
        world.ask(&["status"])["tls_listen"],
        json!([world.tls_address])
    );

    let second = certificate(&world);
    world.signal("-HUP");
    eventually("the new certificate is served", || {
        over_tls(&world, &second, &headers).ok()
    });
    assert!(over_tls(&world, &first, &headers).is_err());
    std::fs::write(&cert, "nonsense").unwrap();
    world.signal("-HUP");
    eventually("the mistake is told", || {
        world.log().contains("the certificates stay").then_some(())
    });
    assert_eq!(over_tls(&world, &second, &headers).unwrap().status, 200);
    world.stop();
}
