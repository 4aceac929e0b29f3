//! The self-test: kill a real daemon under load, again and again, and hold what its consumers
//! received against what it had acknowledged.
//!
//! Owns the rounds and the verdict. `child.rs` is the daemon, `load.rs` calls it, `ledger.rs`
//! judges, `disk.rs` measures the disk, `report.rs` tells. Works outside of the daemon only: over
//! HTTP, its admin socket and signals.

mod child;
mod disk;
mod ledger;
mod load;
mod report;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::Method;
use serde_json::json;

use self::child::Daemon;
use self::ledger::{Delivery, Received};
use self::load::{Load, Target};
use self::report::{Report, Round};
use super::demo::{Folder, ask, operate};
use super::{offline, runtime};
use crate::cli::progress::Bar;
use crate::cli::{Exit, fail};
use crate::clock::Stopwatch;
use crate::consumer::{Arrival, Asked, Consumer, Login, Reply, Settings};
use crate::id::MessageId;
use crate::ops::signals::Signals;
use crate::store::Faults;

/// Load of one round: at least, and how much more at most, in milliseconds.
const ROUND: std::ops::Range<u64> = 200..500;
/// Rounds after which everything must be delivered and is checked, so that what is remembered
/// stays bounded.
const SETTLE: usize = 25;
/// For everything to be delivered.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);
/// Replies that are drawn for the consumer that refuses now and then.
const REPLIES: usize = 100_000;

/// Runs `rounds` rounds below `directory`, and tells them.
pub fn run(rounds: u32, directory: &Path, json: bool) -> Exit {
    let folder = match Folder::make(directory, "selftest") {
        Ok(folder) => folder,
        Err(why) => return fail(&format!("error: {why}")),
    };
    let outcome = runtime().and_then(|runtime| {
        runtime.block_on(async {
            let mut signals = Signals::catch().map_err(|error| error.to_string())?;
            tokio::select! {
                done = test(&folder.0, rounds, json) => done,
                signal = signals.shutdown.next() => Err(format!("ended by {signal}")),
            }
        })
    });
    drop(folder);
    match outcome {
        Ok(true) => Exit::Done,
        Ok(false) => Exit::Failed,
        Err(why) => fail(&format!("error: {why}")),
    }
}

/// A consumer and what it received.
struct Endpoint {
    name: &'static str,
    url: String,
    strict: bool,
    id: String,
    received: Arc<Mutex<Received>>,
}

