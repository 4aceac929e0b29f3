//! `POST messages`, `GET messages/{id}`.

use hookrelay::attempt::Class;
use hookrelay::clock::Millis;
use hookrelay::domain::dead_letter::DeadRange;
use hookrelay::domain::event::DeadReason;
use hookrelay::id::{BatchId, EndpointId, Seq};
use hookrelay::live::Place;
use hookrelay::store::{Store, Targets, keys};
use serde_json::json;

use crate::world::{KEY, NOW, World};

#[tokio::test]
async fn one_message_or_many_are_stored_as_they_came() {
    let world = World::start().await;
    let raw = r#"{ "b":1,  "a":[1.50, "é"]}"#;
    let one = world
        .manage(
            "POST",
            "messages",
            &format!(r#"{{"type":"generic","data":{raw}}}"#),
        )
        .await;
    assert_eq!(one.status, 202);
    let many = r#" [{"type":"a.b","data":"x"},{"data":[],"type":"c","endpoints":null}]"#;
    let many = world.manage("POST", "messages", many).await;
    assert_eq!(many.status, 202);
    assert_eq!(one.json()["ids"].as_array().unwrap().len(), 1);
    assert_eq!(many.json()["ids"].as_array().unwrap().len(), 2);
    let page = world
        .store
        .read_log(world.account, Seq(1), 10, 1 << 20)
        .await
        .unwrap();
    let stored: Vec<(&str, &str)> = page
        .messages
        .iter()
        .map(|m| (&*m.event_type, std::str::from_utf8(&m.data).unwrap()))
        .collect();
    assert_eq!(stored, [("generic", raw), ("a.b", "\"x\""), ("c", "[]")]);
    let ids: Vec<String> = page.messages.iter().map(|m| m.id.to_string()).collect();
    assert_eq!(one.json()["ids"][0], ids[0].as_str());
    assert_eq!(many.json()["ids"], json!([ids[1], ids[2]]));
    let path = format!("messages/{}", ids[0]);
    let shown = world.manage("GET", &path, "").await;
    assert!(
        shown.body.contains(&format!(r#""data":{raw}"#)),
        "{}",
        shown.body
    );
    assert_eq!(shown.json()["timestamp"], "2026-01-15T10:30:00Z");
}

#[tokio::test]
async fn bad_messages_are_refused_whole_and_name_the_field() {
    let world = World::start().await;
    let other = "0123456789ab";
    let long = "x".repeat(256 * 1024);
    let deep = format!("{}{}", "[".repeat(33), "]".repeat(33));
    let many = format!("[{}]", vec![r#"{"type":"t","data":""}"#; 1001].join(","));
    let named = vec![format!("\"{other}\""); 101].join(",");
    for (body, field) in [
        ("", None),
        ("nonsense", None),
        ("{", None),
        ("[]", None),
        ("5", None),
        ("\"text\"", None),
        ("[1]", None),
        (r#"{"type":"t"}"#, None),
        (r#"{"data":"t"}"#, None),
        (r#"{"type":5,"data":"x"}"#, None),
        (r#"{"type":"t","type":"u","data":"x"}"#, None),
        (r#"{"type":"t","data":"x","tpye":"y"}"#, None),
        (r#"{"type":"t","data":"x"} x"#, None),
        (&many, None),
        (r#"{"type":"","data":"x"}"#, Some("type")),
        (r#"{"type":"a b","data":"x"}"#, Some("type")),
        (r#"{"type":"message_dead","data":"x"}"#, Some("type")),
        (r#"{"type":"t","data":5}"#, Some("data")),
        (r#"{"type":"t","data":null}"#, Some("data")),
        (r#"{"type":"t","data":[9223372036854775809]}"#, Some("data")),
        (
            r#"{"type":"t","data":[-99999999999999999999]}"#,
            Some("data"),
        ),
        (r#"{"type":"t","data":{"a":1,"a":2}}"#, Some("data")),
        (&format!(r#"{{"type":"t","data":{deep}}}"#), Some("data")),
        (&format!(r#"{{"type":"t","data":"{long}"}}"#), Some("data")),
        (
            r#"{"type":"t","data":"x","idempotency_key":""}"#,
            Some("idempotency_key"),
        ),
        (
            r#"{"type":"t","data":"x","idempotency_key":"ä"}"#,
            Some("idempotency_key"),
        ),
        (
            r#"{"type":"t","data":"x","endpoints":["nonsense"]}"#,
            Some("endpoints"),
        ),
        (
            &format!(r#"{{"type":"t","data":"x","endpoints":["{other}"]}}"#),
            Some("endpoints"),
        ),
        (
            &format!(r#"{{"type":"t","data":"x","endpoints":[{named}]}}"#),
            Some("endpoints"),
        ),
        (
            r#"[{"type":"t","data":"x"},{"type":"*","data":"x"}]"#,
            Some("[1].type"),
        ),
    ] {
        let reply = world.manage("POST", "messages", body).await;
        assert_eq!(reply.status, 400, "{body:.80} {}", reply.body);
        let expected = ("INVALID_REQUEST".to_owned(), field.map(str::to_owned));
        assert_eq!(reply.error(), expected, "{body:.80} {}", reply.body);
    }
    assert_eq!(world.logged().await, 0);
}

#[tokio::test]
async fn depth_is_counted_from_the_whole_body_with_or_without_an_idempotency_key() {
    let world = World::start().await;
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let one = |depth| format!(r#"{{"type":"t","data":{}}}"#, nested(depth));
    for (key, body, status) in [
        ("a", one(31), 202),
        ("b", one(32), 400),
        ("c", format!("[{}]", one(30)), 202),
        ("d", format!("[{}]", one(31)), 400),
    ] {
        let plain = world.manage("POST", "messages", &body).await;
        assert_eq!(plain.status, status, "{}", plain.body);
        let headers = [("x-api-key", KEY), ("idempotency-key", key)];
        let keyed = world
            .send("POST", "/relay/v1/messages", &headers, &body)
            .await;
        assert_eq!(keyed.status, status, "{}", keyed.body);
    }
}

#[tokio::test]
async fn a_body_nested_a_million_deep_is_refused_quickly() {
    let world = World::start().await;
    let open = "[".repeat(1_000_000);
    assert_eq!(world.manage("POST", "messages", &open).await.status, 400);
    let body = format!(r#"{{"type":"t","data":{}"#, "[".repeat(900_000));
    assert_eq!(world.manage("POST", "messages", &body).await.status, 400);
    let body = format!(r#"{{"url":{}"#, "{\"a\":".repeat(200_000));
    assert_eq!(world.manage("POST", "endpoints", &body).await.status, 400);
}

#[tokio::test]
async fn named_endpoints_are_stored_with_the_message() {
    let world = World::start().await;
    let endpoint = world.endpoint("").await;
    let body = format!(r#"{{"type":"t","data":"x","endpoints":["{endpoint}"]}}"#);
    assert_eq!(world.manage("POST", "messages", &body).await.status, 202);
    let page = world
        .store
        .read_log(world.account, Seq(1), 1, 1)
        .await
        .unwrap();
    assert_eq!(page.messages[0].targets, Targets::Only(vec![endpoint]));
}

#[tokio::test]
async fn a_messages_own_key_is_recognised_for_a_day() {
    let world = World::start().await;
    let body = r#"{"type":"t","data":"x","idempotency_key":"k"}"#;
    let first = world.manage("POST", "messages", body).await;
    let again = world.manage("POST", "messages", body).await;
    assert_eq!((again.status, &again.body), (202, &first.body));
    let twice = r#"[{"type":"t","data":1e2,"idempotency_key":"n"}]"#;
    assert_eq!(world.manage("POST", "messages", twice).await.status, 400);
    let pair = r#"[{"type":"t","data":"y","idempotency_key":"m"},{"type":"u","data":"z","idempotency_key":"m"}]"#;
    let pair = world.manage("POST", "messages", pair).await.json();
    assert_eq!(pair["ids"][0], pair["ids"][1]);
    assert_eq!(world.logged().await, 2);
    world.clock.set(NOW.after(Millis::hours(24)));
    let later = world.manage("POST", "messages", body).await;
    assert_ne!(later.body, first.body);
    assert_eq!(world.logged().await, 3);
}

#[tokio::test]
async fn a_full_store_refuses_and_an_unknown_outcome_says_so() {
    let world = World::start().await;
    world.store.set_full(true);
    let reply = world
        .manage("POST", "messages", r#"{"type":"t","data":"x"}"#)
        .await;
    assert_eq!(
        (reply.status, reply.error().0.as_str()),
        (503, "UNAVAILABLE")
    );
    assert_eq!(reply.header("retry-after"), Some("5"));
    assert_eq!(reply.header("ratelimit-limit"), Some("120"));
    world.store.set_full(false);
    assert_eq!(world.logged().await, 0);
}

#[tokio::test]
async fn a_message_tells_where_it_is_at_each_endpoint() {
    let world = World::start().await;
    let mut endpoints = Vec::new();
    for settings in ["", "", "", "", "", "", "", r#""types":["other.*"]"#] {
        endpoints.push(world.endpoint(settings).await);
    }
    let sent = world
        .manage("POST", "messages", r#"{"type":"t","data":"x"}"#)
        .await;
    let id = sent.json()["ids"][0].as_str().unwrap().to_owned();
    let late = world.endpoint("").await;
    let batch = BatchId(7);
    let due = NOW.after(Millis::seconds(5));
    let told = [
        Some(Place::InFlight { batch, attempts: 1 }),
        Some(Place::Deferred {
            batch,
            attempts: 2,
            due,
            why: Some(Class::Status5xx),
        }),
        Some(Place::Acknowledged),
        Some(Place::Settled),
        Some(Place::Settled),
        Some(Place::Above),
        None,
        Some(Place::Settled),
    ];
    for (endpoint, place) in endpoints.iter().zip(told) {
        if let Some(place) = place {
            world
                .live
                .places
                .lock()
                .unwrap()
                .insert((*endpoint, Seq(1)), place);
        }
    }
    let (account, dead_at) = (world.account, endpoints[4]);
    let dead = &DeadRange {
        first: Seq(1),
        last: Seq(9),
        count: 1,
        reason: DeadReason::Exhausted,
        at: NOW,
        attempts: 3,
        last_class: Some("5xx".into()),
        last_status: Some(502),
    };
    world
        .db
        .transact(&[account], |tx| async move {
            tx.put(keys::dead(account, dead_at, Seq(1)), dead)
        })
        .await
        .unwrap();
    let shown = world
        .manage("GET", &format!("messages/{id}"), "")
        .await
        .json();
    let state = |endpoint: EndpointId| {
        let mut row = shown["endpoints"]
            .as_array()
            .unwrap()
            .iter()
            .find(|row| row["endpoint"] == endpoint.to_string())
            .unwrap()
            .clone();
        row.as_object_mut().unwrap().remove("endpoint");
        row
    };
    let batch = batch.to_string();
    let expected = [
        json!({"state":"in_flight","batch":batch,"attempts":1}),
        json!({"state":"deferred","batch":batch,"attempts":2,"due":"2026-01-15T10:30:05Z","why":"5xx"}),
        json!({"state":"delivered"}),
        json!({"state":"delivered"}),
        json!({"state":"dead","reason":"exhausted","attempts":3,"at":"2026-01-15T10:30:00Z",
               "last_class":"5xx","last_status":502}),
        json!({"state":"queued"}),
        json!({"state":"queued"}),
        json!({"state":"filtered"}),
    ];
    for (endpoint, expected) in endpoints.iter().zip(expected) {
        assert_eq!(state(*endpoint), expected);
    }
    assert_eq!(state(late), json!({"state":"not_offered"}));
    assert_eq!(shown["next"], json!(null));
    *world.live.stopped.lock().unwrap() = true;
    let reply = world.manage("GET", &format!("messages/{id}"), "").await;
    assert_eq!(reply.status, 503);
}

#[tokio::test]
async fn messages_that_are_gone_foreign_or_guessed_are_not_found() {
    let world = World::start().await;
    let key = "ffffffffffffffffffffffffffffffff";
    world.add_account("other", "other", key).await;
    let sent = world
        .manage("POST", "messages", r#"{"type":"t","data":"x"}"#)
        .await;
    let id = sent.json()["ids"][0].as_str().unwrap().to_owned();
    let path = format!("/relay/v1/messages/{id}");
    assert_eq!(
        world
            .send("GET", &path, &[("x-api-key", key)], "")
            .await
            .status,
        404
    );
    let mut guessed = id.clone();
    let last = if guessed.pop() == Some('0') { '1' } else { '0' };
    guessed.push(last);
    for id in [
        guessed.as_str(),
        "msg_",
        "nonsense",
        "bat_00000000000000000000000000",
    ] {
        let reply = world.manage("GET", &format!("messages/{id}"), "").await;
        assert_eq!(
            (reply.status, reply.error().0.as_str()),
            (404, "NOT_FOUND"),
            "{id}"
        );
    }
    assert_eq!(
        world
            .manage("GET", &format!("messages/{id}"), "")
            .await
            .status,
        200
    );
    world.store.trim_log(world.account, Seq(2)).await.unwrap();
    assert_eq!(
        world
            .manage("GET", &format!("messages/{id}"), "")
            .await
            .status,
        404
    );
}
