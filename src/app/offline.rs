//! `store verify`, `store inspect` and `store compact`: a closed store, looked at or made smaller.
//! `store salvage` is at home in `salvage.rs`.
//!
//! Owns the order of the steps, the copy and its end, and what is printed. Does not know what must
//! hold: the store's survey and the relay's audit do.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::salvage;
use crate::cli::progress::Bar;
use crate::cli::{Exit, StoreOrder, fail, print};
use crate::clock::{Clock, Entropy};
use crate::config::size_text;
use crate::domain::account::{self, Account};
use crate::id::AccountId;
use crate::relay::audit::{Audit, audit};
use crate::store::sled::{
    FORMAT, OpenError, Progress, Settings, SledStore, Survey, compact as rewrite, copy, must_exist,
    survey,
};
use crate::store::{Database, Faults, keys};

/// Accounts and endpoints read in one scan.
const PAGE: usize = 1000;

/// Does what was ordered, and tells it.
pub fn run(order: &StoreOrder, json: bool) -> Exit {
    // sled panics on some kinds of damage. What the store makes of it is told, and nothing else.
    std::panic::set_hook(Box::new(|panic| tracing::error!(%panic, "a panic")));
    let done = catch_unwind(|| told(order, json));
    done.unwrap_or_else(|_| fail("error: this is a defect of hookrelay itself"))
}

fn told(order: &StoreOrder, json: bool) -> Exit {
    let mut bar = Bar::default();
    let told = match order {
        StoreOrder::Verify { directory, scratch } => {
            verify(directory, scratch, &mut bar).map(|found| found.told(directory, json))
        }
        StoreOrder::Inspect { directory, scratch } => {
            inspect(directory, scratch, &mut bar).map(|found| (inspected(&found, json), true))
        }
        StoreOrder::Salvage { directory } => {
            salvage::told(directory, json, &mut bar).map(|text| (text, true))
        }
        StoreOrder::Compact { directory } => {
            compact(directory, json, &mut bar).map(|text| (text, true))
        }
    };
    drop(bar);
    match told {
        Ok((text, holds)) => match print(&text) {
            Exit::Done if !holds => Exit::Failed,
            exit => exit,
        },
        Err(why) => fail(&format!("error: {why}")),
    }
}

/// What a check found.
#[derive(Debug, Clone, Default)]
pub struct Verified {
    survey: Survey,
    audit: Audit,
    /// Everything that does not hold.
    pub faults: Faults,
}

/// Settings for a copy that nobody else uses: no ballast, and compacted never.
fn settings() -> Settings {
    Settings {
        ballast: 0,
        compact_over: u64::MAX,
        ..Settings::default()
    }
}

/// A copy of a store. Dropping it removes it.
struct Copy {
    path: PathBuf,
    /// What it is a copy of.
    of: PathBuf,
}

impl Copy {
    fn make(directory: &Path, scratch: &Path, bar: &mut Bar) -> Result<Self, String> {
        let made = Self {
            path: scratch.to_owned(),
            of: directory.to_owned(),
        };
        copy(directory, scratch, |Progress { copied, live }| {
            bar.show("copying", copied, live);
        })
        .map_err(|error| error.to_string())?;
        Ok(made)
    }

    fn survey(&self, bar: &mut Bar) -> Result<Survey, String> {
        let show = |Progress { copied, live }| bar.show("reading every byte", copied, live);
        survey(&self.path, &settings(), show).map_err(|error| self.why(error))
    }

    /// What is wrong with the copy is wrong with the store, of which nothing was opened.
    fn why(&self, error: OpenError) -> String {
        match error {
            OpenError::Damaged { reason, .. } => OpenError::Damaged {
                path: self.of.join("db"),
                reason,
                untouched: true,
            }
            .to_string(),
            error => error.to_string(),
        }
    }

