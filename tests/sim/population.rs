//! Who is in the world, and what is going to happen to it.

use hookrelay::clock::{Millis, Timestamp};
use hookrelay::domain::endpoint::{
    self, AuthState, Authentication, Endpoint, FilterVersion, Ordering, Protocol, ScheduleOverride,
};
use hookrelay::domain::secret::Sealed;
use hookrelay::id::{AccountId, EndpointId, Seq};
use hookrelay::store::keys;

use crate::consumer::Consumer;
use crate::world::{Event, LOGIN, START, Swarm, TROUBLE, World, draw_types, poll};

impl World {
    /// Endpoints with drawn settings, stored before anything else happens.
    pub(crate) fn populate(&mut self) -> Result<(), String> {
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

    pub(crate) fn draw_endpoint(
        &mut self,
        account: AccountId,
        number: u64,
        reliable: bool,
    ) -> Endpoint {
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
    pub(crate) fn plan(&mut self) {
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
    pub(crate) fn draw_time(&mut self, busy: &[u64]) -> u64 {
        match self.rng.choice(busy) {
            Some(burst) if self.rng.bool() => burst + self.rng.u64(0..4_000),
            _ => self.rng.u64(0..TROUBLE),
        }
    }

    pub(crate) fn draw_account(&mut self) -> AccountId {
        self.accounts[self.rng.usize(0..self.accounts.len())]
    }
}
