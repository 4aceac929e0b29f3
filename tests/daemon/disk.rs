//! A disk without room: new work is refused whole, nothing that was accepted is lost, delivery
//! goes on, and everything resumes by itself when there is room again.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::stub::{Act, Request, Stub};
use crate::world::{Account, World, eventually};

/// The ballast of 64 MiB, the database, and some room that the test takes away.
const SIZE: &str = "size=160m";

/// A small file system of its own, gone at the end.
struct Small {
    folder: tempfile::TempDir,
}

impl Small {
    /// None where this process may not mount; in CI that fails, so that it is noticed.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "tmpfs"])
            .arg(folder.path())
            .output();
        let refused = match mount {
            Ok(output) if output.status.success() => return Some(Self { folder }),
            Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        let in_ci = std::env::var("CI").is_ok_and(|ci| ci == "true");
        assert!(!in_ci, "no file system can be mounted: {refused}");
        eprintln!("NOT TESTED, because no file system can be mounted (it takes root): {refused}");
        None
    }

    fn filler(&self) -> PathBuf {
        self.folder.path().join("filler")
    }

    /// Takes every byte that is free.
    fn fill(&self) {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(self.filler())
            .unwrap();
        for size in [1 << 20, 4096, 1] {
            let chunk = vec![7; size];
            while file.write_all(&chunk).is_ok() {}
        }
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: a daemon that was just killed may hold it for a moment.
        let unmounted = Command::new("umount")
            .arg("--lazy")
            .arg(self.folder.path())
            .status();
        assert!(unmounted.is_ok_and(|status| status.success()));
    }
}

/// What was sent, and what became of it.
#[derive(Default)]
struct Sent {
    /// Message ids.
    accepted: Vec<String>,
    /// Texts of the messages of each refused request.
    refused: Vec<Vec<String>>,
    requests: usize,
}

impl Sent {
    /// One request with three messages of 20 kB together. True when it was accepted.
    fn send(&mut self, world: &World, account: &Account) -> bool {
        self.requests += 1;
        let padding = "x".repeat(7000);
        let texts: Vec<String> = (0..3)
            .map(|part| format!("{}-{part}-{padding}", self.requests))
            .collect();
        let message = |text: &String| json!({"type": "generic", "data": text});
        let messages: Vec<Value> = texts.iter().map(message).collect();
        let answer = world.call(account, "POST", "messages", &json!(messages));
        if answer.status == 202 {
            let ids = answer.json["ids"].as_array().unwrap().iter();
            self.accepted
                .extend(ids.map(|id| id.as_str().unwrap().to_owned()));
            return true;
        }
        assert_eq!(answer.status, 503, "{}", answer.text);
        assert_eq!(
            answer.json["error"]["code"], "UNAVAILABLE",
            "{}",
            answer.text
        );
        let head = answer.head.to_ascii_lowercase();
        assert!(head.contains("retry-after: 5"), "{head}");
        self.cause_is_told(world, &head);
        self.refused.push(texts);
        false
    }

    /// The log has the cause under the id of the answer. Repetitions are told together, so only
    /// the first refusal is looked for.
    fn cause_is_told(&self, world: &World, head: &str) {
        if !self.refused.is_empty() {
            return;
        }
        let id = head
            .lines()
            .find_map(|line| line.strip_prefix("x-request-id: "))
            .unwrap();
        let cause = world
            .lines()
            .into_iter()
            .find(|line| line["message"] == "refused for now" && line["span"]["request"] == id);
        let cause = cause.unwrap_or_else(|| panic!("no cause under {id}"));
        assert!(cause["error"].is_string(), "{cause}");
    }
}

fn says(world: &World, text: &str) -> bool {
    let lines = world.lines();
    let mut messages = lines.iter().filter_map(|line| line["message"].as_str());
    messages.any(|message| message.contains(text))
}

#[test]
fn a_full_disk_refuses_new_work_whole_and_loses_nothing() {
    let Some(small) = Small::mount() else { return };
    let mut world = World::new();
    let data = small.folder.path().join("data");
    world.set("STORE__PATH", data.to_str().unwrap());
    world.start();
    let account = world.account("shop");
    let stub = Stub::start(&account, |_| Act::ok());
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    world.order(&account, &endpoint, "hold");
    let mut sent = Sent::default();
    for _ in 0..10 {
        assert!(sent.send(&world, &account));
    }

    small.fill();
    // The database may have some room inside, but not for ever.
    eventually("new work is refused", || {
        (!sent.send(&world, &account)).then_some(())
    });
    eventually("the ballast is given up", || {
        says(&world, "the ballast is given up").then_some(())
    });
    assert!(!data.join("ballast").exists());
    for _ in 0..5 {
        assert!(!sent.send(&world, &account), "only outcomes are stored now");
    }

    // Orders and deliveries go on within the ballast's room.
    let before = sent.accepted.clone();
    eventually("the release is taken", || {
        let path = format!("endpoints/{endpoint}/release");
        let answer = world.call(&account, "POST", &path, &json!({}));
        (answer.status == 200).then_some(())
    });
    eventually("what was accepted is delivered", || {
        let ids: Vec<String> = stub.deliveries().iter().flat_map(Request::ids).collect();
        before.iter().all(|id| ids.contains(id)).then_some(())
    });
    assert!(!sent.send(&world, &account), "the disk is still full");

    fs::remove_file(small.filler()).unwrap();
    eventually("new work is accepted again", || {
        sent.send(&world, &account).then_some(())
    });
    assert!(says(&world, "the ballast is restored"));
    // Told by the consumer: under shortage the log keeps nothing that is settled everywhere.
    let settled = |world: &World| {
        eventually("nothing is pending", || {
            let queue = world.get(&account, &format!("endpoints/{endpoint}"))["queue"].clone();
            (queue["pending"] == 0).then_some(queue)
        })
    };
    let queue = settled(&world);
    assert_eq!(queue["dead"], 0);
    came_whole(&stub, &sent);
    world.restart();
    let after = settled(&world);
    assert_eq!(after["cursor"], queue["cursor"]);
    assert_eq!(after["delivered"], queue["delivered"]);
    world.stop();
    world.verify(&data);
}

/// Every accepted message came. Of a refused request either everything stands (its caller could
/// not be told better) or nothing.
fn came_whole(stub: &Stub, sent: &Sent) {
    let deliveries = stub.deliveries();
    let ids: BTreeSet<String> = deliveries.iter().flat_map(Request::ids).collect();
    for id in &sent.accepted {
        assert!(ids.contains(id), "{id} was accepted and never came");
    }
    let texts: BTreeSet<String> = deliveries.iter().flat_map(Request::texts).collect();
    for refused in &sent.refused {
        let came = refused.iter().filter(|text| texts.contains(*text)).count();
        assert!(
            came == 0 || came == refused.len(),
            "{came} of {}",
            refused.len()
        );
    }
}
