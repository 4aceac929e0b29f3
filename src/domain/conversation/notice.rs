//! What consumers are told of conversations (`protocols/notifications.md` 4.5).
//!
//! Owns the shape of those notifications. Does not know when they are due.

use serde::Serialize;

use super::message::{Author, Direction, Kind};
use super::post::{Notice, Posted};
use super::{Channel, Conversation, Status};
use crate::domain::contact::{self, Contact, CustomField};
use crate::domain::{department, event, tag, user};
use crate::error::Result;
use crate::id::{AccountId, ConversationId, ConversationMessageId, DepartmentId, PersonId};
use crate::store::Tx;

/// CONVERSATION of section 3.
#[derive(Debug, Serialize)]
pub struct Data<'a> {
    conversation_id: ConversationId,
    code: &'a str,
    public_code: &'a str,
    contact_id: u64,
    contact_ref: PersonId,
    department_id: DepartmentId,
    department_name: String,
    assigned_to: Option<String>,
    channel: &'a Channel,
    status: char,
    subject: &'a str,
    preview: &'a str,
    custom_fields: &'a [CustomField],
    tags: Vec<String>,
    created_at: String,
    changed_at: String,
}

impl<'a> Data<'a> {
    /// Of this conversation, which is this contact's.
    pub async fn of(
        tx: &Tx,
        account: AccountId,
        contact: &Contact,
        conversation: &'a Conversation,
    ) -> Result<Self> {
        let department = department::by_id(tx, account, conversation.department_id).await?;
        Ok(Self {
            conversation_id: conversation.reference,
            code: &conversation.code,
            public_code: &conversation.public_code,
            contact_id: contact.id,
            contact_ref: contact.reference,
            department_id: department.reference,
            department_name: department.name,
            assigned_to: username(tx, account, conversation.assigned).await?,
            channel: &conversation.channel,
            status: conversation.status.letter(),
            subject: &conversation.subject,
            preview: &conversation.preview,
            custom_fields: &conversation.custom_fields,
            tags: tag::names(tx, account, &conversation.tags).await?,
            created_at: conversation.created_at.to_string(),
            changed_at: conversation.changed_at.to_string(),
        })
    }
}

async fn username(tx: &Tx, account: AccountId, id: Option<u64>) -> Result<Option<String>> {
    let Some(id) = id else {
        return Ok(None);
    };
    let found = user::by_id(tx, account, id).await?;
    Ok(found.map(|user| user.username))
}

/// Appends `new_conversation`.
pub(super) async fn begun(
    tx: &Tx,
    account: AccountId,
    contact: &Contact,
    conversation: &Conversation,
) -> Result<()> {
    let data = Data::of(tx, account, contact, conversation).await?;
    event::emit(tx, account, "new_conversation", &data).await?;
    Ok(())
}

/// Appends `conversation_status`.
pub(super) async fn status_set(
    tx: &Tx,
    account: AccountId,
    contact: &Contact,
    old: Status,
    conversation: &Conversation,
    actor: Option<&str>,
) -> Result<()> {
    #[derive(Serialize)]
    struct Set<'a> {
        #[serde(flatten)]
        conversation: Data<'a>,
        old_status: char,
        actor: Option<&'a str>,
    }
    let data = Set {
        conversation: Data::of(tx, account, contact, conversation).await?,
        old_status: old.letter(),
        actor,
    };
    event::emit(tx, account, "conversation_status", &data).await?;
    Ok(())
}

/// Appends `conversation_transfer`.
pub(super) async fn transferred(
    tx: &Tx,
    account: AccountId,
    contact: &Contact,
    before: &Conversation,
    after: &Conversation,
    actor: Option<&str>,
) -> Result<()> {
    #[derive(Serialize)]
    struct Transferred<'a> {
        #[serde(flatten)]
        conversation: Data<'a>,
        from_assigned: Option<String>,
        from_department_id: DepartmentId,
        actor: Option<&'a str>,
    }
    let from = department::by_id(tx, account, before.department_id).await?;
    let data = Transferred {
        conversation: Data::of(tx, account, contact, after).await?,
        from_assigned: username(tx, account, before.assigned).await?,
        from_department_id: from.reference,
        actor,
    };
    event::emit(tx, account, "conversation_transfer", &data).await?;
    Ok(())
}

/// Appends `conversation_fields`.
pub(super) async fn fields_set(
    tx: &Tx,
    account: AccountId,
    conversation: &Conversation,
) -> Result<()> {
    #[derive(Serialize)]
    struct Shown<'a> {
        conversation_id: ConversationId,
        code: &'a str,
        custom_fields: &'a [CustomField],
    }
    let data = Shown {
        conversation_id: conversation.reference,
        code: &conversation.code,
        custom_fields: &conversation.custom_fields,
    };
    event::emit(tx, account, "conversation_fields", &data).await?;
    Ok(())
}

/// Appends `conversation_tags`.
pub(super) async fn tags_set(
    tx: &Tx,
    account: AccountId,
    conversation: &Conversation,
    added: &[&str],
    removed: &[&str],
) -> Result<()> {
    #[derive(Serialize)]
    struct Changed<'a> {
        conversation_id: ConversationId,
        code: &'a str,
        added: &'a [&'a str],
        removed: &'a [&'a str],
        tags: Vec<String>,
    }
    let data = Changed {
        conversation_id: conversation.reference,
        code: &conversation.code,
        added,
        removed,
        tags: tag::names(tx, account, &conversation.tags).await?,
    };
    event::emit(tx, account, "conversation_tags", &data).await?;
    Ok(())
}

