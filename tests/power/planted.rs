//! Stores with a known fault, which the experiment must find.
//!
//! Owns the faults and the search for them. The second one is sled on its own, as it is used
//! without the store's precautions.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hookrelay::store::sled::SyncFile;

use crate::disk::Image;
use crate::mounted::Mounted;
use crate::store::{Found, search};

/// Keys that are written in turn.
const KEYS: u64 = 60;
/// Commits between two cuts.
const COMMITS: u64 = 400;

/// The store, when nothing forces its bytes to the disk.
pub async fn without_sync(seed: u64, count: usize) -> Option<Found> {
    search(seed, SyncFile::new(|_| Ok(())), count).await
}

fn open(path: &Path) -> Result<sled::Db, String> {
    let config = sled::Config::new()
        .path(path)
        .segment_size(512 * 1024)
        .use_compression(false)
        .flush_every_ms(Some(500));
    match catch_unwind(AssertUnwindSafe(|| config.open())) {
        Ok(opened) => opened.map_err(|error| error.to_string()),
        Err(_) => Err("it panicked".to_owned()),
    }
}

fn number(bytes: &[u8]) -> u64 {
    let text = bytes.split(|byte| *byte == b' ').next().unwrap_or_default();
    String::from_utf8_lossy(text).parse().unwrap_or(0)
}

fn commit(tree: &sled::Db, commit: u64) {
    let text = format!("{commit} ");
    let text: Vec<u8> = text.bytes().cycle().take(2500).collect();
    let mut batch = sled::Batch::default();
    batch.insert("number", text.as_slice());
    batch.insert(format!("key {}", commit % KEYS).as_bytes(), text);
    tree.apply_batch(batch).unwrap();
    tree.flush().unwrap();
}

/// The last commit in the database, if all commits up to it are there.
fn check(path: &Path, acknowledged: u64) -> Result<u64, String> {
    let tree = open(path)?;
    let get = |key: &str| {
        let found = catch_unwind(AssertUnwindSafe(|| tree.get(key)));
        let found = found.map_err(|_| "a read panicked".to_owned())?;
        let found = found.map_err(|error| error.to_string())?;
        Ok::<_, String>(found.map_or(0, |bytes| number(&bytes)))
    };
    let last = get("number")?;
    if last < acknowledged {
        return Err(format!("{last} commits of {acknowledged} acknowledged"));
    }
    for commit in last.saturating_sub(KEYS - 1).max(1)..=last {
        let found = get(&format!("key {}", commit % KEYS))?;
        if found != commit {
            return Err(format!("commit {found} where {commit} belongs"));
        }
    }
    Ok(last)
}

/// sled with its own flusher, every 500 ms, where `flush` is taken for durable.
pub fn flushed_by_sled(seed: u64, count: usize) -> Option<Found> {
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut image, mut number) = (Image::default(), 0);
    for after in 1..=count {
        let mounted = Mounted::holding(&image);
        let acknowledged = Arc::new(AtomicU64::new(number));
        mounted.disk().plan([random.u64(1..COMMITS)], &acknowledged);
        let opened = open(&mounted.data());
        let tree = match opened {
            Ok(tree) => tree,
            Err(what) => return Some(Found { after, what }),
        };
        let written = catch_unwind(AssertUnwindSafe(|| {
            for next in number + 1..=number + COMMITS {
                commit(&tree, next);
                acknowledged.store(next, Ordering::SeqCst);
            }
        }));
        if written.is_err() {
            let what = "it panicked at a write".to_owned();
            return Some(Found { after, what });
        }
        drop(tree);
        let cut = mounted.disk().taken().pop().unwrap();
        image = cut.image(&mut random);
        let left = Mounted::holding(&image);
        match check(&left.data(), cut.acknowledged) {
            Ok(last) => number = last,
            Err(what) => return Some(Found { after, what }),
        }
    }
    None
}
