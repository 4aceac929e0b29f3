//! `store salvage`: what can still be read of a database that cannot be opened.
//!
//! Owns what is counted and how it is printed. Does not know how raw files are read.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use bytes::Bytes;
use serde_json::{Value, json};

use super::offline::printable;
use crate::cli::progress::Bar;
use crate::config::size_text;
use crate::domain::account::Account;
use crate::id::{AccountId, EndpointId, Seq};
use crate::relay::records::undelivered;
use crate::store::sled::{Found, Progress, Salvaged, salvage};
use crate::store::{Key, keys};

/// Stretches of a log that are printed for an account; the JSON has them all.
const MAX_PRINTED: usize = 8;
/// Losses that are printed; the JSON has more.
const MAX_LOSSES: usize = 30;

/// What was found of an account.
#[derive(Debug, Default)]
struct Owner {
    name: Option<String>,
    /// Its endpoints, and their cursors as they are stored.
    endpoints: BTreeMap<EndpointId, Option<Bytes>>,
    /// Messages from .. to, in order.
    ranges: Vec<(Seq, Seq)>,
    /// The end of the log, as it was noted beside it.
    end: Option<Seq>,
}

impl Owner {
    fn message(&mut self, seq: Seq) {
        match self.ranges.last_mut() {
            Some((_, last)) if seq == last.next() => *last = seq,
            _ => self.ranges.push((seq, seq)),
        }
    }

    fn messages(&self) -> u64 {
        let length = |(first, last): &(Seq, Seq)| last.0.saturating_sub(first.0) + 1;
        self.ranges.iter().map(length).sum()
    }

    fn last(&self) -> Option<Seq> {
        self.ranges.last().map(|(_, last)| *last).max(self.end)
    }

    /// Messages that are missing between the first one that is there and the end.
    fn missing(&self) -> u64 {
        let whole = match (self.ranges.first(), self.last()) {
            (Some((first, _)), Some(last)) => last.0.saturating_sub(first.0) + 1,
            _ => 0,
        };
        whole.saturating_sub(self.messages())
    }

    fn undelivered(&self, cursor: Option<&Bytes>) -> Option<u64> {
        undelivered(cursor?, self.last().unwrap_or_default())
    }
}

#[derive(Debug, Default)]
struct Report {
    accounts: BTreeMap<AccountId, Owner>,
}

impl Report {
    fn take(&mut self, found: Found<'_>) {
        match found {
            Found::Block(account, messages) => {
                let owner = self.accounts.entry(account).or_default();
                for message in messages {
                    owner.message(message.seq());
                }
            }
            // The installation's own log is empty.
            Found::End(_, Seq(0)) => {}
            Found::End(account, last) => {
                self.accounts.entry(account).or_default().end = Some(last);
            }
            Found::Record(key, value) => self.record(&Key::from_stored(key.to_owned()), value),
        }
    }

    fn record(&mut self, key: &Key, value: Bytes) {
        match key.parts().next() {
            Some("account") => {
                if let Ok(account) = serde_json::from_slice::<Account>(&value) {
                    self.accounts.entry(account.id).or_default().name = Some(account.name);
                }
            }
            Some("endpoint") => {
                if let Some((account, endpoint)) = keys::watched_endpoint(key) {
                    let owner = self.accounts.entry(account).or_default();
                    owner.endpoints.entry(endpoint).or_default();
                }
            }
            Some("cursor") => {
                if let Some((account, endpoint)) = keys::watched_endpoint(key) {
                    let owner = self.accounts.entry(account).or_default();
                    owner.endpoints.insert(endpoint, Some(value));
                }
            }
            _ => {}
        }
    }

    fn messages(&self) -> u64 {
        self.accounts.values().map(Owner::messages).sum()
    }
}

/// What can be read of the store in `directory`.
pub fn told(directory: &Path, as_json: bool, bar: &mut Bar) -> Result<String, String> {
    let mut report = Report::default();
    let show = |Progress { copied, live }| bar.show("reading what is left", copied, live);
    let found = salvage(directory, show, &mut |found| report.take(found));
    let found = found.map_err(|error| error.to_string())?;
    Ok(if as_json {
        format!("{}\n", json_of(&found, &report))
    } else {
        text_of(&found, &report)
    })
}

fn json_of(found: &Salvaged, report: &Report) -> Value {
    let accounts = report.accounts.iter().map(|(id, owner)| {
        let endpoints = owner.endpoints.iter().map(|(id, cursor)| {
            json!({"endpoint": id, "undelivered": owner.undelivered(cursor.as_ref())})
        });
        json!({
            "account": id, "name": owner.name, "endpoints": endpoints.collect::<Vec<Value>>(),
            "messages": owner.messages(), "missing": owner.missing(), "last": owner.last(),
            "ranges": owner.ranges,
        })
    });
    json!({
        "database": found.database.display().to_string(),
        "file_bytes": found.file,
        "segment_bytes": found.segment,
        "segments": {"whole": found.whole, "torn": found.torn, "unreadable": found.broken,
                     "empty": found.empty},
        "unreadable_bytes": found.unreadable,
        "pages": found.pages,
        "lost_pages": found.lost_pages,
        "keys": found.keys,
        "messages": report.messages(),
        "accounts": accounts.collect::<Vec<Value>>(),
        "losses": found.faults.named(),
        "loss_count": found.faults.count(),
    })
}

fn text_of(found: &Salvaged, report: &Report) -> String {
    let mut text = format!(
        "database   {}\nfile       {}\nsegments   {} whole, {} torn, {} unreadable, {} empty, of \
         {} each\npages      {} whole, {} not\nkeys       {}\nmessages   {}\n\n",
        found.database.display(),
        size_text(found.file),
        found.whole,
        found.torn,
        found.broken,
        found.empty,
        size_text(found.segment),
        found.pages,
        found.lost_pages,
        found.keys,
        report.messages()
    );
    // Writing into a string cannot fail.
    for (id, owner) in &report.accounts {
        let name = owner
            .name
            .as_deref()
            .map_or("(name lost)".into(), printable);
        let (messages, missing) = (owner.messages(), owner.missing());
        let _ = writeln!(
            text,
            "account {id}  {name}\n  messages {messages}, missing {missing}"
        );
        for (first, last) in owner.ranges.iter().take(MAX_PRINTED) {
            let _ = writeln!(text, "    {first} to {last}");
        }
        if owner.ranges.len() > MAX_PRINTED {
            let more = owner.ranges.len() - MAX_PRINTED;
            let _ = writeln!(text, "    and {more} stretches more: see --json");
        }
        for (id, cursor) in &owner.endpoints {
            let left = owner.undelivered(cursor.as_ref());
            let left = left.map_or("unknown".to_owned(), |left| format!("about {left}"));
            let _ = writeln!(text, "  endpoint {id}  undelivered: {left}");
        }
    }
    let losses = found.faults.named();
    for loss in losses.iter().take(MAX_LOSSES) {
        let _ = writeln!(text, "lost: {}", printable(loss));
    }
    let shown = losses.len().min(MAX_LOSSES) as u64;
    if found.faults.count() > shown {
        let more = found.faults.count() - shown;
        let _ = writeln!(text, "lost: and {more} more: see --json");
    }
    text.push_str(if found.faults.is_empty() {
        "Everything can be read.\n"
    } else {
        "What is named here was stored once; behind a loss it can be older than the last state.\n"
    });
    text
}
