//! Searches against scans, over entities of two texts, whatever the builder does meanwhile.

mod builds;

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;

use super::build::step;
use super::runs::Manifest;
use super::*;
use crate::clock::{Clock, Entropy, Timestamp};
use crate::store::memory::MemoryStore;
use crate::store::{Database, KeyRange, Store};

const A: AccountId = AccountId::from_number(1);
/// A kind of the layout, so that a check of the store knows it.
const KIND: &str = "lead";
const NAME: Field = Field(1);
const CITY: Field = Field(2);
const BOTH: &[Field] = &[NAME, CITY];
const GROUP: &str = "x-group";
const SMALL: Sizes = Sizes {
    fresh: 8,
    fan: 2,
    top: 64,
};

type Texts = [String; 2];
type Model = BTreeMap<u64, Texts>;

fn database(store: Arc<dyn Store>) -> Database {
    Database::new(store, Clock::manual(Timestamp(1)), Entropy::seeded(1))
}

fn in_memory() -> Database {
    database(Arc::new(MemoryStore::new()))
}

fn entry(texts: &Texts) -> Entry {
    Entry::default().with(NAME, &texts[0]).with(CITY, &texts[1])
}

/// Stores an entity, which is also in a group by the remainder of its id by 3.
async fn store(db: &Database, id: u64, before: Option<&Texts>, after: &Texts) {
    let stored = db.transact(&[A], |tx| async move {
        let before = before.map_or_else(Entry::default, entry);
        write(&tx, A, KIND, id, (&before, &entry(after)));
        let group = keys::member(GROUP, A, &(id % 3).to_string(), id);
        tx.put_bytes(group, Bytes::new());
        tx.put(keys::record(KIND, A, id), after)
    });
    stored.await.unwrap();
}

fn has(texts: &Texts, how: Match, needle: &str) -> bool {
    texts.iter().any(|text| match how {
        Match::Equal => fold(text) == fold(needle),
        Match::Contained => fold(text).contains(&fold(needle)),
        Match::Prefix => fold(text).starts_with(&fold(needle)),
    })
}

fn text(how: Match, needle: &str) -> Condition {
    Condition::Text(BOTH, how, needle.to_owned())
}

fn group(number: u64) -> Condition {
    Condition::Member(GROUP, number.to_string())
}

/// Every entity that is found, rising, by its texts.
async fn found(
    db: &Database,
    order: Order,
    condition: &Condition,
    meets: impl Fn(&Texts) -> bool,
) -> Vec<Texts> {
    let tx = db.view();
    let search = Search::new(&tx, A, KIND, order, condition);
    let page = search.page((0, usize::MAX), meets).await.unwrap();
    assert_eq!(page.records.len(), page.total);
    let mut records = page.records;
    if order == Order::NewestFirst {
        records.reverse();
    }
    records
}

fn scanned(model: &Model, meets: impl Fn(u64, &Texts) -> bool) -> Vec<Texts> {
    let all = model.iter().filter(|(id, texts)| meets(**id, texts));
    all.map(|(_, texts)| texts.clone()).collect()
}

async fn agrees(db: &Database, model: &Model, how: Match, needle: &str) {
    let meets = |texts: &Texts| has(texts, how, needle);
    let expected = scanned(model, |_, texts| meets(texts));
    let order = [Order::OldestFirst, Order::NewestFirst][needle.len() % 2];
    let got = found(db, order, &text(how, needle), meets).await;
    assert_eq!(got, expected, "{how:?} {needle:?}");
}

/// Everything stored for searching stands beside what it needs.
async fn is_sound(db: &Database) {
    for directory in stored::DIRECTORIES {
        let range = KeyRange::below(&format!("{directory}/"));
        for (key, bytes) in db.view().scan(&range, usize::MAX).await.unwrap() {
            let needed = stored::needs(&key, &bytes).unwrap();
            for other in needed.iter().filter(|key| **key != keys::account(A)) {
                let there = db.view().get(other).await.unwrap();
                assert!(there.is_some(), "{key} needs {other}");
            }
        }
    }
}

fn word(rng: &mut Rng, letters: usize) -> String {
    let alphabet = ['a', 'B', 'ü'];
    (0..letters)
        .map(|_| alphabet[rng.usize(..alphabet.len())])
        .collect()
}

async fn one_change(db: &Database, model: &mut Model, rng: &mut Rng) {
    let known: Vec<u64> = model.keys().copied().collect();
    let next = known.last().map_or(1001, |last| last + rng.u64(1..3));
    let id = if known.is_empty() || rng.u8(..3) > 0 {
        next
    } else {
        known[rng.usize(..known.len())]
    };
    let length = |rng: &mut Rng| {
        if rng.u8(..8) == 0 {
            0
        } else {
            rng.usize(1..22)
        }
    };
    let (one, other) = (length(rng), length(rng));
    // Now and then nothing is left of it.
    let texts = if rng.u8(..6) == 0 {
        Texts::default()
    } else {
        [word(rng, one), word(rng, other)]
    };
    store(db, id, model.get(&id), &texts).await;
    model.insert(id, texts);
}

