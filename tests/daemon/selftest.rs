//! The self-test that users run, with as many kills as a commit can wait for.

use serde_json::json;

use crate::world::World;

/// Together with the kills of `crash.rs` more than fifty in every run of the tests.
const ROUNDS: usize = 55;

#[test]
fn nothing_is_lost_over_many_kills_of_the_shipped_self_test() {
    let world = World::new();
    let folder = world.folder.path();
    let (dir, rounds) = (folder.display().to_string(), ROUNDS.to_string());
    let output = world.cli(&["selftest", "--rounds", &rounds, "--dir", &dir, "--json"]);
    let text = String::from_utf8_lossy(&output.stdout);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{text}{complaint}");
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&told["holds"], &told["kills"]),
        (&json!(true), &json!(ROUNDS))
    );
    let rounds = told["rounds"].as_array().unwrap();
    let loaded = rounds.iter().filter(|round| round["accepted"] != 0);
    assert!(loaded.count() > ROUNDS / 2, "there was load: {text}");
    assert!(told["disk"]["p99_us"].as_u64() >= told["disk"]["p50_us"].as_u64());
    let left = std::fs::read_dir(folder).unwrap();
    assert_eq!(left.count(), 0, "it removes what it made");
}
