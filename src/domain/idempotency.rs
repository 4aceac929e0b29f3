//! Idempotency keys: a repeated request finds its first answer.
//!
//! Owns the records of the `Idempotency-Key` header (`protocols/transport.md` section 9) and of a
//! message's own `idempotency_key`, and their 24 hours. Does not know HTTP, nor how the stored
//! answer is sealed.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::secret::Sealed;
use super::text;
use crate::clock::{Millis, Timestamp};
use crate::error::{Error, Result};
use crate::id::{AccountId, MessageId};
use crate::store::{Key, Tx, keys};

/// How long a repeat is recognised.
pub const KEPT: Millis = Millis::hours(24);
/// Characters of a key.
const MAX_KEY: usize = 64;

/// The name under which a message's own keys are kept, apart from every surface's.
const MESSAGES: &str = "message";

/// Whether `value` may be an idempotency key: 1-64 printable ASCII characters.
pub fn is_valid(value: &str) -> bool {
    text::is_printable(value, MAX_KEY)
}

/// What one request with an `Idempotency-Key` claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose.
    pub account: AccountId,
    /// On which surface.
    pub surface: &'static str,
    /// The header's value.
    pub value: String,
    /// SHA-256 over the operation and its decoded parameters.
    pub digest: [u8; 32],
}

/// A stored answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    digest: [u8; 32],
    /// HTTP status.
    pub status: u16,
    /// The body, sealed: an answer can carry a secret that is shown once.
    pub body: Sealed,
    at: Timestamp,
}

impl Claim {
    fn key(&self) -> Key {
        keys::idempotency(self.account, self.surface, &self.value)
    }
}

/// The answer to an earlier request of this claim, if there was one; `Conflict` when the value
/// was used for another request.
///
/// The record is written once more, unchanged: the repeat's commit then follows the first one's,
/// so that a repeated answer too is sent only when it is durable.
pub async fn recall(tx: &Tx, claim: &Claim) -> Result<Option<Answered>> {
    let key = claim.key();
    let Some(found) = tx.read::<Answered>(&key).await? else {
        return Ok(None);
    };
    if is_over(found.at, tx.now()) {
        return Ok(None);
    }
    if found.digest != claim.digest {
        return Err(Error::conflict(
            "Idempotency-Key was used for another request",
        ));
    }
    tx.put(key, &found)?;
    Ok(Some(found))
}

/// Stores the answer in the commit that it answers.
pub async fn remember(tx: &Tx, claim: &Claim, status: u16, body: Sealed) -> Result<()> {
    let key = claim.key();
    let before = tx.read::<Answered>(&key).await?.map(|found| found.at);
    let record = Answered {
        digest: claim.digest,
        status,
        body,
        at: tx.now(),
    };
    tx.put(key.clone(), &record)?;
    keep_until_end(tx, &key, before);
    Ok(())
}

#[derive(Serialize, Deserialize)]
struct Accepted {
    id: MessageId,
    at: Timestamp,
}

/// The message that was accepted with this key in the last 24 hours; if there was none, `accept`
/// makes one, and its id is remembered. A found record is written once more, as [`recall`] does.
pub async fn message_once(
    tx: &Tx,
    account: AccountId,
    value: &str,
    accept: impl Future<Output = Result<MessageId>>,
) -> Result<MessageId> {
    let key = keys::idempotency(account, MESSAGES, value);
    let found = tx.read::<Accepted>(&key).await?;
    if let Some(found) = &found
        && !is_over(found.at, tx.now())
    {
        tx.put(key, found)?;
        return Ok(found.id);
    }
    let id = accept.await?;
    tx.put(key.clone(), &Accepted { id, at: tx.now() })?;
    keep_until_end(tx, &key, found.map(|found| found.at));
    Ok(id)
}

/// The key that removes the record under `key` one day; the error says what is wrong with it.
pub fn removal(key: &Key, bytes: &[u8]) -> std::result::Result<Key, serde_json::Error> {
    let is_message = key.parts().nth(2) == Some(MESSAGES);
    let at = if is_message {
        serde_json::from_slice::<Accepted>(bytes)?.at
    } else {
        serde_json::from_slice::<Answered>(bytes)?.at
    };
    Ok(keys::end(at.after(KEPT), key))
}

fn is_over(at: Timestamp, now: Timestamp) -> bool {
    now.since(at) >= KEPT
}

/// Marks `key` for removal; an older mark must not remove the record that replaced its own.
fn keep_until_end(tx: &Tx, key: &Key, before: Option<Timestamp>) {
    if let Some(at) = before {
        tx.delete(keys::end(at.after(KEPT), key));
    }
    tx.put_bytes(keys::end(tx.now().after(KEPT), key), Bytes::new());
}
