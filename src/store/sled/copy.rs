//! A copy of a closed store, for everything that must not change the store itself.
//!
//! Owns which files belong to a store and that nobody writes them meanwhile. Where the file system
//! can share blocks between files, a copy takes neither time nor room. Does not know what the copy
//! is for.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::compact::Progress;
use super::directory::{Directory, OpenError, Tried};

/// What makes a store; a compaction that was interrupted can have left all three databases.
const NAMES: [&str; 4] = ["format", "db", "db.new", "db.old"];
/// Bytes copied between two reports.
const PIECE: u64 = 16 << 20;

/// Fails unless there is a store in `path`: opening one that is not there would make it.
pub fn must_exist(path: &Path) -> Result<(), OpenError> {
    let format = path.join("format");
    fs::metadata(&format)
        .map(drop)
        .tried("find a store: there is no", &format)
}

/// Copies the closed store in `path` into the new directory `to`. Fails while it is open.
pub fn copy(path: &Path, to: &Path, mut progress: impl FnMut(Progress)) -> Result<(), OpenError> {
    must_exist(path)?;
    let directory = Directory::lock(path)?;
    copy_to(path, to, &mut progress)?;
    drop(directory);
    Ok(())
}

/// The same for a directory that the caller has locked.
pub fn copy_to(
    path: &Path,
    to: &Path,
    mut progress: impl FnMut(Progress),
) -> Result<(), OpenError> {
    let mut files = Vec::new();
    for name in NAMES {
        list(path, Path::new(name), &mut files).tried("read", &path.join(name))?;
    }
    let live = files.iter().map(|(_, bytes)| bytes).sum();
    let mut copied = 0;
    private_directory(to).tried("make", to)?;
    for (name, bytes) in files {
        let target = to.join(&name);
        if let Some(parent) = target.parent() {
            private_directory(parent).tried("make", parent)?;
        }
        copy_file(&path.join(&name), &target, bytes, &mut |more| {
            copied += more;
            progress(Progress { copied, live });
        })
        .tried("copy to", &target)?;
    }
    Ok(())
}

fn private_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Every file below `name`, with its length.
fn list(base: &Path, name: &Path, files: &mut Vec<(std::path::PathBuf, u64)>) -> io::Result<()> {
    let found = match fs::metadata(base.join(name)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found?,
    };
    if !found.is_dir() {
        files.push((name.to_owned(), found.len()));
        return Ok(());
    }
    for entry in fs::read_dir(base.join(name))? {
        list(base, &name.join(entry?.file_name()), files)?;
    }
    Ok(())
}

/// Copies in pieces, so that long work can be seen. The standard library lets the kernel copy
/// from file to file, and with it the file system share the blocks.
fn copy_file(from: &Path, to: &Path, bytes: u64, told: &mut dyn FnMut(u64)) -> io::Result<()> {
    let from = File::open(from)?;
    let mut options = OpenOptions::new();
    let mut target = options.write(true).create_new(true).mode(0o600).open(to)?;
    let mut left = bytes;
    while left > 0 {
        let copied = io::copy(&mut (&from).take(PIECE.min(left)), &mut target)?;
        if copied == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        left -= copied;
        told(copied);
    }
    Ok(())
}
