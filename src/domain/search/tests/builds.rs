//! Builds that are cut short, and what is searched and changed while others run.

use std::fmt;
use std::pin::{Pin, pin};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

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

/// What happens once, before a read.
type Interruption = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A store in which something comes before one of the reads.
struct Interrupted {
    store: Arc<MemoryStore>,
    /// Reads until then.
    left: AtomicUsize,
    by: Interruption,
}

impl fmt::Debug for Interrupted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Interrupted")
    }
}

impl Interrupted {
    async fn count(&self) {
        let less = |left: usize| left.checked_sub(1);
        if self.left.fetch_update(Relaxed, Relaxed, less) == Ok(1) {
            (self.by)().await;
        }
    }
}

#[async_trait]
impl Store for Interrupted {
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, ReadError> {
        self.count().await;
        self.store.get(key).await
    }

    async fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, ReadError> {
        self.count().await;
        self.store.scan(range, limit).await
    }

    fn submit(&self, commit: Commit) -> Receipt {
        self.store.submit(commit)
    }

    async fn head(&self, account: AccountId) -> Result<Head, ReadError> {
        self.store.head(account).await
    }

    async fn visible(&self, account: AccountId) -> Result<Seq, ReadError> {
        self.store.visible(account).await
    }

    async fn read_log(
        &self,
        account: AccountId,
        from: Seq,
        messages: usize,
        bytes: usize,
    ) -> Result<LogPage, ReadError> {
        self.store.read_log(account, from, messages, bytes).await
    }

    async fn trim_log(&self, account: AccountId, below: Seq) -> Result<(), CommitError> {
        self.store.trim_log(account, below).await
    }

    fn feed(&self) -> Arc<Feed> {
        self.store.feed()
    }
}

/// A store of some runs and enough fresh entries for another, which may take others in.
async fn some_runs(seed: u64) -> (Arc<MemoryStore>, Model) {
    let (mut rng, mut model) = (Rng::with_seed(seed), Model::new());
    let store = Arc::new(MemoryStore::new());
    let db = database(store.clone());
    for _ in 0..=seed {
        for _ in 0..15 {
            one_change(&db, &mut model, &mut rng).await;
        }
        step(&db, A, KIND, &SMALL).await.unwrap();
    }
    for _ in 0..15 {
        one_change(&db, &mut model, &mut rng).await;
    }
    (store, model)
}

/// What is done to a store, and to the same one with `by` before the read of that number.
/// The last one tells whether that came.
fn interrupted<F>(
    store: &MemoryStore,
    read: usize,
    by: impl Fn(Database) -> F + Send + Sync + 'static,
) -> (Database, Database, impl Fn() -> bool)
where
    F: Future<Output = ()> + Send + 'static,
{
    let store = Arc::new(store.crash());
    let db = database(store.clone());
    let other = db.clone();
    let interrupted = Arc::new(Interrupted {
        store,
        left: AtomicUsize::new(read),
        by: Box::new(move || Box::pin(by(other.clone()))),
    });
    let slow = database(interrupted.clone());
    (db, slow, move || interrupted.left.load(Relaxed) == 0)
}

#[tokio::test]
async fn a_search_misses_nothing_while_a_run_is_built() {
    for seed in 0..8 {
        let (store, model) = some_runs(seed).await;
        for read in 1.. {
            let build = |db: Database| async move {
                assert!(step(&db, A, KIND, &SMALL).await.unwrap());
            };
            let (_, slow, came) = interrupted(&store, read, build);
            agrees(&slow, &model, Match::Contained, "a").await;
            if !came() {
                assert!(read > 4, "{read}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn what_changes_while_a_run_is_built_stands() {
    for seed in 0..8 {
        let (store_, model) = some_runs(seed).await;
        let fresh = database(store_.clone()).view();
        let fresh = fresh.scan(&keys::all_fresh(KIND, A), 1).await.unwrap();
        let id = keys::id_of(&fresh[0].0).unwrap();
        let mut changed = model.clone();
        changed.insert(id, ["aaa".to_owned(), "bbb".to_owned()]);
        for read in 1.. {
            let (before, after) = (model[&id].clone(), changed[&id].clone());
            let change = move |db: Database| {
                let (before, after) = (before.clone(), after.clone());
                async move { store(&db, id, Some(&before), &after).await }
            };
            let (db, slow, came) = interrupted(&store_, read, change);
            assert!(step(&slow, A, KIND, &SMALL).await.unwrap());
            let model = if came() { &changed } else { &model };
            all_needles(&db, model, &mut Rng::with_seed(seed)).await;
            is_sound(&db).await;
            if !came() {
                assert!(read > 4, "{read}");
                break;
            }
        }
    }
}
