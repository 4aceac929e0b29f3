//! What waits where, for how long, and why: endpoints by age.
//!
//! Owns the search for the places in a log where ages change: by halving, one message a step, so
//! that a long backlog costs no more than a few dozen reads for each account. The counting is the
//! relay's.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use axum::extract::State;
use bytes::Bytes;
use serde::Serialize;

use super::Context;
use super::status::{rows, state};
use crate::api::dialect::{Reply, ok};
use crate::api::front::{Call, Core};
use crate::clock::{Millis, Timestamp};
use crate::domain::account;
use crate::domain::endpoint::Endpoint;
use crate::error::{Error, Result};
use crate::id::{AccountId, EndpointId, Seq};
use crate::live::{AgeMarks, Ages, EndpointNow, Live, NotRunning, Wait};
use crate::store::{ReadError, Store};

/// Endpoints whose messages above the cursor one answer counts by reading them, and how many
/// messages and bytes that may be for each.
const RECOUNTS: usize = 100;
const RECOUNT_MESSAGES: usize = 1000;
const RECOUNT_BYTES: usize = 1 << 20;

/// Where ages change, by the account whose log it is.
type Marks = BTreeMap<AccountId, AgeMarks>;

#[derive(Serialize)]
struct Queue {
    endpoints: Vec<Row>,
    total: Totals,
}

#[derive(Serialize)]
struct Row {
    account: AccountId,
    account_name: String,
    endpoint: EndpointId,
    url: String,
    state: &'static str,
    /// Null until it was counted: right after a start, or while the relay has not met the
    /// endpoint.
    pending: Option<u64>,
    ages: Option<AgesView>,
    in_flight: u64,
    open_batches: u64,
    oldest: Option<String>,
    /// Age of the oldest pending message in seconds.
    oldest_age_s: Option<u64>,
    last_class: Option<&'static str>,
    /// Why nothing goes out although something waits.
    wait: Option<&'static str>,
    /// When that may change by itself.
    until: Option<String>,
}

/// The pending messages by age: each is in the first of these that it is young enough for.
#[derive(Debug, Clone, Copy, Serialize)]
struct AgesView {
    under_1m: u64,
    under_1h: u64,
    under_24h: u64,
    older: u64,
    /// False: `pending` is exact, and its parts are estimated.
    exact: bool,
}

impl From<Ages> for AgesView {
    fn from(ages: Ages) -> Self {
        let counts = ages.counts();
        Self {
            under_1m: counts[0],
            under_1h: counts[1],
            under_24h: counts[2],
            older: counts[3],
            exact: ages.exact,
        }
    }
}

#[derive(Serialize)]
struct Totals {
    /// Of the endpoints that were counted.
    pending: u64,
    /// Endpoints that were not counted yet.
    uncounted: u64,
    ages: AgesView,
    in_flight: u64,
    open_batches: u64,
}

impl Totals {
    fn of(rows: &[Row]) -> Self {
        let sum = |of: fn(&Row) -> u64| rows.iter().map(of).sum();
        let mut ages = AgesView {
            exact: true,
            ..Ages::default().into()
        };
        for row in rows.iter().filter_map(|row| row.ages) {
            ages.under_1m += row.under_1m;
            ages.under_1h += row.under_1h;
            ages.under_24h += row.under_24h;
            ages.older += row.older;
            ages.exact &= row.exact;
        }
        Self {
            pending: sum(|row| row.pending.unwrap_or(0)),
            uncounted: sum(|row| u64::from(row.pending.is_none())),
            ages,
            in_flight: sum(|row| row.in_flight),
            open_batches: sum(|row| row.open_batches),
        }
    }
}

/// `GET queue`: one row per endpoint, the longest waiting first, and their total.
pub(super) async fn show(State(context): State<Arc<Context>>, call: Call<Bytes>) -> Reply {
    let time = call.core.db.clock().now();
    let store = &**call.core.db.store();
    let (running, marks) = by_age(&*context.live, store, time).await?;
    let mut ages: BTreeMap<(AccountId, EndpointId), Ages> = BTreeMap::new();
    let mut endpoints_now = Vec::with_capacity(running.len());
    for (now, by_age) in running {
        if now.counted {
            ages.insert((now.account, now.endpoint), by_age);
        }
        endpoints_now.push(now);
    }
    let rows = rows(&call.core, endpoints_now).await?;
    let names = account_names(&call.core, &rows).await?;
    let mut endpoints: Vec<Row> = Vec::with_capacity(rows.len());
    let mut recounts = 0;
    for (endpoint, now) in rows {
        let mut ages = ages.get(&(endpoint.account, endpoint.id)).copied();
        if let (Some(ages), Some(now), Some(marks)) =
            (&mut ages, &now, marks.get(&endpoint.account))
            && !ages.exact
            && recounts < RECOUNTS
        {
            recounts += 1;
            recount(store, &endpoint, now, marks, ages)
                .await
                .map_err(unreadable)?;
        }
        let name = names.get(&endpoint.account).cloned().unwrap_or_default();
        endpoints.push(row(endpoint, name, now.as_ref(), ages, time));
    }
    endpoints.sort_by_key(|row| std::cmp::Reverse(row.oldest_age_s));
    let total = Totals::of(&endpoints);
    Ok(ok(&Queue { endpoints, total })?)
}

