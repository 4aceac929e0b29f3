//! Logs, their ends, and the feed.

use std::collections::BTreeSet;

use bytes::Bytes;
use hookrelay::clock::Timestamp;
use hookrelay::id::{AccountId, EndpointId, Seq};
use hookrelay::store::{CommitError, Head, Targets, keys};

use super::bench::{A, B, Bench, Kind, commit, key, log, message, seqs, wait};

pub async fn visible_means_durable(kind: Kind) {
    let bench = Bench::held(kind);
    let store = &*bench.store;
    let first = commit(&[A])
        .append(A, 1, 10)
        .put(&key(1), "x")
        .submit(store);
    let second = commit(&[A]).append(A, 2, 10).submit(store);
    let head = store.head(A).await.unwrap();
    assert_eq!((head.last, head.last_time), (Seq(2), Timestamp(1002)));
    assert_eq!(store.visible(A).await, Ok(Seq(0)));
    assert!(log(store, A, 0).await.messages.is_empty());
    assert!(store.feed().take().is_empty());
    bench.release();
    wait(first).await.unwrap();
    wait(second).await.unwrap();
    assert_eq!(store.visible(A).await, Ok(Seq(2)));
    assert_eq!(seqs(store, A, 0).await, [1, 2]);
    let news = store.feed().take();
    assert_eq!(news.logs.get(&A), Some(&Seq(2)));
    assert_eq!(news.changed, BTreeSet::from([key(1)]));
}

pub async fn sequences_have_no_gaps_under_concurrency(kind: Kind) {
    const TASKS: usize = 64;
    const EACH: usize = 10;
    let bench = Bench::open(kind);
    let database = bench.database();
    let counter = keys::account(AccountId::from_number(99));
    let tasks = (0..TASKS).map(|task| {
        let (database, counter) = (database.clone(), counter.clone());
        let account = if task % 2 == 0 { A } else { B };
        tokio::spawn(async move {
            let mut ids = Vec::new();
            for _ in 0..EACH {
                let body = |tx: hookrelay::store::Tx| {
                    let counter = keys::account_name(&format!("{counter}{account}"));
                    async move {
                        let count: u64 = tx.read(&counter).await?.unwrap_or_default();
                        tx.put(counter, &(count + 1))?;
                        let data = Bytes::from(count.to_string());
                        tx.append(account, "t", Targets::All, data).await
                    }
                };
                ids.push(database.transact(&[account], body).await.unwrap());
            }
            ids
        })
    });
    let mut ids = BTreeSet::new();
    for task in tasks.collect::<Vec<_>>() {
        ids.extend(task.await.unwrap());
    }
    let store = &*bench.store;
    for account in [A, B] {
        let page = log(store, account, 1).await;
        assert_eq!(page.messages.len(), TASKS / 2 * EACH);
        for (expected, message) in (1..).zip(&page.messages) {
            assert_eq!(message.seq(), Seq(expected));
            let before = (expected - 1).to_string();
            assert_eq!(message.data, before, "the counter moved with the log");
            assert!(ids.remove(&message.id), "only what was promised is there");
        }
    }
    assert!(ids.is_empty(), "everything that was promised is there");
}

pub async fn a_sequence_out_of_turn_is_a_conflict(kind: Kind) {
    let bench = Bench::open(kind);
    let store = &*bench.store;
    let conflict = Err(CommitError::Conflict);
    // Once without anybody having asked for the head, once after.
    for round in 0..2 {
        for wrong in [0, 2, 7] {
            let refused = commit(&[A]).append(A, 3 * round + wrong, 5);
            assert_eq!(refused.answer(store).await, conflict);
        }
        let next = 3 * round + 1;
        let gap = commit(&[A]).append(A, next, 5).append(A, next + 2, 5);
        assert_eq!(gap.answer(store).await, conflict);
        let three = (next..next + 3).fold(commit(&[A]), |make, seq| make.append(A, seq, 5));
        three.done(store).await;
        let last = store.head(A).await.unwrap().last;
        assert_eq!(last, Seq(next + 2));
    }
    assert_eq!(seqs(store, A, 1).await, [1, 2, 3, 4, 5, 6]);
}

