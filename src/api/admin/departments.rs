//! Departments of an account, which only the operator makes.
//!
//! Owns the routes, and how a department and its agents are named.

use std::collections::BTreeSet;

use bytes::Bytes;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use super::users;
use crate::api::dialect::{Reply, answer, decode, ok};
use crate::api::front::Call;
use crate::domain::department::{self, Changes, Department, MAX_NAME};
use crate::domain::{account, text, user, words};
use crate::error::{Error, Result};
use crate::id::{AccountId, DepartmentId};
use crate::store::Tx;

/// Characters of a description.
const MAX_DESCRIPTION: usize = 255;
/// Agents of a department.
const MAX_AGENTS: usize = 1000;

/// What is given of a department.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wire {
    name: Option<String>,
    description: Option<String>,
    /// Integer ids, usernames; all of them.
    agents: Option<Vec<String>>,
}

#[derive(Serialize)]
struct View {
    department: DepartmentId,
    name: String,
    description: String,
    agents: Vec<String>,
    deleted: bool,
}

async fn view(tx: &Tx, account: AccountId, department: Department) -> Result<View> {
    let mut agents = Vec::with_capacity(department.agents.len());
    for id in &department.agents {
        let found = user::by_id(tx, account, *id).await?;
        agents.extend(found.map(|user| user.username));
    }
    Ok(View {
        department: department.reference,
        name: department.name,
        description: department.description,
        agents,
        deleted: department.deleted,
    })
}

/// `GET accounts/{account}/departments`.
pub(super) async fn list(call: Call<Bytes>) -> Reply {
    #[derive(Serialize)]
    struct Departments {
        departments: Vec<View>,
    }
    let (tx, id) = (call.core.db.view(), call.caller.account);
    let mut departments = Vec::new();
    for department in department::all(&tx, id).await? {
        departments.push(view(&tx, id, department).await?);
    }
    Ok(ok(&Departments { departments })?)
}

/// `POST accounts/{account}/departments`.
pub(super) async fn add(call: Call<Bytes>) -> Reply {
    let wire: Wire = decode(&call.input)?;
    if wire.name.is_none() {
        return Err(Error::invalid("name", "must be given").into());
    }
    let (wire, id) = (&checked(wire)?, call.caller.account);
    let added = call
        .commit_order(|tx| async move {
            let changes = changes(&tx, id, wire).await?;
            let added = department::add(&tx, id, &changes).await?;
            answer(StatusCode::CREATED, &view(&tx, id, added).await?)
        })
        .await?;
    Ok(added)
}

/// `PATCH accounts/{account}/departments/{department}`: by its reference or name.
pub(super) async fn set(call: Call<Bytes>) -> Reply {
    let wire = &checked(decode(&call.input)?)?;
    let (id, head) = (call.caller.account, &call.head);
    let named = head.param("department").unwrap_or_default();
    let set = call
        .commit_order(|tx| async move {
            let found = find(&tx, id, named).await?;
            let changes = changes(&tx, id, wire).await?;
            let after = department::update(&tx, id, &found, &changes).await?;
            ok(&view(&tx, id, after).await?)
        })
        .await?;
    Ok(set)
}

/// `DELETE accounts/{account}/departments/{department}`.
pub(super) async fn remove(call: Call<Bytes>) -> Reply {
    let (id, head) = (call.caller.account, &call.head);
    let named = head.param("department").unwrap_or_default();
    let removed = call
        .commit_order(|tx| async move {
            let account = account::by_id(&tx, id).await?;
            let found = find(&tx, id, named).await?;
            let after = department::delete(&tx, &account, &found).await?;
            ok(&view(&tx, id, after).await?)
        })
        .await?;
    Ok(removed)
}

fn checked(wire: Wire) -> Result<Wire> {
    let name = wire.name.map(|name| text::name("name", &name, MAX_NAME));
    let description = wire.description;
    let note = |given: String| text::note("description", &given, MAX_DESCRIPTION);
    if wire
        .agents
        .as_ref()
        .is_some_and(|agents| agents.len() > MAX_AGENTS)
    {
        return Err(Error::invalid("agents", "must be at most 1000"));
    }
    Ok(Wire {
        name: name.transpose()?,
        description: description.map(note).transpose()?,
        agents: wire.agents,
    })
}

async fn changes(tx: &Tx, account: AccountId, wire: &Wire) -> Result<Changes> {
    let mut agents = None;
    if let Some(named) = &wire.agents {
        let mut ids = BTreeSet::new();
        for named in named {
            ids.insert(users::find(tx, account, named).await?.id);
        }
        agents = Some(ids);
    }
    Ok(Changes {
        name: wire.name.clone(),
        description: wire.description.clone(),
        agents,
    })
}

/// The department that is not deleted with this reference or name.
async fn find(tx: &Tx, account: AccountId, named: &str) -> Result<Department> {
    let all = department::all(tx, account).await?;
    let is_named = |found: &Department| {
        found.reference.to_string() == named || words::fold(&found.name) == words::fold(named)
    };
    let mut live = all.into_iter().filter(|found| !found.deleted);
    let found = live.find(is_named);
    found.ok_or_else(|| Error::not_found("There is no such department"))
}
