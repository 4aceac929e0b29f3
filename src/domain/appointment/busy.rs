//! Who is busy when.
//!
//! Owns the lists of occupied time and the two questions put to them. An appointment is listed by
//! its start among those of about its length, so what could overlap a time is found by reading
//! around that time alone, however full the calendar is. Does not know why somebody asks.

use bytes::Bytes;

use super::{Appointment, PAGE};
use crate::clock::{Millis, Timestamp};
use crate::error::{Error, Result};
use crate::id::AccountId;
use crate::store::tx::encode;
use crate::store::{Key, Tx, keys};

/// The lists, each with the longest appointment in it. The value is the end and the lead.
const LISTS: [(&str, Millis); 5] = [
    ("appointment-busy-hour", Millis::minutes(60)),
    ("appointment-busy-day", Millis::minutes(24 * 60)),
    ("appointment-busy-month", Millis::minutes(31 * 24 * 60)),
    ("appointment-busy-year", Millis::minutes(366 * 24 * 60)),
    ("appointment-busy-longer", Millis(u64::MAX)),
];

/// Where an occupying appointment is listed, and as what.
pub(super) fn entry(account: AccountId, it: &Appointment) -> Result<(Key, Bytes)> {
    let length = it.end.since(it.start);
    let fits = |(_, longest): &&(&str, Millis)| length <= *longest;
    let (list, _) = LISTS.iter().find(fits).unwrap_or(&LISTS[LISTS.len() - 1]);
    let key = keys::timed(list, account, it.user_id, it.start, it.id);
    Ok((key, encode(&(it.end, it.lead_id))?))
}

/// Whether the lead has an occupying appointment with the user that begins then.
pub async fn occupies_at(
    tx: &Tx,
    account: AccountId,
    lead: u64,
    user: u64,
    start: Timestamp,
) -> Result<bool> {
    for (list, _) in LISTS {
        let between = (start, start);
        let of_lead = |_: &Key, (_, of): &Entry| *of == lead;
        if any(tx, list, (account, user), between, of_lead).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Refuses a time at which the user has another occupying appointment.
pub(super) async fn is_free(tx: &Tx, account: AccountId, wanted: &Appointment) -> Result<()> {
    let of = (account, wanted.user_id);
    for (list, longest) in LISTS {
        // Whatever begins earlier than its list is long is over by then.
        let from = Timestamp(wanted.start.0.saturating_sub(longest.0));
        let until = wanted.start.max(Timestamp(wanted.end.0.saturating_sub(1)));
        let overlaps = |key: &Key, (end, _): &Entry| {
            let start = keys::time_of(key).unwrap_or_default();
            let crosses = start < wanted.end && *end > wanted.start;
            keys::id_of(key) != Some(wanted.id) && (crosses || start == wanted.start)
        };
        if any(tx, list, of, (from, until), overlaps).await? {
            let text = "Appointment schedule exists for this time.";
            return Err(Error::conflict(text));
        }
    }
    Ok(())
}

/// End and lead.
type Entry = (Timestamp, u64);

/// Whether one entry of a list that begins between two times is what is looked for.
async fn any(
    tx: &Tx,
    list: &str,
    (account, user): (AccountId, u64),
    (from, until): (Timestamp, Timestamp),
    is_wanted: impl Fn(&Key, &Entry) -> bool,
) -> Result<bool> {
    let mut range = keys::between(list, account, user, from, until);
    loop {
        let page = tx.read_range::<Entry>(&range, PAGE).await?;
        if page.iter().any(|(key, entry)| is_wanted(key, entry)) {
            return Ok(true);
        }
        match page.last() {
            Some((key, _)) if page.len() == PAGE => range = range.following(key),
            _ => return Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::appointment::tests::blank;

    const HOUR: u64 = 3_600_000;

    #[test]
    fn every_length_has_a_list_that_holds_it() {
        let account = AccountId::from_number(1);
        for (length, list) in [
            (0, "appointment-busy-hour"),
            (HOUR, "appointment-busy-hour"),
            (HOUR + 1, "appointment-busy-day"),
            (24 * HOUR, "appointment-busy-day"),
            (25 * HOUR, "appointment-busy-month"),
            (32 * 24 * HOUR, "appointment-busy-year"),
            (367 * 24 * HOUR, "appointment-busy-longer"),
        ] {
            let it = blank(Timestamp(HOUR), Timestamp(HOUR + length));
            let (key, value) = entry(account, &it).unwrap();
            assert_eq!(key, keys::timed(list, account, 8, Timestamp(HOUR), 1001));
            assert_eq!(value, format!("[{},7]", HOUR + length));
        }
    }
}
