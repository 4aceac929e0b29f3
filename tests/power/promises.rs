//! The disk's own promises: what a cut may leave, seen over many draws, and nothing else.

use std::collections::BTreeSet;

use crate::disk::{Cut, Disk, Image, Kept, ROOT};

const PAGE: usize = 4096;

/// Everything that a cut left in many draws, as `look` sees it.
fn seen<T: Ord>(cut: &Cut, look: impl Fn(&Image) -> T) -> BTreeSet<T> {
    let mut random = fastrand::Rng::with_seed(7);
    (0..2000).map(|_| look(&cut.image(&mut random))).collect()
}

fn names(image: &Image) -> Vec<String> {
    image.0.keys().cloned().collect()
}

fn bytes(image: &Image, name: &str) -> Vec<u8> {
    match &image.0[name] {
        Kept::File(bytes) => bytes.clone(),
        Kept::Folder(_) => panic!("{name} is a folder"),
    }
}

#[test]
fn each_page_is_kept_or_lost_for_itself() {
    let mut disk = Disk::new();
    let file = disk.create(ROOT, "a", false).unwrap();
    disk.write(file, 0, &[b'0'; 2 * PAGE]).unwrap();
    disk.sync(file, true).unwrap();
    disk.write(file, 0, &[b'1'; 2 * PAGE]).unwrap();
    disk.write(file, PAGE, &[b'2'; 10]).unwrap();
    let found = seen(&disk.cut(), |image| {
        let bytes = bytes(image, "a");
        [0, PAGE, PAGE + 10].map(|place| bytes[place])
    });
    let all = [
        // The second page without and with its last write; whole writes may also be lost alone.
        "000", "011", "021", "100", "111", "121", "020",
    ];
    let all = all.map(|text| <[u8; 3]>::try_from(text.as_bytes()).unwrap());
    assert_eq!(found, all.into_iter().collect());
}

#[test]
fn names_are_kept_in_their_order() {
    let mut disk = Disk::new();
    let folder = disk.create(ROOT, "folder", true).unwrap();
    let file = disk.create(folder, "a", false).unwrap();
    disk.rename((ROOT, "folder"), (ROOT, "other"), folder)
        .unwrap();
    let last = disk.create(ROOT, "last", false).unwrap();
    assert!(seen(&disk.cut_now(), names).contains(&vec![]));
    // The file is certain, and with it the folder that it was made in.
    disk.sync(file, true).unwrap();
    let three = [vec!["folder"], vec!["other"], vec!["last", "other"]];
    let three = three.map(|names| names.into_iter().map(str::to_owned).collect());
    assert_eq!(seen(&disk.cut_now(), names), BTreeSet::from(three));
    disk.sync(ROOT, false).unwrap();
    disk.unlink(ROOT, "last", last).unwrap();
    assert_eq!(seen(&disk.cut_now(), names).len(), 2);
    // The removing of a name is not data.
    disk.sync(last, true).unwrap();
    assert_eq!(seen(&disk.cut_now(), names).len(), 2);
    disk.sync(ROOT, false).unwrap();
    assert_eq!(seen(&disk.cut(), names).len(), 1);
}

#[test]
fn nothing_is_written_behind_an_end_that_was_not_cut_off() {
    let mut disk = Disk::new();
    let file = disk.create(ROOT, "a", false).unwrap();
    disk.write(file, 0, b"old old old").unwrap();
    disk.sync(file, true).unwrap();
    disk.set_length(file, 4).unwrap();
    disk.write(file, 4, b"new").unwrap();
    let found = seen(&disk.cut(), |image| bytes(image, "a"));
    let all = ["old old old", "old ", "old new"];
    assert_eq!(found, all.map(|text| text.as_bytes().to_vec()).into());
}

#[test]
fn nothing_is_taken_after_the_cut() {
    let mut disk = Disk::new();
    let file = disk.create(ROOT, "a", false).unwrap();
    let cut = disk.cut();
    assert!(disk.write(file, 0, b"late").is_err());
    assert!(disk.sync(file, false).is_err());
    assert!(disk.create(ROOT, "b", false).is_err());
    assert!(seen(&cut, names).iter().all(|names| names.len() <= 1));
}
