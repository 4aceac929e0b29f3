//! Who is on a list (`protocols/contacts-api.md` 2.3 and section 3).
//!
//! Owns the parameters and answers of these operations. Does not know how a list comes to be.

use serde::Serialize;

use super::ContactsCall;
use super::params::SHORT;
use super::people::named;
use super::wire::Reply;
use crate::api::dialect::ok;
use crate::domain::list::{self, List};
use crate::error::Result;
use crate::id::AccountId;
use crate::store::Tx;

const CONTACT: [&str; 1] = ["contactId"];
const LIST: [&str; 1] = ["listId"];

#[derive(Serialize)]
struct Said {
    success: bool,
    message: String,
}

async fn listed(tx: &Tx, account: AccountId, text: &str) -> Result<List> {
    let found = match text.parse() {
        Ok(id) => list::by_reference(tx, account, id).await?,
        Err(_) => None,
    };
    found.ok_or_else(list::missing)
}

/// `POST lists/{listId}/contacts`.
pub async fn add(call: ContactsCall) -> Reply {
    let contact = call.input.body().required(&CONTACT, SHORT)?;
    let list = call.head.param("list").unwrap_or_default().to_owned();
    put_on(&call, &list, &contact).await
}

/// `POST contacts/lists`.
pub async fn add_named(call: ContactsCall) -> Reply {
    let fields = call.input.body();
    let contact = fields.required(&CONTACT, SHORT)?;
    let list = fields.required(&LIST, SHORT)?;
    put_on(&call, &list, &contact).await
}

async fn put_on(call: &ContactsCall, list: &str, contact: &str) -> Reply {
    let account = call.caller.account;
    let answered = call
        .commit(|tx| async move {
            let list = listed(&tx, account, list).await?;
            let contact = named(&tx, account, contact).await?;
            list::add(&tx, account, &list, &contact).await?;
            ok(&Said {
                success: true,
                message: format!("Contact successfully added to list {}", list.name),
            })
        })
        .await?;
    Ok(answered)
}

/// `DELETE contacts/lists`.
pub async fn take_off(call: ContactsCall) -> Reply {
    let fields = call.input.either();
    let contact = &fields.required(&CONTACT, SHORT)?;
    let list = &fields.required(&LIST, SHORT)?;
    let account = call.caller.account;
    let answered = call
        .commit(|tx| async move {
            let list = listed(&tx, account, list).await?;
            let contact = named(&tx, account, contact).await?;
            list::take_off(&tx, account, &list, &contact).await?;
            ok(&Said {
                success: true,
                message: format!("Contact successfully removed from list {}", list.name),
            })
        })
        .await?;
    Ok(answered)
}
