//! `overview` (`protocols/leads-api.md` 3.1).

use std::collections::BTreeMap;

use serde::Serialize;

use super::call::{LeadsCall, Outcome};
use super::encode;
use crate::clock::Timestamp;
use crate::domain::appointment::Appointment;
use crate::domain::appointment::Status as AppointmentStatus;
use crate::domain::appointment::find::{Wanted, find};
use crate::domain::lead::Status;
use crate::domain::lead::tally::{self, Owner};
use crate::domain::zone::{Period, Zone};
use crate::error::{Error, Result};
use crate::store::Tx;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Overview {
    leads_data: LeadsData,
    total_leads: u64,
    #[serde(rename = "appointments")]
    appointments: Vec<Shown>,
}

#[derive(Serialize)]
struct LeadsData {
    status: Vec<OfStatus>,
    source: Vec<OfSource>,
}

#[derive(Serialize)]
struct OfStatus {
    status: &'static str,
    count: u64,
    #[serde(rename = "Description")]
    description: &'static str,
    #[serde(rename = "Color")]
    color: &'static str,
}

#[derive(Serialize)]
struct OfSource {
    source: String,
    count: u64,
}

#[derive(Serialize)]
struct Shown {
    #[serde(rename = "appointment_note")]
    note: String,
    #[serde(rename = "appointment_status")]
    status: &'static str,
    #[serde(rename = "appointment_date")]
    date: String,
    #[serde(rename = "appointment_to")]
    to: String,
}

/// Which appointments are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    Upcoming,
    Within(Period),
}

impl Filter {
    fn named(text: &str) -> Option<Self> {
        match text {
            "upcoming" => Some(Self::Upcoming),
            "today" => Some(Self::Within(Period::Day)),
            "week" => Some(Self::Within(Period::Week)),
            "month" => Some(Self::Within(Period::Month)),
            _ => None,
        }
    }

    fn wanted(self, zone: &Zone, now: Timestamp) -> Option<Wanted> {
        Some(match self {
            Self::Upcoming => Wanted::between(now, Timestamp::MAX),
            Self::Within(period) => {
                let span = zone.period(now, period)?;
                Wanted::between(span.start, span.last())
            }
        })
    }

    fn shows(self, it: &Appointment) -> bool {
        self != Self::Upcoming || it.status != AppointmentStatus::Cancelled
    }
}

pub async fn run(call: &LeadsCall) -> Outcome {
    let mut form = call.form();
    let text = form.filter("appointment");
    let wrong = |_: &str| "Invalid appointment filter value.".into();
    let filter = form.typed("appointment", text, wrong, Filter::named);
    form.findings.finish(&["appointment"])?;
    let tx = &call.view();
    let (status, total_leads) = statuses(tx, call).await?;
    Ok(encode::success(&Overview {
        leads_data: LeadsData {
            status,
            source: sources(tx, call).await?,
        },
        total_leads,
        appointments: appointments(tx, call, filter.unwrap_or(Filter::Upcoming)).await?,
    })?)
}

/// Whose leads are the caller's.
fn owners(call: &LeadsCall) -> Vec<Owner> {
    let mut owners = vec![Owner::User(call.user_id)];
    if call.leads_all {
        owners.push(Owner::Nobody);
    }
    owners
}

/// All of them in their order, and how many leads they have together.
async fn statuses(tx: &Tx, call: &LeadsCall) -> Result<(Vec<OfStatus>, u64)> {
    let mut found = Vec::new();
    for owner in owners(call) {
        found.extend(tally::statuses(tx, call.account.id, owner).await?);
    }
    let of = |status: Status| {
        let counts = found.iter().filter(|(known, _)| *known == status);
        OfStatus {
            status: status.word(),
            count: counts.map(|(_, count)| count).sum(),
            description: status.description(),
            color: status.color(),
        }
    };
    let all: Vec<OfStatus> = Status::GIVEN.into_iter().map(of).collect();
    let total = all.iter().map(|of| of.count).sum();
    Ok((all, total))
}

/// By falling count, then by name.
async fn sources(tx: &Tx, call: &LeadsCall) -> Result<Vec<OfSource>> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for owner in owners(call) {
        for (source, count) in tally::sources(tx, call.account.id, owner).await? {
            *counts.entry(source).or_default() += count;
        }
    }
    let counts = counts.into_iter();
    let mut sources: Vec<OfSource> = counts
        .map(|(source, count)| OfSource { source, count })
        .collect();
    // Stable: those of one count stay by name.
    sources.sort_by_key(|of| std::cmp::Reverse(of.count));
    Ok(sources)
}

async fn appointments(tx: &Tx, call: &LeadsCall, filter: Filter) -> Result<Vec<Shown>> {
    let zone = &call.account.settings.time_zone;
    let wanted = filter.wanted(zone, tx.now()).ok_or_else(|| {
        tracing::error!("the clock is beyond the calendar");
        Error::internal()
    })?;
    let wanted = Wanted {
        user: Some(call.user_id),
        ..wanted
    };
    let (found, _) = find(tx, call.account.id, &wanted, 0, usize::MAX).await?;
    let shown = found.into_iter().filter(|it| filter.shows(it));
    Ok(shown
        .map(|it| Shown {
            status: it.status.word(),
            date: zone.local_minute(it.start),
            to: zone.local_minute(it.end),
            note: it.note,
        })
        .collect())
}
