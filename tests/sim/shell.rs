//! The world as the engine's shell: actions out, inputs in.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use hookrelay::attempt::{Class, Outcome};
use hookrelay::domain::authentication::{self, AuthResult};
use hookrelay::domain::endpoint::{self, DisabledReason, Protocol};
use hookrelay::domain::event::{AuthFailure, Method};
use hookrelay::domain::job::Job;
use hookrelay::error::{Error, Kind};
use hookrelay::id::{AccountId, EndpointId, Seq};
use hookrelay::relay::engine::{Action, AttemptId, Change, DisableReason, Input, Purpose, Ranges};
use hookrelay::relay::persist::{self, Persist};
use hookrelay::relay::{facts, reader, records, recover};
use hookrelay::store::{Durability, Message, Store, keys};

use crate::world::{After, Bug, DEAD_RETENTION, Event, World, now, passed, poll};

impl World {
    // One arm for each action, as short as it can be.
    #[allow(clippy::too_many_lines)]
    pub(crate) fn execute(&mut self, action: Action) -> Result<(), String> {
        match action {
            Action::Persist {
                account,
                endpoint,
                token,
                durable,
                changes,
            } => {
                self.summary.dead += changes
                    .iter()
                    .filter(|change| matches!(change, Change::PutDead(_)))
                    .count() as u64;
                self.ledger
                    .persists(endpoint, token, durable, &changes, self.offset);
                let persist = Persist {
                    account,
                    endpoint,
                    token,
                    durable,
                    changes,
                    extra: Vec::new(),
                };
                match self.lanes.enter(persist) {
                    Some(persist) => self.submit(persist).map(drop),
                    None => Ok(()),
                }
            }
            Action::PersistSeen { account, seq } => {
                let seq = if self.bug == Some(Bug::SeenTooEarly) {
                    Seq(seq.0 + 5)
                } else {
                    seq
                };
                let write = records::seen_write(account, seq).map_err(|e| e.to_string())?;
                let commit = persist::commit(account, vec![write], Durability::Relaxed);
                drop(self.store.submit(commit));
                Ok(())
            }
            Action::Read {
                attempt,
                endpoint,
                wanted,
                purpose,
                ..
            } => self.read(attempt, endpoint, &wanted, purpose),
            Action::Post {
                attempt,
                endpoint,
                batch,
                ranges,
                ..
            } => {
                self.summary.attempts += 1;
                self.post(attempt, endpoint, batch, &ranges)
            }
            Action::Wakeup {
                attempt, endpoint, ..
            } => {
                self.ledger
                    .starts(attempt, endpoint, None, &[], self.wall())?;
                let Some(consumer) = self.consumers.get_mut(&endpoint) else {
                    return Ok(());
                };
                let (latency, outcome, class) = consumer.wake();
                self.at(
                    latency,
                    Event::Input(Input::Done {
                        attempt,
                        outcome,
                        class,
                    }),
                );
                Ok(())
            }
            Action::Authenticate {
                attempt,
                account,
                endpoint,
                generation,
            } => {
                let database = self.database.clone();
                self.begin(async move {
                    let begun = database
                        .transact_essential(&[account], |tx| async move {
                            authentication::begin(&tx, account, endpoint, generation, None).await
                        })
                        .await;
                    let may = matches!(begun, Ok(Some(_)));
                    Ok(After::Prove(attempt, endpoint, generation, may))
                });
                Ok(())
            }
            Action::LoseVerification {
                account,
                endpoint,
                generation,
            } => {
                let database = self.database.clone();
                self.begin(async move {
                    // An outcome that could not be stored shows again with the next 401.
                    let _ = database
                        .transact_essential(&[account], |tx| async move {
                            authentication::lose(&tx, account, endpoint, generation).await
                        })
                        .await;
                    Ok(After::Facts(endpoint, vec![Input::FactsSettled(endpoint)]))
                });
                Ok(())
            }
            Action::Disable {
                account,
                endpoint,
                reason,
                held,
            } => {
                let reason = match reason {
                    DisableReason::Gone => DisabledReason::Gone,
                    DisableReason::Failing => DisabledReason::Failing,
                };
                let database = self.database.clone();
                self.begin(async move {
                    let _ = database
                        .transact_essential(&[account], |tx| async move {
                            endpoint::disable(&tx, account, endpoint, reason, held).await
                        })
                        .await;
                    Ok(After::Facts(endpoint, vec![Input::FactsSettled(endpoint)]))
                });
                Ok(())
            }
        }
    }

