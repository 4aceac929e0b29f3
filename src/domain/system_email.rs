//! E-mails that an account's consumer is asked to send (`protocols/notifications.md` 4.1).
//!
//! Owns the notification. Sends nothing and stores nothing else.

use serde::Serialize;
use serde_json::value::RawValue;

use super::event;
use crate::error::Result;
use crate::id::{AccountId, MessageId};
use crate::store::Tx;

/// An e-mail, named by the number or by the title of its template.
#[derive(Debug, Clone, Serialize)]
pub struct SystemEmail {
    /// The template's number.
    #[serde(rename = "email_id")]
    pub id: Option<i64>,
    /// The template's title.
    pub title: Option<String>,
    /// To whom.
    pub to: String,
    /// From whom, unless the consumer knows.
    pub from: Option<String>,
    /// Its subject, unless the template has one.
    pub subject: Option<String>,
    /// What the template's variables stand for: a JSON object of scalars, as it was given.
    pub vars: Box<RawValue>,
    /// Values may hold HTML.
    pub allow_html: bool,
}

/// Appends `system_email`.
pub async fn ask(tx: &Tx, account: AccountId, email: &SystemEmail) -> Result<MessageId> {
    event::emit(tx, account, "system_email", email).await
}
