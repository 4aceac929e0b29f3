//! What is stored: records of every kind, and the bytes below them, damaged.
//!
//! Owns which kinds there are, as the key layout documents them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use hookrelay::attempt::Class;
use hookrelay::auth::seal::Sealer;
use hookrelay::clock::{Clock, Entropy, Millis, Timestamp};
use hookrelay::domain::account::Account;
use hookrelay::domain::acknowledgement::Acknowledge;
use hookrelay::domain::api_key::ApiKey;
use hookrelay::domain::api_login::ApiLogin;
use hookrelay::domain::attempt_log::{AttemptKind, AttemptRow};
use hookrelay::domain::dead_letter::DeadRange;
use hookrelay::domain::endpoint::Endpoint;
use hookrelay::domain::idempotency::Answered;
use hookrelay::domain::job::Job;
use hookrelay::domain::search::{self, Entry, Field, Sizes};
use hookrelay::domain::secret::{Context, Sealed};
use hookrelay::error::Kind;
use hookrelay::id::{AccountId, BatchId, EndpointId, JobId, Seq};
use hookrelay::relay::engine::{
    BatchState, Change, CursorState, DeadReason, DeadState, JobState, Ranges,
};
use hookrelay::relay::{records, references};
use hookrelay::store::sled::{SledStore, survey};
use hookrelay::store::tx::decode;
use hookrelay::store::{Key, KeyRange, Store, Write, keys};

use crate::bench::{A, B, commit, settings};
use crate::world::{KEY, NOW, World};
use crate::{broken, rounds, unlimited};

/// Decodes the record of a key as its owner does.
fn read_record(key: &Key, bytes: &[u8]) -> Result<(), Kind> {
    if let Some(error) = records::undecodable(key, bytes) {
        assert!(!error.to_string().is_empty());
        return Err(Kind::Internal);
    }
    let directory = key.as_str().split('/').next().unwrap();
    let read = match directory {
        "account" => decode::<Account>(key, bytes).map(drop),
        "next" => decode::<u64>(key, bytes).map(drop),
        "account-name" | "host" => decode::<AccountId>(key, bytes).map(drop),
        "login-hash" | "account-login" => decode::<String>(key, bytes).map(drop),
        "account-key" => decode::<[u8; 32]>(key, bytes).map(drop),
        "key" => decode::<ApiKey>(key, bytes).map(drop),
        "login" => decode::<ApiLogin>(key, bytes).map(drop),
        "endpoint" => decode::<Endpoint>(key, bytes).map(drop),
        "attempt" => decode::<AttemptRow>(key, bytes).map(drop),
        "dead" => decode::<DeadRange>(key, bytes).map(drop),
        "job" => decode::<Job>(key, bytes).map(drop),
        "order" => decode::<Acknowledge>(key, bytes).map(drop),
        "idem" => decode::<Answered>(key, bytes).map(drop),
        "search-fresh" | "search-runs" | "search-block" => {
            return search::stored::needs(key, bytes)
                .map(drop)
                .map_err(|_| Kind::Internal);
        }
        // The relay's own, which were read above.
        "cursor" | "batch" | "acked" | "seen" => Ok(()),
        _ => panic!("{key}: no owner is known"),
    };
    read.map_err(|error| error.kind)
}

/// The kinds of records that the key layout documents, without the store's own and those without
/// a value.
fn kinds() -> BTreeSet<String> {
    let layout = include_str!("../../src/store/keys.rs");
    let rows = layout
        .lines()
        .filter_map(|line| line.strip_prefix("//! | `"));
    let kind = |row: &str| row.split(['/', '`']).next().unwrap().to_owned();
    let mut kinds: BTreeSet<String> = rows.map(kind).collect();
    // What only its owner reads, and the rows that stand for the tables of `domain/layout.rs`.
    let own = [
        "installation",
        "token-secret",
        "end",
        "log",
        "meta",
        "search-due",
    ];
    for other in own.into_iter().chain(["<kind>", "<index>", "<tally>"]) {
        assert!(kinds.remove(other), "{other}");
    }
    kinds
}

fn ranges(pairs: &[(u64, u64)]) -> Ranges {
    Ranges::from_pairs(pairs.iter().map(|(first, last)| (Seq(*first), Seq(*last))))
}

