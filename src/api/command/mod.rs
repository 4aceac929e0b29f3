//! The command surface at `/service` (`protocols/command-api.md`): pairs in, pairs out.
//!
//! Owns its mount, its credentials and its wire forms. Each command is a file in `commands/` and
//! a row of the table there.

mod call;
mod commands;
mod decode;
mod encode;
mod form;
mod lead_fields;
mod object;
mod user_fields;

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use hyper::StatusCode;
use serde_json::value::RawValue;

pub use decode::Params;

use call::{CommandCall, Done};
use commands::{Class, Failure};

use super::dialect;
use super::front::{Answer, Call, Core, Gate, Head, Mount, Refusal, Surface, refused};
use crate::auth::caller::Caller;
use crate::error::{Error, Kind, Result};
use crate::json;

/// Paths of the one address.
const PATHS: [&str; 2] = ["/service", "/service.php"];
/// Parameters that prove who calls; no part of an operation.
const CREDENTIALS: [&str; 4] = [
    "ai_sitecom_token",
    "ai_login_id",
    "ai_login_password",
    "ai_token",
];

/// The surface.
#[derive(Debug)]
struct Command {
    core: Arc<Core>,
}

impl Surface for Command {
    type Input = Arc<Params>;

    fn name(&self) -> &'static str {
        "command"
    }

    fn credentials_in_head(&self) -> bool {
        false
    }

    fn content_type(&self, _: &Head) -> &'static str {
        encode::PAIRS
    }

    fn refuse(&self, _: &Head, refusal: &Refusal<'_>) -> Answer {
        let (status, text): (StatusCode, &str) = match refusal {
            Refusal::Insecure => (StatusCode::FORBIDDEN, "HTTPS is required"),
            Refusal::UnknownRoute => (StatusCode::NOT_FOUND, "Not found"),
            Refusal::UnknownMethod => (StatusCode::METHOD_NOT_ALLOWED, "POST required"),
            Refusal::Encoding => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "Malformed request"),
            Refusal::Failed(error) => told(error),
        };
        encode::failed(status, &[text])
    }

    async fn decode(&self, head: &Head, body: Bytes) -> Result<Arc<Params>> {
        decode::decode(head, body).await.map(Arc::new)
    }

    async fn identify(&self, head: &Head, input: Option<&Arc<Params>>) -> Result<Caller> {
        let params = input.ok_or_else(Error::internal)?;
        caller(&self.core, head, params).await
    }

    fn canonical(&self, _: &Head, input: &Arc<Params>) -> Result<Option<Cow<'static, str>>> {
        let command = input.get("ai_command").and_then(commands::find);
        if command.is_some_and(|command| command.repeats || command.class == Class::Own) {
            return Ok(None);
        }
        Ok(Some(input.canonical(&CREDENTIALS).into()))
    }
}

impl Command {
    /// The outcome of a call, as it goes out.
    async fn outcome(&self, call: Call<Arc<Params>>) -> Result<Answer, (Failure, bool)> {
        let plain = |failure| (failure, false);
        let call = CommandCall::of(call)
            .await
            .map_err(|error| plain(error.into()))?;
        let command = commands::named(&mut call.form()).map_err(plain)?;
        let done = commands::run(command, call).await;
        match done.map_err(|failure| (failure, command.tells_json))? {
            Done::Reply(reply) => Ok(reply.answer()),
            Done::Answer(answer) => Ok(answer),
        }
    }
}

/// Who makes a call with these parameters.
async fn caller(core: &Core, head: &Head, params: &Params) -> Result<Caller> {
    let credential = |name| params.credential(name);
    let login = if let Some(token) = credential("ai_sitecom_token") {
        Some(core.by_sitecom_token(head.client, token).await?)
    } else if let Some(login) = credential("ai_login_id") {
        let Some(password) = credential("ai_login_password") else {
            return Err(Error::unauthenticated());
        };
        Some(core.by_login(head.client, login, password).await?)
    } else if credential("ai_login_password").is_some() {
        return Err(Error::unauthenticated());
    } else {
        None
    };
    let user = match credential("ai_token") {
        Some(token) => Some(core.by_user_token(head.client, token).await?),
        None => None,
    };
    let command = params.get("ai_command").and_then(commands::find);
    match (login, user) {
        (Some(login), Some(user)) if login.account != user.account => {
            Err(core.wrong_credential(head.client))
        }
        (Some(login), user) => Ok(Caller {
            user: user.and_then(|caller| caller.user),
            ..login
        }),
        (None, Some(user)) => Ok(user),
        (None, None) if command.is_some_and(|command| command.class == Class::Own) => {
            core.by_host(head).await
        }
        (None, None) => Err(Error::unauthenticated()),
    }
}

