//! Calls 1 and 2.

use hookrelay::domain::release;
use hookrelay::domain::user::Changes;
use serde_json::json;

use crate::desk::Desk;
use crate::people;

#[tokio::test]
async fn one_agent_by_address_or_reference() {
    let desk = Desk::open().await;
    let reference = desk.alice.reference.to_string();
    let by_reference = desk.read(&format!("agents/{reference}"), "").await;
    let token = by_reference["authtoken"].as_str().unwrap().to_owned();
    assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let reply = desk.call("GET", "agents/Alice@agent.example/", "").await;
    assert_eq!(
        reply.body,
        format!(
            r#"{{"response":{{"contactid":"{reference}","userid":"{reference}","email":"alice@agent.example","firstname":"Alice","lastname":"Stone","systemname":"Alice Stone","authtoken":"{token}","browsercookiename":"A_auth","gender":"F","role":"A"}}}}"#
        )
    );
    let reply = desk.call("GET", "agents/alice@agent.example.xml", "").await;
    assert_eq!(
        reply.body,
        format!(
            "<?xml version='1.0' encoding='utf-8'?>\n<response>\n <contactid>{reference}</contactid>\n \
             <userid>{reference}</userid>\n <email>alice@agent.example</email>\n \
             <firstname>Alice</firstname>\n <lastname>Stone</lastname>\n \
             <systemname>Alice Stone</systemname>\n <authtoken>{token}</authtoken>\n \
             <browsercookiename>A_auth</browsercookiename>\n <gender>F</gender>\n \
             <role>A</role>\n</response>\n"
        )
    );
}

#[tokio::test]
async fn roles_and_who_is_no_agent() {
    let desk = Desk::open().await;
    for (name, account_type, role) in [
        ("olga", "owner", "O"),
        ("dora", "Administrator", "D"),
        ("adam", "Admin", "D"),
        ("hugo", "Sales", "A"),
    ] {
        people::add(&desk.world, name, account_type, Changes::default()).await;
        let agent = desk.read(&format!("agents/{name}@agent.example"), "").await;
        assert_eq!(agent["role"], role, "{name}");
    }
    let john = people::add(&desk.world, "john", "Customer", Changes::default()).await;
    let (reference, long) = (
        john.reference.to_string(),
        format!("{}@a.example", "x".repeat(400)),
    );
    for (named, by) in [
        (reference.as_str(), "id"),
        ("john@agent.example", "email"),
        ("nobody@agent.example", "email"),
        ("000000000000", "id"),
        ("alice", "id"),
        (&long, "email"),
    ] {
        let expected = (404, format!("agent with {by} {named} not found"));
        assert_eq!(
            desk.fails("GET", &format!("agents/{named}"), "").await,
            expected
        );
    }
    // What is XML-hostile comes back as it was given.
    let expected = (404, "agent with id <&]]>\u{1} not found".to_owned());
    assert_eq!(
        desk.fails("GET", "agents/%3C%26%5D%5D%3E%01", "").await,
        expected
    );
}

#[tokio::test]
async fn what_runs_here() {
    let desk = Desk::open().await;
    let started = desk
        .world
        .db
        .transact(&[], |tx| async move { release::started(&tx, "x").await });
    started.await.unwrap();
    assert_eq!(
        desk.read("application/status", "").await,
        json!({
            "liveagentversion": "4.20.0.0",
            "gpfversion": env!("CARGO_PKG_VERSION"),
            "dateinstalled": "2026-01-15 02:30:00",
            "datelatestupdate": "2026-01-15 02:30:00",
        })
    );
}
