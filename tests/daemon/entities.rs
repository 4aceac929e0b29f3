//! A record and its notification are one commit: over kills at random moments there is never one
//! without the other, and of a batch that a kill cut short the first items stand and the rest
//! never happened.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::stub::{Act, Stub};
use crate::world::{Account, World, eventually, exchange};

const ROUNDS: usize = 4;
const CALLERS: usize = 3;
/// Items of a batch.
const ITEMS: usize = 20;

/// What the consumer was told of leads: external id → (message id, lead id).
type Told = Arc<Mutex<BTreeMap<String, BTreeSet<(String, u64)>>>>;

fn consumer(account: &Account) -> (Stub, Told) {
    let told = Told::default();
    let known = told.clone();
    let stub = Stub::start(account, move |request| {
        let messages = request.json["messages"].as_array().cloned();
        for message in messages.unwrap_or_default() {
            if message["type"] == "new_lead" {
                let data = &message["data"];
                let external_id = data["external_id"].as_str().unwrap().to_owned();
                let id = message["id"].as_str().unwrap().to_owned();
                let lead = data["lead_id"].as_u64().unwrap();
                let mut told = known.lock().unwrap();
                told.entry(external_id).or_default().insert((id, lead));
            }
        }
        Act::ok()
    });
    (stub, told)
}

/// Answer pairs of a command, or nothing when the daemon is gone.
fn call(address: SocketAddr, pairs: &[(&str, &str)]) -> Option<BTreeMap<String, String>> {
    let body: String = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    let stream = TcpStream::connect(address).ok()?;
    let answer = exchange(stream, "POST", "/service", "", &body).ok()?;
    (answer.status == 200).then(|| {
        form_urlencoded::parse(answer.text.as_bytes())
            .into_owned()
            .collect()
    })
}

/// One attempt: the external ids of its leads, in order, and the lead ids that were acknowledged.
struct Attempt {
    names: Vec<String>,
    leads: Vec<u64>,
}

/// Creates leads, single and in batches, until the daemon is gone.
fn load(address: SocketAddr, credentials: &[(&str, &str)], name: &str) -> Vec<Attempt> {
    let mut attempts = Vec::new();
    for request in 0.. {
        let several = request % 3 == 2;
        let count = if several { ITEMS } else { 1 };
        let names: Vec<String> = (0..count)
            .map(|item| format!("{name}-{request}-{item}"))
            .collect();
        let items: Vec<Value> = names
            .iter()
            .map(|name| {
                json!({"ai_command": "create_lead", "external_id": name, "first_name": "Jane",
                       "email": format!("{name}@example.com"), "note": "called"})
            })
            .collect();
        let json = json!(items).to_string();
        let email = format!("{name}-{request}@example.com");
        let mut pairs = credentials.to_vec();
        if several {
            pairs.extend([("ai_command", "batch"), ("json", json.as_str())]);
        } else {
            pairs.extend([
                ("ai_command", "create_lead"),
                ("external_id", names[0].as_str()),
                ("email", email.as_str()),
            ]);
        }
        let answer = call(address, &pairs);
        let leads = answer.as_ref().map_or_else(Vec::new, |answer| {
            assert_eq!(answer["status"], "0", "{answer:?}");
            if let Some(id) = answer.get("lead_id") {
                return vec![id.parse().unwrap()];
            }
            let items: Vec<Value> = serde_json::from_str(&answer["response"]).unwrap();
            let id = |item: &Value| item["lead_id"].as_u64().unwrap();
            items.iter().map(id).collect()
        });
        attempts.push(Attempt { names, leads });
        if answer.is_none() {
            break;
        }
    }
    attempts
}

fn is_drained(world: &World, account: &Account, endpoint: &str) -> bool {
    let queue = world.get(account, &format!("endpoints/{endpoint}"))["queue"].clone();
    queue["pending"] == 0
}

#[test]
fn a_record_and_its_notification_stand_or_fall_together() {
    let mut world = World::started();
    let account = world.account("shop");
    let credentials = [
        ("ai_login_id", account.login.as_str()),
        ("ai_login_password", account.password.as_str()),
    ];
    let (stub, told) = consumer(&account);
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    let mut attempts = Vec::new();
    for round in 0..ROUNDS {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let address = world.address;
                let credentials = credentials.map(|(name, value)| (name, value.to_owned()));
                thread::spawn(move || {
                    let credentials: Vec<(&str, &str)> = credentials
                        .iter()
                        .map(|(name, value)| (*name, value.as_str()))
                        .collect();
                    load(address, &credentials, &format!("{round}-{caller}"))
                })
            })
            .collect();
        // The moment is random; nothing is waited for.
        thread::sleep(Duration::from_millis(fastrand::u64(50..500)));
        world.kill();
        for caller in callers {
            attempts.extend(caller.join().unwrap());
        }
        world.start();
    }
    // A message behind all others: when it has arrived, so has everything before it.
    let last = [
        &credentials[..],
        &[("ai_command", "create_lead"), ("external_id", "last")],
    ]
    .concat();
    call(world.address, &last).unwrap();
    eventually("the last lead to be told", || {
        let is_told = told.lock().unwrap().contains_key("last");
        (is_told && is_drained(&world, &account, &endpoint)).then_some(())
    });
    let before = told.lock().unwrap().clone();
    let mut fresh = BTreeSet::new();
    for attempt in &attempts {
        let stands: Vec<bool> = attempt
            .names
            .iter()
            .map(|name| before.contains_key(name))
            .collect();
        assert!(
            stands.windows(2).all(|pair| pair[0] || !pair[1]),
            "an item stands behind one that does not: {:?} {stands:?}",
            attempt.names
        );
        for (name, lead) in attempt.names.iter().zip(&attempt.leads) {
            let ids = &before[name];
            assert!(ids.iter().all(|(_, told)| told == lead), "{name}: {ids:?}");
        }
        for name in &attempt.names {
            // A known external id gives the lead that is there.
            let probe = [
                &credentials[..],
                &[("ai_command", "create_lead"), ("external_id", name)],
            ]
            .concat();
            let lead: u64 = call(world.address, &probe).unwrap()["lead_id"]
                .parse()
                .unwrap();
            match before.get(name) {
                Some(ids) => {
                    assert_eq!(ids.len(), 1, "{name} was told under several ids: {ids:?}");
                    assert!(
                        ids.iter().all(|(_, told)| *told == lead),
                        "{name} was told, not kept"
                    );
                }
                // Told only now, so it was not there before either.
                None => drop(fresh.insert((name.clone(), lead))),
            }
        }
    }
    assert!(
        before.len() > ROUNDS * CALLERS,
        "there was load: {}",
        before.len()
    );
    eventually("the leads that were created last to be told", || {
        let told = told.lock().unwrap();
        let all = fresh.iter().all(|(name, lead)| {
            let ids = told.get(name);
            ids.is_some_and(|ids| ids.iter().any(|(_, told)| told == lead))
        });
        all.then_some(())
    });
}
