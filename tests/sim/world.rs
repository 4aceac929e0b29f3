//! The simulated world: one agenda of events around the real engine.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use bytes::Bytes;
use hookrelay::attempt::{Class, Outcome};
use hookrelay::clock::{Clock, Entropy, Millis, Timestamp};
use hookrelay::domain::authentication::{self, AuthResult};
use hookrelay::domain::dead_letter::{self, DeadRange};
use hookrelay::domain::endpoint::{
    self, AuthState, Authentication, DisabledReason, Endpoint, FilterVersion, Ordering, Protocol,
    ScheduleOverride,
};
use hookrelay::domain::event::{AuthFailure, Method};
use hookrelay::domain::job::Job;
use hookrelay::domain::registration::{self, NewEndpoint};
use hookrelay::domain::secret::Sealed;
use hookrelay::error::{Error, Kind};
use hookrelay::id::{AccountId, EndpointId, JobId, MessageId, Seq};
use hookrelay::relay::engine::schedule;
use hookrelay::relay::engine::{
    Action, AttemptId, BatchState, Change, DisableReason, Engine, Input, Purpose, Ranges, Settings,
    Token,
};
use hookrelay::relay::persist::{self, Lanes, Persist};
use hookrelay::relay::tail::Audience;
use hookrelay::relay::{facts, housekeeping, reader, records, recover};
use hookrelay::store::memory::MemoryStore;
use hookrelay::store::{CommitError, Database, Durability, Message, Receipt, Store, Targets, keys};

use crate::audit::{History, audit};
use crate::consumer::Consumer;
use crate::ledger::Ledger;

const START: u64 = 1_768_473_000_000;
/// Faults happen for so long; then everything heals and must come to rest.
const TROUBLE: u64 = 6 * 3_600_000;
const DEAD_RETENTION: Millis = Millis::days(14);
/// By then everything accepted is settled.
const REST: u64 = 30 * 86_400_000;
const MAX_STEPS: u64 = 400_000;
const LOGIN: &str = "apiuser";
const TYPES: [&str; 4] = ["new_lead", "new_order", "generic", "update_lead"];

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
}

