//! A wall clock that is set: by days, forward and back, under a daemon that waits. Nothing is lost
//! or expires by it, nothing storms, nothing stalls.
//!
//! The daemon is given its wall clock by libfaketime, which leaves the monotonic clock alone, as
//! the kernel does when somebody sets the time.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stub::{Act, Request, Stub};
use crate::world::{Account, World, eventually};

/// The shortest wait before a batch is tried again, and what is left of it after rounding.
const WAIT: &str = "200 ms";
const AT_LEAST: Duration = Duration::from_millis(150);

/// Where Debian and others put it. None where it is not installed; in CI that fails, so that it is
/// noticed.
fn library() -> Option<PathBuf> {
    let name = Path::new("faketime/libfaketime.so.1");
    let roots = ["/usr/lib", "/usr/lib64", "/usr/local/lib"].map(PathBuf::from);
    let below = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let folders = roots.into_iter().chain(below.map(|entry| entry.path()));
    let found = folders
        .map(|folder| folder.join(name))
        .find(|path| path.exists());
    let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(found.is_some() || !in_ci, "libfaketime is not installed");
    if found.is_none() {
        eprintln!("NOT TESTED, because libfaketime is not installed");
    }
    found
}

/// A daemon with a wall clock of its own.
struct Scene {
    world: World,
    account: Account,
}

