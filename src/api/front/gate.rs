//! Checks 4 to 8 of `protocols/transport.md` section 2, `Idempotency-Key`, and the commit of an
//! admitted call.
//!
//! Owns their order, which is the same for every surface but for the place of the credentials.
//! Does not know routes, parameters or wire forms.

use std::future::Future;
use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use sha2::{Digest, Sha256};
use tokio::time::{Instant, timeout};

use super::body::{BodyFault, read_body};
use super::site::Note;
use super::{Answer, Core, Head, Refusal, Surface};
use crate::auth::caller::Caller;
use crate::clock::Stopwatch;
use crate::domain::idempotency::{self, Answered, Claim};
use crate::domain::secret::Context;
use crate::error::{Error, Kind, Result};
use crate::id::{AccountId, MessageId, listed};
use crate::limit::{Decision, Figures};
use crate::store::Tx;

/// What a transaction came to: its answer, and the messages that it appended unless it changed
/// nothing at all.
type Ran = (Answer, Option<Vec<MessageId>>);

/// The request header of section 9.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The response header of a repeat.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// What an unavailable daemon asks callers to wait, in seconds (section 2, row 4).
const UNAVAILABLE_WAIT: u32 = 5;

/// The checks before a surface's routes.
#[derive(Debug)]
pub struct Gate<S> {
    core: Arc<Core>,
    surface: Arc<S>,
}

impl<S> Clone for Gate<S> {
    fn clone(&self) -> Self {
        Self {
            core: self.core.clone(),
            surface: self.surface.clone(),
        }
    }
}

/// An admitted request, as handlers take it.
#[derive(Debug, Clone)]
pub struct Call<I> {
    /// The request before its body.
    pub head: Arc<Head>,
    /// Who calls.
    pub caller: Caller,
    /// The decoded body.
    pub input: I,
    /// What everything stands on.
    pub core: Arc<Core>,
    surface: &'static str,
    content_type: &'static str,
    claim: Option<Claim>,
}

impl<S: Surface> Gate<S> {
    /// A gate to `surface`.
    pub fn new(core: Arc<Core>, surface: Arc<S>) -> Self {
        Self { core, surface }
    }

    /// Puts the gate before the methods that a route knows; others answer 405 without it.
    pub fn guard(&self, route: MethodRouter) -> MethodRouter {
        route.route_layer(from_fn_with_state(self.clone(), admit::<S>))
    }

    /// Puts the gate before a route for every method, whose surface has looked at the method.
    pub fn guard_any(&self, route: MethodRouter) -> MethodRouter {
        route.layer(from_fn_with_state(self.clone(), admit::<S>))
    }

    async fn check(
        &self,
        head: &Arc<Head>,
        body: axum::body::Body,
        decision: &mut Option<Decision>,
        note: &mut Note,
    ) -> Result<Passed<S::Input>, Stop> {
        let (core, surface) = (&self.core, &self.surface);
        // The header block has just ended; what the credentials cost counts too.
        let end = Instant::now() + core.settings.body_deadline.into();
        if !core.accepting.get() && !surface.always_open() {
            return Err(Error::unavailable("Service unavailable").into());
        }
        let mut caller = None;
        if surface.credentials_in_head() {
            caller = Some(self.identify(head, None, decision, note).await?);
        }
        let body = read_body(&head.headers, body, core.settings.max_body, end)
            .await
            .map_err(Stop::Body)?;
        if is_encoded(&head.headers) {
            return Err(Stop::Encoding);
        }
        let input = surface.decode(head, body).await?;
        let caller = match caller {
            Some(caller) => caller,
            None => self.identify(head, Some(&input), decision, note).await?,
        };
        if let Some(Decision::Refused { retry_after, .. }) = decision {
            return Err(Error::limited(*retry_after).into());
        }
        let claim = self.claim(head, &input, &caller)?;
        let call = Call {
            head: head.clone(),
            caller,
            input,
            core: core.clone(),
            surface: surface.name(),
            content_type: surface.content_type(head),
            claim,
        };
        match call.repeated().await? {
            Some(answer) => Ok(Passed::Repeat(answer)),
            None => Ok(Passed::Call(Box::new(call))),
        }
    }

    async fn identify(
        &self,
        head: &Head,
        input: Option<&S::Input>,
        decision: &mut Option<Decision>,
        note: &mut Note,
    ) -> Result<Caller, Error> {
        let caller = self.surface.identify(head, input).await?;
        note.caller = Some((caller.account, caller.subject.clone()));
        *decision = Some(self.core.limits.take(&caller.subject, caller.per_minute));
        Ok(caller)
    }

