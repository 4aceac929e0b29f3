//! One operation of a flex call: its parameters, and what it does in a transaction.
//!
//! Owns the tables of `protocols/flex-api.md` sections 2 to 4. Does not know how many operations a
//! request has, nor the wire form of an error.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use super::custom;
use super::decode::{Act, Members, not_valid, required, too_long};
use crate::domain::account::Account;
use crate::domain::actor::{Actor, Rights};
use crate::domain::contact::find::{Searched, Wanted};
use crate::domain::contact::{self, Changes, Contact, CustomField, NewContact, Person, fields};
use crate::domain::conversation::message::{Author, Direction, Kind};
use crate::domain::conversation::{Channel, NewMessage, Notice, joined, post};
use crate::domain::{automation, credit, lead, phone, words};
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::id::ConversationMessageId;
use crate::store::Tx;

/// Characters of a name, of an address, of a number as given.
const MAX_NAME: usize = 255;
const MAX_EMAIL: usize = 254;
const MAX_NUMBER: usize = 32;
/// Characters of a text message and of what is said in a call.
const MAX_SMS: usize = 1600;
const MAX_CALL: usize = 4000;
/// Contacts of one answer.
const MAX_FOUND: usize = 100;
/// Where a lead of this surface comes from.
const SOURCE: &str = "flex";

/// For whom operations run.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The caller's account.
    pub account: &'a Account,
    /// Credits that a text message or a call costs.
    pub credit_cost: u64,
}

/// An operation whose parameters are valid.
#[derive(Debug, Clone)]
pub enum Operation {
    /// NEW: the contact, and whether it is to have a lead.
    New(Box<NewContact>, bool),
    /// EDIT.
    Edit(u64, Box<Edit>),
    /// TRASH.
    Trash(u64),
    /// SEARCH.
    Search(Wanted),
    /// A contact into an automation.
    Enroll(u64, u64),
    /// SMS and CALL.
    Send(Outgoing),
}

/// New values of a contact.
#[derive(Debug, Clone)]
pub struct Edit {
    changes: Changes,
    /// An empty value removes its code.
    custom: Vec<CustomField>,
}

/// A text message or a call.
#[derive(Debug, Clone)]
pub struct Outgoing {
    channel: Channel,
    kind: Kind,
    number: String,
    text: String,
}

impl Operation {
    /// The operation of an element. National numbers are completed by `code`.
    pub fn of(element: &Value, code: Option<&str>) -> Result<Self> {
        let (act, members) =
            Act::of(element).ok_or_else(|| Error::malformed("Unknown operation"))?;
        match act {
            Act::New => new(members, code),
            Act::Edit => edit(members, code),
            Act::Trash => Ok(Self::Trash(needed(members)?)),
            Act::Search => search(members),
            Act::Enroll => {
                let contact = needed(members)?;
                let id = members
                    .integer("idAuto")?
                    .ok_or_else(|| required("idAuto"))?;
                Ok(Self::Enroll(contact, id))
            }
            Act::Sms => send(members, code, Channel::Sms, Kind::Sms, MAX_SMS),
            Act::Call => send(members, code, Channel::Call, Kind::Call, MAX_CALL),
        }
    }

    /// Whether it only looks.
    pub fn is_question(&self) -> bool {
        matches!(self, Self::Search(_))
    }

    /// Does it: the success body. An error may leave a part of it behind in `tx`.
    pub async fn run(&self, tx: &Tx, ground: Ground<'_>) -> Result<Box<RawValue>> {
        let account = ground.account;
        match self {
            Self::New(new, with_lead) => create(tx, account, new, *with_lead).await,
            Self::Edit(id, edit) => change(tx, account, *id, edit).await,
            Self::Trash(id) => {
                contact::trash(tx, account.id, *id).await?;
                body(&Done { status: true })
            }
            Self::Search(wanted) => {
                // Many records may be met, and none of them decides what is changed.
                let (tx, wanted) = (tx.glance(), wanted.clone());
                let found = contact::find::find(&tx, account.id, wanted, 0, MAX_FOUND).await?;
                body(&found.iter().map(Shown::of).collect::<Vec<_>>())
            }
            Self::Enroll(contact, id) => {
                automation::enroll(tx, account.id, *contact, *id).await?;
                body(&Done { status: true })
            }
            Self::Send(outgoing) => outgoing.run(tx, ground).await,
        }
    }
}

