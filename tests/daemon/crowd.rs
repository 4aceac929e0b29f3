//! Many endpoints, of which every second one hangs: the others notice nothing, memory stays
//! bounded, and what hung is delivered when it wakes up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::stub::{Act, Request, Stub};
use crate::world::{Account, World, eventually};

/// Of each kind.
const COUNT: usize = 100;
const REQUESTS: usize = 20;
/// Messages of a request.
const PARTS: usize = 5;
/// Several times what it takes.
const MAX_MEMORY_MIB: usize = 256;

/// `COUNT` endpoints of a consumer that tells them apart by their path.
fn endpoints(world: &World, account: &Account, stub: &Stub) {
    for number in 0..COUNT {
        let url = format!("{}/{number}", stub.url());
        world.endpoint(account, &url, &json!({}));
    }
}

/// Messages by path.
fn came(stub: &Stub) -> BTreeMap<String, usize> {
    let mut came = BTreeMap::new();
    for request in stub.deliveries() {
        let path = request.head.split(' ').nth(1).unwrap().to_owned();
        *came.entry(path).or_default() += request.ids().len();
    }
    came
}

/// Waits until every endpoint of a consumer was sent everything, once.
fn complete(what: &str, stub: &Stub) {
    let wanted = REQUESTS * PARTS;
    eventually(what, || {
        let came = came(stub);
        let all = came.len() == COUNT && came.values().all(|count| *count >= wanted);
        all.then_some(())
    });
    assert!(came(stub).values().all(|count| *count == wanted));
}

/// Resident memory of the daemon.
fn memory(world: &World) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.unwrap().split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() / 1024
}

#[test]
fn a_hundred_hung_endpoints_hold_up_nobody_and_take_little_memory() {
    let mut world = World::new();
    world.set("DELIVERY__DEADLINE", "5 m");
    world.start();
    let account = world.account("shop");
    let healthy = Stub::start(&account, |_| Act::ok());
    let awake = Arc::<AtomicBool>::default();
    let told = awake.clone();
    let hung = Stub::start(&account, move |_: &Request| {
        eventually("the consumer wakes up", || {
            told.load(Ordering::SeqCst).then_some(())
        });
        Act::ok()
    });
    endpoints(&world, &account, &hung);
    endpoints(&world, &account, &healthy);
    let part = json!({"type": "generic", "data": "x".repeat(1000)});
    let request = json!(vec![part; PARTS]);
    world.send(&account, &request);
    // The healthy ones have their first messages as well by then, or get them now.
    hung.wait_for(COUNT);
    for _ in 1..REQUESTS {
        world.send(&account, &request);
    }
    complete("everything for the healthy ones", &healthy);
    let status = world.ask(&["status"]);
    assert_eq!(status["queue"]["in_flight"], COUNT, "all still hang");
    assert_eq!(hung.deliveries().len(), COUNT);
    let memory = memory(&world);
    println!("{memory} MiB resident beside {COUNT} hung endpoints");
    assert!(memory < MAX_MEMORY_MIB, "{memory} MiB");

    awake.store(true, Ordering::SeqCst);
    complete("everything for those that hung", &hung);
}
