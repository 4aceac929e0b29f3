//! Rubbish, and good input slightly broken, into every decoder of what comes from outside: nothing
//! panics, and what is refused is refused in a well-formed way.
//!
//! The seeds are fixed, so that a failure repeats. `HOOKRELAY_FUZZ=100` runs a hundred times as
//! long.

// What is set up for a test fails like the test itself.
#![allow(clippy::unwrap_used, clippy::expect_used)]

// The other tests use the rest of it.
#[allow(dead_code)]
#[path = "../inbound/world.rs"]
mod world;

// The tests of the store use the rest of it.
#[allow(dead_code)]
#[path = "../store/bench.rs"]
mod bench;
mod raw;
mod stored;

use std::ffi::OsString;
use std::fmt::Write;
use std::os::unix::ffi::OsStringExt;

use bytes::Bytes;
use fastrand::Rng;
use hookrelay::api::front::{Settings as Http, pairs};
use hookrelay::attempt::Outcome;
use hookrelay::auth::sitecom_token::{Token, Validity, make};
use hookrelay::clock::{Millis, Timestamp};
use hookrelay::config::{Config, DEFAULTS, Layers};
use hookrelay::delivery::address::AddressRules;
use hookrelay::delivery::answer::{read_authentication, read_delivery};
use hookrelay::delivery::exchange::{Body, End, Exchange, Head, retry_after};
use hookrelay::delivery::header::check_header;
use hookrelay::delivery::protocol::Protocol;
use hookrelay::delivery::url::{MAX_URL_BYTES, check_url};
use hookrelay::error::Kind;
use hookrelay::json;
use hookrelay::limit::Settings as Limits;
use serde_json::Value;

use world::{KEY, LOGIN, NOW, Options, PASSWORD, Reply, World};

fn rounds(count: usize) -> usize {
    let factor = std::env::var("HOOKRELAY_FUZZ").ok();
    count * factor.map_or(1, |text| text.parse::<usize>().unwrap())
}

/// What decoders stumble over.
const TOKENS: [&[u8]; 40] = [
    b"",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\xc3",
    b"\r\n",
    b"\n",
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b",",
    b":",
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e999",
    b"1e-999",
    b"18446744073709551616",
    b"9223372036854775808",
    b"-0",
    b"0.1",
    b"%",
    b"%00",
    b"%2e%2e",
    b"&",
    b"=",
    b"+",
    b";",
    b"--B",
    b"--B--",
    b"\xf0\x9f\x98\x80",
    b"A",
    b" ",
];

/// `input` with a few random faults.
fn broken(rng: &mut Rng, input: &[u8]) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..rng.usize(1..5) {
        let at = rng.usize(..=bytes.len());
        let end = rng.usize(at..=bytes.len().min(at + 12));
        match rng.u8(..6) {
            0 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << rng.u8(..8);
                }
            }
            1 => {
                bytes.drain(at..end);
            }
            2 => {
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
            3 => bytes.truncate(at),
            _ => {
                let token = TOKENS[rng.usize(..TOKENS.len())];
                bytes.splice(at..at, token.iter().copied());
            }
        }
    }
    bytes
}

/// Nothing of the input is left.
fn rubbish(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rng.usize(..40) {
        if rng.bool() {
            bytes.push(rng.u8(..));
        } else {
            bytes.extend(TOKENS[rng.usize(..TOKENS.len())]);
        }
    }
    bytes
}

fn any(rng: &mut Rng, samples: &[&[u8]]) -> Vec<u8> {
    if rng.u8(..8) == 0 {
        rubbish(rng)
    } else {
        let sample = samples[rng.usize(..samples.len())];
        broken(rng, sample)
    }
}

async fn unlimited() -> World {
    World::with(Options {
        limits: Limits {
            per_minute: 0,
            auth_failures_per_minute: 0,
            password_failures_per_minute: 0,
        },
        http: Http {
            insecure_loopback: true,
            // Rubbish that ends too early is not waited for.
            header_deadline: Millis(300),
            body_deadline: Millis(300),
            ..Http::default()
        },
        ..Options::default()
    })
    .await
}

