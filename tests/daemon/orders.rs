//! What operators do with an endpoint: hold, disable, redrive, remove.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use crate::stub::{Act, Stub};
use crate::world::{Account, World, eventually};

fn one(world: &World, account: &Account, data: &str) -> String {
    world
        .send(account, &json!({"type": "generic", "data": data}))
        .remove(0)
}

/// A consumer with a switch: `act` until it is switched, OK afterwards.
fn switched(account: &Account, act: fn() -> Act) -> (Stub, Arc<AtomicBool>) {
    let switch = Arc::new(AtomicBool::new(false));
    let known = switch.clone();
    let stub = Stub::start(account, move |_| {
        if known.load(Ordering::SeqCst) {
            Act::ok()
        } else {
            act()
        }
    });
    (stub, switch)
}

#[test]
fn a_410_disables_and_enabling_delivers_what_waited() {
    let world = World::started();
    let account = world.account("shop");
    let (stub, switch) = switched(&account, || Act::text(410, "", ""));
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    let first = one(&world, &account, "one");
    let shown = eventually("it is disabled", || {
        let shown = world.get(&account, &format!("endpoints/{endpoint}"));
        (shown["order"]["state"] == "disabled").then_some(shown)
    });
    assert_eq!(shown["order"]["reason"], "gone");
    let second = one(&world, &account, "two");
    assert_eq!(world.place(&account, &second, &endpoint)["state"], "queued");
    assert_eq!(
        stub.deliveries().len(),
        1,
        "a disabled endpoint gets nothing"
    );
    switch.store(true, Ordering::SeqCst);
    world.ask(&[
        "endpoint",
        "set",
        &endpoint,
        "-a",
        "shop",
        "--enabled",
        "true",
    ]);
    for id in [&first, &second] {
        world.until(&account, id, &endpoint, "delivered");
    }
    assert_eq!(
        stub.authenticates(),
        2,
        "an enabled endpoint proves itself again"
    );
    let batches: Vec<_> = stub
        .deliveries()
        .iter()
        .map(|it| it.json["batch_id"].clone())
        .collect();
    assert!(
        batches[1..].contains(&batches[0]),
        "the open batch keeps its id"
    );
}

#[test]
fn on_hold_nothing_goes_out_and_after_the_release_everything() {
    let world = World::started();
    let account = world.account("shop");
    let stub = Stub::start(&account, |_| Act::ok());
    let other = Stub::start(&account, |_| Act::ok());
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    let beside = world.endpoint(&account, &other.url(), &json!({}));
    world.ask(&["endpoint", "hold", &endpoint, "-a", "shop"]);
    let sent: Vec<String> = (0..5)
        .map(|n| one(&world, &account, &n.to_string()))
        .collect();
    world.until(&account, &sent[4], &beside, "delivered");
    for id in &sent {
        assert_eq!(world.place(&account, id, &endpoint)["state"], "queued");
    }
    assert!(stub.deliveries().is_empty());
    let queue = world.ask(&["queue"]);
    let rows = queue["endpoints"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["endpoint"] == *endpoint)
        .unwrap();
    assert_eq!(
        (&row["state"], &row["pending"]),
        (&json!("on_hold"), &json!(5))
    );
    world.ask(&["endpoint", "release", &endpoint, "-a", "shop"]);
    for id in &sent {
        world.until(&account, id, &endpoint, "delivered");
    }
}

