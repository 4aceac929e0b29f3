//! What was promised and what was seen: the invariants that need memory.

use std::collections::{BTreeMap, BTreeSet};

use hookrelay::clock::{Millis, Timestamp};
use hookrelay::id::{AccountId, BatchId, EndpointId, MessageId, Seq};
use hookrelay::relay::engine::{AttemptId, Auth, BatchState, Change, Order, Ranges, Spec, Token};

/// A healthy endpoint gets a message within this, whatever the others do. The worst case is the
/// sum of what stands before it: every other endpoint holds a slot for one second, and the disk
/// may be slow.
const ON_TIME: Millis = Millis::minutes(3);

#[derive(Debug)]
struct Started {
    endpoint: EndpointId,
    batch: Option<BatchId>,
}

#[derive(Debug, Default)]
pub struct Ledger {
    accepted: BTreeSet<(AccountId, MessageId)>,
    under_way: BTreeMap<AttemptId, Started>,
    specs: BTreeMap<EndpointId, Spec>,
    /// True due time of each deferred batch.
    due: BTreeMap<(EndpointId, BatchId), i128>,
    /// Failed batches whose record is not durable yet.
    unsettled: BTreeMap<(EndpointId, BatchId), Token>,
    /// Sent and not settled, of strict endpoints.
    sent: BTreeMap<EndpointId, BTreeSet<Seq>>,
    /// Settled durably: not to be sent again.
    settled: BTreeMap<EndpointId, BTreeSet<Seq>>,
    settling: BTreeMap<(EndpointId, Token), Vec<Seq>>,
    contents: BTreeMap<(EndpointId, BatchId), Vec<Seq>>,
    acked: BTreeMap<EndpointId, BTreeSet<Seq>>,
    offset: i64,
    lenient: bool,
    pub splits: u64,
}

impl Ledger {
    /// A caller was told that these are stored.
    pub fn accepted(&mut self, account: AccountId, ids: Vec<MessageId>) {
        self.accepted
            .extend(ids.into_iter().map(|id| (account, id)));
    }

    /// The consumer fetched these itself.
    pub fn acknowledges(&mut self, endpoint: EndpointId, seqs: &Ranges) {
        self.acked.entry(endpoint).or_default().extend(seqs.iter());
        if let Some(sent) = self.sent.get_mut(&endpoint) {
            sent.retain(|seq| !seqs.contains(*seq));
        }
    }

    /// The engine learns an endpoint's facts. Enabling it or changing its URL makes what waits
    /// due at once.
    pub fn facts(&mut self, spec: Spec) {
        let endpoint = spec.endpoint;
        let Some(before) = self.specs.insert(endpoint, spec) else {
            return;
        };
        let after = &self.specs[&endpoint];
        let enabled = before.order == Order::Disabled && after.order == Order::Enabled;
        if enabled || before.generation != after.generation {
            self.due.retain(|(owner, _), _| *owner != endpoint);
        }
    }

    pub fn restarted(&mut self) {
        self.under_way.clear();
        self.due.clear();
        self.unsettled.clear();
        self.settling.clear();
        self.sent.clear();
        self.contents.clear();
    }

    /// After a restart the stored waits hold.
    pub fn recovered(&mut self, batches: &[(EndpointId, BatchState)], offset: i64) {
        self.offset = offset;
        for (endpoint, batch) in batches {
            self.due.insert(
                (*endpoint, batch.id),
                i128::from(batch.due.0) - i128::from(offset),
            );
            self.contents
                .insert((*endpoint, batch.id), batch.ranges.iter().collect());
        }
    }

    pub fn clock_stepped(&mut self) {
        self.lenient = true;
    }

    pub fn persists(
        &mut self,
        endpoint: EndpointId,
        token: Token,
        durable: bool,
        changes: &[Change],
        offset: i64,
    ) {
        self.offset = offset;
        let put: Vec<&BatchState> = changes
            .iter()
            .filter_map(|change| match change {
                Change::PutBatch(state) => Some(state),
                _ => None,
            })
            .collect();
        for state in &put {
            let key = (endpoint, state.id);
            let due = i128::from(state.due.0) - i128::from(offset);
            // What only lost a message to an acknowledgement did not fail again.
            let failed = self.due.insert(key, due) != Some(due);
            self.contents.insert(key, state.ranges.iter().collect());
            if durable && failed && (state.failures > 0 || state.refusals > 0) {
                self.unsettled.insert(key, token);
            }
        }
        for change in changes {
            let Change::DeleteBatch(id) = change else {
                continue;
            };
            self.due.remove(&(endpoint, *id));
            let content = self.contents.remove(&(endpoint, *id)).unwrap_or_default();
            let again: BTreeSet<Seq> = put.iter().flat_map(|state| state.ranges.iter()).collect();
            if put.len() == 2 {
                self.splits += 1;
            }
            let settled: Vec<Seq> = content
                .into_iter()
                .filter(|seq| !again.contains(seq))
                .collect();
            if let Some(sent) = self.sent.get_mut(&endpoint) {
                sent.retain(|seq| !settled.contains(seq));
            }
            self.settling
                .entry((endpoint, token))
                .or_default()
                .extend(settled);
        }
    }

