//! Messages: taking them into an account's log.
//!
//! Owns what a message may be and how one is accepted. Does not know who receives it.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{event, idempotency};
use crate::error::{Error, Result};
use crate::id::{AccountId, EndpointId, MessageId};
use crate::store::tx::encode;
use crate::store::{Targets, Tx, keys};

/// Bytes of `type` and `data` together.
pub const MAX_SIZE: usize = 256 * 1024;
/// Characters of a type.
pub const MAX_TYPE: usize = 128;
/// Endpoints named by one message.
pub const MAX_ENDPOINTS: usize = 100;

/// A message before it has its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// Event type.
    pub event_type: String,
    /// One JSON value as text: a text, an object or an array.
    pub data: Bytes,
    /// A repeat within 24 hours gives the first one's id and appends nothing.
    pub idempotency_key: Option<String>,
    /// The endpoints it is for; empty = all that admit it.
    pub endpoints: Vec<EndpointId>,
}

/// Whether `text` can be an event type: 1-128 of letters, digits, `_`, `-`, `.`, `:` and `/`,
/// beginning with a letter or digit.
pub fn is_type(text: &str) -> bool {
    text.len() <= MAX_TYPE
        && text
            .bytes()
            .next()
            .is_some_and(|first| first.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-.:/".contains(&byte))
}

impl NewMessage {
    /// What is wrong with it, as field and text.
    pub fn fault(&self) -> Option<(&'static str, &'static str)> {
        if !is_type(&self.event_type) {
            return Some((
                "type",
                "must be 1 to 128 letters, digits, \"_\", \"-\", \".\", \":\" or \"/\", \
                 beginning with a letter or digit",
            ));
        }
        if event::is_operational(&self.event_type) {
            return Some(("type", "is reserved for messages of the relay itself"));
        }
        if self.event_type.len() + self.data.len() > MAX_SIZE {
            return Some((
                "data",
                "type and data must not exceed 262144 bytes together",
            ));
        }
        if self.endpoints.len() > MAX_ENDPOINTS {
            return Some(("endpoints", "must not name more than 100 endpoints"));
        }
        match &self.idempotency_key {
            Some(key) if !idempotency::is_valid(key) => Some((
                "idempotency_key",
                "must be 1 to 64 printable ASCII characters",
            )),
            _ => None,
        }
    }

    fn targets(&self) -> Targets {
        if self.endpoints.is_empty() {
            Targets::All
        } else {
            Targets::Only(self.endpoints.clone())
        }
    }
}

/// Appends the messages, which have no [`NewMessage::fault`], in their order. Gives their ids,
/// those of earlier messages for repeats.
pub async fn accept(
    tx: &Tx,
    account: AccountId,
    messages: &[NewMessage],
) -> Result<Vec<MessageId>> {
    let named: BTreeSet<EndpointId> = messages
        .iter()
        .flat_map(|message| message.endpoints.iter().copied())
        .collect();
    for endpoint in named {
        if tx.get(&keys::endpoint(account, endpoint)).await?.is_none() {
            let message = format!("there is no endpoint {endpoint}");
            return Err(Error::invalid("endpoints", message));
        }
    }
    let mut ids = Vec::with_capacity(messages.len());
    for message in messages {
        ids.push(accept_one(tx, account, message).await?);
    }
    Ok(ids)
}

async fn accept_one(tx: &Tx, account: AccountId, message: &NewMessage) -> Result<MessageId> {
    let data = message.data.clone();
    let append = tx.append(account, &message.event_type, message.targets(), data);
    match &message.idempotency_key {
        Some(key) => idempotency::message_once(tx, account, key, append).await,
        None => append.await,
    }
}

/// Appends a `generic` message with `text` for one endpoint only: the operator's test.
pub async fn test(
    tx: &Tx,
    account: AccountId,
    endpoint: EndpointId,
    text: &str,
) -> Result<MessageId> {
    super::endpoint::load(tx, account, endpoint).await?;
    let data = encode(&text)?;
    if data.len() > MAX_SIZE {
        return Err(Error::invalid("text", "must not exceed 262144 bytes"));
    }
    tx.append(account, "generic", Targets::Only(vec![endpoint]), data)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_plain_names() {
        for good in [
            "generic",
            "order.paid",
            "a",
            "0x",
            "v1/user:created-2",
            &"a".repeat(128),
        ] {
            assert!(is_type(good), "{good}");
        }
        for bad in ["", ".a", "a b", "a*", "ä", "a\n", &"a".repeat(129)] {
            assert!(!is_type(bad), "{bad}");
        }
    }

    #[test]
    fn a_message_is_bounded_on_both_sides_of_each_limit() {
        let message = NewMessage {
            event_type: "t".into(),
            data: Bytes::from(vec![b'1'; MAX_SIZE - 1]),
            idempotency_key: Some("k".repeat(64)),
            endpoints: vec![EndpointId::from_number(1); MAX_ENDPOINTS],
        };
        assert_eq!(message.fault(), None);
        let fault = |change: fn(&mut NewMessage)| {
            let mut message = message.clone();
            change(&mut message);
            message.fault().map(|(field, _)| field)
        };
        assert_eq!(fault(|m| m.event_type.push('t')), Some("data"));
        assert_eq!(
            fault(|m| m.endpoints.push(EndpointId::from_number(2))),
            Some("endpoints")
        );
        assert_eq!(
            fault(|m| m.idempotency_key = Some("k".repeat(65))),
            Some("idempotency_key")
        );
        assert_eq!(
            fault(|m| m.event_type = "message_dead".into()),
            Some("type")
        );
    }
}
