//! What `hookrelay queue` shows: endpoints by the age of what waits at them.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use hookrelay::clock::{Clock, Entropy, Millis, Timestamp};
use hookrelay::store::sled::{Settings, SledStore};
use hookrelay::store::{Database, Targets};
use serde_json::{Value, json};

use crate::stub::{Act, Stub};
use crate::world::{Account, World, eventually};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// Puts messages of these ages (in seconds) and types into the log of a daemon that is stopped,
/// the oldest first.
async fn log(folder: &Path, account: &Account, messages: &[(u64, &str)]) {
    let store = SledStore::open(&folder.join("data"), Settings::default(), Clock::system());
    let store = Arc::new(store.unwrap());
    let now = Clock::system().now();
    let clock = Clock::manual(now);
    let database = Database::new(store.clone(), clock.clone(), Entropy::seeded(1));
    let account = account.id.parse().unwrap();
    for together in messages.chunk_by(|one, other| one.0 == other.0) {
        clock.set(Timestamp(now.0 - Millis::seconds(together[0].0).0));
        let accounts = [account];
        let append = database.transact(&accounts, |tx| async move {
            for (_, event_type) in together {
                let data = Bytes::from_static(b"\"x\"");
                tx.append(account, event_type, Targets::All, data).await?;
            }
            Ok(())
        });
        append.await.unwrap();
    }
    store.close();
}

fn row<'a>(queue: &'a Value, endpoint: &str) -> &'a Value {
    let rows = queue["endpoints"].as_array().unwrap();
    rows.iter().find(|row| row["endpoint"] == endpoint).unwrap()
}

/// The words of the line of `queue` that begins like this.
fn line(text: &str, begin: &[&str]) -> Vec<String> {
    let mut lines = text
        .lines()
        .map(|line| line.split_whitespace().map(str::to_owned).collect());
    lines
        .find(|words: &Vec<String>| words.iter().zip(begin).all(|(word, begin)| word == begin))
        .unwrap_or_else(|| panic!("no line {begin:?} in\n{text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_matrix_has_endpoints_by_the_age_of_what_waits() {
    let mut world = World::started();
    let account = world.account("shop");
    let stub = Stub::start(&account, |_| Act::refuse());
    let open = world.endpoint(&account, &stub.url(), &json!({}));
    let held = world.endpoint(&account, &stub.url(), &json!({}));
    let filtered = world.endpoint(&account, &stub.url(), &json!({"types": ["rare"]}));
    world.order(&account, &held, "hold");
    world.order(&account, &filtered, "hold");
    world.stop();
    let ages = [
        (25 * HOUR, "rare"),
        (25 * HOUR, "generic"),
        (25 * HOUR, "generic"),
        (25 * HOUR, "generic"),
        (2 * HOUR, "generic"),
        (2 * HOUR, "generic"),
        (2 * HOUR, "generic"),
        (10 * MINUTE, "rare"),
        (10 * MINUTE, "generic"),
    ];
    log(world.folder.path(), &account, &ages).await;
    world.start();
    world.send(&account, &json!({"type": "generic", "data": "new"}));
    let queue = eventually(
        "the refused batches and the new message are counted",
        || {
            let queue = world.ask(&["queue"]);
            let waits = |endpoint| row(&queue, endpoint)["pending"] == 10;
            let refused = row(&queue, &open)["last_class"] != Value::Null;
            (waits(&open) && waits(&held) && refused).then_some(queue)
        },
    );
    let exactly = json!({"under_1m":1,"under_1h":2,"under_24h":3,"older":4,"exact":true});
    assert_eq!(row(&queue, &open)["ages"], exactly, "in open batches");
    assert_eq!(row(&queue, &held)["ages"], exactly, "above the cursor");
    let few = json!({"under_1m":0,"under_1h":1,"under_24h":0,"older":1,"exact":true});
    assert_eq!(row(&queue, &filtered)["ages"], few, "behind a filter");
    let shown = String::from_utf8(world.cli(&["queue"]).stdout).unwrap();
    let figures = ["10", "1", "2", "3", "4"];
    assert_eq!(line(&shown, &["shop", &held])[3..8], figures);
    let few = ["2", "0", "1", "0", "1"];
    assert_eq!(line(&shown, &["shop", &filtered])[3..8], few);
    assert_eq!(line(&shown, &["total"])[1..6], ["22", "2", "5", "6", "9"]);
}

/// A backlog behind a filter that is too long to be read has estimates, which say so.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_backlog_behind_a_filter_is_estimated() {
    let mut world = World::started();
    let account = world.account("shop");
    let settings = json!({"types": ["rare"]});
    let endpoint = world.endpoint(&account, "http://127.0.0.1:9/", &settings);
    world.order(&account, &endpoint, "hold");
    world.stop();
    let old = vec![(2 * HOUR, "rare"); 10];
    let many = vec![(2 * HOUR, "generic"); 1990];
    let young = vec![(10 * MINUTE, "generic"); 2000];
    log(world.folder.path(), &account, &[old, many, young].concat()).await;
    world.start();
    eventually("it is counted", || {
        let queue = world.ask(&["queue"]);
        (row(&queue, &endpoint)["pending"] == 10).then_some(())
    });
    let shown = String::from_utf8(world.cli(&["queue"]).stdout).unwrap();
    let half = ["10", "0", "~5", "~5", "0"];
    assert_eq!(line(&shown, &["shop", &endpoint])[3..8], half);
    assert_eq!(line(&shown, &["total"])[1..6], half);
}

/// Everything that was accepted before a kill is in the log, and the counts of the last seconds
/// are not stored: until they were counted again, no answer says that less waits.
#[tokio::test(flavor = "multi_thread")]
async fn no_answer_after_a_start_shows_less_than_waits() {
    let mut world = World::started();
    let account = world.account("shop");
    let endpoint = world.endpoint(&account, "http://127.0.0.1:9/", &json!({}));
    world.order(&account, &endpoint, "hold");
    world.stop();
    log(world.folder.path(), &account, &vec![(0, "generic"); 3000]).await;
    world.start();
    let answers = eventually("it is counted", || {
        let queue = world.ask(&["queue"]);
        let status = world.ask(&["status"]);
        let shown = world.get(&account, &format!("endpoints/{endpoint}"));
        let pending = [
            &row(&queue, &endpoint)["pending"],
            &shown["queue"]["pending"],
        ];
        for pending in pending {
            assert!(pending.is_null() || *pending == 3000, "{pending}");
        }
        let total = &status["queue"];
        assert!(
            total["pending"] == 3000 || total["uncounted"] == 1,
            "{total}"
        );
        let counted = pending.iter().all(|pending| !pending.is_null());
        counted.then_some(status)
    });
    assert_eq!(answers["relay_running"], true);
}
