//! One call: what every row of the table may touch.
//!
//! Owns its parameters, its account, its path parts and its one commit. Does not know which call it
//! is.

use std::future::Future;
use std::sync::Arc;

use hyper::StatusCode;

use super::address::Format;
use super::form::Form;
use super::params::Params;
use super::value::Value;
use super::{faults, json, xml};
use crate::api::front::{Answer, Call, Core};
use crate::auth::person_token::PersonTokens;
use crate::domain::account::{self, Account};
use crate::error::Result;
use crate::store::Tx;

/// `Content-Type` of answers.
pub fn content_type(format: Format) -> &'static str {
    match format {
        Format::Xml => "application/xml; charset=utf-8",
        Format::Json | Format::Yaml => "application/json; charset=utf-8",
    }
}

/// `value` as it goes out.
pub fn answer(format: Format, status: StatusCode, value: &Value) -> Result<Answer> {
    let body = match format {
        Format::Xml => xml::written(value)?,
        Format::Json | Format::Yaml => json::written(value),
    };
    Ok(Answer::new(status, content_type(format), body))
}

/// A call.
#[derive(Debug)]
pub struct HelpdeskCall {
    /// The caller's account.
    pub account: Account,
    http: Call<Arc<Params>>,
    format: Format,
    parts: Vec<String>,
}

impl HelpdeskCall {
    /// The call of a request; `parts` are the segments that the row's path leaves open.
    pub async fn of(http: Call<Arc<Params>>, format: Format, parts: Vec<String>) -> Result<Self> {
        let account = account::by_id(&http.core.db.view(), http.caller.account).await?;
        Ok(Self {
            account,
            http,
            format,
            parts,
        })
    }

    /// What everything stands on.
    pub fn core(&self) -> &Core {
        &self.http.core
    }

    /// The parameters, to be read by type.
    pub fn form(&self) -> Form<'_> {
        Form::new(&self.http.input, &self.account.settings.time_zone)
    }

    /// The first open segment of the path.
    pub fn named(&self) -> &str {
        self.parts.first().map(String::as_str).unwrap_or_default()
    }

    /// What is stored now, to look at.
    pub fn view(&self) -> Tx {
        self.core().db.view()
    }

    /// What makes `authtoken`.
    pub async fn tokens(&self) -> Result<PersonTokens> {
        self.core().callers.person_tokens(self.account.id).await
    }

    /// A time as it is sent.
    pub fn local(&self, time: crate::clock::Timestamp) -> Value {
        self.account.settings.time_zone.local(time).into()
    }

    /// Answers a call that changes nothing.
    pub fn reply(&self, value: &Value) -> Result<Answer> {
        answer(self.format, StatusCode::OK, value)
    }

    /// Runs `body` in one transaction of the account, and its agency's, and answers when it is
    /// durable.
    pub async fn commit<F, U>(&self, body: F) -> Result<Answer>
    where
        F: Fn(Tx) -> U + Send + Sync,
        U: Future<Output = Result<Value>> + Send,
    {
        let (format, body) = (self.format, &body);
        let accounts = self.account.with_agency();
        let run = |tx| answered(format, body(tx));
        // Boxed, because what a transaction holds is large.
        Box::pin(self.http.commit_among(&accounts, run)).await
    }
}

async fn answered(format: Format, run: impl Future<Output = Result<Value>>) -> Result<Answer> {
    let value = run.await.map_err(faults::told)?;
    answer(format, StatusCode::OK, &value)
}
