//! A disk that gave back something else than was written: what can be read is served, what cannot
//! is named.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::stub::{Act, Request, Stub};
use crate::world::{World, eventually};

/// Changes the stored bytes of the first key with this beginning, behind the daemon's back.
fn damage(data: &Path, prefix: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let config = sled::Config::new()
        .path(data.join("db"))
        .segment_size(2 << 20)
        .use_compression(false)
        .flush_every_ms(None);
    let tree = config.open().unwrap();
    let (key, value) = tree.scan_prefix(prefix).next().unwrap().unwrap();
    let mut value = value.to_vec();
    change(&mut value);
    tree.insert(key, value).unwrap();
    tree.flush().unwrap();
}

#[test]
fn a_damaged_stretch_of_the_log_becomes_dead_letters_and_the_rest_is_delivered() {
    let mut world = World::started();
    world.verdict = 1;
    let account = world.account("acme");
    let stub = Stub::start(&account, |_| Act::ok());
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    world.order(&account, &endpoint, "hold");
    // Two to a block: the second block is lost.
    let text = "x".repeat(1500);
    let ids: Vec<String> = (0..12)
        .flat_map(|n| {
            let message = json!({"type": "generic", "data": format!("{n} {text}")});
            world.send(&account, &message)
        })
        .collect();
    world.stop();
    let data = world.folder.path().join("data");
    let second = format!("log/{}/{:016x}", account.id, seq_of(&ids[4]));
    damage(&data, &second, |value| {
        let last = value.len() - 1;
        value[last] ^= 1;
    });
    world.start();
    world.order(&account, &endpoint, "release");

    let dead = eventually("dead letters", || {
        let path = format!("endpoints/{endpoint}/dead-letters");
        let found = world.get(&account, &path)["dead_letters"].clone();
        found.as_array().filter(|found| !found.is_empty()).cloned()
    });
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!(dead[0]["reason"], "damaged");
    assert_eq!(dead[0]["first"], seq_of(&ids[4]));
    let lost = dead[0]["count"].as_u64().unwrap();
    let kept: Vec<&String> = ids
        .iter()
        .filter(|id| !(seq_of(&ids[4])..seq_of(&ids[4]) + lost).contains(&seq_of(id)))
        .collect();
    for id in &kept {
        world.until(&account, id, &endpoint, "delivered");
    }
    let seen: Vec<String> = stub.deliveries().iter().flat_map(Request::ids).collect();
    assert_eq!(seen.iter().collect::<Vec<_>>(), kept);
    assert!(world.log().contains("a block of a log is damaged"));
    let now = world.get(&account, &format!("endpoints/{endpoint}"));
    assert_eq!(now["queue"]["pending"], 0, "{now}");
}

#[test]
fn an_endpoint_with_a_damaged_record_is_set_aside_and_the_others_are_served() {
    let mut world = World::started();
    world.verdict = 1;
    let account = world.account("acme");
    let stub = Stub::start(&account, |_| Act::ok());
    let hurt = world.endpoint(&account, &stub.url(), &json!({}));
    let id = world.send(&account, &json!({"type": "generic", "data": "one"}));
    world.until(&account, &id[0], &hurt, "delivered");
    let other = world.endpoint(&account, &stub.url(), &json!({}));
    world.stop();
    let data = world.folder.path().join("data");
    let cursor = format!("cursor/{}/{hurt}", account.id);
    damage(&data, &cursor, |value| value.truncate(20));
    world.start();
    let id = world.send(&account, &json!({"type": "generic", "data": "two"}));
    world.until(&account, &id[0], &other, "delivered");
    assert!(world.log().contains("this endpoint is set aside"));
}

/// The sequence in a message id: its second 48 bits.
fn seq_of(id: &str) -> u64 {
    id.parse::<hookrelay::id::MessageId>().unwrap().seq().0
}

/// The files of a database, byte by byte.
fn files(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = std::fs::read_dir(path).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.is_file());
    files
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

/// What a command says that fails, in its last line.
fn refused(world: &World, words: &[&str]) -> String {
    let output = world.cli(words);
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{words:?}: {complaint}");
    let last = complaint.lines().last().unwrap_or_default().to_owned();
    assert!(last.starts_with("error: "), "{words:?}: {complaint}");
    let plain = |line: &str| !line.starts_with('{') && line.contains("panicked");
    assert!(!complaint.lines().any(plain), "{words:?}: {complaint}");
    last
}

