//! `list` and `appointments/list` (`protocols/leads-api.md` 3.2 and 3.3).

use super::call::{LeadsCall, Outcome};
use super::encode;
use super::form::{Form, REQUIRED};
use super::object::Shown;
use super::page::Page;
use crate::clock::Timestamp;
use crate::domain::appointment::find as appointments_find;
use crate::domain::appointment::{Status as AppointmentStatus, find};
use crate::domain::lead::find::find as leads_find;
use crate::domain::lead::standing::Wanted;
use crate::domain::lead::tally::Owner;
use crate::domain::lead::{Status, Text};
use crate::domain::user;
use crate::domain::zone::{Span, Zone};

/// Fields of `list` in the order of the table.
const LIST: [&str; 8] = [
    "list_type",
    "first_name",
    "last_name",
    "email",
    "phone",
    "status",
    "owner",
    "campaign_slug",
];
/// Fields of `appointments/list`.
const APPOINTMENTS: [&str; 4] = ["datesetting", "ondate", "status", "lead"];

/// `list`.
pub async fn leads(call: &LeadsCall) -> Outcome {
    let mut form = call.form();
    let list_type = form.filter("list_type");
    let wrong = |_: &str| "Invalid list type.".into();
    let known = |text: &str| (text == "assigned").then_some(());
    let assigned = form.typed("list_type", list_type, wrong, known);
    let status = form.filter("status");
    let wrong = |text: &str| format!("{text} is not a valid choice.").into();
    let wanted = Wanted {
        owners: None,
        assignee: assigned.map(|()| call.user_id),
        first_name: form.filter(Text::FirstName.name()),
        last_name: form.filter(Text::LastName.name()),
        email: form.filter(Text::Email.name()),
        phone: form.filter(Text::Phone.name()),
        status: form.typed("status", status, wrong, Status::of_word),
        campaign: form.filter("campaign_slug"),
    };
    let owner = form.filter("owner");
    form.findings.finish(&LIST)?;
    let (tx, account) = (&call.view(), call.account.id);
    let named = match &owner {
        Some(name) if name.len() > user::rules::MAX_EMAIL => Some(None),
        Some(name) => Some(user::by_username(tx, account, name).await?),
        None => None,
    };
    let named = named.map(|user| user.map(|user| user.id));
    let wanted = Wanted {
        owners: owners(call, assigned.is_some(), named),
        ..wanted
    };
    let page = Page::of(call.params());
    let found = leads_find(tx, account, &wanted, page.offset, page.limit).await?;
    tracing::debug!(%account, total = found.total, read = found.read, "listed leads");
    let leads = Shown::new(tx, &call.account).leads(&found.records).await?;
    Ok(encode::success(&page.listed(
        call.head(),
        leads,
        found.total,
    ))?)
}

/// Whose leads are listed; none = anybody's. `named` is the user of the filter, if there is one
/// and if there is such a user.
// The outer none is a filter that is not there, the inner one a user who is not.
#[allow(clippy::option_option)]
fn owners(call: &LeadsCall, is_assigned: bool, named: Option<Option<u64>>) -> Option<Vec<Owner>> {
    let own = Owner::User(call.user_id);
    let named = named.map(|user| user.map(Owner::User));
    match named {
        Some(named) if is_assigned || call.leads_all => Some(named.into_iter().collect()),
        // Of those that are its own, the ones that are this owner's.
        Some(named) => Some(named.into_iter().filter(|named| *named == own).collect()),
        None if is_assigned => None,
        None if call.leads_all => Some(vec![own, Owner::Nobody]),
        None => Some(vec![own]),
    }
}

/// A bound on the day of the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DateSetting {
    On,
    Before,
    After,
}

impl DateSetting {
    fn named(text: &str) -> Option<Self> {
        match text {
            "on" => Some(Self::On),
            "before" => Some(Self::Before),
            "after" => Some(Self::After),
            _ => None,
        }
    }

    /// The earliest and the latest start; none if nothing can be it.
    fn bounds(self, day: Span) -> Option<(Timestamp, Timestamp)> {
        match self {
            Self::On => Some((day.start, day.last())),
            Self::Before => Some((Timestamp(0), Timestamp(day.start.0.checked_sub(1)?))),
            Self::After => Some((day.end, Timestamp::MAX)),
        }
    }
}

/// `appointments/list`.
pub async fn appointments(call: &LeadsCall) -> Outcome {
    let mut form = call.form();
    let bounds = bounds(&mut form, &call.account.settings.time_zone);
    let status = form.filter("status");
    let wrong = |_: &str| "Invalid appointment status.".into();
    let status = form.typed("status", status, wrong, AppointmentStatus::named);
    let first_name = form.filter("lead");
    form.findings.finish(&APPOINTMENTS)?;
    let (tx, page) = (&call.view(), Page::of(call.params()));
    let (found, total) = match bounds {
        Some((from, until)) => {
            let wanted = find::Wanted {
                user: (!call.leads_all).then_some(call.user_id),
                first_name,
                status,
                ..find::Wanted::between(from, until)
            };
            let account = call.account.id;
            appointments_find::find(tx, account, &wanted, page.offset, page.limit).await?
        }
        None => (Vec::new(), 0),
    };
    let shown = Shown::new(tx, &call.account).appointments(found).await?;
    Ok(encode::success(&page.listed(call.head(), shown, total))?)
}

/// The earliest and the latest start that are asked for; none if nothing can be it, or something
/// is wrong.
fn bounds(form: &mut Form<'_>, zone: &Zone) -> Option<(Timestamp, Timestamp)> {
    let setting = form.filter("datesetting");
    let day = form.filter("ondate");
    let Some(setting) = setting else {
        return Some((Timestamp(0), Timestamp::MAX));
    };
    let wrong = |_: &str| "Invalid date setting.".into();
    let setting = form.typed("datesetting", Some(setting), wrong, DateSetting::named);
    // Beside a setting that is none, a day is not missing.
    if day.is_none() && setting.is_some() {
        form.findings.add("ondate", REQUIRED);
    }
    let wrong = |_: &str| "Invalid date format.".into();
    let day = form.typed("ondate", day, wrong, |text| zone.named_day(text))?;
    setting?.bounds(day)
}
