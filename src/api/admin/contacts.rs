//! Contacts by the hundred, as an operator imports them.
//!
//! Owns the route and what a row may hold. A row that cannot be taken is told of in its place and
//! stops no other. Does not know files.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::api::dialect::{Reply, decode, ok};
use crate::api::front::Call;
use crate::domain::account::{self, Account};
use crate::domain::contact::fields::{self, Fault};
use crate::domain::contact::{self, CustomField, NewContact};
use crate::domain::{phone, words};
use crate::error::{Error, Kind, Result};

/// Rows of one call, which is one commit.
const MAX_ROWS: usize = 1000;
/// Characters of a short text, a long one, an address and a number.
const MAX_TEXT: usize = 255;
const MAX_NOTE: usize = 10_000;
const MAX_EMAIL: usize = 254;
const MAX_PHONE: usize = 32;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Import {
    contacts: Vec<Row>,
}

/// A contact as it stands in a file; empty texts are absent.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Row {
    phone: String,
    email: String,
    first_name: String,
    last_name: String,
    gender: String,
    note: String,
    external_id: String,
    custom: Vec<(String, String)>,
}

/// What became of a row.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    /// It is this contact, which was there before or is new.
    There { contact: u64, created: bool },
    /// It is none.
    Refused { error: String },
}

#[derive(Serialize)]
struct Imported {
    contacts: Vec<Outcome>,
}

/// `POST accounts/{account}/contacts`.
pub(super) async fn import(call: Call<Bytes>) -> Reply {
    let import: Import = decode(&call.input)?;
    if import.contacts.len() > MAX_ROWS {
        let message = format!("must be at most {MAX_ROWS}");
        return Err(Error::invalid("contacts", message).into());
    }
    let account = account::by_id(&call.core.db.view(), call.caller.account).await?;
    let rows = import.contacts.iter().map(|row| row.checked(&account));
    let rows: &Vec<Result<NewContact>> = &rows.collect();
    let id = account.id;
    let done = call
        .commit_order(|tx| async move {
            let mut contacts = Vec::with_capacity(rows.len());
            for row in rows {
                let created = match row {
                    Ok(new) => tx.part(contact::create(&tx, id, new)).await,
                    Err(error) => Err(error.clone()),
                };
                contacts.push(outcome(created)?);
            }
            ok(&Imported { contacts })
        })
        .await?;
    Ok(done)
}

/// A fault of ours or of the store is no row's own.
fn outcome(created: Result<(contact::Contact, bool)>) -> Result<Outcome> {
    match created {
        Ok((contact, created)) => Ok(Outcome::There {
            contact: contact.id,
            created,
        }),
        Err(error) if matches!(error.kind, Kind::Internal | Kind::Unavailable) => Err(error),
        Err(error) => Ok(Outcome::Refused {
            error: error.to_string(),
        }),
    }
}

impl Row {
    fn checked(&self, account: &Account) -> Result<NewContact> {
        let code = account.settings.default_country_code.as_deref();
        let phone = line("phone", &self.phone, MAX_PHONE)?;
        let phone = phone
            .map(|text| phone::completed(&text, code).ok_or_else(|| no_number(code)))
            .transpose()?;
        let email = line("email", &self.email, MAX_EMAIL)?;
        if email.as_deref().is_some_and(|text| !words::is_email(text)) {
            return Err(Error::invalid("email", "is no e-mail address"));
        }
        if phone.is_none() && email.is_none() {
            return Err(Error::malformed("there is neither a phone nor an email"));
        }
        let gender = line("gender", &self.gender, 1)?.map(|text| text.to_ascii_uppercase());
        if !matches!(gender.as_deref(), None | Some("M" | "F")) {
            return Err(Error::invalid("gender", "must be M or F"));
        }
        Ok(NewContact {
            first_name: line("first_name", &self.first_name, MAX_TEXT)?.unwrap_or_default(),
            last_name: line("last_name", &self.last_name, MAX_TEXT)?.unwrap_or_default(),
            phone,
            email,
            gender,
            note: note(&self.note)?,
            external_id: line("external_id", &self.external_id, MAX_TEXT)?,
            custom_fields: self.custom_fields()?,
            ..NewContact::default()
        })
    }

    fn custom_fields(&self) -> Result<Vec<CustomField>> {
        let given = self
            .custom
            .iter()
            .filter(|(_, value)| !value.trim().is_empty());
        let fields = given.map(|(code, value)| {
            CustomField::new(code, value.trim()).map_err(|fault| {
                let message = match fault {
                    Fault::NotValid => "has a code or a value that cannot be taken",
                    Fault::TooLong => "has a code over 64 or a value over 10000 characters",
                };
                Error::invalid(format!("custom:{code}"), message)
            })
        });
        let fields: Vec<CustomField> = fields.collect::<Result<_>>()?;
        fields::bounded(&fields)?;
        Ok(fields)
    }
}

/// A text of one line; none if it is blank.
fn line(field: &'static str, text: &str, max: usize) -> Result<Option<String>> {
    bounded(field, words::single_line(text), max)
}

/// A text of several lines, without white space around it; none if it is blank.
fn note(text: &str) -> Result<Option<String>> {
    let lines = words::multi_line(text).map(|text| text.trim().to_owned());
    bounded("note", lines, MAX_NOTE)
}

fn bounded(field: &'static str, text: Option<String>, max: usize) -> Result<Option<String>> {
    let text = text.ok_or_else(|| Error::invalid(field, "must not hold U+0000"))?;
    if text.chars().count() > max {
        let message = format!("must have at most {max} characters");
        return Err(Error::invalid(field, message));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

fn no_number(code: Option<&str>) -> Error {
    let message = match code {
        Some(_) => "is no phone number",
        None => {
            "is no international phone number, such as +15551234567; for national ones set the \
             account's country code: hookrelay account set ACCOUNT --country-code"
        }
    };
    Error::invalid("phone", message)
}
