//! Contacts: created, looked up, changed (`protocols/contacts-api.md` 2.1, 2.2 and section 3).
//!
//! Owns the parameters and answers of these operations. Does not know when two people are one.

use hyper::StatusCode;
use serde::Serialize;

use super::ContactsCall;
use super::params::{Fields, SHORT};
use super::wire::{Failure, Reply};
use crate::api::dialect::{answer, ok};
use crate::domain::contact::{self, Changes, Contact, Identity, NewContact};
use crate::domain::conversation::{self, MAX_CHANNEL_NAME};
use crate::domain::list::{self, List};
use crate::error::Result;
use crate::id::{AccountId, ListId, PersonId};
use crate::store::Tx;

/// The name of somebody who gives none.
pub const UNKNOWN: &str = "Unknown";
/// Names of the phone parameter.
const PHONE: [&str; 2] = ["phone", "phoneNumber"];

/// The six members of a contact.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View<'a> {
    id: PersonId,
    first_name: &'a str,
    last_name: &'a str,
    phone: Option<&'a str>,
    email: Option<&'a str>,
    created_at: String,
}

/// The six members, and two that say the same again.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found<'a> {
    #[serde(flatten)]
    contact: View<'a>,
    success: bool,
    contact_id: PersonId,
}

impl<'a> View<'a> {
    fn of(contact: &'a Contact) -> Self {
        Self {
            id: contact.reference,
            first_name: &contact.first_name,
            last_name: &contact.last_name,
            phone: contact.phone.as_deref(),
            email: contact.email.as_deref(),
            created_at: contact.created_at.to_string(),
        }
    }
}

fn found(contact: Option<Contact>) -> Reply {
    let contact = contact::found(contact)?;
    Ok(ok(&Found {
        contact: View::of(&contact),
        success: true,
        contact_id: contact.reference,
    })?)
}

/// The contact that a text names.
pub async fn named(tx: &Tx, account: AccountId, text: &str) -> Result<Contact> {
    let contact = match text.parse() {
        Ok(id) => contact::by_reference(tx, account, id).await?,
        Err(_) => None,
    };
    contact::found(contact)
}

/// The contact that the path names.
pub async fn of_path(tx: &Tx, call: &ContactsCall) -> Result<Contact> {
    let text = call.head.param("contact").unwrap_or_default();
    named(tx, call.caller.account, text).await
}

/// The name under one parameter, for a contact that is created.
pub fn name(fields: &Fields<'_>, parameter: &str) -> Result<String, Failure> {
    let given = fields.text(&[parameter], SHORT)?;
    Ok(given.unwrap_or_else(|| UNKNOWN.to_owned()))
}

/// What `POST contacts` asks for.
struct Wanted {
    contact: NewContact,
    lists: Vec<String>,
}

fn wanted(fields: &Fields<'_>) -> Result<Wanted, Failure> {
    let phone = fields.phone(&PHONE)?;
    let email = fields.email("email")?;
    if phone.is_none() && email.is_none() {
        return Err(Failure::nobody());
    }
    let (first_name, last_name) = (name(fields, "firstName")?, name(fields, "lastName")?);
    let is_bot_active = fields.flag("is_bot_active")?;
    let do_not_disturb = fields.flag("do_not_disturb")?;
    let external_id = fields.text(&["externalId"], SHORT)?;
    let list = fields.text(&["listId"], SHORT)?;
    let lists = fields.texts("listIds")?;
    let channel = fields.text(&["customChannel"], MAX_CHANNEL_NAME)?;
    let identity = channel.zip(external_id.clone());
    Ok(Wanted {
        contact: NewContact {
            first_name,
            last_name,
            phone,
            email,
            external_id,
            is_bot_active: is_bot_active.unwrap_or(true),
            do_not_disturb: do_not_disturb.unwrap_or(false),
            identity: identity.map(|(channel, external_id)| Identity {
                channel,
                external_id,
            }),
            ..NewContact::default()
        },
        lists: lists.unwrap_or_else(|| list.into_iter().collect()),
    })
}

