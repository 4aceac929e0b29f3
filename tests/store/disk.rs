//! What only a store on a disk can promise: reopening, limits, compaction.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use hookrelay::clock::Clock;
use hookrelay::id::Seq;
use hookrelay::store::sled::{OpenError, Settings, SledStore, compact};
use hookrelay::store::{CommitError, ReadError, Store, keys};

use super::bench::{A, B, Gate, commit, gated, key, log, message, seqs, settings, value, wait};

fn open(path: &Path) -> SledStore {
    SledStore::open(path, settings(), Clock::system()).unwrap()
}

/// Puts values and messages of several lengths, and takes some away again.
async fn write_everything(store: &SledStore) {
    for number in 0..20 {
        let length = usize::try_from(number).unwrap() * 700;
        let make = commit(&[A]).put(&key(number), vec![b'v'; length]);
        make.append(A, number + 1, length).done(store).await;
    }
    commit(&[A])
        .delete(&key(3))
        .delete(&key(19))
        .done(store)
        .await;
    store.trim_log(A, Seq(5)).await.unwrap();
}

async fn assert_everything(store: &SledStore) {
    let found = store.scan(&keys::endpoints(A), 100).await.unwrap();
    assert_eq!(found.len(), 18);
    for number in (0..19).filter(|number| *number != 3) {
        let length = usize::try_from(number).unwrap() * 700;
        assert_eq!(value(store, &key(number)).await.unwrap().len(), length);
    }
    let page = log(store, A, 1).await;
    let expected = (5..=20).map(|seq| message(seq, (usize::try_from(seq).unwrap() - 1) * 700));
    assert_eq!(page.messages, expected.collect::<Vec<_>>());
    assert_eq!(store.head(A).await.unwrap().last, Seq(20));
    assert_eq!(store.visible(A).await, Ok(Seq(20)));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_there_again_after_closing_and_after_dropping() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    write_everything(&store).await;
    let live = store.stats().live;
    store.close();
    // The closed store still exists: closing has given the directory free.
    let store_again = open(dir.path());
    assert_everything(&store_again).await;
    assert_eq!(store_again.stats().live, live);
    drop(store_again);
    let store = open(dir.path());
    assert_everything(&store).await;
    let version = commit(&[A]).put(&key(50), "x").done(&store).await;
    let found = store.scan(&keys::endpoints(A), 100).await.unwrap();
    let older = found.iter().filter(|(k, _)| *k != key(50));
    assert!(older.clone().count() == 18 && older.clone().all(|(_, v)| v.version < version));
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_writes_what_is_queued_and_ends_everything() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let receipts: Vec<_> = (0..50)
        .map(|number| commit(&[A]).put(&key(number), "x").relaxed().submit(&store))
        .collect();
    store.close();
    for receipt in receipts {
        wait(receipt).await.unwrap();
    }
    let late = commit(&[A]).put(&key(99), "x").answer(&store).await;
    assert_eq!(late, Err(CommitError::Unavailable));
    assert_eq!(store.get(&key(1)).await, Err(ReadError::Unavailable));
    assert_eq!(store.head(A).await, Err(ReadError::Unavailable));
    assert_eq!(
        store.trim_log(A, Seq(1)).await,
        Err(CommitError::Unavailable)
    );
    assert!(!store.stats().open);
    let store = open(dir.path());
    let found = store.scan(&keys::endpoints(A), 100).await.unwrap();
    assert_eq!(found.len(), 50);
}

const CHILD: &str = "HOOKRELAY_TEST_STORE_OF_CHILD";