/// Damage of a file of the database, by its name.
type Damage = (&'static str, &'static str, fn(&mut Vec<u8>));

const DAMAGES: [Damage; 4] = [
    ("header", "db", |log| log[9] ^= 4),
    ("beginning", "db", |log| log[4000..9000].fill(0x5a)),
    ("snapshot", "snap.", |file| file[12] ^= 1),
    ("settings", "conf", |file| file[16] ^= 1),
];

fn named(path: &Path, name: &str) -> bool {
    let found = path.file_name().unwrap().to_str().unwrap();
    found == name || (name == "snap." && found.starts_with(name))
}

fn refused_with_the_next_steps(world: &World, database: &Path) {
    let directory = database.parent().unwrap().display();
    let next = format!("hookrelay store salvage --dir {directory}");
    let words: [&[&str]; 4] = [
        &["serve"],
        &["store", "verify"],
        &["store", "inspect"],
        &["store", "compact"],
    ];
    for words in words {
        let told = refused(world, words);
        for part in [
            "cannot be opened",
            "left exactly as it is",
            &next,
            "from a backup",
        ] {
            assert!(told.contains(part), "{words:?}: {told}");
        }
    }
}

#[test]
fn a_database_that_cannot_be_opened_is_refused_untouched_and_salvaged() {
    let mut world = World::started();
    let account = world.account("shop");
    let stub = Stub::start(&account, |_| Act::ok());
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    world.order(&account, &endpoint, "hold");
    let text = "x".repeat(3000);
    let messages: Vec<Value> = (0..40)
        .map(|n| json!({"type": "generic", "data": format!("{n} {text}")}))
        .collect();
    let ids = world.send(&account, &json!(messages));
    let (first, last) = (seq_of(&ids[0]), seq_of(&ids[39]));
    // One time as a kill leaves it, and one time closed in order.
    for killed in [true, false] {
        if killed {
            world.kill();
        } else {
            world.start();
            world.stop();
        }
        let database = world.folder.path().join("data/db");
        let sound = files(&database);
        for (case, name, change) in DAMAGES {
            // What a kill leaves at the end of the log cannot be told from damage.
            if killed && case == "beginning" {
                continue;
            }
            let path = sound.keys().find(|path| named(path, name)).unwrap();
            let mut bytes = sound[path].clone();
            change(&mut bytes);
            std::fs::write(path, bytes).unwrap();
            let damaged = files(&database);
            refused_with_the_next_steps(&world, &database);
            let salvaged = world.ask(&["store", "salvage"]);
            assert!(
                salvaged["loss_count"].as_u64() > Some(0),
                "{case}: {salvaged}"
            );
            for found in salvaged["accounts"].as_array().unwrap() {
                assert_eq!(found["account"], account.id.as_str());
                assert!(found["name"] == "shop" || found["name"].is_null());
                for range in found["ranges"].as_array().unwrap() {
                    let (from, to) = (range[0].as_u64().unwrap(), range[1].as_u64().unwrap());
                    assert!(
                        first <= from && from <= to && to <= last,
                        "{case}: {salvaged}"
                    );
                }
            }
            if case != "beginning" {
                assert_eq!(salvaged["messages"], 40, "{case}: {salvaged}");
            }
            assert_eq!(files(&database), damaged, "{case}");
            std::fs::write(path, &sound[path]).unwrap();
        }
        let salvaged = world.ask(&["store", "salvage"]);
        assert_eq!(salvaged["loss_count"], 0, "{salvaged}");
        let shop = &salvaged["accounts"][0];
        assert_eq!(
            (&shop["name"], &shop["messages"]),
            (&json!("shop"), &json!(40))
        );
        assert_eq!(shop["endpoints"][0]["undelivered"], 40, "{salvaged}");
        let words = world.cli(&["store", "salvage"]);
        assert!(words.stdout.ends_with(b"Everything can be read.\n"));
    }
    world.start();
    world.order(&account, &endpoint, "release");
    for id in &ids {
        world.until(&account, id, &endpoint, "delivered");
    }
}
