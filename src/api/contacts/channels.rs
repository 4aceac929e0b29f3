//! Messages of custom channels (`protocols/contacts-api.md` 2.4 and 2.5), and the list of a
//! contact's messages (section 3).
//!
//! Owns the parameters and answers of these operations. Does not know which conversation a message
//! joins, nor what it costs.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value;

use super::ContactsCall;
use super::params::{Fields, SHORT, whole};
use super::people::{UNKNOWN, name, of_path};
use super::wire::{Failure, Reply};
use crate::api::dialect::ok;
use crate::api::front::Answer;
use crate::domain::account;
use crate::domain::contact::{self, Identity, Person};
use crate::domain::conversation::message::{self, Author, Direction, Kind};
use crate::domain::conversation::{
    self, Channel, MAX_CHANNEL_NAME, NewMessage, Notice, joined, post,
};
use crate::error::{Error, Result};
use crate::id::{ConversationId, ConversationMessageId};

/// Characters of a message.
const MAX_BODY: usize = 100_000;
/// Characters of a message type and of a status.
const MAX_WORD: usize = 32;
/// Messages of a page, at most and without being asked.
const MAX_PAGE: u64 = 1000;
const PAGE: u64 = 100;
/// The object that holds most parameters, and what stands before their names.
const DATA: (&str, &str) = ("customData", "customData.");
/// What a message is, and its default.
const TYPE: &str = "messageType";
const TEXT: &str = "text";
/// The type of an emoji, whatever its case.
const REACTION: &str = "reaction";
/// The channel and the status of a message that names none.
const CHANNEL: &str = "custom";
const RECEIVED: &str = "received";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Taken {
    success: bool,
    message_id: ConversationMessageId,
}

fn taken(message_id: ConversationMessageId) -> Result<Answer> {
    ok(&Taken {
        success: true,
        message_id,
    })
}

/// What `send_custom_channel_message` asks for.
struct Outgoing {
    identity: Identity,
    first_name: String,
    last_name: String,
    email: Option<String>,
    message: NewMessage,
}

fn outgoing(all: &Fields<'_>) -> Result<Outgoing, Failure> {
    let data = all.within(DATA.0, DATA.1)?;
    let from_id = data.required(&["fromId"], SHORT)?;
    let channel = data.required(&["customChannel"], MAX_CHANNEL_NAME)?;
    let body = data.lines(&["body"], MAX_BODY)?;
    let body = body.ok_or_else(|| data.missing(&["body"]))?;
    let campaign_id = data.text(&["campaignId"], SHORT)?;
    let (first_name, last_name) = (name(&data, "firstName")?, name(&data, "lastName")?);
    let email = data.email("email")?;
    let message_type = all.text(&[TYPE], MAX_WORD)?;
    Ok(Outgoing {
        first_name,
        last_name,
        email,
        message: NewMessage {
            kind: Kind::Custom,
            direction: Direction::Out,
            author: Author::System,
            body,
            is_html: false,
            notice: Notice::Outgoing {
                external_contact_id: from_id.clone(),
                message_type: message_type.unwrap_or_else(|| TEXT.to_owned()),
                campaign_id,
            },
        },
        identity: Identity {
            channel,
            external_id: from_id,
        },
    })
}

/// `POST send_custom_channel_message`.
pub async fn send(call: ContactsCall) -> Reply {
    let wanted = &outgoing(&call.input.body())?;
    let id = call.caller.account;
    let cost = call.core.settings.credit_cost;
    let payers = account::by_id(&call.core.db.view(), id)
        .await?
        .with_agency();
    let answered = call
        .commit_among(&payers, |tx| async move {
            let account = account::by_id(&tx, id).await?;
            let person = Person {
                phone: None,
                email: wanted.email.as_deref(),
                first_name: &wanted.first_name,
                last_name: &wanted.last_name,
                identity: Some(&wanted.identity),
            };
            let contact = contact::link(&tx, &account, &person).await?;
            let contact = contact.ok_or_else(Error::internal)?;
            let channel = Channel::Custom(wanted.identity.channel.clone());
            let place = joined(&tx, &account, &contact, channel, &wanted.message).await?;
            let posted = post(&tx, &account, &contact, place, &wanted.message, cost).await?;
            taken(posted.message.reference)
        })
        .await?;
    Ok(answered)
}

/// What `incoming_custom_channel_message` asks for.
struct Incoming {
    identity: Identity,
    message_sid: String,
    kind: Kind,
    body: String,
    notice: Notice,
}

