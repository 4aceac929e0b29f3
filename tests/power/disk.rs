//! A disk that forgets: what is on it now, what is certain, and what a power cut may leave of the
//! rest.
//!
//! Owns the model and nothing of the operating system. Knows no store.
//!
//! # What is promised, and no more
//!
//! - A sync of a file makes its writes and lengths so far certain. Of those since then a cut
//!   keeps any subset: whole writes, or single pages, each as it was at some moment since.
//! - Lengths that were set are kept in order. What was written behind a cut-off end is lost with
//!   the cutting off: its room was not given to it yet.
//! - Names (creating, renaming, removing) stand in one journal, as with ext4 and xfs. A sync of a
//!   file or a folder makes the journal certain up to the last entry that touches it; a sync of
//!   data only, up to the file's creation. Of the rest a cut keeps the beginning.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub type Ino = u64;
pub const ROOT: Ino = 1;
/// What a disk writes whole.
const PAGE: usize = 4096;

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Arc<[u8]>),
    Length(usize),
}

fn write(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[offset..end].copy_from_slice(data);
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => write(bytes, *offset, data),
            Self::Length(length) => bytes.resize(*length, 0),
        }
    }
}

/// What is known of a file at a cut.
#[derive(Debug, Clone, Default)]
struct Written {
    certain: Arc<Vec<u8>>,
    since: Vec<Change>,
}

#[derive(Debug, Default)]
struct File {
    now: Vec<u8>,
    written: Written,
}

#[derive(Debug, Clone)]
enum Entry {
    Link {
        parent: Ino,
        name: String,
        ino: Ino,
        folder: bool,
    },
    Unlink {
        parent: Ino,
        name: String,
        ino: Ino,
    },
    Rename {
        from: (Ino, String),
        to: (Ino, String),
        ino: Ino,
    },
}

impl Entry {
    fn touches(&self, wanted: Ino, data_only: bool) -> bool {
        match self {
            Self::Link { parent, ino, .. } => *ino == wanted || *parent == wanted,
            Self::Unlink { parent, ino, .. } => !data_only && [*parent, *ino].contains(&wanted),
            Self::Rename { from, to, ino } => !data_only && [from.0, to.0, *ino].contains(&wanted),
        }
    }
}

/// Names by folder.
#[derive(Debug, Clone)]
struct Names(BTreeMap<Ino, BTreeMap<String, Ino>>);

impl Names {
    fn new() -> Self {
        Self(BTreeMap::from([(ROOT, BTreeMap::new())]))
    }

    fn put(&mut self, parent: Ino, name: &str, ino: Ino) {
        let names = self.0.entry(parent).or_default();
        names.insert(name.to_owned(), ino);
    }

    fn remove(&mut self, parent: Ino, name: &str) {
        self.0.entry(parent).or_default().remove(name);
    }

    fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Link {
                parent,
                name,
                ino,
                folder,
            } => {
                self.put(*parent, name, *ino);
                if *folder {
                    self.0.entry(*ino).or_default();
                }
            }
            Entry::Unlink { parent, name, .. } => self.remove(*parent, name),
            Entry::Rename { from, to, ino } => {
                self.remove(from.0, &from.1);
                self.put(to.0, &to.1, *ino);
            }
        }
    }
}

/// Why a change or a sync is refused.
#[derive(Debug, Clone, Copy)]
pub enum Refused {
    /// It failed, or the power is off.
    Failed,
    ReadOnly,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Often {
    Once,
    UntilHealed,
}

/// What fails while the disk has a bad moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Write,
    /// What was to be made certain is lost, as a kernel may drop what it could not write back.
    Sync,
}

/// The disk.
#[derive(Debug)]
pub struct Disk {
    files: BTreeMap<Ino, File>,
    names: Names,
    certain: Names,
    journal: Vec<Entry>,
    last: Ino,
    /// Why every change and every sync is refused now.
    refuses: Option<Refused>,
    /// Of these the next one fails, or every one.
    fault: Option<(Fault, Often)>,
    lies: bool,
    steps: u64,
    /// Steps before which a cut is taken, the next one last.
    planned: Vec<u64>,
    taken: Vec<Cut>,
    /// What the load knows to be acknowledged.
    acknowledged: Arc<AtomicU64>,
}

