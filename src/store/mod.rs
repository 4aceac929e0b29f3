//! What survives a crash: the store contract.
//!
//! Owns the vocabulary every store speaks (keys, versions, commits, the account logs, the feed of
//! published changes) and the promises behind it. Does not know what a record means, nor which
//! implementation is running; only `store/sled/` names sled.
//!
//! The promises, held by one contract suite (`tests/store.rs`) over every implementation:
//!
//! * A [`Commit`] is applied whole or not at all.
//! * Commits take effect in the order of [`Store::submit`]; after any crash the store equals a
//!   prefix of them. A durable commit is answered only when it survives power loss.
//! * Reads see every commit submitted before them, durable or not. Logs and the feed show only
//!   what is durable: *visible means durable*.
//! * A failed expectation answers [`CommitError::Conflict`] and leaves nothing; so does every
//!   commit that was queued behind a failed one on the same account.
//! * Sequence numbers of one account have no gaps.

pub mod faults;
pub mod feed;
pub mod keys;
pub mod memory;
pub mod sled;
pub mod tx;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::oneshot;

pub use faults::Faults;
pub use feed::{Feed, Published};
pub use keys::{Key, KeyRange};
pub use tx::{Database, Tx};

use crate::clock::Timestamp;
use crate::id::{AccountId, EndpointId, MessageId, Seq};

/// When a key was last written; grows with every commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// A stored value with the version that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The version.
    pub version: Version,
    /// The value as it was put.
    pub value: Bytes,
}

/// Which endpoints of the account a message is for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Targets {
    /// Every endpoint whose type filter admits it.
    #[default]
    All,
    /// Exactly these, whatever their type filter says; the others count it filtered.
    Only(Vec<EndpointId>),
    /// Every endpoint whose filter admits it but this one, of which it speaks.
    Except(EndpointId),
}

/// One entry of an account's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Carries commit time and sequence.
    pub id: MessageId,
    /// Event type.
    pub event_type: Arc<str>,
    /// Which endpoints it is for.
    pub targets: Targets,
    /// One JSON value as text, never re-serialized.
    pub data: Bytes,
}

impl Message {
    /// The position in the account's log.
    pub fn seq(&self) -> Seq {
        self.id.seq()
    }

    /// What counts against every byte bound: type and data.
    pub fn size(&self) -> usize {
        self.event_type.len() + self.data.len()
    }
}

/// A part of an account's log, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPage {
    /// Visible messages from the asked sequence on; starts later when the log was trimmed. Without
    /// gaps, unless the disk lost something.
    pub messages: Vec<Arc<Message>>,
}

/// The end of an account's log, as the next commit will find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Head {
    /// The last sequence that was submitted; 0 = none yet.
    pub last: Seq,
    /// The commit time of that message; ids never go backwards.
    pub last_time: Timestamp,
}

/// How long a caller of [`Store::submit`] waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The receipt resolves after the bytes survive power loss.
    Durable,
    /// The commit keeps its place in the order and is written with the next group, after 20 ms
    /// at most; its receipt resolves then too, but nobody needs to wait for it.
    Relaxed,
}

/// One change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Store this value.
    Put(Key, Bytes),
    /// Forget the key; it need not exist.
    Delete(Key),
}

impl Write {
    /// The key that changes.
    pub fn key(&self) -> &Key {
        match self {
            Self::Put(key, _) | Self::Delete(key) => key,
        }
    }
}

/// A range that was read: its keys and versions are an expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeRead {
    /// What was asked.
    pub range: KeyRange,
    /// How many keys were asked for at most.
    pub limit: usize,
    /// What was found.
    pub found: Vec<(Key, Version)>,
}

/// A message to append; its sequence must be the next one of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Whose log.
    pub account: AccountId,
    /// The entry; its id carries the sequence.
    pub message: Arc<Message>,
}

