//! The files below the store, damaged in every way: reading them ends.

use fastrand::Rng;
use hookrelay::store::sled::{raw, salvage};

use crate::{any, rounds};

/// What sled writes, with faults, and rubbish: whatever the files say, reading them ends.
#[test]
fn raw_files_of_the_store_hold_anything() {
    let mut rng = Rng::with_seed(31);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("db");
    let config = sled::Config::new().path(&path).segment_size(64 << 10);
    for session in 0..3u32 {
        let tree = config.clone().flush_every_ms(None).open().unwrap();
        for number in 0..400u32 {
            let key = format!("k/{:04}", number * (session + 1) % 700);
            tree.insert(key, vec![7; 200]).unwrap();
            tree.remove(format!("k/{:04}", number * 3)).unwrap();
        }
        tree.flush().unwrap();
    }
    std::fs::write(folder.path().join("format"), "1\n").unwrap();
    let names: Vec<_> = std::fs::read_dir(&path)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    let log = std::fs::read(path.join("db")).unwrap();
    let mut readable = 0;
    for _ in 0..rounds(300) {
        let name = &names[rng.usize(..names.len())];
        let sound = std::fs::read(name).unwrap();
        std::fs::write(name, any(&mut rng, &[&sound])).unwrap();
        let found = raw::log::Image::open(&path);
        let whole = salvage(folder.path(), |_| {}, &mut |_| {});
        readable += u32::from(whole.is_ok_and(|found| found.pages > 0) && found.is_ok());
        std::fs::write(name, &sound).unwrap();
    }
    assert!(readable > 10, "{readable}");
    for _ in 0..rounds(20_000) {
        let from = rng.usize(..log.len());
        let piece = &log[from..log.len().min(from + 600)];
        let bytes = any(&mut rng, &[piece]);
        raw::message(&bytes, 1 << 20, rng.u64(..9));
        raw::snapshot(&bytes);
        raw::root(&bytes);
        raw::segment_header(&bytes);
        raw::log::settings(&bytes);
        raw::log::number_of(&bytes, 1 << 20);
        if let Some(mut node) = raw::node(&bytes) {
            node.apply(&piece[..piece.len().min(40)]);
            node.toward(&bytes);
        }
    }
}
