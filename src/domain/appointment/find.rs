//! Looking for appointments.
//!
//! Owns the walk over calendars. Does not know who may see which.

use std::collections::{BTreeMap, BTreeSet};

use super::{Appointment, BY_START, EVERYBODY, KIND, OF_LEAD, PAGE, Status};
use crate::clock::Timestamp;
use crate::domain::lead;
use crate::domain::lead::standing;
use crate::domain::search::{self, contains};
use crate::domain::words::fold;
use crate::error::Result;
use crate::id::AccountId;
use crate::store::{Key, Tx, keys};

/// Leads of a name whose appointments are looked through; with more, the calendar is.
const MAX_LEADS: usize = 500;

/// What is looked for; none = whatever.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// In whose calendar.
    pub user: Option<u64>,
    /// With whom.
    pub lead: Option<u64>,
    /// With somebody whose first name contains this, whatever the case.
    pub first_name: Option<String>,
    /// The earliest start.
    pub from: Timestamp,
    /// The latest start.
    pub until: Timestamp,
    /// What became of it.
    pub status: Option<Status>,
}

impl Wanted {
    /// Whatever begins within these times, both inclusive.
    pub fn between(from: Timestamp, until: Timestamp) -> Self {
        Self {
            user: None,
            lead: None,
            first_name: None,
            from,
            until,
            status: None,
        }
    }

    /// Whether an appointment is it, but for the lead.
    fn meets(&self, it: &Appointment) -> bool {
        it.deleted_at.is_none()
            && self.user.is_none_or(|user| it.user_id == user)
            && (self.from..=self.until).contains(&it.start)
            && self.status.is_none_or(|status| it.status == status)
    }
}

/// Those from number `skip` on, at most `take`, by start, then id; and how many there are.
pub async fn find(
    tx: &Tx,
    account: AccountId,
    wanted: &Wanted,
    skip: usize,
    take: usize,
) -> Result<(Vec<Appointment>, usize)> {
    let leads = match (wanted.lead, &wanted.first_name) {
        (Some(lead), _) => Some(vec![lead]),
        (None, Some(name)) => of_name(tx, account, name).await?,
        (None, None) => None,
    };
    match leads {
        Some(leads) => with_leads(tx, account, &leads, wanted, skip, take).await,
        None => in_calendar(tx, account, wanted, skip, take).await,
    }
}

/// Every appointment of a lead that is not deleted, by start, then id.
pub async fn of_lead(tx: &Tx, account: AccountId, lead: u64) -> Result<Vec<Appointment>> {
    let wanted = Wanted::between(Timestamp::default(), Timestamp::MAX);
    let (found, _) = with_leads(tx, account, &[lead], &wanted, 0, usize::MAX).await?;
    Ok(found)
}

/// Ids of the leads of a name, if they are not too many to be looked through.
async fn of_name(tx: &Tx, account: AccountId, name: &str) -> Result<Option<Vec<u64>>> {
    let wanted = standing::Wanted {
        first_name: Some(name.to_owned()),
        ..standing::Wanted::default()
    };
    lead::find::few(tx, account, &wanted, MAX_LEADS).await
}

async fn with_leads(
    tx: &Tx,
    account: AccountId,
    leads: &[u64],
    wanted: &Wanted,
    skip: usize,
    take: usize,
) -> Result<(Vec<Appointment>, usize)> {
    let mut found = Vec::new();
    for lead in leads {
        let range = keys::members(OF_LEAD, account, &lead.to_string());
        let ids = search::ids(tx, &range).await?;
        for some in ids.chunks(PAGE) {
            let records = records(tx, account, some).await?;
            found.extend(records.into_iter().filter(|it| wanted.meets(it)));
        }
    }
    found.sort_by_key(|it| (it.start, it.id));
    let total = found.len();
    Ok((found.into_iter().skip(skip).take(take).collect(), total))
}

async fn records(tx: &Tx, account: AccountId, ids: &[u64]) -> Result<Vec<Appointment>> {
    let keys: Vec<Key> = ids
        .iter()
        .map(|id| keys::record(KIND, account, *id))
        .collect();
    let found = tx.read_all(&keys).await?;
    Ok(found.into_iter().flatten().collect())
}

/// The calendar tells start, status and lead, so only what is shown is read.
async fn in_calendar(
    tx: &Tx,
    account: AccountId,
    wanted: &Wanted,
    skip: usize,
    take: usize,
) -> Result<(Vec<Appointment>, usize)> {
    let calendar = wanted.user.unwrap_or(EVERYBODY);
    let mut range = keys::between(BY_START, account, calendar, wanted.from, wanted.until);
    let shown = skip..skip.saturating_add(take);
    let (mut found, mut total) = (Vec::new(), 0);
    loop {
        let page = tx.read_range::<(Status, u64)>(&range, PAGE).await?;
        let is_wanted = |status| wanted.status.is_none_or(|wanted| wanted == status);
        let mut some: Vec<(u64, u64)> = page
            .iter()
            .filter(|(_, (status, _))| is_wanted(*status))
            .filter_map(|(key, (_, lead))| Some((keys::id_of(key)?, *lead)))
            .collect();
        if let Some(name) = &wanted.first_name {
            let named = named(tx, account, &some, name).await?;
            some.retain(|(_, lead)| named.contains(lead));
        }
        let mut ids = Vec::new();
        for (id, _) in some {
            if shown.contains(&total) {
                ids.push(id);
            }
            total += 1;
        }
        found.extend(records(tx, account, &ids).await?);
        match page.last() {
            Some((last, _)) if page.len() == PAGE => range = range.following(last),
            _ => return Ok((found, total)),
        }
    }
}

/// Those leads of appointments whose first name contains `name`.
async fn named(
    tx: &Tx,
    account: AccountId,
    of: &[(u64, u64)],
    name: &str,
) -> Result<BTreeSet<u64>> {
    let ids: BTreeSet<u64> = of.iter().map(|(_, lead)| *lead).collect();
    let leads: BTreeMap<u64, lead::Lead> = lead::several_by_id(tx, account, &ids).await?;
    let name = fold(name);
    let named = leads
        .into_values()
        .filter(|lead| contains(lead.text(lead::Text::FirstName), &name));
    Ok(named.map(|lead| lead.id).collect())
}