impl Scene {
    fn start(library: &Path) -> Self {
        let mut world = World::new();
        let path = |name: &str| world.folder.path().join(name).display().to_string();
        let time = path("time");
        world.set("LD_PRELOAD", &library.display().to_string());
        world.set("FAKETIME_TIMESTAMP_FILE", &time);
        world.set("FAKETIME_NO_CACHE", "1");
        world.set("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        world.set("RETRY__INITIAL", WAIT);
        world.set("RETRY__MAX_INTERVAL", "400 ms");
        world.set("DELIVERY__DEADLINE", "5 m");
        put(&world, 0);
        world.start();
        let account = world.account("shop");
        Self { world, account }
    }

    /// Sets the wall clock so many days away from the true time, and waits until that is noticed.
    fn set(&self, days: i64) {
        let steps = || {
            let lines = self.world.lines();
            let stepped = |line: &&Value| {
                let message = line["message"].as_str().unwrap_or_default();
                message.starts_with("the wall clock was stepped")
            };
            lines.iter().filter(stepped).count()
        };
        let before = steps();
        put(&self.world, days * 24 * 3600);
        eventually("the step is noticed", || {
            // A relay that rests looks every half minute; a question makes it look now.
            self.world.get(&self.account, "endpoints");
            (steps() > before).then_some(())
        });
    }

    /// Accepted messages of a request each.
    fn send(&self, count: usize) -> Vec<String> {
        let message = json!({"type": "generic", "data": "x"});
        let sent = (0..count).flat_map(|_| self.world.send(&self.account, &message));
        sent.collect()
    }

    fn endpoint(&self, stub: &Stub) -> String {
        let settings = json!({"max_messages": 1});
        self.world.endpoint(&self.account, &stub.url(), &settings)
    }

    fn queue(&self, endpoint: &str) -> Value {
        let path = format!("endpoints/{endpoint}");
        self.world.get(&self.account, &path)["queue"].clone()
    }

    fn delivered(&self, endpoint: &str, ids: &[String]) {
        for id in ids {
            self.world.until(&self.account, id, endpoint, "delivered");
        }
        assert_eq!(self.queue(endpoint)["dead"], 0);
    }
}

/// In one step, because the daemon reads it at any moment.
fn put(world: &World, seconds: i64) {
    let new = world.folder.path().join("time.new");
    fs::write(&new, format!("{seconds:+}\n")).unwrap();
    fs::rename(new, world.folder.path().join("time")).unwrap();
}

/// No batch came again before its wait was over.
fn no_storm(stub: &Stub) {
    let mut last: BTreeMap<String, Instant> = BTreeMap::new();
    for request in stub.deliveries() {
        let batch = request.json["batch_id"].as_str().unwrap().to_owned();
        if let Some(before) = last.insert(batch, request.at) {
            assert!(request.at - before >= AT_LEAST, "{:?}", request.at - before);
        }
    }
}

/// Does nothing about a request until it is told to.
fn wait_for(told: &AtomicBool) {
    eventually("the consumer is told to go on", || {
        told.load(Ordering::SeqCst).then_some(())
    });
}

/// Confirms when it is `willing`, and until then does something else.
fn consumer(account: &Account, willing: &Arc<AtomicBool>, otherwise: fn() -> Act) -> Stub {
    let willing = willing.clone();
    Stub::start(account, move |_: &Request| {
        if willing.load(Ordering::SeqCst) {
            Act::ok()
        } else {
            otherwise()
        }
    })
}

#[test]
fn a_clock_that_is_set_by_days_neither_loses_nor_storms_nor_stalls() {
    let Some(library) = library() else { return };
    let scene = Scene::start(&library);
    let account = &scene.account;
    let (willing, awake) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
    let refuser = consumer(account, &willing, Act::refuse);
    let told = awake.clone();
    let sleeper = Stub::start(account, move |_: &Request| {
        wait_for(&told);
        Act::ok()
    });
    let (refusing, sleeping) = (scene.endpoint(&refuser), scene.endpoint(&sleeper));
    let mut ids = scene.send(5);
    sleeper.wait_for(1);
    refuser.wait_for(10);

    // Less than max_age in all: what fails meanwhile keeps waiting, and not for days.
    for days in [2, -1, 1] {
        scene.set(days);
        let more = refuser.deliveries().len() + 15;
        refuser.wait_for(more);
        ids.extend(scene.send(1));
    }
    eventually("all of them wait", || {
        (scene.queue(&refusing)["pending"] == ids.len()).then_some(())
    });
    assert_eq!(scene.queue(&refusing)["dead"], 0);
    no_storm(&refuser);
    willing.store(true, Ordering::SeqCst);
    scene.delivered(&refusing, &ids);

    // More than max_age: nothing has failed since, so nothing is too old.
    scene.set(9);
    ids.extend(scene.send(1));
    awake.store(true, Ordering::SeqCst);
    scene.delivered(&sleeping, &ids);

    // Back to the truth, with a suspended endpoint: it is probed all the same.
    let up = Arc::<AtomicBool>::default();
    let dead = consumer(account, &up, || Act::Close);
    let suspended = scene.endpoint(&dead);
    let late = scene.send(3);
    dead.wait_for(4);
    scene.set(0);
    up.store(true, Ordering::SeqCst);
    let after = scene.send(2);
    for endpoint in [&refusing, &sleeping, &suspended] {
        scene.delivered(endpoint, &late);
        scene.delivered(endpoint, &after);
    }
    ids.extend(late);
    ids.extend(after);
    ascend(&ids);
    no_storm(&refuser);
    for stub in [&refuser, &sleeper] {
        let came: Vec<String> = stub.deliveries().iter().flat_map(Request::ids).collect();
        assert!(ids.iter().all(|id| came.contains(id)));
    }
}

/// A relay with much to do is in the middle of something when the clock is set.
#[test]
fn a_clock_that_is_set_in_the_middle_of_work_stalls_nobody() {
    let Some(library) = library() else { return };
    let scene = Scene::start(&library);
    let refuser = Stub::start(&scene.account, |_| Act::refuse());
    for number in 0..60 {
        let url = format!("{}/{number}", refuser.url());
        scene.world.endpoint(&scene.account, &url, &json!({}));
    }
    scene.send(1);
    let counts = || {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for request in refuser.deliveries() {
            let path = request.head.split(' ').nth(1).unwrap();
            *counts.entry(path.to_owned()).or_default() += 1;
        }
        counts
    };
    eventually("everybody is tried", || {
        (counts().len() == 60).then_some(())
    });
    // A wait that moved along twice would be longer than the patience of this test.
    for step in 1..=20 {
        put(&scene.world, step * 150);
        let before = counts();
        eventually("everybody is tried again", || {
            let now = counts();
            let tried = before.iter().all(|(path, count)| now[path] > *count);
            tried.then_some(())
        });
    }
    no_storm(&refuser);
}

/// The ids of an account rise whatever the clock does.
fn ascend(ids: &[String]) {
    let ids = ids.iter().map(|id| id.parse().unwrap());
    let ids: Vec<hookrelay::id::MessageId> = ids.collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
}
