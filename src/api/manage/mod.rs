//! The management API at `/relay/v1/`: messages and endpoints of one account, in JSON.
//!
//! Owns its routes and credentials. The operator's socket serves the same routes for any account
//! through a gate of its own. Does not know the relay but through [`Live`], nor delivery but
//! through [`UrlRules`].

mod encode;
mod endpoints;
mod messages;
mod operations;
mod settings;

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodRouter, get, post};
use bytes::Bytes;
use hyper::header::AUTHORIZATION;

use super::dialect::{Door, Json};
use super::front::{Call, Core, Gate, Head, Mount, Surface};
use crate::auth::caller::Caller;
use crate::error::{Error, Result};
use crate::id::{EndpointId, Seq};
use crate::live::Live;

/// Where the API is mounted.
const PREFIX: &str = "/relay/v1";

/// Which URLs and headers an endpoint may have: delivery's rules.
pub trait UrlRules: Send + Sync + fmt::Debug {
    /// Whether requests may go to this URL; the text says why not.
    fn check_url(&self, url: &str) -> std::result::Result<(), String>;

    /// Whether an endpoint may have this header of its own; the text says why not.
    fn check_header(&self, name: &str, value: &str) -> std::result::Result<(), String>;
}

/// What the routes need beside the store.
pub struct Context {
    /// The running relay.
    pub live: Arc<dyn Live>,
    /// Delivery's rules.
    pub urls: Arc<dyn UrlRules>,
    /// For endpoints that are created without limits of their own.
    pub batch: BatchDefaults,
}

/// Batch limits of new endpoints.
#[derive(Debug, Clone, Copy)]
pub struct BatchDefaults {
    /// Messages per batch.
    pub max_messages: u32,
    /// Bytes per batch.
    pub max_bytes: u32,
}

impl fmt::Debug for Context {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Context").finish_non_exhaustive()
    }
}

/// The surface.
#[derive(Debug)]
struct Manage {
    core: Arc<Core>,
}

impl Door for Manage {
    const NAME: &'static str = "manage";
    const ALWAYS_OPEN: bool = false;

    async fn identify(&self, head: &Head) -> Result<Caller> {
        match credential(head) {
            Some(key) => self.core.by_api_key(head.client, Self::NAME, key).await,
            None => Err(Error::unauthenticated()),
        }
    }
}

fn credential(head: &Head) -> Option<&str> {
    let bearer = head.header(AUTHORIZATION.as_str()).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then(|| token.trim())
            .filter(|token| !token.is_empty())
    });
    bearer.or_else(|| head.header("x-api-key"))
}

/// The management API for callers with an API key.
pub fn mount(core: &Arc<Core>, context: &Arc<Context>) -> Mount {
    let surface = Arc::new(Json(Manage { core: core.clone() }));
    let gate = Gate::new(core.clone(), surface.clone());
    Mount::new(&surface, &[PREFIX], routes(PREFIX, &gate, context))
}

/// The routes below `prefix`, behind `gate`.
pub fn routes<S: Surface<Input = Bytes>>(
    prefix: &str,
    gate: &Gate<S>,
    context: &Arc<Context>,
) -> Router {
    let table: [(&str, MethodRouter<Arc<Context>>); 12] = [
        ("messages", post(messages::accept)),
        ("messages/{message}", get(messages::show)),
        ("endpoints", get(endpoints::list).post(endpoints::create)),
        (
            "endpoints/{endpoint}",
            get(endpoints::show)
                .patch(endpoints::update)
                .delete(endpoints::remove),
        ),
        ("endpoints/{endpoint}/verify", post(operations::verify)),
        ("endpoints/{endpoint}/test", post(operations::test)),
        ("endpoints/{endpoint}/hold", post(operations::hold)),
        ("endpoints/{endpoint}/release", post(operations::release)),
        (
            "endpoints/{endpoint}/acknowledge",
            post(operations::acknowledge),
        ),
        ("endpoints/{endpoint}/attempts", get(operations::attempts)),
        (
            "endpoints/{endpoint}/dead-letters",
            get(operations::dead_letters),
        ),
        (
            "endpoints/{endpoint}/dead-letters/redrive",
            post(operations::redrive),
        ),
    ];
    table
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| {
            let guarded = gate.guard(methods.with_state(context.clone()));
            router.route(&format!("{prefix}/{path}"), guarded)
        })
}

fn no_endpoint() -> Error {
    Error::not_found("There is no such endpoint")
}

/// The endpoint that the path names.
fn endpoint_of(call: &Call<Bytes>) -> Result<EndpointId> {
    call.head
        .param("endpoint")
        .and_then(|text| text.parse().ok())
        .ok_or_else(no_endpoint)
}

/// Rows of one page, and where it begins.
struct Page<T> {
    after: Option<T>,
    limit: usize,
}

/// Rows of a page at most, and without being asked.
const MAX_PAGE: usize = 1000;
const PAGE: usize = 100;

/// `limit` and `after` of the query.
fn page<T>(head: &Head, parse: impl Fn(&str) -> Option<T>) -> Result<Page<T>> {
    let mut page = Page {
        after: None,
        limit: PAGE,
    };
    for (name, value) in super::front::pairs(head.query.as_bytes())? {
        match name.as_str() {
            "limit" => {
                let limit = value.parse().ok().filter(|n| (1..=MAX_PAGE).contains(n));
                page.limit = limit.ok_or_else(|| Error::invalid("limit", "must be 1 to 1000"))?;
            }
            "after" => {
                let after = parse(&value);
                page.after = Some(
                    after.ok_or_else(|| Error::invalid("after", "must be taken from \"next\""))?,
                );
            }
            _ => {}
        }
    }
    Ok(page)
}

fn parse_seq(text: &str) -> Option<Seq> {
    text.parse().ok().map(Seq)
}
