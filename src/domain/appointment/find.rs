//! Looking for appointments.
//!
//! Owns the walk over calendars. Does not know who may see which.

use super::{Appointment, BY_START, EVERYBODY, OF_LEAD, PAGE, Status, live};
use crate::clock::Timestamp;
use crate::error::Result;
use crate::id::AccountId;
use crate::store::{Tx, keys};

/// What is looked for; none = whatever.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// In whose calendar.
    pub user: Option<u64>,
    /// With whom.
    pub lead: Option<u64>,
    /// The earliest start.
    pub from: Timestamp,
    /// The latest start.
    pub until: Timestamp,
    /// What became of it.
    pub status: Option<Status>,
}

/// Those from number `skip` on, at most `take`, by start, then id; and how many there are.
pub async fn find(
    tx: &Tx,
    account: AccountId,
    wanted: &Wanted,
    skip: usize,
    take: usize,
) -> Result<(Vec<Appointment>, usize)> {
    match wanted.lead {
        Some(lead) => with_lead(tx, account, lead, wanted, skip, take).await,
        None => in_calendar(tx, account, wanted, skip, take).await,
    }
}

async fn with_lead(
    tx: &Tx,
    account: AccountId,
    lead: u64,
    wanted: &Wanted,
    skip: usize,
    take: usize,
) -> Result<(Vec<Appointment>, usize)> {
    let mut range = keys::members(OF_LEAD, account, &lead.to_string());
    let mut found = Vec::new();
    loop {
        let page = tx.scan(&range, PAGE).await?;
        for id in page.iter().filter_map(|(key, _)| keys::id_of(key)) {
            let it = live(tx, account, id).await?;
            found.extend(it.filter(|it| meets(it, wanted)));
        }
        match page.last() {
            Some((last, _)) if page.len() == PAGE => range = range.following(last),
            _ => break,
        }
    }
    found.sort_by_key(|it| (it.start, it.id));
    let total = found.len();
    Ok((found.into_iter().skip(skip).take(take).collect(), total))
}

fn meets(it: &Appointment, wanted: &Wanted) -> bool {
    wanted.user.is_none_or(|user| it.user_id == user)
        && (wanted.from..=wanted.until).contains(&it.start)
        && wanted.status.is_none_or(|status| it.status == status)
}

/// The calendar tells start and status, so only what is shown is read.
async fn in_calendar(
    tx: &Tx,
    account: AccountId,
    wanted: &Wanted,
    skip: usize,
    take: usize,
) -> Result<(Vec<Appointment>, usize)> {
    let calendar = wanted.user.unwrap_or(EVERYBODY);
    let mut range = keys::between(BY_START, account, calendar, wanted.from, wanted.until);
    let (mut found, mut total) = (Vec::new(), 0);
    loop {
        let page = tx.read_range::<Status>(&range, PAGE).await?;
        let is_wanted = |status| wanted.status.is_none_or(|wanted| wanted == status);
        for (key, _) in page.iter().filter(|(_, status)| is_wanted(*status)) {
            let is_shown = (skip..skip.saturating_add(take)).contains(&total);
            total += 1;
            if let Some(id) = keys::id_of(key).filter(|_| is_shown) {
                found.extend(live(tx, account, id).await?);
            }
        }
        match page.last() {
            Some((last, _)) if page.len() == PAGE => range = range.following(last),
            _ => return Ok((found, total)),
        }
    }
}
