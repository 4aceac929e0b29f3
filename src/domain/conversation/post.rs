//! The one way in which a message comes to be.
//!
//! Owns the order of what happens then: the credits, the conversation, the message, and what is
//! told. Does not know how parameters are spelled, nor whether the channel's other end is there.

use super::message::{self, Author, ConversationMessage, Direction, Kind, State};
use super::{Channel, Conversation, KIND, Status, fresh_names, newest_open, notice, save, text};
use crate::domain::account::Account;
use crate::domain::contact::{Contact, CustomField, fields};
use crate::domain::credit::{self, Expense};
use crate::domain::{department, sequence};
use crate::error::{Error, Result};
use crate::id::{AccountId, ConversationMessageId};
use crate::store::Tx;

/// Ids of mails that a conversation keeps: the newest ones.
const MAX_MAIL_IDS: usize = 100;

/// Where a message is posted.
#[derive(Debug, Clone)]
pub enum Place {
    /// In a conversation, which is stored as it is given here.
    Known(Box<Conversation>),
    /// In one that begins with it.
    Fresh(NewConversation),
}

/// A conversation that begins with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewConversation {
    /// Through what it goes.
    pub channel: Channel,
    /// Its first message leaves it.
    pub status: Status,
    /// At most 255 characters.
    pub subject: String,
    /// Integer id of a department.
    pub department_id: u64,
    /// Integer id of a user.
    pub assigned: Option<u64>,
    /// At most 200.
    pub custom_fields: Vec<CustomField>,
}

/// A message to be posted. Its texts have their forms and lengths.
#[derive(Debug, Clone)]
pub struct NewMessage {
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
    /// What is told of it.
    pub notice: Notice,
}

/// What is told of a message (`protocols/domain.md` 6.3, last column), with what only its
/// notification says.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Notice {
    /// Nothing of its own.
    None,
    /// `conversation_message`.
    Message {
        to: Vec<String>,
        cc: Vec<String>,
        /// Kept with the conversation.
        mail_message_id: Option<String>,
        /// The consumer is not to send a mail.
        do_not_send_mail: bool,
    },
    /// `sms` or `call`, as the kind says: to this number. Costs credits.
    Number(String),
    /// `custom_channel_outgoing`. Costs credits.
    Outgoing {
        /// Whom the channel knows the contact as.
        external_contact_id: String,
        message_type: String,
        campaign_id: Option<String>,
    },
    /// `custom_channel_incoming`.
    Incoming {
        /// Unique in its channel: the caller has looked.
        message_sid: String,
        from_id: String,
        to_id: String,
        message_type: String,
        campaign_id: Option<String>,
        status: String,
    },
}

impl Notice {
    /// `conversation_message` of what is no mail.
    pub fn plain() -> Self {
        Self::Message {
            to: Vec::new(),
            cc: Vec::new(),
            mail_message_id: None,
            do_not_send_mail: false,
        }
    }

    fn expense(&self, kind: Kind) -> Option<Expense> {
        match (self, kind) {
            (Self::Number(_), Kind::Call) => Some(Expense::Call),
            (Self::Number(_), _) => Some(Expense::Sms),
            (Self::Outgoing { .. }, _) => Some(Expense::CustomChannel),
            _ => None,
        }
    }
}

/// What was posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// The conversation after the message.
    pub conversation: Conversation,
    /// The message.
    pub message: ConversationMessage,
}

/// The place of a message by the rule for text messages, calls and custom channels
/// (`protocols/domain.md` 6.2): the contact's newest open conversation of the channel, else a new
/// one in the default department.
pub async fn joined(
    tx: &Tx,
    account: &Account,
    contact: &Contact,
    channel: Channel,
    message: &NewMessage,
) -> Result<Place> {
    if let Some(known) = newest_open(tx, account.id, contact.id, &channel).await? {
        return Ok(Place::Known(Box::new(known)));
    }
    let status = match message.direction {
        Direction::Out => Status::Answered,
        Direction::In | Direction::Internal => Status::New,
    };
    Ok(Place::Fresh(NewConversation {
        channel,
        status,
        subject: text::subject(&message.body),
        department_id: department::default_of(tx, account).await?.id,
        assigned: None,
        custom_fields: Vec::new(),
    }))
}

