//! The engine: what is sent next, and when. Pure: time and outcomes in, actions out.
//!
//! Owns every scheduling decision of the relay and the words it speaks with its shell. Does no
//! I/O, reads no clock, and knows no store, runtime, or wire form. `relay/` executes its actions
//! in order; the simulation (`tests/sim`) does the same with a world of its own.
//!
//! | file | owns |
//! |---|---|
//! | `core.rs` | [`Engine`]: one step for each input, then whatever may start |
//! | `inputs.rs` | what each input does |
//! | `seen.rs` | how far the logs were read, and when that may be stored |
//! | `endpoint.rs` | one endpoint: facts, cursor, open batches |
//! | `ready.rs` | what it could start now |
//! | `form.rs` | from messages to a new batch |
//! | `changes.rs` | what it has to store |
//! | `expiry.rs`, `waits.rs` | what is too old; wake-ups and clock steps |
//! | `view.rs`, `ages.rs` | one endpoint as others see it; what waits there by age |
//! | `settle.rs` | what a finished attempt does to its batch and endpoint |
//! | `bury.rs` | what becomes dead |
//! | `slots.rs` | fairness: slots, the slow pool, turns |
//! | `batch.rs` | one batch: content, id, split |
//! | `health.rs` | window, suspension, probe |
//! | `verdict.rs` | outcome → two verdicts |
//! | `schedule.rs` | waits and ages |
//! | `ranges.rs` | sets of sequence numbers |
//!
//! Three rules keep it honest: what has to survive is in a [`Change`]; a batch that failed waits
//! for its change to be durable before it may start again; and a change that could not be stored
//! is offered again until it is.

mod ages;
pub mod batch;
mod bury;
mod changes;
pub mod core;
pub mod endpoint;
mod expiry;
mod form;
pub mod health;
mod inputs;
pub mod ranges;
mod ready;
pub mod schedule;
mod seen;
mod settle;
mod slots;
pub mod verdict;
mod view;
mod waits;

pub use core::Engine;
pub use ranges::Ranges;

use crate::attempt::{Class, Outcome};
use crate::clock::{Millis, Timestamp};
use crate::id::{AccountId, BatchId, EndpointId, JobId, Seq};

/// One request under way, from the moment it takes a slot; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptId(pub u64);

/// One [`Action::Persist`]; grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Token(pub u64);

/// Settings of the whole engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Requests in their first second, over all endpoints.
    pub max_in_flight: usize,
    /// Requests that have been unanswered for longer.
    pub slow_pool: usize,
    /// Bytes of messages loaded for requests, over all endpoints.
    pub max_loaded: u64,
    /// Open batches of several messages per endpoint.
    pub max_batches: usize,
    /// Open batches of one message per endpoint.
    pub max_singles: usize,
    /// Installation secret behind batch ids.
    pub batch_key: [u8; 32],
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_in_flight: 1000,
            slow_pool: 4096,
            max_loaded: 64 << 20,
            max_batches: 32,
            max_singles: 1000,
            batch_key: [0; 32],
        }
    }
}

/// The order part of an endpoint's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Deliver.
    Enabled,
    /// Keep, send nothing.
    OnHold,
    /// Off.
    Disabled,
}

/// The authentication part of an endpoint's state, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// The standard protocol needs none.
    NotNeeded,
    /// It must prove itself; `failures` authenticates in a row have failed since `since`.
    Unverified {
        /// When the state was entered.
        since: Timestamp,
        /// Failures in a row.
        failures: u32,
        /// The operator asked for a proof now, whether or not something waits.
        asked: bool,
    },
    /// A passive answer awaits its confirmation.
    AwaitingConfirmation {
        /// When the wait is over.
        until: Timestamp,
    },
    /// It may receive deliveries.
    Verified {
        /// Until then.
        until: Timestamp,
    },
}

/// What the engine needs to know of an endpoint's record.
// Each flag is a setting of its own in the protocol's table.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// Whose endpoint it is.
    pub account: AccountId,
    /// Which.
    pub endpoint: EndpointId,
    /// The first sequence offered to it.
    pub start: Seq,
    /// The order part.
    pub order: Order,
    /// The authentication part.
    pub auth: Auth,
    /// Grows with every change of URL, login or key setting.
    pub generation: u32,
    /// `ordering = "strict"`.
    pub strict: bool,
    /// `send_messages` off.
    pub thin: bool,
    /// A response head is confirmation enough.
    pub ignore_confirmation: bool,
    /// `protocol = "standard"`: one message per request.
    pub standard: bool,
    /// Messages per batch.
    pub max_messages: u32,
    /// Bytes per batch.
    pub max_bytes: u64,
    /// Retry settings.
    pub schedule: schedule::Settings,
    /// The last creation, enabling or release: ages count from here at the earliest.
    pub offered_since: Timestamp,
}

/// A message as far as batches care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its sequence.
    pub seq: Seq,
    /// Type and data.
    pub bytes: u64,
    /// Commit time.
    pub time: Timestamp,
}

