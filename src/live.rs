//! What the running relay can say about this moment.
//!
//! Owns the questions that surfaces and operators ask of the relay and the shape of its answers.
//! Does not know how the relay finds them. What survives a crash is asked of the store instead.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::attempt::Class;
use crate::clock::{Millis, Timestamp};
use crate::id::{AccountId, BatchId, EndpointId, Seq};

/// The health part of an endpoint's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Deliveries go out, at most `window` at a time.
    Open {
        /// Requests allowed in flight.
        window: u32,
    },
    /// Unreachable: nothing is sent before `until`, then one probe.
    Suspended {
        /// When the probe is due.
        until: Timestamp,
    },
    /// One request is out to see whether it answers again.
    Probing,
}

/// Why nothing is sent to an endpoint right now, although something waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Disabled.
    Disabled,
    /// On hold.
    OnHold,
    /// It must authenticate first; the next request for that is due then.
    Unverified {
        /// When the next authenticate is due; none while one is in flight.
        due: Option<Timestamp>,
    },
    /// A passive answer awaits `authenticate_notifications`.
    AwaitingConfirmation {
        /// When the wait is over.
        until: Timestamp,
    },
    /// Suspended as unreachable.
    Suspended {
        /// When the probe is due.
        until: Timestamp,
    },
    /// It asked us to wait (`Retry-After`).
    HeldBack {
        /// When it may be called again.
        until: Timestamp,
    },
    /// Everything that may go out is out.
    InFlight,
    /// Everything open is deferred; the next attempt is due then.
    Deferred {
        /// When the next batch is due.
        due: Timestamp,
    },
    /// Too many refused batches are open; new messages wait for them.
    Bound,
    /// It waits for a slot.
    Slot,
    /// Thin mode: messages wait for the consumer to acknowledge them.
    Thin,
}

impl Wait {
    /// The stable word of the management API and the operator's queue.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::OnHold => "on_hold",
            Self::Unverified { .. } => "unverified",
            Self::AwaitingConfirmation { .. } => "awaiting_confirmation",
            Self::Suspended { .. } => "suspended",
            Self::HeldBack { .. } => "held_back",
            Self::InFlight => "in_flight",
            Self::Deferred { .. } => "deferred",
            Self::Bound => "bound",
            Self::Slot => "slot",
            Self::Thin => "thin",
        }
    }

    /// When the wait may be over by itself.
    pub fn until(&self) -> Option<Timestamp> {
        match *self {
            Self::Unverified { due } => due,
            Self::AwaitingConfirmation { until }
            | Self::Suspended { until }
            | Self::HeldBack { until } => Some(until),
            Self::Deferred { due } => Some(due),
            Self::Disabled
            | Self::OnHold
            | Self::InFlight
            | Self::Bound
            | Self::Slot
            | Self::Thin => None,
        }
    }
}

/// One endpoint now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointNow {
    /// Whose endpoint it is.
    pub account: AccountId,
    /// Which.
    pub endpoint: EndpointId,
    /// The health part of its state.
    pub health: Health,
    /// Why nothing goes out, if something waits and nothing does.
    pub wait: Option<Wait>,
    /// False right after a start, until the account's log was read to the end that it had then:
    /// there is more pending than was counted.
    pub counted: bool,
    /// Messages not yet settled: in open batches, and admitted above the cursor.
    pub pending: u64,
    /// Of these, messages in open batches.
    pub open_messages: u64,
    /// Open batches, in flight or deferred.
    pub open_batches: u64,
    /// Requests in flight.
    pub in_flight: u64,
    /// Commit time of the oldest pending message.
    pub oldest: Option<Timestamp>,
    /// No pending message has a lower sequence; none when nothing is pending.
    pub lowest: Option<Seq>,
    /// Everything up to here is settled or in an open batch.
    pub cursor: Seq,
    /// Messages delivered.
    pub delivered: u64,
    /// Messages that became dead.
    pub dead: u64,
    /// Messages not admitted by the filter.
    pub filtered: u64,
    /// Failing since, without a success in between.
    pub failing_since: Option<Timestamp>,
    /// How the last failed attempt ended.
    pub last_class: Option<Class>,
}

