//! The relay loop: the one task that owns the engine.
//!
//! Owns the way of inputs to the engine and of its actions to the store and to delivery. Does not
//! decide anything itself. Everything that waits (reads, requests, commits) runs beside the loop
//! and comes back as an [`Event`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::attempts::Attempts;
use super::engine::{AttemptId, Engine, Input, Purpose, Token, schedule};
use super::handle::{Handle, Pulse, Question};
use super::outbound::{Destination, Outbound, Proof};
use super::persist::{self, Lanes};
use super::reader::Found;
use super::starting::Starting;
use super::tail::Audience;
use super::{engine, recover};
use crate::attempt::Report;
use crate::clock::{Millis, Stopwatch, Timestamp};
use crate::error::Result;
use crate::id::{AccountId, EndpointId, MessageId, Seq};
use crate::live::EndpointNow;
use crate::store::{Database, Durability, Message, Receipt, Write};

/// Events taken in one turn before time and feed are looked at again.
const EVENTS_PER_TURN: usize = 256;
/// One page of the tail reader.
pub(super) const TAIL_MESSAGES: usize = 1024;
pub(super) const TAIL_BYTES: usize = 1 << 20;
/// A step of the wall clock against the monotonic one that counts as a step.
const CLOCK_STEP_MS: i64 = 60_000;
/// What could not be read is read again after this pause.
pub(super) const READ_RETRY: Duration = Duration::from_millis(500);

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

/// A persist on its way to the disk: whose, which, and its answer.
type Submitted = ((AccountId, EndpointId), Token, Receipt);