impl Disk {
    /// An empty disk.
    pub fn new() -> Self {
        Self {
            files: BTreeMap::new(),
            names: Names::new(),
            certain: Names::new(),
            journal: Vec::new(),
            last: ROOT,
            refuses: None,
            fault: None,
            lies: false,
            steps: 0,
            planned: Vec::new(),
            taken: Vec::new(),
            acknowledged: Arc::default(),
        }
    }

    /// A disk that holds `image`, all of it certain.
    pub fn holding(image: &Image) -> Self {
        let mut disk = Self::new();
        disk.fill(ROOT, image);
        disk.certain = disk.names.clone();
        disk
    }

    fn fill(&mut self, parent: Ino, image: &Image) {
        for (name, kept) in &image.0 {
            self.last += 1;
            let ino = self.last;
            self.names.put(parent, name, ino);
            match kept {
                Kept::File(bytes) => {
                    let written = Written {
                        certain: Arc::new(bytes.clone()),
                        since: Vec::new(),
                    };
                    let now = bytes.clone();
                    self.files.insert(ino, File { now, written });
                }
                Kept::Folder(image) => {
                    self.names.0.entry(ino).or_default();
                    self.fill(ino, image);
                }
            }
        }
    }

    /// Takes a cut before each of these steps from now on; a step is a change or a sync. With
    /// each goes what `acknowledged` says at that moment.
    pub fn plan(&mut self, steps: impl IntoIterator<Item = u64>, acknowledged: &Arc<AtomicU64>) {
        self.planned = steps.into_iter().map(|step| self.steps + step).collect();
        self.planned.sort_unstable_by(|a, b| b.cmp(a));
        self.acknowledged = acknowledged.clone();
    }

    /// The planned cuts that were reached.
    pub fn taken(&mut self) -> Vec<Cut> {
        std::mem::take(&mut self.taken)
    }

    /// From now on a sync is answered and nothing is done.
    pub fn lie(&mut self) {
        self.lies = true;
    }

    /// The power goes off.
    pub fn cut(&mut self) -> Cut {
        self.refuses = Some(Refused::Failed);
        self.cut_now()
    }

    /// Read-only from now on, or no longer.
    pub fn set_read_only(&mut self, read_only: bool) {
        self.refuses = read_only.then_some(Refused::ReadOnly);
    }

    /// These fail from now on.
    pub fn fail(&mut self, fault: Fault, often: Often) {
        self.fault = Some((fault, often));
    }

    /// Nothing fails any more.
    pub fn heal(&mut self) {
        self.fault = None;
    }

    /// Whether a failure is still to come.
    pub fn is_to_fail(&self) -> bool {
        self.fault.is_some()
    }

    /// Whether files may be opened for writing.
    pub fn writable(&self) -> Result<(), Refused> {
        self.refuses.map_or(Ok(()), Err)
    }

    fn fails(&mut self, fault: Fault) -> bool {
        let fails = self.fault.is_some_and(|(known, _)| known == fault);
        if fails {
            self.fault.take_if(|(_, often)| *often == Often::Once);
        }
        fails
    }

    /// What a cut at this moment would be.
    pub fn cut_now(&self) -> Cut {
        let files = self.files.iter();
        Cut {
            acknowledged: self.acknowledged.load(Ordering::SeqCst),
            files: files
                .map(|(ino, file)| (*ino, file.written.clone()))
                .collect(),
            names: self.certain.clone(),
            journal: self.journal.clone(),
        }
    }

    fn step(&mut self) -> Result<(), Refused> {
        self.writable()?;
        self.steps += 1;
        while self.planned.last().is_some_and(|step| *step <= self.steps) {
            self.planned.pop();
            let cut = self.cut_now();
            self.taken.push(cut);
        }
        Ok(())
    }

