//! Calls 29 to 31 and 34 and 35: departments, and who is online.

use super::people::online;
use super::{HelpdeskCall, Outcome};
use crate::api::helpdesk::faults;
use crate::api::helpdesk::value::Value;
use crate::domain::conversation::{Class, Status, find};
use crate::domain::department::{self, Department};
use crate::domain::user::{self, User};
use crate::error::Result;
use crate::store::Tx;

/// The letters of online statuses, in their order.
const LETTERS: &str = "TPM";

/// The active agents of a department.
fn agents_of<'a>(department: &'a Department, agents: &'a [User]) -> impl Iterator<Item = &'a User> {
    let all = agents.iter();
    all.filter(|agent| department.agents.contains(&agent.id))
}

/// What somebody of a department is online for.
fn letters_of(department: &Department, agents: &[User]) -> String {
    let is_there = |letter: &char| {
        let mut agents = agents_of(department, agents);
        agents.any(|agent| agent.online_status.contains(*letter))
    };
    LETTERS.chars().filter(is_there).collect()
}

async fn of_path(tx: &Tx, call: &HelpdeskCall) -> Result<Department> {
    let id = call.named();
    let found = super::conversations::department(tx, call, id).await?;
    found.ok_or_else(|| faults::not_found("department", "id", id))
}

/// DEPT.
fn dept(department: &Department, agents: &[User]) -> Value {
    let letters = letters_of(department, agents);
    Value::members([
        ("departmentid", department.reference.to_string().into()),
        ("name", department.name.as_str().into()),
        ("description", department.description.as_str().into()),
        ("onlinestatus", online(&letters)),
        ("presetstatus", online(&letters)),
        ("deleted", department.deleted.into()),
    ])
}

/// `GET departments/[departmentid]/agents`.
pub async fn agents(call: &HelpdeskCall) -> Outcome {
    let tx = &call.view();
    let department = of_path(tx, call).await?;
    let agents = user::active_agents(tx, call.account.id).await?;
    let live = agents_of(&department, &agents).filter(|_| !department.deleted);
    let rows = live.map(|agent| {
        Value::members([
            ("userid", agent.reference.to_string().into()),
            ("firstname", agent.first_name.as_str().into()),
            ("lastname", agent.last_name.as_str().into()),
            ("email", agent.email.as_str().into()),
            ("onlinestatus", online(&agent.online_status)),
            ("presetstatus", online(&agent.online_status)),
        ])
    });
    call.reply(&Value::list("agents", "agent", rows.collect()))
}

/// `GET departments`.
pub async fn list(call: &HelpdeskCall) -> Outcome {
    let (tx, account) = (&call.view(), call.account.id);
    let agents = user::active_agents(tx, account).await?;
    let all = department::all(tx, account).await?;
    let rows = all.iter().map(|department| dept(department, &agents));
    call.reply(&Value::list("departments", "department", rows.collect()))
}

/// `GET departments/[departmentid]`.
pub async fn get(call: &HelpdeskCall) -> Outcome {
    let tx = &call.view();
    let department = of_path(tx, call).await?;
    let agents = user::active_agents(tx, call.account.id).await?;
    call.reply(&dept(&department, &agents))
}

/// `GET onlinestatus/agents`.
pub async fn agents_online(call: &HelpdeskCall) -> Outcome {
    let agents = user::active_agents(&call.view(), call.account.id).await?;
    let rows = agents.iter().map(|agent| {
        let reference = agent.reference.to_string();
        Value::members([
            ("id", reference.as_str().into()),
            ("contactid", reference.as_str().into()),
            ("username", agent.username.as_str().into()),
            ("firstname", agent.first_name.as_str().into()),
            ("lastname", agent.last_name.as_str().into()),
            ("avatar_url", "".into()),
            ("onlineStatus", online(&agent.online_status)),
        ])
    });
    let rows = rows.collect();
    call.reply(&Value::list("agentsOnlineStates", "agentOnlineState", rows))
}

/// `GET onlinestatus/departments`.
pub async fn departments_online(call: &HelpdeskCall) -> Outcome {
    let (tx, account) = (&call.view(), call.account.id);
    let agents = user::active_agents(tx, account).await?;
    let all = department::all(tx, account).await?;
    let chat = Class::Chats.letter();
    let slots = u64::from(call.account.settings.slots.chats);
    let mut rows = Vec::new();
    for department in all.iter().filter(|department| !department.deleted) {
        let mut counts = [0; 3];
        for (count, status) in counts
            .iter_mut()
            .zip([Status::Chatting, Status::New, Status::Open])
        {
            *count = find::count(tx, account, department.id, status).await?;
        }
        let letters = letters_of(department, &agents);
        let chatting = agents_of(department, &agents).filter(|it| it.online_status.contains(chat));
        rows.push(Value::members([
            ("id", department.reference.to_string().into()),
            ("name", department.name.as_str().into()),
            ("onlineStatus", online(&letters)),
            ("presetStatus", online(&letters)),
            ("chat_count", counts[0].into()),
            ("new_count", counts[1].into()),
            ("customer_reply_count", counts[2].into()),
            ("total_count", counts.iter().sum::<u64>().into()),
            ("max_count", (chatting.count() as u64 * slots).into()),
        ]));
    }
    call.reply(&Value::list(
        "departmentsOnlineStates",
        "departmentOnlineState",
        rows,
    ))
}
