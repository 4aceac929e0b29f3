//! The way of a message to a consumer that must prove itself first: with a key, without one, and
//! passively.

use std::sync::atomic::{AtomicBool, Ordering};

use hookrelay::auth::sitecom_token;
use hookrelay::clock::Clock;
use hookrelay::consumer::{Arrival, Asked, Consumer, Login, Reply, Settings};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::stub::{Act, Request, Stub};
use crate::world::{Account, PATIENCE, World, eventually};

fn login(account: &Account) -> Login {
    Login {
        id: account.login.clone(),
        password: account.password.clone(),
    }
}

async fn next(consumer: &mut Consumer) -> Arrival {
    timeout(PATIENCE, consumer.next())
        .await
        .expect("a request in time")
        .unwrap()
}

fn ids(arrival: &Arrival) -> Vec<String> {
    let messages = arrival.asked.messages().iter();
    messages.filter_map(|message| message.id.clone()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_is_proven_for_refused_once_and_delivered_with_the_same_ids() {
    let world = World::started();
    let account = world.account("shop");
    let mut consumer = Consumer::start(Settings {
        login: Some(login(&account)),
        script: vec![Reply::Refuse],
        ..Settings::default()
    })
    .await
    .unwrap();
    let made = world.ask(&["endpoint", "add", "-a", "shop", "--url", &consumer.url()]);
    let endpoint = made["endpoint"].as_str().unwrap();
    let sent = world.ask(&["send", "generic", "Hello World", "-a", "shop"]);
    let id = sent["ids"][0].as_str().unwrap().to_owned();

    let proof = next(&mut consumer).await;
    let Asked::Authenticate { key: Some(key) } = &proof.asked else {
        panic!("a key comes first: {proof:?}");
    };
    assert!(key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let refused = next(&mut consumer).await;
    assert_eq!(
        (ids(&refused), refused.confirmed),
        (vec![id.clone()], false)
    );
    let again = next(&mut consumer).await;
    assert_eq!((ids(&again), again.confirmed), (vec![id.clone()], true));
    assert_eq!(again.asked, refused.asked, "batch id and messages stay");
    assert_eq!(again.webhook_id, refused.webhook_id);
    world.until(&account, &id, endpoint, "delivered");

    let found = world.get(&account, &format!("endpoints/{endpoint}/attempts"));
    let rows = found["attempts"].as_array().unwrap();
    let told: Vec<_> = rows
        .iter()
        .map(|row| (&row["kind"], &row["class"], &row["number"]))
        .collect();
    let (ok, refusal) = (json!("ok"), json!("2xx-status-not-ok"));
    let (proving, delivery) = (json!("authenticate"), json!("delivery"));
    assert_eq!(
        told,
        [
            (&delivery, &ok, &json!(2)),
            (&delivery, &refusal, &json!(1)),
            (&proving, &ok, &json!(null))
        ]
    );
    let queue = world.get(&account, &format!("endpoints/{endpoint}"));
    assert_eq!(queue["authentication"]["state"], "verified");
    assert_eq!(queue["queue"]["delivered"], 1);
    assert_eq!(queue["queue"]["pending"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_key_the_plain_password_proves() {
    let world = World::started();
    let account = world.account("shop");
    let settings = Settings {
        login: Some(login(&account)),
        ..Settings::default()
    };
    let mut consumer = Consumer::start(settings).await.unwrap();
    let endpoint = world.endpoint(&account, &consumer.url(), &json!({"send_key": false}));
    let id = world
        .send(&account, &json!({"type": "generic", "data": "x"}))
        .remove(0);
    let proof = next(&mut consumer).await;
    assert_eq!(proof.asked, Asked::Authenticate { key: None });
    assert_eq!(ids(&next(&mut consumer).await), [id.as_str()]);
    world.until(&account, &id, &endpoint, "delivered");
}

#[test]
fn a_wrong_password_opens_nothing_and_says_why() {
    let world = World::started();
    let account = world.account("shop");
    let wrong = Account {
        password: "another-password".into(),
        ..account.clone()
    };
    let stub = Stub::start(&wrong, |_| Act::ok());
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    let id = world
        .send(&account, &json!({"type": "generic", "data": "x"}))
        .remove(0);
    let row = world.attempt(&account, &endpoint, "credentials");
    assert!(!row["hint"].as_str().unwrap().is_empty());
    eventually("it is asked again", || {
        (stub.authenticates() >= 2).then_some(())
    });
    assert_eq!(world.place(&account, &id, &endpoint)["state"], "queued");
    assert!(stub.deliveries().is_empty());
}

/// A passive consumer, its key, and what it must not get before it confirms.
struct Passive {
    world: World,
    account: Account,
    stub: Stub,
    endpoint: String,
    id: String,
}

impl Passive {
    fn start() -> Self {
        let world = World::started();
        let account = world.account("shop");
        let stub = Stub::raw(|_| Act::ok());
        let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
        let id = world
            .send(&account, &json!({"type": "generic", "data": "x"}))
            .remove(0);
        eventually("the passive answer is awaited on", || {
            let shown = world.get(&account, &format!("endpoints/{endpoint}"));
            (shown["authentication"]["state"] == "awaiting_confirmation").then_some(())
        });
        assert!(
            stub.deliveries().is_empty(),
            "nothing before it is confirmed"
        );
        Self {
            world,
            account,
            stub,
            endpoint,
            id,
        }
    }

    fn key(&self) -> String {
        self.stub.requests()[0].json["key"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    fn confirm(&self, credentials: &[(&str, &str)], more: &[(&str, &str)]) -> (u16, String) {
        let command = [("ai_command", "authenticate_notifications")];
        let answer = self.world.service(&[&command, credentials, more].concat());
        (answer.status, answer.text)
    }

    fn is_delivered(&self) {
        self.world
            .until(&self.account, &self.id, &self.endpoint, "delivered");
        assert_eq!(self.stub.deliveries()[0].ids(), [self.id.as_str()]);
    }
}

#[test]
fn a_passive_consumer_confirms_with_login_and_password_and_key() {
    let passive = Passive::start();
    let (login, password) = (
        passive.account.login.clone(),
        passive.account.password.clone(),
    );
    let (_, text) = passive.confirm(
        &[("ai_login_id", &login), ("ai_login_password", "wrong-one")],
        &[],
    );
    assert!(text.starts_with("status=1&"), "{text}");
    let key = passive.key();
    let credentials = [
        ("ai_login_id", login.as_str()),
        ("ai_login_password", &password),
    ];
    let (_, text) = passive.confirm(&credentials, &[("key", &"0".repeat(32))]);
    assert!(
        !text.contains("endpoints=1"),
        "a key that was not sent opens nothing: {text}"
    );
    assert!(passive.stub.deliveries().is_empty());
    let (status, text) = passive.confirm(&credentials, &[("key", &key)]);
    assert_eq!(
        (status, text.as_str()),
        (200, "status=0&status_message=Success&endpoints=1")
    );
    passive.is_delivered();
}

#[test]
fn a_passive_consumer_confirms_without_a_key() {
    let passive = Passive::start();
    let (login, password) = (
        passive.account.login.clone(),
        passive.account.password.clone(),
    );
    let (status, text) = passive.confirm(
        &[("ai_login_id", &login), ("ai_login_password", &password)],
        &[],
    );
    assert_eq!(
        (status, text.as_str()),
        (200, "status=0&status_message=Success&endpoints=1")
    );
    passive.is_delivered();
}

#[test]
fn a_passive_consumer_confirms_with_a_site_token() {
    for with_key in [true, false] {
        let passive = Passive::start();
        let now = Clock::system().now();
        let token = sitecom_token::make(&passive.account.login, &passive.account.comm_key, now);
        let key = passive.key();
        let more: &[(&str, &str)] = if with_key { &[("key", &key)] } else { &[] };
        let (status, text) = passive.confirm(&[("ai_sitecom_token", &token)], more);
        assert_eq!(
            (status, text.as_str()),
            (200, "status=0&status_message=Success&endpoints=1")
        );
        passive.is_delivered();
    }
}

#[test]
fn a_401_leads_to_another_proof_and_then_to_the_same_batch() {
    let world = World::started();
    let account = world.account("shop");
    let locked = AtomicBool::new(true);
    let stub = Stub::start(&account, move |_: &Request| {
        if locked.swap(false, Ordering::SeqCst) {
            Act::text(401, "", "")
        } else {
            Act::ok()
        }
    });
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    let id = world
        .send(&account, &json!({"type": "generic", "data": "x"}))
        .remove(0);
    world.until(&account, &id, &endpoint, "delivered");
    let asked: Vec<Value> = stub
        .requests()
        .iter()
        .map(|it| it.json["request"].clone())
        .collect();
    assert_eq!(
        asked,
        ["authenticate", "delivery", "authenticate", "delivery"]
    );
    let batches: Vec<_> = stub
        .deliveries()
        .iter()
        .map(|it| it.json["batch_id"].clone())
        .collect();
    assert_eq!(batches[0], batches[1]);
}

#[test]
fn an_ordered_proof_comes_before_what_is_sent_next() {
    let world = World::started();
    let account = world.account("shop");
    let stub = Stub::start(&account, |_| Act::ok());
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    for data in ["first", "second"] {
        let message = json!({"type": "generic", "data": data});
        let id = world.send(&account, &message).remove(0);
        world.until(&account, &id, &endpoint, "delivered");
        world.order(&account, &endpoint, "verify");
    }
    let requests = stub.requests();
    let asked: Vec<_> = requests[..4]
        .iter()
        .map(|it| it.json["request"].clone())
        .collect();
    assert_eq!(
        asked,
        ["authenticate", "delivery", "authenticate", "delivery"]
    );
    assert_ne!(
        requests[0].json["key"], requests[2].json["key"],
        "every key is fresh"
    );
}
