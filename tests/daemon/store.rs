//! The commands for a closed store: what they find, what they refuse and what they change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use hookrelay::clock::Clock;
use hookrelay::id::{AccountId, EndpointId, Seq};
use hookrelay::store::sled::{Settings, SledStore};
use hookrelay::store::{Commit, Durability, Key, Store, Write, keys};
use serde_json::{Value, json};

use crate::stub::{Act, Stub};
use crate::world::{World, eventually};

/// A stopped daemon's directory: one endpoint has everything, and another one is on hold.
struct Left {
    world: World,
    account: AccountId,
    delivered: EndpointId,
    held: EndpointId,
}

fn left() -> Left {
    let mut world = World::started();
    let account = world.account("shop");
    let stub = Stub::start(&account, |_| Act::ok());
    let delivered = world.endpoint(&account, &stub.url(), &json!({}));
    let held = world.endpoint(&account, &stub.url(), &json!({}));
    world.order(&account, &held, "hold");
    let messages: Vec<Value> = (0..30)
        .map(|n| json!({"type": "generic", "data": format!("{n} {}", "x".repeat(600))}))
        .collect();
    let ids = world.send(&account, &json!(messages));
    for id in &ids {
        world.until(&account, id, &delivered, "delivered");
    }
    eventually("the counts are complete", || {
        let shown = world.get(&account, &format!("endpoints/{held}"));
        (shown["queue"]["pending"] == 30).then_some(())
    });
    world.stop();
    Left {
        account: account.id.parse().unwrap(),
        delivered: delivered.parse().unwrap(),
        held: held.parse().unwrap(),
        world,
    }
}

fn open(path: &Path) -> SledStore {
    let settings = Settings {
        ballast: 0,
        ..Settings::default()
    };
    SledStore::open(path, settings, Clock::system()).unwrap()
}

/// A copy of the directory in which something was changed behind the daemon's back.
fn planted<F, U>(left: &Left, name: &str, plant: F) -> PathBuf
where
    F: FnOnce(Arc<SledStore>) -> U,
    U: Future<Output = ()>,
{
    let to = left.world.folder.path().join(name);
    hookrelay::store::sled::copy(&left.world.folder.path().join("data"), &to, |_| {}).unwrap();
    let store = Arc::new(open(&to));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(plant(store.clone()));
    store.close();
    to
}

async fn write(store: &SledStore, writes: Vec<Write>) {
    let commit = Commit {
        accounts: Vec::new(),
        reads: Vec::new(),
        ranges: Vec::new(),
        present: Vec::new(),
        writes,
        appends: Vec::new(),
        durability: Durability::Durable,
        essential: true,
    };
    store.submit(commit).wait().await.unwrap();
}

fn verify(world: &World, path: &Path) -> (Option<i32>, Value) {
    let path = path.display().to_string();
    let output = world.cli(&["store", "verify", "--dir", &path, "--json"]);
    let found = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code(), found)
}

fn put(key: Key, value: impl Into<Bytes>) -> Write {
    Write::Put(key, value.into())
}

