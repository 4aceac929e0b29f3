//! The relay loop: the one task that owns the engine.
//!
//! Owns the way of inputs to the engine and of its actions to the store and to delivery. Does not
//! decide anything itself. Everything that waits (reads, requests, commits) runs beside the loop
//! and comes back as an [`Event`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::attempts::{Attempts, Duty, Under};
use super::engine::{Action, AttemptId, Change, Engine, Input, Purpose, Token, schedule};
use super::handle::{Handle, Pulse, Question};
use super::outbound::{Destination, Outbound, Proof};
use super::persist::{self, Lanes, Persist};
use super::reader::{self, Found};
use super::tail::Audience;
use super::{engine, facts, records, recover};
use crate::attempt::{Class, Report};
use crate::clock::{Millis, Stopwatch, Timestamp};
use crate::domain::endpoint::{self, Endpoint};
use crate::domain::job::Job;
use crate::error::{Kind, Result};
use crate::id::{AccountId, EndpointId, MessageId, Seq};
use crate::live::Health;
use crate::store::{Database, Durability, Message, Published, Receipt, Write, keys};

/// Events taken in one turn before time and feed are looked at again.
const EVENTS_PER_TURN: usize = 256;
/// One page of the tail reader.
const TAIL_MESSAGES: usize = 1024;
const TAIL_BYTES: usize = 1 << 20;
/// A step of the wall clock against the monotonic one that counts as a step.
const CLOCK_STEP_MS: i64 = 60_000;
/// What could not be read is read again after this pause.
const READ_RETRY: Duration = Duration::from_millis(500);

/// What the operator sets.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Of the engine.
    pub engine: engine::Settings,
    /// `[retry]`: what an endpoint has where it has no setting of its own.
    pub retry: schedule::Settings,
    /// Messages that nobody needs any more are kept so long.
    pub retention: Millis,
    /// Dead letters and their messages are kept so long.
    pub dead_retention: Millis,
}

/// What comes back to the loop.
#[derive(Debug)]
pub enum Event {
    /// Something for the engine.
    Input(Input),
    /// A read ended.
    Read(AttemptId, Purpose, Found),
    /// A request that carried these messages ended.
    Attempted(AttemptId, Report, Vec<MessageId>),
    /// A proof ended and is stored.
    Proved(AttemptId, EndpointId, Proof),
    /// No proof could be asked for.
    NotProved(AttemptId, EndpointId),
    /// Facts of an endpoint are stored.
    FactsSettled(EndpointId),
    /// A persist that took its account's turn is submitted.
    Unblock(EndpointId),
    /// Somebody asks.
    Asked(Question),
    /// Stop.
    Drain,
}

/// The loop's state.
pub(super) struct Shell {
    pub(super) database: Database,
    pub(super) outbound: Outbound,
    settings: Settings,
    engine: Engine,
    audiences: BTreeMap<AccountId, Audience>,
    /// Whose endpoint is which.
    owners: HashMap<EndpointId, AccountId>,
    /// How far each log was read.
    tails: HashMap<AccountId, Seq>,
    /// Logs that were not read to their end, with their end.
    unread: BTreeMap<AccountId, Seq>,
    /// Content of batches that were just formed.
    loaded: HashMap<AttemptId, Vec<Arc<Message>>>,
    destinations: HashMap<EndpointId, Arc<Destination>>,
    attempts: Attempts,
    /// Endpoints whose suspension the log was told.
    suspended: BTreeSet<EndpointId>,
    lanes: Lanes,
    /// Endpoints whose records could not be read again when they changed, and when that was
    /// tried last.
    stale: BTreeSet<(AccountId, EndpointId)>,
    stale_since: Stopwatch,
    /// Logs that could not be read, and since when: they rest for a while.
    unreadable: HashMap<AccountId, Stopwatch>,
    /// Endpoints with acknowledgements that were not taken in yet.
    orders: BTreeSet<(AccountId, EndpointId)>,
    receipts: mpsc::UnboundedSender<(EndpointId, Token, Receipt)>,
    pub(super) events: mpsc::UnboundedSender<Event>,
    draining: bool,
    /// The wall clock and a stopwatch, as of the last look for clock steps.
    looked: (Timestamp, Stopwatch),
}