/// Where the ages of one account's log change. A log is in time order, so three sequences tell
/// the age of every message in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AgeMarks {
    /// The moment that ages count to.
    pub at: Timestamp,
    /// The first message that is younger than each of [`AgeMarks::AGES`].
    pub first_younger: [Seq; 3],
}

impl AgeMarks {
    /// A minute, an hour, a day.
    pub const AGES: [Millis; 3] = [
        Millis::seconds(60),
        Millis::seconds(60 * 60),
        Millis::seconds(24 * 60 * 60),
    ];

    /// Which of [`Ages::counts`] a message belongs to.
    pub fn age_of(&self, seq: Seq) -> usize {
        let older = self.first_younger.iter().filter(|mark| seq < **mark);
        older.count()
    }
}

/// The pending messages of one endpoint by age: under a minute, an hour, a day, and older. Each is
/// in the first of these that it is young enough for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ages {
    /// In open batches.
    pub open: [u64; 4],
    /// Above the cursor.
    pub above: [u64; 4],
    /// Whether `above` is. If not, a part of the log is not for this endpoint: how many of the
    /// messages above its cursor are is known, but not which, so that they are in proportion.
    pub exact: bool,
}

impl Ages {
    /// Both together.
    pub fn counts(&self) -> [u64; 4] {
        let mut counts = self.open;
        for (sum, more) in counts.iter_mut().zip(self.above) {
            *sum += more;
        }
        counts
    }
}

/// Where a message is at an endpoint, as far as the relay holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Its batch is being sent.
    InFlight {
        /// The batch.
        batch: BatchId,
        /// Attempts made for the message, this one included.
        attempts: u32,
    },
    /// Its batch is enqueued again.
    Deferred {
        /// The batch.
        batch: BatchId,
        /// Attempts made for the message.
        attempts: u32,
        /// When the next attempt is due.
        due: Timestamp,
        /// How the last attempt ended.
        why: Option<Class>,
    },
    /// Acknowledged out of turn.
    Acknowledged,
    /// Above the cursor: queued if the filter admits it.
    Above,
    /// Settled: delivered, dead or filtered.
    Settled,
}

/// What is pending for an endpoint, message by message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Messages in open batches: inclusive ranges, rising.
    pub open: Vec<(Seq, Seq)>,
    /// Behind it, every message that the endpoint admits is pending…
    pub cursor: Seq,
    /// …but these: acknowledged out of turn.
    pub acked: Vec<(Seq, Seq)>,
}

/// The relay could not answer: it is starting, stopping or gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotRunning;

/// Asks the running relay.
#[async_trait]
pub trait Live: Send + Sync {
    /// One endpoint now; none when the relay does not know it (yet).
    async fn endpoint(&self, id: EndpointId) -> Result<Option<EndpointNow>, NotRunning>;

    /// Every endpoint of an account, or of the installation.
    async fn endpoints(&self, account: Option<AccountId>) -> Result<Vec<EndpointNow>, NotRunning>;

    /// Every endpoint of the installation, with its pending messages by age. An account without
    /// marks had nothing pending that was older than a minute.
    async fn endpoints_by_age(
        &self,
        marks: BTreeMap<AccountId, AgeMarks>,
    ) -> Result<Vec<(EndpointNow, Ages)>, NotRunning>;

    /// What is pending for an endpoint; none when the relay does not know it (yet).
    async fn backlog(&self, id: EndpointId) -> Result<Option<Backlog>, NotRunning>;

    /// Where message `seq` is at each of these endpoints, in their order; none for an endpoint
    /// that the relay does not know (yet).
    async fn places(
        &self,
        endpoints: Vec<EndpointId>,
        seq: Seq,
    ) -> Result<Vec<Option<Place>>, NotRunning>;
}