    fn claim(
        &self,
        head: &Head,
        input: &S::Input,
        caller: &Caller,
    ) -> Result<Option<Claim>, Error> {
        if matches!(head.method, Method::GET | Method::HEAD | Method::OPTIONS) {
            return Ok(None);
        }
        let Some(value) = head.headers.get(IDEMPOTENCY_KEY) else {
            return Ok(None);
        };
        let Some(canonical) = self.surface.canonical(head, input)? else {
            return Ok(None);
        };
        let value = value.to_str().unwrap_or_default();
        if !idempotency::is_valid(value) {
            return Err(Error::malformed("Idempotency-Key is not valid"));
        }
        let mut digest = Sha256::new();
        digest.update(head.method.as_str());
        digest.update(b" ");
        digest.update(canonical.as_bytes());
        if let Some(user) = &caller.user {
            // A NUL is in no canonical text.
            digest.update(b"\0");
            digest.update(user.acting.id.to_be_bytes());
        }
        Ok(Some(Claim {
            account: caller.account,
            surface: self.surface.name(),
            value: value.to_owned(),
            digest: digest.finalize().into(),
        }))
    }

    fn stopped(&self, head: &Head, stop: &Stop) -> Response {
        match stop {
            Stop::Failed(error) => refused(self.surface.as_ref(), head, error),
            Stop::Encoding => {
                let mut answer = self.surface.refuse(head, &Refusal::Encoding);
                answer.status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                answer.into_response()
            }
            Stop::Body(fault) => {
                let mut response = match fault {
                    BodyFault::TooLarge => {
                        let error = Error::too_large("Request is too large");
                        refused(self.surface.as_ref(), head, &error)
                    }
                    BodyFault::TooSlow => {
                        Answer::empty(StatusCode::REQUEST_TIMEOUT).into_response()
                    }
                    BodyFault::Broken => Answer::empty(StatusCode::BAD_REQUEST).into_response(),
                };
                response.extensions_mut().insert(Closing);
                response
            }
        }
    }
}

/// Marks a response after which the connection ends.
#[derive(Debug, Clone, Copy)]
pub struct Closing;

/// Why a request stops at the gate.
enum Stop {
    Failed(Error),
    Body(BodyFault),
    Encoding,
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

enum Passed<I> {
    Call(Box<Call<I>>),
    Repeat(Answer),
}

async fn admit<S: Surface>(
    State(gate): State<Gate<S>>,
    params: RawPathParams,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let Some(mut head) = parts.extensions.remove::<Arc<Head>>() else {
        tracing::error!("a route was reached without the front door");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    Arc::make_mut(&mut head).params = params
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let mut decision = None;
    let mut note = Note::default();
    let passed = gate.check(&head, body, &mut decision, &mut note).await;
    let mut response = match passed {
        Err(stop) => gate.stopped(&head, &stop),
        Ok(Passed::Repeat(answer)) => answer.into_response(),
        Ok(Passed::Call(call)) => {
            parts.extensions.insert(call);
            next.run(Request::from_parts(parts, axum::body::Body::empty()))
                .await
        }
    };
    match decision {
        Some(Decision::Allowed(figures) | Decision::Refused { figures, .. }) => {
            show_figures(response.headers_mut(), figures);
        }
        Some(Decision::Unlimited) | None => {}
    }
    response.extensions_mut().insert(note);
    response
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().any(|value| {
        !value
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"identity")
    })
}

fn show_figures(headers: &mut HeaderMap, figures: Figures) {
    for (name, twin, value) in [
        ("ratelimit-limit", "x-ratelimit-limit", figures.limit),
        (
            "ratelimit-remaining",
            "x-ratelimit-remaining",
            figures.remaining,
        ),
        ("ratelimit-reset", "x-ratelimit-reset", figures.reset),
    ] {
        headers.insert(name, value.into());
        headers.insert(twin, value.into());
    }
}

/// Tells why a caller is sent away with a 503. What is behind a 500 was logged where it happened.
/// Both lines lie within the request's span, so that its id joins them with the answer.
pub fn log_fault(error: &Error) {
    if error.kind == Kind::Unavailable {
        tracing::warn!(%error, "refused for now");
    }
}

/// A surface's wire form of an error, with what every surface says alike in the headers.
pub fn refused<S: Surface>(surface: &S, head: &Head, error: &Error) -> Response {
    log_fault(error);
    let mut response = surface
        .refuse(head, &Refusal::Failed(error))
        .into_response();
    let wait = match error.kind {
        Kind::Limited { retry_after } => Some(retry_after),
        Kind::Unavailable => Some(UNAVAILABLE_WAIT),
        _ => None,
    };
    if let Some(wait) = wait {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(wait));
    }
    response
}

