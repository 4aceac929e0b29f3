//! Users for tests, made in the domain itself, and what tests read of answers.

use hookrelay::auth::passwords::Passwords;
use hookrelay::clock::{Entropy, Timestamp};
use hookrelay::domain::account::{self, Account};
use hookrelay::domain::user::{self, Changes, User};
use hookrelay::limit::Settings;
use hookrelay::store::keys;

use crate::world::{NOW, Options, World};

pub const SUCCESS: &str = "status=0&status_message=Success";
pub const DENIED: &str = "status=1&status_message=Permission+denied";
pub const NO_RECORD: &str = "status=1&status_message=Record+does+not+exist";
pub const FAILED: &str = "status=1&status_message=Authentication+failed";
/// The password of everybody.
pub const GEHEIM: &str = "Geheim1";

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

pub fn missing(name: &str) -> String {
    format!("status=1&status_message=ERROR%3A+Required+parameter+%22{name}%22+missing")
}

pub fn invalid(name: &str) -> String {
    format!("status=1&status_message=Invalid+value+for+parameter+%22{name}%22")
}

pub fn too_long(name: &str) -> String {
    format!("status=1&status_message=Value+of+parameter+%22{name}%22+is+too+long")
}

/// A value in a form body.
pub fn escaped(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The value of a pair of an answer, decoded.
pub fn field(body: &str, name: &str) -> String {
    let mut pairs = form_urlencoded::parse(body.as_bytes());
    let found = pairs.find(|(known, _)| known == name);
    found.map_or_else(String::new, |(_, value)| value.into_owned())
}

/// What `validate_user` says.
pub fn validation(body: &str) -> String {
    assert!(
        body.starts_with(&format!("{SUCCESS}&validation=")),
        "{body}"
    );
    field(body, "validation")
}

/// Changes the account's settings.
pub async fn set(world: &World, change: impl Fn(&mut Account) + Copy + Send + Sync) {
    let id = world.account;
    let accounts = [id];
    let changed = world.db.transact(&accounts, |tx| async move {
        let mut account = account::by_id(&tx, id).await?;
        change(&mut account);
        for host in &account.settings.hosts {
            tx.put(keys::host(host), &id)?;
        }
        tx.put(keys::account(id), &account)
    });
    changed.await.unwrap();
}

/// A user with this name and type, who joined on 2026-01-10 at 09:00 local time.
pub async fn add(world: &World, username: &str, account_type: &str, more: Changes) -> User {
    let text = |text: &str| Some(text.to_owned());
    let given = more.clone();
    let changes = &Changes {
        username: text(username),
        account_type: text(account_type),
        first_name: more.first_name.or_else(|| text("Alice")),
        last_name: more.last_name.or_else(|| text("Stone")),
        email: more
            .email
            .or_else(|| text(&format!("{username}@agent.example"))),
        ..given
    };
    let (id, joined) = (world.account, Timestamp(1_768_064_400_000));
    let accounts = [id];
    let added = world.db.transact(&accounts, |tx| async move {
        let account = account::by_id(&tx, id).await?;
        user::create(&tx, &account, changes, Some(joined)).await
    });
    added.await.unwrap()
}

/// The same with [`GEHEIM`].
pub async fn add_with_password(world: &World, username: &str, account_type: &str) -> User {
    let hash = Passwords::new(Entropy::seeded(3)).hash(GEHEIM).await;
    let password = Some(hash.unwrap());
    let changes = Changes {
        password,
        ..Changes::default()
    };
    add(world, username, account_type, changes).await
}

/// What is stored of the user now.
pub async fn stored(world: &World, id: u64) -> User {
    let tx = world.db.view();
    user::by_id(&tx, world.account, id).await.unwrap().unwrap()
}

/// A call without an API login.
pub async fn open(world: &World, pairs: &str) -> crate::world::Reply {
    world.send("POST", "/service", &[], pairs).await
}

/// A fresh token of a user with [`GEHEIM`].
pub async fn token(world: &World, username: &str) -> String {
    let call = format!("ai_command=user_login_token&username={username}&password={GEHEIM}");
    let token = field(&world.command(&call).await.body, "ai_token");
    assert_eq!(token.len(), 72);
    token
}

/// The clock of all examples, later by seconds.
pub fn later(seconds: u64) -> Timestamp {
    Timestamp(NOW.0 + seconds * 1000)
}
