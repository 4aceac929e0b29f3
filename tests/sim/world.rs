//! The simulated world: one agenda of events around the real engine.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use hookrelay::attempt::{Class, Outcome};
use hookrelay::clock::{Clock, Entropy, Millis, Timestamp};
use hookrelay::domain::authentication::AuthResult;
use hookrelay::domain::endpoint::Endpoint;
use hookrelay::error::Error;
use hookrelay::id::{AccountId, EndpointId, MessageId, Seq};
use hookrelay::relay::engine::schedule;
use hookrelay::relay::engine::{AttemptId, BatchState, Engine, Input, Settings, Token};
use hookrelay::relay::persist::{Lanes, Persist};
use hookrelay::relay::tail::Audience;
use hookrelay::relay::{records, recover};
use hookrelay::store::memory::MemoryStore;
use hookrelay::store::{CommitError, Database, Receipt, Store};

use crate::audit::History;
use crate::consumer::Consumer;
use crate::ledger::Ledger;

pub(crate) const START: u64 = 1_768_473_000_000;
/// Faults happen for so long; then everything heals and must come to rest.
pub(crate) const TROUBLE: u64 = 6 * 3_600_000;
pub(crate) const DEAD_RETENTION: Millis = Millis::days(14);
/// By then everything accepted is settled.
pub(crate) const REST: u64 = 30 * 86_400_000;
pub(crate) const MAX_STEPS: u64 = 400_000;
pub(crate) const LOGIN: &str = "apiuser";
pub(crate) const TYPES: [&str; 4] = ["new_lead", "new_order", "generic", "update_lead"];

/// A bug planted between the engine and its world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A persist is claimed stored and dropped.
    DropPersist,
    /// Callers are answered before their commit is durable.
    AnswerEarly,
    /// How far the log was read is stored ahead of what it stands for.
    SeenTooEarly,
    /// Due times are forgotten at a restart.
    ForgetWaits,
    /// An open batch is not found again at a restart.
    LoseBatch,
    /// A stretch of the log is not offered to its endpoints.
    LoseArrival,
    /// A durable persist is confirmed before it is on the disk.
    ConfirmEarly,
    /// A batch record and its cursor are stored in two commits.
    TearPersist,
    /// A failed persist is reported as stored.
    HideFailure,
    /// One persist of an endpoint overtakes the one before it.
    Reorder,
    /// Persists are stored whether or not their endpoint still is.
    OutliveEndpoint,
    /// Logs are trimmed whoever still needs them.
    TrimTooMuch,
    /// After a start an endpoint's log is taken to end where its account's was stored to end,
    /// although its own counts are ahead.
    TailOfAccount,
}

impl Bug {
    pub const ALL: [Self; 13] = [
        Self::DropPersist,
        Self::AnswerEarly,
        Self::SeenTooEarly,
        Self::ForgetWaits,
        Self::LoseBatch,
        Self::LoseArrival,
        Self::ConfirmEarly,
        Self::TearPersist,
        Self::HideFailure,
        Self::Reorder,
        Self::OutliveEndpoint,
        Self::TrimTooMuch,
        Self::TailOfAccount,
    ];
}

/// What a run came to.
#[derive(Debug, Clone, Copy, Default)]
pub struct Summary {
    pub simulated_ms: u64,
    pub messages: u64,
    pub attempts: u64,
    pub crashes: u64,
    pub failed_commits: u64,
    pub dead: u64,
    pub splits: u64,
    pub trimmed: u64,
    pub trace_hash: u64,
}

impl Summary {
    pub fn add(&mut self, other: &Self) {
        self.simulated_ms += other.simulated_ms;
        self.messages += other.messages;
        self.attempts += other.attempts;
        self.crashes += other.crashes;
        self.failed_commits += other.failed_commits;
        self.dead += other.dead;
        self.splits += other.splits;
        self.trimmed += other.trimmed;
    }
}

