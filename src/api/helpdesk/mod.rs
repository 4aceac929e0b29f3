//! The helpdesk surface at `/api` (`protocols/helpdesk-api.md`): a REST API in JSON and XML.
//!
//! Owns its mount, its credentials and its wire forms. Each call is a row of the table in `calls/`
//! and a function in a file there.
//!
//! | file | what |
//! |---|---|
//! | `address.rs` | where a request goes, and in which form it is answered |
//! | `params.rs`, `form.rs`, `compared.rs` | parameters from every place, and their types |
//! | `value.rs`, `json.rs`, `xml.rs` | what an answer says, and how it is written |
//! | `faults.rs` | everything that a caller can be told is wrong |
//! | `call.rs`, `calls/` | one call, and the table of them |

mod address;
mod call;
mod calls;
mod compared;
mod faults;
mod form;
mod json;
mod params;
mod value;
mod xml;

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{ALLOW, HeaderValue};

use address::{Format, MOUNT};
use call::{HelpdeskCall, answer, content_type};
use calls::{Found, Run};
use params::Params;
use value::Value;

use super::front::{Answer, Call, Core, Gate, Head, Mount, Refusal, Surface, refused};
use crate::auth::caller::Caller;
use crate::error::{Error, Kind, Result};

/// The name of the surface in keys.
const NAME: &str = "helpdesk";

/// The surface.
#[derive(Debug)]
struct Helpdesk {
    core: Arc<Core>,
}

impl Surface for Helpdesk {
    type Input = Arc<Params>;

    fn name(&self) -> &'static str {
        NAME
    }

    fn credentials_in_head(&self) -> bool {
        false
    }

    fn content_type(&self, head: &Head) -> &'static str {
        content_type(address::of(head).format)
    }

    fn refuse(&self, head: &Head, refusal: &Refusal<'_>) -> Answer {
        let (status, body) = faults::body(refusal, head.id);
        written(address::of(head).format, status, &body)
    }

    async fn decode(&self, head: &Head, body: Bytes) -> Result<Arc<Params>> {
        params::decode(head, body).await.map(Arc::new)
    }

    async fn identify(&self, head: &Head, input: Option<&Arc<Params>>) -> Result<Caller> {
        let params = input.ok_or_else(Error::internal)?;
        let key = params.key(head).ok_or_else(faults::no_key)?;
        let found = self.core.by_api_key(head.client, NAME, key).await;
        match found {
            Err(error) if error.kind == Kind::Forbidden => Err(faults::unusable_key()),
            Err(error) if error.kind == Kind::Unauthenticated => {
                let is_disabled = self.core.callers.is_disabled_key(key).await?;
                Err(if is_disabled {
                    faults::unusable_key()
                } else {
                    error
                })
            }
            found => found,
        }
    }

    /// The format counts: an answer that is told again is told in its own.
    fn canonical(&self, head: &Head, input: &Arc<Params>) -> Result<Option<Cow<'static, str>>> {
        let address = address::of(head);
        let operation = (
            address.format == Format::Xml,
            &address.segments,
            input.all(),
        );
        let text = serde_json::to_string(&operation).map_err(|_| Error::internal())?;
        Ok(Some(text.into()))
    }
}

/// An answer that is always written.
fn written(format: Format, status: StatusCode, value: &Value) -> Answer {
    answer(format, status, value).unwrap_or_else(|_| Answer::empty(status))
}

/// Where a request goes, as it was found before its gate.
#[derive(Debug, Clone)]
struct Routed {
    run: Run,
    format: Format,
    parts: Vec<String>,
}

/// The surface at its paths. A path can be a parameter, so the router leaves the routes to the
/// table.
pub fn mount(core: &Arc<Core>) -> Mount {
    let surface = Arc::new(Helpdesk { core: core.clone() });
    let gate = Gate::new(core.clone(), surface.clone());
    let run = {
        let surface = surface.clone();
        move |Extension(routed): Extension<Routed>, call: Call<Arc<Params>>| {
            let surface = surface.clone();
            async move { run(&surface, routed, call).await }
        }
    };
    let route = gate
        .guard_any(any(run))
        .layer(from_fn_with_state(surface.clone(), find));
    let router = Router::new().route(&format!("{MOUNT}/{{*path}}"), route);
    Mount::new(&surface, &[MOUNT], router)
}

/// Check 3 of `protocols/transport.md` section 2, by the table.
async fn find(State(surface): State<Arc<Helpdesk>>, mut request: Request, next: Next) -> Response {
    let Some(head) = request.extensions().get::<Arc<Head>>().cloned() else {
        tracing::error!("a route was reached without the front door");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let address = address::of(&head);
    match calls::find(&head.method, &address.segments) {
        Found::Nothing => surface
            .refuse(&head, &Refusal::UnknownRoute)
            .into_response(),
        Found::Methods(methods) => {
            let mut answer = surface.refuse(&head, &Refusal::UnknownMethod);
            if let Ok(value) = HeaderValue::from_str(&methods) {
                answer = answer.with(ALLOW, value);
            }
            answer.into_response()
        }
        Found::Call(..) if address.format == Format::Yaml => {
            let (status, body) = faults::no_yaml();
            written(Format::Json, status, &body).into_response()
        }
        Found::Call(run, parts) => {
            let format = address.format;
            request
                .extensions_mut()
                .insert(Routed { run, format, parts });
            next.run(request).await
        }
    }
}

async fn run(surface: &Helpdesk, routed: Routed, call: Call<Arc<Params>>) -> Response {
    let head = call.head.clone();
    let done = async {
        let call = HelpdeskCall::of(call, routed.format, routed.parts).await?;
        (routed.run)(&call).await
    };
    match done.await {
        Ok(answer) => answer.into_response(),
        Err(error) => refused(surface, &head, &faults::told(error)),
    }
}
