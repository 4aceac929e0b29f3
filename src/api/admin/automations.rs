//! Automations, as the operator makes them.
//!
//! Owns the routes. Does not know what an automation does.

use bytes::Bytes;
use hyper::StatusCode;
use serde::Serialize;

use crate::api::dialect::{Reply, answer, decode, ok};
use crate::api::front::{Call, pairs};
use crate::domain::automation::{self, Automation, Changes};
use crate::error::{Error, Kind, Result};

/// Automations of a page.
const MAX_PAGE: usize = 1000;

#[derive(Serialize)]
struct View {
    automation: u64,
    name: String,
    is_on: bool,
    nodes: u32,
    created_at: String,
}

fn view(automation: Automation) -> View {
    View {
        automation: automation.id,
        name: automation.name,
        is_on: automation.is_on,
        nodes: automation.nodes,
        created_at: automation.created_at.to_string(),
    }
}

#[derive(Serialize)]
struct Automations {
    automations: Vec<View>,
    /// `after` of the next page.
    next: Option<u64>,
}

/// `GET accounts/{account}/automations`.
pub(super) async fn list(call: Call<Bytes>) -> Reply {
    let mut after = None;
    for (name, value) in pairs(call.head.query.as_bytes())? {
        if name == "after" {
            let id = value.parse();
            after = Some(id.map_err(|_| Error::invalid("after", "must be taken from \"next\""))?);
        }
    }
    let tx = call.core.db.view();
    let found = automation::list(&tx, call.caller.account, after, MAX_PAGE).await?;
    let last = found.last().map(|automation| automation.id);
    let next = last.filter(|_| found.len() == MAX_PAGE);
    let automations = found.into_iter().map(view).collect();
    Ok(ok(&Automations { automations, next })?)
}

/// `POST accounts/{account}/automations`.
pub(super) async fn add(call: Call<Bytes>) -> Reply {
    let new: &Changes = &decode(&call.input)?;
    let account = call.caller.account;
    let added = call
        .commit_order(|tx| async move {
            let automation = automation::create(&tx, account, new).await?;
            answer(StatusCode::CREATED, &view(automation))
        })
        .await?;
    Ok(added)
}

/// `PATCH accounts/{account}/automations/{automation}`.
pub(super) async fn set(call: Call<Bytes>) -> Reply {
    let changes: &Changes = &decode(&call.input)?;
    let (account, id) = (call.caller.account, named(&call)?);
    let answered = call
        .commit_order(|tx| async move {
            let updated = automation::update(&tx, account, id, changes).await;
            ok(&view(updated.map_err(advised)?))
        })
        .await?;
    Ok(answered)
}

#[derive(Serialize)]
struct Removed {
    automation: u64,
    removed: bool,
}

/// `DELETE accounts/{account}/automations/{automation}`: one with many contacts goes in several
/// commits.
pub(super) async fn remove(call: Call<Bytes>) -> Reply {
    let (account, id) = (call.caller.account, named(&call)?);
    let (db, accounts) = (&call.core.db, [account]);
    loop {
        let thinned = db.transact_essential(&accounts, |tx| async move {
            automation::thin_out(&tx, account, id).await
        });
        if thinned.await.map_err(advised)? {
            break;
        }
    }
    let answered = call
        .commit_order(|tx| async move {
            let removed = automation::remove(&tx, account, id).await;
            removed.map_err(advised)?;
            ok(&Removed {
                automation: id,
                removed: true,
            })
        })
        .await?;
    Ok(answered)
}

fn named(call: &Call<Bytes>) -> Result<u64> {
    let id = call
        .head
        .param("automation")
        .and_then(|text| text.parse().ok());
    id.ok_or_else(|| advised(automation::missing()))
}

/// What to do about an automation that is not there.
fn advised(error: Error) -> Error {
    match error.kind {
        Kind::NotFound => {
            Error::not_found("There is no automation of this id; see hookrelay automation list")
        }
        _ => error,
    }
}
