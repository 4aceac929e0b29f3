//! The disk as a mounted file system.
//!
//! Owns the mount and the translation of the kernel's requests. Files are opened past the
//! kernel's cache, so that each write is known to the disk when its call returns.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, Once};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem,
    FopenFlags, Generation, INodeNo, LockOwner, MountOption, OpenAccMode, OpenFlags, RenameFlags,
    ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen,
    ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use crate::disk::{Disk, Image, Ino, Refused};

/// The kernel asks again each time: the disk may have been replaced.
const ASK_AGAIN: Duration = Duration::ZERO;

/// What the mounts of a test are called, before its process id.
const SOURCE: &str = "hookrelay-power-";

/// Unmounts what tests left that were killed: who serves it is gone.
pub fn sweep() {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    for line in mounts.lines() {
        let mut words = line.split(' ');
        let pid = words.next().and_then(|source| source.strip_prefix(SOURCE));
        if let (Some(pid), Some(path)) = (pid, words.next())
            && !Path::new("/proc").join(pid).exists()
        {
            unmount(Path::new(path));
        }
    }
}

/// A killed test cannot end by itself while one of its threads waits for an answer from its own
/// file system: who would answer is dead, and only another process can cut the connection. This
/// one does, once the process `$0` is killed or gone. (0x100 among the pending signals is the kill;
/// unmounting by force cuts the connection even where it then fails.)
const GUARD: &str = r#"
killed='^(State:.*[ZX]|(SigPnd|ShdPnd):.*[13579bdf]..$)'
while [ -d "/proc/$0" ] && ! grep -Eq "$killed" "/proc/$0/status"; do
    sleep 0.5
done
grep "^hookrelay-power-$0 " /proc/mounts | while read -r source path rest; do
    umount -f "$path" || umount -l "$path"
done
"#;

/// Starts the guard of this process, once.
#[expect(clippy::zombie_processes, reason = "it ends after this process")]
fn guard() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let mut shell = Command::new("sh");
        let pid = std::process::id().to_string();
        let quiet = shell
            .args(["-c", GUARD, &pid])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // A group of its own, so that what ends the test from a terminal leaves it alone.
        quiet.process_group(0).spawn().unwrap();
    });
}

/// Unmounts, also while somebody has a file open there: then it goes with the last of them.
fn unmount(path: &Path) {
    let gone = Command::new("umount").arg("-l").arg(path).status();
    if !gone.is_ok_and(|status| status.success()) {
        eprintln!("{} could not be unmounted lazily", path.display());
    }
}

/// A mounted disk. Dropping it unmounts it, also in a panic.
pub struct Mounted {
    disk: Arc<Mutex<Disk>>,
    session: Option<BackgroundSession>,
    folder: tempfile::TempDir,
}

impl Mounted {
    /// Mounts an empty disk.
    pub fn empty() -> io::Result<Self> {
        Self::mount(Disk::new())
    }

    /// Mounts a disk as a cut left it.
    pub fn holding(image: &Image) -> Self {
        Self::mount(Disk::holding(image)).unwrap()
    }

    fn mount(disk: Disk) -> io::Result<Self> {
        guard();
        let folder = tempfile::Builder::new().prefix("power-").tempdir()?;
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName(format!(
            "{SOURCE}{}",
            std::process::id()
        ))];
        let disk = Arc::new(Mutex::new(disk));
        let owner = folder.path().metadata()?;
        let served = Served {
            disk: disk.clone(),
            owner: (owner.uid(), owner.gid()),
        };
        let session = fuser::spawn_mount(served, folder.path(), &config)?;
        Ok(Self {
            disk,
            session: Some(session),
            folder,
        })
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A data directory on it, which need not exist.
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        unmount(self.path());
        drop(self.session.take());
    }
}

struct Served {
    disk: Arc<Mutex<Disk>>,
    owner: (u32, u32),
}

impl Served {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap()
    }

    fn attributes(&self, disk: &Disk, ino: Ino) -> FileAttr {
        let bytes = disk.bytes(ino);
        let size = bytes.map_or(0, |bytes| bytes.len() as u64);
        let (kind, perm) = if disk.folder(ino).is_some() {
            (FileType::Directory, 0o700)
        } else {
            (FileType::RegularFile, 0o600)
        };
        FileAttr {
            ino: INodeNo(ino),
            size,
            blocks: size.div_ceil(512),
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind,
            perm,
            nlink: 1,
            uid: self.owner.0,
            gid: self.owner.1,
            rdev: 0,
            blksize: 4096,
            flags: 0,
        }
    }

    /// What stands under a name.
    fn find(disk: &Disk, parent: INodeNo, name: &OsStr) -> Result<Ino, Errno> {
        disk.find(parent.0, text(name)?).ok_or(Errno::ENOENT)
    }

    fn remove(&self, parent: INodeNo, name: &OsStr) -> Result<(), Errno> {
        let mut disk = self.disk();
        let ino = Self::find(&disk, parent, name)?;
        if disk.folder(ino).is_some_and(|names| !names.is_empty()) {
            return Err(Errno::ENOTEMPTY);
        }
        Ok(disk.unlink(parent.0, text(name)?, ino)?)
    }

    fn create_node(&self, parent: INodeNo, name: &OsStr, folder: bool) -> Result<FileAttr, Errno> {
        let mut disk = self.disk();
        let name = text(name)?;
        if disk.find(parent.0, name).is_some() {
            return Err(Errno::EEXIST);
        }
        let ino = disk.create(parent.0, name, folder)?;
        Ok(self.attributes(&disk, ino))
    }
}

