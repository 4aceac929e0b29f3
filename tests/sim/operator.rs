//! Callers, operators, crashes, and the end that everything must come to.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use hookrelay::clock::Millis;
use hookrelay::domain::acknowledgement::Acknowledge;
use hookrelay::domain::authentication::{self};
use hookrelay::domain::dead_letter::{self, DeadRange};
use hookrelay::domain::endpoint::{self, DisabledReason};
use hookrelay::domain::registration::{self, NewEndpoint};
use hookrelay::error::Error;
use hookrelay::id::{AccountId, EndpointId, JobId, MessageId, Seq};
use hookrelay::relay::housekeeping;
use hookrelay::relay::persist::Lanes;
use hookrelay::store::{Database, Store, Targets, Tx, keys};

use crate::audit::audit;
use crate::consumer::Consumer;
use crate::world::{After, Bug, Event, LOGIN, TYPES, World, draw_types, now};

impl World {
    pub(crate) fn produce(&mut self) {
        let account = self.draw_account();
        let count = if self.rng.u8(0..8) == 0 {
            self.rng.usize(1..60)
        } else {
            self.rng.usize(1..6)
        };
        let mut bodies = Vec::new();
        for _ in 0..count {
            let event_type = TYPES[self.rng.usize(0..TYPES.len())];
            let data = format!("\"{}\"", "x".repeat(self.rng.usize(0..300)));
            bodies.push((event_type, Bytes::from(data)));
        }
        let database = self.database.clone();
        let early = self.bug == Some(Bug::AnswerEarly);
        let told = Arc::new(std::sync::Mutex::new(Vec::new()));
        let heard = told.clone();
        self.begin(async move {
            let (bodies, told) = (&bodies, &told);
            let ids = database
                .transact(&[account], |tx| async move {
                    let mut ids = Vec::new();
                    for (event_type, data) in bodies {
                        let targets = Targets::All;
                        ids.push(
                            tx.append(account, event_type, targets, data.clone())
                                .await?,
                        );
                    }
                    if let Ok(mut told) = told.lock() {
                        (*told).clone_from(&ids);
                    }
                    Ok(ids)
                })
                .await?;
            Ok(After::Accepted(account, ids))
        });
        if early {
            // The body runs when the transaction is first polled.
            let _ = self.poll_transactions();
            let ids = heard.lock().map(|ids| ids.clone()).unwrap_or_default();
            self.ledger.accepted(account, ids);
        }
    }

    pub(crate) fn operate(&mut self) {
        if self.healed {
            return;
        }
        let ids = self.endpoint_ids();
        let Some((endpoint, account)) = self.rng.choice(ids) else {
            return;
        };
        if self
            .consumers
            .get(&endpoint)
            .is_some_and(|consumer| consumer.reliable)
        {
            return;
        }
        let database = self.database.clone();
        let order = self.rng.u8(0..12);
        if order == 8 {
            self.create(account);
            return;
        }
        let settled = self.engine.endpoint_now(self.wall(), endpoint);
        let settled = settled.map_or(Seq(0), |now| now.cursor);
        let mut change = registration::Change::default();
        match self.rng.u8(0..3) {
            0 => change.url = Some(format!("https://consumer.example/{}", self.rng.u8(..))),
            1 => change.types = Some(draw_types(&mut self.rng)),
            _ => change.max_messages = Some(20 + self.rng.u32(0..20)),
        }
        let change = Rc::new(change);
        let last = self.tails.get(&account).copied().unwrap_or_default();
        let first = Seq(self.rng.u64(0..last.0.max(1)) + 1);
        let until = Seq((first.0 + self.rng.u64(0..5)).min(last.0));
        self.note(|| format!("the operator does {order} to {endpoint}"));
        self.begin(async move {
            let change = &*change;
            database
                .transact(&[account], |tx| async move {
                    match order {
                        0 => drop(endpoint::hold(&tx, account, endpoint).await),
                        1 => drop(endpoint::release(&tx, account, endpoint).await),
                        2 => {
                            let reason = DisabledReason::Operator;
                            endpoint::disable(&tx, account, endpoint, reason, 0).await?;
                        }
                        3 => drop(endpoint::enable(&tx, account, endpoint, 0).await?),
                        4 => drop(endpoint::verify(&tx, account, endpoint).await),
                        5 | 6 => {
                            let all = (Seq(0), Seq(u64::MAX));
                            dead_letter::redrive(&tx, account, endpoint, all.0, all.1).await?;
                        }
                        7 => registration::remove(&tx, account, endpoint).await?,
                        9 | 10 => {
                            registration::update(&tx, account, endpoint, change, settled).await?;
                        }
                        _ => acknowledge(&tx, account, endpoint, first, until).await?,
                    }
                    Ok(())
                })
                .await?;
            Ok(After::Nothing)
        });
    }

