//! `send_system_email` (`protocols/command-api.md` 4.20).

use serde_json::Value;
use serde_json::value::RawValue;

use super::{CommandCall, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::form::{Form, MAX_JSON};
use crate::domain::system_email::{self, SystemEmail};
use crate::domain::words;
use crate::json;

/// Characters of a title or subject.
const MAX_TEXT: usize = 255;

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    form.need(&["id", "title"]);
    form.need(&["to"]);
    let id = form.integer("id");
    let title = form.text("title", MAX_TEXT);
    if form.is_given("id") && form.is_given("title") {
        form.wrong("title");
    }
    let to = address(&mut form, "to");
    let from = address(&mut form, "from");
    let subject = form.text("subject", MAX_TEXT);
    let vars = vars(&mut form);
    let allow_html = form.boolean("allow_html").unwrap_or(false);
    form.finish()?;
    let email = &SystemEmail {
        id,
        title,
        to: to.unwrap_or_default(),
        from,
        subject,
        vars: vars.unwrap_or_default(),
        allow_html,
    };
    let account = call.account.id;
    call.commit(|tx| async move {
        system_email::ask(&tx, account, email).await?;
        Ok(Reply::new("Success"))
    })
    .await
}

fn address(form: &mut Form<'_>, name: &str) -> Option<String> {
    form.typed(name, |text| words::is_email(text).then(|| text.to_owned()))
}

/// The object's own text, so that its numbers and its order stay; `{}` if there is none.
fn vars(form: &mut Form<'_>) -> Option<Box<RawValue>> {
    let raw = form.raw("vars").unwrap_or("{}");
    let is_flat = match json::parse(raw.as_bytes()) {
        Ok(Value::Object(members)) => !members
            .values()
            .any(|value| value.is_array() || value.is_object()),
        _ => false,
    };
    let vars = (is_flat && raw.len() <= MAX_JSON)
        .then(|| serde_json::from_str(raw).ok())
        .flatten();
    if vars.is_none() {
        form.wrong("vars");
    }
    vars
}
