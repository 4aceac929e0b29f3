//! The event catalog: types and data of the notifications this program emits itself.
//!
//! Owns the operational types (`protocols/notifications.md` 4.7) and how they are appended. Does
//! not know who receives them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::endpoint::{DisabledReason, Endpoint};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{EndpointId, MessageId};
use crate::store::tx::encode;
use crate::store::{Targets, Tx};

/// Types about the relay itself: sent only to endpoints that name them.
pub const OPERATIONAL: [&str; 5] = [
    "endpoint_authenticated",
    "endpoint_authentication_failed",
    "endpoint_disabled",
    "endpoint_enabled",
    "message_dead",
];

/// Whether a type is operational.
pub fn is_operational(event_type: &str) -> bool {
    OPERATIONAL.contains(&event_type)
}

/// How an endpoint was verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// MD5 over login, password and key.
    Key,
    /// The plain password.
    Plain,
    /// `authenticate_notifications`.
    Passive,
}

/// Why an authenticate failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthFailure {
    /// Wrong, missing or wrongly formed credentials.
    Credentials,
    /// The answer's HTTP status was not 2xx.
    HttpStatus,
    /// 2xx, but not a JSON object with credentials or status OK.
    NotJson,
    /// No usable answer at all.
    NoResponse,
}

/// Why a delivery ended without success.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadReason {
    /// Too old.
    Expired,
    /// Too many attempts.
    Exhausted,
    /// By order.
    Cancelled,
    /// The disk lost it.
    Damaged,
}

impl DeadReason {
    /// The stable word of logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Exhausted => "exhausted",
            Self::Cancelled => "cancelled",
            Self::Damaged => "damaged",
        }
    }
}

/// Data of `message_dead`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageDead {
    /// The endpoint that did not get it.
    pub endpoint_id: EndpointId,
    /// The message's log id.
    pub message_id: MessageId,
    /// Its type.
    pub message_type: String,
    /// Why.
    pub reason: DeadReason,
    /// Attempts made.
    pub attempts: u32,
    /// HTTP status of the last attempt, if it had one.
    pub last_status: Option<u16>,
}

async fn about(
    tx: &Tx,
    endpoint: &Endpoint,
    event_type: &str,
    data: &impl Serialize,
) -> Result<MessageId> {
    let data: Bytes = encode(data)?;
    tx.append(
        endpoint.account,
        event_type,
        Targets::Except(endpoint.id),
        data,
    )
    .await
}

/// Appends `endpoint_authenticated`.
pub async fn endpoint_authenticated(
    tx: &Tx,
    endpoint: &Endpoint,
    method: Method,
    until: Timestamp,
) -> Result<MessageId> {
    #[derive(Serialize)]
    struct Data {
        endpoint_id: EndpointId,
        method: Method,
        verified_until_at: String,
    }
    let data = Data {
        endpoint_id: endpoint.id,
        method,
        verified_until_at: until.to_string(),
    };
    about(tx, endpoint, "endpoint_authenticated", &data).await
}

/// Appends `endpoint_authentication_failed`.
pub async fn endpoint_authentication_failed(
    tx: &Tx,
    endpoint: &Endpoint,
    reason: AuthFailure,
    http_status: Option<u16>,
) -> Result<MessageId> {
    #[derive(Serialize)]
    struct Data {
        endpoint_id: EndpointId,
        reason: AuthFailure,
        http_status: Option<u16>,
    }
    let data = Data {
        endpoint_id: endpoint.id,
        reason,
        http_status,
    };
    about(tx, endpoint, "endpoint_authentication_failed", &data).await
}

/// Appends `endpoint_disabled`.
pub async fn endpoint_disabled(
    tx: &Tx,
    endpoint: &Endpoint,
    reason: DisabledReason,
    held: u64,
) -> Result<MessageId> {
    #[derive(Serialize)]
    struct Data {
        endpoint_id: EndpointId,
        reason: DisabledReason,
        held: u64,
    }
    let data = Data {
        endpoint_id: endpoint.id,
        reason,
        held,
    };
    about(tx, endpoint, "endpoint_disabled", &data).await
}

/// Appends `endpoint_enabled`.
pub async fn endpoint_enabled(tx: &Tx, endpoint: &Endpoint, held: u64) -> Result<MessageId> {
    #[derive(Serialize)]
    struct Data {
        endpoint_id: EndpointId,
        held: u64,
    }
    let data = Data {
        endpoint_id: endpoint.id,
        held,
    };
    about(tx, endpoint, "endpoint_enabled", &data).await
}

/// Appends `message_dead`.
pub async fn message_dead(tx: &Tx, endpoint: &Endpoint, data: &MessageDead) -> Result<MessageId> {
    about(tx, endpoint, "message_dead", data).await
}