    /// One more endpoint, while messages flow.
    pub(crate) fn create(&mut self, account: AccountId) {
        let number = self.consumers.len() as u64 + 1;
        let drawn = self.draw_endpoint(account, number, false);
        let consumer = Consumer::new(self.seed * 31 + number, false);
        self.consumers.insert(drawn.id, consumer);
        self.owners.insert(drawn.id, account);
        self.note(|| format!("the operator creates {}", drawn.id));
        let new = NewEndpoint {
            id: drawn.id,
            signing_secret: drawn.signing_secret,
            disabled: self.rng.u8(0..4) == 0,
            settings: registration::Change {
                url: Some(drawn.url),
                types: drawn.filters.first().map(|first| first.types.clone()),
                protocol: Some(drawn.protocol),
                send_messages: Some(drawn.send_messages),
                ignore_confirmation: Some(drawn.ignore_confirmation),
                ordering: Some(drawn.ordering),
                max_messages: Some(drawn.max_messages),
                ..registration::Change::default()
            },
        };
        let database = self.database.clone();
        self.begin(async move {
            let new = &new;
            let accounts = &[account];
            let made = database.transact(accounts, |tx| async move {
                registration::create(&tx, account, new).await
            });
            made.await?;
            Ok(After::Nothing)
        });
    }

    /// Housekeeping with nothing kept for retention.
    pub(crate) fn trim(&mut self, account: AccountId) -> Result<(), String> {
        let database = self.database.clone();
        let below = if self.bug == Some(Bug::TrimTooMuch) {
            let end = now(self.store.visible(account))?;
            Some(Seq(end.0 / 2))
        } else {
            now(async move { housekeeping::trimmable(&database, account, Millis(0)).await })?
        };
        let Some(below) = below else {
            return Ok(());
        };
        self.note(|| format!("the log of {account} is trimmed below {below}"));
        let page = now(self.store.read_log(account, Seq(1), usize::MAX, usize::MAX))?;
        let gone = page
            .messages
            .into_iter()
            .filter(|message| message.seq() < below);
        let before = self.summary.trimmed;
        let gone: Vec<_> = gone.collect();
        self.summary.trimmed = before + gone.len() as u64;
        self.history.keep(account, gone);
        now(self.store.trim_log(account, below))
    }

    /// The store against itself.
    pub(crate) fn audit(&self) -> Result<(), String> {
        let database = self.database.clone();
        let history = &self.history;
        let stored = now(async move { audit(&database, history).await })??;
        let known: BTreeSet<EndpointId> =
            self.endpoint_ids().into_iter().map(|(id, _)| id).collect();
        if self.healed && stored != known {
            return Err(format!("{stored:?} are stored, {known:?} are known"));
        }
        Ok(())
    }

    pub(crate) fn confirm(&mut self, endpoint: EndpointId) {
        let Some(account) = self.account_of(endpoint) else {
            return;
        };
        let database = self.database.clone();
        self.begin(async move {
            let _ = database
                .transact(&[account], |tx| async move {
                    authentication::confirm(&tx, account, LOGIN, Some(endpoint), None).await
                })
                .await;
            Ok(After::Nothing)
        });
    }

