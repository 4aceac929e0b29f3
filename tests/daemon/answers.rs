//! Hostile and broken consumers beside a healthy one on the same account: each attempt gets its
//! class and a hint that says what to do, and nobody else waits for it.

use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;

use crate::stub::{Act, Stub};
use crate::world::{Account, World, eventually};

/// The deadline of an attempt here; the healthy endpoint must not need half of it.
const DEADLINE: Duration = Duration::from_secs(10);

/// What a consumer does about deliveries, the class of that, and words of its hint.
type Case = (&'static str, fn() -> Act, &'static str, &'static str);

const CASES: [Case; 21] = [
    (
        "204",
        || Act::text(204, "", ""),
        "2xx-empty",
        "your endpoint answers 204 without a body; this relay needs the JSON body \
         {\"status\":\"OK\"}, or set protocol = standard",
    ),
    (
        "empty",
        || Act::text(200, "", ""),
        "2xx-empty",
        "200 without a body",
    ),
    (
        "html",
        || Act::text(200, "content-type: text/html\r\n", "<html>hi"),
        "2xx-html",
        "HTML",
    ),
    (
        "text",
        || Act::text(200, "", "thanks"),
        "2xx-not-json",
        "6 bytes",
    ),
    (
        "no status",
        || Act::json(200, &json!({"ok": true})),
        "2xx-no-status",
        "status",
    ),
    ("not OK", Act::refuse, "2xx-status-not-ok", "status"),
    (
        "redirect",
        || Act::text(302, "location: /elsewhere\r\n", ""),
        "3xx",
        "never followed",
    ),
    ("404", || Act::text(404, "", ""), "4xx", "check the path"),
    ("500", || Act::text(500, "", "oops"), "5xx", "error log"),
    ("503", || Act::text(503, "", ""), "5xx", "not available"),
    (
        "big",
        || Act::text(200, "", &"x".repeat(70_000)),
        "too-big",
        "65536 bytes",
    ),
    (
        "hang",
        || Act::Stall(Vec::new()),
        "deadline-head",
        "within the deadline",
    ),
    (
        "cut off",
        || Act::Stall(b"HTTP/1.1 200 OK\r\ncontent-length: 15\r\n\r\n{\"sta".to_vec()),
        "deadline-body",
        "",
    ),
    (
        "endless",
        || Act::Endless("HTTP/1.1 200 OK\r\n\r\n"),
        "too-big",
        "65536 bytes",
    ),
    (
        "drip",
        || Act::Drip("HTTP/1.1 200 OK\r\n\r\n"),
        "deadline-body",
        "",
    ),
    (
        "gzip bomb",
        gzip_bomb,
        "2xx-not-json",
        "compresses its answer",
    ),
    (
        "nested",
        || Act::text(200, "", &"[".repeat(1_000_000)),
        "too-big",
        "65536 bytes",
    ),
    (
        "nested within the cap",
        || Act::text(200, "", &deep()),
        "2xx-not-json",
        "levels",
    ),
    (
        "duplicate keys",
        || Act::text(200, "", r#"{"status":"ERROR","status":"OK"}"#),
        "2xx-not-json",
        "distinct member names",
    ),
    ("wrong charset", wrong_charset, "2xx-not-json", "not UTF-8"),
    ("closes", || Act::Close, "reset", "error log"),
];

fn deep() -> String {
    format!(
        "{{\"status\":\"OK\",\"x\":{}{}}}",
        "[".repeat(30_000),
        "]".repeat(30_000)
    )
}

fn wrong_charset() -> Act {
    let body: Vec<u8> = "{\"status\":\"OK\"}"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    Act::bytes(
        200,
        "content-type: application/json; charset=utf-16\r\n",
        &[&[0xff, 0xfe], &body[..]].concat(),
    )
}

/// 5 MiB of zeros in a few KiB of real gzip: one literal, then copies of 258 bytes at distance 1
/// in a block of fixed codes.
fn gzip_bomb() -> Act {
    const COPIES: usize = 20_000;
    let mut bits: Vec<bool> = Vec::new();
    // Codes are written from their highest bit, everything else from its lowest.
    let mut push =
        |code: u32, length: u32| bits.extend((0..length).rev().map(|at| code >> at & 1 == 1));
    push(0b1, 1);
    push(0b10, 2);
    push(0b0011_0000, 8);
    for _ in 0..COPIES {
        push(0b1100_0101, 8);
        push(0, 5);
    }
    push(0, 7);
    let packed = bits.chunks(8).map(|byte| {
        byte.iter()
            .rev()
            .fold(0, |sum, bit| sum << 1 | u8::from(*bit))
    });
    let plain = vec![0_u8; 1 + COPIES * 258];
    let mut body = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    body.extend(packed);
    body.extend(crc32fast::hash(&plain).to_le_bytes());
    body.extend(u32::try_from(plain.len()).unwrap().to_le_bytes());
    Act::bytes(
        200,
        "content-type: application/json\r\ncontent-encoding: gzip\r\n",
        &body,
    )
}

#[test]
fn every_bad_answer_has_its_class_and_hint_and_delays_nobody_else() {
    let mut world = World::new();
    world.set("DELIVERY__DEADLINE", "10 s");
    world.start();
    let account = world.account("shop");
    let bad: Vec<_> = CASES
        .iter()
        .map(|(name, act, class, hint)| {
            let act = *act;
            let stub = Stub::start(&account, move |_| act());
            let endpoint = world.endpoint(&account, &stub.url(), &json!({"description": name}));
            (name, endpoint, class, hint, stub)
        })
        .collect();
    let closed = closed_port(&world, &account);
    let healthy = Stub::start(&account, |_| Act::ok());
    let fine = world.endpoint(&account, &healthy.url(), &json!({}));

    let message = json!({"type": "generic", "data": "first"});
    let first = world.send(&account, &message).remove(0);
    let sent = std::time::Instant::now();
    world.until(&account, &first, &fine, "delivered");
    assert!(sent.elapsed() < DEADLINE / 2, "{:?}", sent.elapsed());
    // And once more while the slow ones are all busy.
    for (name, _, _, _, stub) in &bad {
        eventually(&format!("{name} has its request"), || {
            stub.deliveries().pop()
        });
    }
    let second = world.send(&account, &message).remove(0);
    let sent = std::time::Instant::now();
    world.until(&account, &second, &fine, "delivered");
    assert!(sent.elapsed() < DEADLINE / 2, "{:?}", sent.elapsed());

    for (name, endpoint, class, hint, _) in &bad {
        let row = world.attempt(&account, endpoint, class);
        let told = row["hint"].as_str().unwrap();
        assert!(told.contains(*hint) && told.len() > 20, "{name}: {told}");
        assert_eq!(row["kind"], "delivery");
        assert!(row["batch"].as_str().unwrap().starts_with("bat_"));
        assert_eq!(row["messages"], 1, "{name}");
        let took = row["took_ms"].as_u64().unwrap();
        assert!(took < 15_000, "{name} took {took} ms");
        let place = world.place(&account, &first, endpoint);
        let waits = ["deferred", "in_flight"].contains(&place["state"].as_str().unwrap());
        assert!(waits, "{name}: nothing is lost: {place}");
    }
    let row = world.attempt(&account, &closed, "refused-connect");
    assert!(
        row["hint"]
            .as_str()
            .unwrap()
            .contains("check that the consumer is running")
    );
    assert_eq!(healthy.deliveries().len(), 2);
}

/// An endpoint where nobody listens.
fn closed_port(world: &World, account: &Account) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    world.endpoint(account, &url, &json!({}))
}

#[test]
fn an_address_that_is_not_permitted_any_more_is_not_called() {
    let mut world = World::started();
    let account = world.account("shop");
    let stub = Stub::start(&account, |_| Act::ok());
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    world.stop();
    world.set("HTTP__INSECURE_LOOPBACK", "false");
    world.set("HTTP__TRUSTED_PROXIES", "127.0.0.1");
    world.start();
    world.ask(&["send", "generic", "x", "-a", "shop"]);
    let headers = format!(
        "Authorization: Bearer {}\r\nX-Forwarded-Proto: https\r\n",
        account.key
    );
    let path = format!("/relay/v1/endpoints/{endpoint}/attempts");
    let row = eventually("an attempt", || {
        let answer = world.http("GET", &path, &headers, "").unwrap();
        answer.json["attempts"].get(0).cloned()
    });
    assert_eq!(row["class"], "blocked-address");
    assert!(
        row["hint"]
            .as_str()
            .unwrap()
            .contains("delivery.allow_networks"),
        "{row}"
    );
    assert!(stub.requests().is_empty());
}