/// A request with a body of any bytes.
async fn send(world: &World, head: &str, body: &[u8]) -> Reply {
    let head = format!(
        "{head}\r\nhost: relay\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    world.raw(&[head.as_bytes(), body].concat()).await
}

/// An answer of the management API: success, or an error in its own form that is not our fault.
fn is_well_formed(reply: &Reply) -> bool {
    let error = &reply.json()["error"];
    match reply.status {
        200..=202 => error.is_null(),
        400 | 404 | 409 | 413 => {
            error["code"].is_string()
                && error["message"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty())
        }
        _ => false,
    }
}

#[tokio::test]
async fn json_bodies_of_every_route() {
    let world = unlimited().await;
    let id = world.endpoint("").await;
    let message =
        r#"{"type":"order.paid","data":{"n":[1,2.5,"x",null,true]},"idempotency_key":"k"}"#;
    let many = format!("[{message},{{\"type\":\"t\",\"data\":\"x\",\"endpoints\":[\"{id}\"]}}]");
    let settings = r#"{"url":"https://c.example/hook","description":"d","login":"apiuser","types":["a.*","endpoint_*"],"protocol":"relay","send_key":true,"send_messages":true,"ignore_confirmation":false,"strict_fields":true,"ordering":"strict","max_messages":10,"max_bytes":2048,"auth_lifetime":60,"headers":{"X-Mine":"v"},"schedule":{"initial":1,"multiplier":1.5,"max_interval":60,"max_attempts":3,"max_age":3600,"disable_after":7200},"enabled":true}"#;
    let acknowledge = r#"{"ids":["msg_00000000000000000000000000","x"]}"#;
    let redrive = r#"{"first":1,"last":9}"#;
    let text = r#"{"text":"a test"}"#;
    let one = |what: &str| format!("endpoints/{id}{what}");
    let routes = [
        ("POST", "messages".to_owned(), message),
        ("POST", "messages".to_owned(), many.as_str()),
        ("POST", "endpoints".to_owned(), settings),
        ("PATCH", one(""), settings),
        ("POST", one("/verify"), "{}"),
        ("POST", one("/test"), text),
        ("POST", one("/hold"), "{}"),
        ("POST", one("/release"), "{}"),
        ("POST", one("/acknowledge"), acknowledge),
        ("POST", one("/dead-letters/redrive"), redrive),
    ];
    let mut rng = Rng::with_seed(1);
    for round in 0..rounds(60) {
        for (method, path, sample) in &routes {
            let body = any(&mut rng, &[sample.as_bytes()]);
            let mut head = format!("{method} /relay/v1/{path} HTTP/1.1\r\nx-api-key: {KEY}");
            if round % 4 == 0 {
                let _ = write!(head, "\r\nidempotency-key: k{round}");
            }
            let reply = send(&world, &head, &body).await;
            let shown = String::from_utf8_lossy(&body);
            assert!(is_well_formed(&reply), "{method} {path} {shown}: {reply:?}");
        }
    }
    // The same routes on the operator's socket.
    for _ in 0..rounds(20) {
        for (method, path, sample) in &routes {
            let body = String::from_utf8_lossy(&any(&mut rng, &[sample.as_bytes()])).into_owned();
            let path = format!("/admin/v1/accounts/acme/{path}");
            let reply = world.admin(method, &path, &body).await;
            assert!(is_well_formed(&reply), "{method} {path} {body}: {reply:?}");
        }
    }
    // The operator's own.
    let account = r#"{"name":"n","ai_login_id":"l","ai_login_password":"Password1","comm_key":"0123456789abcdef","api_key":"0123456789abcdef0123456789abcdee"}"#;
    let key = r#"{"name":"n","surfaces":["manage"],"per_minute":5}"#;
    for _ in 0..rounds(100) {
        for (path, sample) in [("accounts", account), ("accounts/acme/keys", key)] {
            let body = String::from_utf8_lossy(&any(&mut rng, &[sample.as_bytes()])).into_owned();
            let reply = world
                .admin("POST", &format!("/admin/v1/{path}"), &body)
                .await;
            assert!(is_well_formed(&reply), "{path} {body}: {reply:?}");
        }
    }
    // What was taken of it can be read.
    for path in ["endpoints", "endpoints?limit=1000"] {
        assert_eq!(world.manage("GET", path, "").await.status, 200);
    }
}

#[tokio::test]
async fn paths_queries_and_headers() {
    let world = unlimited().await;
    let id = world.endpoint("").await;
    let targets = [
        format!("/relay/v1/endpoints/{id}/dead-letters?limit=5&after=3"),
        format!("/relay/v1/endpoints/{id}/attempts?limit=5"),
        format!("/relay/v1/endpoints?limit=5&after={id}"),
        "/relay/v1/messages/msg_01kf0k8y204tff59tdwh9edd1r?after=x".to_owned(),
        "/service.php?a=b&c=%20d".to_owned(),
    ];
    let mut rng = Rng::with_seed(2);
    for _ in 0..rounds(500) {
        let target = targets[rng.usize(..targets.len())].as_bytes();
        let mut target = any(&mut rng, &[target]);
        // Not a line break or a space: those make another request.
        target.retain(|byte| !byte.is_ascii_whitespace() && *byte != 0);
        let head = [b"GET /", &target[..], b" HTTP/1.1\r\nx-api-key: "].concat();
        let rest = format!("{KEY}\r\nhost: a\r\nconnection: close\r\n\r\n");
        let reply = world.raw(&[&head[..], rest.as_bytes()].concat()).await;
        let shown = String::from_utf8_lossy(&target);
        match reply.status {
            200 | 503 => assert!(reply.json().is_object(), "{shown}: {reply:?}"),
            400 | 404 | 405 => {}
            _ => panic!("{shown}: {reply:?}"),
        }
        assert_ne!(reply.status, 500, "{shown}");
    }
    let sample = format!(
        "authorization: Bearer {KEY}\r\nx-forwarded-for: 203.0.113.1, [::1]:80\r\n\
         x-forwarded-proto: https\r\nidempotency-key: k\r\ncontent-encoding: identity\r\n\
         content-type: multipart/form-data; boundary=\"B\"\r\n"
    );
    for _ in 0..rounds(500) {
        let fields = any(&mut rng, &[sample.as_bytes()]);
        let start = [
            "POST /service",
            "POST /relay/v1/messages",
            "GET /relay/v1/endpoints",
        ];
        let start = start[rng.usize(..start.len())];
        let head = format!("{start} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n");
        let rest = b"content-length: 2\r\n\r\n{}";
        let reply = world.raw(&[head.as_bytes(), &fields, rest].concat()).await;
        let shown = String::from_utf8_lossy(&fields);
        // No answer at all: what is left is an unfinished request.
        assert!(matches!(reply.status, 0 | 200..=499), "{shown}: {reply:?}");
    }
}

#[tokio::test]
async fn paths_of_the_operators_socket() {
    let world = unlimited().await;
    let id = world.endpoint("").await;
    let targets = [
        "/admin/v1/status".to_owned(),
        "/admin/v1/queue?limit=5&account=acme&min_age=5m".to_owned(),
        "/admin/v1/accounts?limit=5&after=acme".to_owned(),
        "/admin/v1/accounts/acme".to_owned(),
        "/admin/v1/accounts/acme/keys/key_1".to_owned(),
        format!("/admin/v1/accounts/acme/endpoints/{id}"),
        format!("/admin/v1/accounts/acme/endpoints/{id}/dead-letters?limit=5&after=3"),
    ];
    let mut rng = Rng::with_seed(11);
    for _ in 0..rounds(500) {
        let target = targets[rng.usize(..targets.len())].as_bytes();
        let target = String::from_utf8_lossy(&any(&mut rng, &[target])).into_owned();
        let unfit = |letter: char| letter.is_whitespace() || letter == '\0';
        let target = format!("/{}", target.replace(unfit, ""));
        let method = ["GET", "GET", "DELETE", "POST", "PATCH"][rng.usize(..5)];
        let reply = world.admin(method, &target, "").await;
        let shown = format!("{method} {target}: {reply:?}");
        match reply.status {
            200..=202 | 503 => assert!(reply.json().is_object(), "{shown}"),
            204 | 400 | 404 | 405 | 409 => {}
            _ => panic!("{shown}"),
        }
    }
}

#[tokio::test]
async fn forms_and_multipart() {
    let world = unlimited().await;
    let login = format!("ai_login_id={LOGIN}&ai_login_password={PASSWORD}");
    let form = format!("ai_command=ping&a=%20+x&b&=c&{login}");
    let call = format!("ai_command=authenticate_notifications&endpoint_id=x&key=5f2c&{login}");
    let parts = format!(
        "--B\r\ncontent-disposition: form-data; name=\"ai_command\"\r\n\r\nping\r\n\
         --B\r\ncontent-disposition: form-data; name=\"ai_login_id\"\r\n\r\n{LOGIN}\r\n\
         --B\r\ncontent-disposition: form-data; name=\"ai_login_password\"\r\n\
         content-type: text/plain; charset=utf-8\r\n\r\n{PASSWORD}\r\n\
         --B\r\ncontent-disposition: form-data; name=\"f\"; filename=\"f.txt\"\r\n\r\nx\r\n--B--\r\n"
    );
    let multipart = "POST /service HTTP/1.1\r\ncontent-type: multipart/form-data; boundary=B";
    let plain = "POST /service?ai_command=ping HTTP/1.1";
    let mut rng = Rng::with_seed(3);
    let mut succeeded = 0;
    for _ in 0..rounds(600) {
        let (head, body) = if rng.bool() {
            (multipart, any(&mut rng, &[parts.as_bytes()]))
        } else {
            (plain, any(&mut rng, &[form.as_bytes(), call.as_bytes()]))
        };
        let reply = send(&world, head, &body).await;
        let shown = String::from_utf8_lossy(&body);
        assert_eq!(reply.status, 200, "{shown}: {reply:?}");
        let answer = pairs(reply.body.as_bytes()).unwrap();
        assert_eq!(answer[0].0, "status", "{shown}: {reply:?}");
        assert!(answer[1].0.starts_with("status_message"), "{shown}");
        assert!(reply.body.is_ascii(), "{shown}: {reply:?}");
        succeeded += usize::from(answer[0].1 == "0");
    }
    assert!(succeeded > 0, "not all of it is broken beyond use");
    for _ in 0..rounds(20_000) {
        let bytes = any(&mut rng, &[form.as_bytes()]);
        match pairs(&bytes) {
            Ok(found) => assert!(found.len() <= 1000),
            Err(error) => assert_eq!(error.kind, Kind::Invalid),
        }
    }
}

#[test]
fn json_documents() {
    let mut rng = Rng::with_seed(4);
    let sample: &[u8] =
        br#"{"a":[1,-2.5e3,"x\u00e9\n",null,true,{}],"b":{"c":18446744073709551615}}"#;
    for _ in 0..rounds(50_000) {
        let bytes = any(
            &mut rng,
            &[sample, b"[1e300]", b"\"text\"", b"[9223372036854775808]"],
        );
        let parsed = json::parse(&bytes);
        // Both readers agree, and what one takes it takes again.
        if let Ok(text) = json::text(&bytes) {
            let checked = json::check(text, json::MAX_DEPTH);
            assert_eq!(checked.is_ok(), parsed.is_ok(), "{text:?}");
        }
        match parsed {
            Ok(value) => {
                // Numbers may differ in their last digit, so the rest is compared.
                let again = json::parse(value.to_string().as_bytes());
                let members = |value: &Value| value.as_object().map(serde_json::Map::len);
                assert_eq!(again.map(|again| members(&again)), Ok(members(&value)));
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

#[test]
fn site_tokens() {
    let mut rng = Rng::with_seed(5);
    let token = make(LOGIN, "comm-key-0001", NOW);
    for _ in 0..rounds(50_000) {
        let bytes = any(&mut rng, &[token.as_bytes()]);
        let text = String::from_utf8_lossy(&bytes);
        let holds = Token::parse(&text)
            .and_then(|token| token.check(LOGIN, "comm-key-0001", NOW, Validity::default()))
            .is_ok();
        assert_eq!(holds, text == token, "{text}");
    }
}

#[test]
fn consumers_answers() {
    let mut rng = Rng::with_seed(6);
    let samples: [&[u8]; 4] = [
        br#"{"status":"OK"}"#,
        br#"{"status":"OK","retry":["msg_01kf0k8y204tff59tdwh9edd1r"]}"#,
        br#"{"ai_login_id":"apiuser","ai_login_password":"179fbd314d16a6020043129a71294cc9"}"#,
        b"<!doctype html><title>OK</title>",
    ];
    for _ in 0..rounds(30_000) {
        let body = any(&mut rng, &samples);
        let head = Head {
            status: rng.u16(200..1000),
            retry_after: rng.bool().then_some(Millis(rng.u64(..))),
            encoded: rng.u8(..8) == 0,
            body: match rng.u8(..16) {
                0 => Body::TooBig,
                1 => Body::Reset,
                2 => Body::Deadline,
                _ => Body::Complete(Bytes::from(body)),
            },
        };
        let status = head.status;
        let exchange = Exchange {
            took: Millis(1),
            end: End::Head(head),
        };
        for protocol in [Protocol::Relay, Protocol::Standard] {
            let report = read_delivery(&exchange, protocol);
            assert_eq!(report.status, Some(status));
            assert!(!report.hint.is_empty() && report.hint.len() < 1000);
            let ok = matches!(report.outcome, Outcome::Ok { .. });
            assert!(!ok || (200..300).contains(&status), "{exchange:?}");
        }
        let (_, report) = read_authentication(&exchange);
        assert!(!report.hint.is_empty() && report.hint.len() < 1000);
    }
}

#[test]
fn retry_after_values() {
    let mut rng = Rng::with_seed(7);
    let samples: [&[u8]; 4] = [
        b"120",
        b"Thu, 15 Jan 2026 10:32:00 GMT",
        b"Thursday, 15-Jan-26 10:32:00 GMT",
        b"Thu Jan 15 10:32:00 2026",
    ];
    for _ in 0..rounds(50_000) {
        let value = any(&mut rng, &samples);
        let now = Timestamp(rng.u64(..));
        if let Some(wait) = retry_after(&value, now) {
            assert!(wait <= Millis::days(366), "{value:?}");
        }
    }
}

#[test]
fn urls_and_custom_headers() {
    let mut rng = Rng::with_seed(8);
    let samples: [&[u8]; 8] = [
        b"https://shop.example:8443/hook?a=b",
        b"https://127.0.0.1/",
        b"https://0x7f.1/",
        b"https://2130706433/",
        b"https://[::ffff:127.0.0.1]:80/",
        b"https://user:pw@c.example/#f",
        b"http://10.1.2.3/x",
        "https://käufer.example/ü".as_bytes(),
    ];
    let strict = AddressRules::default();
    for _ in 0..rounds(50_000) {
        let bytes = any(&mut rng, &samples);
        let text = String::from_utf8_lossy(&bytes);
        match check_url(&text, &strict) {
            Ok(url) => {
                assert!(url.https && url.port > 0, "{text:?}");
                assert!(url.text.is_ascii() && url.text.len() <= MAX_URL_BYTES);
                assert!(!url.text.contains(['@', '#']) || url.text.contains('/'));
                // Whatever notation came, no address that may not be called is left in it.
                if let Ok(ip) = url.host.parse() {
                    assert_eq!(strict.permit(ip, true), Ok(()), "{text:?}");
                }
                assert_eq!(check_url(&url.text, &strict), Ok(url), "{text:?}");
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
        let (name, value) = text.split_once(':').unwrap_or((&text, ""));
        if let Err(error) = check_header(name, value) {
            assert!(!error.to_string().is_empty());
        }
    }
}

/// Every key of the default file as an environment variable, with its value.
fn variables() -> Vec<(String, String)> {
    let mut section = "";
    let mut found = Vec::new();
    for line in DEFAULTS.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some((key, value)) = line.trim_start_matches('#').split_once(" = ")
            && key
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        {
            let name = format!("HOOKRELAY_{section}__{key}").to_uppercase();
            found.push((name, value.trim_matches('"').to_owned()));
        }
    }
    found
}

#[test]
fn configuration_files_variables_and_flags() {
    let mut rng = Rng::with_seed(9);
    let known = variables();
    assert!(known.len() > 40, "{known:?}");
    let mut taken = 0;
    for round in 0..rounds(3_000) {
        let (name, value) = &known[rng.usize(..known.len())];
        let name = any(&mut rng, &[name.as_bytes(), name.as_bytes()]);
        let value = any(&mut rng, &[value.as_bytes()]);
        // A name without its prefix is not looked at; both are bytes on Unix.
        let mut environment = vec![(OsString::from_vec(name), OsString::from_vec(value))];
        let (known, default) = &known[round % known.len()];
        let value = any(&mut rng, &[default.as_bytes()]);
        environment.push((OsString::from(known), OsString::from_vec(value)));
        let file = any(&mut rng, &[DEFAULTS.as_bytes()]);
        let flag = any(&mut rng, &[b"log.level=info", b"retry.initial=5 s"]);
        // Each alone as well: a broken file hides the rest.
        let layers = Layers {
            file: (round % 3 == 0).then(|| ("h.toml".to_owned(), file)),
            environment: if round % 3 == 2 {
                Vec::new()
            } else {
                environment
            },
            flags: if round % 3 == 1 {
                Vec::new()
            } else {
                vec![String::from_utf8_lossy(&flag).into_owned()]
            },
        };
        match Config::parse(layers) {
            Ok(_) => taken += 1,
            Err(error) => {
                assert!(!error.0.is_empty());
                let mut mistakes = error.0.iter();
                assert!(mistakes.all(|mistake| !mistake.to_string().is_empty()));
            }
        }
    }
    assert!(taken > 0, "not all of it is broken beyond use");
}
