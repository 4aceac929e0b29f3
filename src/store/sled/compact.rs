//! Compaction: live data moves to a new database, and the file gets small again.
//!
//! Owns the copy and the swap. Works on a locked directory whose database is closed. Does not
//! know when it is worth while.
//!
//! | step | on the disk after it | a crash here leaves |
//! |---|---|---|
//! | 1. copy to `db.new`, synced | `db`, `db.new` | the old one; `db.new` is removed |
//! | 2. `db` becomes `db.old` | `db.old`, `db.new` | the new one, which is complete |
//! | 3. `db.new` becomes `db` | `db`, `db.old` | the new one; `db.old` is removed |
//! | 4. `db.old` is removed | `db` | the new one |

use std::fs;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::check;
use super::directory::{Directory, OpenError, Opened, Tried, damaged, open_database, panic_text};
use super::disk::{Disk, MARKER, Marker, encode_marker, footprint};
use super::settings::Settings;
use crate::store::{ReadError, Version};

/// Bytes that are written at once.
const PIECE: u64 = 1 << 20;

/// How far a compaction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of keys and values copied.
    pub copied: u64,
    /// Bytes there are, as far as known.
    pub live: u64,
}

/// What a compaction did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compacted {
    /// Bytes of the file before.
    pub before: u64,
    /// Bytes of the file after.
    pub after: u64,
}

/// Compacts the closed store in the data directory `path`, telling its progress about every
/// mebibyte. Fails when it is open, and leaves it as it was when anything goes wrong.
pub fn compact(
    path: &Path,
    settings: &Settings,
    mut progress: impl FnMut(Progress),
) -> Result<Compacted, OpenError> {
    let directory = Directory::lock(path)?;
    settle(&directory)?;
    check::admit(&directory, settings)?;
    finish_swap(&directory)?;
    let old = open_database(&directory.database(), settings.cache, &settings.sync)?;
    rewrite(&directory, old, settings, &mut progress)
}

/// Creates the directory's database, if there is none. It takes its name when it is complete.
pub fn create(directory: &Directory, settings: &Settings) -> Result<(), OpenError> {
    if directory.database().exists() {
        return Ok(());
    }
    let path = directory.join("db.new");
    let new = open_database(&path, settings.cache, &settings.sync)?;
    let mut batch = sled::Batch::default();
    let marker = Marker {
        version: Version(0),
        live: 0,
    };
    for (key, stored) in encode_marker(marker) {
        batch.insert(key, stored);
    }
    write(&new, batch, settings, &path)?;
    drop(new);
    rename(directory, "db.new", "db")
}

/// Copies `old`, which is the directory's database, and swaps the copy in.
pub fn rewrite(
    directory: &Directory,
    old: Opened,
    settings: &Settings,
    progress: &mut dyn FnMut(Progress),
) -> Result<Compacted, OpenError> {
    let new_path = directory.join("db.new");
    let before = old.file.metadata();
    let before = before.tried("measure", &directory.database())?.len();
    // sled panics on some kinds of damage.
    let copied = catch_unwind(AssertUnwindSafe(|| {
        copy(&old, &new_path, settings, progress)
    }));
    let copied =
        copied.unwrap_or_else(|panic| Err(damaged(&directory.database(), panic_text(&*panic))));
    drop(old);
    match copied {
        Ok(after) => {
            rename(directory, "db", "db.old")?;
            finish_swap(directory)?;
            Ok(Compacted { before, after })
        }
        Err(error) => {
            // Half a copy is worth nothing and may be what fills the disk. Should it stay, the
            // next opening removes it.
            let _ = fs::remove_dir_all(&new_path);
            Err(error)
        }
    }
}

/// Bytes of keys and values in a database, as its last commit counted them.
pub fn live(opened: &Opened) -> Result<u64, ReadError> {
    Ok(as_disk(opened).marker()?.live)
}

fn as_disk(opened: &Opened) -> Disk {
    Disk {
        tree: opened.tree.clone(),
        file: opened.file.clone(),
        applied: Version(0),
        generation: 0,
    }
}

/// Gives the survivor of an interrupted compaction its name: see the table of this file.
pub fn settle(directory: &Directory) -> Result<(), OpenError> {
    if directory.database().exists() || !directory.join("db.old").exists() {
        return Ok(());
    }
    let survivor = ["db.new", "db.old"]
        .into_iter()
        .find(|name| directory.join(name).exists());
    survivor.map_or(Ok(()), |name| rename(directory, name, "db"))
}

/// Brings an interrupted compaction to its end: see the table of this file.
pub fn finish_swap(directory: &Directory) -> Result<(), OpenError> {
    settle(directory)?;
    for left_over in ["db.new", "db.old"] {
        let path = directory.join(left_over);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).tried("remove", &path);
            }
            _ => {}
        }
    }
    directory.sync()
}

fn rename(directory: &Directory, from: &str, to: &str) -> Result<(), OpenError> {
    fs::rename(directory.join(from), directory.join(to)).tried("rename", &directory.join(from))?;
    directory.sync()
}

