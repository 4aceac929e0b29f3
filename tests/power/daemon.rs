//! The real daemon with its data directory on the disk: load from several callers, a consumer that
//! answers, power off, and on with what was left.
//!
//! Owns the rounds and what is checked after each. What the store holds is judged twice: before
//! the daemon sees it, by the audit of the simulation, and at the end by the daemon's own figures
//! and by what the consumer was sent.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use hookrelay::clock::{Clock, Entropy};
use hookrelay::id::{AccountId, MessageId};
use hookrelay::store::Database;
use hookrelay::store::sled::{Settings, SledStore};
use serde_json::{Value, json};

use crate::audit::{History, audit};
use crate::disk::{Cut, Image};
use crate::mounted::Mounted;
use crate::stub::{Act, Request, Stub};
use crate::world::{Account, World, eventually, exchange};

const CALLERS: usize = 3;
/// Answers of one round before the cut is at most.
const ANSWERS: usize = 60;

/// Data → id.
type Acknowledged = BTreeMap<String, String>;

/// Sends singles and arrays until the daemon is gone. Gives what was acknowledged.
fn load(address: SocketAddr, key: &str, name: &str, answers: &AtomicUsize) -> Acknowledged {
    let mut acknowledged = BTreeMap::new();
    let headers = format!("Authorization: Bearer {key}\r\n");
    for request in 0.. {
        let count = [1, fastrand::usize(2..40)][request % 2];
        let padding = "x".repeat(fastrand::usize(..3000));
        let data: Vec<String> = (0..count)
            .map(|number| format!("{name} {request} {number} {padding}"))
            .collect();
        let messages: Vec<Value> = data
            .iter()
            .map(|data| json!({"type": "generic", "data": data}))
            .collect();
        let body = json!(messages).to_string();
        let answer = TcpStream::connect(address)
            .and_then(|stream| exchange(stream, "POST", "/relay/v1/messages", &headers, &body));
        let Ok(answer) = answer else { break };
        // An answer that was cut off acknowledges nothing.
        let Some(ids) = answer.json["ids"]
            .as_array()
            .filter(|_| answer.status == 202)
        else {
            break;
        };
        answers.fetch_add(1, Ordering::SeqCst);
        let ids = ids.iter().map(|id| id.as_str().unwrap().to_owned());
        acknowledged.extend(data.into_iter().zip(ids));
    }
    acknowledged
}

/// What was acknowledged and is not in the log as it was sent, or whatever else is wrong.
async fn judge(
    image: &Image,
    account: AccountId,
    acknowledged: &Acknowledged,
) -> Result<(), String> {
    let mounted = Mounted::holding(image);
    let settings = Settings {
        ballast: 0,
        ..Settings::default()
    };
    let store = SledStore::open(&mounted.data(), settings, Clock::system());
    let store = store.map_err(|error| error.to_string())?;
    let blobs = std::fs::read_dir(mounted.data().join("db/blobs")).unwrap();
    if blobs.count() > 0 {
        return Err("there are blobs, which are never synced".to_owned());
    }
    let database = Database::new(Arc::new(store), Clock::system(), Entropy::system());
    let history = History::default();
    let audited = audit(&database, &history).await;
    audited.map_err(|error| format!("{error:?}"))??;
    let whole = history.whole(&database, account).await;
    let (log, _) = whole.map_err(|error| format!("{error:?}"))?;
    let held: BTreeMap<MessageId, _> = log.values().map(|found| (found.id, &found.data)).collect();
    let lost = acknowledged.iter().find(|(data, id)| {
        let sent = serde_json::to_vec(data).unwrap();
        let found = held.get(&id.parse().unwrap());
        found.is_none_or(|found| found.as_ref() != sent)
    });
    match lost {
        Some((_, id)) => Err(format!("{id} was acknowledged and is lost")),
        None => Ok(()),
    }
}

/// What the consumer was sent.
#[derive(Default)]
struct Seen {
    confirmed: BTreeSet<String>,
    /// Of each batch, its messages.
    batches: BTreeMap<String, Vec<String>>,
    /// A batch that came again with others.
    changed: Option<String>,
}