fn incoming(all: &Fields<'_>) -> Result<Incoming, Failure> {
    let data = all.within(DATA.0, DATA.1)?;
    let message_sid = data.required(&["messageSid", "id"], SHORT)?;
    let from_id = data.required(&["fromId"], SHORT)?;
    let to_id = data.required(&["toId"], SHORT)?;
    let kind = match all.given(TYPE).and_then(Value::as_str) {
        Some(word) if word.trim().eq_ignore_ascii_case(REACTION) => Kind::Reaction,
        _ => Kind::Custom,
    };
    let body = match data.lines(&["body"], MAX_BODY)? {
        Some(body) => body,
        None if kind == Kind::Reaction => String::new(),
        None => return Err(data.missing(&["body"])),
    };
    let channel = data.text(&["channel", "customChannel"], MAX_CHANNEL_NAME)?;
    let status = data.text(&["status"], MAX_WORD)?;
    let campaign_id = data.text(&["campaignId"], SHORT)?;
    let message_type = all.text(&[TYPE], MAX_WORD)?;
    Ok(Incoming {
        identity: Identity {
            channel: channel.unwrap_or_else(|| CHANNEL.to_owned()),
            external_id: from_id.clone(),
        },
        message_sid: message_sid.clone(),
        kind,
        body,
        notice: Notice::Incoming {
            message_sid,
            from_id,
            to_id,
            message_type: message_type.unwrap_or_else(|| TEXT.to_owned()),
            campaign_id,
            status: status.unwrap_or_else(|| RECEIVED.to_owned()),
        },
    })
}

/// `POST incoming_custom_channel_message`.
pub async fn receive(call: ContactsCall) -> Reply {
    let wanted = &incoming(&call.input.body())?;
    let (id, cost) = (call.caller.account, call.core.settings.credit_cost);
    let answered = call
        .commit(|tx| async move {
            let channel = &wanted.identity.channel;
            let known = message::by_sid(&tx, id, channel, &wanted.message_sid).await?;
            if let Some(known) = known {
                return taken(known.reference);
            }
            let account = account::by_id(&tx, id).await?;
            let person = Person {
                first_name: UNKNOWN,
                last_name: UNKNOWN,
                identity: Some(&wanted.identity),
                ..Person::default()
            };
            let contact = contact::link(&tx, &account, &person).await?;
            let contact = contact.ok_or_else(Error::internal)?;
            let message = NewMessage {
                kind: wanted.kind,
                direction: Direction::In,
                author: Author::Contact(contact.id),
                body: wanted.body.clone(),
                is_html: false,
                notice: wanted.notice.clone(),
            };
            let channel = Channel::Custom(channel.clone());
            let place = joined(&tx, &account, &contact, channel, &message).await?;
            let posted = post(&tx, &account, &contact, place, &message, cost).await?;
            taken(posted.message.reference)
        })
        .await?;
    Ok(answered)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    message_id: ConversationMessageId,
    conversation_id: ConversationId,
    channel: Channel,
    direction: &'static str,
    body: String,
    created_at: String,
}

#[derive(Serialize)]
struct Messages {
    success: bool,
    messages: Vec<Listed>,
}

/// `GET contacts/{contactId}/messages`.
pub async fn messages(call: ContactsCall) -> Reply {
    let query = call.input.query();
    let number = |name: &str, default: u64| -> Result<u64, Failure> {
        match query.text(&[name], SHORT)? {
            None => Ok(default),
            Some(text) => whole(&Value::String(text)).ok_or_else(|| Failure::not_valid(name)),
        }
    };
    let limit = number("limit", PAGE)?;
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Failure::not_valid("limit"));
    }
    let offset = number("offset", 0)?;
    let (tx, account) = (call.core.db.view(), call.caller.account);
    let contact = of_path(&tx, &call).await?;
    let (skip, take) = (
        usize::try_from(offset).unwrap_or(usize::MAX),
        usize::try_from(limit).unwrap_or_default(),
    );
    let found = message::of_contact(&tx, account, contact.id, skip, take).await?;
    let ids: BTreeSet<u64> = found
        .iter()
        .map(|message| message.conversation_id)
        .collect();
    let conversations = conversation::those(&tx, account, &ids).await?;
    let listed = found.into_iter().filter_map(|message| {
        let conversation = conversations.get(&message.conversation_id)?;
        Some(Listed {
            message_id: message.reference,
            conversation_id: conversation.reference,
            channel: conversation.channel.clone(),
            direction: message.direction.word(),
            body: message.body,
            created_at: message.created_at.to_string(),
        })
    });
    Ok(ok(&Messages {
        success: true,
        messages: listed.collect(),
    })?)
}