    pub(crate) fn crash(&mut self) -> Result<(), String> {
        if self.healed {
            return Ok(());
        }
        self.summary.crashes += 1;
        self.note(|| "crash".into());
        // Some of what was on its way to the disk reached it.
        for _ in 0..self.rng.usize(0..=self.store.queued()) {
            self.store.step();
        }
        self.store = Arc::new(self.store.crash());
        self.database = Database::new(self.store.clone(), self.clock.clone(), self.entropy.clone());
        self.audit()?;
        self.held = None;
        self.receipts.clear();
        self.transactions.clear();
        self.lanes = Lanes::default();
        self.wake_at = None;
        self.agenda.retain(|_, event| {
            !matches!(
                event,
                Event::Input(_) | Event::Proved(..) | Event::StoreStep | Event::Wake
            )
        });
        self.start_engine()
    }

    /// Every fault stops, every endpoint is allowed again.
    pub(crate) fn heal(&mut self) {
        self.healed = true;
        self.note(|| "everything heals".into());
        for consumer in self.consumers.values_mut() {
            consumer.heal();
        }
        for (endpoint, account) in self.endpoint_ids() {
            let database = self.database.clone();
            self.begin(async move {
                database
                    .transact(&[account], |tx| async move {
                        endpoint::enable(&tx, account, endpoint, 0).await?;
                        let mut record = endpoint::release(&tx, account, endpoint).await?;
                        if !record.send_messages {
                            // A thin endpoint rests only when somebody fetches; from here on it
                            // is sent everything.
                            record.send_messages = true;
                            endpoint::save(&tx, &record)?;
                        }
                        Ok(())
                    })
                    .await?;
                Ok(After::Nothing)
            });
        }
    }

    pub(crate) fn is_at_rest(&self) -> bool {
        let busy = self
            .engine
            .endpoints_now(self.wall(), None)
            .iter()
            .any(|now| now.pending > 0 || now.in_flight > 0);
        !busy
            && self.store.queued() == 0
            && self.transactions.is_empty()
            && self.receipts.is_empty()
            && self.is_all_seen()
            && self.held.is_none()
            && !self
                .agenda
                .values()
                .any(|event| matches!(event, Event::Input(_) | Event::Produce | Event::Confirm(_)))
    }

    pub(crate) fn verify_end(&mut self) -> Result<(), String> {
        self.audit()?;
        if !self.is_all_seen() {
            return Err("how far a log was read is not stored to its end".into());
        }
        for (endpoint, account) in self.endpoint_ids() {
            let audience = self.audiences.get(&account);
            let Some(record) = audience.and_then(|found| found.record(endpoint)).cloned() else {
                return Err(format!("{endpoint} vanished"));
            };
            let database = self.database.clone();
            let whole = self.history.whole(&database, account);
            let (whole, _) = now(whole)?;
            let dead: Vec<(_, DeadRange)> = now(async move {
                database
                    .view()
                    .read_range(&keys::dead_ranges(account, endpoint), 100_000)
                    .await
            })?;
            let present: BTreeSet<MessageId> = whole.values().map(|message| message.id).collect();
            self.ledger.all_present(account, &present)?;
            let consumer = self.consumers.get(&endpoint);
            for message in whole.values().filter(|message| record.admits(message)) {
                let seq = message.seq();
                let is_dead = dead
                    .iter()
                    .any(|(_, range)| range.first <= seq && seq <= range.last);
                let confirmed = consumer.is_some_and(|consumer| {
                    consumer.confirmed.contains(&seq)
                        || self.ledger.acknowledged(endpoint, seq)
                        || record.ignore_confirmation
                });
                if !is_dead && !confirmed {
                    let place = self.engine.place_of(endpoint, seq);
                    return Err(format!("{endpoint} never got {seq}: {place:?}\n{record:?}"));
                }
            }
        }
        self.summary.splits = self.ledger.splits;
        Ok(())
    }
}

async fn acknowledge(
    tx: &Tx,
    account: AccountId,
    endpoint: EndpointId,
    first: Seq,
    last: Seq,
) -> Result<(), Error> {
    if first > last {
        return Ok(());
    }
    // As the surface does: an order must not outlive its endpoint.
    endpoint::load(tx, account, endpoint).await?;
    let ranges = vec![(first, last)];
    let order = Acknowledge { seqs: ranges };
    tx.put(
        keys::order(account, endpoint, JobId::random(tx.entropy())),
        &order,
    )
}