/// The loop's state.
pub(super) struct Shell {
    pub(super) database: Database,
    pub(super) outbound: Outbound,
    pub(super) settings: Settings,
    pub(super) engine: Engine,
    pub(super) audiences: BTreeMap<AccountId, Audience>,
    /// Whose endpoint is which.
    pub(super) owners: HashMap<EndpointId, AccountId>,
    /// How far each log was read.
    pub(super) tails: HashMap<AccountId, Seq>,
    /// Logs that were not read to their end, with their end.
    pub(super) unread: BTreeMap<AccountId, Seq>,
    /// Of these, the ones not read yet since the start.
    pub(super) starting: Starting,
    /// Content of batches that were just formed.
    pub(super) loaded: HashMap<AttemptId, Vec<Arc<Message>>>,
    pub(super) destinations: HashMap<EndpointId, Arc<Destination>>,
    pub(super) attempts: Attempts,
    /// Endpoints whose suspension the log was told.
    pub(super) suspended: BTreeSet<EndpointId>,
    pub(super) lanes: Lanes,
    /// Endpoints whose records could not be read again when they changed, and when that was
    /// tried last.
    pub(super) stale: BTreeSet<(AccountId, EndpointId)>,
    pub(super) stale_since: Stopwatch,
    /// Logs that could not be read, and since when: they rest for a while.
    pub(super) unreadable: HashMap<AccountId, Stopwatch>,
    /// Endpoints with acknowledgements that were not taken in yet.
    pub(super) orders: BTreeSet<(AccountId, EndpointId)>,
    pub(super) receipts: mpsc::UnboundedSender<Submitted>,
    pub(super) events: mpsc::UnboundedSender<Event>,
    pub(super) draining: bool,
    /// The wall clock and a stopwatch, as of the last look for clock steps.
    pub(super) looked: (Timestamp, Stopwatch),
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
        starting: Starting::default(),
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
    mut submitted: mpsc::UnboundedReceiver<Submitted>,
    events: mpsc::UnboundedSender<Event>,
) {
    while let Some(((account, endpoint), token, receipt)) = submitted.recv().await {
        let input = match receipt.wait().await {
            Ok(_) => Input::Stored(endpoint, token),
            Err(error) => {
                tracing::warn!(%account, %endpoint, %error, "an outcome is not stored yet; it will be");
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
            self.give(input);
        }
        let orders = recovered.orders.iter();
        self.orders = orders.map(|record| (record.account, record.id)).collect();
        for (account, seen) in recovered.seen {
            let visible = self.database.store().visible(account).await;
            let visible = visible.map_err(|_| crate::error::Error::internal())?;
            self.tails.insert(account, seen);
            if visible > seen {
                self.unread.insert(account, visible);
                self.starting.begin(account, visible);
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
            self.look_at_clock();
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
                self.give(Input::Tick);
            }
        }
    }

    /// The wall clock as of the last look, moved on steadily: a step between two looks must not
    /// be half known, because it is only shifted by what the look finds.
    pub(super) fn now(&self) -> Timestamp {
        let (looked, watch) = self.looked;
        looked.after(watch.elapsed().into())
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
    fn look_at_clock(&mut self) {
        let now = self.database.clock().now();
        let (before, watch) = self.looked;
        let passed = i64::try_from(watch.elapsed().as_millis()).unwrap_or(i64::MAX);
        let wall = i64::try_from(now.0).unwrap_or(i64::MAX) - i64::try_from(before.0).unwrap_or(0);
        self.looked = (now, Stopwatch::start());
        let by = wall.saturating_sub(passed);
        if by.abs() > CLOCK_STEP_MS {
            tracing::warn!(by_ms = by, "the wall clock was stepped; waits move along");
            self.give(Input::ClockStepped(by));
        }
    }

    async fn happen(&mut self, event: Event) {
        match event {
            Event::Input(input) => {
                if let Input::NotSent { attempt } | Input::Unreadable { attempt, .. } = &input {
                    self.attempts.forget(*attempt);
                }
                self.give(input);
            }
            Event::Read(attempt, purpose, found) => self.read_ended(attempt, purpose, found),
            Event::Attempted(attempt, report, ids) => self.attempted(attempt, report, &ids).await,
            Event::Proved(attempt, endpoint, proof) => {
                self.reload(endpoint).await;
                self.proved(attempt, proof).await;
            }
            Event::NotProved(attempt, endpoint) => {
                self.attempts.forget(attempt);
                self.reload(endpoint).await;
                self.give(Input::NotSent { attempt });
            }
            Event::FactsSettled(endpoint) => {
                self.reload(endpoint).await;
                self.give(Input::FactsSettled(endpoint));
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
                self.give(Input::Drain);
            }
        }
    }

    fn answer(&self, question: Question) {
        // Who asked may have gone away meanwhile.
        match question {
            Question::Endpoint(id, answer) => {
                let now = self.engine.endpoint_now(self.now(), id);
                let _ = answer.send(now.map(|now| self.as_counted(now)));
            }
            Question::Endpoints(account, answer) => {
                let all = self.engine.endpoints_now(self.now(), account);
                let all = all.into_iter().map(|now| self.as_counted(now));
                let _ = answer.send(all.collect());
            }
            Question::EndpointsByAge(marks, answer) => {
                let all = self.engine.endpoints_by_age(self.now(), &marks);
                let all = all
                    .into_iter()
                    .map(|(now, ages)| (self.as_counted(now), ages));
                let _ = answer.send(all.collect());
            }
            Question::Backlog(id, answer) => {
                let _ = answer.send(self.engine.backlog(id));
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

    /// The engine counts what it was given; whether that is everything is known here.
    fn as_counted(&self, mut now: EndpointNow) -> EndpointNow {
        now.counted = !self.starting.contains(now.account);
        now
    }

    /// Gives the engine an input and carries out what it wants, and so on until it wants nothing.
    pub(super) fn give(&mut self, input: Input) {
        self.give_with(input, None);
    }

    /// As [`Self::give`]; `row` is stored with what the engine persists for that endpoint.
    pub(super) fn give_with(&mut self, input: Input, row: Option<(EndpointId, Write)>) {
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
}
