//! Commits, expectations and reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hookrelay::id::Seq;
use hookrelay::store::{CommitError, Key, KeyRange, RangeRead, Store, keys};

use super::bench::{A, B, Bench, Kind, Make, commit, key, log, value, wait};

pub async fn a_refused_commit_leaves_nothing(kind: Kind) {
    let bench = Bench::open(kind);
    let store = &*bench.store;
    let version = commit(&[A]).put(&key(1), "old").done(store).await;
    commit(&[A]).put(&key(1), "new").done(store).await;
    let refused = commit(&[A])
        .expect(&key(1), Some(version))
        .put(&key(1), "lost")
        .put(&key(2), "lost")
        .delete(&key(3))
        .append(A, 1, 10)
        .append(B, 1, 10);
    assert_eq!(refused.answer(store).await, Err(CommitError::Conflict));
    assert_eq!(value(store, &key(1)).await, Some("new".into()));
    assert_eq!(value(store, &key(2)).await, None);
    for account in [A, B] {
        assert_eq!(store.head(account).await.unwrap().last, Seq(0));
        assert!(log(store, account, 0).await.messages.is_empty());
    }
}

pub async fn a_read_that_changed_is_a_conflict(kind: Kind) {
    let bench = Bench::open(kind);
    let store = &*bench.store;
    let first = commit(&[A]).put(&key(1), "1").done(store).await;
    let conflict = Err(CommitError::Conflict);
    let check = |version| commit(&[A]).expect(&key(1), version).put(&key(9), "x");
    assert_eq!(check(None).answer(store).await, conflict, "it is there now");
    check(Some(first)).done(store).await;
    let second = commit(&[A]).put(&key(1), "1").done(store).await;
    assert!(
        second > first,
        "the same value again is a change all the same"
    );
    assert_eq!(check(Some(first)).answer(store).await, conflict);
    check(Some(second)).done(store).await;
    commit(&[A]).delete(&key(1)).done(store).await;
    assert_eq!(check(Some(second)).answer(store).await, conflict);
    check(None).done(store).await;
}

pub async fn what_belongs_to_a_record_does_not_outlive_it(kind: Kind) {
    let bench = Bench::open(kind);
    let store = &*bench.store;
    let (owner, belonging) = (key(1), keys::account(A));
    let late = || commit(&[A]).relaxed().beside(&owner).put(&belonging, "x");
    assert_eq!(late().answer(store).await, Err(CommitError::Conflict));
    commit(&[A]).put(&owner, "1").done(store).await;
    late().done(store).await;
    // Any version will do, a queued one too.
    drop(commit(&[A]).relaxed().put(&owner, "2").submit(store));
    late().done(store).await;
    let removal = commit(&[A]).delete(&owner).delete(&belonging);
    let (removed, queued) = (removal.submit(store), late().submit(store));
    wait(removed).await.unwrap();
    assert_eq!(wait(queued).await, Err(CommitError::Conflict));
    assert_eq!(late().answer(store).await, Err(CommitError::Conflict));
    assert_eq!(value(store, &belonging).await, None);
}

/// The expectation of a range as it reads now.
async fn range_read(store: &dyn Store, range: &KeyRange, limit: usize) -> RangeRead {
    let found = store.scan(range, limit).await.unwrap();
    RangeRead {
        range: range.clone(),
        limit,
        found: found.into_iter().map(|(k, v)| (k, v.version)).collect(),
    }
}

fn expecting(read: RangeRead) -> Make {
    let mut make = commit(&[B]).put(&keys::account(B), "x");
    make.0.ranges.push(read);
    make
}

pub async fn a_range_that_changed_is_a_conflict(kind: Kind) {
    let bench = Bench::open(kind);
    let store = &*bench.store;
    for number in [2, 4, 6] {
        commit(&[A]).put(&key(number), "x").done(store).await;
    }
    let directions = [keys::endpoints(A), keys::endpoints(A).newest_first()];
    for range in directions {
        let changes: [Make; 4] = [
            commit(&[A]).put(&key(3), "added"),
            commit(&[A]).delete(&key(4)),
            commit(&[A]).put(&key(2), "changed"),
            commit(&[A]).put(&key(4), "added again"),
        ];
        for change in changes {
            let stale = range_read(store, &range, 10).await;
            expecting(stale.clone()).done(store).await;
            change.done(store).await;
            let refused = expecting(stale).answer(store).await;
            assert_eq!(refused, Err(CommitError::Conflict), "{range:?}");
        }
        commit(&[A]).delete(&key(3)).done(store).await;
    }
}

