//! The stores under test, with their durability under the test's hand.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use bytes::Bytes;
use hookrelay::clock::{Clock, Entropy, Timestamp};
use hookrelay::id::{AccountId, EndpointId, MessageId, Seq};
use hookrelay::store::memory::MemoryStore;
use hookrelay::store::sled::{Settings, SledStore, SyncFile};
use hookrelay::store::{
    Append, Commit, CommitError, Committed, Database, Durability, Key, LogPage, Message, Receipt,
    Store, Targets, Version, Write, keys,
};
use tempfile::TempDir;

pub const A: AccountId = AccountId::from_number(1);
pub const B: AccountId = AccountId::from_number(2);

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Memory,
    Sled,
    /// Every message is read from the disk.
    SledUncached,
}

impl Kind {
    fn log_cache(self) -> usize {
        match self {
            Self::Memory | Self::SledUncached => 0,
            Self::Sled => settings().log_cache,
        }
    }
}

/// Holds every sync while it is shut.
#[derive(Debug, Default)]
pub struct Gate {
    shut: Mutex<bool>,
    moved: Condvar,
}

impl Gate {
    pub fn set_shut(&self, shut: bool) {
        *self.shut.lock().unwrap() = shut;
        self.moved.notify_all();
    }

    /// Waits while the gate is shut.
    pub fn pass(&self) {
        let shut = self.shut.lock().unwrap();
        drop(self.moved.wait_while(shut, |shut| *shut).unwrap());
    }
}

/// One store for one test.
pub struct Bench {
    pub store: Arc<dyn Store>,
    memory: Option<Arc<MemoryStore>>,
    gate: Arc<Gate>,
    _dir: TempDir,
}

impl Bench {
    /// A store that makes commits durable at once.
    pub fn open(kind: Kind) -> Self {
        match kind {
            Kind::Memory => Self::memory(MemoryStore::new()),
            Kind::Sled | Kind::SledUncached => Self::sled(kind),
        }
    }

    /// A store that makes nothing durable until [`Bench::release`].
    pub fn held(kind: Kind) -> Self {
        match kind {
            Kind::Memory => Self::memory(MemoryStore::stepped()),
            Kind::Sled | Kind::SledUncached => {
                let bench = Self::sled(kind);
                bench.hold();
                bench
            }
        }
    }

    fn memory(store: MemoryStore) -> Self {
        let memory = Arc::new(store);
        Self {
            store: memory.clone(),
            memory: Some(memory),
            gate: Arc::default(),
            _dir: tempfile::tempdir().unwrap(),
        }
    }

    fn sled(kind: Kind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let gate = Arc::<Gate>::default();
        let settings = Settings {
            log_cache: kind.log_cache(),
            ..gated(&gate)
        };
        let store = SledStore::open(dir.path(), settings, Clock::system()).unwrap();
        Self {
            store: Arc::new(store),
            memory: None,
            gate,
            _dir: dir,
        }
    }

    /// Makes nothing durable from here on; only for a store that was opened by [`Bench::held`].
    pub fn hold(&self) {
        self.gate.set_shut(true);
    }

    /// Makes what is queued durable.
    pub fn release(&self) {
        self.gate.set_shut(false);
        if let Some(memory) = &self.memory {
            while memory.step() {}
        }
    }

    pub fn database(&self) -> Database {
        Database::new(self.store.clone(), Clock::system(), Entropy::seeded(1))
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // A store that is held could not close.
        self.gate.set_shut(false);
    }
}

/// Small settings for tests.
pub fn settings() -> Settings {
    Settings {
        cache: 4 << 20,
        ballast: 0,
        ..Settings::default()
    }
}

/// Small settings with a gate before every sync.
pub fn gated(gate: &Arc<Gate>) -> Settings {
    let gate = gate.clone();
    Settings {
        sync: SyncFile::new(move |file| {
            gate.pass();
            file.sync_data()
        }),
        ..settings()
    }
}

/// A commit under construction.
#[derive(Debug, Clone)]
pub struct Make(pub Commit);

pub fn commit(accounts: &[AccountId]) -> Make {
    Make(Commit {
        accounts: accounts.to_vec(),
        reads: vec![],
        ranges: vec![],
        present: vec![],
        writes: vec![],
        appends: vec![],
        durability: Durability::Durable,
        essential: false,
    })
}

impl Make {
    pub fn put(mut self, key: &Key, value: impl Into<Bytes>) -> Self {
        self.0.writes.push(Write::Put(key.clone(), value.into()));
        self
    }

    pub fn delete(mut self, key: &Key) -> Self {
        self.0.writes.push(Write::Delete(key.clone()));
        self
    }

    pub fn expect(mut self, key: &Key, version: Option<Version>) -> Self {
        self.0.reads.push((key.clone(), version));
        self
    }

    pub fn beside(mut self, key: &Key) -> Self {
        self.0.present.push(key.clone());
        self
    }

    pub fn append(mut self, account: AccountId, seq: u64, data: usize) -> Self {
        let message = message(seq, data);
        self.0.appends.push(Append { account, message });
        self
    }

    pub fn relaxed(mut self) -> Self {
        self.0.durability = Durability::Relaxed;
        self
    }

    pub fn essential(mut self) -> Self {
        self.0.essential = true;
        self
    }

    pub fn submit(self, store: &dyn Store) -> Receipt {
        store.submit(self.0)
    }

    pub async fn answer(self, store: &dyn Store) -> Result<Committed, CommitError> {
        wait(self.submit(store)).await
    }

    /// Commits, and gives the version.
    pub async fn done(self, store: &dyn Store) -> Version {
        self.answer(store).await.unwrap().version
    }
}

/// The answer of a receipt; a store that never answers fails the test.
pub async fn wait(receipt: Receipt) -> Result<Committed, CommitError> {
    let answer = tokio::time::timeout(Duration::from_mins(1), receipt.wait());
    answer.await.expect("the store answers")
}

pub fn message(seq: u64, data: usize) -> Arc<Message> {
    Arc::new(Message {
        id: MessageId::new(Timestamp(1000 + seq), Seq(seq), 7),
        event_type: "order.created".into(),
        targets: Targets::All,
        data: vec![b'0' + u8::try_from(seq % 10).unwrap(); data].into(),
    })
}

/// A record key of account A.
pub fn key(number: u64) -> Key {
    keys::endpoint(A, EndpointId::from_number(number))
}

pub async fn value(store: &dyn Store, key: &Key) -> Option<Bytes> {
    store.get(key).await.unwrap().map(|found| found.value)
}

pub async fn log(store: &dyn Store, account: AccountId, from: u64) -> LogPage {
    let page = store.read_log(account, Seq(from), usize::MAX, usize::MAX);
    page.await.unwrap()
}

pub async fn seqs(store: &dyn Store, account: AccountId, from: u64) -> Vec<u64> {
    let page = log(store, account, from).await;
    page.messages.iter().map(|m| m.seq().0).collect()
}
