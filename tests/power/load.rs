//! Commits that follow from a seed and their number, and whether a store holds exactly the first
//! so many of them.
//!
//! Owns the load on the store alone. Knows no disk.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use hookrelay::clock::Clock;
use hookrelay::id::{AccountId, Seq};
use hookrelay::store::sled::{Settings, SledStore};
use hookrelay::store::{Key, Store, Write, keys};

use crate::bench::{A, B, Make, commit, key, message, value, wait};

const KEYS: u64 = 60;
/// The record that every commit writes: its number.
const NUMBER: u64 = 1_000_000;
/// Messages that stay when a log is trimmed.
const KEPT: u64 = 150;
/// Commits between two trims.
const TRIM_EVERY: u64 = 10;

/// Lengths of the messages of each log, from the first on.
pub type Logs = BTreeMap<AccountId, Vec<usize>>;

/// What the store holds after a number of commits.
#[derive(Debug)]
pub struct Model {
    seed: u64,
    /// Commits so far.
    pub number: u64,
    values: BTreeMap<Key, Vec<u8>>,
    logs: Logs,
}

fn text(number: u64, length: usize) -> Vec<u8> {
    let text = format!("{number} ");
    text.bytes().cycle().take(length).collect()
}

fn length(random: &mut fastrand::Rng) -> usize {
    match random.u8(..12) {
        0 => random.usize(9000..30_000),
        1 | 2 => random.usize(2000..6000),
        _ => random.usize(..300),
    }
}

impl Model {
    /// After `number` commits of a seed.
    pub fn after(seed: u64, number: u64) -> Self {
        let mut model = Self {
            seed,
            number: 0,
            values: BTreeMap::new(),
            logs: BTreeMap::from([(A, Vec::new()), (B, Vec::new())]),
        };
        while model.number < number {
            model.next();
        }
        model
    }

    fn put(&mut self, make: Make, number: u64, value: Vec<u8>) -> Make {
        let make = make.put(&key(number), value.clone());
        self.values.insert(key(number), value);
        make
    }

    fn append(&mut self, mut make: Make, account: AccountId, lengths: &[usize]) -> Make {
        let log = self.logs.get_mut(&account).unwrap();
        for length in lengths {
            log.push(*length);
            make = make.append(account, log.len() as u64, *length);
        }
        make
    }

    /// The next commit: a single message, an array, or an outcome that nobody waits for.
    fn next(&mut self) -> Make {
        self.number += 1;
        let number = self.number;
        let random = &mut fastrand::Rng::with_seed(self.seed ^ (number << 20));
        let mut make = commit(&[A, B]);
        make = self.put(make, NUMBER, number.to_string().into_bytes());
        let touched = random.u64(..KEYS);
        match random.u8(..4) {
            0 => {
                make = make.delete(&key(touched));
                self.values.remove(&key(touched));
            }
            1 => {
                for touched in touched..touched + random.u64(1..20) {
                    make = self.put(make, touched, text(number, length(random)));
                }
            }
            _ => make = self.put(make, touched, text(number, length(random))),
        }
        match random.u8(..4) {
            0 => {
                // Now and then as much as spans several segments of the file.
                let count = match random.u8(..3) {
                    0 => random.usize(200..700),
                    _ => random.usize(2..30),
                };
                let lengths: Vec<usize> = (0..count).map(|_| length(random)).collect();
                self.append(make, A, &lengths)
            }
            1 => {
                let lengths = [length(random)];
                self.append(make, B, &lengths).relaxed()
            }
            2 => make.relaxed(),
            _ => {
                let lengths = [length(random)];
                self.append(make, A, &lengths)
            }
        }
    }

    /// Everything that the first `number` commits of a seed ever wrote: the values of each key, and
    /// the lengths of the messages.
    pub fn ledger(seed: u64, number: u64) -> (BTreeMap<Key, Vec<Vec<u8>>>, Logs) {
        let mut model = Self::after(seed, 0);
        let mut written = BTreeMap::<Key, Vec<Vec<u8>>>::new();
        while model.number < number {
            let make = model.next();
            for write in make.0.writes {
                if let Write::Put(key, value) = write {
                    written.entry(key).or_default().push(value.to_vec());
                }
            }
        }
        (written, model.logs)
    }