    /// As the shell does it: false when the persist waits for its account's turn.
    pub(crate) fn submit(&mut self, persist: Persist) -> Result<bool, String> {
        if self.bug != Some(Bug::Reorder) {
            return self.hand_over(persist);
        }
        let endpoint = persist.endpoint;
        if let Some(held) = self.held.take_if(|held| held.endpoint == endpoint) {
            self.hand_over(persist)?;
            return self.hand_over(held);
        }
        if self.held.is_none() && self.rng.u8(0..8) == 0 {
            self.held = Some(persist);
            self.at(1000, Event::LetGo(endpoint));
            return Ok(true);
        }
        self.hand_over(persist)
    }

    pub(crate) fn hand_over(&mut self, mut persist: Persist) -> Result<bool, String> {
        let (account, endpoint, token) = (persist.account, persist.endpoint, persist.token);
        match self.bug {
            Some(Bug::DropPersist) if self.rng.u8(0..20) == 0 => persist.changes.clear(),
            Some(Bug::ConfirmEarly) if persist.durable => {
                persist
                    .submit(&self.database, DEAD_RETENTION)
                    .map_err(|e| e.to_string())?;
                self.at(0, Event::Input(Input::Stored(endpoint, token)));
                return Ok(true);
            }
            Some(Bug::TearPersist) if persist.changes.len() > 1 => {
                let rest = persist.changes.split_off(1);
                let first = Persist {
                    changes: rest,
                    ..persist.clone()
                };
                first
                    .submit(&self.database, DEAD_RETENTION)
                    .map_err(|e| e.to_string())?;
            }
            Some(Bug::OutliveEndpoint) => {
                let mut writes = Vec::new();
                for change in &persist.changes {
                    let more = records::writes(account, endpoint, change, DEAD_RETENTION);
                    writes.extend(more.map_err(|error| error.to_string())?);
                }
                let commit = persist::commit(account, writes, Durability::Durable);
                let receipt = self.store.submit(commit);
                self.receipts.push_back((endpoint, token, receipt));
                return Ok(true);
            }
            _ => {}
        }
        let audience = self.audiences.get(&account);
        let record = audience
            .and_then(|audience| audience.record(endpoint))
            .cloned();
        let told = persist.deaths().next().is_some()
            && audience
                .is_some_and(|audience| persist::wants_dead_notices(audience.records(), endpoint));
        if let Some(record) = record.filter(|_| told) {
            self.lanes.block(endpoint);
            let database = self.database.clone();
            // Reading what to tell takes its time.
            let gate = Rc::new(Cell::new(false));
            let delay = self.rng.u64(0..50);
            self.at(delay, Event::Open(gate.clone()));
            self.begin(async move {
                passed(gate).await;
                let notices = persist::dead_notices(&database, &record, &persist).await;
                let stored = persist
                    .submit_with_notices(&database, DEAD_RETENTION, &record, &notices)
                    .await;
                let input = match stored {
                    Ok(()) => Input::Stored(endpoint, token),
                    Err(_) => Input::NotStored(endpoint, token),
                };
                Ok(After::Persisted(endpoint, input))
            });
            return Ok(false);
        }
        let receipt = persist
            .submit(&self.database, DEAD_RETENTION)
            .map_err(|e| e.to_string())?;
        self.receipts.push_back((endpoint, token, receipt));
        Ok(true)
    }

    pub(crate) fn read(
        &mut self,
        attempt: AttemptId,
        endpoint: EndpointId,
        wanted: &Ranges,
        purpose: Purpose,
    ) -> Result<(), String> {
        let found = self
            .audiences
            .values()
            .find_map(|audience| audience.record(endpoint))
            .cloned();
        let Some(record) = found else {
            self.at(0, Event::Input(Input::NotSent { attempt }));
            return Ok(());
        };
        let found = now(reader::read(&*self.store, &record, wanted, purpose))?;
        if let Some(damaged) = found.damaged {
            return Err(format!("the log of {endpoint} has no {damaged:?}"));
        }
        let delay = self.rng.u64(0..3);
        let input = match purpose {
            Purpose::Expire { .. } => {
                let reader::Found {
                    count,
                    through,
                    stopped_at: next,
                    ..
                } = found;
                Input::Expired {
                    attempt,
                    count,
                    through,
                    next,
                }
            }
            _ => Input::Read {
                attempt,
                entries: found.entries(),
                through: found.through,
                damaged: found.damaged,
            },
        };
        self.at(delay, Event::Input(input));
        Ok(())
    }

