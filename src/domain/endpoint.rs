//! Endpoints: consumers' URLs with their settings and states.
//!
//! Owns the endpoint record (`protocols/notifications.md` section 2) and which messages it
//! admits. How it is authenticated is in `authentication.rs`. Does not know what is queued for
//! it: that is the relay's.

use serde::{Deserialize, Serialize};

use super::event;
use super::secret::Sealed;
use crate::clock::{Millis, Timestamp};
use crate::error::{Error, Result};
use crate::id::{AccountId, EndpointId, Seq};
use crate::store::{Message, Targets, Tx, keys};

/// How requests to an endpoint look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// The notification protocol: authenticate, then batches.
    #[default]
    Relay,
    /// Standard Webhooks: one message per request, 2xx is OK, no authenticate.
    Standard,
}

/// Whether a message may overtake one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ordering {
    /// First attempts in log order; what is enqueued again may come later.
    #[default]
    Relaxed,
    /// Nothing is sent before everything of earlier requests is settled.
    Strict,
}

/// Which event types an endpoint wants, from a sequence on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterVersion {
    /// The first sequence it holds for.
    pub from: Seq,
    /// Names, or prefixes with a trailing `*`.
    pub types: Vec<String>,
}

/// Retry settings that differ from the configuration's `[retry]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleOverride {
    /// Wait after the first failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial: Option<Millis>,
    /// Factor in thousandths: 2000 doubles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiplier_milli: Option<u32>,
    /// Longest wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_interval: Option<Millis>,
    /// Attempts after which a message alone in its batch is exhausted; 0 = never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// Age at which a message expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Millis>,
    /// Failing for so long disables the endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_after: Option<Millis>,
}

/// Why an endpoint is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// It answered 410.
    Gone,
    /// It failed for longer than `disable_after`.
    Failing,
    /// The operator said so.
    Operator,
}

impl DisabledReason {
    /// The stable word of logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Failing => "failing",
            Self::Operator => "operator",
        }
    }
}

/// The order part of an endpoint's state: what the operator allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Deliver.
    Enabled,
    /// Keep everything, send nothing, until released.
    OnHold,
    /// Off; enabling offers what waits.
    Disabled(DisabledReason),
}

impl Order {
    /// The stable word of logs and the management API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::OnHold => "on_hold",
            Self::Disabled(_) => "disabled",
        }
    }

    /// Why nothing is delivered, where there is a reason.
    pub fn reason(self) -> Option<DisabledReason> {
        match self {
            Self::Disabled(reason) => Some(reason),
            Self::Enabled | Self::OnHold => None,
        }
    }
}

/// The authentication part of an endpoint's state (`protocols/notifications.md` 1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthState {
    /// Must prove itself before anything is delivered.
    Unverified,
    /// An authenticate request is under way.
    Verifying,
    /// It answered passively; `authenticate_notifications` opens it until then.
    AwaitingConfirmation {
        /// When the wait is over.
        until: Timestamp,
    },
    /// It may receive deliveries until then.
    Verified {
        /// When it must prove itself again.
        until: Timestamp,
    },
}

impl AuthState {
    /// The stable word of logs and the management API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unverified => "unverified",
            Self::Verifying => "verifying",
            Self::AwaitingConfirmation { .. } => "awaiting_confirmation",
            Self::Verified { .. } => "verified",
        }
    }

    /// When it ends by itself.
    pub fn until(self) -> Option<Timestamp> {
        match self {
            Self::AwaitingConfirmation { until } | Self::Verified { until } => Some(until),
            Self::Unverified | Self::Verifying => None,
        }
    }
}

/// A key that was sent in an authenticate request, by its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferedKey {
    /// Hexadecimal SHA-256 of the key's text.
    pub digest: String,
    /// When it was sent.
    pub at: Timestamp,
}

