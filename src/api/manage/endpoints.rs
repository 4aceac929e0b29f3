//! `endpoints`: POST, list, GET, PATCH, DELETE.
//!
//! Owns the routes. Rules are the domain's and delivery's; figures are the relay's.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use bytes::Bytes;
use hyper::StatusCode;
use serde::Serialize;

use super::encode::{EndpointView, endpoint_view};
use super::settings::{SettingsWire, header_names};
use super::{Context, endpoint_of, page};
use crate::api::dialect::{Reply, answer, decode, ok};
use crate::api::front::{Answer, Call};
use crate::domain::endpoint::{self, DisabledReason, Endpoint};
use crate::domain::registration::{self, NewEndpoint};
use crate::domain::secret;
use crate::error::{Error, Result};
use crate::id::{EndpointId, Seq};
use crate::live::EndpointNow;

/// `POST endpoints`: the answer is the only one that shows the signing secret.
pub(super) async fn create(State(context): State<Arc<Context>>, call: Call<Bytes>) -> Reply {
    let wire: SettingsWire = decode(&call.input)?;
    let secrets = call.core.callers.secrets();
    let id = EndpointId::random(call.core.db.entropy());
    let disabled = wire.enabled == Some(false);
    let mut settings = wire.decode(id, context.urls.as_ref(), secrets.as_ref())?;
    settings
        .max_messages
        .get_or_insert(context.batch.max_messages);
    settings.max_bytes.get_or_insert(context.batch.max_bytes);
    let signing = &secrets.new_signing_secret();
    let new = &NewEndpoint {
        id,
        signing_secret: secrets.seal(secret::Context::SigningSecret(id), signing)?,
        disabled,
        settings,
    };
    let (call, account) = (&call, call.caller.account);
    let created = call
        .commit(|tx| async move {
            let endpoint = registration::create(&tx, account, new).await?;
            let names = names(call, &endpoint)?;
            let view = endpoint_view(&endpoint, names, None, Some(signing.as_str()));
            answer(StatusCode::CREATED, &view)
        })
        .await?;
    Ok(created)
}

#[derive(Serialize)]
struct List<'a> {
    endpoints: Vec<EndpointView<'a>>,
    /// `after` of the next page.
    next: Option<EndpointId>,
}

/// `GET endpoints`.
pub(super) async fn list(State(context): State<Arc<Context>>, call: Call<Bytes>) -> Reply {
    let page = page(&call.head, |text| text.parse().ok())?;
    let account = call.caller.account;
    let view = call.core.db.view();
    let endpoints = registration::list(&view, account, page.after, page.limit).await?;
    // A relay that is not running has no figures; settings can be shown all the same.
    let now: BTreeMap<EndpointId, EndpointNow> = context
        .live
        .endpoints(Some(account))
        .await
        .unwrap_or_default()
        .into_iter()
        .map(|now| (now.endpoint, now))
        .collect();
    let next = endpoints
        .last()
        .map(|endpoint| endpoint.id)
        .filter(|_| endpoints.len() == page.limit);
    let mut views = Vec::with_capacity(endpoints.len());
    for endpoint in &endpoints {
        let names = names(&call, endpoint)?;
        views.push(endpoint_view(endpoint, names, now.get(&endpoint.id), None));
    }
    Ok(ok(&List {
        endpoints: views,
        next,
    })?)
}

/// `GET endpoints/{endpoint}`.
pub(super) async fn show(State(context): State<Arc<Context>>, call: Call<Bytes>) -> Reply {
    let id = endpoint_of(&call)?;
    let found = endpoint::load(&call.core.db.view(), call.caller.account, id).await?;
    let now = now(&context, id).await;
    Ok(shown(&call, &found, now.as_ref())?)
}

/// `PATCH endpoints/{endpoint}`.
pub(super) async fn update(State(context): State<Arc<Context>>, call: Call<Bytes>) -> Reply {
    let id = endpoint_of(&call)?;
    let wire: SettingsWire = decode(&call.input)?;
    let enabled = wire.enabled;
    let secrets = call.core.callers.secrets();
    let change = &wire.decode(id, context.urls.as_ref(), secrets.as_ref())?;
    let now = &now(&context, id).await;
    let settled = now.as_ref().map_or(Seq(0), |now| now.cursor);
    let held = now.as_ref().map_or(0, |now| now.pending);
    let (call, account) = (&call, call.caller.account);
    let changed = call
        .commit_order(|tx| async move {
            let mut found = registration::update(&tx, account, id, change, settled).await?;
            match enabled {
                Some(true) => found = endpoint::enable(&tx, account, id, held).await?,
                Some(false) => {
                    let reason = DisabledReason::Operator;
                    found = endpoint::disable(&tx, account, id, reason, held).await?;
                }
                None => {}
            }
            shown(call, &found, now.as_ref())
        })
        .await?;
    Ok(changed)
}

#[derive(Serialize)]
struct Removed {
    endpoint: EndpointId,
    removed: bool,
}

/// `DELETE endpoints/{endpoint}`.
pub(super) async fn remove(call: Call<Bytes>) -> Reply {
    let id = endpoint_of(&call)?;
    let account = call.caller.account;
    let db = &call.core.db;
    let make_removable = || async {
        db.transact_essential(&[account], |tx| async move {
            registration::make_removable(&tx, account, id).await
        })
        .await
    };
    match make_removable().await {
        // Gone already: the commit below finds the answer, or the repeat of one.
        Err(error) if error.kind == crate::error::Kind::NotFound => {}
        Err(error) => return Err(error.into()),
        Ok(mut removable) => {
            while !removable {
                removable = make_removable().await?;
            }
        }
    }
    let removed = call
        .commit_order(|tx| async move {
            registration::remove(&tx, account, id).await?;
            ok(&Removed {
                endpoint: id,
                removed: true,
            })
        })
        .await?;
    Ok(removed)
}

/// The relay's figures of an endpoint, if it runs and knows it.
pub(super) async fn now(context: &Context, id: EndpointId) -> Option<EndpointNow> {
    context.live.endpoint(id).await.ok().flatten()
}

/// An endpoint as the answer to a call about it.
pub(super) fn shown(
    call: &Call<Bytes>,
    endpoint: &Endpoint,
    now: Option<&EndpointNow>,
) -> Result<Answer, Error> {
    let names = names(call, endpoint)?;
    ok(&endpoint_view(endpoint, names, now, None))
}

fn names(call: &Call<Bytes>, endpoint: &Endpoint) -> Result<Vec<String>> {
    let secrets = call.core.callers.secrets();
    header_names(endpoint.id, endpoint.headers.as_ref(), secrets.as_ref())
}
