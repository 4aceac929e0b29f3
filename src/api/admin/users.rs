//! Users of an account, as the operator makes them: the first owner above all.
//!
//! Owns the routes. A password is taken and never shown.

use bytes::Bytes;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use crate::api::dialect::{Reply, answer, decode, ok};
use crate::api::front::{Call, pairs};
use crate::domain::user::{self, Changes, User, rules};
use crate::domain::{account, text, words};
use crate::error::{Error, Result};
use crate::id::{AccountId, PersonId};
use crate::store::Tx;

/// Users of a page.
const MAX_PAGE: usize = 1000;

/// What is given of a user.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wire {
    username: Option<String>,
    email: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    phone: Option<String>,
    external_id: Option<String>,
    account_type: Option<String>,
    password: Option<String>,
    active: Option<bool>,
    gender: Option<String>,
    online_status: Option<String>,
}

#[derive(Serialize)]
struct View {
    user: u64,
    #[serde(rename = "ref")]
    reference: PersonId,
    username: String,
    email: String,
    first_name: String,
    last_name: String,
    phone: String,
    external_id: Option<String>,
    account_type: String,
    has_password: bool,
    active: bool,
    online_status: String,
    contact: Option<u64>,
    date_added: String,
}

fn view(user: User) -> View {
    View {
        user: user.id,
        reference: user.reference,
        username: user.username,
        email: user.email,
        first_name: user.first_name,
        last_name: user.last_name,
        phone: user.phone,
        external_id: user.external_id,
        account_type: user.account_type,
        has_password: user.password.is_some(),
        active: user.active,
        online_status: user.online_status,
        contact: user.contact_id,
        date_added: user.date_added.to_string(),
    }
}

#[derive(Serialize)]
struct Users {
    users: Vec<View>,
    /// `after` of the next page.
    next: Option<u64>,
}

/// `GET accounts/{account}/users`; with `agents=true` all active agents.
pub(super) async fn list(call: Call<Bytes>) -> Reply {
    let (mut after, mut agents) = (None, false);
    for (name, value) in pairs(call.head.query.as_bytes())? {
        if name == "agents" {
            agents = value == "true";
        }
        if name == "after" {
            let id = value.parse();
            after = Some(id.map_err(|_| Error::invalid("after", "must be taken from \"next\""))?);
        }
    }
    let tx = call.core.db.view();
    if agents {
        let agents = user::active_agents(&tx, call.caller.account).await?;
        let users = agents.into_iter().map(view).collect();
        return Ok(ok(&Users { users, next: None })?);
    }
    let users = user::list(&tx, call.caller.account, after, MAX_PAGE).await?;
    let last = users.last().map(|user| user.id);
    let next = last.filter(|_| users.len() == MAX_PAGE);
    let users = users.into_iter().map(view).collect();
    Ok(ok(&Users { users, next })?)
}

/// `POST accounts/{account}/users`.
pub(super) async fn add(call: Call<Bytes>) -> Reply {
    let wire: Wire = decode(&call.input)?;
    for (field, value) in [
        ("username", &wire.username),
        ("email", &wire.email),
        ("first_name", &wire.first_name),
        ("last_name", &wire.last_name),
        ("account_type", &wire.account_type),
    ] {
        if value.is_none() {
            return Err(Error::invalid(field, "must be given").into());
        }
    }
    let changes = &checked(&call, wire).await?;
    let id = call.caller.account;
    let added = call
        .commit_order(|tx| async move {
            let account = account::by_id(&tx, id).await?;
            let user = user::create(&tx, &account, changes, None).await?;
            answer(StatusCode::CREATED, &view(user))
        })
        .await?;
    Ok(added)
}

/// `PATCH accounts/{account}/users/{user}`: by its integer id or its username.
pub(super) async fn set(call: Call<Bytes>) -> Reply {
    let changes = &checked(&call, decode(&call.input)?).await?;
    let (id, named) = (call.caller.account, call.head.param("user"));
    let named = named.unwrap_or_default();
    let answered = call
        .commit_order(|tx| async move {
            let account = account::by_id(&tx, id).await?;
            let found = find(&tx, id, named).await?;
            let user = user::update(&tx, &account, found.id, changes).await?;
            ok(&view(user))
        })
        .await?;
    Ok(answered)
}

/// The user with this integer id or username.
pub(super) async fn find(tx: &Tx, account: AccountId, named: &str) -> Result<User> {
    let found = match named.parse() {
        Ok(number) => user::by_id(tx, account, number).await?,
        Err(_) => None,
    };
    let found = match found {
        Some(found) => Some(found),
        None if named.len() > rules::MAX_EMAIL => None,
        None => user::by_username(tx, account, named).await?,
    };
    found.ok_or_else(|| Error::not_found("There is no such user"))
}

/// The texts in their forms, the password hashed.
async fn checked(call: &Call<Bytes>, wire: Wire) -> Result<Changes> {
    let formed = |field, value: Option<String>, is_valid: fn(&str) -> bool, what| match value {
        Some(value) if !is_valid(&value) => Err(Error::invalid(field, what)),
        other => Ok(other),
    };
    let named = |field, value: Option<String>, most| {
        let named = value.map(|value| text::name(field, &value, most));
        named.transpose()
    };
    let what = "must be letters, digits and hyphens, at most 64, or an e-mail address";
    let username = formed("username", wire.username, rules::is_username, what)?;
    let what = "must be an e-mail address";
    let email = formed("email", wire.email, words::is_email, what)?;
    let what = rules::PASSWORD_RULE;
    let password = formed("password", wire.password, rules::is_password, what)?;
    let what = "must be M or F";
    let gender = formed("gender", wire.gender, rules::is_gender, what)?;
    let online_status = wire.online_status.map(|letters| {
        let known = rules::online_status(&letters);
        known.ok_or_else(|| Error::invalid("online_status", "must be letters of TPM, or F"))
    });
    let mut changes = Changes {
        gender,
        online_status: online_status.transpose()?,
        username,
        email,
        first_name: named("first_name", wire.first_name, rules::MAX_TEXT)?,
        last_name: named("last_name", wire.last_name, rules::MAX_TEXT)?,
        phone: named("phone", wire.phone, rules::MAX_PHONE)?,
        external_id: named("external_id", wire.external_id, rules::MAX_TEXT)?,
        account_type: named("account_type", wire.account_type, rules::MAX_TYPE)?,
        active: wire.active,
        ..Changes::default()
    };
    if let Some(password) = password {
        text::token("password", &password, 1, rules::MAX_PASSWORD)?;
        changes.password = Some(call.core.callers.passwords().hash(&password).await?);
    }
    Ok(changes)
}
