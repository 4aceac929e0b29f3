//! The command surface at `/service` (`protocols/command-api.md`): pairs in, pairs out.
//!
//! Owns its mount, its credentials and its wire forms. Each command is a file in `commands/` and
//! a row of the table there.

mod commands;
mod decode;
mod encode;

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use hyper::StatusCode;

pub use decode::Params;

use super::front::{Answer, Call, Core, Gate, Head, Mount, Refusal, Surface, refused};
use crate::auth::caller::Caller;
use crate::error::{Error, Kind, Result};

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
            Refusal::Failed(error) => match error.kind {
                Kind::Invalid | Kind::Conflict => (StatusCode::OK, error.message.as_ref()),
                Kind::Unauthenticated => (StatusCode::OK, "Authentication failed"),
                Kind::Forbidden => (StatusCode::OK, "Permission denied"),
                Kind::NotFound => (StatusCode::OK, "Record does not exist"),
                Kind::Limited { .. } => (StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded"),
                Kind::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request is too large"),
                Kind::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "Service unavailable"),
                Kind::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "Internal error"),
            },
        };
        encode::failed(status, &[text])
    }

    async fn decode(&self, head: &Head, body: Bytes) -> Result<Arc<Params>> {
        decode::decode(head, body).await.map(Arc::new)
    }

    async fn identify(&self, head: &Head, input: Option<&Arc<Params>>) -> Result<Caller> {
        let params = input.ok_or_else(Error::internal)?;
        let credential = |name| params.credential(name);
        let caller = if let Some(token) = credential("ai_sitecom_token") {
            self.core.by_sitecom_token(head.client, token).await?
        } else if let Some(login) = credential("ai_login_id") {
            let Some(password) = credential("ai_login_password") else {
                return Err(Error::unauthenticated());
            };
            self.core.by_login(head.client, login, password).await?
        } else if credential("ai_login_password").is_some() || credential("ai_token").is_none() {
            return Err(Error::unauthenticated());
        } else {
            return Err(self.core.wrong_credential(head.client));
        };
        // No user has a token yet, so every one that is given is wrong, and a wrong credential
        // fails whatever stands beside it.
        match credential("ai_token") {
            None => Ok(caller),
            Some(_) => Err(self.core.wrong_credential(head.client)),
        }
    }

    fn canonical(&self, _: &Head, input: &Arc<Params>) -> Result<Option<Cow<'static, str>>> {
        Ok(Some(input.canonical(&CREDENTIALS).into()))
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
    match commands::run(&call).await {
        Ok(answer) => answer.into_response(),
        Err(commands::Failure::Findings(texts)) => {
            encode::failed(StatusCode::OK, &texts).into_response()
        }
        Err(commands::Failure::Error(error)) => refused(surface, &call.head, &error),
    }
}