    pub(crate) fn post(
        &mut self,
        attempt: AttemptId,
        endpoint: EndpointId,
        batch: hookrelay::id::BatchId,
        ranges: &Ranges,
    ) -> Result<(), String> {
        let found = self
            .audiences
            .values()
            .find_map(|audience| audience.record(endpoint))
            .cloned();
        let Some(record) = found else {
            return Err("a post to an unknown endpoint".into());
        };
        let messages = now(reader::load(&*self.store, &record, ranges))?;
        if messages.len() as u64 != ranges.count() {
            return Err(format!("{batch} lost content: {ranges:?}"));
        }
        for message in &messages {
            if !record.admits(message) {
                return Err(format!("{} is sent although not admitted", message.id));
            }
        }
        let seqs: Vec<Seq> = ranges.iter().collect();
        self.ledger
            .starts(attempt, endpoint, Some(batch), &seqs, self.wall())?;
        let Some(consumer) = self.consumers.get_mut(&endpoint) else {
            return Ok(());
        };
        let standard = record.protocol == Protocol::Standard;
        let (latency, outcome, class) = consumer.receive(&messages, standard);
        if consumer.reliable && !self.healed {
            for message in &messages {
                self.ledger.on_time(message.id.time(), self.wall())?;
            }
        }
        self.at(
            latency,
            Event::Input(Input::Done {
                attempt,
                outcome,
                class,
            }),
        );
        Ok(())
    }

    pub(crate) fn begin(&mut self, work: impl Future<Output = Result<After, Error>> + 'static) {
        self.transactions.push(Box::pin(work));
    }

    pub(crate) fn poll_transactions(&mut self) -> Result<bool, String> {
        let mut waiting = Vec::new();
        let mut finished = Vec::new();
        for mut transaction in std::mem::take(&mut self.transactions) {
            match poll(transaction.as_mut()) {
                Some(result) => finished.push(result),
                None => waiting.push(transaction),
            }
        }
        self.transactions.splice(..0, waiting);
        let moved = !finished.is_empty();
        // A transaction that could not be stored was refused to its caller.
        for after in finished.into_iter().flatten() {
            self.follow(after)?;
        }
        Ok(moved)
    }

    pub(crate) fn follow(&mut self, after: After) -> Result<(), String> {
        match after {
            After::Accepted(account, ids) => {
                self.summary.messages += ids.len() as u64;
                self.ledger.accepted(account, ids);
            }
            After::Facts(endpoint, inputs) => {
                self.reload(endpoint, false)?;
                for input in inputs {
                    self.give(input)?;
                }
            }
            After::Prove(attempt, endpoint, generation, may) => {
                self.reload(endpoint, false)?;
                if !may {
                    return self.give(Input::NotSent { attempt });
                }
                let Some(consumer) = self.consumers.get_mut(&endpoint) else {
                    return Ok(());
                };
                let (latency, proved, outcome, class) = consumer.prove();
                let result = if !proved {
                    AuthResult::Failed {
                        reason: AuthFailure::NoResponse,
                        http_status: None,
                    }
                } else if !consumer.reliable && self.rng.u8(0..5) == 0 {
                    let wait = self.rng.u64(0..900_000);
                    self.at(latency + wait, Event::Confirm(endpoint));
                    AuthResult::Passive
                } else {
                    AuthResult::Verified(Method::Key)
                };
                let proof = Event::Proved(attempt, endpoint, generation, result, outcome, class);
                self.at(latency, proof);
            }
            After::Persisted(endpoint, input) => {
                self.give(input)?;
                while let Some(persist) = self.lanes.next(endpoint) {
                    if !self.submit(persist)? {
                        break;
                    }
                }
            }
            After::Nothing => {}
        }
        Ok(())
    }

    pub(crate) fn finish_proof(
        &mut self,
        attempt: AttemptId,
        endpoint: EndpointId,
        generation: u32,
        result: AuthResult,
        outcome: Outcome,
        class: Class,
    ) {
        let Some(account) = self.account_of(endpoint) else {
            return;
        };
        let database = self.database.clone();
        let accepted = !matches!(result, AuthResult::Failed { .. });
        self.begin(async move {
            loop {
                let stored = database
                    .transact_essential(&[account], |tx| async move {
                        authentication::finish(&tx, account, endpoint, generation, result).await
                    })
                    .await;
                if !matches!(&stored, Err(error) if error.kind == Kind::Unavailable) {
                    break;
                }
            }
            let done = Input::Authenticated {
                attempt,
                outcome,
                class,
                accepted,
            };
            Ok(After::Facts(endpoint, vec![done]))
        });
    }