/// Run as a child of itself: appends until it is killed, printing what was acknowledged.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_kill() {
    if let Some(path) = std::env::var_os(CHILD) {
        let store = open(Path::new(&path));
        for seq in 1.. {
            let make = commit(&[A]).append(A, seq, 500);
            make.put(&key(seq), "x").done(&store).await;
            // Queued behind it and not waited for: may survive, whole or not at all.
            drop(
                commit(&[B])
                    .put(&keys::account(B), "y")
                    .relaxed()
                    .submit(&store),
            );
            println!("acknowledged {seq}");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    for round in 1..=3 {
        let enough = round * 40;
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "disk::what_was_acknowledged_survives_a_kill",
                "--nocapture",
            ])
            .env(CHILD, dir.path().join(round.to_string()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let seen = lines
            .map_while(Result::ok)
            .filter_map(|line| line.rsplit_once("acknowledged ")?.1.parse().ok())
            .find(|seq: &u64| *seq >= enough)
            .expect("the child acknowledges");
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
        let store = open(&dir.path().join(round.to_string()));
        let last = store.visible(A).await.unwrap().0;
        assert!(last >= seen, "{last} of {seen} acknowledged");
        assert_eq!(seqs(&store, A, 1).await, (1..=last).collect::<Vec<_>>());
        for seq in 1..=last {
            assert!(value(&store, &key(seq)).await.is_some());
        }
        assert_eq!(
            value(&store, &key(last + 1)).await,
            None,
            "commits are whole"
        );
        commit(&[A]).append(A, last + 1, 5).done(&store).await;
    }
}

#[test]
fn a_second_store_on_the_directory_is_refused_with_the_pid() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(dir.path());
    let error = SledStore::open(dir.path(), settings(), Clock::system()).unwrap_err();
    let pid = std::process::id();
    assert!(matches!(error, OpenError::Locked { pid: Some(found) } if found == pid));
    assert!(error.to_string().contains(&pid.to_string()));
    let error = compact(dir.path(), &settings(), |_| {}).unwrap_err();
    assert!(matches!(error, OpenError::Locked { .. }));
}

/// Name, length and content of every file below `path`.
fn image(path: &Path) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(image(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    found
}

#[test]
fn a_newer_format_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    fs::write(dir.path().join("format"), "2\n").unwrap();
    let before = image(&dir.path().join("db"));
    let error = SledStore::open(dir.path(), settings(), Clock::system()).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("format 2") && text.contains("format 1"),
        "{text}"
    );
    assert_eq!(image(&dir.path().join("db")), before);
}

