//! A disk that gave back something else than was written: what can be read is served, what cannot
//! is named.

use std::path::Path;

use serde_json::json;

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