/// `idContact`, which must be given.
fn needed(members: Members<'_>) -> Result<u64> {
    members.contact()?.ok_or_else(|| required("idContact"))
}

/// A number in the form in which numbers are compared; none if absent, an inner none if blank.
#[allow(clippy::option_option)]
fn number(
    members: Members<'_>,
    name: &'static str,
    code: Option<&str>,
) -> Result<Option<Option<String>>> {
    match members.text(name, MAX_NUMBER)? {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(Some(None)),
        Some(text) => match phone::completed(&text, code) {
            Some(number) => Ok(Some(Some(number))),
            None => Err(not_valid(name)),
        },
    }
}

/// `Email`; none if absent, an inner none if blank.
#[allow(clippy::option_option)]
fn email(members: Members<'_>) -> Result<Option<Option<String>>> {
    match members.text("Email", MAX_EMAIL)? {
        None => Ok(None),
        Some(text) if text.is_empty() => Ok(Some(None)),
        Some(text) if words::is_email(&text) => Ok(Some(Some(text))),
        Some(_) => Err(not_valid("Email")),
    }
}

fn new(members: Members<'_>, code: Option<&str>) -> Result<Operation> {
    let number = number(members, "Number", code)?.flatten();
    let email = email(members)?.flatten();
    if number.is_none() && email.is_none() {
        return Err(required("Number"));
    }
    let first_name = members.text("Fname", MAX_NAME)?.unwrap_or_default();
    let last_name = members.text("Lname", MAX_NAME)?.unwrap_or_default();
    let mut custom_fields = custom::fields(members)?;
    custom_fields.retain(|field| !field.value.is_empty());
    let with_lead = members.boolean("Opportunitie")?.unwrap_or(false);
    let new = NewContact {
        first_name,
        last_name,
        phone: number,
        email,
        custom_fields,
        ..NewContact::default()
    };
    Ok(Operation::New(Box::new(new), with_lead))
}

fn edit(members: Members<'_>, code: Option<&str>) -> Result<Operation> {
    let id = needed(members)?;
    let changes = Changes {
        phone: number(members, "Number", code)?,
        email: email(members)?,
        first_name: members.text("Fname", MAX_NAME)?,
        last_name: members.text("Lname", MAX_NAME)?,
        ..Changes::default()
    };
    let custom = custom::fields(members)?;
    Ok(Operation::Edit(id, Box::new(Edit { changes, custom })))
}

fn search(members: Members<'_>) -> Result<Operation> {
    let mut texts = Vec::new();
    for (name, searched) in [
        ("Lname", Searched::LastName),
        ("Fname", Searched::FirstName),
    ] {
        let text = members.text(name, MAX_NAME)?;
        let text = text.filter(|text| !text.is_empty());
        texts.extend(text.map(|text| (searched, text)));
    }
    let id = members.contact()?;
    if id.is_none() && texts.is_empty() {
        return Err(Error::malformed("Nothing to search"));
    }
    Ok(Operation::Search(Wanted {
        id,
        texts,
        ..Wanted::default()
    }))
}

fn send(
    members: Members<'_>,
    code: Option<&str>,
    channel: Channel,
    kind: Kind,
    max: usize,
) -> Result<Operation> {
    let number = number(members, "number", code)?.flatten();
    let number = number.ok_or_else(|| required("number"))?;
    let text = members.long_text("text", max)?.unwrap_or_default();
    if text.trim().is_empty() {
        return Err(required("text"));
    }
    Ok(Operation::Send(Outgoing {
        channel,
        kind,
        number,
        text,
    }))
}

