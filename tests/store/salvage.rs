//! Damaged files: either the store opens with what it had, or it refuses and changes no byte; and
//! whatever was done to them, nothing is salvaged that was not written.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use fastrand::Rng;
use hookrelay::clock::Clock;
use hookrelay::id::AccountId;
use hookrelay::store::Key;
use hookrelay::store::sled::{Found, LogFound, OpenError, Salvaged, SledStore, salvage, survey};

use super::bench::{message, settings};
use super::load::{Logs, Model, reopened};

/// Sessions of the store, and commits of each.
const SESSIONS: u64 = 3;
const COMMITS: u64 = 50;
const IMAGES: u64 = 120;

/// A store with some history, and everything that was ever written into it.
struct Original {
    seed: u64,
    folder: tempfile::TempDir,
    written: BTreeMap<Key, Vec<Vec<u8>>>,
    logs: Logs,
}

impl Original {
    /// `closed/` was closed in order, and `killed/` is what a kill would have left of it.
    async fn make(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let closed = folder.path().join("closed");
        let mut random = Rng::with_seed(seed);
        let mut model = Model::after(seed, 0);
        for session in 1..=SESSIONS {
            let store = SledStore::open(&closed, settings(), Clock::system()).unwrap();
            let known = AtomicU64::new(0);
            model.drive(&store, COMMITS, &mut random, &known).await;
            if session == SESSIONS {
                copy(&closed, &folder.path().join("killed"));
            }
            store.close();
        }
        let (written, logs) = Model::ledger(seed, SESSIONS * COMMITS);
        Self {
            seed,
            folder,
            written,
            logs,
        }
    }

    /// Nothing is claimed that was never written.
    fn holds(&self, found: &Found<'_>) {
        let length = |account: &AccountId| self.logs.get(account).map_or(0, Vec::len) as u64;
        match found {
            Found::Record(key, value) => {
                let written = &self.written[&Key::from_stored((*key).to_owned())];
                assert!(written.iter().any(|written| written == value), "{key}");
            }
            Found::Block(account, messages) => {
                for found in messages {
                    let seq = found.seq().0;
                    let data = self.logs[account][usize::try_from(seq - 1).unwrap()];
                    assert_eq!(*found, message(seq, data));
                }
            }
            Found::End(account, last) => assert!(last.0 <= length(account)),
        }
    }