impl<I: Clone + Send + Sync + 'static> Call<I> {
    /// Runs `body` in a transaction of the caller's account and answers when it is durable. With
    /// an `Idempotency-Key`, the answer is stored in the same commit, and a request that lost a
    /// race against its twin answers as the repeat.
    pub async fn commit<F, U>(&self, body: F) -> Result<Answer>
    where
        F: Fn(Tx) -> U + Send + Sync,
        U: Future<Output = Result<Answer>> + Send,
    {
        self.commit_among(&[self.caller.account], body).await
    }

    /// As [`Call::commit`], in a transaction of several accounts: the caller's and those whose
    /// records or logs change with it.
    pub async fn commit_among<F, U>(&self, accounts: &[AccountId], body: F) -> Result<Answer>
    where
        F: Fn(Tx) -> U + Send + Sync,
        U: Future<Output = Result<Answer>> + Send,
    {
        let (body, db) = (&body, &self.core.db);
        self.stored(db.transact(accounts, |tx| self.once(tx, body)))
            .await
    }

    /// The same call with another input.
    pub fn with_input<J>(self, input: J) -> Call<J> {
        Call {
            head: self.head,
            caller: self.caller,
            input,
            core: self.core,
            surface: self.surface,
            content_type: self.content_type,
            claim: self.claim,
        }
    }

    /// A call beside this one, with its own commit and without the `Idempotency-Key`.
    #[must_use]
    pub fn apart(&self, caller: Caller, input: I) -> Self {
        Self {
            caller,
            input,
            claim: None,
            ..self.clone()
        }
    }

    /// As [`Call::commit`], for orders of the operator, which are stored even at a disk limit.
    pub async fn commit_order<F, U>(&self, body: F) -> Result<Answer>
    where
        F: Fn(Tx) -> U + Send + Sync,
        U: Future<Output = Result<Answer>> + Send,
    {
        let (body, account) = (&body, [self.caller.account]);
        let db = &self.core.db;
        self.stored(db.transact_essential(&account, |tx| self.once(tx, body)))
            .await
    }

    /// Waits for a commit and tells the log of it.
    async fn stored(&self, commit: impl Future<Output = Result<Ran>>) -> Result<Answer> {
        let watch = Stopwatch::start();
        let (answer, appended) = self.in_time(commit).await?;
        if let Some(appended) = appended {
            self.log_commit(&appended, watch);
        }
        Ok(answer)
    }

    /// One run of a transaction.
    async fn once<F, U>(&self, tx: Tx, body: &F) -> Result<Ran>
    where
        F: Fn(Tx) -> U + Send + Sync,
        U: Future<Output = Result<Answer>> + Send,
    {
        if let Some(claim) = &self.claim
            && let Some(found) = idempotency::recall(&tx, claim).await?
        {
            return Ok((self.replayed(claim, &found)?, None));
        }
        let answer = body(tx.clone()).await?;
        if let Some(claim) = &self.claim
            && !tx.is_unchanged()
        {
            let text = std::str::from_utf8(&answer.body).map_err(|_| Error::internal())?;
            let sealed = self.core.callers.secrets().seal(context(claim), text)?;
            idempotency::remember(&tx, claim, answer.status.as_u16(), sealed).await?;
        }
        let appended = (!tx.is_unchanged()).then(|| tx.appended());
        Ok((answer, appended))
    }

    /// The answer to an earlier request with the same `Idempotency-Key`, if there was one.
    async fn repeated(&self) -> Result<Option<Answer>> {
        let Some(claim) = &self.claim else {
            return Ok(None);
        };
        let account = [claim.account];
        let recall = self.core.db.transact_essential(&account, |tx| async move {
            match idempotency::recall(&tx, claim).await? {
                Some(found) => self.replayed(claim, &found).map(Some),
                None => Ok(None),
            }
        });
        self.in_time(recall).await
    }

    /// Waits for a commit no longer than `commit_deadline`. One that comes later still stands.
    async fn in_time<T>(&self, commit: impl Future<Output = Result<T>>) -> Result<T> {
        let deadline = self.core.settings.commit_deadline.into();
        timeout(deadline, commit).await.unwrap_or_else(|_| {
            tracing::warn!(account = %self.caller.account, "a commit took longer than its deadline");
            Err(Error::unavailable("The store did not answer in time"))
        })
    }

    fn replayed(&self, claim: &Claim, found: &Answered) -> Result<Answer> {
        let secrets = self.core.callers.secrets();
        let text = secrets.open(context(claim), &found.body)?;
        let status = StatusCode::from_u16(found.status).map_err(|_| Error::internal())?;
        let body = Bytes::copy_from_slice(text.as_bytes());
        Ok(Answer::new(status, self.content_type, body)
            .with(REPLAYED, HeaderValue::from_static("true")))
    }

    fn log_commit(&self, appended: &[MessageId], watch: Stopwatch) {
        let some = !appended.is_empty();
        tracing::info!(
            account = %self.caller.account,
            by = %self.caller.subject,
            surface = self.surface,
            path = %super::path::spell(&self.head.segments),
            messages = appended.len(),
            ids = some.then(|| tracing::field::display(listed(appended))),
            took_us = watch.micros(),
            "committed"
        );
    }
}

fn context(claim: &Claim) -> Context<'_> {
    Context::Answer {
        account: claim.account,
        surface: claim.surface,
        value: &claim.value,
    }
}

impl<I: Clone + Send + Sync + 'static, S: Sync> FromRequestParts<S> for Call<I> {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        // Only a route without its gate can fail here, and tests reach every route.
        match parts.extensions.remove::<Box<Call<I>>>() {
            Some(call) => Ok(*call),
            None => Err(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}