    /// The names of a folder; none for a file.
    pub fn folder(&self, ino: Ino) -> Option<&BTreeMap<String, Ino>> {
        self.names.0.get(&ino)
    }

    /// What a name stands for.
    pub fn find(&self, parent: Ino, name: &str) -> Option<Ino> {
        self.folder(parent)?.get(name).copied()
    }

    /// A file's bytes.
    pub fn bytes(&self, ino: Ino) -> Option<&[u8]> {
        self.files.get(&ino).map(|file| file.now.as_slice())
    }

    fn enter(&mut self, entry: Entry) {
        self.names.apply(&entry);
        self.journal.push(entry);
    }

    pub fn create(&mut self, parent: Ino, name: &str, folder: bool) -> Result<Ino, Refused> {
        self.step()?;
        self.last += 1;
        let ino = self.last;
        if !folder {
            self.files.insert(ino, File::default());
        }
        self.enter(Entry::Link {
            parent,
            name: name.to_owned(),
            ino,
            folder,
        });
        Ok(ino)
    }

    /// A second name of a file.
    pub fn link(&mut self, parent: Ino, name: &str, ino: Ino) -> Result<(), Refused> {
        self.step()?;
        self.enter(Entry::Link {
            parent,
            name: name.to_owned(),
            ino,
            folder: false,
        });
        Ok(())
    }

    pub fn unlink(&mut self, parent: Ino, name: &str, ino: Ino) -> Result<(), Refused> {
        self.step()?;
        let name = name.to_owned();
        self.enter(Entry::Unlink { parent, name, ino });
        Ok(())
    }

    pub fn rename(&mut self, from: (Ino, &str), to: (Ino, &str), ino: Ino) -> Result<(), Refused> {
        self.step()?;
        self.enter(Entry::Rename {
            from: (from.0, from.1.to_owned()),
            to: (to.0, to.1.to_owned()),
            ino,
        });
        Ok(())
    }

    fn change(&mut self, ino: Ino, change: Change) -> Result<(), Refused> {
        self.step()?;
        if matches!(change, Change::Write(..)) && self.fails(Fault::Write) {
            return Err(Refused::Failed);
        }
        let file = self.files.entry(ino).or_default();
        change.apply(&mut file.now);
        file.written.since.push(change);
        Ok(())
    }

    pub fn write(&mut self, ino: Ino, offset: usize, data: &[u8]) -> Result<(), Refused> {
        self.change(ino, Change::Write(offset, data.into()))
    }

    pub fn set_length(&mut self, ino: Ino, length: usize) -> Result<(), Refused> {
        self.change(ino, Change::Length(length))
    }

    /// Makes a file or a folder certain.
    pub fn sync(&mut self, ino: Ino, data_only: bool) -> Result<(), Refused> {
        self.step()?;
        if self.lies {
            return Ok(());
        }
        // A file without news has nothing that a failure could lose.
        let news = self.files.get(&ino);
        if news.is_some_and(|file| !file.written.since.is_empty()) && self.fails(Fault::Sync) {
            if let Some(file) = self.files.get_mut(&ino) {
                file.written.since.clear();
                file.now = file.written.certain.to_vec();
            }
            return Err(Refused::Failed);
        }
        if let Some(file) = self.files.get_mut(&ino) {
            let written = &mut file.written;
            let certain = Arc::make_mut(&mut written.certain);
            for change in written.since.drain(..) {
                change.apply(certain);
            }
        }
        let last = self
            .journal
            .iter()
            .rposition(|it| it.touches(ino, data_only));
        for entry in self.journal.drain(..last.map_or(0, |last| last + 1)) {
            self.certain.apply(&entry);
        }
        Ok(())
    }
}

/// How much of what was not synced a cut keeps.
#[derive(Debug, Clone, Copy)]
enum Luck {
    Nothing,
    Everything,
    /// Each write with such a chance.
    Writes(f64),
    /// Each page with such a chance as it is now, else as it was at some moment.
    Pages(f64),
}