async fn all_needles(db: &Database, model: &Model, rng: &mut Rng) {
    for how in [Match::Contained, Match::Prefix, Match::Equal] {
        for letters in [1, 2, 3, 16, 17, 20] {
            agrees(db, model, how, &word(rng, letters)).await;
        }
        let texts = model.values().nth(rng.usize(..model.len())).unwrap();
        let text = &texts[rng.usize(..2)];
        let begin = text
            .char_indices()
            .nth(rng.usize(..4))
            .map_or(0, |(at, _)| at);
        let needle = if how == Match::Contained {
            &text[begin..]
        } else {
            text
        };
        agrees(db, model, how, needle).await;
    }
}

#[tokio::test]
async fn what_is_found_is_what_a_scan_finds_whatever_was_built() {
    for seed in 0..12 {
        let (db, mut rng, mut model) = (in_memory(), Rng::with_seed(seed), Model::new());
        for round in 0..60 {
            for _ in 0..rng.usize(1..12) {
                one_change(&db, &mut model, &mut rng).await;
            }
            while rng.u8(..3) > 0 && step(&db, A, KIND, &SMALL).await.unwrap() {}
            if round % 6 == 0 {
                all_needles(&db, &model, &mut rng).await;
                is_sound(&db).await;
            }
        }
        while step(&db, A, KIND, &SMALL).await.unwrap() {}
        all_needles(&db, &model, &mut rng).await;
        let manifest = Manifest::read(&db.view(), A, KIND).await.unwrap();
        assert!(
            manifest.garbage.is_empty() && manifest.runs.len() < 12,
            "{manifest:?}"
        );
        let left = keys::all_fresh(KIND, A);
        assert!(db.view().scan(&left, 100).await.unwrap().len() < SMALL.fresh);
    }
}

#[tokio::test]
async fn conditions_are_combined_in_both_orders() {
    use Match::Contained;

    let (db, mut rng, mut model) = (in_memory(), Rng::with_seed(7), Model::new());
    for id in 1001..1301 {
        let texts = [word(&mut rng, 6), word(&mut rng, 4)];
        store(&db, id, None, &texts).await;
        model.insert(id, texts);
        if id % 20 == 0 {
            step(&db, A, KIND, &SMALL).await.unwrap();
        }
    }
    for n in 0..60 {
        let (one, two) = (word(&mut rng, 1 + n % 4), word(&mut rng, 2));
        let condition = match n % 4 {
            0 => text(Contained, &one),
            1 => Condition::All(vec![text(Contained, &one), group(1)]),
            2 => Condition::Any(vec![text(Contained, &one), text(Contained, &two)]),
            _ => Condition::All(vec![
                Condition::Any(vec![group(0), group(2)]),
                text(Contained, &one),
                text(Contained, &two),
            ]),
        };
        let has = |texts: &Texts, needle: &str| has(texts, Contained, needle);
        let expected = scanned(&model, |id, texts| match n % 4 {
            0 => has(texts, &one),
            1 => has(texts, &one) && id % 3 == 1,
            2 => has(texts, &one) || has(texts, &two),
            _ => has(texts, &one) && has(texts, &two) && id % 3 != 1,
        });
        for order in [Order::OldestFirst, Order::NewestFirst] {
            // The index says it all: no record is asked.
            let got = found(&db, order, &condition, |_| panic!("a record is asked")).await;
            assert_eq!(got, expected, "{condition:?}");
        }
    }
}

#[tokio::test]
async fn only_what_is_shown_is_read() {
    let db = in_memory();
    for id in 1..=5000 {
        let rare = if id % 1000 == 0 { "needle" } else { "" };
        store(&db, id, None, &["common".to_owned(), rare.to_owned()]).await;
    }
    let sizes = Sizes {
        fresh: 1000,
        fan: 8,
        top: 10_000,
    };
    while step(&db, A, KIND, &sizes).await.unwrap() {}
    let rare = text(Match::Contained, "needle");
    let common = text(Match::Contained, "common");
    let two = Condition::Any(vec![group(0), group(1)]);
    for (condition, page, total, ids, most) in [
        (&rare, (0, 9), 5, vec![5000, 4000, 3000, 2000, 1000], 100),
        (&common, (1, 2), 5000, vec![4999, 4998], 150),
        (&text(Match::Prefix, "needles"), (0, 9), 0, vec![], 50),
        // Long lists beside a few ids are not walked.
        (
            &Condition::All(vec![rare.clone(), group(1)]),
            (0, 9),
            2,
            vec![4000, 1000],
            150,
        ),
        (
            &Condition::All(vec![two, rare.clone()]),
            (0, 9),
            3,
            vec![4000, 3000, 1000],
            200,
        ),
        // Nor is what they are too many for asked one by one.
        (
            &Condition::All(vec![group(1), common.clone()]),
            (0, 1),
            1667,
            vec![4999],
            1900,
        ),
    ] {
        let tx = db.view();
        let search = Search::new(&tx, A, KIND, Order::NewestFirst, condition);
        let found: Page<Texts> = search.page(page, |_| false).await.unwrap();
        assert_eq!(
            (found.total, found.records.len()),
            (total, ids.len()),
            "{condition:?}"
        );
        assert!(
            found.read <= most,
            "{condition:?}: {} keys were read",
            found.read
        );
        let mut search = Search::new(&tx, A, KIND, Order::NewestFirst, condition);
        let some = search
            .some()
            .await
            .unwrap()
            .into_iter()
            .skip(page.0)
            .take(page.1);
        assert_eq!(some.map(|found| found.id).collect::<Vec<_>>(), ids);
    }
}