pub async fn changes_beyond_what_a_range_read_saw_are_no_conflict(kind: Kind) {
    let bench = Bench::open(kind);
    let store = &*bench.store;
    for number in [2, 4, 6, 8] {
        commit(&[A]).put(&key(number), "x").done(store).await;
    }
    let first_two = range_read(store, &keys::endpoints(A), 2).await;
    let last_two = range_read(store, &keys::endpoints(A).newest_first(), 2).await;
    commit(&[A]).put(&key(5), "in the middle").done(store).await;
    commit(&[B])
        .put(&keys::account(B), "elsewhere")
        .done(store)
        .await;
    expecting(first_two).done(store).await;
    expecting(last_two.clone()).done(store).await;
    commit(&[A]).put(&key(7), "seen").done(store).await;
    let refused = expecting(last_two).answer(store).await;
    assert_eq!(refused, Err(CommitError::Conflict));
}

pub async fn a_conflict_fails_what_was_built_on_it_and_nothing_else(kind: Kind) {
    let bench = Bench::open(kind);
    let store = &*bench.store;
    let stale = commit(&[A]).put(&key(1), "1").done(store).await;
    commit(&[A]).put(&key(1), "2").done(store).await;
    let failing = commit(&[A]).expect(&key(1), Some(stale)).append(A, 1, 10);
    let failing = failing.submit(store);
    let behind = commit(&[A]).append(A, 2, 10).submit(store);
    let elsewhere = commit(&[B]).append(B, 1, 10).submit(store);
    assert_eq!(wait(failing).await, Err(CommitError::Conflict));
    assert_eq!(wait(behind).await, Err(CommitError::Conflict));
    wait(elsewhere).await.unwrap();
    assert_eq!(store.head(A).await.unwrap().last, Seq(0));
    commit(&[A]).append(A, 1, 10).done(store).await;
}

pub async fn queued_writes_are_read_before_they_are_durable(kind: Kind) {
    let bench = Bench::held(kind);
    let store = &*bench.store;
    let receipts = [
        commit(&[A])
            .put(&key(1), "1")
            .put(&key(2), "2")
            .submit(store),
        commit(&[A]).put(&key(3), "3").delete(&key(1)).submit(store),
        commit(&[A])
            .put(&key(2), "2b")
            .append(A, 1, 10)
            .submit(store),
    ];
    assert_eq!(value(store, &key(1)).await, None);
    assert_eq!(value(store, &key(2)).await, Some("2b".into()));
    let scanned = |found: Vec<(Key, _)>| found.into_iter().map(|(k, _)| k).collect::<Vec<_>>();
    let range = keys::endpoints(A);
    let found = store.scan(&range, 9).await.unwrap();
    assert_eq!(scanned(found), [key(2), key(3)]);
    let found = store.scan(&range.newest_first(), 1).await.unwrap();
    assert_eq!(scanned(found), [key(3)]);
    assert_eq!(store.head(A).await.unwrap().last, Seq(1));
    bench.release();
    for receipt in receipts {
        wait(receipt).await.unwrap();
    }
    assert_eq!(value(store, &key(2)).await, Some("2b".into()));
    assert_eq!(value(store, &key(1)).await, None);
}

pub async fn relaxed_commits_keep_their_place_and_are_answered(kind: Kind) {
    let bench = Bench::open(kind);
    let store = &*bench.store;
    let first = commit(&[A]).put(&key(1), "1").relaxed().submit(store);
    let second = commit(&[A]).put(&key(1), "2").put(&key(2), "2").relaxed();
    let second = second.submit(store);
    let third = commit(&[A]).delete(&key(2)).submit(store);
    let (first, second, third) = (wait(first).await, wait(second).await, wait(third).await);
    assert!(first.unwrap().version < second.unwrap().version);
    assert!(second.unwrap().version < third.unwrap().version);
    assert_eq!(value(store, &key(1)).await, Some("2".into()));
    assert_eq!(value(store, &key(2)).await, None);
    // Nothing durable comes after this one, so its own time must bring it to the disk.
    let alone = commit(&[A]).put(&key(3), "3").relaxed().submit(store);
    wait(alone).await.unwrap();
}

