//! What the callers and the store's threads share.
//!
//! Owns the lock order: the slot of the database first, then the front; nobody asks for the slot
//! while holding the front. Does not know what a caller or a thread wants.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::directory::{Directory, OpenError, Opened, Tried, damaged, let_go};
use super::disk::{Disk, Marker};
use super::queue::{Front, Mode, Queued, Trim};
use super::reader::{Readers, Slot};
use super::settings::{Settings, Stats};
use crate::clock::Clock;
use crate::store::{Feed, ReadError, Version};

/// The shared state of one store.
#[derive(Debug)]
pub struct Shared {
    /// The settings it was opened with.
    pub settings: Settings,
    /// The locked directory.
    pub directory: Arc<Directory>,
    /// The open database.
    pub slot: Slot,
    /// Wakes the writer.
    pub wake: Condvar,
    /// The reader threads.
    pub readers: Readers,
    /// What became durable.
    pub feed: Arc<Feed>,
    clock: Clock,
    front: Mutex<Front>,
    stats: Mutex<Stats>,
}

impl Shared {
    /// The state of a store whose database is not installed yet.
    pub fn new(
        settings: Settings,
        directory: Arc<Directory>,
        clock: Clock,
        readers: (Slot, Readers),
        front: Front,
    ) -> Self {
        let (slot, readers) = readers;
        Self {
            settings,
            directory,
            slot,
            wake: Condvar::new(),
            readers,
            feed: Arc::default(),
            clock,
            front: Mutex::new(front),
            stats: Mutex::default(),
        }
    }

    /// The front, locked. Held for moments only: never over I/O.
    pub fn front(&self) -> MutexGuard<'_, Front> {
        self.front.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The generation of the open store.
    pub fn generation(&self) -> Result<u64, ReadError> {
        let front = self.front();
        if front.mode == Mode::Open {
            Ok(front.generation)
        } else {
            Err(ReadError::Unavailable)
        }
    }

    /// Changes the figures.
    pub fn figures(&self, change: impl FnOnce(&mut Stats)) {
        change(&mut self.stats.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// The figures now.
    pub fn stats(&self) -> Stats {
        let mut stats = self
            .stats
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let front = self.front();
        (stats.queued, stats.queued_bytes) = front.waiting();
        stats.open = front.mode == Mode::Open;
        stats.disk = front.limits.file;
        stats.live = front.limits.live;
        stats.ballast_spent = front.limits.ballast_spent;
        stats
    }

    /// Makes an opened database the one that is read and written. Gives its last commit.
    pub fn install(&self, opened: Opened) -> Result<Marker, OpenError> {
        let path = self.directory.database();
        let mut disk = Disk {
            tree: opened.tree,
            file: opened.file,
            applied: Version(0),
            generation: 0,
        };
        let marker = disk
            .marker()
            .map_err(|error| damaged(&path, error.to_string()))?;
        let size = disk.size().tried("measure", &path)?;
        disk.applied = marker.version;
        disk.generation = {
            let mut front = self.front();
            front.limits.file = size;
            front.limits.live = marker.live;
            front.generation
        };
        *self.slot.write().unwrap_or_else(PoisonError::into_inner) = Some(disk);
        Ok(marker)
    }

    /// Closes the database after a write failure and throws away what was queued. Gives who
    /// waited.
    pub fn fail(&self) -> (Vec<Queued>, Vec<Trim>) {
        let now = self.clock.now();
        self.figures(|stats| {
            stats.failures += 1;
            stats.failed_at = Some(now);
        });
        let waiting = self.front().reset();
        self.close_disk();
        waiting
    }

    /// Closes the database once the reads that are under way are done.
    pub fn close_disk(&self) {
        let disk = self
            .slot
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let_go(disk);
    }

    /// Waits; false when the store is closed meanwhile.
    pub fn sleep(&self, wait: Duration) -> bool {
        let front = self.front();
        let waited = self
            .wake
            .wait_timeout_while(front, wait, |front| front.mode != Mode::Closed);
        let (front, _) = waited.unwrap_or_else(PoisonError::into_inner);
        front.mode != Mode::Closed
    }

    /// Gives up the ballast for essential commits.
    pub fn spend_ballast(&self) {
        if self.directory.drop_ballast() {
            tracing::warn!("the disk is full: the ballast is given up, only outcomes are stored");
            self.front().limits.ballast_spent = true;
        }
    }

    /// Creates the ballast again if there is room.
    pub fn restore_ballast(&self) {
        if self.directory.ensure_ballast(self.settings.ballast) {
            tracing::info!("the disk has room again: the ballast is restored");
            self.front().limits.ballast_spent = false;
        }
    }
}