#[tokio::test]
async fn a_text_of_nothing_narrows_nothing_down() {
    let db = in_memory();
    for id in 1..=300 {
        let name = if id % 2 == 0 { "ab" } else { "" };
        store(&db, id, None, &[name.to_owned(), "c".to_owned()]).await;
    }
    let all = |_: &Texts| true;
    for how in [Match::Contained, Match::Prefix] {
        let condition = Condition::All(vec![text(how, "")]);
        assert_eq!(
            found(&db, Order::NewestFirst, &condition, all).await.len(),
            300
        );
    }
    let condition = Condition::Text(&[NAME], Match::Equal, String::new());
    let empty = found(&db, Order::OldestFirst, &condition, |texts| {
        texts[0].is_empty()
    })
    .await;
    assert_eq!(empty.len(), 150);
    let both = Condition::All(vec![condition, group(0)]);
    let empty = found(&db, Order::OldestFirst, &both, |texts| texts[0].is_empty()).await;
    assert_eq!(empty.len(), 50);
}

#[tokio::test]
async fn what_does_not_change_is_not_written() {
    let db = in_memory();
    let (one, other) = (
        ["Jane".to_owned(), String::new()],
        ["jane".to_owned(), String::new()],
    );
    store(&db, 1, None, &one).await;
    for (after, changes) in [(&one, false), (&other, false), (&Texts::default(), true)] {
        let (one, after) = (entry(&one), entry(after));
        let is_unchanged = db.transact(&[A], |tx| {
            write(&tx, A, KIND, 1, (&one, &after));
            let unchanged = tx.is_unchanged();
            async move { Ok(unchanged) }
        });
        assert_eq!(is_unchanged.await.unwrap(), !changes);
    }
}

#[tokio::test]
async fn a_round_finds_what_is_due_and_then_rests() {
    let db = in_memory();
    let mut model = Model::new();
    let mut rng = Rng::with_seed(1);
    let due = keys::search_due(KIND, A);
    // One of so many changes makes it due.
    while db.view().get(&due).await.unwrap().is_none() {
        one_change(&db, &mut model, &mut rng).await;
        assert!(model.len() < 5_000, "nothing is ever due");
    }
    let goes_on = || true;
    while build::round(&db, &SMALL, &goes_on).await.unwrap() {}
    assert_eq!(db.view().get(&due).await.unwrap(), None);
    let left = db
        .view()
        .scan(&keys::all_fresh(KIND, A), 1000)
        .await
        .unwrap();
    assert!(left.len() < SMALL.fresh);
    all_needles(&db, &model, &mut rng).await;
}

#[tokio::test]
async fn damage_is_an_error_and_not_a_wrong_answer() {
    let db = in_memory();
    for id in 1..=20 {
        store(&db, id, None, &["common".to_owned(), String::new()]).await;
    }
    while step(&db, A, KIND, &SMALL).await.unwrap() {}
    for directory in ["search-fresh/", "search-block/", "search-runs/"] {
        let range = KeyRange::below(directory);
        let (key, bytes) = db.view().scan(&range, 1).await.unwrap().remove(0);
        for broken in [Bytes::from_static(b"\x07\x99"), bytes] {
            let (key, broken) = (&key, &broken);
            db.transact(&[A], |tx| async move {
                tx.put_bytes(key.clone(), broken.clone());
                Ok(())
            })
            .await
            .unwrap();
            let tx = db.view();
            let search = Search::new(
                &tx,
                A,
                KIND,
                Order::OldestFirst,
                &text(Match::Contained, "o"),
            );
            let page: Result<Page<Texts>> = search.page((0, 1), |_| true).await;
            match page {
                Ok(page) => assert_eq!(page.total, 20),
                Err(error) => assert_eq!(error.kind, crate::error::Kind::Internal),
            }
        }
    }
}
