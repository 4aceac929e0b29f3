//! One call of a command, alone or as an item of a batch.
//!
//! Owns what every command may touch: its parameters, its account, who acts, and its one commit.
//! Does not know which command it is.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use super::Params;
use super::commands::Failure;
use super::encode::Reply;
use super::form::Form;
use crate::api::front::{Answer, Call, Core};
use crate::auth::caller::Caller;
use crate::domain::account::{self, Account};
use crate::domain::actor::{ActingUser, Actor, Rights, Role};
use crate::domain::user;
use crate::error::{Error, Kind, Result};
use crate::store::Tx;

/// The parameter that names who acts, unless a command gives it a meaning of its own.
const USER: &str = "user_id";

/// What a command comes to.
#[derive(Debug)]
pub enum Done {
    /// Its reply.
    Reply(Reply),
    /// The answer as it goes out: to a request with an `Idempotency-Key` it may be an earlier one.
    Answer(Answer),
}

/// A call of a command.
#[derive(Debug)]
pub struct CommandCall {
    /// The caller's account.
    pub account: Account,
    /// Who acts.
    pub actor: Actor,
    http: Call<Arc<Params>>,
    is_item: bool,
    named: Named,
}

/// What the `user_id` of a command that gives it no meaning of its own says of who acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// All that is known of the actor.
    Known,
    /// Nothing that could be an id.
    Wrong,
    /// Nobody.
    Unknown,
}

impl CommandCall {
    /// The call of a request.
    pub async fn of(http: Call<Arc<Params>>) -> Result<Self> {
        Self::new(http, false).await
    }

    /// The call of an item of a batch: it has its own parameters, maybe its own caller, and its
    /// own commit.
    pub async fn item(&self, params: Params, caller: Caller) -> Result<Self> {
        Self::apart(self.http.apart(caller, Arc::new(params))).await
    }

    /// A call whose reply is wanted, not the answer that it would be over HTTP.
    pub async fn apart(http: Call<Arc<Params>>) -> Result<Self> {
        Self::new(http, true).await
    }

    async fn new(http: Call<Arc<Params>>, is_item: bool) -> Result<Self> {
        let account = account::by_id(&http.core.db.view(), http.caller.account).await?;
        let user = http.caller.user.as_ref();
        let rights = match user {
            Some(user) if http.caller.login.is_none() => Rights::User {
                id: user.acting.id,
                role: user.role,
            },
            _ => Rights::All,
        };
        let actor = Actor {
            user: user.map(|user| user.acting.clone()),
            rights,
        };
        Ok(Self {
            account,
            actor,
            http,
            is_item,
            named: Named::Known,
        })
    }

    /// The parameters as they came.
    pub fn params(&self) -> &Params {
        &self.http.input
    }

    /// Who calls.
    pub fn caller(&self) -> &Caller {
        &self.http.caller
    }

    /// The request behind it.
    pub fn http(&self) -> &Call<Arc<Params>> {
        &self.http
    }

    /// What everything stands on.
    pub fn core(&self) -> &Core {
        &self.http.core
    }

    /// The parameters, to be read by type.
    pub fn form(&self) -> Form<'_> {
        let now = self.core().db.clock().now();
        let mut form = Form::new(self.params(), &self.account.settings.time_zone, now);
        match self.named {
            Named::Known => {}
            Named::Wrong => form.wrong(USER),
            Named::Unknown => form.names_nobody(),
        }
        form
    }

    /// Takes who acts from `user_id`; what is wrong with it is found with everything else that is
    /// wrong with the parameters.
    pub async fn name_actor(&mut self) -> Result<()> {
        let mut form = self.form();
        let user = form.id(USER);
        if user.is_none() && form.is_given(USER) {
            self.named = Named::Wrong;
            return Ok(());
        }
        match self.acting(&self.view(), user).await {
            Ok(actor) => self.actor = actor,
            Err(error) if error.kind == Kind::NotFound => self.named = Named::Unknown,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The user of the `ai_token`, alone or beside an API credential, and the role: what is asked
    /// for in a list is then what this user sees.
    pub fn viewer(&self) -> Option<(u64, Option<Role>)> {
        let user = self.http.caller.user.as_ref()?;
        Some((user.acting.id, user.role))
    }

    /// Who acts: the user of the `ai_token`, else the one that `user_id` names.
    pub async fn acting(&self, tx: &Tx, user_id: Option<u64>) -> Result<Actor> {
        let mut actor = self.actor.clone();
        if let (None, Some(id)) = (&actor.user, user_id) {
            let named = user::by_id(tx, self.account.id, id).await?;
            let named = named.ok_or_else(|| Error::not_found("Record does not exist"))?;
            actor.user = Some(ActingUser {
                id: named.id,
                username: named.username,
            });
        }
        Ok(actor)
    }

    /// What is stored now, to look at.
    pub fn view(&self) -> Tx {
        self.core().db.view()
    }

    /// Runs `body` in one transaction of the account and answers when it is durable.
    pub async fn commit<F, U>(&self, body: F) -> Result<Done, Failure>
    where
        F: Fn(Tx) -> U + Send + Sync,
        U: Future<Output = Result<Reply>> + Send,
    {
        let (last, body) = (Mutex::new(None), &body);
        let run = |tx| noted(&last, body(tx));
        // Boxed, because what a transaction holds is large.
        let answer = Box::pin(self.http.commit(run)).await?;
        self.done(last, answer)
    }

    /// As [`CommandCall::commit`], but stored even at a disk limit.
    pub async fn commit_order<F, U>(&self, body: F) -> Result<Done, Failure>
    where
        F: Fn(Tx) -> U + Send + Sync,
        U: Future<Output = Result<Reply>> + Send,
    {
        let (last, body) = (Mutex::new(None), &body);
        let run = |tx| noted(&last, body(tx));
        let answer = Box::pin(self.http.commit_order(run)).await?;
        self.done(last, answer)
    }

    /// An item's answer is never an earlier one, so its last reply is the one that was committed.
    fn done(&self, last: Mutex<Option<Reply>>, answer: Answer) -> Result<Done, Failure> {
        if !self.is_item {
            return Ok(Done::Answer(answer));
        }
        let last = last.into_inner().unwrap_or_else(PoisonError::into_inner);
        let reply = last.ok_or_else(Error::internal)?;
        Ok(Done::Reply(reply))
    }
}

/// The answer of one run of a transaction, whose reply is kept.
async fn noted(
    last: &Mutex<Option<Reply>>,
    run: impl Future<Output = Result<Reply>>,
) -> Result<Answer> {
    let reply = run.await?;
    let answer = reply.answer();
    *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(reply);
    Ok(answer)
}
