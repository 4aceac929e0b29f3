//! Conversations (`protocols/domain.md` 2.6 and section 6): what is written between an account and
//! one contact through one channel.
//!
//! Owns the record, its look-ups and its indexes. Does not know how parameters are spelled, nor
//! how a message reaches anybody.
//!
//! | file | what |
//! |---|---|
//! | `channel.rs`, `status.rs` | the channels, and the statuses with their table (pure) |
//! | `message.rs` | the messages, and the lists of them |
//! | `change.rs` | transfer, status, fields, tags, deletion |
//! | `find.rs` | lists and numbers of conversations |
//! | `post.rs` | the one way in which a message comes to be |
//! | `text.rs` | subjects and previews (pure) |
//! | `notice.rs` | what the consumers are told |

mod change;
mod channel;
pub mod find;
pub mod message;
mod notice;
mod post;
mod status;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

pub use change::{
    By, Transfer, add_fields, add_tag, delete, drop_fields, drop_tag, note, set_status, transfer,
};
pub use channel::{Channel, Class, MAX_CHANNEL_NAME};
pub use post::{NewConversation, NewMessage, Notice, Place, Posted, joined, post};
pub use status::Status;

use super::contact::CustomField;
use super::{code, tag};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::{AccountId, ConversationId};
use crate::store::{Key, Tx, keys};

/// Kind of the records.
const KIND: &str = "conversation";
/// Indexes to one conversation: by reference, by code in upper case, by public code.
const BY_REFERENCE: &str = "conversation-ref";
const BY_CODE: &str = "conversation-code";
const BY_PUBLIC_CODE: &str = "conversation-public-code";
/// Conversations of a contact.
const OF_CONTACT: &str = "conversation-of-contact";
/// Those of a contact in a channel that a new message may join.
const OPEN: &str = "conversation-open";
/// Those of a department in a status.
const IN: &str = "conversation-in";
/// The open ones of a class.
const OF_CLASS: &str = "conversation-class";
/// All of them by the time at which they were created.
const CREATED: &str = "conversation-created";
/// The one owner of [`CREATED`].
const ALL: u64 = 0;
/// Characters of a public code.
const PUBLIC_CODE: usize = 16;
/// Conversations that are read at once.
const PAGE: usize = 500;

/// A conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Integer id, shown nowhere.
    pub id: u64,
    /// Reference.
    #[serde(rename = "ref")]
    pub reference: ConversationId,
    /// Three groups of three, for people; matched whatever the case.
    pub code: String,
    /// Letters and digits, for links; matched as it is.
    pub public_code: String,
    /// The customer.
    pub contact_id: u64,
    /// Where it is worked on.
    pub department_id: u64,
    /// The user who works on it.
    pub assigned: Option<u64>,
    /// Through what it goes.
    pub channel: Channel,
    /// How far it is.
    pub status: Status,
    /// At most 255 characters.
    pub subject: String,
    /// The beginning of the newest message that is not internal.
    pub preview: String,
    /// In the order given; a code may occur several times.
    pub custom_fields: Vec<CustomField>,
    /// Integer ids of its tags.
    pub tags: BTreeSet<u64>,
    /// Ids of its mails in the mail system of the consumer.
    pub mail_message_ids: Vec<String>,
    /// When the first message went out.
    #[serde(default)]
    pub first_out_at: Option<Timestamp>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub changed_at: Timestamp,
}

/// The conversation with this integer id, deleted or not.
pub async fn by_id(tx: &Tx, account: AccountId, id: u64) -> Result<Option<Conversation>> {
    tx.read(&keys::record(KIND, account, id)).await
}

/// Those of the conversations that are there, by integer id.
pub async fn those(
    tx: &Tx,
    account: AccountId,
    ids: &BTreeSet<u64>,
) -> Result<BTreeMap<u64, Conversation>> {
    let keys: Vec<Key> = ids
        .iter()
        .map(|id| keys::record(KIND, account, *id))
        .collect();
    let found: Vec<Option<Conversation>> = tx.read_all(&keys).await?;
    let found = found.into_iter().flatten();
    Ok(found
        .map(|conversation| (conversation.id, conversation))
        .collect())
}

/// The conversation that a reference, a code or a public code names, deleted or not.
pub async fn named(tx: &Tx, account: AccountId, name: &str) -> Result<Option<Conversation>> {
    let texts = [
        (BY_REFERENCE, name.to_owned()),
        (BY_CODE, name.to_ascii_uppercase()),
        (BY_PUBLIC_CODE, name.to_owned()),
    ];
    for (index, text) in texts {
        if let Some(id) = tx.read(&keys::unique(index, account, &text)).await? {
            return by_id(tx, account, id).await;
        }
    }
    Ok(None)
}

