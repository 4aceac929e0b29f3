//! Who is meant by an identifier, and how people are shown.
//!
//! Owns the rows CUST and CUSTINFO and the names of people. Does not know any call.

use crate::api::helpdesk::call::HelpdeskCall;
use crate::api::helpdesk::faults;
use crate::api::helpdesk::value::Value;
use crate::auth::person_token::PersonTokens;
use crate::domain::contact::{self, Contact, CustomField};
use crate::domain::conversation::By;
use crate::domain::conversation::message::Author;
use crate::domain::user::{self, User};
use crate::error::Result;
use crate::id::AccountId;
use crate::store::Tx;

/// The names of a registered customer's and a visitor's cookie.
const REGISTERED_COOKIE: &str = "V_auth";
const VISITOR_COOKIE: &str = "LaVisitorId";

/// Who an identifier can name.
#[derive(Debug, Clone)]
pub enum Somebody {
    /// An active agent.
    Agent(Box<User>),
    /// An active contact.
    Customer(Box<Contact>),
}

impl Somebody {
    /// As the author of a message.
    pub fn author(&self) -> Author {
        match self {
            Self::Agent(user) => Author::User(user.id),
            Self::Customer(contact) => Author::Contact(contact.id),
        }
    }
}

/// The agent with this e-mail address or reference, active or not.
pub async fn agent(tx: &Tx, account: AccountId, named: &str) -> Result<Option<User>> {
    let found = match named.parse() {
        Ok(reference) => user::by_reference(tx, account, reference).await?,
        Err(_) if named.len() > user::rules::MAX_EMAIL => None,
        Err(_) => user::by_email(tx, account, named).await?,
    };
    Ok(found.filter(|user| user.role().is_some()))
}

/// The active agent whom a parameter names.
pub async fn active_agent(tx: &Tx, account: AccountId, named: &str) -> Result<Option<User>> {
    let found = agent(tx, account, named).await?;
    Ok(found.filter(|user| user.active))
}

/// The customer with this e-mail address, reference, or reference of its user.
pub async fn customer(tx: &Tx, account: AccountId, named: &str) -> Result<Option<Contact>> {
    let Ok(reference) = named.parse() else {
        return match named.len() {
            0..=user::rules::MAX_EMAIL => contact::by_email(tx, account, named).await,
            _ => Ok(None),
        };
    };
    if let Some(found) = contact::by_reference(tx, account, reference).await? {
        return Ok(Some(found));
    }
    let user = user::by_reference(tx, account, reference).await?;
    match user.and_then(|user| user.contact_id) {
        Some(id) => contact::active(tx, account, id).await,
        None => Ok(None),
    }
}

/// The customer whom the path names.
pub async fn customer_of_path(tx: &Tx, call: &HelpdeskCall) -> Result<Contact> {
    let named = call.named();
    let found = customer(tx, call.account.id, named).await?;
    found.ok_or_else(|| faults::no_person("customer", named))
}

/// The agent, else the customer, whom a parameter names.
pub async fn somebody(tx: &Tx, account: AccountId, named: &str) -> Result<Somebody> {
    if let Some(agent) = active_agent(tx, account, named).await? {
        return Ok(Somebody::Agent(Box::new(agent)));
    }
    let found = customer(tx, account, named).await?;
    let found = found.ok_or_else(|| faults::unable("user"))?;
    Ok(Somebody::Customer(Box::new(found)))
}

/// Who makes a change: whom the parameter names, else System.
pub async fn by(tx: &Tx, account: AccountId, named: Option<&str>) -> Result<By> {
    let somebody = match named {
        Some(named) => Some(somebody(tx, account, named).await?),
        None => None,
    };
    Ok(By {
        author: somebody.as_ref().map_or(Author::System, Somebody::author),
        actor: match somebody {
            Some(Somebody::Agent(user)) => Some(user.username),
            Some(Somebody::Customer(_)) | None => None,
        },
    })
}