/// Reads what is stored, then runs the relay until it is drained.
pub async fn start(
    database: Database,
    outbound: Outbound,
    settings: Settings,
    pulse: Arc<dyn Pulse>,
) -> Result<(Handle, tokio::task::JoinHandle<()>)> {
    let (events, inbox) = mpsc::unbounded_channel();
    let (receipts, submitted) = mpsc::unbounded_channel();
    tokio::spawn(answer_receipts(submitted, events.clone()));
    let now = database.clock().now();
    let seed = database.entropy().u64();
    let mut shell = Shell {
        engine: Engine::new(settings.engine.clone(), seed, now),
        database,
        outbound,
        settings,
        audiences: BTreeMap::new(),
        owners: HashMap::new(),
        tails: HashMap::new(),
        unread: BTreeMap::new(),
        loaded: HashMap::new(),
        destinations: HashMap::new(),
        attempts: Attempts::default(),
        suspended: BTreeSet::new(),
        lanes: Lanes::default(),
        stale: BTreeSet::new(),
        stale_since: Stopwatch::start(),
        unreadable: HashMap::new(),
        orders: BTreeSet::new(),
        receipts,
        events: events.clone(),
        draining: false,
        looked: (now, Stopwatch::start()),
    };
    shell.recover().await?;
    let running = tokio::spawn(shell.run(inbox, pulse));
    Ok((Handle::new(events), running))
}

/// Tells the loop what became of its commits, in their order.
async fn answer_receipts(
    mut submitted: mpsc::UnboundedReceiver<(EndpointId, Token, Receipt)>,
    events: mpsc::UnboundedSender<Event>,
) {
    while let Some((endpoint, token, receipt)) = submitted.recv().await {
        let input = match receipt.wait().await {
            Ok(_) => Input::Stored(endpoint, token),
            Err(error) => {
                tracing::warn!(%endpoint, %error, "an outcome is not stored yet; it will be");
                Input::NotStored(endpoint, token)
            }
        };
        if events.send(Event::Input(input)).is_err() {
            return;
        }
    }
}