impl Bug {
    pub const ALL: [Self; 12] = [
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
enum Event {
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
    /// A persist that a planted bug held back.
    LetGo(EndpointId),
}

/// What a transaction under way leads to.
enum After {
    Accepted(AccountId, Vec<MessageId>),
    /// The facts of an endpoint changed; then these inputs.
    Facts(EndpointId, Vec<Input>),
    /// A proof begins, if it may.
    Prove(AttemptId, EndpointId, u32, bool),
    /// A persist that took its account's turn was answered.
    Persisted(EndpointId, Input),
    Nothing,
}

type Transaction = Pin<Box<dyn Future<Output = Result<After, Error>>>>;

/// Which kinds of fault this seed has.
#[derive(Debug)]
struct Swarm {
    crashes: bool,
    store_failures: bool,
    clock_steps: bool,
    operators: bool,
    slow_disk: bool,
    trims: bool,
}

pub struct World {
    seed: u64,
    bug: Option<Bug>,
    /// True time; the wall clock differs by `offset`.
    now: u64,
    offset: i64,
    clock: Clock,
    entropy: Entropy,
    store: Arc<MemoryStore>,
    database: Database,
    engine: Engine,
    settings: Settings,
    defaults: schedule::Settings,
    agenda: BTreeMap<(u64, u64), Event>,
    next_event: u64,
    wake_at: Option<u64>,
    audiences: BTreeMap<AccountId, Audience>,
    tails: BTreeMap<AccountId, Seq>,
    lanes: Lanes,
    receipts: VecDeque<(EndpointId, Token, Receipt)>,
    transactions: Vec<Transaction>,
    consumers: BTreeMap<EndpointId, Consumer>,
    /// Whose endpoint is or was which.
    owners: BTreeMap<EndpointId, AccountId>,
    /// What a planted bug holds back.
    held: Option<Persist>,
    history: History,
    accounts: Vec<AccountId>,
    swarm: Swarm,
    rng: fastrand::Rng,
    ledger: Ledger,
    healed: bool,
    summary: Summary,
    hasher: DefaultHasher,
    trace: VecDeque<String>,
    verbose: bool,
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

    fn live(&mut self) -> Result<(), String> {
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

    fn wall(&self) -> Timestamp {
        Timestamp(self.now.saturating_add_signed(self.offset))
    }

    fn at(&mut self, delay: u64, event: Event) {
        self.next_event += 1;
        self.agenda
            .insert((self.now + delay, self.next_event), event);
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
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

    /// Endpoints with drawn settings, stored before anything else happens.
    fn populate(&mut self) -> Result<(), String> {
        let mut number = 0;
        for account in self.accounts.clone() {
            for _ in 0..self.rng.u64(1..4) {
                number += 1;
                let reliable = number == 1;
                let record = self.draw_endpoint(account, number, reliable);
                self.consumers
                    .insert(record.id, Consumer::new(self.seed * 31 + number, reliable));
                self.owners.insert(record.id, account);
                let record = &record;
                let accounts = [account];
                let stored = self.database.transact(&accounts, |tx| async move {
                    tx.put(keys::account_login(account, LOGIN), &LOGIN)?;
                    endpoint::save(&tx, record)
                });
                let mut stored = Box::pin(stored);
                loop {
                    let polled = poll(stored.as_mut());
                    if let Some(result) = polled {
                        result.map_err(|error| error.to_string())?;
                        break;
                    }
                    self.store.step();
                }
            }
        }
        self.start_engine()
    }

    fn draw_endpoint(&mut self, account: AccountId, number: u64, reliable: bool) -> Endpoint {
        let rng = &mut self.rng;
        let standard = rng.u8(0..3) == 0;
        let types = draw_types(rng);
        let thin = !reliable && !standard && rng.u8(0..8) == 0;
        Endpoint {
            id: EndpointId::from_number(number),
            account,
            login: LOGIN.into(),
            url: "https://consumer.example/hook".into(),
            description: String::new(),
            created_at: Timestamp(START),
            start: Seq(1),
            filters: vec![FilterVersion {
                from: Seq(1),
                types,
            }],
            protocol: if standard {
                Protocol::Standard
            } else {
                Protocol::Relay
            },
            send_key: true,
            send_messages: !thin,
            ignore_confirmation: !reliable && rng.u8(0..10) == 0,
            strict_fields: false,
            ordering: if !reliable && rng.u8(0..3) == 0 {
                Ordering::Strict
            } else {
                Ordering::Relaxed
            },
            max_messages: rng.u32(1..20),
            max_bytes: rng.u32(10..2000),
            auth_lifetime: Millis::minutes(rng.u64(5..600)),
            headers: None,
            schedule: ScheduleOverride::default(),
            signing_secret: Sealed("sealed".into()),
            retiring_secret: None,
            order: endpoint::Order::Enabled,
            order_since: Timestamp(START),
            offered_since: Timestamp(START),
            authentication: Authentication {
                state: AuthState::Unverified,
                since: Timestamp(START),
                failures: 0,
                generation: 0,
                asked: false,
                offered_keys: Vec::new(),
            },
        }
    }

    /// Draws when what happens.
    fn plan(&mut self) {
        let bursts = self.rng.u64(3..40);
        let mut busy = Vec::new();
        for _ in 0..bursts {
            let time = self.rng.u64(0..TROUBLE);
            self.at(time, Event::Produce);
            busy.push(time);
        }
        for id in self.consumers.keys().copied().collect::<Vec<_>>() {
            for _ in 0..self.rng.u64(0..12) {
                let time = self.rng.u64(0..TROUBLE);
                self.at(time, Event::ConsumerChanges(id));
            }
        }
        let sow = |on: bool, most: u64, event: fn() -> Event, world: &mut Self| {
            for _ in 0..if on { world.rng.u64(1..most) } else { 0 } {
                let time = world.draw_time(&busy);
                world.at(time, event());
            }
        };
        let Swarm {
            crashes,
            clock_steps,
            operators,
            ..
        } = self.swarm;
        sow(crashes, 12, || Event::Crash, self);
        sow(clock_steps, 4, || Event::ClockStep, self);
        sow(operators, 24, || Event::Operate, self);
        if self.swarm.trims {
            for _ in 0..self.rng.u64(1..60) {
                let (time, account) = (self.draw_time(&busy), self.draw_account());
                self.at(time, Event::Trim(account));
            }
        }
        self.at(TROUBLE, Event::Heal);
    }

    /// Any time, or one when much is under way: that is when things meet.
    fn draw_time(&mut self, busy: &[u64]) -> u64 {
        match self.rng.choice(busy) {
            Some(burst) if self.rng.bool() => burst + self.rng.u64(0..4_000),
            _ => self.rng.u64(0..TROUBLE),
        }
    }

    fn draw_account(&mut self) -> AccountId {
        self.accounts[self.rng.usize(0..self.accounts.len())]
    }

    fn start_engine(&mut self) -> Result<(), String> {
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
                    _ => {}
                }
            }
            self.give(input)?;
        }
        self.ledger
            .recovered(&now(self.stored_batches())?, self.offset);
        for account in self.accounts.clone() {
            let through = now(self.store.visible(account))?;
            self.read_tail(account, through)?;
        }
        // Messages before orders, as in the shell.
        for record in recovered.orders {
            for input in now(recover::acknowledgements(&database, &record))? {
                self.give(input)?;
            }
        }
        Ok(())
    }

    async fn stored_batches(&self) -> Result<Vec<(EndpointId, BatchState)>, Error> {
        let mut found = Vec::new();
        for (id, account) in self.endpoint_ids() {
            let stored = records::load(&self.database.view(), account, id).await?;
            found.extend(stored.batches.into_iter().map(|batch| (id, batch)));
        }
        Ok(found)
    }

    fn endpoint_ids(&self) -> Vec<(EndpointId, AccountId)> {
        let of = |id: &EndpointId| {
            let audience = self
                .audiences
                .values()
                .find_map(|audience| audience.record(*id));
            audience.map(|record| (*id, record.account))
        };
        self.consumers.keys().filter_map(of).collect()
    }

    fn happen(&mut self, event: Event) -> Result<(), String> {
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
            Event::Heal => self.heal(),
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
            Event::LetGo(endpoint) => match self.held.take_if(|held| held.endpoint == endpoint) {
                Some(held) => self.hand_over(held).map(drop),
                None => Ok(()),
            },
        }
    }

