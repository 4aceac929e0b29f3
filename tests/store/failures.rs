//! A disk that fails: nothing is acknowledged that is not stored, and the store comes back.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hookrelay::clock::{Clock, Timestamp};
use hookrelay::id::{AccountId, Seq};
use hookrelay::store::sled::{Settings, SledStore, SyncFile};
use hookrelay::store::{CommitError, ReadError, Receipt, Store};

use super::bench::{A, B, Gate, commit, key, seqs, settings, value, wait};

/// A disk whose next syncs fail with an error number: so many of them, or all while negative.
#[derive(Debug, Default)]
struct Faults {
    left: AtomicI32,
    number: Mutex<i32>,
    gate: Arc<Gate>,
    /// Shuts the gate after a fault.
    hang: AtomicBool,
}

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

impl Faults {
    fn fail(&self, syncs: i32, number: i32) {
        *self.number.lock().unwrap() = number;
        self.left.store(syncs, Ordering::SeqCst);
    }

    fn sync(&self, file: &std::fs::File) -> io::Result<()> {
        self.gate.pass();
        let step = |left: i32| match left {
            0 => None,
            left if left < 0 => Some(left),
            left => Some(left - 1),
        };
        match self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, step)
        {
            Ok(_) => {
                if self.hang.load(Ordering::SeqCst) {
                    self.gate.set_shut(true);
                }
                let number = *self.number.lock().unwrap();
                Err(io::Error::from_raw_os_error(number))
            }
            Err(_) => file.sync_data(),
        }
    }
}

fn open(path: &Path, ballast: u64) -> (SledStore, Arc<Faults>) {
    let faults = Arc::<Faults>::default();
    let disk = faults.clone();
    let settings = Settings {
        ballast,
        sync: SyncFile::new(move |file| disk.sync(file)),
        ..settings()
    };
    let clock = Clock::manual(Timestamp(77));
    let store = SledStore::open(path, settings, clock).unwrap();
    (store, faults)
}

