//! Call 1: one agent.

use super::people::{agent, agent_name};
use super::{HelpdeskCall, Outcome};
use crate::api::helpdesk::faults;
use crate::api::helpdesk::value::Value;
use crate::domain::actor::Role;

/// The name of an agent's cookie.
const COOKIE: &str = "A_auth";

/// `GET agents/[agentidentifier]`.
pub async fn get(call: &HelpdeskCall) -> Outcome {
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
        ("systemname", agent_name(&agent).into()),
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
