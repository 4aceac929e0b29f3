//! The leads surface (`protocols/leads-api.md`): leads, their notes and appointments, for users who
//! log in.
//!
//! Owns its mount, its credentials and its wire forms. Does not know what makes a lead valid beyond
//! its own tables: that is the domain's.
//!
//! | file | what |
//! |---|---|
//! | `routes.rs` | the routes and the spellings of their paths |
//! | `decode.rs`, `form.rs`, `encode.rs`, `page.rs`, `object.rs` | the wire forms |
//! | `call.rs` | what every route may touch |
//! | `login.rs` | user login and token refresh |
//! | `overview.rs`, `list.rs`, `view.rs` | reading |
//! | `appointment.rs`, `lead.rs`, `note.rs` | changing |

mod appointment;
mod call;
mod decode;
mod encode;
mod form;
mod lead;
mod list;
mod login;
mod note;
mod object;
mod overview;
mod page;
mod routes;
mod view;

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use bytes::Bytes;
use hyper::header::AUTHORIZATION;
use hyper::{Method, StatusCode};

use call::{Failure, LeadsCall, Outcome};
use decode::Params;
use routes::Route;

use super::front::{Answer, Call, Core, Gate, Head, Mount, Refusal, Surface, refused};
use crate::auth::caller::{Caller, CallingUser};
use crate::auth::session_token::{Kind as Token, Standing};
use crate::error::{Error, Kind, Result};
use crate::id::AccountId;

/// Its name in the log and in the surfaces of a key.
const NAME: &str = "leads";
/// The header that names the account.
const API_KEY: &str = "apikey";

/// What is said of a token that proves nobody.
const INVALID: &str = "Given token not valid for any token type";

/// The surface.
#[derive(Debug)]
struct Leads {
    core: Arc<Core>,
    /// Segments of its mount.
    depth: usize,
}

impl Leads {
    fn route(&self, head: &Head) -> Option<Route> {
        Route::of(head.segments.get(self.depth..)?)
    }

    /// The user of a request's access token.
    async fn user(&self, head: &Head, account: AccountId) -> Result<CallingUser> {
        let Some(token) = bearer(head) else {
            let text = "Authentication credentials were not provided.";
            return Err(unauthenticated(text));
        };
        let standing = self
            .core
            .by_session_token(head.client, account, Token::Access, token)
            .await
            .map_err(|error| worded(error, INVALID))?;
        match standing {
            Standing::Live(user, _) => Ok(CallingUser::of(&user)),
            Standing::Inactive => Err(unauthenticated("Inactive Account")),
            Standing::Ended | Standing::Wrong => Err(unauthenticated(INVALID)),
        }
    }
}

/// A failed authentication that is told in these words.
fn unauthenticated(text: &'static str) -> Error {
    worded(Error::unauthenticated(), text)
}

/// The same error, in these words if it is a failed authentication.
fn worded(error: Error, text: &'static str) -> Error {
    match error.kind {
        Kind::Unauthenticated => Error {
            message: text.into(),
            ..error
        },
        _ => error,
    }
}

/// What stands behind `Bearer`, in any case.
fn bearer(head: &Head) -> Option<&str> {
    let (scheme, token) = head.header(AUTHORIZATION.as_str())?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

impl Surface for Leads {
    type Input = Arc<Params>;

    fn name(&self) -> &'static str {
        NAME
    }

    fn credentials_in_head(&self) -> bool {
        true
    }

    fn content_type(&self, _: &Head) -> &'static str {
        encode::JSON
    }

    fn refuse(&self, head: &Head, refusal: &Refusal<'_>) -> Answer {
        match refusal {
            Refusal::Insecure => encode::detail(StatusCode::FORBIDDEN, "HTTPS is required."),
            Refusal::UnknownRoute => encode::detail(StatusCode::NOT_FOUND, "Not found."),
            Refusal::UnknownMethod => {
                let text = format!("Method \"{}\" not allowed.", head.method);
                encode::detail(StatusCode::METHOD_NOT_ALLOWED, text)
            }
            Refusal::Encoding => encode::detail(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Parse error."),
            Refusal::Failed(error) => encode::error(error),
        }
    }

    async fn decode(&self, head: &Head, body: Bytes) -> Result<Arc<Params>> {
        decode::decode(head, body).await.map(Arc::new)
    }

    async fn identify(&self, head: &Head, _: Option<&Arc<Params>>) -> Result<Caller> {
        let Some(key) = head.header(API_KEY) else {
            return Err(unauthenticated("API key was not provided."));
        };
        let found = self.core.by_api_key(head.client, NAME, key).await;
        let caller = found.map_err(|error| worded(error, "Invalid API key."))?;
        if self.route(head).is_some_and(|route| !route.needs_user()) {
            return Ok(caller);
        }
        let user = self.user(head, caller.account).await?;
        Ok(Caller {
            user: Some(user),
            ..caller
        })
    }

    fn canonical(&self, head: &Head, input: &Arc<Params>) -> Result<Option<Cow<'static, str>>> {
        // What a login or a refresh gives is a secret, and new each time.
        let route = self.route(head).filter(|route| route.needs_user());
        let text = route.map(|route| format!("{} {}", route.path(), input.canonical()));
        Ok(text.map(Cow::Owned))
    }
}

/// The surface below `prefix`.
pub fn mount(core: &Arc<Core>, prefix: &str) -> Mount {
    let depth = prefix.split('/').filter(|part| !part.is_empty()).count();
    let surface = Arc::new(Leads {
        core: core.clone(),
        depth,
    });
    let gate = Gate::new(core.clone(), surface.clone());
    let mut router = Router::new();
    for route in Route::ALL {
        let method = match route.method() {
            Method::GET => MethodFilter::GET,
            _ => MethodFilter::POST,
        };
        for path in route.paths(prefix) {
            let surface = surface.clone();
            let run = move |call: Call<Arc<Params>>| {
                let surface = surface.clone();
                async move { answer(&surface, route, call).await }
            };
            router = router.route(&path, gate.guard(on(method, run)));
        }
    }
    Mount::new(&surface, &[prefix], router)
}

async fn answer(surface: &Leads, route: Route, call: Call<Arc<Params>>) -> Response {
    let head = call.head.clone();
    // Boxed, because what a transaction holds is large.
    match Box::pin(run(route, call)).await {
        Ok(answer) => answer.into_response(),
        Err(Failure::Fields(findings)) => encode::fields(&findings).into_response(),
        Err(Failure::Error(error)) => refused(surface, &head, &error),
    }
}

async fn run(route: Route, call: Call<Arc<Params>>) -> Outcome {
    match route {
        Route::UserLogin => return login::login(&call).await,
        Route::TokenRefresh => return login::refresh(&call).await,
        _ => {}
    }
    let call = &LeadsCall::of(call).await?;
    match route {
        Route::Overview => overview::run(call).await,
        Route::List => list::leads(call).await,
        Route::AppointmentsList => list::appointments(call).await,
        Route::ViewLead => view::run(call).await,
        Route::CreateAppointment => appointment::create(call).await,
        Route::UpdateAppointment => appointment::update(call).await,
        Route::DeleteAppointment => appointment::delete(call).await,
        Route::CreateLead => lead::create(call).await,
        Route::UpdateLead => lead::update(call).await,
        Route::DeleteLead => lead::delete(call).await,
        Route::CreateLeadNote => note::create(call).await,
        Route::DeleteLeadNote => note::delete(call).await,
        Route::UserLogin | Route::TokenRefresh => Err(Error::internal().into()),
    }
}
