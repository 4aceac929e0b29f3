//! Random operations against a sorted map.

use std::collections::BTreeMap;

use bytes::Bytes;
use hookrelay::store::{Key, KeyRange, Versioned, keys};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::bench::{A, Bench, Kind, commit, key, wait};

#[derive(Debug, Clone)]
enum Operation {
    Put(u64, usize),
    Delete(u64),
    /// Several at once, relaxed.
    Both(u64, u64, usize),
    Get(u64),
    Scan {
        after: Option<u64>,
        limit: usize,
        newest_first: bool,
    },
    /// Waits for everything submitted so far.
    Settle,
}

const KEYS: u64 = 60;

fn operation() -> impl Strategy<Value = Operation> {
    let length = prop_oneof![6 => 0..200_usize, 1 => 4080..4100_usize, 1 => 9000..20_000_usize];
    let number = 0..KEYS;
    prop_oneof![
        6 => (number.clone(), length.clone()).prop_map(|(n, l)| Operation::Put(n, l)),
        3 => number.clone().prop_map(Operation::Delete),
        2 => (number.clone(), number.clone(), length)
            .prop_map(|(put, delete, l)| Operation::Both(put, delete, l)),
        3 => number.clone().prop_map(Operation::Get),
        6 => (prop::option::of(number), 0..12_usize, any::<bool>()).prop_map(
            |(after, limit, newest_first)| Operation::Scan { after, limit, newest_first }
        ),
        1 => Just(Operation::Settle),
    ]
}

/// A thousand operations, the same ones for every store.
pub async fn random_operations_match_a_sorted_map(kind: Kind) {
    let mut runner = TestRunner::deterministic();
    let operations = prop::collection::vec(operation(), 1000);
    let operations = operations.new_tree(&mut runner).unwrap().current();
    let bench = Bench::open(kind);
    let store = &*bench.store;
    let mut model: BTreeMap<Key, Bytes> = BTreeMap::new();
    let mut receipts = Vec::new();
    for (step, operation) in operations.into_iter().enumerate() {
        let text = |length| Bytes::from(format!("{step}").repeat(length).into_bytes());
        match operation {
            Operation::Put(number, length) => {
                receipts.push(commit(&[A]).put(&key(number), text(length)).submit(store));
                model.insert(key(number), text(length));
            }
            Operation::Delete(number) => {
                receipts.push(commit(&[A]).delete(&key(number)).submit(store));
                model.remove(&key(number));
            }
            Operation::Both(put, delete, length) => {
                let mut make = commit(&[A]).relaxed().put(&key(put), text(length));
                model.insert(key(put), text(length));
                if put != delete {
                    make = make.delete(&key(delete));
                    model.remove(&key(delete));
                }
                receipts.push(make.submit(store));
            }
            Operation::Get(number) => {
                let found = store.get(&key(number)).await.unwrap();
                let found = found.map(|found| found.value);
                assert_eq!(found.as_ref(), model.get(&key(number)), "step {step}");
            }
            Operation::Scan {
                after,
                limit,
                newest_first,
            } => {
                let mut range = keys::endpoints(A);
                if let Some(after) = after {
                    range = range.following(&key(after));
                }
                range.newest_first = newest_first;
                let found = store.scan(&range, limit).await.unwrap();
                assert_eq!(plain(found), expected(&model, &range, limit), "step {step}");
            }
            Operation::Settle => {
                for receipt in receipts.drain(..) {
                    wait(receipt).await.unwrap();
                }
            }
        }
    }
    for receipt in receipts {
        wait(receipt).await.unwrap();
    }
    let everything = keys::endpoints(A);
    let found = store.scan(&everything, 1000).await.unwrap();
    assert_eq!(plain(found), expected(&model, &everything, 1000));
}

fn plain(found: Vec<(Key, Versioned)>) -> Vec<(Key, Bytes)> {
    found.into_iter().map(|(k, v)| (k, v.value)).collect()
}

fn expected(model: &BTreeMap<Key, Bytes>, range: &KeyRange, limit: usize) -> Vec<(Key, Bytes)> {
    let mut found: Vec<_> = model
        .iter()
        .filter(|(key, _)| range.contains(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if range.newest_first {
        found.reverse();
    }
    found.truncate(limit);
    found
}