/// What the relay stores of an endpoint.
fn of_the_relay(account: AccountId, endpoint: EndpointId) -> Vec<(Key, Bytes)> {
    let (batch, job) = (BatchId::new(NOW, 3), JobId::from_number(4));
    let row = AttemptRow {
        at: NOW,
        batch: batch.to_string(),
        kind: AttemptKind::Delivery,
        number: 1,
        messages: 2,
        class: Class::Ok.to_string(),
        hint: "Nothing to do.".to_owned(),
        status: Some(200),
        took_ms: 5,
    };
    let changes = [
        Change::Cursor(CursorState {
            cursor: Seq(2),
            delivered: 1,
            dead: 1,
            filtered: 0,
            pending: 7,
            oldest: Some(NOW),
            seen: Seq(9),
            failing_since: Some(NOW),
            suspended: Some(NOW),
            suspensions: 1,
        }),
        Change::PutBatch(BatchState {
            id: batch,
            job: Some(job),
            ranges: ranges(&[(3, 4), (6, 6)]),
            bytes: 100,
            newest: NOW,
            attempts: 2,
            failures: 1,
            refusals: 1,
            due: NOW,
            last_class: Some(Class::Status5xx),
            last_status: Some(500),
        }),
        Change::PutDead(DeadState {
            first: Seq(1),
            last: Seq(1),
            count: 1,
            reason: DeadReason::Expired,
            at: NOW,
            attempts: 3,
            last_class: Some(Class::Dns),
            last_status: None,
        }),
        Change::Acked(ranges(&[(5, 5), (8, 9)])),
        Change::PutJob(JobState {
            id: job,
            remaining: ranges(&[(1, 2)]),
            created_at: NOW,
            delivered: 0,
            dead: 0,
        }),
    ];
    let stored = |change| records::writes(account, endpoint, change, Millis::days(1)).unwrap();
    let mut writes: Vec<Write> = changes.iter().flat_map(stored).collect();
    writes.push(records::seen_write(account, Seq(9)).unwrap());
    let row = serde_json::to_vec(&row).unwrap().into();
    writes.push(Write::Put(keys::attempt(account, endpoint, 0), row));
    let put = |write| match write {
        Write::Put(key, value) => Some((key, value)),
        Write::Delete(_) => None,
    };
    writes.into_iter().filter_map(put).collect()
}

fn everything() -> KeyRange {
    KeyRange {
        start: Key::from_stored(String::new()),
        end: Key::from_stored("~".to_owned()),
        newest_first: false,
    }
}

/// A world in which calls have stored something of every kind that calls store.
async fn called() -> (World, EndpointId) {
    let world = unlimited().await;
    let id = world.endpoint(r#""headers":{"X-Mine":"v"}"#).await;
    let sent = r#"{"type":"t","data":"x"}"#;
    let sent = world.manage("POST", "messages", sent).await.json()["ids"][0].clone();
    let headers = [("x-api-key", KEY), ("idempotency-key", "k")];
    let body = serde_json::json!({ "ids": [sent] }).to_string();
    let path = format!("/relay/v1/endpoints/{id}/acknowledge");
    assert_eq!(world.send("POST", &path, &headers, &body).await.status, 202);
    (world, id)
}

/// What is searched of two leads: one in a run, one that changed since.
async fn searched(world: &World) {
    let sizes = Sizes {
        fresh: 1,
        fan: 2,
        top: 4,
    };
    let account = world.account;
    for id in [1001, 1002] {
        let entry = &Entry::default().with(Field(1), "Jane Smith");
        let before = &Entry::default();
        world
            .db
            .transact(&[account], |tx| async move {
                search::write(&tx, account, "lead", id, (before, entry));
                Ok(())
            })
            .await
            .unwrap();
        if id == 1001 {
            let built = search::build::step(&world.db, account, "lead", &sizes);
            assert!(built.await.unwrap());
        }
    }
}

#[tokio::test]
async fn records_of_every_kind() {
    let (world, id) = called().await;
    searched(&world).await;
    let found = world.store.scan(&everything(), 1000).await.unwrap();
    let found = found.into_iter().map(|(key, found)| (key, found.value));
    let mut records: BTreeMap<Key, Bytes> = found.collect();
    records.extend(of_the_relay(world.account, id));
    let account = serde_json::to_vec(&world.account).unwrap();
    records.insert(keys::host("shop.example"), account.into());
    records.insert(keys::counter(world.account, "lead"), Bytes::from("1002"));
    // An account begins with a department, whose kind is one of those in `domain/layout.rs`.
    records.retain(|key, value| !value.is_empty() && !key.as_str().starts_with("department"));
    let have: BTreeSet<String> = records
        .keys()
        .map(|key| key.parts().next().unwrap().to_owned())
        .collect();
    assert_eq!(have, kinds());
    let mut rng = Rng::with_seed(10);
    for (key, value) in &records {
        assert_eq!(read_record(key, value), Ok(()), "{key}");
        assert!(references::demands(key, value).is_ok(), "{key}");
        for _ in 0..rounds(2_000) {
            let damaged = broken(&mut rng, value);
            let read = read_record(key, &damaged);
            if let Err(kind) = read {
                assert_eq!(kind, Kind::Internal, "{key}");
            }
            // Whoever verifies a store reads at least as strictly.
            if let Err(reason) = references::demands(key, &damaged) {
                assert!(!reason.is_empty(), "{key}");
            } else {
                assert_eq!(read, Ok(()), "{key} {}", damaged.escape_ascii());
            }
        }
    }
}

/// Damage under the feet of a running daemon: an error in its own form for that call only.
#[tokio::test]
async fn records_that_a_daemon_meets() {
    let (world, id) = called().await;
    let account = world.account;
    let mut rng = Rng::with_seed(12);
    let endpoint = keys::endpoint(account, id);
    let mut sound = of_the_relay(account, id);
    let record = world.store.get(&endpoint).await.unwrap().unwrap();
    sound.push((endpoint, record.value));
    let gets = ["", "/attempts", "/dead-letters"];
    for round in 0..rounds(200) {
        let mut hurt = |value: &Bytes| {
            if rng.bool() {
                broken(&mut rng, value).into()
            } else {
                value.clone()
            }
        };
        let damaged: Vec<(Key, Bytes)> = sound
            .iter()
            .map(|(key, value)| (key.clone(), hurt(value)))
            .collect();
        let written = &damaged;
        world
            .db
            .transact(&[account], |tx| async move {
                for (key, value) in written {
                    tx.put_bytes(key.clone(), value.clone());
                }
                Ok(())
            })
            .await
            .unwrap();
        let path = format!("endpoints/{id}{}", gets[round % gets.len()]);
        let reply = world.manage("GET", &path, "").await;
        assert!(matches!(reply.status, 200 | 500), "{reply:?}");
        if reply.status == 500 {
            let expected = r#"{"error":{"code":"INTERNAL_ERROR","message":"Internal error"}}"#;
            assert_eq!(reply.body, expected, "{damaged:?}");
        }
        let view = world.db.view();
        if let Err(error) = records::load(&view, account, id).await {
            assert_eq!(error.kind, Kind::Internal);
        }
    }
}

/// Only a secret as it was sealed opens, and only a whole key file is taken.
#[test]
fn sealed_secrets_and_their_key_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seal.key");
    let load = || Sealer::from_file(&path, Entropy::seeded(1));
    let sealer = load().unwrap();
    let context = || Context::Password("login");
    let envelope = sealer.seal(context(), "secret").unwrap();
    let mut rng = Rng::with_seed(14);
    for _ in 0..rounds(5_000) {
        let damaged = broken(&mut rng, envelope.0.as_bytes());
        let damaged = String::from_utf8_lossy(&damaged).into_owned();
        let opened = sealer.open(context(), &Sealed(damaged.clone()));
        assert_eq!(opened.is_ok(), damaged == envelope.0, "{damaged}");
    }
    let sound = std::fs::read(&path).unwrap();
    for _ in 0..rounds(300) {
        std::fs::write(&path, broken(&mut rng, &sound)).unwrap();
        if let Err(error) = load() {
            assert!(!error.to_string().is_empty());
        }
    }
}

