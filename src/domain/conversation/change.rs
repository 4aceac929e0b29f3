//! What becomes of a conversation beside its messages: who works on it, how far it is, its fields
//! and tags, and its end (`protocols/domain.md` 5.3 and 6.3).
//!
//! Owns that each change is recorded as a message and told. What has no effect changes nothing and
//! says nothing. Does not know how parameters are spelled.

use super::message::{Author, Direction, Kind};
use super::post::{self, NewMessage, Notice, Place};
use super::{Conversation, Status, notice, save};
use crate::domain::account::Account;
use crate::domain::contact::{self, Contact, CustomField, fields};
use crate::domain::department::Department;
use crate::domain::tag::Tag;
use crate::domain::user::User;
use crate::error::{Error, Result};
use crate::id::AccountId;
use crate::store::Tx;

/// Who changes a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// Of the message that records it.
    pub author: Author,
    /// The username of an acting agent.
    pub actor: Option<String>,
}

/// Where a conversation goes; none = as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transfer {
    /// Who shall work on it.
    pub agent: Option<User>,
    /// Where.
    pub department: Option<Department>,
}

/// Hands a conversation over and appends `conversation_transfer`.
pub async fn transfer(
    tx: &Tx,
    account: AccountId,
    before: Conversation,
    to: &Transfer,
    by: &By,
) -> Result<Conversation> {
    is_not_deleted(&before)?;
    let mut after = before.clone();
    if let Some(agent) = &to.agent {
        after.assigned = Some(agent.id);
    }
    if let Some(department) = &to.department {
        after.department_id = department.id;
    }
    if after == before {
        return Ok(before);
    }
    let agent = to.agent.as_ref().map(|agent| agent.username.as_str());
    let department = to
        .department
        .as_ref()
        .map(|department| department.name.as_str());
    let names: Vec<&str> = [agent, department].into_iter().flatten().collect();
    let text = format!("Transferred to {}", names.join(", "));
    let after = recorded(
        tx,
        account,
        &before,
        after,
        (Kind::Transfer, by.author, text),
    )
    .await?;
    let contact = contact_of(tx, account, &after).await?;
    notice::transferred(tx, account, &contact, &before, &after, by.actor.as_deref()).await?;
    Ok(after)
}

/// Sets the status and appends `conversation_status`.
pub async fn set_status(
    tx: &Tx,
    account: AccountId,
    before: Conversation,
    status: Status,
    by: &By,
) -> Result<Conversation> {
    is_not_deleted(&before)?;
    if before.status == status {
        return Ok(before);
    }
    let after = Conversation {
        status,
        ..before.clone()
    };
    let text = format!("Status {}", status.letter());
    let after = recorded(tx, account, &before, after, (Kind::Status, by.author, text)).await?;
    let contact = contact_of(tx, account, &after).await?;
    let actor = by.actor.as_deref();
    notice::status_set(tx, account, &contact, before.status, &after, actor).await?;
    Ok(after)
}

/// Deletes a conversation, which is only marked, and appends `delete_conversation`.
pub async fn delete(tx: &Tx, account: AccountId, before: &Conversation, by: &By) -> Result<()> {
    if before.status == Status::Deleted {
        return Ok(());
    }
    let after = Conversation {
        status: Status::Deleted,
        ..before.clone()
    };
    let record = (Kind::Delete, by.author, "Deleted".to_owned());
    let after = recorded(tx, account, before, after, record).await?;
    notice::deleted(tx, account, &after, by.actor.as_deref()).await
}

/// Posts a note among the agents and appends `conversation_message`.
pub async fn note(
    tx: &Tx,
    account: &Account,
    conversation: Conversation,
    author: Author,
    text: &str,
) -> Result<Conversation> {
    let contact = contact_of(tx, account.id, &conversation).await?;
    let note = NewMessage {
        kind: Kind::Note,
        direction: Direction::Internal,
        author,
        body: text.to_owned(),
        is_html: false,
        notice: Notice::plain(),
    };
    let place = Place::Known(Box::new(conversation));
    let posted = post::post(tx, account, &contact, place, &note, 0).await?;
    Ok(posted.conversation)
}

/// Appends custom fields, and `conversation_fields`.
pub async fn add_fields(
    tx: &Tx,
    account: AccountId,
    before: &Conversation,
    more: &[CustomField],
) -> Result<()> {
    is_not_deleted(before)?;
    let fields = [before.custom_fields.as_slice(), more].concat();
    fields::bounded(&fields)?;
    set_fields(tx, account, before, fields).await
}

/// Removes the custom fields of a code, or all, and appends `conversation_fields`.
pub async fn drop_fields(
    tx: &Tx,
    account: AccountId,
    before: &Conversation,
    code: Option<&str>,
) -> Result<()> {
    let fields = fields::removed(&before.custom_fields, code);
    set_fields(tx, account, before, fields).await
}

async fn set_fields(
    tx: &Tx,
    account: AccountId,
    before: &Conversation,
    custom_fields: Vec<CustomField>,
) -> Result<()> {
    if custom_fields == before.custom_fields {
        return Ok(());
    }
    let after = Conversation {
        custom_fields,
        changed_at: tx.now(),
        ..before.clone()
    };
    save(tx, account, Some(before), &after)?;
    notice::fields_set(tx, account, &after).await
}

/// Puts a tag on a conversation and appends `conversation_tags`.
pub async fn add_tag(tx: &Tx, account: AccountId, before: &Conversation, tag: &Tag) -> Result<()> {
    is_not_deleted(before)?;
    let mut after = before.clone();
    if !after.tags.insert(tag.id) {
        return Ok(());
    }
    let record = (Kind::Tag, Author::System, format!("Tag {} added", tag.name));
    let after = recorded(tx, account, before, after, record).await?;
    notice::tags_set(tx, account, &after, &[&tag.name], &[]).await
}

/// Takes a tag off a conversation and appends `conversation_tags`.
pub async fn drop_tag(tx: &Tx, account: AccountId, before: &Conversation, tag: &Tag) -> Result<()> {
    is_not_deleted(before)?;
    let mut after = before.clone();
    if !after.tags.remove(&tag.id) {
        return Ok(());
    }
    let record = (
        Kind::Tag,
        Author::System,
        format!("Tag {} removed", tag.name),
    );
    let after = recorded(tx, account, before, after, record).await?;
    notice::tags_set(tx, account, &after, &[], &[&tag.name]).await
}

fn is_not_deleted(conversation: &Conversation) -> Result<()> {
    match conversation.status {
        Status::Deleted => Err(Error::conflict("conversation is deleted")),
        _ => Ok(()),
    }
}

/// The contact of a conversation, which may be trashed by now.
async fn contact_of(tx: &Tx, account: AccountId, of: &Conversation) -> Result<Contact> {
    let found = contact::by_id(tx, account, of.contact_id).await?;
    found.ok_or_else(|| {
        tracing::error!(%account, contact = of.contact_id, "a conversation's contact has no record");
        Error::internal()
    })
}

/// Stores a change and the message that records it.
async fn recorded(
    tx: &Tx,
    account: AccountId,
    before: &Conversation,
    mut after: Conversation,
    (kind, author, body): (Kind, Author, String),
) -> Result<Conversation> {
    after.changed_at = tx.now();
    save(tx, account, Some(before), &after)?;
    let record = NewMessage {
        kind,
        direction: Direction::Internal,
        author,
        body,
        is_html: false,
        notice: Notice::None,
    };
    post::stored(tx, account, &after, &record).await?;
    Ok(after)
}