impl From<Refused> for Errno {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Failed => Self::EIO,
            Refused::ReadOnly => Self::EROFS,
        }
    }
}

fn text(name: &OsStr) -> Result<&str, Errno> {
    name.to_str().ok_or(Errno::EINVAL)
}

fn done(reply: ReplyEmpty, result: Result<(), Errno>) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn place(offset: u64) -> usize {
    usize::try_from(offset).unwrap()
}

impl Filesystem for Served {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let disk = self.disk();
        match Self::find(&disk, parent, name) {
            Ok(ino) => reply.entry(&ASK_AGAIN, &self.attributes(&disk, ino), Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn getattr(&self, _: &Request, ino: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        reply.attr(&ASK_AGAIN, &self.attributes(&self.disk(), ino.0));
    }

    fn setattr(
        &self,
        _: &Request,
        ino: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut disk = self.disk();
        let set = size.map_or(Ok(()), |size| disk.set_length(ino.0, place(size)));
        match set {
            Ok(()) => reply.attr(&ASK_AGAIN, &self.attributes(&disk, ino.0)),
            Err(refused) => reply.error(refused.into()),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        match self.create_node(parent, name, true) {
            Ok(made) => reply.entry(&ASK_AGAIN, &made, Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        let past_cache = FopenFlags::FOPEN_DIRECT_IO;
        match self.create_node(parent, name, false) {
            Ok(made) => reply.created(&ASK_AGAIN, &made, Generation(0), FileHandle(0), past_cache),
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(reply, self.remove(parent, name));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        done(reply, self.remove(parent, name));
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let mut disk = self.disk();
        let renamed = Self::find(&disk, parent, name).and_then(|ino| {
            let to = (new_parent.0, text(new_name)?);
            Ok(disk.rename((parent.0, text(name)?), to, ino)?)
        });
        done(reply, renamed);
    }

    fn link(&self, _: &Request, ino: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let mut disk = self.disk();
        let linked = text(name).and_then(|name| match disk.find(parent.0, name) {
            Some(_) => Err(Errno::EEXIST),
            None => Ok(disk.link(parent.0, name, ino.0)?),
        });
        match linked {
            Ok(()) => reply.entry(&ASK_AGAIN, &self.attributes(&disk, ino.0), Generation(0)),
            Err(error) => reply.error(error),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let reads = flags.acc_mode() == OpenAccMode::O_RDONLY;
        match self.disk().writable() {
            Err(refused @ Refused::ReadOnly) if !reads => reply.error(refused.into()),
            _ => reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO),
        }
    }

    fn read(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let disk = self.disk();
        let bytes = disk.bytes(ino.0).unwrap_or_default();
        let start = place(offset).min(bytes.len());
        let end = (start + place(size.into())).min(bytes.len());
        reply.data(&bytes[start..end]);
    }

    fn write(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.disk().write(ino.0, place(offset), data) {
            Ok(()) => reply.written(u32::try_from(data.len()).unwrap()),
            Err(refused) => reply.error(refused.into()),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        // Closing a file syncs nothing.
        reply.ok();
    }

    fn fsync(&self, _: &Request, ino: INodeNo, _: FileHandle, data_only: bool, reply: ReplyEmpty) {
        let synced = self.disk().sync(ino.0, data_only);
        done(reply, synced.map_err(Errno::from));
    }

    fn fsyncdir(&self, _: &Request, ino: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let synced = self.disk().sync(ino.0, false);
        done(reply, synced.map_err(Errno::from));
    }

    fn readdir(
        &self,
        _: &Request,
        ino: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let disk = self.disk();
        let Some(names) = disk.folder(ino.0) else {
            reply.error(Errno::ENOTDIR);
            return;
        };
        let own = [".", ".."].map(|name| (name, ino.0));
        let names = names.iter().map(|(name, ino)| (name.as_str(), *ino));
        for (next, (name, ino)) in (1..).zip(own.into_iter().chain(names)).skip(place(offset)) {
            let kind = self.attributes(&disk, ino).kind;
            if reply.add(INodeNo(ino), next, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let blocks = 1 << 24;
        reply.statfs(blocks, blocks, blocks, 1 << 20, 1 << 20, 4096, 255, 4096);
    }
}