fn raw(path: &Path) -> sled::Db {
    let config = sled::Config::new()
        .path(path.join("db"))
        .segment_size(2 << 20)
        .use_compression(false)
        .flush_every_ms(None);
    // sled's own threads keep the file locked for a moment after it was closed.
    for _ in 0..1000 {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().contains("lock") => {
                std::thread::sleep(Duration::from_millis(5));
            }
            opened => return opened.unwrap(),
        }
    }
    panic!("the database stays locked");
}

/// Blocks, parts, versions and the store's own records, each damaged in turn: whoever opens,
/// reads or verifies the store gets an error at most.
#[tokio::test]
async fn bytes_below_the_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let open = || SledStore::open(path, settings(), Clock::manual(Timestamp(77)));
    let store = open().unwrap();
    for seq in 1..=12 {
        // Small ones share a block, large ones are cut into parts.
        let data = if seq % 4 == 0 { 9_000 } else { 300 };
        let account = [A, B][usize::from(seq > 8)];
        let seq = if seq > 8 { seq - 8 } else { seq };
        let key = keys::account(AccountId::from_number(seq));
        let made = commit(&[account]).append(account, seq, data);
        made.put(&key, vec![b'x'; data]).done(&store).await;
    }
    drop(store);
    let tree = raw(path);
    let sound: Vec<_> = tree.iter().map(Result::unwrap).collect();
    drop(tree);
    let mut rng = Rng::with_seed(13);
    let mut told = 0;
    for round in 0..rounds(60) {
        let (key, value) = &sound[round % sound.len()];
        let tree = raw(path);
        if rng.u8(..8) == 0 {
            tree.remove(key).unwrap();
        } else {
            tree.insert(key, broken(&mut rng, value)).unwrap();
        }
        tree.flush().unwrap();
        drop(tree);
        let shown = key.escape_ascii();
        match survey(path, &settings(), |_| {}) {
            Ok(found) => told += usize::from(!found.faults.is_empty()),
            Err(error) => {
                assert!(!error.to_string().is_empty(), "{shown}");
                told += 1;
            }
        }
        if let Ok(store) = open() {
            for account in [A, B] {
                // Which error it is, is for the tests of the store to say.
                let _ = store.read_log(account, Seq(1), 100, 1 << 20).await;
                let _ = store.head(account).await;
            }
            let _ = store.scan(&everything(), 1000).await;
        }
        let tree = raw(path);
        tree.insert(key, value).unwrap();
        tree.flush().unwrap();
    }
    assert!(told * 2 > rounds(60), "{told}: most damage is found");
    let store = open().unwrap();
    let page = store.read_log(A, Seq(1), 100, 1 << 20).await.unwrap();
    assert_eq!(page.messages.len(), 8, "what was repaired is whole");
}
