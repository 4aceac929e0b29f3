//! `kill -9` at random moments under load, against a ledger of what was acknowledged and what the
//! consumers confirmed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use hookrelay::id::{MessageId, Seq};
use serde_json::{Value, json};

use crate::stub::{Act, Stub};
use crate::world::{Account, PATIENCE, World, exchange};

const ROUNDS: usize = 5;
const CALLERS: usize = 4;

/// A random moment of less than so many milliseconds.
fn moment(below: u64) -> Duration {
    Duration::from_millis(fastrand::u64(..below))
}

/// One delivery as the consumer answered it.
struct Seen {
    ids: Vec<String>,
    data: Vec<String>,
    batch: String,
    confirmed: bool,
}

/// A consumer that refuses one delivery in eight, and writes down every one.
fn consumer(account: &Account) -> (Stub, Arc<Mutex<Vec<Seen>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let known = seen.clone();
    let stub = Stub::start(account, move |request| {
        let confirmed = fastrand::u8(..8) != 0;
        known.lock().unwrap().push(Seen {
            ids: request.ids(),
            data: request.texts(),
            batch: request.json["batch_id"].as_str().unwrap().to_owned(),
            confirmed,
        });
        if confirmed { Act::ok() } else { Act::refuse() }
    });
    (stub, seen)
}

/// Sends singles and arrays until the daemon is gone. Gives what was acknowledged: data → id.
fn load(address: SocketAddr, key: &str, name: &str) -> BTreeMap<String, String> {
    let mut acknowledged = BTreeMap::new();
    let headers = format!("Authorization: Bearer {key}\r\n");
    for request in 0.. {
        let count = if request % 2 == 0 {
            1
        } else {
            fastrand::usize(2..10)
        };
        let data: Vec<String> = (0..count)
            .map(|n| format!("{name} {request} {n}"))
            .collect();
        let mut messages: Vec<Value> = data
            .iter()
            .map(|data| json!({"type": "generic", "data": data}))
            .collect();
        let body = if count == 1 {
            messages.remove(0)
        } else {
            json!(messages)
        };
        let answer = TcpStream::connect(address).and_then(|stream| {
            exchange(
                stream,
                "POST",
                "/relay/v1/messages",
                &headers,
                &body.to_string(),
            )
        });
        let Ok(answer) = answer else { break };
        if answer.status != 202 {
            break;
        }
        // An answer that was cut off acknowledges nothing.
        let Some(ids) = answer.json["ids"].as_array() else {
            break;
        };
        assert_eq!(ids.len(), count);
        let ids = ids.iter().map(|id| id.as_str().unwrap().to_owned());
        acknowledged.extend(data.into_iter().zip(ids));
    }
    acknowledged
}

fn seq(id: &str) -> Seq {
    id.parse::<MessageId>().unwrap().seq()
}

/// What the consumer saw against what was acknowledged.
fn check(seen: &[Seen], acknowledged: &BTreeMap<String, String>) {
    let mut ids_of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut content: BTreeMap<&str, &[String]> = BTreeMap::new();
    for delivery in seen {
        for (data, id) in delivery.data.iter().zip(&delivery.ids) {
            ids_of.entry(data).or_default().insert(id);
        }
        let first = content.entry(&delivery.batch).or_insert(&delivery.ids);
        assert_eq!(*first, delivery.ids, "a batch id names one content");
    }
    for (data, ids) in &ids_of {
        assert_eq!(ids.len(), 1, "{data} came under several ids: {ids:?}");
        let told = acknowledged.get(*data).map(String::as_str);
        assert!(
            told.is_none_or(|told| ids.contains(told)),
            "{data}: {told:?} {ids:?}"
        );
    }
}

fn confirmed(seen: &[Seen]) -> BTreeSet<String> {
    let confirmed = seen.iter().filter(|delivery| delivery.confirmed);
    confirmed
        .flat_map(|delivery| delivery.ids.clone())
        .collect()
}

/// No request may begin behind a message that was not confirmed before it.
fn is_strictly_ordered(seen: &[Seen]) {
    let all: BTreeSet<Seq> = seen
        .iter()
        .flat_map(|it| it.ids.iter().map(|id| seq(id)))
        .collect();
    let all: Vec<Seq> = all.into_iter().collect();
    let mut settled = 0;
    for delivery in seen {
        let places: Vec<usize> = delivery
            .ids
            .iter()
            .map(|id| all.binary_search(&seq(id)).unwrap())
            .collect();
        assert!(
            places.windows(2).all(|pair| pair[0] + 1 == pair[1]),
            "{:?}",
            delivery.ids
        );
        assert!(
            places[0] <= settled,
            "{} came before its turn",
            delivery.ids[0]
        );
        if delivery.confirmed {
            settled = settled.max(places[places.len() - 1] + 1);
        }
    }
    assert_eq!(settled, all.len());
}

/// Waits until the consumer confirmed everything that was acknowledged, and the relay counted
/// exactly what the consumer saw. Gives what it saw, which stays so while it is held.
fn settled<'a>(
    world: &World,
    account: &Account,
    endpoint: &str,
    seen: &'a Mutex<Vec<Seen>>,
    acknowledged: &BTreeMap<String, String>,
) -> MutexGuard<'a, Vec<Seen>> {
    let began = Instant::now();
    loop {
        {
            let held = seen.lock().unwrap();
            let confirmed = confirmed(&held);
            let lost = acknowledged.iter().find(|(_, id)| !confirmed.contains(*id));
            let queue = world.get(account, &format!("endpoints/{endpoint}"))["queue"].clone();
            let all: BTreeSet<&String> = held.iter().flat_map(|it| &it.ids).collect();
            if lost.is_none() && queue["pending"] == 0 && queue["delivered"] == all.len() {
                return held;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "lost: {lost:?}; {} seen; {queue}",
                all.len()
            );
        }
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn nothing_acknowledged_is_lost_over_kills_under_load() {
    let mut world = World::new();
    for _ in 0..ROUNDS {
        // Into the making of the data directory.
        world.start_and_kill(moment(60));
    }
    world.start();
    let account = world.account("shop");
    let (relaxed, relaxed_seen) = consumer(&account);
    let (strict, strict_seen) = consumer(&account);
    let endpoints = [
        world.endpoint(&account, &relaxed.url(), &json!({"max_messages": 10})),
        world.endpoint(
            &account,
            &strict.url(),
            &json!({"ordering": "strict", "max_messages": 10}),
        ),
    ];
    let mut acknowledged = BTreeMap::new();
    for round in 0..ROUNDS {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (address, key) = (world.address, account.key.clone());
                thread::spawn(move || load(address, &key, &format!("{round} {caller}")))
            })
            .collect();
        // The moment is random; nothing is waited for.
        thread::sleep(moment(600));
        world.kill();
        for caller in callers {
            acknowledged.extend(caller.join().unwrap());
        }
        // Once more in the middle of the recovery.
        world.start_and_kill(moment(80));
        world.start();
    }
    assert!(
        acknowledged.len() > ROUNDS * CALLERS,
        "there was load: {}",
        acknowledged.len()
    );

    for (endpoint, seen) in endpoints.iter().zip([&relaxed_seen, &strict_seen]) {
        // Right after a start the log's end is not read yet, so that nothing pending says little.
        let seen = settled(&world, &account, endpoint, seen, &acknowledged);
        check(&seen, &acknowledged);
        let shown = world.get(&account, &format!("endpoints/{endpoint}"));
        assert_eq!(shown["queue"]["dead"], 0);
    }
    is_strictly_ordered(&strict_seen.lock().unwrap());
}
