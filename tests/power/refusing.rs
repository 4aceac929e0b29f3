//! The real daemon on a disk that refuses for a while: read-only under load, no sync succeeds, or
//! one write or one sync fails. New work is refused whole, what was acknowledged is delivered once, and the
//! daemon goes on by itself.
//!
//! Owns the load, which is refused and comes back, and what must hold at the end.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};

use crate::disk::{Fault, Often};
use crate::mounted::Mounted;
use crate::stub::{Act, Request, Stub};
use crate::world::{Account, World, eventually, exchange};

const CALLERS: usize = 3;
/// Messages of a request.
const PARTS: usize = 3;

/// How much was answered, and whether that is enough.
#[derive(Default)]
struct Counts {
    accepted: AtomicUsize,
    refused: AtomicUsize,
    over: AtomicBool,
}

impl Counts {
    /// Waits for so many more.
    fn more(&self, what: &str, which: impl Fn(&Self) -> &AtomicUsize, count: usize) {
        let wanted = which(self).load(Ordering::SeqCst) + count;
        eventually(what, || {
            (which(self).load(Ordering::SeqCst) >= wanted).then_some(())
        });
    }

    fn more_accepted(&self, count: usize) {
        self.more("work is accepted", |it| &it.accepted, count);
    }

    fn more_refused(&self, count: usize) {
        self.more("work is refused", |it| &it.refused, count);
    }
}

/// What one caller sent.
#[derive(Default)]
struct Sent {
    /// Id → data.
    accepted: BTreeMap<String, String>,
    /// The data of each refused request.
    refused: Vec<Vec<String>>,
}

/// Sends until it is over; a caller that is refused comes back in a moment.
fn call(address: SocketAddr, key: &str, name: usize, counts: &Counts) -> Sent {
    let headers = format!("Authorization: Bearer {key}\r\n");
    let mut sent = Sent::default();
    for request in 0.. {
        if counts.over.load(Ordering::SeqCst) {
            break;
        }
        let padding = "x".repeat(700);
        let data: Vec<String> = (0..PARTS)
            .map(|part| format!("{name} {request} {part} {padding}"))
            .collect();
        let messages: Vec<Value> = data
            .iter()
            .map(|data| json!({"type": "generic", "data": data}))
            .collect();
        let body = json!(messages).to_string();
        let stream = TcpStream::connect(address).unwrap();
        let answer = exchange(stream, "POST", "/relay/v1/messages", &headers, &body).unwrap();
        if answer.status == 202 {
            let ids = answer.json["ids"].as_array().unwrap().iter();
            let ids = ids.map(|id| id.as_str().unwrap().to_owned());
            sent.accepted.extend(ids.zip(data));
            counts.accepted.fetch_add(1, Ordering::SeqCst);
        } else {
            assert_eq!(answer.status, 503, "{}", answer.text);
            let code = &answer.json["error"]["code"];
            assert_eq!(code, "UNAVAILABLE", "{}", answer.text);
            let head = answer.head.to_ascii_lowercase();
            assert!(head.contains("retry-after: 5"), "{head}");
            sent.refused.push(data);
            counts.refused.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(10));
        }
    }
    sent
}

/// A daemon on a disk of its own, under load.
struct Scene {
    // Dropped in this order: the daemon goes before its disk.
    world: World,
    mounted: Mounted,
    account: Account,
    counts: Arc<Counts>,
    callers: Vec<JoinHandle<Sent>>,
}

impl Scene {
    fn new() -> Self {
        let mounted = Mounted::empty().unwrap();
        let mut world = World::new();
        world.set("STORE__PATH", &mounted.data().display().to_string());
        world.start();
        let account = world.account("shop");
        Self {
            world,
            mounted,
            account,
            counts: Arc::default(),
            callers: Vec::new(),
        }
    }

    fn load(&mut self) {
        let callers = (0..CALLERS).map(|name| {
            let (address, key) = (self.world.address, self.account.key.clone());
            let counts = self.counts.clone();
            thread::spawn(move || call(address, &key, name, &counts))
        });
        self.callers = callers.collect();
        self.counts.more_accepted(30);
    }