/// Everything one transaction does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The accounts whose commits this one must follow; the first one's disk share is used. Empty
    /// for records of the installation.
    pub accounts: Vec<AccountId>,
    /// Every key that was looked at and the version found (none = absent): expectations.
    pub reads: Vec<(Key, Option<Version>)>,
    /// Every range that was looked at: expectations.
    pub ranges: Vec<RangeRead>,
    /// Keys that must exist, whatever their version: records that belong to another one must not
    /// outlive it.
    pub present: Vec<Key>,
    /// Changes, at most one for each key.
    pub writes: Vec<Write>,
    /// Messages, in order.
    pub appends: Vec<Append>,
    /// What the receipt waits for.
    pub durability: Durability,
    /// Outcomes and housekeeping: stored even at a disk limit, because refusing them would not
    /// save space and would lose what happened.
    pub essential: bool,
}

/// What a commit became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// The version of everything it wrote.
    pub version: Version,
}

/// Why a commit was not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitError {
    /// An expectation failed, or a commit before it on the same account did. Run it again.
    Conflict,
    /// A disk limit is reached (the account's own, or the installation's).
    Full,
    /// The disk does not take writes now. Whether the commit stands is unknown: it is wholly
    /// stored or not at all.
    Unavailable,
    /// A stored record cannot be read.
    Corrupt,
}

impl fmt::Display for CommitError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Conflict => "a concurrent change came first",
            Self::Full => "the disk limit is reached",
            Self::Unavailable => "the store does not take writes now",
            Self::Corrupt => "a stored record cannot be read",
        })
    }
}

impl std::error::Error for CommitError {}

/// Why a read failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadError {
    /// The store is closed or reopening.
    Unavailable,
    /// The stored bytes cannot be read.
    Corrupt,
}

impl fmt::Display for ReadError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Unavailable => "the store cannot be read now",
            Self::Corrupt => "a stored record cannot be read",
        })
    }
}

impl std::error::Error for ReadError {}

/// The pending answer to a submitted commit.
#[derive(Debug)]
pub struct Receipt(oneshot::Receiver<Result<Committed, CommitError>>);

impl Receipt {
    /// A receipt and the sender that resolves it.
    pub fn new() -> (oneshot::Sender<Result<Committed, CommitError>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }

    /// Waits for the answer; a store that stops without one leaves the outcome unknown.
    pub async fn wait(self) -> Result<Committed, CommitError> {
        self.0.await.unwrap_or(Err(CommitError::Unavailable))
    }

    /// The answer, if it is there already.
    pub fn poll(&mut self) -> Option<Result<Committed, CommitError>> {
        match self.0.try_recv() {
            Ok(answer) => Some(answer),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(CommitError::Unavailable)),
        }
    }
}

/// A durable, ordered key-value store with one append-only log per account.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// The latest submitted value of `key`.
    async fn get(&self, key: &Key) -> Result<Option<Versioned>, ReadError>;

    /// The latest submitted values of several keys, in their order.
    async fn get_all(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, ReadError> {
        let mut found = Vec::with_capacity(keys.len());
        for key in keys {
            found.push(self.get(key).await?);
        }
        Ok(found)
    }

    /// At most `limit` keys of `range` in its direction, with their latest submitted values.
    async fn scan(
        &self,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<(Key, Versioned)>, ReadError>;

    /// Takes the commit's place in the order now and answers through the receipt. Does not wait.
    fn submit(&self, commit: Commit) -> Receipt;

    /// The end of the account's log after everything submitted so far.
    async fn head(&self, account: AccountId) -> Result<Head, ReadError>;

    /// The highest visible sequence of the account; 0 = none.
    async fn visible(&self, account: AccountId) -> Result<Seq, ReadError>;

    /// Visible messages with sequence ≥ `from`: at most `max_messages`, and no more once their
    /// sizes have reached `max_bytes` (at least one message if there is one).
    async fn read_log(
        &self,
        account: AccountId,
        from: Seq,
        max_messages: usize,
        max_bytes: usize,
    ) -> Result<LogPage, ReadError>;

    /// Forgets messages below `below`, as far as whole blocks allow. The end of the log stays
    /// known even when every message is gone.
    async fn trim_log(&self, account: AccountId, below: Seq) -> Result<(), CommitError>;

    /// What became durable, in order, for the one tail reader of this process; and the watched
    /// keys of commits that failed after reads had seen them.
    fn feed(&self) -> Arc<Feed>;
}