/// Copies everything in `old` to a new database. Gives the size of its file.
fn copy(
    old: &Opened,
    new_path: &Path,
    settings: &Settings,
    progress: &mut dyn FnMut(Progress),
) -> Result<u64, OpenError> {
    let new = open_database(new_path, settings.cache, &settings.sync)?;
    let failed = |error: &dyn std::fmt::Display| damaged(new_path, format!("copying: {error}"));
    let marker = as_disk(old).marker().map_err(|error| failed(&error))?;
    let (mut batch, mut waiting, mut copied) = (sled::Batch::default(), 0, 0);
    for entry in old.tree.iter() {
        let (key, stored) = entry.map_err(|error| failed(&error))?;
        if key == MARKER {
            continue;
        }
        waiting += footprint(&key, &stored);
        batch.insert(key, stored);
        if waiting >= PIECE {
            write(&new, std::mem::take(&mut batch), settings, new_path)?;
            copied += std::mem::take(&mut waiting);
            progress(Progress {
                copied,
                live: marker.live.max(copied),
            });
        }
    }
    copied += waiting;
    // What was copied is what lives: the figure starts afresh here.
    let marker = Marker {
        version: marker.version,
        live: copied,
    };
    for (key, stored) in encode_marker(marker) {
        batch.insert(key, stored);
    }
    write(&new, batch, settings, new_path)?;
    progress(Progress {
        copied,
        live: copied,
    });
    let after = new.file.metadata().tried("measure", new_path)?.len();
    Ok(after)
}

fn write(
    new: &Opened,
    batch: sled::Batch,
    settings: &Settings,
    path: &Path,
) -> Result<(), OpenError> {
    let written = new.tree.apply_batch(batch).and_then(|()| new.tree.flush());
    match written {
        Ok(_) => settings.sync.call(&new.file).tried("sync", path),
        Err(sled::Error::Io(error)) => Err(error).tried("write", path),
        Err(error) => Err(damaged(path, error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            cache: 1 << 20,
            ..Settings::default()
        }
    }

    fn fill(path: &Path, keys: u32) {
        let opened = open_database(path, 1 << 20, &settings().sync).unwrap();
        let marker = Marker {
            version: Version(5),
            live: 0,
        };
        for (key, stored) in encode_marker(marker) {
            opened.tree.insert(key, stored).unwrap();
        }
        for number in 0..keys {
            let key = format!("k/{number:08}");
            opened.tree.insert(key, vec![7; 3000]).unwrap();
        }
        opened.tree.flush().unwrap();
    }

    fn keys(directory: &Directory) -> usize {
        let opened = open_database(&directory.database(), 1 << 20, &settings().sync).unwrap();
        let names = opened.tree.iter().keys().map(Result::unwrap);
        names.filter(|key| key.as_ref() != MARKER).count()
    }

    fn names(directory: &Directory) -> Vec<&'static str> {
        ["db", "db.new", "db.old"]
            .into_iter()
            .filter(|name| directory.join(name).exists())
            .collect()
    }

    #[test]
    fn the_copy_holds_everything_and_reports_its_progress() {
        let dir = tempfile::tempdir().unwrap();
        drop(Directory::lock(dir.path()).unwrap());
        fill(&dir.path().join("db"), 1000);
        let mut seen = Vec::new();
        compact(dir.path(), &settings(), |progress| seen.push(progress)).unwrap();
        assert!(seen.len() >= 2 && seen.windows(2).all(|two| two[0].copied <= two[1].copied));
        let directory = Directory::lock(dir.path()).unwrap();
        assert_eq!(names(&directory), ["db"]);
        assert_eq!(keys(&directory), 1000);
    }

    #[test]
    fn a_crash_after_any_step_leaves_one_whole_database() {
        // What lies where after each step, and how many keys the survivor has: 10 = the old one.
        let cases: [(&[(&str, u32)], usize); 4] = [
            (&[("db", 10), ("db.new", 3)], 10),
            (&[("db.old", 10), ("db.new", 20)], 20),
            (&[("db", 20), ("db.old", 10)], 20),
            (&[("db.old", 10)], 10),
        ];
        for (layout, survivors) in cases {
            let dir = tempfile::tempdir().unwrap();
            let directory = Directory::lock(dir.path()).unwrap();
            for (name, keys) in layout {
                fill(&directory.join(name), *keys);
            }
            finish_swap(&directory).unwrap();
            assert_eq!(names(&directory), ["db"], "{layout:?}");
            assert_eq!(keys(&directory), survivors, "{layout:?}");
        }
    }

    #[test]
    fn a_database_with_small_segments_is_rewritten_when_it_is_opened() {
        let dir = tempfile::tempdir().unwrap();
        drop(Directory::lock(dir.path()).unwrap());
        let path = dir.path().join("db");
        let small = sled::Config::new().path(&path).segment_size(512 << 10);
        let tree = small.flush_every_ms(None).open().unwrap();
        let marker = Marker {
            version: Version(5),
            live: 0,
        };
        for (key, stored) in encode_marker(marker) {
            tree.insert(key, stored).unwrap();
        }
        tree.insert("k/1", vec![7; 3000]).unwrap();
        tree.flush().unwrap();
        drop(tree);
        let conf = || String::from_utf8_lossy(&fs::read(path.join("conf")).unwrap()).into_owned();
        assert!(conf().contains("segment_size: 524288"));
        let clock = crate::clock::Clock::system();
        drop(super::super::SledStore::open(dir.path(), settings(), clock).unwrap());
        assert!(conf().contains("segment_size: 2097152"));
        assert_eq!(keys(&Directory::lock(dir.path()).unwrap()), 1);
    }

    #[test]
    fn a_failed_copy_leaves_the_old_database_alone() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::lock(dir.path()).unwrap();
        fill(&directory.database(), 10);
        let old = open_database(&directory.database(), 1 << 20, &settings().sync).unwrap();
        let mut failing = settings();
        failing.sync = super::super::SyncFile::new(|_| Err(io::Error::other("no disk")));
        assert!(rewrite(&directory, old, &failing, &mut |_| {}).is_err());
        assert_eq!(names(&directory), ["db"]);
        assert_eq!(keys(&directory), 10);
    }
}