    /// Opens it, gives it to `work` and closes it again.
    fn opened<T, F>(&self, work: impl FnOnce(Database) -> F) -> Result<T, String>
    where
        F: Future<Output = T>,
    {
        let clock = Clock::system();
        let store = SledStore::open(&self.path, settings(), clock.clone());
        let store = Arc::new(store.map_err(|error| self.why(error))?);
        let database = Database::new(store.clone(), clock, Entropy::system());
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|error| format!("no runtime: {error}"))?;
        let done = runtime.block_on(work(database));
        store.close();
        Ok(done)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // Of what cannot be removed the name says what it is.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Checks the closed store in `directory` on a copy that is made at `scratch`.
pub fn verify(directory: &Path, scratch: &Path, bar: &mut Bar) -> Result<Verified, String> {
    let copy = Copy::make(directory, scratch, bar)?;
    let survey = copy.survey(bar)?;
    let audit = copy.opened(|database| async move {
        let mut tell = |done: u64| bar.tell(&format!("holding records against each other: {done}"));
        audit(&database, &mut tell).await
    })?;
    let mut faults = survey.faults.clone();
    faults.append(audit.faults.clone());
    Ok(Verified {
        survey,
        audit,
        faults,
    })
}

impl Verified {
    fn told(&self, directory: &Path, as_json: bool) -> (String, bool) {
        let holds = self.faults.is_empty();
        let text = if as_json {
            format!("{}\n", self.as_json(directory))
        } else {
            self.as_text(directory)
        };
        (text, holds)
    }

    fn as_json(&self, directory: &Path) -> Value {
        let endpoints = self.audit.endpoints.iter().map(|(id, balance)| {
            json!({"endpoint": id, "accepted": balance.accepted, "delivered": balance.delivered,
                   "dead": balance.dead, "filtered": balance.filtered, "pending": balance.pending})
        });
        json!({
            "holds": self.faults.is_empty(),
            "directory": directory.display().to_string(),
            "format": FORMAT,
            "file_bytes": self.survey.file,
            "live_bytes": self.survey.live,
            "records": self.audit.records,
            "messages": messages(&self.survey),
            "accounts": self.audit.accounts,
            "endpoints": endpoints.collect::<Vec<Value>>(),
            "faults": self.faults.named(),
            "fault_count": self.faults.count(),
        })
    }