#[test]
fn every_planted_fault_is_named() {
    let left = left();
    let (account, delivered, held) = (left.account, left.delivered, left.held);
    let nobody = EndpointId::from_number(1);
    let cursor = keys::cursor(account, delivered);
    let block = Key::from_stored(format!("log/{account}/0000000000000001"));
    let plants: Vec<(&str, Vec<Write>, &str)> = vec![
        (
            "name",
            vec![Write::Delete(keys::account_name("shop"))],
            "needs account-name/",
        ),
        (
            "names",
            vec![put(keys::account_name("b"), json!(account).to_string())],
            "keys under account-name/",
        ),
        (
            "orphan",
            vec![put(keys::acked(account, nobody), "[[1,2]]")],
            "which is not there",
        ),
        (
            "decode",
            vec![put(keys::endpoint(account, held), "{}")],
            "does not decode",
        ),
        (
            "unknown",
            vec![put(Key::from_stored("novelty/1".into()), "")],
            "nothing of this name",
        ),
        ("block", vec![put(block.clone(), "rubbish")], "log/"),
        ("gap", vec![Write::Delete(block)], "it needs"),
        (
            "twice",
            vec![put(keys::acked(account, delivered), "[[1,2]]")],
            "are acknowledged above",
        ),
    ];
    for (name, writes, expected) in plants {
        let path = planted(
            &left,
            name,
            |store| async move { write(&store, writes).await },
        );
        let (code, found) = verify(&left.world, &path);
        let faults = found["faults"].to_string();
        assert_eq!(code, Some(1), "{name}: {found}");
        assert!(faults.contains(expected), "{name}: {faults}");
    }
    let path = planted(&left, "counters", |store| async move {
        let found = store.get(&cursor).await.unwrap().unwrap();
        let mut record: Value = serde_json::from_slice(&found.value).unwrap();
        record["delivered"] = json!(record["delivered"].as_u64().unwrap() - 1);
        write(&store, vec![put(cursor, record.to_string())]).await;
    });
    let (_, found) = verify(&left.world, &path);
    assert!(
        found["faults"].to_string().contains("accepted for it"),
        "{found}"
    );
    let path = planted(&left, "trimmed", |store| async move {
        store.trim_log(account, Seq(25)).await.unwrap();
    });
    let (_, found) = verify(&left.world, &path);
    assert!(found["faults"].to_string().contains("it needs"), "{found}");
}

#[test]
fn a_store_that_holds_is_told_with_its_ledgers_and_left_as_it_was() {
    let left = left();
    let data = left.world.folder.path().join("data");
    let before = std::fs::read(data.join("db/db")).unwrap();
    let (code, found) = verify(&left.world, &data);
    assert_eq!((code, &found["holds"]), (Some(0), &json!(true)), "{found}");
    let of = |id: EndpointId| {
        let all = found["endpoints"].as_array().unwrap();
        all.iter().find(|one| one["endpoint"] == json!(id)).unwrap()
    };
    assert_eq!(of(left.held)["pending"], 30);
    assert_eq!(of(left.delivered)["delivered"], 30);
    let words = left.world.cli(&["store", "verify"]);
    assert!(
        words
            .stdout
            .starts_with(b"Everything holds: 1 accounts, 2 endpoints")
    );

    let inspected = left.world.ask(&["store", "inspect"]);
    let shop = &inspected["accounts"][0];
    assert_eq!(
        (&shop["name"], &shop["endpoints"]),
        (&json!("shop"), &json!(2))
    );
    assert_eq!(
        (&shop["first"], inspected["format"].as_u64()),
        (&json!(1), Some(1))
    );
    assert_eq!(shop["messages"], shop["last"]);
    assert_eq!(before, std::fs::read(data.join("db/db")).unwrap());
    let names: Vec<_> = std::fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("copy"))
        .collect();
    assert!(names.is_empty(), "the copy is gone: {names:?}");
}

#[test]
fn compaction_keeps_everything_and_a_running_daemon_keeps_everybody_out() {
    let mut left = left();
    let done = left.world.ask(&["store", "compact"]);
    assert!(done["after_bytes"].as_u64() > Some(0), "{done}");
    let data = left.world.folder.path().join("data");
    assert_eq!(verify(&left.world, &data).0, Some(0));
    left.world.start();
    let pid = left.world.pid().to_string();
    for command in ["verify", "inspect", "compact"] {
        let refused = left.world.cli(&["store", command]);
        let complaint = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{command}");
        assert!(complaint.contains(&pid), "{command}: {complaint}");
        let nowhere = left.world.folder.path().join("nowhere");
        let dir = nowhere.display().to_string();
        let refused = left.world.cli(&["store", command, "--dir", &dir]);
        assert_eq!(refused.status.code(), Some(1), "{command}");
        assert!(!nowhere.exists(), "{command} makes no store");
    }
}
