//! `query_users` (`protocols/command-api.md` 4.19).

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::{CommandCall, Done, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::form::Form;
use crate::domain::user::User;
use crate::domain::user::find::{self, Match, Searched, Wanted};
use crate::domain::user::rules::MAX_TEXT;

/// Users of one answer.
const MAX_USERS: usize = 1000;
/// Texts that can be asked for, by parameter.
const TEXTS: [(&str, Searched); 7] = [
    ("external_id", Searched::ExternalId),
    ("username", Searched::Username),
    ("company", Searched::Company),
    ("first_name", Searched::FirstName),
    ("last_name", Searched::LastName),
    ("email", Searched::Email),
    ("country", Searched::Country),
];

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    let wanted = wanted(&mut form);
    let counts_only = form.boolean("return_count_only").unwrap_or(false);
    form.finish()?;
    let take = if counts_only { 0 } else { MAX_USERS };
    let found = find::find(&call.view(), call.account.id, wanted, take).await?;
    tracing::debug!(
        read = found.read,
        total = found.total,
        "users were looked for"
    );
    let reply = Reply::new("Success").integer("num_results", found.total as u64);
    if counts_only {
        return Ok(Done::Reply(reply));
    }
    Ok(Done::Reply(reply.json("users", &ById(&found.records))?))
}

fn wanted(form: &mut Form<'_>) -> Wanted {
    let how = match form.boolean("proximity_search") {
        Some(true) => Match::Contained,
        _ => Match::Equal,
    };
    let id = form.id("userID");
    let mut texts = Vec::new();
    for (name, searched) in TEXTS {
        let text = form.text(name, MAX_TEXT);
        texts.extend(text.map(|text| (searched, how, text)));
    }
    let account_type = form.text("account_type", MAX_TEXT);
    texts.extend(account_type.map(|text| (Searched::AccountType, Match::Prefix, text)));
    Wanted {
        id,
        enroller_id: form.id("enroller_id"),
        texts,
    }
}

/// Users as members of one object, in the order of their ids.
struct ById<'a>(&'a [User]);

#[derive(Serialize)]
struct Shown<'a> {
    username: &'a str,
    first_name: &'a str,
    company: &'a str,
    last_name: &'a str,
    email: &'a str,
    account_type: &'a str,
}

impl Serialize for ById<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for user in self.0 {
            let shown = Shown {
                username: &user.username,
                first_name: &user.first_name,
                company: &user.company,
                last_name: &user.last_name,
                email: &user.email,
                account_type: &user.account_type,
            };
            map.serialize_entry(&user.id, &shown)?;
        }
        map.end()
    }
}