    /// What is found, and how many messages were given.
    fn salvage(&self, path: &Path) -> Result<(Salvaged, u64), OpenError> {
        let (mut messages, mut before) = (0, String::new());
        let mut visit = |found: Found<'_>| {
            self.holds(&found);
            match found {
                Found::Block(_, block) => messages += block.len() as u64,
                Found::Record(key, _) => {
                    assert!(*before < *key, "{key} is there twice");
                    key.clone_into(&mut before);
                }
                Found::End(..) => {}
            }
        };
        let found = salvage(path, |_| {}, &mut visit)?;
        Ok((found, messages))
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn files(path: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = entries.filter(|path| path.is_file());
    files
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect()
}

/// Does some damage. Gives what was done.
fn damage(random: &mut Rng, database: &Path) -> String {
    let log = database.join("db");
    let name = match random.u8(..12) {
        0 => "snap.",
        1 => "conf",
        2 => "closed",
        _ => "db",
    };
    let path = files(database).into_keys().find(|path| {
        let found = path.file_name().unwrap().to_string_lossy().into_owned();
        found == name || (name == "snap." && found.starts_with(name))
    });
    let path = path.unwrap_or(log);
    let mut bytes = fs::read(&path).unwrap();
    let at = random.usize(..bytes.len());
    let segment = at / (2 << 20) * (2 << 20);
    let mut fill = |from: usize, length: usize, with: Option<u8>| {
        let end = bytes.len().min(from + length);
        for byte in &mut bytes[from..end] {
            *byte = with.unwrap_or_else(|| random.u8(..));
        }
        format!("{from} to {end}")
    };
    let what = match fastrand::Rng::with_seed(at as u64).u8(..8) {
        0 => format!("zero page {}", fill(at / 4096 * 4096, 4096, Some(0))),
        1 => format!("zero segment {}", fill(segment, 2 << 20, Some(0))),
        2 => format!("random page {}", fill(at / 4096 * 4096, 4096, None)),
        3 => format!("header {}", fill(segment + at % 20, 1, None)),
        4 => {
            bytes.truncate(at);
            format!("truncate {at}")
        }
        _ => {
            bytes[at] ^= 1 << (at % 8);
            format!("flip {at}")
        }
    };
    fs::write(&path, bytes).unwrap();
    format!("{} {what}", path.file_name().unwrap().display())
}

/// What became of one damaged store.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Clone, Copy)]
enum Became {
    /// It was refused, and left as it was.
    Refused,
    /// It opened, with everything.
    Whole,
    /// It opened with a page that cannot be read, and the survey says so.
    Told,
    /// A kill could have left it like this: it opened with a state it once had.
    Earlier,
}

async fn judge(original: &Original, path: &Path, closed: bool, what: &str) -> Became {
    let database = path.join("db");
    let before = files(&database);
    if let Err(error) = original.salvage(path) {
        panic!("{what}: {error}");
    }
    let surveyed = path.with_extension("survey");
    copy(path, &surveyed);
    let surveyed = survey(&surveyed, &settings(), |_| {});
    let clean = surveyed.as_ref().is_ok_and(|found| found.faults.is_empty());
    match SledStore::open(path, settings(), Clock::system()) {
        Err(error) => {
            let text = error.to_string();
            assert!(
                matches!(
                    error,
                    OpenError::Damaged {
                        untouched: true,
                        ..
                    }
                ),
                "{what}: {text}"
            );
            assert!(text.contains("store salvage --dir"), "{what}: {text}");
            assert!(!clean, "{what}: refused, and nothing is wrong: {text}");
            assert_eq!(files(&database), before, "{what}: {text}");
            assert!(!path.join("trial").exists());
            return Became::Refused;
        }
        Ok(store) => drop(store),
    }
    match reopened(path, settings(), original.seed, 0).await {
        Ok((_, number)) if number == SESSIONS * COMMITS => Became::Whole,
        Ok((_, number)) => {
            assert!(!closed, "{what}: only {number} commits, and nobody says so");
            Became::Earlier
        }
        Err(error) => {
            assert!(!clean, "{what}: {error}, and the survey says nothing");
            Became::Told
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_files_open_with_what_they_had_or_are_left_as_they_are() {
    let seed = std::env::var("DAMAGE_SEED").map_or(20, |text| text.parse().unwrap());
    let original = Original::make(seed).await;
    let mut became = BTreeMap::<_, u64>::new();
    for number in 0..IMAGES {
        let random = &mut Rng::with_seed(seed << 32 | number);
        let closed = random.bool();
        let name = if closed { "closed" } else { "killed" };
        let path = original.folder.path().join(number.to_string());
        copy(&original.folder.path().join(name), &path);
        let what = damage(random, &path.join("db"));
        let what = format!("image {number}, {name}: {what}");
        let result = judge(&original, &path, closed, &what).await;
        println!("{what}: {result:?}");
        *became.entry((closed, result)).or_default() += 1;
        fs::remove_dir_all(&path).unwrap();
        fs::remove_dir_all(path.with_extension("survey")).unwrap();
    }
    println!("{became:?}");
    let refused = |(_, result): &(bool, Became)| *result == Became::Refused;
    assert!(became.keys().any(refused), "{became:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_salvaged_of_a_sound_store() {
    let original = Original::make(7).await;
    for name in ["closed", "killed"] {
        let path = original.folder.path().join(name);
        let before = files(&path.join("db"));
        let (found, messages) = original.salvage(&path).unwrap();
        assert!(found.faults.is_empty(), "{name}: {:?}", found.faults);
        assert_eq!((found.torn, found.broken, found.lost_pages), (0, 0, 0));
        assert_eq!(files(&path.join("db")), before);
        let surveyed = survey(&path, &settings(), |_| {}).unwrap();
        assert!(surveyed.faults.is_empty(), "{name}: {:?}", surveyed.faults);
        let length = |log: &LogFound| log.last.0 - log.first.0 + 1;
        assert_eq!(messages, surveyed.logs.values().map(length).sum::<u64>());
        assert!(found.keys > surveyed.records && messages > 100, "{name}");
    }
}
