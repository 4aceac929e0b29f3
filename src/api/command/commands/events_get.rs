//! `events_get` (`protocols/command-api.md` 3.3 and 4.11).

use serde_json::json;

use super::{CommandCall, Done, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::object::{Object, Page, Wanted as Members};
use crate::clock::Timestamp;
use crate::domain::actor::Role;
use crate::domain::appointment::find::{Wanted, find};
use crate::domain::appointment::{Appointment, Status};
use crate::domain::lead;
use crate::domain::lead::notice::username;
use crate::error::Result;
use crate::store::Tx;

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    let user = form.id("user_id");
    let lead = form.id("lead_id");
    let from = form.time("date_from");
    let until = form.time_upper("date_to");
    let status = form.typed("status", Status::named);
    let page = Page::read(&mut form);
    let members = Members::read(&mut form, "event_id");
    form.finish()?;
    let wanted = Wanted {
        user: match call.viewer() {
            None => user,
            Some((_, role)) if role.is_some_and(Role::leads_all) => None,
            Some((id, _)) => Some(id),
        },
        lead,
        from: from.unwrap_or_default(),
        until: until.unwrap_or(Timestamp::MAX),
        status,
    };
    let tx = call.view();
    let (found, total) = find(&tx, call.account.id, &wanted, page.skip, page.size).await?;
    let mut events = Vec::with_capacity(found.len());
    for it in &found {
        events.push(shown(&tx, call, it, &members).await?);
    }
    let reply = Reply::new("Success")
        .integer("num_results", events.len() as u64)
        .integer("total_results", total as u64)
        .json("events", &events)?;
    Ok(Done::Reply(reply))
}

async fn shown(tx: &Tx, call: &CommandCall, it: &Appointment, wanted: &Members) -> Result<Object> {
    let account = call.account.id;
    let lead = if wanted.has("slug") {
        lead::by_id(tx, account, it.lead_id).await?
    } else {
        None
    };
    let username = if wanted.has("username") {
        username(tx, account, Some(it.user_id)).await?
    } else {
        None
    };
    let zone = &call.account.settings.time_zone;
    Ok(wanted.object(vec![
        ("event_id", json!(it.id)),
        ("lead_id", json!(it.lead_id)),
        ("slug", json!(lead.map(|lead| lead.slug))),
        ("user_id", json!(it.user_id)),
        ("username", json!(username)),
        ("start_date", json!(zone.local(it.start))),
        ("end_date", json!(zone.local(it.end))),
        ("note", json!(it.note)),
        ("status", json!(it.status.word())),
        ("date_added", json!(zone.local(it.created_at))),
        ("date_updated", json!(zone.local(it.updated_at))),
    ]))
}