/// The contact's newest conversation in the channel that a new message may join: neither resolved
/// nor spam nor deleted.
pub async fn newest_open(
    tx: &Tx,
    account: AccountId,
    contact: u64,
    channel: &Channel,
) -> Result<Option<Conversation>> {
    let range = keys::members(OPEN, account, &open_group(contact, channel));
    let newest = tx.scan(&range.newest_first(), 1).await?;
    match newest.first().and_then(|(key, _)| keys::id_of(key)) {
        Some(id) => by_id(tx, account, id).await,
        None => Ok(None),
    }
}

fn open_group(contact: u64, channel: &Channel) -> String {
    format!("{contact}/{channel}")
}

fn in_group(department: u64, status: Status) -> String {
    format!("{department}/{}", status.letter())
}

fn class_group(class: Class) -> String {
    class.letter().to_string()
}

/// The names of the tags of a contact's conversations and leads, by name.
pub async fn tags_of_contact(tx: &Tx, account: AccountId, contact: u64) -> Result<Vec<String>> {
    let mut tags = BTreeSet::new();
    let mut range = keys::members(OF_CONTACT, account, &contact.to_string());
    loop {
        let some = tx.scan(&range, PAGE).await?;
        let ids = some.iter().filter_map(|(key, _)| keys::id_of(key));
        let found = those(tx, account, &ids.collect()).await?;
        for conversation in found.into_values() {
            if conversation.status != Status::Deleted {
                tags.extend(conversation.tags);
            }
        }
        match some.last() {
            Some((last, _)) if some.len() == PAGE => range = range.following(last),
            _ => break,
        }
    }
    tags.extend(super::lead::tags_of_contact(tx, account, contact).await?);
    tag::names(tx, account, &tags).await
}

/// Fresh codes of the account.
async fn fresh_names(tx: &Tx, account: AccountId) -> Result<(ConversationId, String, String)> {
    let is_free = async |index, text: &str| -> Result<bool> {
        Ok(tx.get(&keys::unique(index, account, text)).await?.is_none())
    };
    let entropy = tx.entropy();
    loop {
        let reference = ConversationId::random(entropy);
        let code = code::readable(entropy);
        let public_code = code::alphanumeric(entropy, PUBLIC_CODE);
        if is_free(BY_REFERENCE, &reference.to_string()).await?
            && is_free(BY_CODE, &code).await?
            && is_free(BY_PUBLIC_CODE, &public_code).await?
        {
            return Ok((reference, code, public_code));
        }
    }
}

/// Every index entry of a conversation: the key, and the id where the key does not end in it.
fn entries(account: AccountId, conversation: &Conversation) -> BTreeMap<Key, Option<u64>> {
    let id = conversation.id;
    let contact = conversation.contact_id;
    let unique = |index, text: &str| (keys::unique(index, account, text), Some(id));
    let mut entries = BTreeMap::from([
        unique(BY_REFERENCE, &conversation.reference.to_string()),
        unique(BY_CODE, &conversation.code),
        unique(BY_PUBLIC_CODE, &conversation.public_code),
    ]);
    let of_contact = keys::member(OF_CONTACT, account, &contact.to_string(), id);
    entries.insert(of_contact, None);
    let place = in_group(conversation.department_id, conversation.status);
    entries.insert(keys::member(IN, account, &place, id), None);
    let created = keys::timed(CREATED, account, ALL, conversation.created_at, id);
    entries.insert(created, None);
    if conversation.status.is_open() {
        let class = class_group(conversation.channel.class());
        entries.insert(keys::member(OF_CLASS, account, &class, id), None);
        let group = open_group(contact, &conversation.channel);
        entries.insert(keys::member(OPEN, account, &group, id), None);
    }
    entries
}

/// Writes the record and what differs of its indexes.
pub(super) fn save(
    tx: &Tx,
    account: AccountId,
    before: Option<&Conversation>,
    after: &Conversation,
) -> Result<()> {
    let old = before.map_or_else(BTreeMap::new, |before| entries(account, before));
    let new = entries(account, after);
    for key in old.keys().filter(|key| !new.contains_key(key)) {
        tx.delete(key.clone());
    }
    for (key, id) in new.iter().filter(|(key, _)| !old.contains_key(key)) {
        match id {
            Some(id) => tx.put(key.clone(), id)?,
            None => tx.put_bytes(key.clone(), bytes::Bytes::new()),
        }
    }
    tx.put(keys::record(KIND, account, after.id), after)
}
