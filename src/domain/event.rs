//! The event catalog: types and data of the notifications this program emits itself.
//!
//! Owns the names of all types (`protocols/notifications.md` section 4), how one is appended, and
//! the data of the operational types (4.7). The data of the others stands beside the entity of
//! which they speak. Does not know who receives them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::endpoint::{DisabledReason, Endpoint};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{AccountId, EndpointId, MessageId};
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

/// Types of every other notification that this program emits of its own: nobody else may use them.
const ENTITIES: [&str; 45] = [
    "new_user",
    "update_user",
    "user_token",
    "user_login_link",
    "user_logged_in",
    "password_setup",
    "invites_issued",
    "system_email",
    "new_contact",
    "update_contact",
    "delete_contact",
    "new_list",
    "update_list",
    "delete_list",
    "list_member_added",
    "list_member_removed",
    "new_tag",
    "update_tag",
    "delete_tag",
    "automation_enrolled",
    "new_lead",
    "update_lead",
    "delete_lead",
    "leads_merged",
    "lead_tags",
    "lead_transferred",
    "new_lead_note",
    "delete_lead_note",
    "new_appointment",
    "update_appointment",
    "delete_appointment",
    "new_order",
    "update_order",
    "new_hosted_checkout",
    "new_conversation",
    "conversation_message",
    "conversation_status",
    "conversation_transfer",
    "conversation_fields",
    "conversation_tags",
    "delete_conversation",
    "sms",
    "call",
    "custom_channel_outgoing",
    "custom_channel_incoming",
];
/// The rest of them.
const OTHERS: [&str; 6] = [
    "new_suggestion",
    "new_subaccount",
    "delete_subaccount",
    "credits_granted",
    "auto_recharge",
    "remote_data_changed",
];

/// Whether a type is one of the catalog, other than `generic`.
pub fn is_reserved(event_type: &str) -> bool {
    let lists = [&OPERATIONAL[..], &ENTITIES, &OTHERS];
    lists.iter().any(|list| list.contains(&event_type))
}

/// Appends a notification for every endpoint that wants its type.
pub async fn emit(
    tx: &Tx,
    account: AccountId,
    event_type: &str,
    data: &(impl Serialize + Sync),
) -> Result<MessageId> {
    let data: Bytes = encode(data)?;
    tx.append(account, event_type, Targets::All, data).await
}

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
