//! The store under power cuts: one after the other, at random steps of the disk, and each checked
//! for several of the things that it could leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hookrelay::clock::Clock;
use hookrelay::store::sled::{Settings, SledStore, SyncFile};

use crate::bench;
use crate::disk::{Cut, Image};
use crate::load::{Model, reopened};
use crate::mounted::Mounted;

/// Cuts of one run of the store.
const CUTS: usize = 5;
/// What is tried as left by one cut.
const IMAGES: usize = 2;
/// Steps in which an opening is certainly done.
const OPENING: u64 = 45;

/// What was found.
pub struct Found {
    /// The image of which number it was, from 1 on.
    pub after: usize,
    pub what: String,
}

struct Rounds {
    random: fastrand::Rng,
    seed: u64,
    sync: SyncFile,
    done: usize,
}

impl Rounds {
    fn settings(&mut self) -> Settings {
        // Now and then every opening compacts.
        let compacting = self.random.u8(..4) == 0;
        Settings {
            sync: self.sync.clone(),
            ballast: if self.random.bool() { 0 } else { 1 << 20 },
            compact_over: if compacting { 0 } else { 1 << 30 },
            compact_share: if compacting { 1 } else { 4 },
            ..bench::settings()
        }
    }

    /// Runs the store on `image`, with cuts at random steps and one at the end.
    async fn run(&mut self, image: &Image, number: u64) -> Result<Vec<Cut>, String> {
        let mounted = Mounted::holding(image);
        let acknowledged = Arc::new(AtomicU64::new(number));
        let commits = self.random.u64(30..150);
        let span = OPENING + commits;
        let steps: Vec<u64> = (1..CUTS).map(|_| self.random.u64(1..span)).collect();
        mounted.disk().plan(steps, &acknowledged);
        let settings = self.settings();
        let store = SledStore::open(&mounted.data(), settings, Clock::system());
        let store = store.map_err(|error| format!("it does not open again: {error}"))?;
        let mut model = Model::after(self.seed, number);
        model
            .drive(&store, commits, &mut self.random, &acknowledged)
            .await;
        let mut cuts = mounted.disk().taken();
        cuts.push(mounted.disk().cut_now());
        Ok(cuts)
    }

    /// Checks what a cut left; in half of the cases with another cut into the opening, which is
    /// given back.
    async fn check(&mut self, image: &Image, known: u64) -> Result<(u64, Option<Cut>), String> {
        self.done += 1;
        let mounted = Mounted::holding(image);
        let acknowledged = Arc::new(AtomicU64::new(known));
        if self.random.bool() {
            let step = self.random.u64(1..OPENING);
            mounted.disk().plan([step], &acknowledged);
        }
        let settings = self.settings();
        let (store, number) = reopened(&mounted.data(), settings, self.seed, known).await?;
        // Whoever read this may have acted on it.
        acknowledged.store(number, Ordering::SeqCst);
        drop(store);
        let again = mounted.disk().taken().pop();
        Ok((number, again))
    }

    /// So many images; each run goes on with what the one before left.
    async fn images(&mut self, count: usize) -> Result<(), String> {
        let mut base = (Image::default(), 0);
        while self.done < count {
            // Now and then from the start: creating the store can be cut as well.
            if self.random.u8(..5) == 0 {
                base = (Image::default(), 0);
            }
            let cuts = self.run(&base.0, base.1).await?;
            for cut in cuts {
                for _ in 0..IMAGES {
                    let mut next = Some(cut.clone());
                    while let Some(cut) = next.take() {
                        let image = cut.image(&mut self.random);
                        let (number, again) = self.check(&image, cut.acknowledged).await?;
                        base = (image, number);
                        next = again;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Checks so many images with this sync. Gives the first one that is not what was promised.
pub async fn search(seed: u64, sync: SyncFile, count: usize) -> Option<Found> {
    let mut rounds = Rounds {
        random: fastrand::Rng::with_seed(seed),
        seed,
        sync,
        done: 0,
    };
    let found = rounds.images(count).await;
    let after = rounds.done;
    found.err().map(|what| Found { after, what })
}