    fn after_step(&mut self) -> Result<(), String> {
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
    fn give(&mut self, input: Input) -> Result<(), String> {
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

    fn execute(&mut self, action: Action) -> Result<(), String> {
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
                from,
                to,
                purpose,
                ..
            } => self.read(attempt, endpoint, from, to, purpose),
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
    fn submit(&mut self, persist: Persist) -> Result<bool, String> {
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

    fn hand_over(&mut self, mut persist: Persist) -> Result<bool, String> {
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

    fn read(
        &mut self,
        attempt: AttemptId,
        endpoint: EndpointId,
        from: Seq,
        to: Seq,
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
        let found = now(reader::read(&*self.store, &record, from, to, purpose))?;
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
            },
        };
        self.at(delay, Event::Input(input));
        Ok(())
    }

    fn post(
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

    fn begin(&mut self, work: impl Future<Output = Result<After, Error>> + 'static) {
        self.transactions.push(Box::pin(work));
    }

    fn poll_transactions(&mut self) -> Result<bool, String> {
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
        for result in finished {
            // A transaction that could not be stored was refused to its caller.
            if let Ok(after) = result {
                self.follow(after)?;
            }
        }
        Ok(moved)
    }

    fn follow(&mut self, after: After) -> Result<(), String> {
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

    fn finish_proof(
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

    fn account_of(&self, endpoint: EndpointId) -> Option<AccountId> {
        self.owners.get(&endpoint).copied()
    }

    /// Reads an endpoint's record again and tells the engine. Only the feed is believed that an
    /// endpoint is gone.
    fn reload(&mut self, id: EndpointId, followed: bool) -> Result<(), String> {
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

    fn collect_receipts(&mut self) -> Result<bool, String> {
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

    fn follow_feed(&mut self) -> Result<bool, String> {
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

    fn read_tail(&mut self, account: AccountId, through: Seq) -> Result<(), String> {
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
            let mut arrivals = audience.arrivals(&messages);
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

    fn produce(&mut self) {
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
                        *told = ids.clone();
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

    fn operate(&mut self) {
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
    fn create(&mut self, account: AccountId) {
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
    fn trim(&mut self, account: AccountId) -> Result<(), String> {
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
    fn audit(&self) -> Result<(), String> {
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

    fn confirm(&mut self, endpoint: EndpointId) {
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

    fn crash(&mut self) -> Result<(), String> {
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
    fn heal(&mut self) -> Result<(), String> {
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
        Ok(())
    }

    fn is_at_rest(&self) -> bool {
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

    /// How far each log was read is stored to its end: what is not can never be trimmed. (What a
    /// failing store dropped of it is stored with the next message.)
    fn is_all_seen(&self) -> bool {
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

    fn verify_end(&mut self) -> Result<(), String> {
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

/// Resolves when the gate is open.
async fn passed(gate: Rc<Cell<bool>>) {
    std::future::poll_fn(|_| {
        if gate.get() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

fn draw_types(rng: &mut fastrand::Rng) -> Vec<String> {
    let types: &[&str] = match rng.u8(0..4) {
        0 => &["new_*"],
        1 => &["generic", "message_dead", "endpoint_*"],
        _ => &["*"],
    };
    types.iter().map(|name| (*name).to_owned()).collect()
}

async fn acknowledge(
    tx: &hookrelay::store::Tx,
    account: AccountId,
    endpoint: EndpointId,
    first: Seq,
    last: Seq,
) -> Result<(), Error> {
    if first > last {
        return Ok(());
    }
    let ranges = vec![(first, last)];
    let order = hookrelay::domain::acknowledgement::Acknowledge { seqs: ranges };
    tx.put(
        keys::order(account, endpoint, JobId::random(tx.entropy())),
        &order,
    )
}

fn poll<T>(future: Pin<&mut (impl Future<Output = T> + ?Sized)>) -> Option<T> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

/// The result of work that has nothing to wait for in this world.
fn now<T, E: std::fmt::Display>(future: impl Future<Output = Result<T, E>>) -> Result<T, String> {
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
