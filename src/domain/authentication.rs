//! How an endpoint's authentication moves (`protocols/notifications.md` 1.3).
//!
//! Owns every change of [`AuthState`] as a function over a transaction, so that the relay, the
//! command surface and the operator cannot disagree. Does not know how a proof is computed or a
//! request is sent.
//!
//! | from | by | to |
//! |---|---|---|
//! | unverified, or verified whose time is over | [`begin`] | verifying |
//! | verifying | [`finish`] verified | verified |
//! | verifying | [`finish`] passive | awaiting confirmation |
//! | verifying | [`finish`] failed | unverified |
//! | any, not disabled | [`confirm`] | verified |
//! | verified | [`lose`] | unverified |
//! | any | `Endpoint::distrust` | unverified |

use super::endpoint::{AuthState, Endpoint, OfferedKey, Order, Protocol, load, save};
use super::event::{self, AuthFailure, Method};
use crate::clock::{Millis, Timestamp};
use crate::error::{Error, Kind, Result};
use crate::id::{AccountId, EndpointId};
use crate::store::{Tx, keys};

/// How long `authenticate_notifications` is awaited after a passive answer.
pub const CONFIRMATION_WAIT: Millis = Millis::minutes(10);
/// How long the key of an authenticate request names its endpoint.
pub const KEY_LIFETIME: Millis = Millis::minutes(15);
/// Offered keys remembered per endpoint; more authenticates than these in 15 minutes do not
/// happen on any schedule.
const MAX_OFFERED_KEYS: usize = 16;
/// Endpoints of one account that are looked at by [`confirm`].
const MAX_ENDPOINTS: usize = 100_000;

/// What an authenticate request came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthResult {
    /// Right credentials.
    Verified(Method),
    /// Status OK without credentials.
    Passive,
    /// Anything else.
    Failed {
        /// Why.
        reason: AuthFailure,
        /// HTTP status, where a head was received.
        http_status: Option<u16>,
    },
}

/// An authenticate request is about to be sent: the state becomes verifying and the key (by its
/// hexadecimal SHA-256) can be named for 15 minutes. None when nothing must be sent: the endpoint
/// moved on since `generation`, or was verified meanwhile.
pub async fn begin(
    tx: &Tx,
    account: AccountId,
    id: EndpointId,
    generation: u32,
    key_digest: Option<String>,
) -> Result<Option<Endpoint>> {
    let mut endpoint = load(tx, account, id).await?;
    let now = tx.now();
    let auth = &mut endpoint.authentication;
    let settled = match auth.state {
        AuthState::Verified { until } | AuthState::AwaitingConfirmation { until } => until > now,
        AuthState::Unverified | AuthState::Verifying => false,
    };
    if auth.generation != generation || endpoint.order != Order::Enabled || settled {
        return Ok(None);
    }
    auth.state = AuthState::Verifying;
    auth.since = now;
    auth.asked = false;
    auth.offered_keys
        .retain(|key| now.since(key.at) <= KEY_LIFETIME);
    if let Some(digest) = key_digest {
        let overflow = (auth.offered_keys.len() + 1).saturating_sub(MAX_OFFERED_KEYS);
        auth.offered_keys.drain(..overflow);
        auth.offered_keys.push(OfferedKey { digest, at: now });
    }
    save(tx, &endpoint)?;
    Ok(Some(endpoint))
}

/// The answer to an authenticate request came. Ignored when the state has left verifying.
pub async fn finish(
    tx: &Tx,
    account: AccountId,
    id: EndpointId,
    generation: u32,
    result: AuthResult,
) -> Result<()> {
    let mut endpoint = load(tx, account, id).await?;
    let auth = &endpoint.authentication;
    if auth.generation != generation || auth.state != AuthState::Verifying {
        return Ok(());
    }
    match result {
        AuthResult::Verified(method) => enter_verified(tx, &mut endpoint, method).await,
        AuthResult::Passive => {
            let until = tx.now().after(CONFIRMATION_WAIT);
            enter(
                &mut endpoint,
                AuthState::AwaitingConfirmation { until },
                tx.now(),
            );
            save(tx, &endpoint)
        }
        AuthResult::Failed {
            reason,
            http_status,
        } => {
            enter(&mut endpoint, AuthState::Unverified, tx.now());
            let failures = &mut endpoint.authentication.failures;
            *failures = failures.saturating_add(1);
            let first = *failures == 1;
            save(tx, &endpoint)?;
            if first {
                event::endpoint_authentication_failed(tx, &endpoint, reason, http_status).await?;
            }
            Ok(())
        }
    }
}