pub async fn the_feed_names_an_endpoint_with_or_before_the_message_after_it(kind: Kind) {
    const ROUNDS: u64 = 60;
    let bench = Bench::open(kind);
    let store = bench.store.clone();
    let writer = tokio::spawn(async move {
        for seq in 1..=ROUNDS {
            let endpoint = keys::endpoint(B, EndpointId::from_number(seq));
            let made = commit(&[B]).put(&endpoint, "x").submit(&*store);
            let said = commit(&[A]).append(A, seq, 5).submit(&*store);
            if seq % 7 == 0 {
                wait(made).await.unwrap();
                wait(said).await.unwrap();
            }
        }
    });
    let (mut changed, mut last) = (0, Seq(0));
    while last < Seq(ROUNDS) {
        bench.store.feed().changed().await;
        let news = bench.store.feed().take();
        changed += news.changed.len() as u64;
        last = news.logs.get(&A).copied().unwrap_or(last).max(last);
        assert!(changed >= last.0, "a message overtook its endpoint");
        let visible = bench.store.visible(A).await.unwrap();
        assert!(visible >= last, "what the feed names can be read");
    }
    writer.await.unwrap();
}

pub async fn pages_end_by_count_and_by_bytes(kind: Kind) {
    let bench = Bench::open(kind);
    let store = &*bench.store;
    for seq in 1..=20 {
        commit(&[A]).append(A, seq, 100).done(store).await;
    }
    let size = message(1, 100).size();
    let cases = [
        (1, 5, usize::MAX, vec![1, 2, 3, 4, 5]),
        (18, 9, usize::MAX, vec![18, 19, 20]),
        (3, 9, 0, vec![3]),
        (3, 9, size, vec![3]),
        (3, 9, size + 1, vec![3, 4]),
        (0, 2, usize::MAX, vec![1, 2]),
        (21, 9, usize::MAX, vec![]),
        (u64::MAX, 9, usize::MAX, vec![]),
        (5, 0, usize::MAX, vec![]),
    ];
    for (from, messages, bytes, expected) in cases {
        let page = store.read_log(A, Seq(from), messages, bytes).await.unwrap();
        let found: Vec<u64> = page.messages.iter().map(|m| m.seq().0).collect();
        assert_eq!(
            found, expected,
            "{messages} messages, {bytes} bytes from {from}"
        );
    }
    assert!(log(store, B, 1).await.messages.is_empty());
}

pub async fn long_logs_and_long_messages_are_read_from_anywhere(kind: Kind) {
    let bench = Bench::open(kind);
    let store = &*bench.store;
    let length = |seq: u64| match seq % 40 {
        7 => 300 << 10,
        8 => 4096,
        9 => 0,
        short => 50 * usize::try_from(short).unwrap(),
    };
    let mut seq = 0;
    while seq < 200 {
        // Groups of several sizes, so that blocks begin anywhere.
        let group = 1 + seq % 11;
        let last = (seq + group).min(200);
        let appends =
            (seq + 1..=last).fold(commit(&[A]), |make, seq| make.append(A, seq, length(seq)));
        appends.done(store).await;
        seq = last;
    }
    for from in (1..=200).step_by(13) {
        let page = store.read_log(A, Seq(from), 30, usize::MAX).await.unwrap();
        let until = (from + 30).min(201);
        let expected: Vec<_> = (from..until).map(|seq| message(seq, length(seq))).collect();
        assert_eq!(page.messages, expected);
    }
}

pub async fn a_trimmed_log_keeps_its_end(kind: Kind) {
    let bench = Bench::open(kind);
    let store = &*bench.store;
    for seq in 1..=30 {
        commit(&[A])
            .append(A, seq, 2000)
            .append(B, seq, 10)
            .done(store)
            .await;
    }
    store.trim_log(A, Seq(0)).await.unwrap();
    assert_eq!(seqs(store, A, 1).await.first(), Some(&1));
    store.trim_log(A, Seq(11)).await.unwrap();
    assert_eq!(seqs(store, A, 1).await, (11..=30).collect::<Vec<_>>());
    store.trim_log(A, Seq(5)).await.unwrap();
    assert_eq!(
        seqs(store, A, 1).await.len(),
        20,
        "nothing comes back or goes"
    );
    store.trim_log(A, Seq(1000)).await.unwrap();
    assert!(seqs(store, A, 1).await.is_empty());
    let end = Head {
        last: Seq(30),
        last_time: Timestamp(1030),
    };
    assert_eq!(store.head(A).await, Ok(end));
    assert_eq!(store.visible(A).await, Ok(Seq(30)));
    commit(&[A]).append(A, 31, 10).done(store).await;
    assert_eq!(seqs(store, A, 1).await, [31]);
    assert_eq!(
        seqs(store, B, 1).await.len(),
        30,
        "other logs are untouched"
    );
}
