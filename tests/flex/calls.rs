//! Calls of the surface, and what is stored and told behind them.

use hookrelay::domain::contact::{self, Contact};
use hookrelay::limit::Settings;
use serde_json::{Value, json};

use crate::world::{KEY, Options, Reply, World};

pub const PATH: &str = "/flex/API/";

/// A world without a limit of requests.
pub async fn world() -> World {
    World::with(unlimited()).await
}

pub fn unlimited() -> Options {
    Options {
        limits: Settings {
            per_minute: 0,
            ..Settings::default()
        },
        ..Options::default()
    }
}

/// Operations, as they stand between the commas, with the key before them.
pub fn body(operations: &str) -> String {
    format!(r#"[{{"key":"{KEY}"}},{operations}]"#)
}

/// Calls with these operations.
pub async fn call(world: &World, operations: &str) -> Reply {
    world.send("POST", PATH, &[], &body(operations)).await
}

/// The same with an `Idempotency-Key`.
pub async fn once(world: &World, value: &str, operations: &str) -> Reply {
    let headers = [("idempotency-key", value)];
    world.send("POST", PATH, &headers, &body(operations)).await
}

/// Status and body.
pub fn told(reply: &Reply) -> (u16, &str) {
    (reply.status, reply.body.as_str())
}

/// The body of an error.
pub fn error(text: &str) -> String {
    json!({"status": false, "error": text})
        .as_object()
        .map(|_| format!(r#"{{"status":false,"error":"{text}"}}"#))
        .unwrap()
}

/// A new contact's id.
pub async fn contact(world: &World, members: &str) -> u64 {
    let reply = call(world, &format!(r#"{{"type":"NEW",{members}}}"#)).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()["idContact"].as_u64().unwrap()
}

/// What is stored of a contact.
pub async fn stored(world: &World, id: u64) -> Contact {
    let found = contact::by_id(&world.db.view(), world.account, id).await;
    found.unwrap().unwrap()
}

/// Codes and values of a contact's custom fields.
pub async fn custom(world: &World, id: u64) -> Vec<(String, String)> {
    let fields = stored(world, id).await.custom_fields;
    fields.into_iter().map(|it| (it.code, it.value)).collect()
}

/// Types and data of the messages behind the first `before`.
pub async fn since(world: &World, before: u64) -> Vec<(String, Value)> {
    let appended = world.appended(before).await.into_iter();
    let parsed = appended.map(|(name, data)| (name, serde_json::from_str(&data).unwrap()));
    parsed.collect()
}

/// Their types.
pub async fn types(world: &World, before: u64) -> Vec<String> {
    let appended = world.appended(before).await.into_iter();
    appended.map(|(name, _)| name).collect()
}

/// Changes the account by the operator's order.
pub async fn set(world: &World, settings: Value) {
    let path = format!("/admin/v1/accounts/{}", world.account);
    let reply = world.admin("PATCH", &path, &settings.to_string()).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

/// A new automation's id.
pub async fn automation(world: &World, settings: Value) -> u64 {
    let path = format!("/admin/v1/accounts/{}/automations", world.account);
    let reply = world.admin("POST", &path, &settings.to_string()).await;
    assert_eq!(reply.status, 201, "{}", reply.body);
    reply.json()["automation"].as_u64().unwrap()
}
