//! `command_center_sync` (`protocols/command-api.md` 4.5): an endpoint's pending messages, fetched
//! and acknowledged by its consumer.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{CommandCall, Done, Failure, Outcome};
use crate::api::command::encode::Reply;
use crate::domain::acknowledgement::{self, MAX_RANGES};
use crate::domain::endpoint::{self, Endpoint};
use crate::domain::pending::Pending;
use crate::error::{Error, Kind, Result};
use crate::id::{EndpointId, MessageId, Seq};
use crate::live::Backlog;
use crate::store::{Message, Store, Tx, keys};

/// Ids of one acknowledgement.
const MAX_ACKNOWLEDGED: usize = 1000;
/// Messages of one answer: asked for at most, and when nothing is asked.
const MAX_LIMIT: i64 = 1000;
const LIMIT: i64 = 100;
/// Bytes of messages after which an answer takes no more.
const MAX_BYTES: usize = 4 << 20;
/// Endpoints of an account that are looked at.
const MAX_ENDPOINTS: usize = 100_000;

/// What is asked for.
struct Wanted {
    endpoint: Option<String>,
    ack: Vec<MessageId>,
    through: Option<MessageId>,
    after: Option<MessageId>,
    limit: usize,
}

pub async fn run(call: &CommandCall) -> Outcome {
    let Some(login) = call.caller().login.as_deref() else {
        return Err(Error::forbidden("Permission denied").into());
    };
    let wanted = wanted(call)?;
    let (view, store) = (&call.view(), call.core().db.store().as_ref());
    let id = named(view, call, login, wanted.endpoint.as_deref()).await?;
    let account = call.account.id;
    let endpoint = endpoint::load(view, account, id).await?;
    // The orders before the backlog: what the relay settles in between is then in neither.
    let ordered = acknowledgement::waiting(view, account, id).await?;
    let (backlog, pending) = now(call, id).await?;
    let before = Pending::new(&endpoint, &backlog, ordered);
    let seqs = &acknowledged(&before, store, &wanted).await?;
    let after = before.without(seqs);
    let messages = listed(&after, store, &wanted).await?;
    let remaining = pending.saturating_sub(after.ordered() + messages.len() as u64);
    let views = messages.iter().map(view_of).collect::<Result<Vec<_>>>()?;
    let reply = &Reply::new("Success")
        .integer("acknowledged", seqs.len() as u64)
        .integer("num_results", messages.len() as u64)
        .integer("remaining", remaining)
        .json("messages", &views)?;
    if seqs.is_empty() {
        return Ok(Done::Reply(reply.clone()));
    }
    // Stored even at a disk limit: what is acknowledged makes room.
    call.commit_order(|tx| async move {
        acknowledgement::order(&tx, account, id, seqs)
            .await
            .map_err(out_of_turn)?;
        Ok(reply.clone())
    })
    .await
}

/// The pending messages that are acknowledged, rising.
async fn acknowledged(
    pending: &Pending<'_>,
    store: &dyn Store,
    wanted: &Wanted,
) -> Result<Vec<Seq>> {
    let mut seqs = Vec::new();
    for id in &wanted.ack {
        let found = pending.named(store, *id).await?;
        seqs.extend(found.map(|message| message.seq()));
    }
    if let Some(through) = wanted.through {
        seqs.extend(
            pending
                .through(store, through.seq(), MAX_RANGES / 2)
                .await?,
        );
    }
    seqs.sort_unstable();
    seqs.dedup();
    Ok(seqs)
}

fn wanted(call: &CommandCall) -> Result<Wanted, Failure> {
    let mut form = call.form();
    let id = |text: &str| text.parse::<MessageId>().ok();
    let endpoint = form.typed("endpoint_id", |text| Some(text.to_owned()));
    let ack = form.csv("ack", MAX_ACKNOWLEDGED);
    let through = form.typed("ack_through", id);
    let after = form.typed("after", id);
    let limit = form.within("limit", 1, MAX_LIMIT).unwrap_or(LIMIT);
    form.finish()?;
    Ok(Wanted {
        endpoint,
        // What is no id names no message.
        ack: ack.iter().flatten().filter_map(|text| id(text)).collect(),
        through,
        after,
        limit: usize::try_from(limit).unwrap_or(1),
    })
}

/// The endpoint that is named, or the only one of the login.
async fn named(
    view: &Tx,
    call: &CommandCall,
    login: &str,
    named: Option<&str>,
) -> Result<EndpointId, Failure> {
    let absent = || Error::not_found("Record does not exist");
    if let Some(text) = named {
        let id: EndpointId = text.parse().map_err(|_| absent())?;
        let found = endpoint::load(view, call.account.id, id).await;
        return match found {
            Ok(endpoint) if endpoint.login == login => Ok(id),
            Ok(_) => Err(absent().into()),
            Err(error) if error.kind == Kind::NotFound => Err(absent().into()),
            Err(error) => Err(error.into()),
        };
    }
    let all = view
        .read_range::<Endpoint>(&keys::endpoints(call.account.id), MAX_ENDPOINTS)
        .await?;
    let mut own = all.iter().filter(|(_, endpoint)| endpoint.login == login);
    match (own.next(), own.next()) {
        (None, _) => Err(absent().into()),
        (Some((_, only)), None) => Ok(only.id),
        (Some(_), Some(_)) => {
            let mut form = call.form();
            form.need(&["endpoint_id"]);
            Err(Failure::Findings(form.found()))
        }
    }
}

/// The backlog, and how many messages that is.
async fn now(call: &CommandCall, id: EndpointId) -> Result<(Backlog, u64)> {
    let unknown = || Error::unavailable("The relay does not know this endpoint yet");
    let live = &call.core().live;
    let now = live.endpoint(id).await.map_err(|_| unknown())?;
    let backlog = live.backlog(id).await.map_err(|_| unknown())?;
    match (now, backlog) {
        (Some(now), Some(backlog)) if now.counted => Ok((backlog, now.pending)),
        _ => Err(unknown()),
    }
}

fn out_of_turn(error: Error) -> Error {
    match error.kind {
        Kind::Conflict => Error::invalid("ack", "Invalid value for parameter \"ack\""),
        _ => error,
    }
}

async fn listed(
    pending: &Pending<'_>,
    store: &dyn Store,
    wanted: &Wanted,
) -> Result<Vec<Arc<Message>>> {
    let (mut messages, mut bytes) = (Vec::new(), 0);
    let after = wanted.after.map_or(Seq(0), MessageId::seq);
    pending
        .read(store, after, |message| {
            bytes += message.size();
            messages.push(message.clone());
            messages.len() < wanted.limit && bytes < MAX_BYTES
        })
        .await?;
    Ok(messages)
}

#[derive(Serialize)]
struct View<'a> {
    #[serde(rename = "type")]
    event_type: &'a str,
    data: &'a RawValue,
    id: MessageId,
    timestamp: String,
}

fn view_of(message: &Arc<Message>) -> Result<View<'_>> {
    let data = serde_json::from_slice(&message.data).map_err(|_| {
        tracing::error!(id = %message.id, "a stored message is not JSON");
        Error::internal()
    })?;
    Ok(View {
        event_type: &message.event_type,
        data,
        id: message.id,
        timestamp: message.id.time().to_string(),
    })
}