/// Posts a message: takes `cost` credits if it is one that costs, stores the conversation and the
/// message, and appends `new_conversation` if it is new and then the message's own type. `contact`
/// is the conversation's. `Conflict` when the conversation is deleted, `Invalid` for the field
/// [`credit::FIELD`] when there are too few credits.
///
/// The transaction must take turns for [`Account::with_agency`].
pub async fn post(
    tx: &Tx,
    account: &Account,
    contact: &Contact,
    place: Place,
    new: &NewMessage,
    cost: u64,
) -> Result<Posted> {
    let expense = new.notice.expense(new.kind);
    let credits = match expense {
        Some(expense) => credit::debit(tx, account, expense, cost).await?,
        None => None,
    };
    let (before, mut after) = match place {
        Place::Known(known) => {
            if known.status == Status::Deleted {
                return Err(Error::conflict("conversation is deleted"));
            }
            let mut after = known.as_ref().clone();
            if new.kind != Kind::Reaction {
                after.status = after.status.after(new.direction);
            }
            (Some(known), after)
        }
        Place::Fresh(fresh) => (None, begun(tx, account.id, contact, fresh).await?),
    };
    after.changed_at = tx.now();
    if new.direction != Direction::Internal {
        after.preview = text::preview(&new.body, new.is_html);
    }
    if new.direction == Direction::Out {
        after.first_out_at.get_or_insert(tx.now());
    }
    keep_mail_id(&mut after, &new.notice);
    save(tx, account.id, before.as_deref(), &after)?;
    if before.is_none() {
        notice::begun(tx, account.id, contact, &after).await?;
    }
    let message = stored(tx, account.id, &after, new).await?;
    let posted = Posted {
        conversation: after,
        message,
    };
    notice::posted(tx, account.id, contact, &posted, &new.notice, credits).await?;
    Ok(posted)
}

async fn begun(
    tx: &Tx,
    account: AccountId,
    contact: &Contact,
    new: NewConversation,
) -> Result<Conversation> {
    fields::bounded(&new.custom_fields)?;
    let (reference, code, public_code) = fresh_names(tx, account).await?;
    Ok(Conversation {
        id: sequence::next(tx, account, KIND).await?,
        reference,
        code,
        public_code,
        contact_id: contact.id,
        department_id: new.department_id,
        assigned: new.assigned,
        channel: new.channel,
        status: new.status,
        subject: new.subject,
        preview: String::new(),
        custom_fields: new.custom_fields,
        tags: std::collections::BTreeSet::new(),
        mail_message_ids: Vec::new(),
        first_out_at: None,
        created_at: tx.now(),
        changed_at: tx.now(),
    })
}

fn keep_mail_id(conversation: &mut Conversation, notice: &Notice) {
    if let Notice::Message {
        mail_message_id: Some(id),
        ..
    } = notice
    {
        let kept = &mut conversation.mail_message_ids;
        kept.retain(|known| known != id);
        kept.push(id.clone());
        let excess = kept.len().saturating_sub(MAX_MAIL_IDS);
        kept.drain(..excess);
    }
}

/// Stores a message whose conversation is stored.
pub(super) async fn stored(
    tx: &Tx,
    account: AccountId,
    conversation: &Conversation,
    new: &NewMessage,
) -> Result<ConversationMessage> {
    let mut message = ConversationMessage {
        id: sequence::next(tx, account, message::KIND).await?,
        reference: ConversationMessageId::random(tx.entropy()),
        conversation_id: conversation.id,
        contact_id: conversation.contact_id,
        kind: new.kind,
        direction: new.direction,
        author: new.author,
        body: new.body.clone(),
        is_html: new.is_html,
        external_id: None,
        campaign_id: None,
        source_status: None,
        created_at: tx.now(),
        state: State::of(conversation),
    };
    match &new.notice {
        Notice::Outgoing { campaign_id, .. } => message.campaign_id.clone_from(campaign_id),
        Notice::Incoming {
            message_sid,
            campaign_id,
            status,
            ..
        } => {
            message.external_id = Some(message_sid.clone());
            message.campaign_id.clone_from(campaign_id);
            message.source_status = Some(status.clone());
        }
        Notice::None | Notice::Message { .. } | Notice::Number(_) => {}
    }
    let channel = match &conversation.channel {
        Channel::Custom(name) => Some(name.as_str()),
        _ => None,
    };
    message::insert(tx, account, &message, channel)?;
    Ok(message)
}