/// A verified endpoint answered a delivery with 401 or 403.
pub async fn lose(tx: &Tx, account: AccountId, id: EndpointId, generation: u32) -> Result<()> {
    let mut endpoint = load(tx, account, id).await?;
    let auth = &endpoint.authentication;
    if auth.generation == generation && matches!(auth.state, AuthState::Verified { .. }) {
        enter(&mut endpoint, AuthState::Unverified, tx.now());
        save(tx, &endpoint)?;
    }
    Ok(())
}

/// `authenticate_notifications` (`protocols/command-api.md` 4.1): opens the named endpoint, or
/// all enabled ones of the login, or the one that was offered `key_digest`. Gives how many are
/// open by it.
pub async fn confirm(
    tx: &Tx,
    account: AccountId,
    ai_login_id: &str,
    named: Option<EndpointId>,
    key_digest: Option<&str>,
) -> Result<u32> {
    let mut candidates: Vec<Endpoint> = match named {
        Some(id) => match load(tx, account, id).await {
            Err(error) if error.kind == Kind::NotFound => return Err(no_record()),
            other => vec![other?],
        },
        None => tx
            .read_range::<Endpoint>(&keys::endpoints(account), MAX_ENDPOINTS)
            .await?
            .into_iter()
            .map(|(_, endpoint)| endpoint)
            .collect(),
    };
    candidates.retain(|endpoint| endpoint.login == ai_login_id);
    if named.is_some() && candidates.iter().any(is_disabled) {
        return Err(Error::conflict("Endpoint is disabled"));
    }
    candidates.retain(|endpoint| !is_disabled(endpoint));
    if candidates.is_empty() {
        return Err(no_record());
    }
    if let Some(digest) = key_digest {
        let now = tx.now();
        candidates.retain(|endpoint| offered(endpoint, digest, now));
        if candidates.is_empty() {
            return Err(Error::invalid("key", "Invalid value for parameter \"key\""));
        }
    }
    let mut opened = 0;
    for endpoint in &mut candidates {
        enter_verified(tx, endpoint, Method::Passive).await?;
        opened += 1;
    }
    Ok(opened)
}

fn no_record() -> Error {
    Error::not_found("Record does not exist")
}

fn is_disabled(endpoint: &Endpoint) -> bool {
    matches!(endpoint.order, Order::Disabled(_))
}

fn offered(endpoint: &Endpoint, digest: &str, now: Timestamp) -> bool {
    let keys = &endpoint.authentication.offered_keys;
    keys.iter()
        .any(|key| key.digest == digest && now.since(key.at) <= KEY_LIFETIME)
}

fn enter(endpoint: &mut Endpoint, state: AuthState, now: Timestamp) {
    endpoint.authentication.state = state;
    endpoint.authentication.since = now;
}

async fn enter_verified(tx: &Tx, endpoint: &mut Endpoint, method: Method) -> Result<()> {
    let now = tx.now();
    // The standard protocol has no handshake: its endpoints count as verified always.
    let renewed = endpoint.protocol == Protocol::Standard
        || matches!(
            endpoint.authentication.state,
            AuthState::Verified { until } if until > now
        );
    let until = now.after(endpoint.auth_lifetime);
    enter(endpoint, AuthState::Verified { until }, now);
    endpoint.authentication.failures = 0;
    save(tx, endpoint)?;
    if !renewed {
        event::endpoint_authenticated(tx, endpoint, method, until).await?;
    }
    Ok(())
}