impl Luck {
    fn draw(random: &mut fastrand::Rng) -> Self {
        let chance = [0.1, 0.5, 0.9][random.usize(..3)];
        match random.u8(..10) {
            0 => Self::Nothing,
            1 => Self::Everything,
            2..=5 => Self::Writes(chance),
            _ => Self::Pages(chance),
        }
    }
}

/// The disk at the moment of a power cut, before it is decided what is left of it.
#[derive(Debug, Clone)]
pub struct Cut {
    /// What was acknowledged before it.
    pub acknowledged: u64,
    files: BTreeMap<Ino, Written>,
    names: Names,
    journal: Vec<Entry>,
}

impl Cut {
    /// What could be found after it; another one each time.
    pub fn image(&self, random: &mut fastrand::Rng) -> Image {
        let luck = Luck::draw(random);
        let entries = match luck {
            Luck::Nothing => 0,
            Luck::Everything => self.journal.len(),
            Luck::Writes(_) | Luck::Pages(_) => random.usize(..=self.journal.len()),
        };
        let mut names = self.names.clone();
        for entry in &self.journal[..entries] {
            names.apply(entry);
        }
        self.below(ROOT, &names, luck, random)
    }

    fn below(&self, folder: Ino, names: &Names, luck: Luck, random: &mut fastrand::Rng) -> Image {
        let mut image = Image::default();
        for (name, ino) in names.0.get(&folder).into_iter().flatten() {
            let kept = match self.files.get(ino) {
                Some(written) => Kept::File(written.survive(luck, random)),
                None => Kept::Folder(self.below(*ino, names, luck, random)),
            };
            image.0.insert(name.clone(), kept);
        }
        image
    }
}

impl Written {
    fn survive(&self, luck: Luck, random: &mut fastrand::Rng) -> Vec<u8> {
        let mut bytes = self.certain.to_vec();
        let lengths = |change: &&Change| matches!(change, Change::Length(_));
        let lengths = self.since.iter().filter(lengths).count();
        let mut lengths_kept = match luck {
            Luck::Nothing => return bytes,
            Luck::Everything => lengths,
            Luck::Writes(_) | Luck::Pages(_) => random.usize(..=lengths),
        };
        // The length without any loss, and the end that a lost cutting off sets to later writes.
        let (mut whole, mut end) = (bytes.len(), usize::MAX);
        // For each page the number of changes that it saw.
        let mut seen: BTreeMap<usize, usize> = BTreeMap::new();
        for (number, change) in self.since.iter().enumerate() {
            let (offset, data) = match change {
                Change::Length(length) if lengths_kept > 0 => {
                    lengths_kept -= 1;
                    bytes.resize(*length, 0);
                    whole = *length;
                    continue;
                }
                Change::Length(length) => {
                    if *length < whole {
                        end = end.min(*length);
                    }
                    whole = *length;
                    continue;
                }
                Change::Write(offset, data) => (*offset, &data[..]),
            };
            whole = whole.max(offset + data.len());
            let data = &data[..data.len().min(end.saturating_sub(offset))];
            match luck {
                Luck::Nothing => {}
                Luck::Everything => write(&mut bytes, offset, data),
                Luck::Writes(chance) => {
                    if !data.is_empty() && random.f64() < chance {
                        write(&mut bytes, offset, data);
                    }
                }
                Luck::Pages(chance) => {
                    for (offset, piece) in pages(offset, data) {
                        let seen = *seen.entry(offset / PAGE).or_insert_with(|| {
                            if random.f64() < chance {
                                usize::MAX
                            } else {
                                random.usize(..=self.since.len())
                            }
                        });
                        if number < seen {
                            write(&mut bytes, offset, piece);
                        }
                    }
                }
            }
        }
        bytes
    }
}

/// A write in pieces that do not cross a page's end.
fn pages(offset: usize, data: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let left = PAGE - (offset + at) % PAGE;
        let piece = &data[at..data.len().min(at + left)];
        let found = (offset + at, piece);
        at += piece.len();
        (!piece.is_empty()).then_some(found)
    })
}

/// Files and folders as a cut left them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image(pub BTreeMap<String, Kept>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    File(Vec<u8>),
    Folder(Image),
}