/// New messages for one endpoint within one stretch of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Who admits them.
    pub endpoint: EndpointId,
    /// The first one.
    pub first: Seq,
    /// The commit time of the first one.
    pub oldest: Timestamp,
    /// How many.
    pub count: u64,
}

/// Why a delivery ended without success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DeadReason {
    /// Too old.
    Expired,
    /// Too many attempts.
    Exhausted,
    /// The disk lost it: it cannot be read any more.
    Damaged,
}

/// Why the relay itself disables an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisableReason {
    /// It answered 410.
    Gone,
    /// It failed for longer than `disable_after`.
    Failing,
}

/// Stored: an endpoint's cursor, counters and health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CursorState {
    /// Everything up to here is settled or in an open batch.
    pub cursor: Seq,
    /// Delivered so far.
    pub delivered: u64,
    /// Became dead so far.
    pub dead: u64,
    /// Not admitted so far.
    pub filtered: u64,
    /// Admitted above the cursor, up to `seen`, and not acknowledged.
    pub pending: u64,
    /// The oldest of them is not older than this.
    pub oldest: Option<Timestamp>,
    /// The log was read up to here for this endpoint.
    pub seen: Seq,
    /// Failing since.
    pub failing_since: Option<Timestamp>,
    /// Suspended until.
    pub suspended: Option<Timestamp>,
    /// Suspensions in a row.
    pub suspensions: u32,
}

/// Stored: an open batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchState {
    /// Constant over all attempts.
    pub id: BatchId,
    /// The job it belongs to.
    pub job: Option<JobId>,
    /// Its messages, less what was acknowledged meanwhile.
    pub ranges: Ranges,
    /// At most so many bytes.
    pub bytes: u64,
    /// Commit time of its last message.
    pub newest: Timestamp,
    /// Attempts made for its messages, over all their batches.
    pub attempts: u32,
    /// Failures of this batch in a row.
    pub failures: u32,
    /// Refusals towards the next split.
    pub refusals: u32,
    /// Not to be sent before.
    pub due: Timestamp,
    /// How the last attempt ended.
    pub last_class: Option<Class>,
    /// HTTP status of the last attempt.
    pub last_status: Option<u16>,
}

/// Stored: a replay or redrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobState {
    /// Which.
    pub id: JobId,
    /// What is still to be read.
    pub remaining: Ranges,
    /// When it was ordered.
    pub created_at: Timestamp,
    /// Messages confirmed so far.
    pub delivered: u64,
    /// Messages that became dead again so far.
    pub dead: u64,
}

/// Stored: messages that became dead together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadState {
    /// The first one.
    pub first: Seq,
    /// The last one; every admitted message from the first to the last is dead.
    pub last: Seq,
    /// How many they are.
    pub count: u64,
    /// Why.
    pub reason: DeadReason,
    /// When.
    pub at: Timestamp,
    /// Attempts made for each.
    pub attempts: u32,
    /// How the last attempt ended.
    pub last_class: Option<Class>,
    /// HTTP status of the last attempt.
    pub last_status: Option<u16>,
}

/// One record to write; values are whole, so writing one twice does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The cursor record.
    Cursor(CursorState),
    /// A batch as it is now.
    PutBatch(BatchState),
    /// A batch is settled or was split.
    DeleteBatch(BatchId),
    /// Messages are dead.
    PutDead(DeadState),
    /// What was acknowledged above the cursor.
    Acked(Ranges),
    /// An acknowledgement was taken in.
    DeleteOrder(JobId),
    /// A job as it is now.
    PutJob(JobState),
    /// A job is done.
    DeleteJob(JobId),
}