    /// Makes so many commits, several of them under way at once. `acknowledged` tells the last
    /// one that was.
    pub async fn drive(
        &mut self,
        store: &SledStore,
        commits: u64,
        random: &mut fastrand::Rng,
        acknowledged: &AtomicU64,
    ) {
        let mut waiting = VecDeque::new();
        for _ in 0..commits {
            let make = self.next();
            waiting.push_back((self.number, make.submit(store)));
            if self.number.is_multiple_of(TRIM_EVERY) {
                // Only what is behind durable messages is ever trimmed.
                for (number, receipt) in waiting.drain(..) {
                    wait(receipt).await.unwrap();
                    acknowledged.store(number, Ordering::SeqCst);
                }
                let below = Seq((self.logs[&A].len() as u64).saturating_sub(KEPT));
                store.trim_log(A, below).await.unwrap();
            }
            while waiting.len() > random.usize(..12) {
                let (number, receipt) = waiting.pop_front().unwrap();
                wait(receipt).await.unwrap();
                acknowledged.store(number, Ordering::SeqCst);
            }
        }
        for (number, receipt) in waiting {
            wait(receipt).await.unwrap();
            acknowledged.store(number, Ordering::SeqCst);
        }
    }

    /// Whether the store holds this and nothing else.
    async fn check(&self, store: &SledStore) -> Result<(), String> {
        let number = self.number;
        let all = store.scan(&keys::endpoints(A), usize::MAX / 2).await;
        let all = all.map_err(|error| format!("the records cannot be read: {error:?}"))?;
        let found: BTreeMap<Key, Vec<u8>> = all
            .into_iter()
            .map(|(key, found)| (key, found.value.to_vec()))
            .collect();
        if found != self.values {
            return Err(format!("the records are not those after commit {number}"));
        }
        for (account, lengths) in &self.logs {
            let last = lengths.len() as u64;
            let head = store.head(*account).await;
            let head = head.map_err(|error| format!("the log's end cannot be read: {error:?}"))?;
            if head.last != Seq(last) {
                return Err(format!("the log ends at {}, not {last}", head.last));
            }
            let page = store.read_log(*account, Seq(1), usize::MAX, usize::MAX);
            let page = page.await;
            let page = page.map_err(|error| format!("the log cannot be read: {error:?}"))?;
            let first = last + 1 - page.messages.len() as u64;
            if first > (last.saturating_sub(KEPT)).max(1) {
                return Err(format!("the log begins at {first} and ends at {last}"));
            }
            for (seq, found) in (first..).zip(&page.messages) {
                let length = lengths[usize::try_from(seq - 1).unwrap()];
                if *found != message(seq, length) {
                    return Err(format!("message {seq} of commit {number} is another one"));
                }
            }
        }
        Ok(())
    }
}

/// Opens the store at `path` and checks that it holds the first commits of the seed, whole, and
/// at least those that were acknowledged. Gives the store and how many they are.
pub async fn reopened(
    path: &Path,
    settings: Settings,
    seed: u64,
    acknowledged: u64,
) -> Result<(SledStore, u64), String> {
    let store = SledStore::open(path, settings, Clock::system());
    let store = store.map_err(|error| format!("it does not open: {error}"))?;
    let number = match value(&store, &key(NUMBER)).await {
        Some(found) => String::from_utf8_lossy(&found).parse().unwrap_or(0),
        None => 0,
    };
    if number < acknowledged {
        return Err(format!("{number} commits of {acknowledged} acknowledged"));
    }
    let blobs = std::fs::read_dir(path.join("db/blobs")).map_err(|error| error.to_string())?;
    if blobs.count() > 0 {
        return Err("there are blobs, which are never synced".to_owned());
    }
    Model::after(seed, number).check(&store).await?;
    Ok((store, number))
}