/// Where authentication stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authentication {
    /// The state.
    pub state: AuthState,
    /// When it was entered.
    pub since: Timestamp,
    /// Failed authenticates in a row.
    pub failures: u32,
    /// Grows whenever an answer under way must no longer count.
    pub generation: u32,
    /// The operator asked for a proof now, whether or not something waits.
    #[serde(default)]
    pub asked: bool,
    /// Keys of the last 15 minutes, for `authenticate_notifications`.
    pub offered_keys: Vec<OfferedKey>,
}

/// A former signing secret that still signs beside the current one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetiringSecret {
    /// `whsec_…`, sealed.
    pub secret: Sealed,
    /// When it stops signing.
    pub until: Timestamp,
}

/// A registered consumer.
// Each flag is a setting of its own in the protocol's table.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The reference.
    pub id: EndpointId,
    /// Whose endpoint it is.
    pub account: AccountId,
    /// The API login that the consumer must prove.
    pub login: String,
    /// Where requests go: an absolute `http` or `https` URL without userinfo and fragment.
    pub url: String,
    /// The operator's note.
    pub description: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// The first sequence offered to it.
    pub start: Seq,
    /// Type filters in rising order of `from`; never empty.
    pub filters: Vec<FilterVersion>,
    /// How requests look.
    pub protocol: Protocol,
    /// Key authentication.
    pub send_key: bool,
    /// Off = thin mode.
    pub send_messages: bool,
    /// A response head is confirmation enough.
    pub ignore_confirmation: bool,
    /// Omit `batch_id`, `pending`, `id` and `timestamp`.
    pub strict_fields: bool,
    /// Order between requests.
    pub ordering: Ordering,
    /// Messages per batch, 1-1000.
    pub max_messages: u32,
    /// Bytes of `type` + `data` per batch; one larger message goes alone.
    pub max_bytes: u32,
    /// How long a verification lasts.
    pub auth_lifetime: Millis,
    /// Custom request headers: a sealed JSON array of `[name, value]`.
    pub headers: Option<Sealed>,
    /// Retry settings of its own.
    pub schedule: ScheduleOverride,
    /// `whsec_…`, sealed.
    pub signing_secret: Sealed,
    /// The secret before the last rotation, while it still signs.
    pub retiring_secret: Option<RetiringSecret>,
    /// The order part of the state.
    pub order: Order,
    /// When the order part last changed.
    pub order_since: Timestamp,
    /// The last creation, enabling or release: ages count from here at the earliest.
    pub offered_since: Timestamp,
    /// The authentication part of the state.
    pub authentication: Authentication,
}

impl Endpoint {
    /// Whether this endpoint wants `message` by the filter version of its sequence. An endpoint
    /// that the message names is wanted whatever its filter says.
    pub fn admits(&self, message: &Message) -> bool {
        message.seq() >= self.start
            && match &message.targets {
                Targets::Only(named) => named.contains(&self.id),
                Targets::Except(id) if *id == self.id => false,
                Targets::All | Targets::Except(_) => {
                    self.wants_type(message.seq(), &message.event_type)
                }
            }
    }

    fn wants_type(&self, seq: Seq, event_type: &str) -> bool {
        self.filters
            .iter()
            .rev()
            .find(|version| version.from <= seq)
            .is_some_and(|version| version.types.iter().any(|type_| matches(type_, event_type)))
    }

    /// Changes the order part, at `now`. False when it already was so.
    pub(super) fn set_order(&mut self, order: Order, now: Timestamp) -> bool {
        if self.order == order {
            return false;
        }
        if order == Order::Enabled {
            self.offered_since = now;
            if matches!(self.order, Order::Disabled(_)) {
                self.distrust(now);
            }
        }
        self.order = order;
        self.order_since = now;
        true
    }

    /// Forgets the verification and every answer under way: URL, login or key setting changed,
    /// the endpoint was enabled again, or the operator asked for a fresh proof.
    pub fn distrust(&mut self, now: Timestamp) {
        self.authentication = Authentication {
            state: AuthState::Unverified,
            since: now,
            failures: 0,
            generation: self.authentication.generation.wrapping_add(1),
            asked: false,
            offered_keys: Vec::new(),
        };
    }
}