/// Who makes a call that is an item of a batch: one without a credential inherits the batch's.
async fn caller_of_item(call: &CommandCall, params: &Params) -> Result<Caller> {
    if CREDENTIALS
        .iter()
        .all(|name| params.credential(name).is_none())
    {
        return Ok(call.caller().clone());
    }
    let http = call.http();
    caller(&http.core, &http.head, params).await
}

/// The commands for the operator, below `prefix` and behind `gate`: `POST PREFIX/command`.
pub fn routes<S: Surface<Input = Bytes>>(prefix: &str, gate: &Gate<S>) -> Router {
    let run =
        async |call: Call<Bytes>| -> dialect::Reply { Ok(dialect::ok(&operate(call).await?)?) };
    Router::new().route(&format!("{prefix}/command"), gate.guard(post(run)))
}

/// Runs the command in a flat JSON object for the operator: its reply as an element of a batch's
/// answer, or everything that is wrong.
async fn operate(call: Call<Bytes>) -> Result<Box<RawValue>> {
    let flat = json::parse(&call.input)
        .ok()
        .and_then(commands::batch::params);
    let params = flat.ok_or_else(|| {
        Error::malformed("The body must be a JSON object of texts, numbers and truth values")
    })?;
    let call = CommandCall::apart(call.with_input(Arc::new(params))).await?;
    let run = async {
        let command = commands::named(&mut call.form())?;
        commands::run(command, call).await
    };
    match run.await {
        Ok(Done::Reply(reply)) => reply.element(),
        Ok(Done::Answer(_)) => {
            tracing::error!("a command of the operator was answered as a request");
            Err(Error::internal())
        }
        Err(Failure::Findings(texts)) => Err(Error::malformed(texts.join("; "))),
        Err(Failure::Error(error)) => Err(error),
    }
}

/// Status and text of an error.
fn told(error: &Error) -> (StatusCode, &str) {
    match error.kind {
        Kind::Invalid | Kind::Conflict => (StatusCode::OK, error.message.as_ref()),
        Kind::Unauthenticated => (StatusCode::OK, "Authentication failed"),
        Kind::Forbidden => (StatusCode::OK, "Permission denied"),
        Kind::NotFound => (StatusCode::OK, "Record does not exist"),
        Kind::Limited { .. } => (StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded"),
        Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request is too large"),
        Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Service unavailable"),
        Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
    }
}

/// The surface at its paths.
pub fn mount(core: &Arc<Core>) -> Mount {
    let surface = Arc::new(Command { core: core.clone() });
    let gate = Gate::new(core.clone(), surface.clone());
    let router = PATHS.into_iter().fold(Router::new(), |router, path| {
        let surface = surface.clone();
        let run = move |call: Call<Arc<Params>>| {
            let surface = surface.clone();
            async move { answer(&surface, call).await }
        };
        router.route(path, gate.guard(post(run)))
    });
    Mount::new(&surface, &PATHS, router)
}

async fn answer(surface: &Command, call: Call<Arc<Params>>) -> Response {
    let head = call.head.clone();
    let (failure, tells_json) = match surface.outcome(call).await {
        Ok(answer) => return answer.into_response(),
        Err(failed) => failed,
    };
    let texts = match failure {
        Failure::Findings(texts) => texts,
        Failure::Error(error) if tells_json && told(&error).0 == StatusCode::OK => {
            vec![told(&error).1.to_owned()]
        }
        Failure::Error(error) => return refused(surface, &head, &error),
    };
    let answer = if tells_json {
        encode::failed(StatusCode::OK, &[encode::as_json(&texts)])
    } else {
        encode::failed(StatusCode::OK, &texts)
    };
    answer.into_response()
}
