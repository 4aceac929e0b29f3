//! Parts that fail, glances, and answers that wait.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::id::Seq;
use crate::store::keys;
use crate::store::memory::MemoryStore;

#[tokio::test]
async fn a_part_that_fails_leaves_nothing_and_the_rest_stands() {
    const A: AccountId = AccountId::from_number(1);
    let store = Arc::new(MemoryStore::new());
    let database = Database::new(
        store.clone(),
        Clock::manual(Timestamp(1)),
        Entropy::seeded(1),
    );
    let key = |name: &str| keys::counter(A, name);
    let say = async |tx: &Tx, text: &'static str| {
        let data = Bytes::from_static(b"1");
        tx.append(A, text, Targets::All, data).await
    };
    let done = database.transact(&[A], |tx| async move {
        tx.put(key("kept"), &1)?;
        say(&tx, "kept").await?;
        let failed = tx.part(async {
            tx.put(key("kept"), &2)?;
            tx.put(key("kept"), &3)?;
            tx.put(key("gone"), &1)?;
            tx.delete(key("kept"));
            say(&tx, "gone").await?;
            // What an inner part did goes with the outer one.
            tx.part(async { tx.put(key("inner"), &1) }).await?;
            Err::<(), _>(Error::conflict("no"))
        });
        assert_eq!(failed.await, Err(Error::conflict("no")));
        assert_eq!(tx.read::<u64>(&key("gone")).await?, None);
        let inner = tx.part(async {
            tx.put(key("outer"), &1)?;
            let failed = tx.part(async {
                tx.put(key("outer"), &2)?;
                Err::<(), _>(Error::internal())
            });
            failed.await.unwrap_err();
            say(&tx, "second").await
        });
        inner.await
    });
    let id = done.await.unwrap();
    assert_eq!(
        id.seq(),
        Seq(2),
        "a sequence that was given back is used again"
    );
    let view = database.view();
    for (name, expected) in [
        ("kept", Some(1)),
        ("gone", None),
        ("inner", None),
        ("outer", Some(1)),
    ] {
        assert_eq!(
            view.read::<u64>(&key(name)).await.unwrap(),
            expected,
            "{name}"
        );
    }
    let log = store.read_log(A, Seq(1), 10, 1 << 20).await.unwrap();
    let types: Vec<&str> = log.messages.iter().map(|it| &*it.event_type).collect();
    assert_eq!(types, ["kept", "second"]);
    let nothing = database.transact(&[A], |tx| async move {
        let failed = tx.part(async {
            tx.put(key("gone"), &1)?;
            Err::<(), _>(Error::internal())
        });
        failed.await.unwrap_err();
        Ok(tx.is_unchanged())
    });
    assert_eq!(nothing.await, Ok(true));
}

#[tokio::test]
async fn a_glance_sees_own_writes_and_expects_nothing() {
    const A: AccountId = AccountId::from_number(1);
    let store = Arc::new(MemoryStore::new());
    let database = Database::new(store, Clock::manual(Timestamp(1)), Entropy::seeded(1));
    let tx = database.begin(true);
    tx.put(keys::counter(A, "own"), &7).unwrap();
    let glance = tx.glance();
    assert_eq!(
        glance.read::<u64>(&keys::counter(A, "own")).await,
        Ok(Some(7))
    );
    assert_eq!(
        glance.read::<u64>(&keys::counter(A, "other")).await,
        Ok(None)
    );
    let range = KeyRange::below(&format!("next/{A}/"));
    assert_eq!(glance.scan(&range, 10).await.unwrap().len(), 1);
    let commit = tx.into_commit(&[A], false);
    assert!(commit.reads.is_empty() && commit.ranges.is_empty());
    assert_eq!(commit.writes.len(), 1);
}

#[test]
fn an_answer_that_changes_nothing_waits_for_what_it_has_read() {
    const A: AccountId = AccountId::from_number(1);
    let store = Arc::new(MemoryStore::stepped());
    let clock = Clock::manual(Timestamp(1));
    let database = Database::new(store.clone(), clock, Entropy::seeded(1));
    let key = &keys::counter(A, "x");
    let accounts = &[A];
    let mut writing =
        pin!(database.transact(accounts, |tx| async move { tx.put(key.clone(), &7) }));
    let mut reading =
        pin!(database.transact(accounts, |tx| async move { tx.read::<u64>(key).await }));
    let mut context = Context::from_waker(Waker::noop());
    assert!(writing.as_mut().poll(&mut context).is_pending());
    // It finds what is not on the disk yet, and so says nothing.
    assert!(reading.as_mut().poll(&mut context).is_pending());
    assert!(store.step() && store.step() && !store.step());
    assert_eq!(writing.poll(&mut context), Poll::Ready(Ok(())));
    assert_eq!(reading.poll(&mut context), Poll::Ready(Ok(Some(7))));
    // What touches nothing waits for nothing.
    let nothing = pin!(database.transact(accounts, |_| async { Ok(()) }));
    assert_eq!(nothing.poll(&mut context), Poll::Ready(Ok(())));
}
