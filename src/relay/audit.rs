//! Reading a whole store for its audit, page by page.
//!
//! Owns the walk over all records and, for each account, over its log with the ledgers of its
//! endpoints. Memory is bounded by pages and by what one endpoint may have open. Does not know
//! what must hold: `references.rs` and `ledger.rs` do.

use std::collections::{BTreeMap, VecDeque};

use super::engine::Stored;
use super::ledger::{Balance, Ledger};
use super::records;
use super::references::{self, PAIRS};
use crate::domain::account::Account;
use crate::domain::dead_letter::{self, DeadRange};
use crate::domain::endpoint::Endpoint;
use crate::error::Result;
use crate::id::{AccountId, EndpointId, Seq};
use crate::store::{Database, Faults, Key, KeyRange, Message, ReadError, Store, keys};

/// Records and dead ranges read in one scan.
const PAGE: usize = 500;
/// Messages and bytes of one page of a log.
const PAGE_MESSAGES: usize = 1024;
const PAGE_BYTES: usize = 1 << 20;
/// Endpoints whose ledgers are kept in one walk over a log.
const TOGETHER: usize = 100;

/// What was looked at, and what does not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// Records.
    pub records: u64,
    /// Accounts.
    pub accounts: u64,
    /// Endpoints, with what became of their messages.
    pub endpoints: BTreeMap<EndpointId, Balance>,
    /// What does not hold.
    pub faults: Faults,
}

impl Audit {
    fn unreadable(&mut self, what: &str, error: &dyn std::fmt::Display) {
        self.faults.add(format!(
            "{what}: {error}; what depends on it was not checked"
        ));
    }
}

/// How far an audit is: records and messages looked at so far.
pub type Progress<'a> = &'a mut (dyn FnMut(u64) + Send);

/// Everything that is stored, against itself. `progress` counts records and messages.
pub async fn audit(database: &Database, progress: Progress<'_>) -> Audit {
    let mut audit = Audit::default();
    let mut done = 0;
    let mut tell = |more: usize| {
        done += more as u64;
        progress(done);
    };
    if let Err(error) = all_records(&**database.store(), &mut audit, &mut tell).await {
        audit.unreadable("a record", &error);
    }
    let mut range = keys::accounts();
    loop {
        let page: Vec<(Key, Account)> = match database.view().read_range(&range, PAGE).await {
            Ok(page) => page,
            Err(error) => {
                audit.unreadable("an account", &error);
                return audit;
            }
        };
        let Some((last, _)) = page.last() else {
            return audit;
        };
        range = range.following(last);
        for (_, account) in page {
            audit.accounts += 1;
            let checked = all_ledgers(database, account.id, &mut audit, &mut tell).await;
            if let Err(error) = checked {
                audit.unreadable(&format!("account {}", account.id), &error);
            }
        }
    }
}