#[test]
fn a_database_that_cannot_be_read_is_not_mistaken_for_an_empty_one() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()));
    let db = dir.path().join("db");
    for entry in fs::read_dir(&db).unwrap() {
        let path = entry.unwrap().path();
        // Snapshots too: what is left is a file that sled does not recognize.
        if path.to_string_lossy().contains("snap.") {
            fs::remove_file(path).unwrap();
        }
    }
    let log = db.join("db");
    let length = fs::metadata(&log).unwrap().len();
    fs::write(&log, vec![0xA5; usize::try_from(length).unwrap()]).unwrap();
    let error = SledStore::open(dir.path(), settings(), Clock::system()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, OpenError::Damaged { .. }), "{text}");
    assert!(text.contains("cp -a") && text.contains("restore"), "{text}");
    assert!(log.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn large_values_stay_out_of_unsynced_files() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for round in 0..3 {
        for number in 0..6 {
            let make = commit(&[A]).put(&key(number), vec![b'v'; (1 << 20) + 77 * round]);
            let seq = u64::try_from(round).unwrap() * 6 + number + 1;
            make.append(A, seq, 256 << 10).done(&store).await;
        }
        let many = (0..200).fold(commit(&[A]), |make, number| {
            make.put(&key(1000 + number), vec![b'w'; 4000])
        });
        many.done(&store).await;
    }
    drop(store);
    let blobs = dir.path().join("db/blobs");
    assert_eq!(fs::read_dir(blobs).unwrap().count(), 0);
    let store = open(dir.path());
    let found = value(&store, &key(5)).await.unwrap();
    assert_eq!(found.len(), (1 << 20) + 154);
    assert_eq!(seqs(&store, A, 1).await.len(), 18);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_at_its_share_is_refused_alone_until_its_log_is_trimmed() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        max_account_disk: Some(40_000),
        ..settings()
    };
    let store = SledStore::open(dir.path(), settings.clone(), Clock::system()).unwrap();
    // Known to the front, so that the limit holds from the first commit on.
    store.head(A).await.unwrap();
    let mut last = 0;
    let refused = loop {
        match commit(&[A]).append(A, last + 1, 1000).answer(&store).await {
            Ok(_) => last += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused, CommitError::Full);
    assert!((30..40).contains(&last), "{last} messages of 1000 bytes");
    assert_eq!(store.pressure().accounts, [A]);
    assert!(!store.pressure().installation);
    commit(&[B]).append(B, 1, 1000).done(&store).await;
    commit(&[A])
        .append(A, last + 1, 1000)
        .essential()
        .done(&store)
        .await;
    drop(store);
    // After a restart the share is not known before somebody asks: the writer finds out.
    let store = SledStore::open(dir.path(), settings, Clock::system()).unwrap();
    let refused = commit(&[A]).append(A, last + 2, 1000).answer(&store).await;
    assert_eq!(refused, Err(CommitError::Full));
    store.trim_log(A, Seq(20)).await.unwrap();
    assert!(store.pressure().accounts.is_empty());
    commit(&[A]).append(A, last + 2, 1000).done(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_installation_refuses_whole_and_takes_what_is_essential() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        max_disk: 32 << 20,
        max_account_disk: Some(1 << 30),
        ..settings()
    };
    let store = SledStore::open(dir.path(), settings, Clock::system()).unwrap();
    let mut last = 0;
    while commit(&[A])
        .append(A, last + 1, 100_000)
        .answer(&store)
        .await
        .is_ok()
    {
        last += 1;
        assert!(last < 1000, "the limit never came");
    }
    let refused = commit(&[A]).append(A, last + 1, 100_000).put(&key(1), "x");
    assert_eq!(refused.answer(&store).await, Err(CommitError::Full));
    assert_eq!(value(&store, &key(1)).await, None);
    assert!(store.pressure().installation);
    let stats = store.stats();
    assert!(stats.live > 8 << 20 && stats.live < 32 << 20, "{stats:?}");
    assert!(stats.disk > 24 << 20 && stats.disk < 48 << 20, "{stats:?}");
    commit(&[A])
        .put(&key(2), "outcome")
        .essential()
        .done(&store)
        .await;
    store.trim_log(A, Seq(last)).await.unwrap();
    commit(&[A]).append(A, last + 1, 100_000).done(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_outrun_the_disk_are_refused_before_memory_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let gate = Arc::<Gate>::default();
    let settings = Settings {
        max_queue: 100_000,
        ..gated(&gate)
    };
    let store = SledStore::open(dir.path(), settings, Clock::system()).unwrap();
    gate.set_shut(true);
    let receipts: Vec<_> = (0..30)
        .map(|number| {
            commit(&[A])
                .put(&key(number), vec![b'x'; 10_000])
                .submit(&store)
        })
        .collect();
    assert!(store.stats().queued_bytes <= 100_000);
    let essential = commit(&[B])
        .put(&keys::account(B), vec![b'x'; 10_000])
        .essential();
    let essential = essential.submit(&store);
    gate.set_shut(false);
    let mut answers = Vec::new();
    for receipt in receipts {
        answers.push(wait(receipt).await.map(|_| ()));
    }
    let taken = answers.iter().take_while(|answer| answer.is_ok()).count();
    assert!((8..=10).contains(&taken), "{taken} commits of 10 kB");
    assert!(
        answers[taken..]
            .iter()
            .all(|answer| *answer == Err(CommitError::Unavailable))
    );
    wait(essential).await.unwrap();
    assert_eq!(store.stats().queued_bytes, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_compacts_a_file_that_is_mostly_dead() {
    let dir = tempfile::tempdir().unwrap();
    let never = settings();
    let store = SledStore::open(dir.path(), never, Clock::system()).unwrap();
    for number in 0..40 {
        let make = commit(&[B]).append(B, number + 1, 200_000);
        make.put(&keys::account(B), "x").done(&store).await;
    }
    store.trim_log(B, Seq(41)).await.unwrap();
    write_everything(&store).await;
    let before = store.stats();
    assert!(before.live < before.disk / 4, "{before:?}");
    drop(store);
    let eager = Settings {
        compact_over: 1 << 20,
        ..settings()
    };
    let store = SledStore::open(dir.path(), eager, Clock::system()).unwrap();
    let after = store.stats();
    assert!(after.disk < before.disk / 2, "{before:?} {after:?}");
    assert_eq!(after.live, before.live, "the count was right all the time");
    assert_everything(&store).await;
    assert_eq!(store.head(B).await.unwrap().last, Seq(40));
    commit(&[B]).append(B, 41, 10).done(&store).await;
}
