//! `create/lead`, `update/lead`, `delete/lead` (`protocols/leads-api.md` section 5).

use std::collections::BTreeMap;

use serde::Serialize;

use super::call::{Failure, LeadsCall, Outcome};
use super::encode;
use super::form::{BLANK, Findings, Form};
use crate::domain::account::Settings;
use crate::domain::lead::fields::{Change, Fields};
use crate::domain::lead::{self, Lead, Status, Text, rights};
use crate::domain::user::{self, rules};
use crate::domain::words::{fold, is_email};
use crate::error::{Error, Result};
use crate::store::Tx;

/// Fields in the order of the tables.
const FIELDS: [&str; 10] = [
    "slug",
    "first_name",
    "last_name",
    "email",
    "phone",
    "location",
    "message",
    "status",
    "source",
    "assignee",
];
/// Characters of a slug.
const MAX_SLUG: usize = 258;
const BAD_PHONE: &str =
    "Phone number must be entered in the format: '999999999'. Up to 15 digits allowed.";

#[derive(Serialize)]
struct Created {
    message: &'static str,
    slug: String,
    lead_id: u64,
}

#[derive(Serialize)]
struct Updated {
    message: &'static str,
    slug: String,
}

#[derive(Serialize)]
struct Deleted {
    message: &'static str,
}

/// What a call gives of a lead.
struct Given {
    texts: BTreeMap<Text, String>,
    status: Option<Status>,
    /// As it came: what is known of it depends on the lead.
    source: Option<String>,
    assignee: Option<String>,
}

fn read(form: &mut Form<'_>) -> Given {
    let mut texts = BTreeMap::new();
    for text in [Text::FirstName, Text::LastName, Text::Email, Text::Phone] {
        let given = form.required(text.name(), BLANK);
        let given = match text {
            Text::Phone => {
                let wrong = |_: &str| BAD_PHONE.into();
                form.typed(text.name(), given, wrong, phone)
            }
            _ => form.bounded(text.name(), given, text.max()),
        };
        let given = match text {
            Text::Email => {
                let wrong = |_: &str| "Invalid email.".into();
                let email = |text: &str| is_email(text).then(|| text.to_owned());
                form.typed(text.name(), given, wrong, email)
            }
            _ => given,
        };
        texts.extend(given.map(|given| (text, given)));
    }
    for text in [Text::Location, Text::Message] {
        let given = form.lines(text.name());
        let given = form.bounded(text.name(), given, text.max());
        // An empty one clears, and of a new lead says nothing.
        texts.extend(given.map(|given| (text, given)));
    }
    let status = form.filter("status");
    let wrong = |text: &str| not_a_choice(text).into();
    Given {
        texts,
        status: form.typed("status", status, wrong, Status::of_word),
        source: form.filter("source"),
        assignee: form.not_blank("assignee", BLANK),
    }
}

fn not_a_choice(text: &str) -> String {
    format!("{text} is not a valid choice.")
}

/// `^\+?[0-9]{9,15}$`.
fn phone(text: &str) -> Option<String> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    (all_digits && (9..=15).contains(&digits.len())).then(|| text.to_owned())
}

/// A source in the spelling of the account, or as the lead has it already.
fn source(settings: &Settings, text: &str, lead: Option<&Lead>) -> Option<String> {
    if lead.is_some_and(|lead| lead.text(Text::Source) == text) {
        return Some(text.to_owned());
    }
    let name = fold(text);
    let mut known = settings.lead_sources.iter();
    known.find(|source| fold(source) == name).cloned()
}

/// What the call makes of a lead; `lead` is the one that it changes.
async fn fields(
    tx: &Tx,
    call: &LeadsCall,
    given: &Given,
    lead: Option<&Lead>,
    findings: &mut Findings,
) -> Result<Fields> {
    let mut texts = given.texts.clone();
    if let Some(text) = &given.source {
        match source(&call.account.settings, text, lead) {
            Some(source) => drop(texts.insert(Text::Source, source)),
            None => findings.add("source", not_a_choice(text)),
        }
    }
    let mut assignee_id = Change::Keep;
    if let Some(name) = &given.assignee {
        match assignee(tx, call, name).await? {
            Some(id) => assignee_id = Change::Set(id),
            None => findings.add("assignee", "Assignee not found."),
        }
    }
    Ok(Fields {
        texts,
        status: given.status,
        assignee_id,
        ..Fields::default()
    })
}

