//! Call 1: one agent; and how every call finds agents.

use super::{HelpdeskCall, Outcome};
use crate::api::helpdesk::faults;
use crate::api::helpdesk::value::Value;
use crate::domain::actor::Role;
use crate::domain::user::{self, User};
use crate::error::Result;
use crate::id::AccountId;
use crate::store::Tx;

/// The name of an agent's cookie.
const COOKIE: &str = "A_auth";

/// `GET agents/[agentidentifier]`.
pub async fn get(call: &HelpdeskCall) -> Outcome {
    call.form().finish()?;
    let named = call.named();
    let found = agent(&call.view(), call.account.id, named).await?;
    let agent = found.ok_or_else(|| faults::no_person("agent", named))?;
    let token = call.tokens().await?.of(agent.reference)?;
    let reference = agent.reference.to_string();
    call.reply(&Value::members([
        ("contactid", reference.as_str().into()),
        ("userid", reference.as_str().into()),
        ("email", agent.email.as_str().into()),
        ("firstname", agent.first_name.as_str().into()),
        ("lastname", agent.last_name.as_str().into()),
        ("systemname", name(&agent).into()),
        ("authtoken", token.into()),
        ("browsercookiename", COOKIE.into()),
        ("gender", agent.gender.as_str().into()),
        ("role", agent.role().map_or("", letter).into()),
    ]))
}

/// The letter of a role.
fn letter(role: Role) -> &'static str {
    match role {
        Role::Owner => "O",
        Role::Administrator => "D",
        Role::Agent => "A",
    }
}

/// systemname of an agent.
fn name(agent: &User) -> String {
    let full = format!("{} {}", agent.first_name, agent.last_name);
    match (full.trim(), agent.email.as_str()) {
        ("", "") => agent.reference.to_string(),
        ("", email) => email.to_owned(),
        (full, _) => full.to_owned(),
    }
}

/// The agent with this e-mail address or reference, active or not.
pub async fn agent(tx: &Tx, account: AccountId, named: &str) -> Result<Option<User>> {
    let found = match named.parse() {
        Ok(reference) => user::by_reference(tx, account, reference).await?,
        Err(_) if named.len() > user::rules::MAX_EMAIL => None,
        Err(_) => user::by_email(tx, account, named).await?,
    };
    Ok(found.filter(|user| user.role().is_some()))
}