/// Everything stored of one endpoint, for the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// None for an endpoint that never had one.
    pub cursor: Option<CursorState>,
    /// Open batches.
    pub batches: Vec<BatchState>,
    /// Jobs.
    pub jobs: Vec<JobState>,
    /// Acknowledged above the cursor.
    pub acked: Ranges,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// At the start, before anything else: how far the log of an account had been read.
    Seen {
        /// Whose log.
        account: AccountId,
        /// Up to here every endpoint's stored pending count is complete.
        seq: Seq,
    },
    /// At the start: an endpoint with what is stored of it.
    Load(Box<Spec>, Box<Stored>),
    /// An endpoint was created or changed.
    Endpoint(Box<Spec>),
    /// An endpoint was deleted.
    Removed(EndpointId),
    /// The log of an account was read up to `through`.
    Arrived {
        /// Whose log.
        account: AccountId,
        /// Up to here.
        through: Seq,
        /// Who admits what of it.
        arrivals: Vec<Arrival>,
    },
    /// The answer to [`Action::Read`].
    Read {
        /// Which.
        attempt: AttemptId,
        /// Admitted messages, in order.
        entries: Vec<Entry>,
        /// Everything up to here was looked at.
        through: Seq,
        /// Instead of entries: these cannot be read any more, up to `through`.
        damaged: Option<(Seq, Seq)>,
    },
    /// These messages of a batch cannot be read any more; the request was not made.
    Unreadable {
        /// Which.
        attempt: AttemptId,
        /// The messages.
        seqs: Ranges,
    },
    /// The answer to [`Action::Read`] for [`Purpose::Expire`].
    Expired {
        /// Which.
        attempt: AttemptId,
        /// How many admitted messages are old enough.
        count: u64,
        /// Everything up to here is old enough or not admitted.
        through: Seq,
        /// Commit time of the first message that is not old enough, if one was met.
        next: Option<Timestamp>,
    },
    /// A [`Action::Post`] or [`Action::Wakeup`] ended.
    Done {
        /// Which.
        attempt: AttemptId,
        /// How.
        outcome: Outcome,
        /// How, in the operator's word.
        class: Class,
    },
    /// A request could not be made for a reason of our own: its content cannot be read, or the
    /// state that it needs could not be stored.
    NotSent {
        /// Which.
        attempt: AttemptId,
    },
    /// An [`Action::Authenticate`] ended and its result is stored: the new facts came before.
    Authenticated {
        /// Which.
        attempt: AttemptId,
        /// What came back.
        outcome: Outcome,
        /// How, in the operator's word.
        class: Class,
        /// Whether the answer was what an authenticate asks for.
        accepted: bool,
    },
    /// The facts asked for by [`Action::LoseVerification`] or [`Action::Disable`] are stored, and
    /// came before this.
    FactsSettled(EndpointId),
    /// A persist is stored: durably, if that was asked.
    Stored(EndpointId, Token),
    /// A persist is not stored.
    NotStored(EndpointId, Token),
    /// A [`Action::PersistSeen`] of this account is not stored.
    SeenNotStored(AccountId),
    /// A job was created.
    Job(EndpointId, JobState),
    /// The consumer acknowledged these messages by another way; `order` is the stored order.
    Acknowledged {
        /// Which endpoint.
        endpoint: EndpointId,
        /// The stored order, removed with its effect.
        order: JobId,
        /// Admitted messages of the log.
        seqs: Ranges,
    },
    /// The wall clock was stepped by so many milliseconds.
    ClockStepped(i64),
    /// Time passed.
    Tick,
    /// Nothing new is started from here on.
    Drain,
}

/// What to read of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Messages for one batch: at most so many, so many bytes (at least one message), and not
    /// further apart in time than this.
    Batch {
        /// At most so many.
        max_messages: u32,
        /// At most so many bytes, one message at least.
        max_bytes: u64,
        /// Commit times at most so far apart.
        max_spread: Millis,
    },
    /// The admitted messages that follow the cursor of a thin endpoint.
    Advance,
    /// Admitted messages committed before this time.
    Expire {
        /// Not this one and none after it.
        before: Timestamp,
    },
}

/// What to do. Executed left to right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Store these changes in one commit; answered by [`Input::Stored`] or [`Input::NotStored`].
    Persist {
        /// Whose.
        account: AccountId,
        /// Of which endpoint.
        endpoint: EndpointId,
        /// Which persist.
        token: Token,
        /// Wait for the disk.
        durable: bool,
        /// The records.
        changes: Vec<Change>,
    },
    /// Store how far the log was read; everything it stands for is stored already.
    PersistSeen {
        /// Whose log.
        account: AccountId,
        /// Up to here.
        seq: Seq,
    },
    /// Read admitted messages of these ranges; answered by [`Input::Read`] (by [`Input::Expired`]
    /// for that purpose) or [`Input::NotSent`].
    Read {
        /// Which.
        attempt: AttemptId,
        /// Whose log.
        account: AccountId,
        /// Who admits.
        endpoint: EndpointId,
        /// Of the log.
        wanted: Ranges,
        /// How much.
        purpose: Purpose,
    },
    /// Send this batch.
    Post {
        /// Which.
        attempt: AttemptId,
        /// Whose log.
        account: AccountId,
        /// Where to.
        endpoint: EndpointId,
        /// Which batch.
        batch: BatchId,
        /// The how-manieth attempt for its messages this is.
        number: u32,
        /// Its messages.
        ranges: Ranges,
    },
    /// Wake a thin consumer.
    Wakeup {
        /// Which.
        attempt: AttemptId,
        /// Whose.
        account: AccountId,
        /// Where to.
        endpoint: EndpointId,
        /// Id of the wake-up, same over its attempts.
        batch: BatchId,
        /// Messages waiting.
        pending: u64,
    },
    /// Let the endpoint prove itself, store the result, give the new facts, then answer with
    /// [`Input::Authenticated`] or [`Input::NotSent`].
    Authenticate {
        /// Which.
        attempt: AttemptId,
        /// Whose.
        account: AccountId,
        /// Where to.
        endpoint: EndpointId,
        /// For these facts only.
        generation: u32,
    },
    /// Store that the endpoint is no longer verified; then [`Input::FactsSettled`].
    LoseVerification {
        /// Whose.
        account: AccountId,
        /// Which.
        endpoint: EndpointId,
        /// For these facts only.
        generation: u32,
    },
    /// Store that the endpoint is disabled; then [`Input::FactsSettled`].
    Disable {
        /// Whose.
        account: AccountId,
        /// Which.
        endpoint: EndpointId,
        /// Why.
        reason: DisableReason,
        /// Messages that wait for it.
        held: u64,
    },
}
