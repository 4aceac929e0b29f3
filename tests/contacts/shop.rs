//! The world of the examples: an account with Jane and the list VIP, an agency and a sub-account.

use hookrelay::domain::account::{self, Account};
use hookrelay::domain::credit::{self, AutoRecharge, Balance};
use hookrelay::domain::list;
use hookrelay::id::{AccountId, Seq};
use hookrelay::limit::Settings;
use hookrelay::store::{Store, Tx, keys};

use crate::world::{KEY, Options, Reply, World};

/// The key of the agency.
pub const AGENCY_KEY: &str = "agencyagencyagencyagencyagency01";
/// The key of the sub-account.
pub const SUB_KEY: &str = "subsubsubsubsubsubsubsubsubsub01";
/// The sub-account of the examples.
pub const SUE: &str = r#"{"email":"sub@agency.example","first_name":"Sue","last_name":"Bird","usage_limits":{"credits":42}}"#;
/// The contact of the examples.
pub const JANE: &str =
    r#"{"firstName":"Jane","lastName":"Smith","phone":"+15551234567","email":"jane@example.com"}"#;

/// A world without a limit of requests.
pub async fn world() -> World {
    World::with(Options {
        limits: Settings {
            per_minute: 0,
            ..Settings::default()
        },
        ..Options::default()
    })
    .await
}

/// A call with this key.
pub async fn with_key(world: &World, key: &str, method: &str, path: &str, body: &str) -> Reply {
    let headers = [("x-api-key", key), ("content-type", "application/json")];
    world
        .send(method, &format!("/v1/{path}"), &headers, body)
        .await
}

/// A call of the account.
pub async fn call(world: &World, method: &str, path: &str, body: &str) -> Reply {
    with_key(world, KEY, method, path, body).await
}

/// A POST of the account that must succeed.
pub async fn post(world: &World, path: &str, body: &str) -> serde_json::Value {
    let reply = call(world, "POST", path, body).await;
    assert!(matches!(reply.status, 200 | 201), "{path} {body} {reply:?}");
    reply.json()
}

/// A text member of an answer.
pub fn text(value: &serde_json::Value, name: &str) -> String {
    value[name].as_str().unwrap().to_owned()
}

/// Jane, and her reference.
pub async fn jane(world: &World) -> String {
    text(&post(world, "contacts", JANE).await, "id")
}

/// A list, and its reference.
pub async fn list(world: &World, name: &str) -> String {
    let id = world.account;
    let changes = &list::Changes {
        name: Some(name.to_owned()),
        ..list::Changes::default()
    };
    let accounts = [id];
    let made = world.db.transact(&accounts, |tx| async move {
        list::create(&tx, id, changes).await
    });
    made.await.unwrap().reference.to_string()
}

/// Changes an account as an operator would.
pub async fn set(world: &World, id: AccountId, change: impl Fn(&mut Account) + Copy + Send + Sync) {
    let accounts = [id];
    let changed = world.db.transact(&accounts, |tx| async move {
        let mut account = account::by_id(&tx, id).await?;
        change(&mut account);
        tx.put(keys::account(id), &account)
    });
    changed.await.unwrap();
}

/// Sets a balance as an operator would.
pub async fn set_balance(world: &World, id: AccountId, credits: u64, auto: AutoRecharge) {
    let balance = &Balance {
        credits,
        auto_recharge: auto,
    };
    let set = |tx: Tx| async move { credit::set(&tx, id, balance).await };
    world.db.transact(&[id], set).await.unwrap();
}

/// Credits that are left.
pub async fn credits(world: &World, id: AccountId) -> u64 {
    let balance = credit::balance(&world.db.view(), id).await.unwrap();
    balance.credits
}

/// An agency with the sub-account of the examples.
pub struct Agency {
    pub world: World,
    /// The agency itself.
    pub owner: AccountId,
    pub sub: AccountId,
}

impl Agency {
    pub async fn new() -> Self {
        let world = world().await;
        let agency = world.add_account("agency", "agency", AGENCY_KEY).await;
        set(&world, agency, |account| account.is_agency = true).await;
        let made = with_key(&world, AGENCY_KEY, "POST", "subaccounts", SUE).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let sub = text(&made.json()["data"], "sub_account_id")
            .parse()
            .unwrap();
        let path = format!("/admin/v1/accounts/{sub}/keys");
        let body = format!(r#"{{"api_key":"{SUB_KEY}"}}"#);
        let made = world.admin("POST", &path, &body).await;
        assert_eq!(made.status, 201, "{}", made.body);
        Self {
            world,
            owner: agency,
            sub,
        }
    }

    /// A call of the agency.
    pub async fn call(&self, method: &str, path: &str, body: &str) -> Reply {
        with_key(&self.world, AGENCY_KEY, method, path, body).await
    }

    /// A call of the sub-account.
    pub async fn sub_call(&self, method: &str, path: &str, body: &str) -> Reply {
        with_key(&self.world, SUB_KEY, method, path, body).await
    }
}

/// Type and data of what was appended to an account's log behind the first `before`.
pub async fn told(world: &World, account: AccountId, before: u64) -> Vec<(String, String)> {
    let log = world
        .store
        .read_log(account, Seq(before + 1), 1000, 1 << 24);
    let page = log.await.unwrap();
    let messages = page.messages.iter().map(|message| {
        let data = String::from_utf8(message.data.to_vec()).unwrap();
        (message.event_type.to_string(), data)
    });
    messages.collect()
}

/// How many messages an account's log has.
pub async fn logged(world: &World, account: AccountId) -> u64 {
    world.store.visible(account).await.unwrap().0
}

/// The types of what was told.
pub fn types(told: &[(String, String)]) -> Vec<&str> {
    told.iter().map(|(name, _)| name.as_str()).collect()
}

/// An example with a test's own ids in the place of the printed ones.
pub fn example(printed: &str, own: &[(&str, &str)]) -> String {
    own.iter().fold(printed.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in {text}");
        text.replace(from, to)
    })
}