/// Every key but those of the logs.
async fn all_records(
    store: &dyn Store,
    audit: &mut Audit,
    tell: &mut (dyn FnMut(usize) + Send),
) -> std::result::Result<(), ReadError> {
    let key = |text: &str| Key::from_stored(text.to_owned());
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for (start, end) in [("!", "log/"), ("log0", "~")] {
        let mut range = KeyRange {
            start: key(start),
            end: key(end),
            newest_first: false,
        };
        loop {
            let page = store.scan(&range, PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            range = range.following(last);
            tell(page.len());
            for (key, found) in page {
                audit.records += 1;
                let directory = key.parts().next().unwrap_or_default().to_owned();
                *counts.entry(directory).or_default() += 1;
                one_record(store, &key, &found.value, &mut audit.faults).await?;
            }
        }
    }
    let count = |directory: &str| counts.get(directory).copied().unwrap_or_default();
    for (index, records) in PAIRS {
        let (has, wants) = (count(index), count(records));
        if has != wants {
            let text = format!("there are {has} keys under {index}/ for {wants} under {records}/");
            audit.faults.add(text);
        }
    }
    Ok(())
}

async fn one_record(
    store: &dyn Store,
    key: &Key,
    value: &[u8],
    faults: &mut Faults,
) -> std::result::Result<(), ReadError> {
    let demands = match references::demands(key, value) {
        Ok(demands) => demands,
        Err(why) => {
            faults.add(format!("{key}: {why}"));
            return Ok(());
        }
    };
    for demand in demands {
        let found = store.get(&demand.key).await?;
        let Some(found) = found else {
            faults.add(format!("{key} needs {}, which is not there", demand.key));
            continue;
        };
        if demand.holds.is_some_and(|holds| holds != found.value) {
            faults.add(format!(
                "{key} needs {}, which speaks of another",
                demand.key
            ));
        }
    }
    Ok(())
}

/// One endpoint as it is stored.
struct Entry {
    endpoint: Endpoint,
    stored: Stored,
}

async fn all_ledgers(
    database: &Database,
    account: AccountId,
    audit: &mut Audit,
    tell: &mut (dyn FnMut(usize) + Send),
) -> Result<()> {
    let view = database.view();
    let seen = records::load_seen(&view, account).await?;
    let mut range = keys::endpoints(account);
    loop {
        let view = database.view();
        let page: Vec<(Key, Endpoint)> = view.read_range(&range, TOGETHER).await?;
        let Some((last, _)) = page.last() else {
            return Ok(());
        };
        range = range.following(last);
        let mut entries = Vec::with_capacity(page.len());
        for (_, endpoint) in page {
            let stored = records::load(&view, account, endpoint.id).await?;
            entries.push(Entry { endpoint, stored });
        }
        ledgers(database, account, seen, &entries, audit, tell).await?;
    }
}

/// The ledgers of some endpoints in one walk over their log.
async fn ledgers(
    database: &Database,
    account: AccountId,
    seen: Seq,
    entries: &[Entry],
    audit: &mut Audit,
    tell: &mut (dyn FnMut(usize) + Send),
) -> Result<()> {
    let store = database.store();
    let refused = |error: ReadError| crate::error::Error::unavailable(error.to_string());
    let end = store.head(account).await.map_err(refused)?.last;
    let first = store
        .read_log(account, Seq(1), 1, 1)
        .await
        .map_err(refused)?;
    let from = first.messages.first().map_or(end.next(), |it| it.seq());
    let mut ledgers: Vec<Open> = entries
        .iter()
        .map(|entry| Open {
            ledger: Ledger::new(&entry.endpoint, &entry.stored, seen, from),
            endpoint: &entry.endpoint,
            dead: VecDeque::new(),
            after: Some(Seq(0)),
        })
        .collect();
    let mut next = from;
    while next <= end {
        let page = store
            .read_log(account, next, PAGE_MESSAGES, PAGE_BYTES)
            .await;
        let messages = page.map_err(refused)?.messages;
        let Some(last) = messages.last() else { break };
        next = last.seq().next();
        tell(messages.len());
        for open in &mut ledgers {
            for message in &messages {
                open.message(database, message).await?;
            }
        }
    }
    for mut open in ledgers {
        open.bury(database, Seq(u64::MAX)).await?;
        let (balance, faults) = open.ledger.finish(end);
        let id = open.endpoint.id;
        for fault in faults.named() {
            audit.faults.add(format!("endpoint {id}: {fault}"));
        }
        audit.endpoints.insert(id, balance);
    }
    Ok(())
}

/// A ledger with its dead ranges, of which a page is read ahead.
struct Open<'a> {
    ledger: Ledger<'a>,
    endpoint: &'a Endpoint,
    dead: VecDeque<DeadRange>,
    /// What was read ends here; none once there is no more.
    after: Option<Seq>,
}

impl Open<'_> {
    async fn message(&mut self, database: &Database, message: &Message) -> Result<()> {
        self.bury(database, message.seq()).await?;
        self.ledger.message(message, true);
        Ok(())
    }

    /// Enters the dead ranges that begin up to `until`.
    async fn bury(&mut self, database: &Database, until: Seq) -> Result<()> {
        loop {
            while let Some(range) = self.dead.pop_front_if(|range| range.first <= until) {
                self.ledger.dead(range);
            }
            let Some(after) = self.after.filter(|_| self.dead.is_empty()) else {
                return Ok(());
            };
            let (account, id) = (self.endpoint.account, self.endpoint.id);
            let after = Some(after);
            let page = dead_letter::list(&database.view(), account, id, after, PAGE).await?;
            self.after = page.last().map(|range| range.first);
            self.dead = page.into();
        }
    }
}
