//! Searches against scans, over entities of two texts.

use std::sync::Arc;

use super::*;
use crate::clock::{Clock, Entropy, Timestamp};
use crate::store::Database;
use crate::store::memory::MemoryStore;

const A: AccountId = AccountId::from_number(1);
const FIELDS: [Field; 2] = [Field("x-in-name"), Field("x-in-city")];
const GROUP: &str = "x-group";

fn database() -> Database {
    let clock = Clock::manual(Timestamp(1));
    Database::new(Arc::new(MemoryStore::new()), clock, Entropy::seeded(1))
}

/// Entities are their two texts; each is also in a group by the remainder of its id by 3.
async fn store(db: &Database, id: u64, texts: &[&str; 2]) {
    let stored = db.transact(&[A], |tx| async move {
        let mut all: BTreeSet<Key> = FIELDS
            .iter()
            .zip(texts)
            .flat_map(|(field, text)| entries(A, *field, id, text))
            .collect();
        all.insert(keys::member(GROUP, A, &(id % 3).to_string(), id));
        reindex(&tx, &BTreeSet::new(), &all);
        tx.put(keys::record("x", A, id), texts)
    });
    stored.await.unwrap();
}

async fn found(db: &Database, order: Order, condition: &Condition) -> (Vec<u64>, usize, bool) {
    let tx = db.view();
    let mut search = Search::new(&tx, A, "x", order, condition);
    let mut ids = Vec::new();
    while let Some(found) = search.next().await.unwrap() {
        ids.push(found.id);
    }
    (ids, search.read(), search.is_exact())
}

fn text(needle: &str) -> Condition {
    Condition::Contains(&FIELDS, needle.to_owned())
}

fn group(number: u64) -> Condition {
    Condition::Member(GROUP, number.to_string())
}

#[test]
fn grams_are_characters_not_bytes() {
    let expected = ["abc", "bcü", "cüd"].map(str::to_owned);
    assert_eq!(grams("abcüd"), BTreeSet::from(expected));
    assert!(grams("ab").is_empty());
    assert_eq!(chosen("abc"), (vec!["abc".to_owned()], true));
    assert_eq!(chosen("ab"), (Vec::new(), false));
    let long: String = ('a'..='z').collect();
    let (some, exact) = chosen(&long);
    assert!(!exact && (2..=MAX_GRAMS).contains(&some.len()), "{some:?}");
}

#[tokio::test]
async fn a_search_finds_what_a_scan_finds_in_both_orders() {
    let db = database();
    let mut rng = fastrand::Rng::with_seed(7);
    let mut word = |letters: usize| -> String {
        let some = std::iter::repeat_with(|| rng.char('a'..='c'));
        some.take(letters).collect()
    };
    let mut all = Vec::new();
    for id in 1001..1401 {
        let texts = [word(6), word(4)];
        store(&db, id, &[&texts[0], &texts[1]]).await;
        all.push((id, texts));
    }
    for n in 0..60 {
        let (one, two) = (word(2 + n % 4), word(3));
        let condition = match n % 4 {
            0 => text(&one),
            1 => Condition::All(vec![text(&one), group(1)]),
            2 => Condition::Any(vec![text(&one), text(&two)]),
            _ => Condition::All(vec![
                Condition::Any(vec![group(0), group(2)]),
                text(&one),
                text(&two),
            ]),
        };
        let has = |texts: &[String; 2], needle: &str| texts.iter().any(|t| t.contains(needle));
        let meets = |id: u64, texts: &[String; 2]| match n % 4 {
            0 => has(texts, &one),
            1 => has(texts, &one) && id % 3 == 1,
            2 => has(texts, &one) || has(texts, &two),
            _ => has(texts, &one) && has(texts, &two) && id % 3 != 1,
        };
        let scanned: Vec<u64> = all
            .iter()
            .filter(|(id, texts)| meets(*id, texts))
            .map(|(id, _)| *id)
            .collect();
        for order in [Order::OldestFirst, Order::NewestFirst] {
            let (mut ids, _, exact) = found(&db, order, &condition).await;
            // Where the lists say less than the condition, the texts have the last word.
            let text_of = |id: u64| &all[usize::try_from(id - 1001).unwrap()].1;
            ids.retain(|id| exact || meets(*id, text_of(*id)));
            if order == Order::NewestFirst {
                ids.reverse();
            }
            assert_eq!(ids, scanned, "{condition:?}");
        }
    }
}

#[tokio::test]
async fn lists_are_sought_not_read_whole() {
    let db = database();
    for id in 1..=5000 {
        let rare = if id % 1000 == 0 { "needle" } else { "" };
        store(&db, id, &["common", rare]).await;
    }
    let condition = Condition::All(vec![text("common"), text("needle")]);
    let (ids, read, exact) = found(&db, Order::NewestFirst, &condition).await;
    assert_eq!(ids, [5000, 4000, 3000, 2000, 1000]);
    assert!(!exact);
    // A first page of each list, then two lists of the common word at the few places where
    // the rare one is.
    assert!(read < 5000, "{read} keys were read");
    let (_, all, _) = found(&db, Order::NewestFirst, &text("common")).await;
    assert!((10_000..10_200).contains(&all), "{all} keys were read");
}

#[tokio::test]
async fn a_needle_without_a_gram_looks_at_every_record_once() {
    let db = database();
    for id in 1..=300 {
        store(&db, id, &["ab", "c"]).await;
    }
    let tx = db.view();
    let mut search = Search::new(&tx, A, "x", Order::NewestFirst, &text("ab"));
    let mut count = 0;
    loop {
        let some = search.some().await.unwrap();
        if some.is_empty() {
            break;
        }
        let records: Vec<Option<[String; 2]>> = search.records(&some).await.unwrap();
        assert!(records.iter().flatten().all(|texts| texts[0] == "ab"));
        count += records.len();
    }
    assert_eq!((count, search.read()), (300, 300));
    assert!(!search.is_exact());
}

#[tokio::test]
async fn a_change_writes_only_the_keys_that_differ() {
    let db = database();
    store(&db, 1, &["jane smith", "springfield"]).await;
    let keys = |text: &str| -> BTreeSet<Key> { entries(A, FIELDS[0], 1, text).collect() };
    let (before, after) = (keys("jane smith"), keys("jane smythe"));
    let gone: Vec<&Key> = before.difference(&after).collect();
    // "smi", "mit" and "ith" go; what both names share stays.
    assert_eq!(gone.len(), 3);
    db.transact(&[A], |tx| {
        let (before, after) = (before.clone(), after.clone());
        async move {
            reindex(&tx, &before, &after);
            assert!(!tx.is_unchanged());
            Ok(())
        }
    })
    .await
    .unwrap();
    assert_eq!(found(&db, Order::OldestFirst, &text("smythe")).await.0, [1]);
    assert!(
        found(&db, Order::OldestFirst, &text("smi"))
            .await
            .0
            .is_empty()
    );
    let same = db.transact(&[A], |tx| {
        let after = after.clone();
        async move {
            reindex(&tx, &after, &after);
            Ok(tx.is_unchanged())
        }
    });
    assert!(same.await.unwrap());
}
