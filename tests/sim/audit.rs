//! What the store holds, checked against itself: each message is in exactly one state at each
//! endpoint, the counters say so, and nothing is left of endpoints that are gone.
//!
//! Knows no engine: this is what a start would find.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hookrelay::domain::dead_letter::DeadRange;
use hookrelay::domain::endpoint::Endpoint;
use hookrelay::error::Error;
use hookrelay::id::{AccountId, EndpointId, Seq};
use hookrelay::relay::ledger::Ledger;
use hookrelay::relay::records;
use hookrelay::store::{Database, KeyRange, Message, keys};

/// Directories of what belongs to endpoints.
const BELONGINGS: [&str; 7] = [
    "cursor/", "batch/", "dead/", "acked/", "job/", "order/", "attempt/",
];

/// The messages of an account: what was trimmed and what is still in the log.
#[derive(Debug, Default)]
pub struct History {
    trimmed: BTreeMap<AccountId, BTreeMap<Seq, Arc<Message>>>,
}

impl History {
    /// These are about to be trimmed.
    pub fn keep(&mut self, account: AccountId, messages: impl IntoIterator<Item = Arc<Message>>) {
        let kept = self.trimmed.entry(account).or_default();
        kept.extend(messages.into_iter().map(|message| (message.seq(), message)));
    }

    /// Everything that ever was in the log, and the sequences that still are.
    pub async fn whole(
        &self,
        database: &Database,
        account: AccountId,
    ) -> Result<(BTreeMap<Seq, Arc<Message>>, BTreeSet<Seq>), Error> {
        let page = database
            .store()
            .read_log(account, Seq(1), usize::MAX, usize::MAX)
            .await
            .map_err(|error| Error::unavailable(error.to_string()))?;
        let mut whole = self.trimmed.get(&account).cloned().unwrap_or_default();
        let present = page.messages.iter().map(|message| message.seq()).collect();
        whole.extend(page.messages.into_iter().map(|found| (found.seq(), found)));
        Ok((whole, present))
    }
}

/// Checks every endpoint that is stored. The outer error is that something cannot be read.
pub async fn audit(
    database: &Database,
    history: &History,
) -> Result<Result<BTreeSet<EndpointId>, String>, Error> {
    let view = database.view();
    let found: Vec<(_, Endpoint)> = view
        .read_range(&keys::all_endpoints(), usize::MAX / 2)
        .await?;
    let endpoints: BTreeMap<EndpointId, Endpoint> = found
        .into_iter()
        .map(|(_, found)| (found.id, found))
        .collect();
    for prefix in BELONGINGS {
        for (key, _) in view.scan(&KeyRange::below(prefix), usize::MAX / 2).await? {
            let owner = keys::watched_endpoint(&key).map(|(_, id)| id);
            if !owner.is_some_and(|id| endpoints.contains_key(&id)) {
                return Ok(Err(format!("{key} is left of a deleted endpoint")));
            }
        }
    }
    for endpoint in endpoints.values() {
        let (account, id) = (endpoint.account, endpoint.id);
        let stored = records::load(&view, account, id).await?;
        let dead: Vec<(_, DeadRange)> = view
            .read_range(&keys::dead_ranges(account, id), usize::MAX / 2)
            .await?;
        let seen = records::load_seen(&view, account).await?;
        let (whole, present) = history.whole(database, account).await?;
        let dead: Vec<DeadRange> = dead.into_iter().map(|(_, dead)| dead).collect();
        let mut ledger = Ledger::new(endpoint, &stored, seen, Seq(1));
        let mut ranges = dead.iter().peekable();
        for (seq, message) in &whole {
            while let Some(range) = ranges.next_if(|range: &&DeadRange| range.first <= *seq) {
                ledger.dead(range.clone());
            }
            ledger.message(message, present.contains(seq));
        }
        let end = whole.keys().next_back().copied().unwrap_or_default();
        let (_, faults) = ledger.finish(end);
        if !faults.is_empty() {
            let problems = faults.named().join("; ");
            return Ok(Err(format!(
                "{id}: {problems} (seen {seen})\n{stored:?}\n{dead:?}"
            )));
        }
    }
    Ok(Ok(endpoints.into_keys().collect()))
}
