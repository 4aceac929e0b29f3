//! One call of a route that needs a user.
//!
//! Owns what every route may touch: its parameters, its account, who acts, and its one commit.
//! Does not know which route it is.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use super::decode::Params;
use super::form::{Findings, Form};
use crate::api::front::{Answer, Call, Head};
use crate::domain::account::{self, Account};
use crate::domain::actor::{Actor, Rights, Role};
use crate::error::{Error, Result};
use crate::store::Tx;

/// Why a call fails.
#[derive(Debug)]
pub enum Failure {
    /// Fields cannot be taken.
    Fields(Findings),
    /// Everything else; a conflict is what the tables call Request Failed.
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<Findings> for Failure {
    fn from(findings: Findings) -> Self {
        Self::Fields(findings)
    }
}

impl Failure {
    /// One field with one fault.
    pub fn field(field: &'static str, text: &'static str) -> Self {
        let mut findings = Findings::default();
        findings.add(field, text);
        Self::Fields(findings)
    }

    /// Request Failed.
    pub fn request(text: &'static str) -> Self {
        Self::Error(Error::conflict(text))
    }
}

/// What a route comes to.
pub type Outcome = Result<Answer, Failure>;

/// A call.
#[derive(Debug)]
pub struct LeadsCall {
    /// The caller's account.
    pub account: Account,
    /// The user who acts.
    pub actor: Actor,
    /// Its id.
    pub user_id: u64,
    /// Whether it leads all: roles O and D.
    pub leads_all: bool,
    http: Call<Arc<Params>>,
}

impl LeadsCall {
    /// The call of a request whose user was proved.
    pub async fn of(http: Call<Arc<Params>>) -> Result<Self> {
        let account = account::by_id(&http.core.db.view(), http.caller.account).await?;
        let user = http.caller.user.clone().ok_or_else(Error::internal)?;
        let (id, role) = (user.acting.id, user.role);
        Ok(Self {
            account,
            actor: Actor {
                user: Some(user.acting),
                rights: Rights::User { id, role },
            },
            user_id: id,
            leads_all: role.is_some_and(Role::leads_all),
            http,
        })
    }

    /// The request before its body.
    pub fn head(&self) -> &Head {
        &self.http.head
    }

    /// The parameters as they came.
    pub fn params(&self) -> &Params {
        &self.http.input
    }

    /// The parameters, to be read by type.
    pub fn form(&self) -> Form<'_> {
        Form::new(self.params())
    }

    /// What is stored now, to look at.
    pub fn view(&self) -> Tx {
        self.http.core.db.view()
    }

    /// Runs `body` in one transaction of the account and answers when it is durable.
    pub async fn commit<F, U>(&self, body: F) -> Outcome
    where
        F: Fn(Tx) -> U + Send + Sync,
        U: Future<Output = Outcome> + Send,
    {
        let (found, body) = (Mutex::new(None), &body);
        let run = |tx| without_findings(&found, body(tx));
        // Boxed, because what a transaction holds is large.
        let done = Box::pin(self.http.commit(run)).await;
        let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
        match (done, found) {
            (Ok(answer), _) => Ok(answer),
            (Err(_), Some(findings)) => Err(Failure::Fields(findings)),
            (Err(error), None) => Err(error.into()),
        }
    }
}

/// One run of a transaction, which knows errors only: findings are kept beside it.
async fn without_findings(
    found: &Mutex<Option<Findings>>,
    run: impl Future<Output = Outcome>,
) -> Result<Answer> {
    let (answer, findings) = match run.await {
        Ok(answer) => (Ok(answer), None),
        Err(Failure::Error(error)) => (Err(error), None),
        Err(Failure::Fields(findings)) => {
            let error = Error::malformed("Fields cannot be taken");
            (Err(error), Some(findings))
        }
    };
    *found.lock().unwrap_or_else(PoisonError::into_inner) = findings;
    answer
}