impl Seen {
    fn answer(&mut self, request: &Request) -> Act {
        let batch = request.json["batch_id"].as_str().unwrap().to_owned();
        let before = self.batches.entry(batch.clone()).or_insert(request.ids());
        if *before != request.ids() {
            self.changed = Some(batch);
        }
        if fastrand::u8(..8) == 0 {
            return Act::refuse();
        }
        self.confirmed.extend(request.ids());
        Act::ok()
    }
}

/// One daemon after the other, each on what a power cut left of the one before.
struct Rounds {
    world: World,
    random: fastrand::Rng,
    account: Account,
    endpoint: String,
    acknowledged: Acknowledged,
}

impl Rounds {
    /// Load until a random moment, then the power goes off. Gives what is left, judged.
    fn round(&mut self, name: usize, mounted: &Mounted) -> Result<Image, String> {
        let answers = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                let (address, key) = (self.world.address, self.account.key.clone());
                let answers = answers.clone();
                thread::spawn(move || load(address, &key, &format!("{name} {caller}"), &answers))
            })
            .collect();
        let enough = self.random.usize(1..ANSWERS);
        eventually("the load is answered", || {
            (answers.load(Ordering::SeqCst) >= enough).then_some(())
        });
        let cut = mounted.disk().cut();
        self.world.kill();
        // Who was answered was answered before the cut: no sync succeeded after it.
        for caller in callers {
            self.acknowledged.extend(caller.join().unwrap());
        }
        self.judged(&cut)
    }

    /// One of several things that a cut could leave, all of which are as they must be.
    fn judged(&mut self, cut: &Cut) -> Result<Image, String> {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let account = self.account.id.parse().unwrap();
        let mut image = Image::default();
        for _ in 0..3 {
            image = cut.image(&mut self.random);
            runtime.block_on(judge(&image, account, &self.acknowledged))?;
        }
        Ok(image)
    }

    /// Starts on what a cut left, and judges another cut in the middle of it.
    fn start_on(&mut self, mounted: &Mounted) -> Result<(), String> {
        let path = mounted.data().display().to_string();
        let step = self.random.u64(1..60);
        mounted.disk().plan([step], &Arc::default());
        self.world.set("STORE__PATH", &path);
        self.world.start();
        let cuts = mounted.disk().taken();
        cuts.iter().try_for_each(|cut| self.judged(cut).map(drop))
    }

    /// Waits until everything acknowledged was delivered, and the figures say so.
    fn settled(&self, seen: &Mutex<Seen>) {
        let (world, account) = (&self.world, &self.account);
        let queue = || world.get(account, &format!("endpoints/{}", self.endpoint))["queue"].clone();
        eventually("everything acknowledged is delivered", || {
            let confirmed = &seen.lock().unwrap().confirmed;
            let lost = self.acknowledged.values().any(|id| !confirmed.contains(id));
            let queue = queue();
            (!lost && queue["pending"] == 0 && queue["delivered"] == confirmed.len()).then_some(())
        });
        assert_eq!(queue()["dead"], 0);
        assert_eq!(
            seen.lock().unwrap().changed,
            None,
            "a batch id names one content"
        );
    }
}

/// So many power cuts under load, on a disk that answers syncs truly, or lies. Gives what was
/// found wrong, and in which round.
pub fn rounds(random: u64, count: usize, lying: bool) -> Result<(), (usize, String)> {
    let mut mounted = Mounted::empty().unwrap();
    let mut world = World::new();
    world.set("STORE__PATH", &mounted.data().display().to_string());
    world.start();
    let account = world.account("shop");
    let seen = Arc::new(Mutex::new(Seen::default()));
    let known = seen.clone();
    let stub = Stub::start(&account, move |request| {
        known.lock().unwrap().answer(request)
    });
    let endpoint = world.endpoint(&account, &stub.url(), &json!({"max_messages": 10}));
    let mut rounds = Rounds {
        world,
        random: fastrand::Rng::with_seed(random),
        account,
        endpoint,
        acknowledged: BTreeMap::new(),
    };
    for name in 1..=count {
        if lying {
            mounted.disk().lie();
        }
        let image = rounds.round(name, &mounted).map_err(|what| (name, what))?;
        mounted = Mounted::holding(&image);
        let started = rounds.start_on(&mounted);
        started.map_err(|what| (name, what))?;
    }
    assert!(rounds.acknowledged.len() >= count, "there was load");
    rounds.settled(&seen);
    rounds.world.stop();
    Ok(())
}
