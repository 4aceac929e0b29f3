//! The attempts of an endpoint that an operator can look at.
//!
//! Owns the row and its ring of slots. Does not know how an attempt is made or judged; holds no
//! payload and no secret.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{AccountId, EndpointId};
use crate::store::{Tx, keys};

/// Attempts kept per endpoint; slots are `0..SLOTS`, used in rotation.
pub const SLOTS: u64 = 256;

/// What an attempt was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttemptKind {
    /// Messages.
    Delivery,
    /// A proof of identity.
    Authenticate,
    /// A wake-up in thin mode.
    Wakeup,
}

impl AttemptKind {
    /// The stable word of logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Authenticate => "authenticate",
            Self::Wakeup => "wakeup",
        }
    }
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRow {
    /// When it started.
    pub at: Timestamp,
    /// The batch, or the id of the authenticate request.
    pub batch: String,
    /// What it was for.
    pub kind: AttemptKind,
    /// Which attempt of its batch, from 1.
    pub number: u32,
    /// Messages in it.
    pub messages: u32,
    /// How it ended ([`crate::attempt::Class`]).
    pub class: String,
    /// What happened and what to do, in one sentence.
    pub hint: String,
    /// HTTP status, where a head was received.
    pub status: Option<u16>,
    /// From its start to its end, in milliseconds.
    pub took_ms: u64,
}

/// The remembered attempts, newest first, at most `limit`.
pub async fn list(
    tx: &Tx,
    account: AccountId,
    endpoint: EndpointId,
    limit: usize,
) -> Result<Vec<AttemptRow>> {
    let range = keys::attempts(account, endpoint);
    let slots = usize::try_from(SLOTS).unwrap_or(usize::MAX);
    let found = tx.read_range::<AttemptRow>(&range, slots).await?;
    let mut rows: Vec<AttemptRow> = found.into_iter().map(|(_, row)| row).collect();
    rows.sort_by(|one, other| (other.at, &other.batch).cmp(&(one.at, &one.batch)));
    rows.truncate(limit);
    Ok(rows)
}
