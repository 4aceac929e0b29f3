//! The reader threads: the only place where callers' reads meet the disk.
//!
//! Owns the hand-over between asynchronous callers and the threads. sled can wait for the disk in
//! every call, so it is never called on a thread of the runtime. Does not know what is read.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::directory::panic_text;
use super::disk::Disk;
use crate::store::ReadError;

/// How many reads the disk is asked at once.
const THREADS: usize = 2;

/// The open database; none while it is not open. Readers hold it shared for one read, the writer
/// alone while it applies a group, so a read sees every group whole or not at all.
pub type Slot = Arc<RwLock<Option<Disk>>>;

type Job = Box<dyn FnOnce(&Slot) + Send>;

/// The way to the reader threads.
pub struct Readers {
    jobs: Mutex<Option<Sender<Job>>>,
}

impl fmt::Debug for Readers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Readers")
    }
}

impl Readers {
    /// Starts the threads. They end when [`Readers::stop`] is called.
    pub fn start(slot: &Slot) -> std::io::Result<(Self, Vec<JoinHandle<()>>)> {
        let (sender, jobs) = mpsc::channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        let mut threads = Vec::new();
        for number in 0..THREADS {
            let (jobs, slot) = (jobs.clone(), slot.clone());
            let builder = thread::Builder::new().name(format!("store-read-{number}"));
            threads.push(builder.spawn(move || run(&jobs, &slot))?);
        }
        let jobs = Mutex::new(Some(sender));
        Ok((Self { jobs }, threads))
    }

    /// Takes no more reads. Those that were asked for are answered.
    pub fn stop(&self) {
        *self.jobs.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Runs `read` on a reader thread, on the opening of the database with this `generation`.
    pub async fn ask<T: Send + 'static>(
        &self,
        generation: u64,
        read: impl FnOnce(&Disk) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |slot| {
            if answer.is_closed() {
                return;
            }
            // A caller that went away meanwhile does not need the answer.
            let _ = answer.send(guarded(slot, generation, read));
        });
        let sender = self.sender().ok_or(ReadError::Unavailable)?;
        sender.send(job).map_err(|_| ReadError::Unavailable)?;
        answered.await.unwrap_or(Err(ReadError::Unavailable))
    }

    fn sender(&self) -> Option<Sender<Job>> {
        let jobs = self.jobs.lock().unwrap_or_else(PoisonError::into_inner);
        jobs.clone()
    }
}

fn run(jobs: &Mutex<Receiver<Job>>, slot: &Slot) {
    loop {
        // One thread waits in the channel, the others for their turn to wait there.
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(job) => job(slot),
            Err(_) => return,
        }
    }
}

fn guarded<T>(
    slot: &Slot,
    generation: u64,
    read: impl FnOnce(&Disk) -> Result<T, ReadError>,
) -> Result<T, ReadError> {
    let disk = slot.read().unwrap_or_else(PoisonError::into_inner);
    let disk = disk.as_ref().filter(|disk| disk.generation == generation);
    let disk = disk.ok_or(ReadError::Unavailable)?;
    // sled panics on some kinds of damage; that must not end the thread.
    catch_unwind(AssertUnwindSafe(|| read(disk))).unwrap_or_else(|panic| {
        tracing::error!(reason = panic_text(&*panic), "reading the store failed");
        Err(ReadError::Corrupt)
    })
}
