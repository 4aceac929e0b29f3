//! How endpoints, places and waits look in JSON.
//!
//! Owns the views. They never carry a secret: custom headers show their names only.

use serde::Serialize;

use crate::domain::dead_letter;
use crate::domain::endpoint::{DisabledReason, Endpoint, Ordering, Protocol};
use crate::domain::event::DeadReason;
use crate::error::Result;
use crate::id::{BatchId, EndpointId, Seq};
use crate::live::{EndpointNow, Health, Place, Wait};
use crate::store::{Message, Tx};

use super::settings::ScheduleWire;

/// Where a message is at one endpoint.
#[derive(Debug, Serialize)]
pub struct PlaceView {
    endpoint: EndpointId,
    #[serde(flatten)]
    state: State,
}

#[derive(Debug, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum State {
    NotOffered,
    Queued,
    InFlight {
        batch: BatchId,
        attempts: u32,
    },
    Deferred {
        batch: BatchId,
        attempts: u32,
        due: String,
        why: Option<&'static str>,
    },
    Delivered,
    Dead {
        reason: DeadReason,
        attempts: u32,
        at: String,
        last_class: Option<String>,
        last_status: Option<u16>,
    },
    Filtered,
}

/// Where `message` is at `endpoint`, from what the relay holds and what is stored.
pub async fn place_view(
    view: &Tx,
    endpoint: &Endpoint,
    message: &Message,
    place: Option<Place>,
) -> Result<PlaceView> {
    let admitted = |state| {
        if endpoint.admits(message) {
            state
        } else {
            State::Filtered
        }
    };
    let state = match place {
        _ if message.seq() < endpoint.start => State::NotOffered,
        Some(Place::InFlight { batch, attempts }) => State::InFlight { batch, attempts },
        Some(Place::Deferred {
            batch,
            attempts,
            due,
            why,
        }) => State::Deferred {
            batch,
            attempts,
            due: due.to_string(),
            why: why.map(crate::attempt::Class::as_str),
        },
        Some(Place::Acknowledged) => State::Delivered,
        // The relay has not met the endpoint yet, so nothing can have been sent.
        Some(Place::Above) | None => admitted(State::Queued),
        Some(Place::Settled) => {
            let dead =
                dead_letter::covering(view, endpoint.account, endpoint.id, message.seq()).await?;
            match dead {
                Some(dead) if endpoint.admits(message) => State::Dead {
                    reason: dead.reason,
                    attempts: dead.attempts,
                    at: dead.at.to_string(),
                    last_class: dead.last_class,
                    last_status: dead.last_status,
                },
                _ => admitted(State::Delivered),
            }
        }
    };
    Ok(PlaceView {
        endpoint: endpoint.id,
        state,
    })
}

/// An endpoint with its settings and states.
// Each flag is a setting of its own in the protocol's table.
#[allow(clippy::struct_excessive_bools)]
#[derive(Debug, Serialize)]
pub struct EndpointView<'a> {
    endpoint: EndpointId,
    url: &'a str,
    description: &'a str,
    login: &'a str,
    enabled: bool,
    protocol: Protocol,
    send_key: bool,
    send_messages: bool,
    ignore_confirmation: bool,
    strict_fields: bool,
    ordering: Ordering,
    types: &'a [String],
    max_messages: u32,
    max_bytes: u32,
    /// Seconds.
    auth_lifetime: u64,
    /// Names only.
    headers: Vec<String>,
    schedule: ScheduleWire,
    created_at: String,
    start: Seq,
    order: OrderView,
    authentication: AuthView,
    health: Option<HealthView>,
    queue: Option<QueueView>,
    /// Shown once, in the answer to the creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    signing_secret: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct OrderView {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<DisabledReason>,
    since: String,
}

#[derive(Debug, Serialize)]
struct AuthView {
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<String>,
    since: String,
    failures: u32,
}

/// The health part of an endpoint's state.
#[derive(Debug, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
enum HealthView {
    Open { window: u32 },
    Suspended { until: String },
    Probing,
}

/// What waits for an endpoint.
#[derive(Debug, Serialize)]
pub struct QueueView {
    /// Null right after a start, until it was counted.
    pending: Option<u64>,
    open_messages: u64,
    open_batches: u64,
    in_flight: u64,
    oldest: Option<String>,
    cursor: Seq,
    delivered: u64,
    dead: u64,
    filtered: u64,
    failing_since: Option<String>,
    last_class: Option<&'static str>,
    wait: Option<WaitView>,
}

/// Why nothing goes out.
#[derive(Debug, Serialize)]
pub struct WaitView {
    /// A stable word.
    pub why: &'static str,
    /// When that may change by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
}

/// The view of an endpoint; `now` is none while the relay does not know it or is not running.
pub fn endpoint_view<'a>(
    endpoint: &'a Endpoint,
    headers: Vec<String>,
    now: Option<&EndpointNow>,
    signing_secret: Option<&'a str>,
) -> EndpointView<'a> {
    let reason = endpoint.order.reason();
    EndpointView {
        endpoint: endpoint.id,
        url: &endpoint.url,
        description: &endpoint.description,
        login: &endpoint.login,
        enabled: reason.is_none(),
        protocol: endpoint.protocol,
        send_key: endpoint.send_key,
        send_messages: endpoint.send_messages,
        ignore_confirmation: endpoint.ignore_confirmation,
        strict_fields: endpoint.strict_fields,
        ordering: endpoint.ordering,
        types: endpoint
            .filters
            .last()
            .map_or(&[], |version| version.types.as_slice()),
        max_messages: endpoint.max_messages,
        max_bytes: endpoint.max_bytes,
        auth_lifetime: endpoint.auth_lifetime.0 / 1000,
        headers,
        schedule: ScheduleWire::of(&endpoint.schedule),
        created_at: endpoint.created_at.to_string(),
        start: endpoint.start,
        order: OrderView {
            state: endpoint.order.as_str(),
            reason,
            since: endpoint.order_since.to_string(),
        },
        authentication: auth_view(endpoint),
        health: now.map(|now| match now.health {
            Health::Open { window } => HealthView::Open { window },
            Health::Suspended { until } => HealthView::Suspended {
                until: until.to_string(),
            },
            Health::Probing => HealthView::Probing,
        }),
        queue: now.map(queue_view),
        signing_secret,
    }
}

fn auth_view(endpoint: &Endpoint) -> AuthView {
    let authentication = &endpoint.authentication;
    let (state, until) = match (endpoint.protocol, authentication.state) {
        (Protocol::Standard, _) => ("not_needed", None),
        (_, state) => (state.as_str(), state.until()),
    };
    AuthView {
        state,
        until: until.map(|time| time.to_string()),
        since: authentication.since.to_string(),
        failures: authentication.failures,
    }
}

/// The figures of an endpoint's queue.
pub fn queue_view(now: &EndpointNow) -> QueueView {
    QueueView {
        pending: now.counted.then_some(now.pending),
        open_messages: now.open_messages,
        open_batches: now.open_batches,
        in_flight: now.in_flight,
        oldest: now.oldest.map(|time| time.to_string()),
        cursor: now.cursor,
        delivered: now.delivered,
        dead: now.dead,
        filtered: now.filtered,
        failing_since: now.failing_since.map(|time| time.to_string()),
        last_class: now.last_class.map(crate::attempt::Class::as_str),
        wait: now.wait.as_ref().map(wait_view),
    }
}

fn wait_view(wait: &Wait) -> WaitView {
    WaitView {
        why: wait.as_str(),
        until: wait.until().map(|time| time.to_string()),
    }
}