/// Waits until the store takes commits again.
async fn reopened(store: &SledStore) {
    let open = async {
        while !store.stats().open {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let open = tokio::time::timeout(Duration::from_secs(30), open);
    open.await.expect("the store opens again");
}

fn append(store: &SledStore, account: AccountId, seq: u64) -> Receipt {
    commit(&[account]).append(account, seq, 100).submit(store)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_group_is_answered_with_what_is_on_the_disk_and_the_queue_falls() {
    let dir = tempfile::tempdir().unwrap();
    let (store, faults) = open(dir.path(), 0);
    commit(&[A]).append(A, 1, 100).done(&store).await;
    store.feed().take();
    faults.gate.set_shut(true);
    faults.fail(1, EIO);
    let failing = append(&store, A, 2);
    while store.stats().queued > 0 {
        tokio::task::yield_now().await;
    }
    let queued = [append(&store, A, 3), append(&store, B, 1)];
    faults.gate.set_shut(false);
    for receipt in queued {
        assert_eq!(wait(receipt).await, Err(CommitError::Unavailable));
    }
    // The failed sync came after the write: the reopened database has the commit, synced.
    wait(failing).await.unwrap();
    reopened(&store).await;
    assert_eq!(store.head(A).await.unwrap().last, Seq(2));
    assert_eq!(store.head(B).await.unwrap().last, Seq(0));
    assert_eq!(seqs(&store, A, 1).await, [1, 2]);
    assert_eq!(store.feed().take().logs.get(&A), Some(&Seq(2)));
    commit(&[A]).append(A, 3, 100).done(&store).await;
    let stats = store.stats();
    assert_eq!((stats.failures, stats.failed_at), (1, Some(Timestamp(77))));
    assert_eq!(stats.queued_bytes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_stays_broken_is_reported_in_time_and_forgiven_when_it_heals() {
    let dir = tempfile::tempdir().unwrap();
    let (store, faults) = open(dir.path(), 0);
    commit(&[A])
        .put(&key(1), "x")
        .append(A, 1, 100)
        .done(&store)
        .await;
    faults.fail(-1, EIO);
    let watch = hookrelay::clock::Stopwatch::start();
    let unknown = wait(append(&store, A, 2)).await;
    assert_eq!(unknown, Err(CommitError::Unavailable));
    assert!(watch.elapsed() < Duration::from_secs(10));
    assert!(!store.stats().open);
    assert_eq!(store.get(&key(1)).await, Err(ReadError::Unavailable));
    assert_eq!(store.visible(A).await, Err(ReadError::Unavailable));
    let refused = wait(append(&store, B, 1)).await;
    assert_eq!(refused, Err(CommitError::Unavailable));
    store.feed().take();
    faults.fail(0, EIO);
    reopened(&store).await;
    assert_eq!(value(&store, &key(1)).await, Some("x".into()));
    // The commit whose outcome nobody was told stands whole, and is announced.
    store.feed().changed().await;
    assert_eq!(store.feed().take().logs.get(&A), Some(&Seq(2)));
    assert_eq!(seqs(&store, A, 1).await, [1, 2]);
    commit(&[A]).append(A, 3, 100).done(&store).await;
    drop(store);
    let (store, _) = open(dir.path(), 0);
    assert_eq!(seqs(&store, A, 1).await, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reopening_that_hangs_keeps_no_caller_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let (store, faults) = open(dir.path(), 0);
    faults.hang.store(true, Ordering::SeqCst);
    faults.fail(1, EIO);
    let unknown = wait(append(&store, A, 1)).await;
    assert_eq!(unknown, Err(CommitError::Unavailable));
    assert!(!store.stats().open);
    faults.gate.set_shut(false);
    reopened(&store).await;
    assert_eq!(seqs(&store, A, 1).await, [1], "what was unknown stands");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_disk_does_not_keep_the_store_from_closing() {
    let dir = tempfile::tempdir().unwrap();
    let (store, faults) = open(dir.path(), 0);
    faults.fail(-1, EIO);
    let unknown = append(&store, A, 1);
    while store.stats().failures == 0 {
        tokio::task::yield_now().await;
    }
    store.close();
    assert_eq!(wait(unknown).await, Err(CommitError::Unavailable));
    drop(store);
    let (store, _) = open(dir.path(), 0);
    let last = store.visible(A).await.unwrap();
    assert!(last <= Seq(1));
    commit(&[A]).append(A, last.next().0, 10).done(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_gives_up_the_ballast_to_essential_commits_only() {
    let dir = tempfile::tempdir().unwrap();
    let ballast = dir.path().join("ballast");
    let (store, faults) = open(dir.path(), 1 << 20);
    assert_eq!(std::fs::metadata(&ballast).unwrap().len(), 1 << 20);
    faults.fail(1, ENOSPC);
    wait(append(&store, A, 1)).await.unwrap();
    reopened(&store).await;
    assert!(!ballast.exists());
    assert!(store.stats().ballast_spent && store.pressure().installation);
    let refused = wait(append(&store, A, 2)).await;
    assert_eq!(refused, Err(CommitError::Full));
    commit(&[A])
        .put(&key(1), "outcome")
        .essential()
        .done(&store)
        .await;
    drop(store);
    let (store, _) = open(dir.path(), 1 << 20);
    assert!(ballast.exists(), "there is room again");
    commit(&[A]).append(A, 2, 100).done(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_that_only_the_disk_knows_fails_what_is_queued_behind_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, faults) = open(dir.path(), 0);
    let stale = commit(&[A]).put(&key(1), "1").done(&store).await;
    commit(&[A]).put(&key(1), "2").done(&store).await;
    store.head(A).await.unwrap();
    faults.gate.set_shut(true);
    let before = commit(&[A]).put(&key(2), "stands").submit(&store);
    while store.stats().queued > 0 {
        tokio::task::yield_now().await;
    }
    // The key is not in the overlay any more, so this one takes its place and fails later.
    let failing = commit(&[A]).expect(&key(1), Some(stale)).put(&key(3), "no");
    let failing = failing.append(A, 1, 10).submit(&store);
    let behind = append(&store, A, 2);
    let both = commit(&[B, A]).append(B, 1, 10).submit(&store);
    // Too large for the same group, and wrong in nothing but what it follows.
    let later = commit(&[A]).put(&key(5), vec![b'x'; 1 << 20]);
    let later = later.submit(&store);
    let elsewhere = commit(&[AccountId::from_number(3)]).put(&key(4), "stands");
    let elsewhere = elsewhere.submit(&store);
    assert_eq!(
        value(&store, &key(3)).await,
        Some("no".into()),
        "as submitted"
    );
    faults.gate.set_shut(false);
    wait(before).await.unwrap();
    for receipt in [failing, behind, both, later] {
        assert_eq!(wait(receipt).await, Err(CommitError::Conflict));
    }
    wait(elsewhere).await.unwrap();
    for number in [3, 5] {
        assert_eq!(value(&store, &key(number)).await, None, "taken back");
    }
    for account in [A, B] {
        assert_eq!(store.head(account).await.unwrap().last, Seq(0));
        commit(&[account]).append(account, 1, 10).done(&store).await;
    }
}
