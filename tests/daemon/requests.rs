//! What an endpoint's settings make of a delivery: its form, its headers, what confirms it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;

use crate::stub::{Act, Request, Stub};
use crate::world::{Account, World, eventually};

/// The signature as a consumer computes it, from the documentation and not from our code.
fn is_signed(request: &Request, secret: &str) -> bool {
    let key = STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap())
        .unwrap();
    let header = |name| request.header(name).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let (id, time) = (header("webhook-id"), header("webhook-timestamp"));
    mac.update(format!("{id}.{time}.{}", request.body).as_bytes());
    let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    header("webhook-signature") == expected
}

/// An endpoint made by the command line, and its signing secret.
fn endpoint(world: &World, account: &Account, url: &str, more: &[&str]) -> (String, String) {
    let words = ["endpoint", "add", "--account", &account.id, "--url", url];
    let made = world.ask(&[&words, more].concat());
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("endpoint"), text("signing_secret"))
}

#[test]
fn the_full_form_carries_ids_signature_and_custom_headers() {
    let world = World::started();
    let account = world.account("shop");
    let stub = Stub::start(&account, |_| Act::ok());
    let more = ["--header", "X-Token: seven", "--header", "X-Other: 8"];
    let (id, secret) = endpoint(&world, &account, &stub.url(), &more);
    let data = r#"{"b":1.0, "a":[1e2,"\u00e9"]}"#;
    let body = format!(r#"{{"type":"order.paid","data":{data}}}"#);
    let headers = format!("x-api-key: {}\r\n", account.key);
    let accepted = world
        .http("POST", "/relay/v1/messages", &headers, &body)
        .unwrap();
    assert_eq!(accepted.status, 202, "{}", accepted.text);
    let message = accepted.json["ids"][0].as_str().unwrap();
    world.until(&account, message, &id, "delivered");

    let requests = stub.requests();
    for request in &requests {
        assert!(is_signed(request, &secret), "{}", request.head);
        assert_eq!(request.header("x-token"), Some("seven"));
        assert_eq!(request.header("x-other"), Some("8"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert!(
            request
                .header("user-agent")
                .unwrap()
                .starts_with("hookrelay/")
        );
    }
    assert!(
        requests[0]
            .header("webhook-id")
            .unwrap()
            .starts_with("auth_")
    );
    let delivery = &requests[1];
    assert_eq!(
        delivery.header("webhook-id"),
        delivery.json["batch_id"].as_str()
    );
    let timestamp = delivery.json["messages"][0]["timestamp"].as_str().unwrap();
    assert_eq!(
        delivery.body,
        format!(
            r#"{{"request":"delivery","batch_id":{},"messages":[{{"type":"order.paid","data":{data},"id":"{message}","timestamp":"{timestamp}"}}]}}"#,
            delivery.json["batch_id"]
        ),
        "the data is passed on byte by byte"
    );
}

#[test]
fn strict_fields_leave_exactly_the_original_form() {
    let world = World::started();
    let account = world.account("shop");
    let stub = Stub::start(&account, |_| Act::ok());
    let (id, secret) = endpoint(&world, &account, &stub.url(), &["--strict-fields", "true"]);
    let messages = json!([
        {"type": "generic", "data": "Hello World"},
        {"type": "new_user", "data": {"first_name": "John", "last_name": "Doe"}},
    ]);
    let sent = world.send(&account, &messages);
    world.until(&account, &sent[1], &id, "delivered");
    let deliveries = stub.deliveries();
    let bodies: String = deliveries.iter().map(|it| it.body.as_str()).collect();
    assert_eq!(
        bodies,
        r#"{"request":"delivery","messages":[{"type":"generic","data":"Hello World"},{"type":"new_user","data":{"first_name":"John","last_name":"Doe"}}]}"#
    );
    assert!(is_signed(&deliveries[0], &secret), "headers stay");
}

#[test]
fn the_standard_protocol_needs_no_proof_and_carries_one_message_each() {
    let world = World::started();
    let account = world.account("shop");
    let stub = Stub::raw(|_| Act::text(204, "", ""));
    let (id, secret) = endpoint(&world, &account, &stub.url(), &["--protocol", "standard"]);
    let messages = json!([
        {"type": "generic", "data": "one"}, {"type": "generic", "data": "two"},
    ]);
    let sent = world.send(&account, &messages);
    for message in &sent {
        world.until(&account, message, &id, "delivered");
    }
    let requests = stub.requests();
    assert_eq!(requests.len(), 2);
    for request in &requests {
        assert!(is_signed(request, &secret), "{}", request.head);
        assert!(
            sent.iter()
                .any(|id| request.header("webhook-id") == Some(id))
        );
        let members: Vec<&String> = request.json.as_object().unwrap().keys().collect();
        assert_eq!(members, ["data", "timestamp", "type"]);
        assert!(
            request
                .body
                .starts_with(r#"{"type":"generic","timestamp":""#)
        );
    }
}

#[test]
fn any_answer_confirms_where_confirmation_is_ignored() {
    let world = World::started();
    let account = world.account("shop");
    let stub = Stub::start(&account, |_| Act::text(500, "", "broken"));
    let settings = json!({"ignore_confirmation": true});
    let id = world.endpoint(&account, &stub.url(), &settings);
    let message = world
        .send(&account, &json!({"type": "generic", "data": "x"}))
        .remove(0);
    world.until(&account, &message, &id, "delivered");
    assert_eq!(stub.deliveries().len(), 1);
}

#[test]
fn thin_mode_wakes_and_waits_for_the_acknowledgement() {
    let world = World::started();
    let account = world.account("shop");
    let stub = Stub::start(&account, |_| Act::ok());
    let settings = json!({"send_messages": false});
    let id = world.endpoint(&account, &stub.url(), &settings);
    let messages = json!([
        {"type": "generic", "data": "one"}, {"type": "generic", "data": "two"},
    ]);
    let sent = world.send(&account, &messages);
    let woken = stub.wait_for(1).remove(0);
    assert_eq!(woken.json["pending"], 2);
    assert!(woken.json.get("messages").is_none(), "{}", woken.body);
    for message in &sent {
        assert_eq!(world.place(&account, message, &id)["state"], "queued");
    }
    let path = format!("endpoints/{id}/acknowledge");
    let order = json!({"ids": [sent[1], "msg_00000000000000000000000000"]});
    let answer = world.call(&account, "POST", &path, &order);
    assert_eq!(answer.json, json!({"acknowledged": 1, "unknown": 1}));
    world.until(&account, &sent[1], &id, "delivered");
    assert_eq!(world.place(&account, &sent[0], &id)["state"], "queued");
    world.call(&account, "POST", &path, &json!({"ids": [sent[0]]}));
    world.until(&account, &sent[0], &id, "delivered");
    let queue = world.get(&account, &format!("endpoints/{id}"))["queue"].clone();
    assert_eq!(
        (&queue["pending"], &queue["delivered"]),
        (&json!(0), &json!(2))
    );
}

#[test]
fn filters_and_named_endpoints_decide_who_is_offered_what() {
    let world = World::started();
    let account = world.account("shop");
    let stub = Stub::start(&account, |_| Act::ok());
    let users = world.endpoint(&account, &stub.url(), &json!({"types": ["new_*"]}));
    let all = world.endpoint(&account, &stub.url(), &json!({}));
    let sent = world.send(
        &account,
        &json!([
            {"type": "new_user", "data": "for both"},
            {"type": "generic", "data": "for one"},
            {"type": "new_user", "data": "named", "endpoints": [users]},
        ]),
    );
    for (message, endpoint, state) in [
        (&sent[0], &users, "delivered"),
        (&sent[0], &all, "delivered"),
        (&sent[1], &all, "delivered"),
        (&sent[2], &users, "delivered"),
        (&sent[1], &users, "filtered"),
        (&sent[2], &all, "filtered"),
    ] {
        world.until(&account, message, endpoint, state);
    }
    let late = world.endpoint(&account, &stub.url(), &json!({}));
    assert_eq!(
        world.place(&account, &sent[0], &late)["state"],
        "not_offered"
    );
    for endpoint in [&users, &all] {
        let shown = world.get(&account, &format!("endpoints/{endpoint}"));
        let figure = |name: &str| shown["queue"][name].as_u64().unwrap();
        assert_eq!(
            (figure("delivered"), figure("dead"), figure("pending")),
            (2, 0, 0)
        );
        // What the daemon itself tells the account is filtered here as well.
        assert!(figure("filtered") >= 1);
        let passed = figure("cursor") + 1 - shown["start"].as_u64().unwrap();
        assert_eq!(passed, figure("delivered") + figure("filtered"), "{shown}");
    }
}

#[test]
fn a_test_message_reaches_its_endpoint_only() {
    let world = World::started();
    let account = world.account("shop");
    let stub = Stub::start(&account, |_| Act::ok());
    let other = Stub::start(&account, |_| Act::ok());
    let id = world.endpoint(&account, &stub.url(), &json!({}));
    world.endpoint(&account, &other.url(), &json!({}));
    let words = ["endpoint", "test", &id, "-a", "shop"];
    let sent = world.ask(&words)["ids"][0].as_str().unwrap().to_owned();
    world.until(&account, &sent, &id, "delivered");
    let told = eventually("the other one is past it", || {
        let shown = world.get(&account, &format!("messages/{sent}"));
        let places = shown["endpoints"].as_array().unwrap().clone();
        let states: Vec<_> = places.iter().map(|it| it["state"].clone()).collect();
        states.contains(&json!("filtered")).then_some(states)
    });
    assert_eq!(told.len(), 2);
    assert!(other.deliveries().is_empty());
}
