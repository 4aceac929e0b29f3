//! The operator's API on the admin socket: accounts, keys, the state of the whole.
//!
//! Who may open the socket is the operator, so there is no key, no HTTPS rule and no limit. Owns
//! `/admin/v1/`; below `/admin/v1/accounts/{account}/` stand the routes of the management API,
//! which the composition hands in. Does not know the relay but through [`Live`].

mod accounts;
mod departments;
mod knowledge;
mod queue;
mod status;
mod users;

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::routing::{MethodRouter, delete, get, patch};
use serde::Serialize;

use super::dialect::{Door, Json};
use super::front::{Core, Gate, Head, Mount};
use crate::auth::caller::Caller;
use crate::clock::Timestamp;
use crate::domain::account;
use crate::error::Result;
use crate::id::AccountId;
use crate::live::Live;

const PREFIX: &str = "/admin/v1";
/// Of both surfaces of this socket, which are always open: the operator wants to know most when
/// the daemon is unwell.
const NAME: &str = "admin";
/// Where the management API's routes stand for an account.
const ACCOUNT: &str = "/admin/v1/accounts/{account}";

/// Figures of the store, opaque to this room.
pub type StoreFigures = Arc<dyn Fn() -> serde_json::Value + Send + Sync>;

/// Where callers reach the daemon: the ports that were really bound.
#[derive(Debug, Default, Clone, Serialize)]
pub struct Listening {
    /// Plain HTTP.
    pub listen: Vec<SocketAddr>,
    /// TLS.
    pub tls_listen: Vec<SocketAddr>,
}

/// What the operator's routes need.
pub struct Context {
    /// What every surface stands on.
    pub core: Arc<Core>,
    /// The running relay.
    pub live: Arc<dyn Live>,
    /// When the daemon started.
    pub started: Timestamp,
    /// Known as soon as everything is bound, which is before anybody is answered.
    pub listening: Arc<OnceLock<Listening>>,
    /// Figures of the store.
    pub store: StoreFigures,
}

impl fmt::Debug for Context {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Context").finish_non_exhaustive()
    }
}

/// The operator, who needs no proof on this socket: for routes of the whole installation.
#[derive(Debug)]
struct Admin;

/// The operator acting for the account in the path.
#[derive(Debug)]
pub struct Operator {
    core: Arc<Core>,
}

/// The account that stands for the whole installation: no account has it.
const INSTALLATION: AccountId = AccountId::from_number(0);

impl Door for Admin {
    const NAME: &'static str = NAME;
    const ALWAYS_OPEN: bool = true;

    async fn identify(&self, _: &Head) -> Result<Caller> {
        Ok(Caller::operator(INSTALLATION))
    }
}

impl Door for Operator {
    const NAME: &'static str = NAME;
    const ALWAYS_OPEN: bool = true;

    async fn identify(&self, head: &Head) -> Result<Caller> {
        let named = head.param("account").unwrap_or_default();
        let found = account::find(&self.core.db.view(), named).await?;
        Ok(Caller::operator(found.id))
    }
}

/// The gate for the management API's routes on this socket.
pub fn gate(core: &Arc<Core>) -> Gate<Json<Operator>> {
    let operator = Json(Operator { core: core.clone() });
    Gate::new(core.clone(), Arc::new(operator))
}

/// The operator's API. `manage` makes the management API's routes below a prefix behind a gate.
pub fn mount(
    context: &Arc<Context>,
    manage: impl FnOnce(&str, &Gate<Json<Operator>>) -> Router,
) -> Mount {
    let core = &context.core;
    let surface = Arc::new(Json(Admin));
    let whole = Gate::new(core.clone(), surface.clone());
    let one = gate(core);
    let with = |methods: MethodRouter<Arc<Context>>| methods.with_state(context.clone());
    let router = Router::new()
        .route(
            &format!("{PREFIX}/accounts"),
            whole.guard(with(get(accounts::list).post(accounts::create))),
        )
        .route(
            &format!("{PREFIX}/status"),
            whole.guard(with(get(status::status))),
        )
        .route(
            &format!("{PREFIX}/queue"),
            whole.guard(with(get(queue::show))),
        )
        .route(
            ACCOUNT,
            one.guard(with(get(accounts::show).patch(accounts::set))),
        )
        .route(
            &format!("{ACCOUNT}/keys"),
            one.guard(with(get(accounts::keys).post(accounts::add_key))),
        )
        .route(
            &format!("{ACCOUNT}/keys/{{key}}"),
            one.guard(with(delete(accounts::revoke_key))),
        )
        .route(
            &format!("{ACCOUNT}/users"),
            one.guard(with(get(users::list).post(users::add))),
        )
        .route(
            &format!("{ACCOUNT}/users/{{user}}"),
            one.guard(with(patch(users::set))),
        )
        .merge(desk(&one))
        .merge(manage(ACCOUNT, &one));
    Mount::new(&surface, &[PREFIX], router)
}

/// What a helpdesk needs and no call of its surface creates.
fn desk(one: &Gate<Json<Operator>>) -> Router {
    let path = |below: &str| format!("{ACCOUNT}/{below}");
    Router::new()
        .route(
            &path("departments"),
            one.guard(get(departments::list).post(departments::add)),
        )
        .route(
            &path("departments/{department}"),
            one.guard(patch(departments::set).delete(departments::remove)),
        )
        .route(
            &path("categories"),
            one.guard(get(knowledge::categories).post(knowledge::add_category)),
        )
        .route(
            &path("categories/{entry}"),
            one.guard(patch(knowledge::set_category).delete(knowledge::remove_category)),
        )
        .route(
            &path("articles"),
            one.guard(get(knowledge::articles).post(knowledge::add_article)),
        )
        .route(
            &path("articles/{entry}"),
            one.guard(patch(knowledge::set_article).delete(knowledge::remove_article)),
        )
}
