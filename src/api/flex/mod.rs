//! The flex surface at `/flex/API/` (`protocols/flex-api.md`): an array of operations in, their
//! bodies out.
//!
//! Owns its mount, its credential, its wire forms, and how several operations become one commit.
//!
//! | file | what |
//! |---|---|
//! | `decode.rs` | the array, and its members whatever their case |
//! | `operation.rs` | what each operation takes, does and answers |
//! | `custom.rs` | custom fields in and out |

mod custom;
mod decode;
mod operation;

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use hyper::StatusCode;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use decode::Request;
use operation::{Ground, Operation};

use super::front::{Answer, Call, Core, Gate, Head, Mount, Refusal, Surface, refused};
use crate::auth::caller::Caller;
use crate::domain::account;
use crate::error::{Error, Kind, Result};
use crate::store::Tx;

/// The name of the surface, also in the surfaces of a key.
const NAME: &str = "flex";
/// Everything below is this surface's.
const PREFIXES: [&str; 1] = ["/flex"];
/// The spellings of the one address, and what may follow them.
const ROOTS: [&str; 2] = ["/flex/API", "/flex/api"];
const PLACES: [&str; 4] = ["", "/contacts", "/automation", "/notify"];
const JSON: &str = "application/json; charset=utf-8";
/// Bytes of answers after which no further operation of an array is run.
const MAX_BYTES: usize = 8 << 20;

/// The surface.
#[derive(Debug)]
struct Flex {
    core: Arc<Core>,
}

impl Surface for Flex {
    type Input = Arc<Request>;

    fn name(&self) -> &'static str {
        NAME
    }

    fn credentials_in_head(&self) -> bool {
        false
    }

    fn content_type(&self, _: &Head) -> &'static str {
        JSON
    }

    fn refuse(&self, _: &Head, refusal: &Refusal<'_>) -> Answer {
        let (status, text): (StatusCode, &str) = match refusal {
            Refusal::Insecure => (StatusCode::FORBIDDEN, "HTTPS is required"),
            Refusal::UnknownRoute => (StatusCode::NOT_FOUND, "Not found"),
            Refusal::UnknownMethod => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
            Refusal::Encoding => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Body must be a JSON array",
            ),
            Refusal::Failed(error) => told(error),
        };
        // Texts always encode.
        let body = serde_json::to_vec(&Failed::of(text)).unwrap_or_default();
        Answer::new(status, JSON, body)
    }

    async fn decode(&self, _: &Head, body: Bytes) -> Result<Arc<Request>> {
        Request::decode(&body).map(Arc::new)
    }

    async fn identify(&self, head: &Head, input: Option<&Arc<Request>>) -> Result<Caller> {
        let request = input.ok_or_else(Error::internal)?;
        let key = request.key().ok_or_else(Error::unauthenticated)?;
        self.core.by_api_key(head.client, NAME, key).await
    }

    fn canonical(&self, _: &Head, input: &Arc<Request>) -> Result<Option<Cow<'static, str>>> {
        // The addresses are one: which of them it was makes no difference.
        Ok(Some(input.canonical().into()))
    }
}

/// The body of an error.
#[derive(Serialize)]
struct Failed<'a> {
    status: bool,
    error: &'a str,
}

impl<'a> Failed<'a> {
    fn of(error: &'a str) -> Self {
        Self {
            status: false,
            error,
        }
    }
}

/// Status and text of an error.
fn told(error: &Error) -> (StatusCode, &str) {
    match error.kind {
        Kind::Invalid => (StatusCode::BAD_REQUEST, error.message.as_ref()),
        Kind::Unauthenticated => (StatusCode::UNAUTHORIZED, "Invalid key"),
        Kind::Forbidden => (StatusCode::FORBIDDEN, "Permission denied"),
        Kind::NotFound => (StatusCode::NOT_FOUND, error.message.as_ref()),
        Kind::Conflict => (StatusCode::CONFLICT, error.message.as_ref()),
        Kind::Limited { .. } => (StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded"),
        Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request is too large"),
        Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Service unavailable"),
        Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
    }
}

/// The surface at its paths.
pub fn mount(core: &Arc<Core>) -> Mount {
    let surface = Arc::new(Flex { core: core.clone() });
    let gate = Gate::new(core.clone(), surface.clone());
    let paths = ROOTS
        .iter()
        .flat_map(|root| PLACES.map(|place| format!("{root}{place}")));
    let router = paths.fold(Router::new(), |router, path| {
        let surface = surface.clone();
        let run = move |call: Call<Arc<Request>>| {
            let surface = surface.clone();
            async move { respond(&surface, call).await }
        };
        router.route(&path, gate.guard(post(run)))
    });
    Mount::new(&surface, &PREFIXES, router)
}

async fn respond(surface: &Flex, call: Call<Arc<Request>>) -> Response {
    match answer(&call).await {
        Ok(answer) => answer.into_response(),
        Err(error) => refused(surface, &call.head, &error),
    }
}

async fn answer(call: &Call<Arc<Request>>) -> Result<Answer> {
    let elements = call.input.operations()?;
    let account = account::by_id(&call.core.db.view(), call.caller.account).await?;
    let code = account.settings.default_country_code.as_deref();
    let operations = elements.iter().map(|element| Operation::of(element, code));
    let operations: Vec<Result<Operation>> = operations.collect();
    let ground = Ground {
        account: &account,
        credit_cost: call.core.settings.credit_cost,
    };
    let changes = |operation: &Result<Operation>| {
        operation
            .as_ref()
            .is_ok_and(|operation| !operation.is_question())
    };
    if !operations.iter().any(changes) {
        return run(&call.core.db.view(), &operations, ground).await;
    }
    let operations = &operations;
    // Boxed, because what a transaction holds is large.
    let run = |tx: Tx| async move { Box::pin(run(&tx, operations, ground)).await };
    call.commit_among(&account.with_agency(), run).await
}

/// The operations in their order: of one its own outcome, of several their bodies.
async fn run(tx: &Tx, operations: &[Result<Operation>], ground: Ground<'_>) -> Result<Answer> {
    if let [only] = operations {
        let operation = only.as_ref().map_err(Clone::clone)?;
        return Ok(answered(&operation.run(tx, ground).await?));
    }
    let mut bodies = Vec::with_capacity(operations.len());
    let mut bytes = 0;
    for operation in operations {
        let body = if bytes < MAX_BYTES {
            body_of(tx, operation, ground).await?
        } else {
            // Not run: its answer could not be taken any more.
            failure(&Error::too_large("Request is too large"))?
        };
        bytes += body.get().len();
        bodies.push(body);
    }
    let bodies = to_raw_value(&bodies).map_err(|_| Error::internal())?;
    Ok(answered(&bodies))
}

/// The body of one operation among several, whose failure is its own; but a fault of ours or of
/// the store is the whole request's.
async fn body_of(
    tx: &Tx,
    operation: &Result<Operation>,
    ground: Ground<'_>,
) -> Result<Box<RawValue>> {
    let done = match operation {
        Ok(operation) => tx.part(operation.run(tx, ground)).await,
        Err(error) => Err(error.clone()),
    };
    match done {
        Ok(body) => Ok(body),
        Err(error) if matches!(error.kind, Kind::Internal | Kind::Unavailable) => Err(error),
        Err(error) => failure(&error),
    }
}

fn failure(error: &Error) -> Result<Box<RawValue>> {
    to_raw_value(&Failed::of(told(error).1)).map_err(|_| Error::internal())
}

fn answered(body: &RawValue) -> Answer {
    Answer::new(StatusCode::OK, JSON, body.get().to_owned())
}
