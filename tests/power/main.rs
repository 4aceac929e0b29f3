//! Power loss: the store, and the whole daemon, on a disk that at the cut keeps a random part of
//! what was not synced. And disks that refuse for a while.
//!
//! Needs /dev/fuse and the right to mount. In CI it fails without; elsewhere it says why it did
//! not run. `POWER_ROUNDS` sets how many images of the store are checked, `POWER_SEED` where the
//! randomness begins.

// Helper functions of these files are test code as well.
#![allow(clippy::unwrap_used, clippy::expect_used)]

// Of these, other tests use the rest.
#[allow(dead_code)]
#[path = "../sim/audit.rs"]
mod audit;

#[allow(dead_code)]
#[path = "../store/bench.rs"]
mod bench;
mod daemon;
mod disk;
#[allow(dead_code)]
mod load;
mod mounted;
mod planted;
mod promises;
mod refusing;
mod store;
#[allow(dead_code)]
#[path = "../daemon/stub.rs"]
mod stub;
#[allow(dead_code)]
#[path = "../daemon/world.rs"]
mod world;

use std::fmt::Display;
use std::io::{Read, Seek, Write};
use std::str::FromStr;

use hookrelay::store::sled::SyncFile;

use crate::mounted::Mounted;

/// A number from the environment.
fn setting<T: FromStr>(name: &str, otherwise: T) -> T
where
    T::Err: Display,
{
    match std::env::var(name) {
        Ok(text) => text
            .parse()
            .unwrap_or_else(|error| panic!("{name}: {error}")),
        Err(_) => otherwise,
    }
}

/// The seed of a test, told so that it can be set again.
fn seed() -> u64 {
    let seed = setting("POWER_SEED", fastrand::u64(..));
    println!("POWER_SEED={seed}");
    seed
}

/// Whether a file system can be mounted here.
fn can_mount() -> bool {
    mounted::sweep();
    match Mounted::empty() {
        Ok(_) => true,
        Err(error) if std::env::var("CI").is_ok_and(|ci| ci == "true") => {
            panic!("no file system can be mounted, which needs /dev/fuse and root: {error}")
        }
        Err(error) => {
            println!("not run: mounting needs /dev/fuse and root: {error}");
            false
        }
    }
}

#[test]
fn what_is_synced_survives_and_the_rest_may() {
    if !can_mount() {
        return;
    }
    let mounted = Mounted::empty().unwrap();
    std::fs::create_dir(mounted.data()).unwrap();
    std::fs::File::open(mounted.path())
        .unwrap()
        .sync_all()
        .unwrap();
    let path = mounted.data().join("file");
    let mut file = std::fs::File::options();
    let mut file = file
        .create_new(true)
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    file.write_all(b"certain").unwrap();
    file.sync_data().unwrap();
    file.write_all(b" and not").unwrap();
    std::fs::write(mounted.data().join("other"), "x").unwrap();
    file.rewind().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "certain and not");
    let cut = mounted.disk().cut();
    assert!(file.write_all(b"late").is_err() && file.sync_data().is_err());
    let mut random = fastrand::Rng::with_seed(1);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let left = Mounted::holding(&cut.image(&mut random));
        let text = std::fs::read_to_string(left.data().join("file")).unwrap();
        seen.insert((text, left.data().join("other").exists()));
    }
    let texts = ["certain", "certain and not"];
    let all = texts.map(|text| [(text.to_owned(), false), (text.to_owned(), true)]);
    assert_eq!(seen, all.into_iter().flatten().collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_holds_what_it_acknowledged_after_power_cuts() {
    if !can_mount() {
        return;
    }
    let seed = seed();
    let count = setting("POWER_ROUNDS", 120);
    let found = store::search(seed, SyncFile::default(), count).await;
    if let Some(found) = found {
        panic!("seed {seed}, image {}: {}", found.after, found.what);
    }
}

/// Usually one of the first twelve images shows it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_sync_is_found_out() {
    if !can_mount() {
        return;
    }
    let seed = seed();
    let found = planted::without_sync(seed, 60).await;
    let found = found.unwrap_or_else(|| panic!("seed {seed}: not found in 60 images"));
    println!("image {}: {}", found.after, found.what);
}

/// Usually one of the first three images shows it.
#[test]
fn leaving_the_sync_to_sled_is_found_out() {
    if !can_mount() {
        return;
    }
    let seed = seed();
    let found = planted::flushed_by_sled(seed, 30);
    let found = found.unwrap_or_else(|| panic!("seed {seed}: not found in 30 images"));
    println!("image {}: {}", found.after, found.what);
}

#[test]
fn nothing_that_the_daemon_acknowledged_is_lost_over_power_cuts() {
    if !can_mount() {
        return;
    }
    let found = daemon::rounds(seed(), 5, false);
    assert_eq!(found, Ok(()), "round and fault");
}

/// Usually the first round shows it.
#[test]
fn a_daemon_on_a_disk_that_does_not_sync_is_found_out() {
    if !can_mount() {
        return;
    }
    let seed = seed();
    let found = daemon::rounds(seed, 5, true);
    let (round, what) = found.expect_err("not found in 5 rounds");
    println!("round {round}: {what}");
}

#[test]
fn a_disk_that_is_read_only_for_a_while_loses_and_repeats_nothing() {
    if !can_mount() {
        return;
    }
    refusing::read_only_under_load();
}

#[test]
fn a_disk_that_does_not_sync_for_a_while_loses_and_repeats_nothing() {
    if !can_mount() {
        return;
    }
    refusing::no_sync_under_load();
}

#[test]
fn a_write_or_a_sync_that_fails_once_loses_and_repeats_nothing() {
    if !can_mount() {
        return;
    }
    refusing::one_failure_under_load();
}