fn unreadable(_: ReadError) -> Error {
    Error::unavailable("The log cannot be read now")
}

/// Counts what waits above the cursor message by message, where the log ends soon. What was
/// acknowledged out of turn, or came in meanwhile, shows in the sum, and the estimate stays.
async fn recount(
    store: &dyn Store,
    endpoint: &Endpoint,
    now: &EndpointNow,
    marks: &AgeMarks,
    ages: &mut Ages,
) -> std::result::Result<(), ReadError> {
    let end = store.visible(endpoint.account).await?;
    if end.0.saturating_sub(now.cursor.0) > RECOUNT_MESSAGES as u64 {
        return Ok(());
    }
    let from = now.cursor.next();
    let page = store
        .read_log(endpoint.account, from, RECOUNT_MESSAGES, RECOUNT_BYTES)
        .await?;
    let mut above = [0; 4];
    for message in page.messages.iter().filter(|it| endpoint.admits(it)) {
        above[marks.age_of(message.seq())] += 1;
    }
    let whole = page.messages.last().is_some_and(|last| last.seq() >= end);
    let waits = now.pending.saturating_sub(now.open_messages);
    if whole && above.iter().sum::<u64>() == waits {
        ages.above = above;
        ages.exact = true;
    }
    Ok(())
}

/// Asks the relay what waits, finds the marks of the logs where something does, and asks again
/// with them. What begins to wait in between is new, or an old message that is sent again: such
/// a one counts by the marks that were found without it.
async fn by_age(
    live: &dyn Live,
    store: &dyn Store,
    at: Timestamp,
) -> Result<(Vec<(EndpointNow, Ages)>, Marks)> {
    let stopped = |_: NotRunning| Error::unavailable("The relay is not running now");
    let mut lowest: BTreeMap<AccountId, Seq> = BTreeMap::new();
    for now in live.endpoints(None).await.map_err(stopped)? {
        if let Some(seq) = now.lowest {
            let known = lowest.entry(now.account).or_insert(seq);
            *known = seq.min(*known);
        }
    }
    let mut marks = Marks::new();
    for (account, lowest) in lowest {
        let found = find_marks(store, account, lowest, at).await;
        marks.insert(account, found.map_err(unreadable)?);
    }
    let all = live.endpoints_by_age(marks.clone()).await;
    Ok((all.map_err(stopped)?, marks))
}

/// The marks of one account's log from `lowest` on.
async fn find_marks(
    store: &dyn Store,
    account: AccountId,
    lowest: Seq,
    at: Timestamp,
) -> std::result::Result<AgeMarks, ReadError> {
    let mut end = store.visible(account).await?.next();
    let mut first_younger = [lowest; 3];
    for (mark, age) in first_younger.iter_mut().zip(AgeMarks::AGES) {
        // What is younger than a minute is younger than an hour: the next mark is not above.
        end = first_younger_than(store, account, lowest..end, at, age).await?;
        *mark = end;
    }
    Ok(AgeMarks { at, first_younger })
}

/// The first message of `within` that is younger than `age`; its end when none is.
async fn first_younger_than(
    store: &dyn Store,
    account: AccountId,
    within: std::ops::Range<Seq>,
    at: Timestamp,
    age: Millis,
) -> std::result::Result<Seq, ReadError> {
    let (mut low, mut high) = (within.start, within.end);
    // The first look is at the beginning, because mostly nothing old waits.
    let mut look = low;
    while low < high {
        // A part of the log that was trimmed meanwhile is passed over.
        let page = store.read_log(account, look, 1, 1).await?;
        match page.messages.first() {
            Some(message) if at.since(message.id.time()) >= age => low = message.seq().next(),
            _ => high = look,
        }
        look = Seq(low.0.midpoint(high.0));
    }
    Ok(high)
}

/// The names of the accounts of these rows.
async fn account_names(
    core: &Core,
    rows: &[(Endpoint, Option<EndpointNow>)],
) -> Result<BTreeMap<AccountId, String>> {
    let view = core.db.view();
    let mut names = BTreeMap::new();
    for (endpoint, _) in rows {
        if let Entry::Vacant(unknown) = names.entry(endpoint.account) {
            let found = account::find(&view, &endpoint.account.to_string()).await?;
            unknown.insert(found.name);
        }
    }
    Ok(names)
}

fn row(
    endpoint: Endpoint,
    account_name: String,
    now: Option<&EndpointNow>,
    ages: Option<Ages>,
    time: Timestamp,
) -> Row {
    let oldest = now.and_then(|now| now.oldest);
    let wait = now.and_then(|now| now.wait.as_ref());
    Row {
        account: endpoint.account,
        account_name,
        endpoint: endpoint.id,
        state: state(&endpoint, now),
        url: endpoint.url,
        pending: now.filter(|now| now.counted).map(|now| now.pending),
        ages: ages.map(Into::into),
        in_flight: now.map_or(0, |now| now.in_flight),
        open_batches: now.map_or(0, |now| now.open_batches),
        oldest: oldest.map(|time| time.to_string()),
        oldest_age_s: oldest.map(|oldest| time.since(oldest).0 / 1000),
        last_class: now
            .and_then(|now| now.last_class)
            .map(crate::attempt::Class::as_str),
        wait: wait.map(Wait::as_str),
        until: wait.and_then(Wait::until).map(|time| time.to_string()),
    }
}