/// First and last name of a full one, parted at its last space.
pub fn parted(name: &str) -> (String, String) {
    match name.rsplit_once(' ') {
        Some((first, last)) => (first.trim().to_owned(), last.to_owned()),
        None => (name.to_owned(), String::new()),
    }
}

/// "first last" as far as there is one.
fn full(first: &str, last: &str) -> Option<String> {
    let full = format!("{first} {last}");
    let full = full.trim();
    (!full.is_empty()).then(|| full.to_owned())
}

/// systemname of an agent.
pub fn agent_name(agent: &User) -> String {
    let named = full(&agent.first_name, &agent.last_name);
    let mailed = (!agent.email.is_empty()).then(|| agent.email.clone());
    named
        .or(mailed)
        .unwrap_or_else(|| agent.reference.to_string())
}

/// ownername of a customer.
pub fn owner_name(contact: &Contact) -> Option<String> {
    let named = full(&contact.first_name, &contact.last_name);
    let mailed = named.or_else(|| contact.email.clone());
    mailed.or_else(|| contact.phone.clone())
}

/// systemname of a customer.
fn system_name(contact: &Contact) -> String {
    owner_name(contact).unwrap_or_else(|| contact.reference.to_string())
}

/// The letters of an online status.
pub fn online(letters: &str) -> Value {
    if letters.is_empty() { "F" } else { letters }.into()
}

/// Custom fields.
pub fn fields(fields: &[CustomField]) -> Value {
    let rows = fields.iter().map(|field| {
        Value::members([
            ("code", field.code.as_str().into()),
            ("value", field.value.as_str().into()),
        ])
    });
    Value::Rows("customfield", rows.collect())
}

/// userid and role of a customer.
async fn registered(tx: &Tx, account: AccountId, contact: &Contact) -> Result<(String, bool)> {
    let user = user::of_contact(tx, account, contact.id).await?;
    Ok(match user {
        Some(user) => (user.reference.to_string(), true),
        None => (contact.reference.to_string(), false),
    })
}

/// CUST.
pub async fn cust(tx: &Tx, call: &HelpdeskCall, contact: &Contact) -> Result<Value> {
    let (userid, is_registered) = registered(tx, call.account.id, contact).await?;
    Ok(Value::members([
        ("contactid", contact.reference.to_string().into()),
        ("email", contact.email.as_deref().into()),
        ("firstname", contact.first_name.as_str().into()),
        ("lastname", contact.last_name.as_str().into()),
        ("systemname", system_name(contact).into()),
        ("userid", userid.into()),
        ("datecreated", call.local(contact.created_at)),
        ("role", if is_registered { "R" } else { "V" }.into()),
        ("gender", contact.gender.as_deref().into()),
    ]))
}

/// CUSTINFO.
pub async fn cust_info(
    tx: &Tx,
    call: &HelpdeskCall,
    tokens: &PersonTokens,
    contact: &Contact,
) -> Result<Value> {
    let (userid, is_registered) = registered(tx, call.account.id, contact).await?;
    let (cookie, role) = if is_registered {
        (REGISTERED_COOKIE, "R")
    } else {
        (VISITOR_COOKIE, "V")
    };
    Ok(Value::members([
        ("contactid", contact.reference.to_string().into()),
        ("email", contact.email.as_deref().into()),
        ("firstname", contact.first_name.as_str().into()),
        ("lastname", contact.last_name.as_str().into()),
        ("systemname", system_name(contact).into()),
        ("authtoken", tokens.of(contact.reference)?.into()),
        ("browsercookiename", cookie.into()),
        ("role", role.into()),
        ("gender", contact.gender.as_deref().into()),
        ("userid", userid.into()),
        ("datecreated", call.local(contact.created_at)),
        ("customfields", fields(&contact.custom_fields)),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parted_at_the_last_space() {
        for (name, first, last) in [
            ("Jane Smith", "Jane", "Smith"),
            ("Jane van Dyke", "Jane van", "Dyke"),
            ("Jane", "Jane", ""),
            ("Jane  Smith", "Jane", "Smith"),
        ] {
            assert_eq!(parted(name), (first.to_owned(), last.to_owned()), "{name}");
        }
    }
}