impl Shell {
    async fn recover(&mut self) -> Result<()> {
        let recovered = recover::recover(&self.database, &self.settings.retry).await?;
        let endpoints = recovered.inputs.len() - recovered.seen.len();
        self.audiences = recovered.audiences;
        for (account, audience) in &self.audiences {
            self.owners
                .extend(audience.records().map(|record| (record.id, *account)));
        }
        for input in recovered.inputs {
            self.give(input).await;
        }
        let orders = recovered.orders.iter();
        self.orders = orders.map(|record| (record.account, record.id)).collect();
        for (account, seen) in recovered.seen {
            let visible = self.database.store().visible(account).await;
            let visible = visible.map_err(|_| crate::error::Error::internal())?;
            self.tails.insert(account, seen);
            if visible > seen {
                self.unread.insert(account, visible);
            }
        }
        tracing::info!(
            endpoints,
            accounts = self.audiences.len(),
            "relay recovered"
        );
        Ok(())
    }

    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Event>, pulse: Arc<dyn Pulse>) {
        let feed = self.database.store().feed();
        let mut batch = Vec::with_capacity(EVENTS_PER_TURN);
        loop {
            if self.draining && self.is_drained() {
                return;
            }
            let wakeup = self.engine.next_wakeup();
            let reading = !self.readable().is_empty();
            if reading {
                pulse.advance();
            } else {
                pulse.rest(wakeup);
            }
            let pause = if reading {
                Duration::ZERO
            } else if self.stale.is_empty() && self.unreadable.is_empty() {
                self.until(wakeup)
            } else {
                self.until(wakeup).min(READ_RETRY)
            };
            tokio::select! {
                biased;
                count = inbox.recv_many(&mut batch, EVENTS_PER_TURN) => {
                    if count == 0 {
                        return;
                    }
                }
                () = feed.changed() => {}
                () = tokio::time::sleep(pause) => {}
            }
            pulse.advance();
            self.look_at_clock().await;
            for event in batch.drain(..) {
                self.happen(event).await;
            }
            self.retry_reads().await;
            self.follow(feed.take()).await;
            self.read_tails().await;
            self.take_orders().await;
            if self
                .engine
                .next_wakeup()
                .is_some_and(|due| due <= self.now())
            {
                self.give(Input::Tick).await;
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.database.clock().now()
    }

    fn until(&self, wakeup: Option<Timestamp>) -> Duration {
        // Never longer than half a minute, so that a step of the wall clock is seen.
        let longest = Millis::seconds(30);
        wakeup
            .map_or(longest, |due| due.since(self.now()).min(longest))
            .into()
    }

    fn is_drained(&self) -> bool {
        self.engine.under_way() == 0 && self.lanes.is_empty() && self.engine.is_stored()
    }

    /// A wall clock that was stepped moves every wait along, so that nothing storms or stalls.
    async fn look_at_clock(&mut self) {
        let now = self.now();
        let (before, watch) = self.looked;
        let passed = i64::try_from(watch.elapsed().as_millis()).unwrap_or(i64::MAX);
        let wall = i64::try_from(now.0).unwrap_or(i64::MAX) - i64::try_from(before.0).unwrap_or(0);
        self.looked = (now, Stopwatch::start());
        let by = wall.saturating_sub(passed);
        if by.abs() > CLOCK_STEP_MS {
            tracing::warn!(by_ms = by, "the wall clock was stepped; waits move along");
            self.give(Input::ClockStepped(by)).await;
        }
    }

    async fn happen(&mut self, event: Event) {
        match event {
            Event::Input(input) => {
                if let Input::NotSent { attempt } = &input {
                    self.attempts.forget(*attempt);
                }
                self.give(input).await;
            }
            Event::Read(attempt, purpose, found) => self.read_ended(attempt, purpose, found).await,
            Event::Attempted(attempt, report, ids) => self.attempted(attempt, report, &ids).await,
            Event::Proved(attempt, endpoint, proof) => {
                self.reload(endpoint).await;
                self.proved(attempt, proof).await;
            }
            Event::NotProved(attempt, endpoint) => {
                self.attempts.forget(attempt);
                self.reload(endpoint).await;
                self.give(Input::NotSent { attempt }).await;
            }
            Event::FactsSettled(endpoint) => {
                self.reload(endpoint).await;
                self.give(Input::FactsSettled(endpoint)).await;
            }
            Event::Unblock(endpoint) => {
                while let Some(persist) = self.lanes.next(endpoint) {
                    // It may have to wait itself, and those behind it behind it.
                    if !self.submit(persist) {
                        break;
                    }
                }
            }
            Event::Asked(question) => self.answer(question),
            Event::Drain => {
                self.draining = true;
                self.give(Input::Drain).await;
            }
        }
    }

    fn answer(&self, question: Question) {
        // Who asked may have gone away meanwhile.
        match question {
            Question::Endpoint(id, answer) => {
                let _ = answer.send(self.engine.endpoint_now(self.now(), id));
            }
            Question::Endpoints(account, answer) => {
                let _ = answer.send(self.engine.endpoints_now(self.now(), account));
            }
            Question::Places(ids, seq, answer) => {
                let places = ids.into_iter().map(|id| self.engine.place_of(id, seq));
                let _ = answer.send(places.collect());
            }
            Question::Busy(answer) => {
                let _ = answer.send(self.engine.busy());
            }
        }
    }

    /// Gives the engine an input and carries out what it wants, and so on until it wants nothing.
    async fn give(&mut self, input: Input) {
        self.give_with(input, None).await;
    }

    /// As [`Self::give`]; `row` is stored with what the engine persists for that endpoint.
    async fn give_with(&mut self, input: Input, row: Option<(EndpointId, Write)>) {
        let mut row = row;
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let read = match &input {
                Input::Read { attempt, .. } => Some(*attempt),
                _ => None,
            };
            let mut actions = Vec::new();
            self.engine.handle(self.now(), input, &mut actions);
            for action in actions {
                self.execute(action, &mut row, &mut inputs);
            }
            // Content that no request took, because its endpoint was removed meanwhile.
            read.and_then(|attempt| self.loaded.remove(&attempt));
        }
        if let Some((endpoint, write)) = row
            && let Some(record) = self.record(endpoint)
        {
            let (account, writes) = (record.account, vec![write]);
            let commit = persist::of_endpoint(account, endpoint, writes, Durability::Relaxed);
            drop(self.database.store().submit(commit));
        }
    }

    fn execute(
        &mut self,
        action: Action,
        row: &mut Option<(EndpointId, Write)>,
        inputs: &mut Vec<Input>,
    ) {
        match action {
            Action::Persist {
                account,
                endpoint,
                token,
                durable,
                changes,
            } => {
                let mine = row.take_if(|(owner, _)| *owner == endpoint);
                let extra = mine.map(|(_, write)| write).into_iter().collect();
                let persist = Persist {
                    account,
                    endpoint,
                    token,
                    durable,
                    changes,
                    extra,
                };
                if let Some(persist) = self.lanes.enter(persist) {
                    // Where it has to wait, others wait behind it.
                    let _ = self.submit(persist);
                }
            }
            Action::PersistSeen { account, seq } => {
                if let Ok(write) = records::seen_write(account, seq) {
                    let commit = persist::commit(account, vec![write], Durability::Relaxed);
                    drop(self.database.store().submit(commit));
                }
            }
            Action::Read {
                attempt,
                endpoint,
                from,
                to,
                purpose,
                ..
            } => match self.record(endpoint) {
                Some(record) => {
                    if let Some(input) = self.read(attempt, record, from, to, purpose) {
                        inputs.push(input);
                    }
                }
                None => inputs.push(Input::NotSent { attempt }),
            },
            Action::Post {
                attempt,
                endpoint,
                batch,
                number,
                ranges,
                ..
            } => {
                let Some(destination) = self.destination(endpoint) else {
                    inputs.push(Input::NotSent { attempt });
                    return;
                };
                let messages = ranges.count();
                self.attempts
                    .begin(attempt, Under::delivery(endpoint, batch, number, messages));
                let loaded = self.loaded.remove(&attempt);
                let post = super::attempts::Delivery {
                    destination,
                    batch,
                    ranges,
                    loaded,
                };
                super::attempts::deliver(self, attempt, post);
            }
            Action::Wakeup {
                attempt,
                endpoint,
                batch,
                pending,
                ..
            } => {
                let Some(destination) = self.destination(endpoint) else {
                    inputs.push(Input::NotSent { attempt });
                    return;
                };
                self.attempts
                    .begin(attempt, Under::wake_up(endpoint, batch));
                super::attempts::wake_up(self, attempt, destination, batch, pending);
            }
            Action::Authenticate {
                attempt,
                account,
                endpoint,
                generation,
            } => {
                self.attempts.begin(attempt, Under::authenticate(endpoint));
                super::attempts::authenticate(self, attempt, account, endpoint, generation);
            }
            Action::LoseVerification {
                account,
                endpoint,
                generation,
            } => {
                super::attempts::lose_verification(self, account, endpoint, generation);
            }
            Action::Disable {
                account,
                endpoint,
                reason,
                held,
            } => {
                super::attempts::disable(self, account, endpoint, reason, held);
            }
        }
    }

    fn record(&self, endpoint: EndpointId) -> Option<Arc<Endpoint>> {
        let account = self.owners.get(&endpoint)?;
        self.audiences.get(account)?.record(endpoint).cloned()
    }

    fn destination(&mut self, endpoint: EndpointId) -> Option<Arc<Destination>> {
        if let Some(known) = self.destinations.get(&endpoint) {
            return Some(known.clone());
        }
        let record = self.record(endpoint)?;
        let destination = Arc::new(self.outbound.destination(record).ok()?);
        self.destinations.insert(endpoint, destination.clone());
        Some(destination)
    }

    /// Hands a persist to the store; one that announces dead messages takes its account's turn
    /// first, and those behind it wait. False when it waits itself.
    fn submit(&mut self, persist: Persist) -> bool {
        log_changes(&persist);
        let told = persist.deaths().next().is_some()
            && self
                .audiences
                .get(&persist.account)
                .is_some_and(|audience| {
                    persist::wants_dead_notices(audience.records(), persist.endpoint)
                });
        let record = if told {
            self.record(persist.endpoint)
        } else {
            None
        };
        if let Some(record) = record {
            self.lanes.block(persist.endpoint);
            let database = self.database.clone();
            let retention = self.settings.dead_retention;
            let (endpoint, token) = (persist.endpoint, persist.token);
            let ended = move |input| vec![Event::Input(input), Event::Unblock(endpoint)];
            let duty = Duty::new(&self.events, ended(Input::NotStored(endpoint, token)));
            tokio::spawn(async move {
                let notices = persist::dead_notices(&database, &record, &persist).await;
                let stored = persist
                    .submit_with_notices(&database, retention, &record, &notices)
                    .await;
                duty.done(ended(match stored {
                    Ok(()) => Input::Stored(endpoint, token),
                    Err(_) => Input::NotStored(endpoint, token),
                }));
            });
            return false;
        }
        match persist.submit(&self.database, self.settings.dead_retention) {
            Ok(receipt) => {
                let _ = self
                    .receipts
                    .send((persist.endpoint, persist.token, receipt));
            }
            Err(_) => {
                let input = Input::NotStored(persist.endpoint, persist.token);
                let _ = self.events.send(Event::Input(input));
            }
        }
        true
    }

    /// Reads for the engine: at once if the messages are at hand, else beside the loop.
    fn read(
        &mut self,
        attempt: AttemptId,
        record: Arc<Endpoint>,
        from: Seq,
        to: Seq,
        purpose: Purpose,
    ) -> Option<Input> {
        let store = self.database.store().clone();
        let mut reading =
            Box::pin(async move { reader::read(&*store, &record, from, to, purpose).await });
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match reading.as_mut().poll(&mut context) {
            std::task::Poll::Ready(Ok(found)) => Some(self.found(attempt, purpose, found)),
            std::task::Poll::Ready(Err(_)) => Some(Input::NotSent { attempt }),
            std::task::Poll::Pending => {
                let duty = Duty::new(&self.events, vec![Event::Input(Input::NotSent { attempt })]);
                tokio::spawn(async move {
                    match reading.await {
                        Ok(found) => duty.done(vec![Event::Read(attempt, purpose, found)]),
                        Err(error) => tracing::warn!(%error, "the log cannot be read now"),
                    }
                });
                None
            }
        }
    }

    fn found(&mut self, attempt: AttemptId, purpose: Purpose, found: Found) -> Input {
        let through = found.through;
        match purpose {
            Purpose::Expire { .. } => {
                let (count, next) = (found.count, found.stopped_at);
                Input::Expired {
                    attempt,
                    count,
                    through,
                    next,
                }
            }
            Purpose::Advance => Input::Read {
                attempt,
                entries: found.entries(),
                through,
            },
            Purpose::Batch { .. } => {
                let entries = found.entries();
                self.loaded.insert(attempt, found.messages);
                Input::Read {
                    attempt,
                    entries,
                    through,
                }
            }
        }
    }

    async fn read_ended(&mut self, attempt: AttemptId, purpose: Purpose, found: Found) {
        let input = self.found(attempt, purpose, found);
        self.give(input).await;
    }

    async fn attempted(&mut self, attempt: AttemptId, report: Report, ids: &[MessageId]) {
        let row = self.log_attempt(attempt, &report, ids).await;
        let endpoint = row.as_ref().map(|(endpoint, _)| *endpoint);
        let Report { outcome, class, .. } = report;
        self.give_with(
            Input::Done {
                attempt,
                outcome,
                class,
            },
            row,
        )
        .await;
        self.log_health(endpoint, class);
    }

    async fn proved(&mut self, attempt: AttemptId, proof: Proof) {
        let row = self.log_attempt(attempt, &proof.report, &[]).await;
        let endpoint = row.as_ref().map(|(endpoint, _)| *endpoint);
        let accepted = !matches!(
            proof.result,
            crate::domain::authentication::AuthResult::Failed { .. }
        );
        let Report { outcome, class, .. } = proof.report;
        self.give_with(
            Input::Authenticated {
                attempt,
                outcome,
                class,
                accepted,
            },
            row,
        )
        .await;
        self.log_health(endpoint, class);
    }

    /// One line when an endpoint becomes suspended, and one when it is open again. A success at
    /// an endpoint that was open leaves nothing to look at.
    fn log_health(&mut self, endpoint: Option<EndpointId>, class: Class) {
        let Some(endpoint) = endpoint else { return };
        let was_open = !self.suspended.contains(&endpoint);
        if was_open && class == Class::Ok {
            return;
        }
        let Some(now) = self.engine.endpoint_now(self.now(), endpoint) else {
            self.suspended.remove(&endpoint);
            return;
        };
        let is_open = matches!(now.health, Health::Open { .. });
        if is_open == was_open {
            return;
        }
        if is_open {
            self.suspended.remove(&endpoint);
        } else {
            self.suspended.insert(endpoint);
        }
        tracing::info!(
            account = %now.account,
            %endpoint,
            health = ?now.health,
            pending = now.pending,
            %class,
            "endpoint health"
        );
    }

    async fn log_attempt(
        &mut self,
        attempt: AttemptId,
        report: &Report,
        ids: &[MessageId],
    ) -> Option<(EndpointId, Write)> {
        let under = self.attempts.end(attempt)?;
        let record = self.record(under.endpoint)?;
        let row = under.row(self.now(), report);
        super::attempts::log(&record, &under, report, ids);
        let slot = self.attempts.next_slot(&self.database, &record).await;
        let value = serde_json::to_vec(&row).ok().map(Bytes::from)?;
        let key = keys::attempt(record.account, record.id, slot);
        Some((record.id, Write::Put(key, value)))
    }

    /// Reads the record of a known endpoint again and tells the engine. That it is gone is
    /// believed only when the feed says so: what was read here may not be durable yet.
    async fn reload(&mut self, id: EndpointId) {
        if let Some(record) = self.record(id) {
            self.reload_of(record.account, id, false).await;
        }
    }

    async fn reload_of(&mut self, account: AccountId, id: EndpointId, followed: bool) {
        let record = endpoint::load(&self.database.view(), account, id).await;
        let followed = self.stale.remove(&(account, id)) || followed;
        match record {
            Ok(record) => {
                self.destinations.remove(&id);
                let spec = facts::spec(&record, &self.settings.retry);
                let audience = self.audiences.entry(account).or_default();
                log_facts(audience.record(id), &record);
                audience.put(Arc::new(record), Seq(0));
                self.owners.insert(id, account);
                self.give(Input::Endpoint(Box::new(spec))).await;
            }
            Err(error) if error.kind == Kind::NotFound && followed => {
                self.destinations.remove(&id);
                if let Some(audience) = self.audiences.get_mut(&account) {
                    audience.remove(id);
                }
                self.owners.remove(&id);
                self.orders.remove(&(account, id));
                self.attempts.removed(id);
                self.suspended.remove(&id);
                self.give(Input::Removed(id)).await;
            }
            // Until it can be read its log is not read on: messages must meet the facts that
            // were committed before them.
            Err(error) if error.kind == Kind::Unavailable => {
                self.stale.insert((account, id));
            }
            // Gone, which the feed will say, or damaged: the log says so, and the endpoint stays
            // as it was.
            Err(_) => {}
        }
    }

    /// Reads again what could not be read, once it has rested.
    async fn retry_reads(&mut self) {
        self.unreadable
            .retain(|_, since| since.elapsed() < READ_RETRY);
        if self.stale.is_empty() || self.stale_since.elapsed() < READ_RETRY {
            return;
        }
        self.stale_since = Stopwatch::start();
        for (account, endpoint) in self.stale.clone() {
            self.reload_of(account, endpoint, true).await;
        }
    }

    /// Takes in what became durable: facts first, because the messages behind them need them.
    async fn follow(&mut self, news: Published) {
        for key in news.changed {
            let Some((account, id)) = keys::watched_endpoint(&key) else {
                continue;
            };
            if key.as_str().starts_with("endpoint/") {
                self.reload_of(account, id, true).await;
            } else if key.as_str().starts_with("order/") {
                self.orders.insert((account, id));
            } else if self.record(id).is_some() {
                let job: Result<Option<Job>> = self.database.view().read(&key).await;
                if let Ok(Some(job)) = job {
                    self.give(Input::Job(id, records::job_state(&job))).await;
                }
            }
        }
        for (account, through) in news.logs {
            let unread = self.unread.entry(account).or_default();
            *unread = (*unread).max(through);
        }
    }

    /// Hands over what consumers acknowledged, once every message it may speak of was counted.
    async fn take_orders(&mut self) {
        for (account, id) in self.orders.clone() {
            let counted = !self.unread.contains_key(&account);
            let Some(record) = self.record(id).filter(|_| counted) else {
                continue;
            };
            match recover::acknowledgements(&self.database, &record).await {
                Ok(inputs) => {
                    self.orders.remove(&(account, id));
                    for input in inputs {
                        self.give(input).await;
                    }
                }
                // Together with its log, which is not readable either.
                Err(_) => drop(self.unreadable.insert(account, Stopwatch::start())),
            }
        }
    }

    /// Logs that grew and can be read on now.
    fn readable(&self) -> Vec<(AccountId, Seq)> {
        let unread = self.unread.iter();
        let ready = unread.filter(|(account, _)| {
            !self.unreadable.contains_key(account)
                && !self.stale.iter().any(|(stale, _)| stale == *account)
        });
        ready
            .map(|(account, through)| (*account, *through))
            .collect()
    }

    /// Reads one page of every log that grew.
    async fn read_tails(&mut self) {
        for (account, through) in self.readable() {
            let listening = self
                .audiences
                .get(&account)
                .is_some_and(|found| !found.is_empty());
            if !listening {
                // Nobody listens: there is nothing to count.
                self.arrived(account, through, &[]).await;
                continue;
            }
            let next = self.tails.get(&account).copied().unwrap_or_default().next();
            let store = self.database.store().clone();
            let page = store
                .read_log(account, next, TAIL_MESSAGES, TAIL_BYTES)
                .await;
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%account, %error, "the end of a log cannot be read now");
                    self.unreadable.insert(account, Stopwatch::start());
                    continue;
                }
            };
            let messages: Vec<Arc<Message>> = page
                .messages
                .into_iter()
                .filter(|message| message.seq() <= through)
                .collect();
            let end = messages.last().map_or(through, |message| message.seq());
            self.arrived(account, end, &messages).await;
        }
    }

    async fn arrived(&mut self, account: AccountId, through: Seq, messages: &[Arc<Message>]) {
        self.tails.insert(account, through);
        if self.unread.get(&account).is_some_and(|end| *end <= through) {
            self.unread.remove(&account);
        }
        let arrivals = self
            .audiences
            .get(&account)
            .map(|audience| audience.arrivals(messages));
        let arrivals = arrivals.unwrap_or_default();
        self.give(Input::Arrived {
            account,
            through,
            arrivals,
        })
        .await;
    }
}

/// One line for each endpoint whose state changed.
fn log_facts(before: Option<&Arc<Endpoint>>, after: &Endpoint) {
    let changed = before.is_none_or(|before| {
        before.order != after.order || before.authentication.state != after.authentication.state
    });
    if changed {
        tracing::info!(
            account = %after.account,
            endpoint = %after.id,
            order = ?after.order,
            authentication = ?after.authentication.state,
            "endpoint state"
        );
    }
}

/// One line for each batch that died.
fn log_changes(persist: &Persist) {
    for change in &persist.changes {
        if let Change::PutDead(state) = change {
            tracing::warn!(
                account = %persist.account,
                endpoint = %persist.endpoint,
                first = %state.first,
                last = %state.last,
                count = state.count,
                reason = ?state.reason,
                attempts = state.attempts,
                "messages are dead"
            );
        }
    }
}
