//! `POST messages` and `GET messages/{id}`.
//!
//! Owns the decoding of messages, which happens once, and the answer where a message is. Does
//! not know how a message is stored.

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use bytes::Bytes;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::encode::{PlaceView, place_view};
use super::{Context, page};
use crate::api::dialect::{Reply, answer, ok};
use crate::api::front::Call;
use crate::domain::message::{self, NewMessage};
use crate::domain::registration;
use crate::error::{Error, Result};
use crate::id::{EndpointId, MessageId};
use crate::json::{self, Shape};
use crate::store::{Message, ReadError};

/// Messages of one request.
const MAX_MESSAGES: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    #[serde(rename = "type", borrow)]
    event_type: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
    #[serde(default)]
    idempotency_key: Option<String>,
    #[serde(default)]
    endpoints: Option<Vec<String>>,
}

/// Ids of accepted messages: always a list, for one message too.
#[derive(Serialize)]
pub(super) struct Ids {
    pub(super) ids: Vec<MessageId>,
}

/// `POST messages`: one message, or up to 1000 in an array; one commit for all.
pub(super) async fn accept(call: Call<Bytes>) -> Reply {
    let messages = &*decode(&call.input)?;
    let account = call.caller.account;
    let accepted = call
        .commit(|tx| async move {
            let ids = message::accept(&tx, account, messages).await?;
            answer(StatusCode::ACCEPTED, &Ids { ids })
        })
        .await?;
    Ok(accepted)
}

fn decode(body: &[u8]) -> Result<Vec<NewMessage>> {
    let malformed = |error: &dyn std::fmt::Display| {
        Error::malformed(format!("The body cannot be taken: {error}"))
    };
    let text = json::text(body).map_err(|error| malformed(&error))?;
    let several = text.trim_start().starts_with('[');
    // The levels of the body around a message's data.
    let depth = json::MAX_DEPTH - if several { 2 } else { 1 };
    let wires: Vec<Wire<'_>> = if several {
        serde_json::from_str(text)
    } else {
        serde_json::from_str(text).map(|wire| vec![wire])
    }
    .map_err(|error| malformed(&error))?;
    if wires.is_empty() || wires.len() > MAX_MESSAGES {
        let message = format!("An array must have 1 to {MAX_MESSAGES} messages");
        return Err(Error::malformed(message));
    }
    wires
        .into_iter()
        .enumerate()
        .map(|(index, wire)| {
            let fault = |field: &str, message: String| {
                let field = if several {
                    format!("[{index}].{field}")
                } else {
                    field.to_owned()
                };
                Error::invalid(field, message)
            };
            take(wire, depth).map_err(|(field, message)| fault(field, message))
        })
        .collect()
}

fn take(wire: Wire<'_>, depth: usize) -> Result<NewMessage, (&'static str, String)> {
    let raw = wire.data.get();
    let shape = json::check(raw, depth).map_err(|error| ("data", error.to_string()))?;
    if !matches!(shape, Shape::Text | Shape::Object | Shape::Array) {
        return Err(("data", "must be a text, an object or an array".to_owned()));
    }
    let endpoints: Option<Vec<EndpointId>> = wire
        .endpoints
        .unwrap_or_default()
        .iter()
        .map(|text| text.parse().ok())
        .collect();
    let message = NewMessage {
        event_type: wire.event_type.into_owned(),
        // A copy: a message stays in memory for long, and a part of the body would keep all of the
        // connection's read buffer with it.
        data: Bytes::copy_from_slice(raw.as_bytes()),
        idempotency_key: wire.idempotency_key,
        endpoints: endpoints.ok_or_else(|| ("endpoints", "must be ids of endpoints".to_owned()))?,
    };
    match message.fault() {
        Some((field, text)) => Err((field, text.to_owned())),
        None => Ok(message),
    }
}

#[derive(Serialize)]
struct MessageView<'a> {
    id: MessageId,
    #[serde(rename = "type")]
    event_type: &'a str,
    timestamp: String,
    data: &'a RawValue,
    /// Where it is at each endpoint of the account.
    endpoints: Vec<PlaceView>,
    /// `after` of the next page of endpoints.
    next: Option<EndpointId>,
}

/// `GET messages/{id}`: the message and where it is.
pub(super) async fn show(State(context): State<Arc<Context>>, call: Call<Bytes>) -> Reply {
    let page = page(&call.head, |text| text.parse().ok())?;
    let message = find(&call).await?;
    let account = call.caller.account;
    let view = call.core.db.view();
    let endpoints = registration::list(&view, account, page.after, page.limit).await?;
    let ids: Vec<EndpointId> = endpoints.iter().map(|endpoint| endpoint.id).collect();
    let next = ids.last().copied().filter(|_| ids.len() == page.limit);
    let places = context
        .live
        .places(ids, message.seq())
        .await
        .map_err(|_| Error::unavailable("The relay is not running now"))?;
    let mut rows = Vec::with_capacity(endpoints.len());
    for (endpoint, place) in endpoints.iter().zip(places) {
        rows.push(place_view(&view, endpoint, &message, place).await?);
    }
    let data = std::str::from_utf8(&message.data)
        .ok()
        .and_then(|text| serde_json::from_str::<&RawValue>(text).ok())
        .ok_or_else(|| {
            tracing::error!(id = %message.id, "a stored message is not JSON");
            Error::internal()
        })?;
    Ok(ok(&MessageView {
        id: message.id,
        event_type: &message.event_type,
        timestamp: message.id.time().to_string(),
        data,
        endpoints: rows,
        next,
    })?)
}

async fn find(call: &Call<Bytes>) -> Result<Arc<Message>> {
    let missing = || Error::not_found("There is no such message, or it is no longer in the log");
    let id: MessageId = call
        .head
        .param("message")
        .and_then(|text| text.parse().ok())
        .ok_or_else(missing)?;
    named(call, id).await?.ok_or_else(missing)
}

/// The message with this id in the caller's log. Sequences are guessed easily, so the whole id is
/// compared.
pub(super) async fn named(call: &Call<Bytes>, id: MessageId) -> Result<Option<Arc<Message>>> {
    let store = call.core.db.store();
    let page = store
        .read_log(call.caller.account, id.seq(), 1, 1)
        .await
        .map_err(|error| match error {
            ReadError::Unavailable => Error::unavailable("The store cannot be read now"),
            ReadError::Corrupt => {
                tracing::error!(%id, "a stored message cannot be read");
                Error::internal()
            }
        })?;
    Ok(page.messages.into_iter().find(|message| message.id == id))
}