/// Appends `delete_conversation`.
pub(super) async fn deleted(
    tx: &Tx,
    account: AccountId,
    conversation: &Conversation,
    actor: Option<&str>,
) -> Result<()> {
    #[derive(Serialize)]
    struct Deleted<'a> {
        conversation_id: ConversationId,
        code: &'a str,
        actor: Option<&'a str>,
    }
    let data = Deleted {
        conversation_id: conversation.reference,
        code: &conversation.code,
        actor,
    };
    event::emit(tx, account, "delete_conversation", &data).await?;
    Ok(())
}

/// MSG.
#[derive(Serialize)]
struct Msg {
    message_id: ConversationMessageId,
    conversation_id: ConversationId,
    contact_id: u64,
    contact_ref: PersonId,
    created_at: String,
}

/// A type with MSG before members of its own.
#[derive(Serialize)]
struct With<T> {
    #[serde(flatten)]
    message: Msg,
    #[serde(flatten)]
    own: T,
}

#[derive(Serialize)]
struct InConversation<'a> {
    kind: &'static str,
    direction: &'static str,
    author_type: &'static str,
    author: Option<String>,
    body: &'a str,
    is_html: bool,
    send_mail: bool,
    to: &'a [String],
    cc: &'a [String],
    mail_message_id: Option<&'a str>,
    status: char,
}

#[derive(Serialize)]
struct ByNumber<'a> {
    number: &'a str,
    text: &'a str,
    do_not_disturb: bool,
    credits: Option<u64>,
    author: Option<String>,
}

#[derive(Serialize)]
struct Outgoing<'a> {
    channel: &'a str,
    external_contact_id: &'a str,
    body: &'a str,
    message_type: &'a str,
    campaign_id: Option<&'a str>,
    first_name: &'a str,
    last_name: &'a str,
    email: Option<&'a str>,
    do_not_disturb: bool,
    credits: Option<u64>,
    author: Option<String>,
}

#[derive(Serialize)]
struct Incoming<'a> {
    channel: &'a str,
    message_sid: &'a str,
    from_id: &'a str,
    to_id: &'a str,
    body: &'a str,
    message_type: &'a str,
    campaign_id: Option<&'a str>,
    status: &'a str,
}

/// Appends what a message is told by; `credits` is the balance after it.
pub(super) async fn posted(
    tx: &Tx,
    account: AccountId,
    contact: &Contact,
    posted: &Posted,
    notice: &Notice,
    credits: Option<u64>,
) -> Result<()> {
    let (conversation, message) = (&posted.conversation, &posted.message);
    let body = message.body.as_str();
    let channel = match &conversation.channel {
        Channel::Custom(name) => name.as_str(),
        _ => "",
    };
    let msg = Msg {
        message_id: message.reference,
        conversation_id: conversation.reference,
        contact_id: contact.id,
        contact_ref: contact.reference,
        created_at: message.created_at.to_string(),
    };
    match notice {
        Notice::None => Ok(()),
        Notice::Message {
            to,
            cc,
            mail_message_id,
            do_not_send_mail,
        } => {
            let is_out = message.direction == Direction::Out;
            let is_mail = message.kind == Kind::Mail && is_out && !to.is_empty();
            let (author_type, author) = author(tx, account, message.author).await?;
            let own = InConversation {
                kind: message.kind.word(),
                direction: message.direction.word(),
                author_type,
                author,
                body,
                is_html: message.is_html,
                send_mail: is_mail && !do_not_send_mail,
                to,
                cc,
                mail_message_id: mail_message_id.as_deref(),
                status: conversation.status.letter(),
            };
            tell(tx, account, "conversation_message", msg, own).await
        }
        Notice::Number(number) => {
            let own = ByNumber {
                number,
                text: body,
                do_not_disturb: contact.do_not_disturb,
                credits,
                author: agent(tx, account, message.author).await?,
            };
            // The types are named as the kinds.
            tell(tx, account, message.kind.word(), msg, own).await
        }
        Notice::Outgoing {
            external_contact_id,
            message_type,
            campaign_id,
        } => {
            let own = Outgoing {
                channel,
                external_contact_id,
                body,
                message_type,
                campaign_id: campaign_id.as_deref(),
                first_name: &contact.first_name,
                last_name: &contact.last_name,
                email: contact.email.as_deref(),
                do_not_disturb: contact.do_not_disturb,
                credits,
                author: agent(tx, account, message.author).await?,
            };
            tell(tx, account, "custom_channel_outgoing", msg, own).await
        }
        Notice::Incoming {
            message_sid,
            from_id,
            to_id,
            message_type,
            campaign_id,
            status,
        } => {
            let own = Incoming {
                channel,
                message_sid,
                from_id,
                to_id,
                body,
                message_type,
                campaign_id: campaign_id.as_deref(),
                status,
            };
            tell(tx, account, "custom_channel_incoming", msg, own).await
        }
    }
}

async fn tell<T: Serialize + Sync>(
    tx: &Tx,
    account: AccountId,
    event_type: &str,
    message: Msg,
    own: T,
) -> Result<()> {
    event::emit(tx, account, event_type, &With { message, own }).await?;
    Ok(())
}

/// The agent who wrote a message to the customer.
async fn agent(tx: &Tx, account: AccountId, author: Author) -> Result<Option<String>> {
    match author {
        Author::User(id) => username(tx, account, Some(id)).await,
        Author::System | Author::Contact(_) => Ok(None),
    }
}

/// Type and name of an author.
async fn author(
    tx: &Tx,
    account: AccountId,
    author: Author,
) -> Result<(&'static str, Option<String>)> {
    match author {
        Author::System => Ok(("system", None)),
        Author::User(id) => Ok(("agent", username(tx, account, Some(id)).await?)),
        Author::Contact(id) => {
            let found = contact::by_id(tx, account, id).await?;
            Ok(("customer", found.map(|found| found.reference.to_string())))
        }
    }
}