/// What every part of the test shares.
#[derive(Clone)]
struct Shared {
    began: Stopwatch,
    kills: Arc<Mutex<Vec<Duration>>>,
    faults: Arc<Mutex<Faults>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn test(folder: &Path, rounds: u32, json: bool) -> Result<bool, String> {
    let mut report = Report::new(json);
    let disk = disk::measure(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    report.disk(folder, disk);
    let shared = Shared {
        began: Stopwatch::start(),
        kills: Arc::default(),
        faults: Arc::default(),
    };
    let daemon = start(folder).await?;
    let (key, endpoints) = prepare(folder, &shared).await?;
    let mut test = Test {
        folder,
        shared,
        endpoints,
        acknowledged: BTreeMap::new(),
        target: Target {
            address: daemon.address,
            key: key.into(),
            since: daemon.since,
            next: Arc::new(AtomicU64::new(1)),
        },
        daemon: Some(daemon),
    };
    for number in 1..=rounds {
        report.working(number, rounds);
        let round = test.round(number).await?;
        report.round(round);
        if test.is_time_to_settle(number, rounds) {
            report.tell("waiting until everything is delivered");
            test.settle().await?;
        }
    }
    test.end().await?;
    let faults = held(&test.shared.faults).clone();
    let received: Vec<_> = test.endpoints.iter().map(|it| held(&it.received)).collect();
    let oldest = received.iter().map(|it| it.oldest).max();
    Ok(report.verdict(&faults, oldest.unwrap_or_default()))
}

async fn start(folder: &Path) -> Result<Daemon, String> {
    let folder = folder.to_owned();
    let started = tokio::task::spawn_blocking(move || Daemon::start(&folder)).await;
    started.map_err(|error| error.to_string())?
}

/// Creates the account and its endpoints. Gives the API key.
async fn prepare(folder: &Path, shared: &Shared) -> Result<(String, Vec<Endpoint>), String> {
    let socket = child::socket(folder);
    let account = operate(&socket, "/admin/v1/accounts", json!({"name": "selftest"})).await?;
    let text = |name: &str| account[name].as_str().unwrap_or_default().to_owned();
    let login = Login {
        id: text("ai_login_id"),
        password: text("ai_login_password"),
    };
    let now_and_then = |_| match fastrand::u8(..8) {
        0 => Reply::Refuse,
        _ => Reply::Ok,
    };
    let mut endpoints = Vec::new();
    for (name, strict, script) in [
        ("confirms", false, Vec::new()),
        (
            "refuses now and then",
            false,
            (0..REPLIES).map(now_and_then).collect(),
        ),
        ("strict", true, (0..REPLIES).map(now_and_then).collect()),
    ] {
        let settings = Settings {
            login: Some(login.clone()),
            script,
            ..Settings::default()
        };
        let consumer = Consumer::start(settings)
            .await
            .map_err(|error| error.to_string())?;
        let url = consumer.url();
        let received = Arc::new(Mutex::new(Received::default()));
        tokio::spawn(watch(consumer, received.clone(), shared.clone()));
        endpoints.push(Endpoint {
            name,
            url,
            strict,
            id: String::new(),
            received,
        });
    }
    let path = format!("/admin/v1/accounts/{}/endpoints", text("account"));
    for endpoint in &mut endpoints {
        let ordering = if endpoint.strict { "strict" } else { "relaxed" };
        let body = json!({"url": endpoint.url, "ordering": ordering});
        let made = operate(&socket, &path, body).await?;
        made["endpoint"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut endpoint.id);
    }
    // A port at which nobody listens.
    let dead = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let dead = dead.map_err(|error| error.to_string())?;
    operate(&socket, &path, json!({"url": format!("http://{dead}/")})).await?;
    Ok((text("api_key"), endpoints))
}

/// Writes down what a consumer receives.
async fn watch(mut consumer: Consumer, received: Arc<Mutex<Received>>, shared: Shared) {
    while let Some(arrival) = consumer.next().await {
        let Some(delivery) = delivery(&arrival, shared.began.elapsed()) else {
            continue;
        };
        let kills = held(&shared.kills).clone();
        let mut faults = held(&shared.faults);
        held(&received).take(delivery, &kills, &mut faults);
    }
}

fn delivery(arrival: &Arrival, at: Duration) -> Option<Delivery> {
    let Asked::Delivery {
        batch_id, messages, ..
    } = &arrival.asked
    else {
        return None;
    };
    let messages = messages.iter().filter_map(|message| {
        let id: MessageId = message.id.as_ref()?.parse().ok()?;
        Some((message.data.trim_matches('"').parse().ok()?, id))
    });
    Some(Delivery {
        at,
        batch: batch_id.clone().unwrap_or_default(),
        messages: messages.collect(),
        confirmed: arrival.confirmed,
    })
}

struct Test<'a> {
    folder: &'a Path,
    shared: Shared,
    endpoints: Vec<Endpoint>,
    /// Since the last settlement.
    acknowledged: BTreeMap<u64, MessageId>,
    target: Target,
    daemon: Option<Daemon>,
}

impl Test<'_> {
    /// Load, a kill at a random moment, and the next start.
    async fn round(&mut self, number: u32) -> Result<Round, String> {
        let before = self.totals();
        let load = Load::start(&self.target);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(ROUND))).await;
        self.kill()?;
        let told = load.end().await;
        let mut faults = Faults::default();
        for (data, id) in &told.messages {
            if self.acknowledged.insert(*data, *id).is_some() {
                faults.add(format!("message {data} was acknowledged twice"));
            }
        }
        for refused in &told.refused {
            faults.add(format!("a message was not accepted: {refused}"));
        }
        held(&self.shared.faults).append(faults);
        let daemon = start(self.folder).await?;
        self.target.address = daemon.address;
        self.target.since = daemon.since;
        self.daemon = Some(daemon);
        let after = self.totals();
        Ok(Round {
            number,
            accepted: told.messages.len() as u64,
            delivered: after.0 - before.0,
            repeated: after.1 - before.1,
            first: told.first,
        })
    }

    fn kill(&mut self) -> Result<(), String> {
        let now = self.shared.began.elapsed();
        held(&self.shared.kills).push(now);
        self.daemon.take().map_or(Ok(()), Daemon::kill)
    }

    /// Messages delivered and repeated so far, over all consumers.
    fn totals(&self) -> (u64, u64) {
        let each = self.endpoints.iter().map(|endpoint| {
            let received = held(&endpoint.received);
            (received.delivered, received.repeated)
        });
        each.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1))
    }

    fn is_time_to_settle(&self, number: u32, rounds: u32) -> bool {
        number == rounds || held(&self.shared.kills).len() >= SETTLE
    }

    /// Waits until every consumer has confirmed everything and the daemon has counted it so, then
    /// judges and forgets.
    async fn settle(&mut self) -> Result<(), String> {
        let watch = Stopwatch::start();
        for endpoint in &self.endpoints {
            while let Some(why) = self.unsettled(endpoint).await? {
                if watch.elapsed() > PATIENCE {
                    let text = format!("the consumer that {}: {why}", endpoint.name);
                    held(&self.shared.faults).add(text);
                    break;
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        for endpoint in &self.endpoints {
            let mut faults = held(&self.shared.faults);
            let mut received = held(&endpoint.received);
            received.settle(&self.acknowledged, endpoint.strict, &mut faults);
        }
        self.acknowledged.clear();
        held(&self.shared.kills).clear();
        Ok(())
    }

    /// What an endpoint still waits for; none when all is done there.
    async fn unsettled(&self, endpoint: &Endpoint) -> Result<Option<String>, String> {
        let path = format!("/relay/v1/endpoints/{}", endpoint.id);
        let (address, key) = (self.target.address, &self.target.key);
        let shown = ask(address, key, Method::GET, &path, None).await?;
        let queue = &shown["queue"];
        let received = held(&endpoint.received);
        if let Some(id) = received.missing(&self.acknowledged) {
            return Ok(Some(format!("{id} was acknowledged and is missing")));
        }
        if queue["pending"] != 0 || queue["delivered"] != received.distinct {
            let distinct = received.distinct;
            return Ok(Some(format!(
                "{distinct} messages came, but the daemon says {queue}"
            )));
        }
        Ok(None)
    }

    /// The last kill, and what it leaves on the disk.
    async fn end(&mut self) -> Result<(), String> {
        self.kill()?;
        let (data, scratch) = (child::data(self.folder), self.folder.join("copy"));
        let verify = move || offline::verify(&data, &scratch, &mut Bar::default());
        let found = tokio::task::spawn_blocking(verify).await;
        let found = found.map_err(|error| error.to_string())??;
        held(&self.shared.faults).append(found.faults);
        Ok(())
    }
}