async fn create(
    tx: &Tx,
    account: &Account,
    new: &NewContact,
    with_lead: bool,
) -> Result<Box<RawValue>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Created {
        id_contact: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        id_opportunitie: Option<u64>,
    }
    let (contact, _) = contact::create(tx, account.id, new).await?;
    let lead = if with_lead {
        let nobody = Actor {
            user: None,
            rights: Rights::All,
        };
        Some(lead::worked_on(tx, account, &contact, SOURCE, &nobody).await?)
    } else {
        None
    };
    body(&Created {
        id_contact: contact.id,
        id_opportunitie: lead.map(|lead| lead.id),
    })
}

async fn change(tx: &Tx, account: &Account, id: u64, edit: &Edit) -> Result<Box<RawValue>> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Changed {
        id_contact: u64,
    }
    let before = contact::found(contact::active(tx, account.id, id).await?)?;
    let mut changes = edit.changes.clone();
    if !edit.custom.is_empty() {
        changes.custom_fields = Some(fields::replaced(&before.custom_fields, &edit.custom));
    }
    let outcome = contact::update(tx, account.id, id, &changes).await;
    let contact = outcome.map_err(|error| match (error.kind, error.field.as_deref()) {
        (ErrorKind::Conflict, _) => Error::conflict("Number already belongs to another contact"),
        (ErrorKind::Invalid, Some("phone")) => required("Number"),
        (ErrorKind::Invalid, Some("custom_fields")) => too_long(custom::NAME),
        _ => error,
    })?;
    body(&Changed {
        id_contact: contact.id,
    })
}

impl Outgoing {
    async fn run(&self, tx: &Tx, ground: Ground<'_>) -> Result<Box<RawValue>> {
        #[derive(Serialize)]
        struct Sent {
            status: bool,
            #[serde(rename = "idMessage")]
            id_message: ConversationMessageId,
        }
        let account = ground.account;
        let person = Person {
            phone: Some(&self.number),
            ..Person::default()
        };
        let contact = contact::link(tx, account, &person).await?;
        let contact = contact.ok_or_else(|| not_valid("number"))?;
        let new = NewMessage {
            kind: self.kind,
            direction: Direction::Out,
            author: Author::System,
            body: self.text.clone(),
            is_html: false,
            notice: Notice::Number(self.number.clone()),
        };
        let place = joined(tx, account, &contact, self.channel.clone(), &new).await?;
        let posted = post(tx, account, &contact, place, &new, ground.credit_cost).await;
        let posted = posted.map_err(|error| match error.field.as_deref() {
            Some(credit::FIELD) => Error::malformed("Not enough credits"),
            _ => error,
        })?;
        body(&Sent {
            status: true,
            id_message: posted.message.reference,
        })
    }
}

#[derive(Serialize)]
struct Done {
    status: bool,
}

/// A contact in an answer.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(rename = "idContact")]
    id: u64,
    #[serde(rename = "Fname")]
    first_name: &'a str,
    #[serde(rename = "Lname")]
    last_name: &'a str,
    #[serde(rename = "Number")]
    phone: &'a str,
    #[serde(rename = "Email")]
    email: &'a str,
    #[serde(rename = "Custom")]
    custom: custom::Shown<'a>,
}

impl<'a> Shown<'a> {
    fn of(contact: &'a Contact) -> Self {
        Self {
            id: contact.id,
            first_name: &contact.first_name,
            last_name: &contact.last_name,
            phone: contact.phone.as_deref().unwrap_or_default(),
            email: contact.email.as_deref().unwrap_or_default(),
            custom: custom::Shown(contact),
        }
    }
}

fn body(value: &impl Serialize) -> Result<Box<RawValue>> {
    to_raw_value(value).map_err(|error| {
        tracing::error!(%error, "an answer cannot be encoded");
        Error::internal()
    })
}