    pub fn stored(&mut self, endpoint: EndpointId, token: Token) {
        self.unsettled
            .retain(|(owner, _), waits| *owner != endpoint || *waits > token);
        let done: Vec<(EndpointId, Token)> = self
            .settling
            .keys()
            .filter(|(owner, waits)| *owner == endpoint && *waits <= token)
            .copied()
            .collect();
        for key in done {
            let seqs = self.settling.remove(&key).unwrap_or_default();
            self.settled.entry(endpoint).or_default().extend(seqs);
        }
    }

    /// Dead letters go back to the queue.
    pub fn redriven(&mut self, endpoint: EndpointId, ranges: &[(Seq, Seq)]) {
        if let Some(settled) = self.settled.get_mut(&endpoint) {
            settled.retain(|seq| !ranges.iter().any(|(a, b)| a <= seq && seq <= b));
        }
    }

    pub fn acknowledged(&self, endpoint: EndpointId, seq: Seq) -> bool {
        self.acked
            .get(&endpoint)
            .is_some_and(|acked| acked.contains(&seq))
    }

    /// A request starts.
    pub fn starts(
        &mut self,
        attempt: AttemptId,
        endpoint: EndpointId,
        batch: Option<BatchId>,
        seqs: &[Seq],
        now: Timestamp,
    ) -> Result<(), String> {
        let spec = self
            .specs
            .get(&endpoint)
            .ok_or("a request to an endpoint without facts")?;
        if spec.order != Order::Enabled {
            return Err(format!("{endpoint} is called although {:?}", spec.order));
        }
        if let Auth::Verified { until } = spec.auth
            && until < now
        {
            return Err(format!("{endpoint} is called although its proof is over"));
        }
        let unproven = matches!(
            spec.auth,
            Auth::Unverified { .. } | Auth::AwaitingConfirmation { .. }
        );
        if unproven {
            return Err(format!(
                "{endpoint} gets a delivery although {:?}",
                spec.auth
            ));
        }
        if let Some(batch) = batch {
            let key = (endpoint, batch);
            self.contents.insert(key, seqs.to_vec());
            let true_now = i128::from(now.0) - i128::from(self.offset);
            if self.due.get(&key).is_some_and(|due| *due > true_now) && !self.lenient {
                return Err(format!("{batch} is sent before it is due"));
            }
            if let Some(token) = self.unsettled.get(&key) {
                return Err(format!("{batch} is sent before {token:?} is durable"));
            }
        }
        let settled = self.settled.get(&endpoint);
        if let Some(seq) = seqs
            .iter()
            .find(|seq| settled.is_some_and(|set| set.contains(seq)))
        {
            return Err(format!(
                "{endpoint} gets {seq} again although that was settled"
            ));
        }
        if spec.strict {
            let sent = self.sent.entry(endpoint).or_default();
            let highest = seqs.last().copied().unwrap_or_default();
            let passed = sent.range(..highest).find(|seq| !seqs.contains(seq));
            if let Some(seq) = passed {
                return Err(format!(
                    "{endpoint} is strict and {seq} is passed by {highest}"
                ));
            }
            sent.extend(seqs);
        }
        let started = Started { endpoint, batch };
        if self.under_way.insert(attempt, started).is_some() {
            return Err(format!("{attempt:?} was used twice"));
        }
        let twice = self
            .under_way
            .values()
            .filter(|started| started.endpoint == endpoint && started.batch == batch);
        if twice.count() > 1 {
            return Err(format!("{batch:?} is in flight twice"));
        }
        Ok(())
    }

    pub fn ended(&mut self, attempt: AttemptId) {
        self.under_way.remove(&attempt);
    }

    /// A reliable consumer gets its message.
    pub fn on_time(&self, committed: Timestamp, now: Timestamp) -> Result<(), String> {
        let late = now.since(committed);
        if late > ON_TIME && !self.lenient {
            return Err(format!("a healthy endpoint waited {} ms", late.0));
        }
        Ok(())
    }

    /// Everything acknowledged to a caller is in the log.
    pub fn all_present(
        &self,
        account: AccountId,
        present: &BTreeSet<MessageId>,
    ) -> Result<(), String> {
        let mut promised = self.accepted.iter().filter(|(owner, _)| *owner == account);
        match promised.find(|(_, id)| !present.contains(id)) {
            Some((_, id)) => Err(format!("{id} was acknowledged and is not in the log")),
            None => Ok(()),
        }
    }
}
