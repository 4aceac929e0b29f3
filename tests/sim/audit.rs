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
use hookrelay::relay::engine::Stored;
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
        let dead = dead.into_iter().map(|(_, dead)| dead).collect();
        let facts = Facts {
            endpoint,
            stored,
            dead,
            seen,
            whole,
            present,
        };
        if let Err(problem) = facts.check() {
            let Facts { stored, dead, .. } = facts;
            return Ok(Err(format!(
                "{id}: {problem} (seen {seen})\n{stored:?}\n{dead:?}"
            )));
        }
    }
    Ok(Ok(endpoints.into_keys().collect()))
}

struct Facts<'a> {
    endpoint: &'a Endpoint,
    stored: Stored,
    dead: Vec<DeadRange>,
    seen: Seq,
    whole: BTreeMap<Seq, Arc<Message>>,
    present: BTreeSet<Seq>,
}

impl Facts<'_> {
    /// The messages from `first` to `last` that the endpoint admits.
    fn admitted(&self, first: Seq, last: Seq) -> Vec<Seq> {
        if first > last {
            return Vec::new();
        }
        let between = self.whole.range(first..=last);
        let wanted = between.filter(|(_, message)| self.endpoint.admits(message));
        wanted.map(|(seq, _)| *seq).collect()
    }

    fn check(&self) -> Result<(), String> {
        self.check_states()?;
        match &self.stored.cursor {
            Some(_) => self.check_ledger(),
            None if self.stored.batches.is_empty() => {
                let unseen = self.admitted(self.endpoint.start, self.seen);
                if unseen.is_empty() {
                    Ok(())
                } else {
                    Err(format!("{unseen:?} were read for it and are not counted"))
                }
            }
            None => Err("batches without a cursor".into()),
        }
    }

    /// No message is in two states, and what is still to be sent is still there.
    fn check_states(&self) -> Result<(), String> {
        let mut states: BTreeMap<Seq, &'static str> = BTreeMap::new();
        let mut enter = |seqs: Vec<Seq>, state: &'static str| {
            for seq in seqs {
                if let Some(other) = states.insert(seq, state) {
                    return Err(format!("{seq} is {other} and {state}"));
                }
                if !self.present.contains(&seq) {
                    return Err(format!("{seq} is {state}, and trimmed"));
                }
            }
            Ok(())
        };
        for batch in &self.stored.batches {
            enter(batch.ranges.iter().collect(), "in an open batch")?;
        }
        for (first, last) in self
            .stored
            .jobs
            .iter()
            .flat_map(|job| job.remaining.pairs())
        {
            enter(self.admitted(*first, *last), "in a job")?;
        }
        for dead in &self.dead {
            let inside = self.admitted(dead.first, dead.last);
            if inside.len() as u64 != dead.count {
                return Err(format!("{dead:?} holds {inside:?}"));
            }
            enter(inside, "dead")?;
        }
        if let Some(cursor) = &self.stored.cursor {
            let above = self.admitted(cursor.cursor.next(), Seq(u64::MAX));
            enter(above, "above the cursor")?;
        }
        Ok(())
    }

    /// The ledger identity, recomputed from the log.
    fn check_ledger(&self) -> Result<(), String> {
        let Some(cursor) = &self.stored.cursor else {
            return Ok(());
        };
        let before = self.endpoint.start.previous();
        let passed = cursor.cursor.0.saturating_sub(before.0);
        let admitted = self.admitted(self.endpoint.start, cursor.cursor).len() as u64;
        let main = self
            .stored
            .batches
            .iter()
            .filter(|batch| batch.job.is_none());
        let open: u64 = main.map(|batch| batch.ranges.count()).sum();
        let settled = cursor.delivered + cursor.dead;
        if settled + open != admitted || cursor.filtered != passed - admitted {
            return Err(format!(
                "{admitted} of {passed} were admitted, but {settled} are settled, {open} open and \
                 {} filtered",
                cursor.filtered
            ));
        }
        let above = self.admitted(cursor.cursor.next(), cursor.seen);
        let acked = self.stored.acked.count();
        if let Some(seq) = self.stored.acked.iter().find(|seq| !above.contains(seq)) {
            return Err(format!("{seq} is acknowledged and not above the cursor"));
        }
        if above.len() as u64 != cursor.pending + acked {
            return Err(format!(
                "{above:?} are above the cursor, but {} pend and {acked} are acknowledged",
                cursor.pending
            ));
        }
        let unseen = self.admitted(cursor.seen.next(), self.seen);
        if unseen.is_empty() {
            Ok(())
        } else {
            Err(format!("{unseen:?} were read for it and are not counted"))
        }
    }
}