/// Asks for a fresh proof of identity now, whether or not something waits.
pub async fn verify(tx: &Tx, account: AccountId, id: EndpointId) -> Result<Endpoint> {
    let mut endpoint = load(tx, account, id).await?;
    if endpoint.protocol == Protocol::Standard {
        return Err(Error::conflict(
            "The standard protocol has no handshake to verify",
        ));
    }
    if endpoint.order != Order::Enabled {
        return Err(Error::conflict(
            "The endpoint is not enabled; enable or release it first",
        ));
    }
    endpoint.distrust(tx.now());
    endpoint.authentication.asked = true;
    save(tx, &endpoint)?;
    Ok(endpoint)
}

/// Whether a filter entry admits an event type. A bare `*` admits all but operational types,
/// which need their name or a longer prefix.
pub fn matches(entry: &str, event_type: &str) -> bool {
    match entry.strip_suffix('*') {
        Some("") => !event::is_operational(event_type),
        Some(prefix) => event_type.starts_with(prefix),
        None => entry == event_type,
    }
}

/// The endpoint, or `NotFound`.
pub async fn load(tx: &Tx, account: AccountId, id: EndpointId) -> Result<Endpoint> {
    tx.read(&keys::endpoint(account, id))
        .await?
        .ok_or_else(|| Error::not_found("There is no such endpoint"))
}

/// Stores the record.
pub fn save(tx: &Tx, endpoint: &Endpoint) -> Result<()> {
    tx.put(keys::endpoint(endpoint.account, endpoint.id), endpoint)
}

/// Puts an enabled endpoint on hold.
pub async fn hold(tx: &Tx, account: AccountId, id: EndpointId) -> Result<Endpoint> {
    let mut endpoint = load(tx, account, id).await?;
    if matches!(endpoint.order, Order::Disabled(_)) {
        return Err(Error::conflict(
            "The endpoint is disabled; enable it instead",
        ));
    }
    if endpoint.set_order(Order::OnHold, tx.now()) {
        save(tx, &endpoint)?;
    }
    Ok(endpoint)
}

/// Releases an endpoint from hold.
pub async fn release(tx: &Tx, account: AccountId, id: EndpointId) -> Result<Endpoint> {
    let mut endpoint = load(tx, account, id).await?;
    if matches!(endpoint.order, Order::Disabled(_)) {
        return Err(Error::conflict(
            "The endpoint is disabled; enable it instead",
        ));
    }
    if endpoint.set_order(Order::Enabled, tx.now()) {
        save(tx, &endpoint)?;
    }
    Ok(endpoint)
}

/// Disables an endpoint; `held` messages wait for it. Appends `endpoint_disabled`.
pub async fn disable(
    tx: &Tx,
    account: AccountId,
    id: EndpointId,
    reason: DisabledReason,
    held: u64,
) -> Result<Endpoint> {
    let mut endpoint = load(tx, account, id).await?;
    if !matches!(endpoint.order, Order::Disabled(_))
        && endpoint.set_order(Order::Disabled(reason), tx.now())
    {
        save(tx, &endpoint)?;
        event::endpoint_disabled(tx, &endpoint, reason, held).await?;
    }
    Ok(endpoint)
}

/// Enables a disabled endpoint; `held` messages wait for it. Appends `endpoint_enabled`.
pub async fn enable(tx: &Tx, account: AccountId, id: EndpointId, held: u64) -> Result<Endpoint> {
    super::account::must_be_open(tx, account).await?;
    let mut endpoint = load(tx, account, id).await?;
    if matches!(endpoint.order, Order::Disabled(_)) && endpoint.set_order(Order::Enabled, tx.now())
    {
        save(tx, &endpoint)?;
        event::endpoint_enabled(tx, &endpoint, held).await?;
    }
    Ok(endpoint)
}
