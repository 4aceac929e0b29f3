//! Messages of conversations (`protocols/domain.md` 2.6 and 6.3).
//!
//! Owns the record, its kinds and the lists of messages. Does not know how one comes to be:
//! `post.rs` does.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Conversation, Status};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{AccountId, ConversationMessageId};
use crate::store::{Key, KeyRange, Tx, keys};

/// Kind of the records.
pub(super) const KIND: &str = "conversation-message";
/// Messages of a conversation.
const OF_CONVERSATION: &str = "conversation-message-of";
/// Messages of a contact that are not internal.
const OF_CONTACT: &str = "conversation-message-of-contact";
/// Messages by custom channel and the sender's id of them: unique.
const BY_SID: &str = "conversation-message-sid";
/// Keys that are passed over at once.
const PAGE: usize = 1000;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// In a conversation by e-mail.
    Mail,
    /// In a chat.
    Chat,
    /// Among the agents.
    Note,
    /// A text message.
    Sms,
    /// A call, or the record of one.
    Call,
    /// Through a custom channel.
    Custom,
    /// An emoji to an earlier message of a custom channel.
    Reaction,
    /// The status was set.
    Status,
    /// Agent or department were set.
    Transfer,
    /// A tag was set or taken away.
    Tag,
    /// The conversation was deleted.
    Delete,
}

impl Kind {
    /// Its name on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Chat => "chat",
            Self::Note => "note",
            Self::Sms => "sms",
            Self::Call => "call",
            Self::Custom => "custom",
            Self::Reaction => "reaction",
            Self::Status => "status",
            Self::Transfer => "transfer",
            Self::Tag => "tag",
            Self::Delete => "delete",
        }
    }
}

/// Which way a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the customer.
    In,
    /// To the customer.
    Out,
    /// Neither.
    Internal,
}

impl Direction {
    /// Its name on the wire.
    pub fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Internal => "internal",
        }
    }
}

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Author {
    /// Nobody in person.
    System,
    /// The user with this integer id: an agent.
    User(u64),
    /// The conversation's contact, or another one: its integer id.
    Contact(u64),
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationMessage {
    /// Integer id: the order of messages.
    pub id: u64,
    /// 60 random bits; nothing is looked up by it.
    #[serde(rename = "ref")]
    pub reference: ConversationMessageId,
    /// Its conversation.
    pub conversation_id: u64,
    /// The conversation's contact.
    pub contact_id: u64,
    /// What it is.
    pub kind: Kind,
    /// Which way it goes.
    pub direction: Direction,
    /// Who wrote it.
    pub author: Author,
    /// The text.
    pub body: String,
    /// The text is HTML.
    pub is_html: bool,
    /// The sender's id of it, unique in its custom channel.
    pub external_id: Option<String>,
    /// As the caller gave it.
    pub campaign_id: Option<String>,
    /// As the custom channel gave it.
    pub source_status: Option<String>,
    /// When it was posted.
    pub created_at: Timestamp,
    /// What the conversation was then, with whatever the message itself has changed.
    pub state: State,
}

/// What of a conversation can change, as it was when a message was stored: reports count by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Integer id of its department.
    pub department_id: u64,
    /// Integer id of the user who works on it.
    pub assigned: Option<u64>,
    /// How far it is.
    pub status: Status,
    /// Integer ids of its tags.
    pub tags: BTreeSet<u64>,
}

impl State {
    /// Of this conversation.
    pub fn of(conversation: &Conversation) -> Self {
        Self {
            department_id: conversation.department_id,
            assigned: conversation.assigned,
            status: conversation.status,
            tags: conversation.tags.clone(),
        }
    }
}

/// Stores a message whose conversation is stored; `channel` is its custom channel.
pub(super) fn insert(
    tx: &Tx,
    account: AccountId,
    message: &ConversationMessage,
    channel: Option<&str>,
) -> Result<()> {
    let id = message.id;
    let listed = |index, group: u64| {
        let key = keys::member(index, account, &group.to_string(), id);
        tx.put_bytes(key, bytes::Bytes::new());
    };
    listed(OF_CONVERSATION, message.conversation_id);
    if message.direction != Direction::Internal {
        listed(OF_CONTACT, message.contact_id);
    }
    if let (Some(channel), Some(sid)) = (channel, &message.external_id) {
        tx.put(by_sid_key(account, channel, sid), &id)?;
    }
    tx.put(keys::record(KIND, account, id), message)
}

/// No text of one line holds the character between the parts.
fn by_sid_key(account: AccountId, channel: &str, sid: &str) -> Key {
    keys::unique(BY_SID, account, &format!("{channel}\0{sid}"))
}

/// The message of a custom channel with the sender's id `sid`.
pub async fn by_sid(
    tx: &Tx,
    account: AccountId,
    channel: &str,
    sid: &str,
) -> Result<Option<ConversationMessage>> {
    match tx.read(&by_sid_key(account, channel, sid)).await? {
        Some(id) => tx.read(&keys::record(KIND, account, id)).await,
        None => Ok(None),
    }
}

/// Messages of a contact that are not internal, oldest first: from number `skip` on, at most
/// `take`.
pub async fn of_contact(
    tx: &Tx,
    account: AccountId,
    contact: u64,
    skip: usize,
    take: usize,
) -> Result<Vec<ConversationMessage>> {
    let range = keys::members(OF_CONTACT, account, &contact.to_string());
    listed(tx, account, range, skip, take).await
}

/// Every message of a conversation, internal ones too, oldest first: from number `skip` on, at
/// most `take`.
pub async fn of_conversation(
    tx: &Tx,
    account: AccountId,
    conversation: u64,
    skip: usize,
    take: usize,
) -> Result<Vec<ConversationMessage>> {
    let range = keys::members(OF_CONVERSATION, account, &conversation.to_string());
    listed(tx, account, range, skip, take).await
}

async fn listed(
    tx: &Tx,
    account: AccountId,
    mut range: KeyRange,
    skip: usize,
    take: usize,
) -> Result<Vec<ConversationMessage>> {
    let mut left = skip;
    while left > 0 {
        let passed = tx.scan(&range, left.min(PAGE)).await?;
        let Some((last, _)) = passed.last() else {
            return Ok(Vec::new());
        };
        range = range.following(last);
        left -= passed.len();
    }
    let found = tx.scan(&range, take).await?;
    let ids = found.iter().filter_map(|(key, _)| keys::id_of(key));
    let keys: Vec<Key> = ids.map(|id| keys::record(KIND, account, id)).collect();
    Ok(tx.read_all(&keys).await?.into_iter().flatten().collect())
}
