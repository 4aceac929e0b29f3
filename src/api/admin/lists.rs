//! Lists of contacts, as the operator makes them.
//!
//! Owns the routes. Does not know who is on a list.

use bytes::Bytes;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use crate::api::dialect::{Reply, answer, decode, ok};
use crate::api::front::Call;
use crate::domain::list::{self, Changes, List, MAX_NAME};
use crate::domain::{text, words};
use crate::error::{Error, Result};
use crate::id::{AccountId, ListId};
use crate::store::Tx;

/// Characters of what may name a list.
const MAX_NAMED: usize = 4 * MAX_NAME;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wire {
    name: Option<String>,
    color: Option<String>,
    bg_color: Option<String>,
}

impl Wire {
    fn changes(self) -> Result<Changes> {
        let name = self.name.map(|name| text::name("name", &name, MAX_NAME));
        Ok(Changes {
            name: name.transpose()?,
            color: color("color", self.color)?,
            bg_color: color("bg_color", self.bg_color)?,
        })
    }
}

fn color(field: &'static str, given: Option<String>) -> Result<Option<String>> {
    let wrong = || Error::invalid(field, "must be six hex digits, such as 1ABC9C");
    given
        .map(|text| words::color(&text).ok_or_else(wrong))
        .transpose()
}

#[derive(Serialize)]
struct View {
    list: ListId,
    name: String,
    color: String,
    bg_color: String,
}

fn view(list: List) -> View {
    View {
        list: list.reference,
        name: list.name,
        color: list.color,
        bg_color: list.bg_color,
    }
}

#[derive(Serialize)]
struct Lists {
    lists: Vec<View>,
}

/// `GET accounts/{account}/lists`.
pub(super) async fn list(call: Call<Bytes>) -> Reply {
    let lists = list::all(&call.core.db.view(), call.caller.account).await?;
    let lists = lists.into_iter().map(view).collect();
    Ok(ok(&Lists { lists })?)
}

/// `POST accounts/{account}/lists`.
pub(super) async fn add(call: Call<Bytes>) -> Reply {
    let new = &decode::<Wire>(&call.input)?.changes()?;
    if new.name.is_none() {
        return Err(Error::invalid("name", "must be given").into());
    }
    let account = call.caller.account;
    let added = call
        .commit_order(|tx| async move {
            let list = list::create(&tx, account, new).await?;
            answer(StatusCode::CREATED, &view(list))
        })
        .await?;
    Ok(added)
}

/// `PATCH accounts/{account}/lists/{list}`: by its reference or its name.
pub(super) async fn set(call: Call<Bytes>) -> Reply {
    let changes = &decode::<Wire>(&call.input)?.changes()?;
    let account = call.caller.account;
    let named = call.head.param("list").unwrap_or_default();
    let answered = call
        .commit_order(|tx| async move {
            let before = find(&tx, account, named).await?;
            ok(&view(list::update(&tx, account, &before, changes).await?))
        })
        .await?;
    Ok(answered)
}

/// `DELETE accounts/{account}/lists/{list}`.
pub(super) async fn remove(call: Call<Bytes>) -> Reply {
    let account = call.caller.account;
    let named = call.head.param("list").unwrap_or_default();
    let removed = call
        .commit_order(|tx| async move {
            let found = find(&tx, account, named).await?;
            list::remove(&tx, account, &found).await?;
            ok(&view(found))
        })
        .await?;
    Ok(removed)
}

async fn find(tx: &Tx, account: AccountId, named: &str) -> Result<List> {
    if let Ok(reference) = named.parse()
        && let Some(found) = list::by_reference(tx, account, reference).await?
    {
        return Ok(found);
    }
    let found = match named.len() {
        0..=MAX_NAMED => list::by_name(tx, account, named).await?,
        _ => None,
    };
    found.ok_or_else(|| Error::not_found("There is no such list; see hookrelay list list"))
}