    /// Ends the load, and holds at each endpoint: what was accepted came once, of what was refused
    /// all or nothing (its caller could not be told better), and the figures agree, also after a
    /// restart and by `store verify`.
    fn ends_whole(mut self, endpoints: &[(&str, &Stub)]) {
        self.counts.over.store(true, Ordering::SeqCst);
        let sent = self.callers.drain(..).map(|caller| caller.join().unwrap());
        let sent: Vec<Sent> = sent.collect();
        for (endpoint, stub) in endpoints {
            eventually("what was accepted came", || {
                let came = came(stub);
                let mut accepted = sent.iter().flat_map(|sent| &sent.accepted);
                accepted
                    .all(|(id, data)| came.get(id) == Some(data))
                    .then_some(())
            });
            // The last requests were accepted, so that nothing in the log is behind them.
            let queue = self.settled(endpoint);
            let came = came(stub);
            assert_eq!(queue["delivered"], came.len());
            for sent in &sent {
                for data in &sent.refused {
                    let stands = data
                        .iter()
                        .filter(|it| came.values().any(|data| data == *it));
                    let count = stands.count();
                    assert!(count == 0 || count == PARTS, "{count} of a refused request");
                }
            }
        }
        let queues = |scene: &Self| -> Vec<Value> {
            let names = endpoints.iter().map(|(endpoint, _)| endpoint);
            names.map(|endpoint| scene.settled(endpoint)).collect()
        };
        let before = queues(&self);
        self.world.restart();
        assert_eq!(queues(&self), before);
        self.world.stop();
        self.world.verify(&self.mounted.data());
    }

    /// The queue's figures when nothing is left in it.
    fn settled(&self, endpoint: &str) -> Value {
        eventually("nothing is pending", || {
            let path = format!("endpoints/{endpoint}");
            let queue = self.world.get(&self.account, &path)["queue"].clone();
            assert_eq!(queue["dead"], 0);
            (queue["pending"] == 0).then_some(queue)
        })
    }
}

/// What a consumer was sent: id → data. Nothing came twice, although its outcome could not be
/// stored at first.
fn came(stub: &Stub) -> BTreeMap<String, String> {
    let mut came = BTreeMap::new();
    for request in stub.deliveries() {
        for (id, data) in request.ids().into_iter().zip(request.texts()) {
            let before = came.insert(id.clone(), data);
            assert_eq!(before, None, "{id} came twice");
        }
    }
    came
}

pub fn read_only_under_load() {
    let mut scene = Scene::new();
    let stub = Stub::start(&scene.account, |_| Act::ok());
    let open = Arc::new(AtomicBool::new(false));
    let gate = open.clone();
    let slow = Stub::start(&scene.account, move |_: &Request| {
        eventually("the gate opens", || {
            gate.load(Ordering::SeqCst).then_some(())
        });
        Act::ok()
    });
    let endpoint = |stub: &Stub| {
        let settings = json!({"max_messages": 1000});
        scene.world.endpoint(&scene.account, &stub.url(), &settings)
    };
    let (first, second) = (endpoint(&stub), endpoint(&slow));
    scene.load();
    slow.wait_for(1);

    scene.mounted.disk().set_read_only(true);
    scene.counts.more_refused(CALLERS * 3);
    let accepted = scene.counts.accepted.load(Ordering::SeqCst);
    // A consumer that confirms now is believed, and not asked again later.
    open.store(true, Ordering::SeqCst);
    eventually("the outcome is held", || {
        let lines = scene.world.lines();
        let held = |line: &Value| line["endpoint"] == second && says_held(line);
        lines.iter().any(held).then_some(())
    });
    scene.counts.more_refused(CALLERS * 3);
    let now = scene.counts.accepted.load(Ordering::SeqCst);
    assert_eq!(now, accepted, "nothing can be made durable");

    scene.mounted.disk().set_read_only(false);
    scene.counts.more_accepted(CALLERS * 10);
    scene.ends_whole(&[(&first, &stub), (&second, &slow)]);
}

pub fn no_sync_under_load() {
    let mut scene = Scene::new();
    let stub = Stub::start(&scene.account, |_| Act::ok());
    let endpoint = scene
        .world
        .endpoint(&scene.account, &stub.url(), &json!({}));
    scene.load();
    scene.mounted.disk().fail(Fault::Sync, Often::UntilHealed);
    scene.counts.more_refused(CALLERS * 3);
    let accepted = scene.counts.accepted.load(Ordering::SeqCst);
    scene.counts.more_refused(CALLERS * 3);
    let now = scene.counts.accepted.load(Ordering::SeqCst);
    assert_eq!(now, accepted, "nothing can be made durable");
    scene.mounted.disk().heal();
    scene.counts.more_accepted(CALLERS * 10);
    scene.ends_whole(&[(&endpoint, &stub)]);
}

fn says_held(line: &Value) -> bool {
    let message = line["message"].as_str().unwrap_or_default();
    message.starts_with("an outcome is not stored yet")
}

pub fn one_failure_under_load() {
    let mut scene = Scene::new();
    let stub = Stub::start(&scene.account, |_| Act::ok());
    let endpoint = scene
        .world
        .endpoint(&scene.account, &stub.url(), &json!({}));
    scene.load();
    for fault in [Fault::Write, Fault::Sync, Fault::Sync, Fault::Write] {
        scene.mounted.disk().fail(fault, Often::Once);
        eventually("it fails", || {
            (!scene.mounted.disk().is_to_fail()).then_some(())
        });
        scene.counts.more_accepted(CALLERS * 10);
    }
    scene.ends_whole(&[(&endpoint, &stub)]);
}
