//! Builds that are cut short, and what is searched and changed while others run.

use std::cell::Cell;
use std::pin::pin;
use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::id::Seq;
use crate::store::{Commit, CommitError, Feed, Head, LogPage, ReadError, Receipt, Versioned};

/// Runs `build` until `commits` of its commits are durable. Whether it ended before.
async fn cut_after(
    store: &MemoryStore,
    commits: usize,
    build: impl Future<Output = Result<bool>>,
) -> bool {
    let mut build = pin!(build);
    let mut done = 0;
    loop {
        tokio::select! {
            biased;
            ended = &mut build => {
                ended.unwrap();
                return true;
            }
            () = tokio::task::yield_now() => {}
        }
        if store.queued() > 0 {
            if done == commits {
                return false;
            }
            store.step();
            done += 1;
        }
    }
}

#[tokio::test]
async fn a_build_may_be_cut_between_any_two_commits() {
    let (mut rng, mut model) = (Rng::with_seed(4), Model::new());
    let mut store = Arc::new(MemoryStore::new());
    let db = database(store.clone());
    while model.len() < 100 {
        one_change(&db, &mut model, &mut rng).await;
        if rng.u8(..12) == 0 {
            step(&db, A, KIND, &SMALL).await.unwrap();
        }
    }
    let mut cuts = 0;
    // Each time a build goes one commit further than the one that was cut before.
    for commits in 0.. {
        let stepped = Arc::new(store.crash());
        stepped.set_stepped(true);
        let db = database(stepped.clone());
        let is_over = cut_after(&stepped, commits, step(&db, A, KIND, &SMALL)).await;
        let left = Arc::new(stepped.crash());
        left.set_stepped(false);
        let db = database(left.clone());
        all_needles(&db, &model, &mut rng).await;
        is_sound(&db).await;
        cuts += 1;
        if is_over {
            break;
        }
        // The next one finds what this one left, every other time.
        if commits % 2 == 0 {
            store = left;
            one_change(&database(store.clone()), &mut model, &mut rng).await;
        }
    }
    assert!(cuts > 8, "{cuts}");
    let db = database(store.clone());
    while step(&db, A, KIND, &SMALL).await.unwrap() {}
    all_needles(&db, &model, &mut rng).await;
    let manifest = Manifest::read(&db.view(), A, KIND).await.unwrap();
    let numbers: BTreeSet<String> = manifest
        .runs
        .iter()
        .map(|run| format!("{:016x}", run.number))
        .collect();
    let blocks = KeyRange::below("search-block/");
    for (key, _) in db.view().scan(&blocks, usize::MAX).await.unwrap() {
        let number = key.parts().nth(3).unwrap();
        assert!(numbers.contains(number), "{key} is left over");
    }
}

#[tokio::test]
async fn a_large_run_that_is_removed_in_part_is_sound() {
    let (mut rng, mut model) = (Rng::with_seed(8), Model::new());
    let store_ = Arc::new(MemoryStore::new());
    let db = database(store_.clone());
    let sizes = Sizes {
        fresh: 50,
        fan: 2,
        top: 1000,
    };
    for id in 1001..1101 {
        let texts = [word(&mut rng, 250), word(&mut rng, 250)];
        store(&db, id, None, &texts).await;
        model.insert(id, texts);
    }
    assert!(step(&db, A, KIND, &sizes).await.unwrap());
    let blocks = db.view().scan(&keys::run_blocks(KIND, A, 0), 1000).await;
    assert!(blocks.unwrap().len() > 64, "several commits remove it");
    for commits in 0.. {
        let stepped = Arc::new(store_.crash());
        stepped.set_stepped(true);
        let building = database(stepped.clone());
        let is_over = cut_after(&stepped, commits, step(&building, A, KIND, &sizes)).await;
        let left = database(Arc::new(stepped.crash()));
        is_sound(&left).await;
        agrees(&left, &model, Match::Contained, &word(&mut rng, 5)).await;
        if is_over {
            break;
        }
    }
}

/// A store in which everybody else may come first, before every read.
#[derive(Debug)]
struct Unhurried(Arc<MemoryStore>, Mutex<Rng>);

impl Unhurried {
    async fn wait(&self) {
        let turns = self.1.lock().unwrap().usize(..8);
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Store for Unhurried {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, ReadError> {
        self.wait().await;
        self.0.get(key).await
    }

    async fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, ReadError> {
        self.wait().await;
        self.0.scan(range, limit).await
    }

    fn submit(&self, commit: Commit) -> Receipt {
        self.0.submit(commit)
    }

    async fn head(&self, account: AccountId) -> Result<Head, ReadError> {
        self.0.head(account).await
    }

    async fn visible(&self, account: AccountId) -> Result<Seq, ReadError> {
        self.0.visible(account).await
    }

    async fn read_log(
        &self,
        account: AccountId,
        from: Seq,
        messages: usize,
        bytes: usize,
    ) -> Result<LogPage, ReadError> {
        self.0.read_log(account, from, messages, bytes).await
    }

    async fn trim_log(&self, account: AccountId, below: Seq) -> Result<(), CommitError> {
        self.0.trim_log(account, below).await
    }

    fn feed(&self) -> Arc<Feed> {
        self.0.feed()
    }
}

/// A store, and the same one for who is slow.
fn unhurried(seed: u64) -> (Database, Database) {
    let turns = Mutex::new(Rng::with_seed(seed));
    let store = Arc::new(MemoryStore::new());
    let slow = Unhurried(store.clone(), turns);
    (database(store), database(Arc::new(slow)))
}

#[tokio::test]
async fn a_search_misses_nothing_while_runs_are_built() {
    for seed in 0..40 {
        let (db, slow) = unhurried(seed);
        let (mut rng, mut model) = (Rng::with_seed(seed), Model::new());
        for _ in 0..rng.usize(20..80) {
            one_change(&db, &mut model, &mut rng).await;
        }
        let is_built = Cell::new(false);
        let building = async {
            while step(&db, A, KIND, &SMALL).await.unwrap() {}
            is_built.set(true);
        };
        let searching = async {
            while !is_built.get() {
                let letters = rng.usize(1..3);
                agrees(&slow, &model, Match::Contained, &word(&mut rng, letters)).await;
            }
        };
        tokio::join!(building, searching);
    }
}

#[tokio::test]
async fn what_changes_while_runs_are_built_stands() {
    for seed in 0..40 {
        let (_, db) = unhurried(seed);
        let (mut rng, mut model) = (Rng::with_seed(seed), Model::new());
        for _ in 0..40 {
            one_change(&db, &mut model, &mut rng).await;
        }
        let building = async { while step(&db, A, KIND, &SMALL).await.unwrap() {} };
        let changing = async {
            for _ in 0..40 {
                one_change(&db, &mut model, &mut rng).await;
            }
        };
        tokio::join!(building, changing);
        all_needles(&db, &model, &mut rng).await;
        is_sound(&db).await;
    }
}