#[test]
fn exhausted_messages_are_dead_with_a_reason_and_a_redrive_delivers_them() {
    let world = World::started();
    let account = world.account("shop");
    let (stub, switch) = switched(&account, Act::refuse);
    let watcher = Stub::start(&account, |_| Act::ok());
    let settings = json!({"schedule": {"max_attempts": 2}});
    let endpoint = world.endpoint(&account, &stub.url(), &settings);
    world.endpoint(
        &account,
        &watcher.url(),
        &json!({"types": ["message_dead"]}),
    );
    let id = one(&world, &account, "x");
    let place = world.until(&account, &id, &endpoint, "dead");
    assert_eq!(
        (&place["reason"], &place["attempts"]),
        (&json!("exhausted"), &json!(2))
    );
    assert_eq!(place["last_class"], "2xx-status-not-ok");
    assert_eq!(place["last_status"], 200);

    let listed = world.get(&account, &format!("endpoints/{endpoint}/dead-letters"));
    let dead = &listed["dead_letters"][0];
    assert_eq!(
        (&dead["count"], &dead["reason"]),
        (&json!(1), &json!("exhausted"))
    );
    let told = watcher.wait_for(1).remove(0);
    let notice = &told.json["messages"][0];
    assert_eq!(notice["type"], "message_dead");
    assert_eq!(notice["data"]["message_id"], id.as_str());
    assert_eq!(notice["data"]["endpoint_id"], endpoint.as_str());

    switch.store(true, Ordering::SeqCst);
    let driven = world.order(&account, &endpoint, "dead-letters/redrive");
    assert_eq!(driven["messages"], 1);
    world.until(&account, &id, &endpoint, "delivered");
    let came = stub.deliveries();
    assert!(
        came.iter().all(|request| request.ids() == [id.clone()]),
        "the id stays"
    );
    let listed = world.get(&account, &format!("endpoints/{endpoint}/dead-letters"));
    assert_eq!(listed["dead_letters"], json!([]));
}

#[test]
fn a_removed_endpoint_is_gone_with_everything_that_waited() {
    let world = World::started();
    let account = world.account("shop");
    let stub = Stub::start(&account, |_| Act::refuse());
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    let id = one(&world, &account, "x");
    stub.wait_for(1);
    world.ask(&["endpoint", "remove", &endpoint, "-a", "shop"]);
    let answer = world.call(
        &account,
        "GET",
        &format!("endpoints/{endpoint}"),
        &Value::Null,
    );
    assert_eq!(
        (answer.status, &answer.json["error"]["code"]),
        (404, &json!("NOT_FOUND"))
    );
    assert_eq!(
        world.get(&account, &format!("messages/{id}"))["endpoints"],
        json!([])
    );
    assert_eq!(world.ask(&["status"])["queue"]["pending"], 0);
}

#[test]
fn a_new_url_takes_what_waited_for_the_old_one() {
    let world = World::started();
    let account = world.account("shop");
    let old = Stub::start(&account, |_| Act::refuse());
    let new = Stub::start(&account, |_| Act::ok());
    let endpoint = world.endpoint(&account, &old.url(), &json!({}));
    let id = one(&world, &account, "x");
    old.wait_for(1);
    world.ask(&[
        "endpoint",
        "set",
        &endpoint,
        "-a",
        "shop",
        "--url",
        &new.url(),
    ]);
    world.until(&account, &id, &endpoint, "delivered");
    assert_eq!(new.authenticates(), 1, "another URL proves itself");
    assert_eq!(
        new.deliveries()[0].body,
        old.deliveries()[0].body,
        "id and content stay"
    );
}

#[test]
fn an_idempotency_key_makes_a_repeat_of_a_request() {
    let world = World::started();
    let account = world.account("shop");
    let stub = Stub::start(&account, |_| Act::ok());
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    let headers = format!(
        "Authorization: Bearer {}\r\nIdempotency-Key: k1\r\n",
        account.key
    );
    let send = |data: &str| {
        let body = json!({"type": "generic", "data": data}).to_string();
        world
            .http("POST", "/relay/v1/messages", &headers, &body)
            .unwrap()
    };
    let (first, repeat, other) = (send("x"), send("x"), send("y"));
    assert_eq!((first.status, repeat.status, other.status), (202, 202, 409));
    assert_eq!(first.text, repeat.text);
    assert!(
        repeat
            .head
            .to_ascii_lowercase()
            .contains("idempotency-replayed: true")
    );
    let id = first.json["ids"][0].as_str().unwrap();
    world.until(&account, id, &endpoint, "delivered");
    let words = [
        "send",
        "generic",
        "z",
        "-a",
        "shop",
        "--idempotency-key",
        "k2",
    ];
    assert_eq!(world.ask(&words)["ids"], world.ask(&words)["ids"]);
}