#[derive(Debug)]
pub(crate) enum Event {
    StoreStep,
    Input(Input),
    Produce,
    ConsumerChanges(EndpointId),
    Operate,
    Crash,
    ClockStep,
    Confirm(EndpointId),
    Proved(AttemptId, EndpointId, u32, AuthResult, Outcome, Class),
    Heal,
    Wake,
    /// Whoever waits for this goes on.
    Open(Rc<Cell<bool>>),
    Trim(AccountId),
    /// The logs are read behind their stored ends, after a start.
    CatchUp,
    /// A persist that a planted bug held back.
    LetGo(EndpointId),
}

/// What a transaction under way leads to.
pub(crate) enum After {
    Accepted(AccountId, Vec<MessageId>),
    /// The facts of an endpoint changed; then these inputs.
    Facts(EndpointId, Vec<Input>),
    /// A proof begins, if it may.
    Prove(AttemptId, EndpointId, u32, bool),
    /// A persist that took its account's turn was answered.
    Persisted(EndpointId, Input),
    Nothing,
}

pub(crate) type Transaction = Pin<Box<dyn Future<Output = Result<After, Error>>>>;

/// Which kinds of fault this seed has.
#[derive(Debug)]
// Each kind of fault is on or off by itself.
#[allow(clippy::struct_excessive_bools)]
pub(crate) struct Swarm {
    pub(crate) crashes: bool,
    pub(crate) store_failures: bool,
    pub(crate) clock_steps: bool,
    pub(crate) operators: bool,
    pub(crate) slow_disk: bool,
    pub(crate) trims: bool,
}

pub struct World {
    pub(crate) seed: u64,
    pub(crate) bug: Option<Bug>,
    /// True time; the wall clock differs by `offset`.
    pub(crate) now: u64,
    pub(crate) offset: i64,
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) database: Database,
    pub(crate) engine: Engine,
    pub(crate) settings: Settings,
    pub(crate) defaults: schedule::Settings,
    pub(crate) agenda: BTreeMap<(u64, u64), Event>,
    pub(crate) next_event: u64,
    pub(crate) wake_at: Option<u64>,
    pub(crate) audiences: BTreeMap<AccountId, Audience>,
    pub(crate) tails: BTreeMap<AccountId, Seq>,
    /// After a start, until the logs were read on: acknowledgements that wait for that.
    pub(crate) orders: Option<Vec<Arc<Endpoint>>>,
    pub(crate) lanes: Lanes,
    pub(crate) receipts: VecDeque<(EndpointId, Token, Receipt)>,
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) consumers: BTreeMap<EndpointId, Consumer>,
    /// Whose endpoint is or was which.
    pub(crate) owners: BTreeMap<EndpointId, AccountId>,
    /// What a planted bug holds back.
    pub(crate) held: Option<Persist>,
    pub(crate) history: History,
    pub(crate) accounts: Vec<AccountId>,
    pub(crate) swarm: Swarm,
    pub(crate) rng: fastrand::Rng,
    pub(crate) ledger: Ledger,
    pub(crate) healed: bool,
    pub(crate) summary: Summary,
    pub(crate) hasher: DefaultHasher,
    pub(crate) trace: VecDeque<String>,
    pub(crate) verbose: bool,
}

