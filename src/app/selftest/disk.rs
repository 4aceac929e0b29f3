//! How long the disk takes to confirm a write.
//!
//! Owns the measurement: 4 KiB written and synced, again and again. Does not know what is fast
//! enough.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use crate::clock::Stopwatch;

/// Writes that are measured at most, and how long that may take in all.
const WRITES: usize = 500;
const PATIENCE: Duration = Duration::from_secs(2);
const BYTES: usize = 4096;

/// Half of the writes took this long at most, and all but one in a hundred that long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latency {
    /// The middle one.
    pub p50: Duration,
    /// The slowest but for one in a hundred.
    pub p99: Duration,
}

/// Measures in a file of `folder`.
pub fn measure(folder: &Path) -> std::io::Result<Latency> {
    let path = folder.join("sync");
    let mut file = File::create(&path)?;
    let whole = Stopwatch::start();
    let mut took = Vec::with_capacity(WRITES);
    while took.is_empty() || took.len() < WRITES && whole.elapsed() < PATIENCE {
        let one = Stopwatch::start();
        file.write_all(&[7; BYTES])?;
        file.sync_data()?;
        took.push(one.elapsed());
    }
    std::fs::remove_file(&path)?;
    took.sort_unstable();
    let at = |hundredths: usize| took[(took.len() - 1) * hundredths / 100];
    Ok(Latency {
        p50: at(50),
        p99: at(99),
    })
}