    /// Reads an endpoint's record again and tells the engine. Only the feed is believed that an
    /// endpoint is gone.
    pub(crate) fn reload(&mut self, id: EndpointId, followed: bool) -> Result<(), String> {
        let Some(account) = self.account_of(id) else {
            return Ok(());
        };
        let known = self
            .audiences
            .get(&account)
            .is_some_and(|audience| audience.record(id).is_some());
        if !known && !followed {
            return Ok(());
        }
        let database = self.database.clone();
        let record = now(async move {
            match endpoint::load(&database.view(), account, id).await {
                Err(error) if error.kind == Kind::NotFound => Ok(None),
                found => found.map(Some),
            }
        })?;
        if let Some(record) = record {
            let spec = facts::spec(&record, &self.defaults);
            let audience = self.audiences.entry(account).or_default();
            audience.put(Arc::new(record), Seq(0));
            return self.give(Input::Endpoint(Box::new(spec)));
        }
        if followed {
            if let Some(audience) = self.audiences.get_mut(&account) {
                audience.remove(id);
            }
            return self.give(Input::Removed(id));
        }
        Ok(())
    }

    pub(crate) fn collect_receipts(&mut self) -> Result<bool, String> {
        let mut moved = false;
        while let Some((endpoint, token, mut receipt)) = self.receipts.pop_front() {
            let Some(answer) = receipt.poll() else {
                self.receipts.push_front((endpoint, token, receipt));
                break;
            };
            moved = true;
            let hide = self.bug == Some(Bug::HideFailure);
            let input = if answer.is_ok() || hide {
                Input::Stored(endpoint, token)
            } else {
                Input::NotStored(endpoint, token)
            };
            self.give(input)?;
        }
        Ok(moved)
    }

    pub(crate) fn follow_feed(&mut self) -> Result<bool, String> {
        let news = self.store.feed().take();
        if news.is_empty() {
            return Ok(false);
        }
        let watched: BTreeSet<_> = news
            .changed
            .iter()
            .filter(|key| key.as_str().starts_with("endpoint/"))
            .filter_map(keys::watched_endpoint)
            .collect();
        for (_, endpoint) in &watched {
            self.reload(*endpoint, true)?;
        }
        // A stretch of a log can be read only behind everything before it.
        self.catch_up()?;
        for (account, through) in news.logs {
            self.read_tail(account, through)?;
        }
        for key in &news.changed {
            let Some((account, endpoint)) = keys::watched_endpoint(key) else {
                continue;
            };
            let database = self.database.clone();
            if key.as_str().starts_with("job/") {
                let key = key.clone();
                let job: Option<Job> = now(async move { database.view().read(&key).await })?;
                if let Some(job) = job {
                    self.ledger.redriven(endpoint, &job.ranges);
                    self.give(Input::Job(endpoint, records::job_state(&job)))?;
                }
            } else if key.as_str().starts_with("order/") {
                let audience = self.audiences.get(&account);
                let Some(record) = audience.and_then(|found| found.record(endpoint)).cloned()
                else {
                    continue;
                };
                for input in now(recover::acknowledgements(&database, &record))? {
                    self.give(input)?;
                }
            }
        }
        Ok(true)
    }

    pub(crate) fn read_tail(&mut self, account: AccountId, through: Seq) -> Result<(), String> {
        let mut next = self.tails.get(&account).copied().unwrap_or_default().next();
        while next <= through {
            let page = now(self.store.read_log(account, next, 64, 100_000))?;
            let messages: Vec<Arc<Message>> = page
                .messages
                .into_iter()
                .filter(|message| message.seq() <= through)
                .collect();
            let Some(last) = messages.last().map(|message| message.seq()) else {
                break;
            };
            let audience = self.audiences.entry(account).or_default();
            let mut arrivals = audience.arrivals(next, last, &messages);
            if self.bug == Some(Bug::LoseArrival) && self.rng.u8(0..20) == 0 {
                arrivals.clear();
            }
            self.tails.insert(account, last);
            next = last.next();
            self.give(Input::Arrived {
                account,
                through: last,
                arrivals,
            })?;
        }
        Ok(())
    }
}