impl World {
    pub fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed ^ 0x5eed);
        let clock = Clock::manual(Timestamp(START));
        let entropy = Entropy::seeded(seed);
        let store = Arc::new(MemoryStore::stepped());
        let database = Database::new(store.clone(), clock.clone(), entropy.clone());
        let settings = Settings {
            max_in_flight: rng.usize(1..12),
            slow_pool: rng.usize(8..64),
            max_loaded: rng.u64(1_000..100_000),
            max_batches: rng.usize(2..33),
            max_singles: rng.usize(2..40),
            batch_key: [7; 32],
        };
        let hours = rng.u64(2..72);
        let defaults = schedule::Settings {
            max_age: Millis::hours(hours),
            held_max_age: Millis::hours(hours * 3),
            disable_after: Millis::hours(rng.u64(0..100)),
            max_attempts: if rng.bool() { 0 } else { rng.u32(1..12) },
            ..schedule::Settings::default()
        };
        let swarm = Swarm {
            crashes: rng.bool(),
            store_failures: rng.u8(0..3) == 0,
            clock_steps: rng.u8(0..4) == 0,
            operators: rng.bool(),
            slow_disk: rng.bool(),
            trims: rng.bool(),
        };
        Self {
            engine: Engine::new(settings.clone(), seed, Timestamp(START)),
            seed,
            bug,
            now: START,
            offset: 0,
            clock,
            entropy,
            store,
            database,
            settings,
            defaults,
            agenda: BTreeMap::new(),
            next_event: 0,
            wake_at: None,
            audiences: BTreeMap::new(),
            tails: BTreeMap::new(),
            orders: None,
            lanes: Lanes::default(),
            receipts: VecDeque::new(),
            transactions: Vec::new(),
            consumers: BTreeMap::new(),
            owners: BTreeMap::new(),
            held: None,
            history: History::default(),
            accounts: (1..=2).map(AccountId::from_number).collect(),
            swarm,
            rng,
            ledger: Ledger::default(),
            healed: false,
            summary: Summary::default(),
            hasher: DefaultHasher::new(),
            trace: VecDeque::new(),
            verbose: std::env::var("SIM_SEED").is_ok(),
        }
    }

    /// Runs the seed to its end.
    pub fn run(mut self) -> Result<Summary, String> {
        self.summary.simulated_ms = 0;
        let outcome = self.live();
        self.summary.simulated_ms = self.now - START;
        self.summary.trace_hash = self.hasher.finish();
        match outcome {
            Ok(()) => Ok(self.summary),
            Err(violation) => {
                let tail: Vec<String> = self.trace.into_iter().collect();
                Err(format!("{violation}\n{}", tail.join("\n")))
            }
        }
    }

    pub(crate) fn live(&mut self) -> Result<(), String> {
        self.populate()?;
        self.plan();
        let mut steps = 0;
        while let Some(((time, _), event)) = self.agenda.pop_first() {
            steps += 1;
            if steps > MAX_STEPS {
                return Err("the world does not come to rest".into());
            }
            if time > START + REST {
                break;
            }
            self.now = self.now.max(time);
            self.clock.set(self.wall());
            self.happen(event)?;
            self.after_step()?;
            if self.healed && steps % 16 == 0 && self.is_at_rest() {
                break;
            }
        }
        self.verify_end()
    }

    pub(crate) fn wall(&self) -> Timestamp {
        Timestamp(self.now.saturating_add_signed(self.offset))
    }

    pub(crate) fn at(&mut self, delay: u64, event: Event) {
        self.next_event += 1;
        self.agenda
            .insert((self.now + delay, self.next_event), event);
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        let line = format!("{} {}", self.now - START, line());
        line.hash(&mut self.hasher);
        if self.verbose {
            println!("{line}");
        }
        self.trace.push_back(line);
        if self.trace.len() > 60 {
            self.trace.pop_front();
        }
    }

    pub(crate) fn start_engine(&mut self) -> Result<(), String> {
        self.engine = Engine::new(self.settings.clone(), self.rng.u64(..), self.wall());
        let database = self.database.clone();
        let recovered = now(recover::recover(&database, &self.defaults))?;
        self.ledger.restarted();
        self.audiences = recovered.audiences;
        self.tails = recovered.seen;
        for mut input in recovered.inputs {
            if let Input::Load(_, stored) = &mut input {
                match self.bug {
                    Some(Bug::ForgetWaits) => {
                        for batch in &mut stored.batches {
                            batch.due = Timestamp(0);
                        }
                    }
                    Some(Bug::LoseBatch) => drop(stored.batches.pop()),
                    Some(Bug::TailOfAccount) => {
                        if let Some(cursor) = &mut stored.cursor {
                            cursor.seen = Seq(0);
                        }
                    }
                    _ => {}
                }
            }
            self.give(input)?;
        }
        self.ledger
            .recovered(&now(self.stored_batches())?, self.offset);
        self.orders = Some(recovered.orders);
        let delay = self.rng.u64(0..8);
        self.at(delay, Event::CatchUp);
        Ok(())
    }

    /// Once after a start: reads what the logs hold behind the stored ends, then the orders that
    /// may speak of it, as the shell does.
    pub(crate) fn catch_up(&mut self) -> Result<(), String> {
        let Some(orders) = self.orders.take() else {
            return Ok(());
        };
        for account in self.accounts.clone() {
            let through = now(self.store.visible(account))?;
            self.read_tail(account, through)?;
        }
        for record in orders {
            for input in now(recover::acknowledgements(&self.database, &record))? {
                self.give(input)?;
            }
        }
        Ok(())
    }

    pub(crate) async fn stored_batches(&self) -> Result<Vec<(EndpointId, BatchState)>, Error> {
        let mut found = Vec::new();
        for (id, account) in self.endpoint_ids() {
            let stored = records::load(&self.database.view(), account, id).await?;
            found.extend(stored.batches.into_iter().map(|batch| (id, batch)));
        }
        Ok(found)
    }

    pub(crate) fn endpoint_ids(&self) -> Vec<(EndpointId, AccountId)> {
        let of = |id: &EndpointId| {
            let audience = self
                .audiences
                .values()
                .find_map(|audience| audience.record(*id));
            audience.map(|record| (*id, record.account))
        };
        self.consumers.keys().filter_map(of).collect()
    }

    pub(crate) fn happen(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::StoreStep => {
                if self.swarm.store_failures && !self.healed && self.rng.u16(0..400) == 0 {
                    self.summary.failed_commits += self.store.queued() as u64;
                    self.note(|| "the store fails".into());
                    self.store.fail_queued(CommitError::Unavailable);
                } else {
                    // A group of commits becomes durable together.
                    for _ in 0..self.rng.usize(0..=self.store.queued()).max(1) {
                        self.store.step();
                    }
                }
                Ok(())
            }
            Event::Input(input) => self.give(input),
            Event::Produce => {
                self.produce();
                Ok(())
            }
            Event::ConsumerChanges(id) => {
                if !self.healed
                    && let Some(consumer) = self.consumers.get_mut(&id)
                {
                    consumer.change();
                    let mode = consumer.mode;
                    self.note(|| format!("{id} is now {mode:?}"));
                }
                Ok(())
            }
            Event::Operate => {
                self.operate();
                Ok(())
            }
            Event::Crash => self.crash(),
            Event::ClockStep => {
                let by = self.rng.i64(61_000..7_200_000) * if self.rng.bool() { 1 } else { -1 };
                self.offset += by;
                self.clock.set(self.wall());
                self.note(|| format!("the clock steps by {by}"));
                self.ledger.clock_stepped();
                self.wake_at = None;
                self.give(Input::ClockStepped(by))
            }
            Event::Confirm(id) => {
                self.confirm(id);
                Ok(())
            }
            Event::Proved(attempt, id, generation, result, outcome, class) => {
                self.finish_proof(attempt, id, generation, result, outcome, class);
                Ok(())
            }
            Event::Heal => {
                self.heal();
                Ok(())
            }
            // An earlier wake-up was planned meanwhile, and this one is no longer wanted.
            Event::Wake if self.wake_at != Some(self.now) => Ok(()),
            Event::Wake => {
                self.wake_at = None;
                self.give(Input::Tick)
            }
            Event::Open(gate) => {
                gate.set(true);
                Ok(())
            }
            Event::Trim(account) => self.trim(account),
            Event::CatchUp => self.catch_up(),
            Event::LetGo(endpoint) => match self.held.take_if(|held| held.endpoint == endpoint) {
                Some(held) => self.hand_over(held).map(drop),
                None => Ok(()),
            },
        }
    }

    pub(crate) fn after_step(&mut self) -> Result<(), String> {
        loop {
            let mut moved = self.collect_receipts()?;
            moved |= self.poll_transactions()?;
            moved |= self.follow_feed()?;
            if !moved {
                break;
            }
        }
        self.engine.check()?;
        if self.store.queued() > 0 && !self.agenda.values().any(|e| matches!(e, Event::StoreStep)) {
            let delay = if self.swarm.slow_disk {
                self.rng.u64(0..3000)
            } else {
                self.rng.u64(0..20)
            };
            self.at(delay, Event::StoreStep);
        }
        if let Some(wake) = self.engine.next_wakeup() {
            let time = wake.0.saturating_add_signed(-self.offset).max(self.now);
            if self.wake_at.is_none_or(|planned| time < planned) {
                self.wake_at = Some(time);
                self.at(time - self.now, Event::Wake);
            }
        }
        Ok(())
    }

    /// Gives the engine an input and carries out what it wants.
    pub(crate) fn give(&mut self, input: Input) -> Result<(), String> {
        self.note(|| format!("< {input:?}"));
        if let Input::Load(spec, _) | Input::Endpoint(spec) = &input {
            self.ledger.facts((**spec).clone());
        }
        if let Input::Done { attempt, .. } = &input {
            self.ledger.ended(*attempt);
        }
        if let Input::Acknowledged { endpoint, seqs, .. } = &input {
            self.ledger.acknowledges(*endpoint, seqs);
        }
        if let Input::Stored(endpoint, token) = &input {
            self.ledger.stored(*endpoint, *token);
        }
        let mut actions = Vec::new();
        let wall = self.wall();
        self.engine.handle(wall, input, &mut actions);
        for action in actions {
            self.note(|| format!("> {action:?}"));
            self.execute(action)?;
        }
        Ok(())
    }

    pub(crate) fn account_of(&self, endpoint: EndpointId) -> Option<AccountId> {
        self.owners.get(&endpoint).copied()
    }

    /// How far each log was read is stored to its end: what is not can never be trimmed. (What a
    /// failing store dropped of it is stored with the next message.)
    pub(crate) fn is_all_seen(&self) -> bool {
        let mut accounts = self.accounts.iter();
        self.swarm.store_failures
            || accounts.all(|account| {
                let seen = now(async { records::load_seen(&self.database.view(), *account).await });
                let listened = self
                    .audiences
                    .get(account)
                    .is_some_and(|audience| !audience.is_empty());
                !listened || seen == now(self.store.visible(*account))
            })
    }
}

/// Resolves when the gate is open.
pub(crate) async fn passed(gate: Rc<Cell<bool>>) {
    std::future::poll_fn(|_| {
        if gate.get() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

pub(crate) fn draw_types(rng: &mut fastrand::Rng) -> Vec<String> {
    let types: &[&str] = match rng.u8(0..4) {
        0 => &["new_*"],
        1 => &["generic", "message_dead", "endpoint_*"],
        _ => &["*"],
    };
    types.iter().map(|name| (*name).to_owned()).collect()
}

pub(crate) fn poll<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Option<T> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

/// The result of work that has nothing to wait for in this world.
pub(crate) fn now<T, E: std::fmt::Display>(
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, String> {
    let mut future = Box::pin(future);
    match poll(future.as_mut()) {
        Some(result) => result.map_err(|error| {
            let mut text = String::new();
            let _ = write!(text, "{error}");
            text
        }),
        None => Err("a read had to wait".into()),
    }
}
