//! The state of the whole: status and queue.
//!
//! Owns what is summed up. The figures are the relay's and the store's.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use axum::extract::State;
use bytes::Bytes;
use serde::Serialize;

use super::{Context, Listening};
use crate::api::dialect::{Reply, ok};
use crate::api::front::{Call, Core};
use crate::clock::Timestamp;
use crate::domain::account;
use crate::domain::endpoint::{AuthState, Endpoint, Order, Protocol};
use crate::error::{Error, Result};
use crate::id::{AccountId, EndpointId};
use crate::live::{EndpointNow, Health, Wait};
use crate::store::keys;

/// Endpoint records read at a time.
const PAGE: usize = 1000;

#[derive(Serialize)]
struct Status {
    version: &'static str,
    pid: u32,
    started_at: String,
    uptime_s: u64,
    #[serde(flatten)]
    listening: Listening,
    accepting: bool,
    /// False while the relay starts or stops; its figures are then missing.
    relay_running: bool,
    endpoints: BTreeMap<&'static str, u64>,
    queue: Totals,
    store: serde_json::Value,
}

#[derive(Default, Serialize)]
struct Totals {
    pending: u64,
    open_batches: u64,
    in_flight: u64,
    delivered: u64,
    dead: u64,
    oldest: Option<String>,
}

/// `GET status`.
pub(super) async fn status(State(context): State<Arc<Context>>, call: Call<Bytes>) -> Reply {
    let running = context.live.endpoints(None).await;
    let relay_running = running.is_ok();
    let rows = rows(&call.core, running.unwrap_or_default()).await?;
    let mut endpoints: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut queue = Totals::default();
    let mut oldest: Option<Timestamp> = None;
    for (endpoint, now) in &rows {
        *endpoints.entry(state(endpoint, now.as_ref())).or_default() += 1;
        if let Some(now) = now {
            queue.pending += now.pending;
            queue.open_batches += now.open_batches;
            queue.in_flight += now.in_flight;
            queue.delivered += now.delivered;
            queue.dead += now.dead;
            oldest = match (oldest, now.oldest) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
    }
    queue.oldest = oldest.map(|time| time.to_string());
    let now = call.core.db.clock().now();
    Ok(ok(&Status {
        version: env!("CARGO_PKG_VERSION"),
        pid: std::process::id(),
        started_at: context.started.to_string(),
        uptime_s: now.since(context.started).0 / 1000,
        listening: context.listening.get().cloned().unwrap_or_default(),
        accepting: call.core.accepting.get(),
        relay_running,
        endpoints,
        queue,
        store: (context.store)(),
    })?)
}

#[derive(Serialize)]
struct Queue {
    endpoints: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    account: AccountId,
    account_name: String,
    endpoint: EndpointId,
    url: String,
    state: &'static str,
    pending: u64,
    in_flight: u64,
    open_batches: u64,
    oldest: Option<String>,
    /// Age of the oldest pending message in seconds.
    oldest_age_s: Option<u64>,
    last_class: Option<&'static str>,
    /// Why nothing goes out although something waits.
    wait: Option<&'static str>,
    /// When that may change by itself.
    until: Option<String>,
}

/// `GET queue`: one row per endpoint, the longest waiting first.
pub(super) async fn queue(State(context): State<Arc<Context>>, call: Call<Bytes>) -> Reply {
    let running = context
        .live
        .endpoints(None)
        .await
        .map_err(|_| Error::unavailable("The relay is not running now"))?;
    let time = call.core.db.clock().now();
    let rows = rows(&call.core, running).await?;
    let names = account_names(&call.core, &rows).await?;
    let mut endpoints: Vec<Row> = rows
        .into_iter()
        .map(|(endpoint, now)| {
            let name = names.get(&endpoint.account).cloned().unwrap_or_default();
            row(endpoint, name, now.as_ref(), time)
        })
        .collect();
    endpoints.sort_by_key(|row| std::cmp::Reverse(row.oldest_age_s));
    Ok(ok(&Queue { endpoints })?)
}

/// The names of the accounts of these rows.
async fn account_names(
    core: &Core,
    rows: &[(Endpoint, Option<EndpointNow>)],
) -> Result<BTreeMap<AccountId, String>> {
    let view = core.db.view();
    let mut names = BTreeMap::new();
    for (endpoint, _) in rows {
        if let Entry::Vacant(unknown) = names.entry(endpoint.account) {
            let found = account::find(&view, &endpoint.account.to_string()).await?;
            unknown.insert(found.name);
        }
    }
    Ok(names)
}

fn row(
    endpoint: Endpoint,
    account_name: String,
    now: Option<&EndpointNow>,
    time: Timestamp,
) -> Row {
    let oldest = now.and_then(|now| now.oldest);
    let wait = now.and_then(|now| now.wait.as_ref());
    Row {
        account: endpoint.account,
        account_name,
        endpoint: endpoint.id,
        state: state(&endpoint, now),
        url: endpoint.url,
        pending: now.map_or(0, |now| now.pending),
        in_flight: now.map_or(0, |now| now.in_flight),
        open_batches: now.map_or(0, |now| now.open_batches),
        oldest: oldest.map(|time| time.to_string()),
        oldest_age_s: oldest.map(|oldest| time.since(oldest).0 / 1000),
        last_class: now
            .and_then(|now| now.last_class)
            .map(crate::attempt::Class::as_str),
        wait: wait.map(Wait::as_str),
        until: wait.and_then(Wait::until).map(|time| time.to_string()),
    }
}

/// Every endpoint of the installation with the relay's figures, where it has any.
async fn rows(
    core: &Core,
    running: Vec<EndpointNow>,
) -> Result<Vec<(Endpoint, Option<EndpointNow>)>> {
    let mut known: BTreeMap<(AccountId, EndpointId), EndpointNow> = running
        .into_iter()
        .map(|now| ((now.account, now.endpoint), now))
        .collect();
    let view = core.db.view();
    let mut range = keys::all_endpoints();
    let mut rows = Vec::new();
    loop {
        let page = view.read_range::<Endpoint>(&range, PAGE).await?;
        let full = page.len() == PAGE;
        let last = page.last().map(|(key, _)| key.clone());
        rows.extend(page.into_iter().map(|(_, endpoint)| {
            let now = known.remove(&(endpoint.account, endpoint.id));
            (endpoint, now)
        }));
        match last {
            Some(last) if full => range = range.following(&last),
            _ => return Ok(rows),
        }
    }
}

/// One word for an endpoint, by what stands in the way first: its order, its health, its
/// authentication.
fn state(endpoint: &Endpoint, now: Option<&EndpointNow>) -> &'static str {
    match (endpoint.order, now.map(|now| now.health)) {
        (Order::Disabled(_), _) => "disabled",
        (Order::OnHold, _) => "on_hold",
        (Order::Enabled, Some(Health::Suspended { .. })) => "suspended",
        (Order::Enabled, Some(Health::Probing)) => "probing",
        (Order::Enabled, Some(Health::Open { .. })) => authentication(endpoint),
        (Order::Enabled, None) => "starting",
    }
}

fn authentication(endpoint: &Endpoint) -> &'static str {
    match (endpoint.protocol, endpoint.authentication.state) {
        (Protocol::Standard, _) | (_, AuthState::Verified { .. }) => "open",
        (_, AuthState::Unverified) => "unverified",
        (_, AuthState::Verifying) => "verifying",
        (_, AuthState::AwaitingConfirmation { .. }) => "awaiting_confirmation",
    }
}