/// The active user of this name.
async fn assignee(tx: &Tx, call: &LeadsCall, name: &str) -> Result<Option<u64>> {
    if name.len() > rules::MAX_EMAIL {
        return Ok(None);
    }
    let found = user::by_username(tx, call.account.id, name).await?;
    Ok(found.filter(|user| user.active).map(|user| user.id))
}

/// `create/lead`.
pub async fn create(call: &LeadsCall) -> Outcome {
    let mut form = call.form();
    let given = &read(&mut form);
    let findings = &form.findings;
    call.commit(|tx| async move {
        let mut findings = findings.clone();
        let fields = fields(&tx, call, given, None, &mut findings).await?;
        findings.finish(&FIELDS)?;
        let made = lead::create(&tx, &call.account, &fields, None, &call.actor).await?;
        Ok(encode::success(&Created {
            message: "Lead created successfully.",
            slug: made.slug,
            lead_id: made.id,
        })?)
    })
    .await
}

/// `update/lead`.
pub async fn update(call: &LeadsCall) -> Outcome {
    let mut form = call.form();
    let slug = form.required("slug", BLANK);
    let slug = &form.bounded("slug", slug, MAX_SLUG);
    let given = &read(&mut form);
    let findings = &form.findings;
    call.commit(|tx| async move {
        let mut findings = findings.clone();
        let found = match slug {
            Some(slug) => lead::by_slug(&tx, call.account.id, slug).await?,
            None => None,
        };
        let found = found.filter(Lead::is_live);
        // What a stranger's lead has for a source is not told.
        let own = |lead: &&Lead| rights::change(call.actor.rights, lead).is_ok();
        let changed = found.as_ref().filter(own);
        let fields = fields(&tx, call, given, changed, &mut findings).await?;
        findings.finish(&FIELDS)?;
        if found.is_none() {
            return Err(Failure::request("Requested lead does not esixt."));
        }
        let Some(lead) = changed else {
            return Err(Failure::request("You are not owner of this lead."));
        };
        let after = lead::update(&tx, &call.account, lead.id, &fields, &call.actor).await?;
        Ok(encode::success(&Updated {
            message: "Lead updated successfully.",
            slug: after.slug,
        })?)
    })
    .await
}

/// The lead of a call that names one by its slug and nothing else, not deleted.
pub async fn named(
    tx: &Tx,
    call: &LeadsCall,
    slug: Option<&String>,
    findings: &mut Findings,
) -> Result<Option<Lead>> {
    let Some(slug) = slug else {
        return Ok(None);
    };
    let found = lead::by_slug(tx, call.account.id, slug).await?;
    match &found {
        None => findings.add("slug", "Requested lead not found."),
        Some(lead) if !lead.is_live() => {
            findings.add("slug", "Requested lead already has a deleted status.");
        }
        Some(_) => {}
    }
    Ok(found)
}

/// `delete/lead`.
pub async fn delete(call: &LeadsCall) -> Outcome {
    let mut form = call.form();
    let slug = &form.required("slug", BLANK);
    let findings = &form.findings;
    call.commit(|tx| async move {
        let mut findings = findings.clone();
        let found = named(&tx, call, slug.as_ref(), &mut findings).await?;
        findings.finish(&FIELDS)?;
        let lead = found.ok_or_else(Error::internal)?;
        rights::change(call.actor.rights, &lead)
            .map_err(|_| Failure::request("You can't delete this lead."))?;
        lead::delete(&tx, call.account.id, &lead, &call.actor).await?;
        Ok(encode::success(&Deleted {
            message: "Lead deleted successfully.",
        })?)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_phone_number() {
        for (text, expected) in [
            ("999999999", true),
            ("+999999999999999", true),
            ("99999999", false),
            ("9999999999999999", false),
            ("+", false),
            ("++999999999", false),
            ("999 999 999", false),
            ("\u{ff11}99999999", false),
        ] {
            assert_eq!(phone(text).is_some(), expected, "{text}");
        }
    }
}