    fn as_text(&self, directory: &Path) -> String {
        let mut text = String::new();
        for fault in self.faults.named() {
            // Writing into a string cannot fail.
            let _ = writeln!(text, "fault: {}", printable(fault));
        }
        let looked_at = format!(
            "{} accounts, {} endpoints, {} records and {} messages in {}",
            self.audit.accounts,
            self.audit.endpoints.len(),
            self.audit.records,
            messages(&self.survey),
            directory.display()
        );
        let verdict = match self.faults.count() {
            0 => format!("Everything holds: {looked_at}."),
            1 => format!("1 fault in {looked_at}."),
            count => format!("{count} faults in {looked_at}."),
        };
        let _ = writeln!(text, "{verdict}");
        text
    }
}

/// Damaged keys can hold anything, and a terminal obeys some of it.
pub fn printable(text: &str) -> String {
    let shown = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    text.chars().map(shown).collect()
}

fn messages(survey: &Survey) -> u64 {
    let logs = survey.logs.values();
    logs.map(|log| log.last.0.saturating_sub(log.first.0) + 1)
        .sum()
}

/// What is in a store.
struct Inspected {
    directory: PathBuf,
    survey: Survey,
    accounts: Vec<(Account, u64)>,
}

fn inspect(directory: &Path, scratch: &Path, bar: &mut Bar) -> Result<Inspected, String> {
    let copy = Copy::make(directory, scratch, bar)?;
    let survey = copy.survey(bar)?;
    let accounts = copy.opened(|database| async move { all_accounts(&database).await })?;
    Ok(Inspected {
        directory: directory.to_owned(),
        survey,
        accounts: accounts.map_err(|error| error.to_string())?,
    })
}

/// Every account, with how many endpoints it has.
async fn all_accounts(database: &Database) -> crate::error::Result<Vec<(Account, u64)>> {
    let mut endpoints: BTreeMap<AccountId, u64> = BTreeMap::new();
    let mut range = keys::all_endpoints();
    loop {
        let page = database.view().scan(&range, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        range = range.following(last);
        let owners = page
            .iter()
            .filter_map(|(key, _)| keys::watched_endpoint(key));
        for (account, _) in owners {
            *endpoints.entry(account).or_default() += 1;
        }
    }
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = account::list(&database.view(), after, PAGE).await?;
        let Some(last) = page.last() else {
            return Ok(found);
        };
        after = Some(last.id);
        found.extend(page.into_iter().map(|account| {
            let has = endpoints.get(&account.id).copied().unwrap_or_default();
            (account, has)
        }));
    }
}

fn inspected(found: &Inspected, as_json: bool) -> String {
    let Inspected {
        directory,
        survey,
        accounts,
    } = found;
    if as_json {
        let accounts = accounts.iter().map(|(account, endpoints)| {
            let log = survey.logs.get(&account.id);
            json!({"account": account.id, "name": account.name, "endpoints": endpoints,
                   "first": log.map(|log| log.first), "last": log.map(|log| log.last),
                   "messages": log.map_or(0, |log| log.last.0 - log.first.0 + 1),
                   "log_bytes": log.map_or(0, |log| log.bytes)})
        });
        let whole = json!({
            "directory": directory.display().to_string(), "format": FORMAT,
            "file_bytes": survey.file, "live_bytes": survey.live, "records": survey.records,
            "messages": messages(survey), "accounts": accounts.collect::<Vec<Value>>(),
        });
        return format!("{whole}\n");
    }
    let mut text = format!(
        "directory  {}\nformat     {FORMAT}\nfile       {}\nlive       {}\nrecords    {}\n\
         messages   {}\n\n",
        directory.display(),
        size_text(survey.file),
        size_text(survey.live),
        survey.records,
        messages(survey)
    );
    // Writing into a string cannot fail.
    let _ = writeln!(
        text,
        "{:<12}  {:>9}  {:>12}  {:>12}  {:>12}  NAME",
        "ACCOUNT", "ENDPOINTS", "FIRST", "LAST", "LOG BYTES"
    );
    for (account, endpoints) in accounts {
        let log = survey.logs.get(&account.id);
        let shown = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
        let _ = writeln!(
            text,
            "{:<12}  {:>9}  {:>12}  {:>12}  {:>12}  {}",
            account.id,
            endpoints,
            shown(log.map(|log| log.first.0)),
            shown(log.map(|log| log.last.0)),
            shown(log.map(|log| log.bytes)),
            printable(&account.name)
        );
    }
    text
}

fn compact(directory: &Path, as_json: bool, bar: &mut Bar) -> Result<String, String> {
    must_exist(directory).map_err(|error| error.to_string())?;
    let done = rewrite(
        directory,
        &Settings::default(),
        |Progress { copied, live }| {
            bar.show("compacting", copied, live);
        },
    )
    .map_err(|error| error.to_string())?;
    give_to_owner(directory)?;
    if as_json {
        let (before, after) = (done.before, done.after);
        return Ok(format!(
            "{}\n",
            json!({"before_bytes": before, "after_bytes": after})
        ));
    }
    let (before, after) = (size_text(done.before), size_text(done.after));
    Ok(format!("before  {before}\nafter   {after}\n"))
}

/// Root may compact the directory of a daemon that runs as somebody else, who must be able to
/// write the new files.
fn give_to_owner(directory: &Path) -> Result<(), String> {
    let refused = |error: std::io::Error| {
        format!(
            "the new database cannot be given to the owner of {}: {error}",
            directory.display()
        )
    };
    let owner = std::fs::metadata(directory).map_err(refused)?;
    let mut waiting = vec![directory.join("db"), directory.join("lock")];
    while let Some(path) = waiting.pop() {
        let found = std::fs::symlink_metadata(&path).map_err(refused)?;
        if (found.uid(), found.gid()) != (owner.uid(), owner.gid()) {
            let (user, group) = (Some(owner.uid()), Some(owner.gid()));
            std::os::unix::fs::lchown(&path, user, group).map_err(refused)?;
        }
        if found.is_dir() {
            for entry in std::fs::read_dir(&path).map_err(refused)? {
                waiting.push(entry.map_err(refused)?.path());
            }
        }
    }
    Ok(())
}
