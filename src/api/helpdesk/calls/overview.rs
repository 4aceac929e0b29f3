//! Calls 63 and 64: what goes on now.

use std::collections::BTreeSet;

use super::{HelpdeskCall, Outcome};
use crate::api::helpdesk::value::Value;
use crate::domain::conversation::{Class, Status, find};
use crate::domain::department;

/// `GET chats/overview`.
pub async fn chats(call: &HelpdeskCall) -> Outcome {
    let (mut visitors, mut chatting, mut queue) = (BTreeSet::new(), 0, 0);
    let tx = &call.view();
    find::open_of(tx, call.account.id, Class::Chats, |it| {
        visitors.insert(it.contact_id);
        match it.first_out_at {
            Some(_) => chatting += 1,
            None => queue += 1,
        }
    })
    .await?;
    let row = Value::members([
        ("visitors", (visitors.len() as u64).into()),
        ("chatting", chatting.into()),
        ("queue", queue.into()),
    ]);
    call.reply(&Value::list("chatsOverview", "overview", vec![row]))
}

/// `GET calls/overview`.
pub async fn calls(call: &HelpdeskCall) -> Outcome {
    let (mut running, mut ringing, mut inqueue) = (0_u64, 0_u64, 0_u64);
    let (tx, account) = (&call.view(), call.account.id);
    for department in department::all(tx, account).await? {
        find::in_status(tx, account, department.id, Status::Calling, |it| {
            match (it.first_out_at, it.assigned) {
                (Some(_), _) => running += 1,
                (None, Some(_)) => ringing += 1,
                (None, None) => inqueue += 1,
            }
        })
        .await?;
    }
    let row = Value::members([
        ("running", running.into()),
        ("ringing", ringing.into()),
        ("inqueue", inqueue.into()),
    ]);
    call.reply(&Value::list("callsOverview", "overview", vec![row]))
}