/// `POST contacts`.
pub async fn create(call: ContactsCall) -> Reply {
    let wanted = &wanted(&call.input.body())?;
    let account = call.caller.account;
    let answered = call
        .commit(|tx| async move {
            let lists = lists_of(&tx, account, &wanted.lists).await?;
            let (mut contact, is_new) = contact::create(&tx, account, &wanted.contact).await?;
            if !is_new {
                return ok(&View::of(&contact));
            }
            for list in &lists {
                contact = list::add(&tx, account, list, &contact).await?;
            }
            answer(StatusCode::CREATED, &View::of(&contact))
        })
        .await?;
    Ok(answered)
}

async fn lists_of(tx: &Tx, account: AccountId, names: &[String]) -> Result<Vec<List>> {
    let mut lists: Vec<List> = Vec::new();
    for name in names {
        let id: Option<ListId> = name.trim().parse().ok();
        if lists.iter().any(|known| Some(known.reference) == id) {
            continue;
        }
        let found = match id {
            Some(id) => list::by_reference(tx, account, id).await?,
            None => None,
        };
        lists.push(found.ok_or_else(list::missing)?);
    }
    Ok(lists)
}

/// `GET contacts?phoneNumber=X` or `?email=X`.
pub async fn look_up(call: ContactsCall) -> Reply {
    let query = call.input.query();
    let (tx, account) = (call.core.db.view(), call.caller.account);
    if let Some(phone) = query.phone_of_query(&["phoneNumber", "phone"])? {
        return found(contact::by_phone(&tx, account, &phone).await?);
    }
    match query.email("email")? {
        Some(email) => found(contact::by_email(&tx, account, &email).await?),
        None => Err(Failure::nobody()),
    }
}

/// `GET contacts/{contactId}`.
pub async fn show(call: ContactsCall) -> Reply {
    found(Some(of_path(&call.core.db.view(), &call).await?))
}

#[derive(Serialize)]
struct Said {
    success: bool,
    message: &'static str,
}

/// What `PUT contacts/{contactId}` asks for; none = nothing.
fn changes(fields: &Fields<'_>) -> Result<Option<Changes>, Failure> {
    let is_blank = |name: &str| {
        let text = fields.given(name).and_then(serde_json::Value::as_str);
        text.is_some_and(|text| text.trim().is_empty())
    };
    let text = |parameter: &str| -> Result<Option<String>, Failure> {
        if is_blank(parameter) {
            return Ok(Some(UNKNOWN.to_owned()));
        }
        fields.text(&[parameter], SHORT)
    };
    let (first_name, last_name) = (text("firstName")?, text("lastName")?);
    let email = if is_blank("email") {
        Some(None)
    } else {
        fields.email("email")?.map(Some)
    };
    let given = PHONE.iter().find(|name| fields.given(name).is_some());
    let phone = match given {
        Some(name) if is_blank(name) => return Err(Failure::not_valid(name)),
        Some(name) => fields.phone(&[name])?,
        None => None,
    };
    let changes = Changes {
        first_name,
        last_name,
        phone: phone.map(Some),
        email,
        custom_fields: None,
        is_bot_active: fields.flag("is_bot_active")?,
        do_not_disturb: fields.flag("do_not_disturb")?,
    };
    Ok((changes != Changes::default()).then_some(changes))
}

/// `PUT contacts/{contactId}`.
pub async fn update(call: ContactsCall) -> Reply {
    let fields = call.input.body();
    let changes = &changes(&fields)?.ok_or_else(|| fields.missing(&["firstName"]))?;
    let (account, call) = (call.caller.account, &call);
    let clears_email = changes.email == Some(None) && changes.phone.is_none();
    let answered = call
        .commit(|tx| async move {
            let before = of_path(&tx, call).await?;
            if clears_email && before.phone.is_none() {
                // Nor does a contact that never had either lose what it has not.
                return Err(contact::nobody());
            }
            contact::update(&tx, account, before.id, changes).await?;
            ok(&Said {
                success: true,
                message: "Contact updated successfully",
            })
        })
        .await?;
    Ok(answered)
}

#[derive(Serialize)]
struct Tag {
    name: String,
    description: &'static str,
}

/// `GET contacts/tags/{contactId}`.
pub async fn tags(call: ContactsCall) -> Reply {
    let (tx, account) = (call.core.db.view(), call.caller.account);
    let contact = of_path(&tx, &call).await?;
    let names = conversation::tags_of_contact(&tx, account, contact.id).await?;
    let tags = names.into_iter().map(|name| Tag {
        name,
        description: "",
    });
    Ok(ok(&tags.collect::<Vec<_>>())?)
}
