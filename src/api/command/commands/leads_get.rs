//! `leads_get` (`protocols/command-api.md` 3.2 and 4.14).

use serde_json::{Value, json};

use super::{CommandCall, Done, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::object::{Object, Page, Wanted as Members};
use crate::domain::account::Account;
use crate::domain::actor::Role;
use crate::domain::lead::find::{Wanted, find};
use crate::domain::lead::{Lead, Status, Text};
use crate::domain::{tag, words};
use crate::error::Result;
use crate::store::Tx;

/// Characters of `search_params`.
const MAX_SEARCH: usize = 255;
/// A word for new leads that only a search knows.
const RECEIVED: &str = "received";

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    let user = form.id("user_id");
    let search = form.text("search_params", MAX_SEARCH);
    let page = Page::read(&mut form);
    let members = Members::read(&mut form, "lead_id");
    form.finish()?;
    let (tx, account) = (&call.view(), &call.account);
    let user = match call.viewer() {
        None => user,
        Some((_, role)) if role.is_some_and(Role::leads_all) => None,
        Some((id, _)) => Some(id),
    };
    let wanted = asked(tx, account, search.as_deref().unwrap_or_default()).await?;
    let Some(wanted) = wanted.map(|wanted| Wanted { user, ..wanted }) else {
        return answer(0, 0, &[]);
    };
    let found = find(tx, account.id, &wanted, page.skip, page.size).await?;
    tracing::debug!(account = %account.id, total = found.total, read = found.read, "searched leads");
    let mut leads = Vec::with_capacity(found.records.len());
    for lead in &found.records {
        leads.push(shown(tx, account, lead, &members).await?);
    }
    answer(leads.len(), found.total, &leads)
}

fn answer(shown: usize, total: usize, leads: &[Object]) -> Outcome {
    let reply = Reply::new("Success")
        .integer("num_results", shown as u64)
        .integer("total_results", total as u64)
        .json("leads", &leads)?;
    Ok(Done::Reply(reply))
}

/// What the terms of a search ask for; none if no lead can be it.
async fn asked(tx: &Tx, account: &Account, search: &str) -> Result<Option<Wanted>> {
    let mut wanted = Wanted::default();
    let terms = search.split(['/', ',']).map(str::trim);
    for term in terms.filter(|term| !term.is_empty()) {
        let folded = words::fold(term);
        let mut custom = account.settings.custom_statuses.iter();
        if folded == RECEIVED {
            wanted.statuses.push(Status::Prospect);
        } else if let Some(status) = Status::named(term) {
            wanted.statuses.push(status);
        } else if let Some(status) = custom.find(|status| words::fold(&status.name) == folded) {
            wanted.custom_statuses.push(status.id);
        } else if let Some(name) = folded.strip_prefix("tag:") {
            let Some(id) = tag::by_name(tx, account.id, name.trim()).await? else {
                return Ok(None);
            };
            wanted.tags.push(id);
        } else if let Some(id) = tag::by_name(tx, account.id, &folded).await? {
            wanted.tags.push(id);
        } else {
            wanted.texts.push(folded);
        }
    }
    Ok(Some(wanted))
}

/// The lead object, of which only wanted members are made.
async fn shown(tx: &Tx, account: &Account, lead: &Lead, wanted: &Members) -> Result<Object> {
    let tags = if wanted.has("tags") {
        tag::names(tx, account.id, &lead.tags).await?
    } else {
        Vec::new()
    };
    let text = |text| match lead.text(text) {
        "" => (Text::name(text), Value::Null),
        value => (Text::name(text), json!(value)),
    };
    let zone = &account.settings.time_zone;
    Ok(wanted.object(vec![
        ("lead_id", json!(lead.id)),
        ("slug", json!(lead.slug)),
        ("external_id", json!(lead.external_id)),
        ("user_id", json!(lead.owner_id)),
        ("assignee_id", json!(lead.assignee_id)),
        ("contact_id", json!(lead.contact_id)),
        text(Text::FirstName),
        text(Text::LastName),
        text(Text::Company),
        text(Text::Address),
        text(Text::Address2),
        text(Text::City),
        text(Text::State),
        text(Text::Zip),
        text(Text::Country),
        ("lat", json!(lead.lat)),
        ("lng", json!(lead.lng)),
        text(Text::Phone),
        text(Text::Cell),
        ("ok_to_text", json!(if lead.ok_to_text { "Y" } else { "N" })),
        text(Text::Fax),
        text(Text::Skype),
        text(Text::Ip),
        (
            "followup_date",
            json!(lead.followup_at.map(|time| zone.local(time))),
        ),
        text(Text::BestTime),
        ("status", json!(lead.status.number())),
        ("status_name", json!(lead.status.word())),
        text(Text::Priority),
        ("custom_status", json!(lead.custom_status)),
        ("gmt_offset", json!(lead.gmt_offset)),
        text(Text::Email),
        text(Text::AdminNotes),
        text(Text::GovtId),
        text(Text::Source),
        text(Text::SubId),
        text(Text::SubId2),
        text(Text::BirthDate),
        text(Text::Location),
        text(Text::Message),
        ("pool", json!(lead.pool)),
        ("tags", json!(tags)),
        ("date_added", json!(zone.local(lead.created_at))),
        ("date_updated", json!(zone.local(lead.updated_at))),
    ]))
}
