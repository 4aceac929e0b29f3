//! What is enqueued again, when, and with what: refusals, splits, the `retry` member, waits that
//! the consumer asks for.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use crate::stub::{Act, Stub};
use crate::world::{World, eventually};

#[test]
fn a_poison_message_among_twenty_ends_alone_and_the_others_are_delivered() {
    let world = World::started();
    let account = world.account("shop");
    let stub = Stub::start(&account, |request| {
        if request.texts().iter().any(|text| text == "poison") {
            Act::refuse()
        } else {
            Act::ok()
        }
    });
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    let messages: Vec<_> = (0..20)
        .map(|n| {
            if n == 7 {
                "poison".to_owned()
            } else {
                format!("good {n}")
            }
        })
        .map(|data| json!({"type": "generic", "data": data}))
        .collect();
    let sent = world.send(&account, &json!(messages));
    for (n, id) in sent.iter().enumerate().filter(|(n, _)| *n != 7) {
        assert!(n < 20);
        world.until(&account, id, &endpoint, "delivered");
    }
    let alone = eventually("the poison is alone", || {
        let deliveries = stub.deliveries();
        deliveries
            .into_iter()
            .find(|it| it.ids() == [sent[7].clone()])
    });
    assert_eq!(alone.texts(), ["poison"]);
    let place = eventually("it waits for its next attempt", || {
        let place = world.place(&account, &sent[7], &endpoint);
        (place["state"] == "deferred").then_some(place)
    });
    assert_eq!(place["why"], "2xx-status-not-ok");
    assert!(place["due"].is_string());
    let queue = world.get(&account, &format!("endpoints/{endpoint}"))["queue"].clone();
    assert_eq!(
        (&queue["pending"], &queue["delivered"]),
        (&json!(1), &json!(19))
    );
}

#[test]
fn messages_named_for_retry_come_again_and_the_others_do_not() {
    let world = World::started();
    let account = world.account("shop");
    let stub = Stub::start(&account, |request| {
        let ids = request.ids();
        let named: Vec<&String> = ids
            .iter()
            .skip(1)
            .take(usize::from(ids.len() == 3))
            .collect();
        Act::json(200, &json!({"status": "OK", "retry": named}))
    });
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    let message = |data| json!({"type": "generic", "data": data});
    let sent = world.send(&account, &json!([message("a"), message("b"), message("c")]));
    for id in &sent {
        world.until(&account, id, &endpoint, "delivered");
    }
    let came: Vec<_> = stub
        .deliveries()
        .iter()
        .map(crate::stub::Request::texts)
        .collect();
    assert_eq!(came, [vec!["a", "b", "c"], vec!["b"]]);
    world.attempt(&account, &endpoint, "ok-retry");
}

#[test]
fn retry_after_is_respected_and_holds_back_the_whole_endpoint() {
    let world = World::started();
    let account = world.account("shop");
    let first = std::sync::atomic::AtomicBool::new(true);
    let stub = Stub::start(&account, move |_| {
        if first.swap(false, std::sync::atomic::Ordering::SeqCst) {
            Act::text(429, "retry-after: 2\r\n", "")
        } else {
            Act::ok()
        }
    });
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    let one = world
        .send(&account, &json!({"type": "generic", "data": "one"}))
        .remove(0);
    world.attempt(&account, &endpoint, "4xx");
    let two = world
        .send(&account, &json!({"type": "generic", "data": "two"}))
        .remove(0);
    eventually("the endpoint is held back", || {
        let queue = world.get(&account, &format!("endpoints/{endpoint}"))["queue"].clone();
        (queue["wait"]["why"] == "held_back").then_some(())
    });
    for id in [&one, &two] {
        world.until(&account, id, &endpoint, "delivered");
    }
    let deliveries = stub.deliveries();
    let waited = deliveries[1].at.duration_since(deliveries[0].at);
    // The head was seen a little before the relay began to count.
    assert!(waited >= Duration::from_millis(1_900), "{waited:?}");
}

#[test]
fn refusals_follow_the_schedule_and_the_batch_stays_what_it_was() {
    let mut world = World::new();
    world.set("RETRY__INITIAL", "200 ms");
    world.set("RETRY__MAX_INTERVAL", "1 s");
    world.start();
    let account = world.account("shop");
    let stub = Stub::start(&account, |_| Act::refuse());
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    let id = world
        .send(&account, &json!({"type": "generic", "data": "x"}))
        .remove(0);
    let tries = stub.wait_for(4);
    for (before, after, least) in [(0, 1, 200), (1, 2, 400), (2, 3, 800)] {
        let waited = tries[after].at.duration_since(tries[before].at);
        assert!(
            waited >= Duration::from_millis(least - 20),
            "{after}: {waited:?}"
        );
    }
    assert!(tries.iter().all(|request| request.body == tries[0].body));
    let place = world.place(&account, &id, &endpoint);
    assert!(place["attempts"].as_u64().unwrap() >= 3, "{place}");
}

#[test]
fn strict_order_sends_nothing_before_what_is_not_settled() {
    let world = World::started();
    let account = world.account("shop");
    let refusals = std::sync::atomic::AtomicUsize::new(0);
    let stub = Stub::start(&account, move |_| {
        if refusals.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2 {
            Act::refuse()
        } else {
            Act::ok()
        }
    });
    let settings = json!({"ordering": "strict", "max_messages": 1});
    let endpoint = world.endpoint(&account, &stub.url(), &settings);
    let messages: Vec<_> = (0..5)
        .map(|n| json!({"type": "generic", "data": n.to_string()}))
        .collect();
    let sent = world.send(&account, &json!(messages));
    world.until(&account, &sent[4], &endpoint, "delivered");
    let came: Vec<String> = stub
        .deliveries()
        .iter()
        .flat_map(crate::stub::Request::texts)
        .collect();
    assert_eq!(came, ["0", "0", "0", "1", "2", "3", "4"]);
}

#[test]
fn a_consumer_that_comes_back_gets_its_backlog_in_batches() {
    let world = World::started();
    let account = world.account("shop");
    let healthy = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let known = healthy.clone();
    let stub = Stub::start(&account, move |_| {
        if known.load(std::sync::atomic::Ordering::SeqCst) {
            Act::ok()
        } else {
            Act::Close
        }
    });
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    let mut sent = Vec::new();
    for n in 0..30 {
        let message = json!({"type": "generic", "data": format!("{n}")});
        sent.extend(world.send(&account, &message));
    }
    eventually("it is suspended", || {
        let queue = world.ask(&["queue"]);
        let row = queue["endpoints"][0].clone();
        let state = row["state"].as_str().unwrap().to_owned();
        ["suspended", "probing"]
            .contains(&state.as_str())
            .then_some(())
    });
    healthy.store(true, std::sync::atomic::Ordering::SeqCst);
    for id in &sent {
        world.until(&account, id, &endpoint, "delivered");
    }
    let mut confirmed: BTreeMap<String, usize> = BTreeMap::new();
    for id in stub.deliveries().iter().flat_map(crate::stub::Request::ids) {
        *confirmed.entry(id).or_default() += 1;
    }
    assert_eq!(
        confirmed.len(),
        sent.len(),
        "each of them came, and nothing else"
    );
}
