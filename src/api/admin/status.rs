//! The state of the whole.
//!
//! Owns what is summed up, and the one word for an endpoint's state. The figures are the relay's
//! and the store's.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use bytes::Bytes;
use serde::Serialize;

use super::{Context, Listening};
use crate::api::dialect::{Reply, ok};
use crate::api::front::{Call, Core};
use crate::clock::Timestamp;
use crate::domain::endpoint::{AuthState, Endpoint, Order, Protocol};
use crate::error::Result;
use crate::id::{AccountId, EndpointId};
use crate::live::{EndpointNow, Health};
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
    /// Of the endpoints that were counted.
    pending: u64,
    /// Endpoints that were not counted yet since the start.
    uncounted: u64,
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
            if now.counted {
                queue.pending += now.pending;
            } else {
                queue.uncounted += 1;
            }
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

/// Every endpoint of the installation with the relay's figures, where it has any.
pub(super) async fn rows(
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
pub(super) fn state(endpoint: &Endpoint, now: Option<&EndpointNow>) -> &'static str {
    let counted = now.filter(|now| now.counted);
    match (endpoint.order, counted.map(|now| now.health)) {
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