pub async fn values_of_every_length_come_back(kind: Kind) {
    let bench = Bench::open(kind);
    let store = &*bench.store;
    let lengths = [0, 1, 4086, 4087, 4088, 4095, 4096, 4097, 8192, 300 << 10];
    // Growing, then shrinking: longer values replace shorter ones and the other way round.
    for lengths in [lengths.to_vec(), lengths.into_iter().rev().collect()] {
        for (number, length) in (0..).zip(lengths) {
            let text = vec![b'v'; length];
            commit(&[A])
                .put(&key(number), text.clone())
                .done(store)
                .await;
            assert_eq!(value(store, &key(number)).await.unwrap(), text, "{length}");
        }
        for range in [keys::endpoints(A), keys::endpoints(A).newest_first()] {
            let found = store.scan(&range, 100).await.unwrap();
            assert_eq!(found.len(), 10, "no part of a value is a key");
            for (key, found) in found {
                assert_eq!(value(store, &key).await, Some(found.value));
            }
        }
    }
    for number in 0..10 {
        commit(&[A]).delete(&key(number)).done(store).await;
    }
    assert!(store.scan(&keys::endpoints(A), 9).await.unwrap().is_empty());
}

/// Two keys count up in turn, and two more together with each; a scan that mixed two states would
/// see the pair torn or one of the two ahead by more than one.
pub async fn a_scan_sees_the_state_after_one_commit(kind: Kind) {
    const ROUNDS: u64 = 400;
    let bench = Bench::open(kind);
    let set = |number: u64, count: u64| {
        let text = count.to_string();
        commit(&[A])
            .put(&key(number), text.clone())
            .put(&key(number + 100), text)
    };
    set(1, 0).done(&*bench.store).await;
    set(2, 0).done(&*bench.store).await;
    let (store, stop) = (bench.store.clone(), Arc::new(AtomicBool::new(false)));
    let stopped = stop.clone();
    let writer = tokio::spawn(async move {
        for round in 1..=ROUNDS {
            drop(set(1, round).relaxed().submit(&*store));
            let receipt = set(2, round).submit(&*store);
            // Some rounds wait, so that the queue is now short and now long.
            if round % 4 == 0 {
                wait(receipt).await.unwrap();
            }
        }
        stopped.store(true, Ordering::SeqCst);
    });
    // Several at once keep the readers busy, so that much happens during one scan.
    let scans = (0..16_u8).map(|reader| {
        let (store, stop) = (bench.store.clone(), stop.clone());
        let mut range = keys::endpoints(A);
        range.newest_first = reader % 2 == 0;
        tokio::spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                let mut found = store.scan(&range, 10).await.unwrap();
                found.sort_by(|one, other| one.0.cmp(&other.0));
                let counts: Vec<u64> = found
                    .iter()
                    .map(|(_, found)| std::str::from_utf8(&found.value).unwrap())
                    .map(|text| text.parse().unwrap())
                    .collect();
                let [first, second, first_twin, second_twin] = counts[..] else {
                    panic!("four keys: {counts:?}");
                };
                assert_eq!((first, second), (first_twin, second_twin));
                assert!(first == second || first == second + 1, "{counts:?}");
            }
        })
    });
    for scan in scans.collect::<Vec<_>>() {
        scan.await.unwrap();
    }
    writer.await.unwrap();
}

pub async fn a_range_read_over_queued_deletes_holds(kind: Kind) {
    let bench = Bench::held(kind);
    let store = &*bench.store;
    let first = (1..=6).fold(commit(&[A]), |make, number| make.put(&key(number), "x"));
    let mut receipts = vec![first.submit(store)];
    bench.release();
    wait(receipts.remove(0)).await.unwrap();
    let before = commit(&[B]).put(&keys::account(B), "x");
    bench.hold();
    // Under way alone, so that the others make one group.
    receipts.push(before.submit(store));
    receipts.push(commit(&[A]).delete(&key(1)).delete(&key(6)).submit(store));
    for range in [keys::endpoints(A), keys::endpoints(A).newest_first()] {
        let read = range_read(store, &range, 2).await;
        assert_eq!(read.found.len(), 2);
        receipts.push(expecting(read).submit(store));
    }
    bench.release();
    for receipt in receipts {
        wait(receipt).await.unwrap();
    }
}

pub async fn empty_and_inverted_ranges_hold_nothing(kind: Kind) {
    let bench = Bench::open(kind);
    let store = &*bench.store;
    commit(&[A]).put(&key(1), "1").done(store).await;
    let mut inverted = keys::endpoints(A);
    std::mem::swap(&mut inverted.start, &mut inverted.end);
    let beyond = keys::endpoints(A).following(&keys::endpoints(B).end);
    for range in [inverted, beyond, keys::endpoints(B)] {
        assert!(store.scan(&range, 9).await.unwrap().is_empty());
        let read = range_read(store, &range, 9).await;
        expecting(read).done(store).await;
    }
    assert!(store.scan(&keys::endpoints(A), 0).await.unwrap().is_empty());
}
