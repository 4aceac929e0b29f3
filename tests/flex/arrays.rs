//! Several operations in one request: one commit, each with the effects of those before it.

use serde_json::json;

use crate::calls::{PATH, automation, body, call, contact, error, set, stored, told, types, world};
use crate::world::{KEY, Options, step_on};
use hookrelay::store::Store as _;
use hookrelay::store::memory::MemoryStore;

#[tokio::test]
async fn the_documented_array() {
    let world = world().await;
    contact(&world, r#""Number":"+15551234567""#).await;
    let reply = call(
        &world,
        r#"{"type":"TRASH","idContact":1001},{"type":"TRASH","idContact":1001}"#,
    )
    .await;
    assert_eq!(
        told(&reply),
        (
            200,
            r#"[{"status":true},{"status":false,"error":"Contact not found"}]"#
        )
    );
}

#[tokio::test]
async fn each_operation_sees_those_before_it_and_a_failure_stops_nothing() {
    let world = world().await;
    let id = automation(&world, json!({"name": "Welcome"})).await;
    let before = world.logged().await;
    let operations = [
        r#"{"type":"NEW","Number":"+15551234567","Fname":"Jane","Lname":"Smith","Opportunitie":true}"#.to_owned(),
        r#"{"type":"SEARCH","Lname":"smith"}"#.to_owned(),
        r#"{"type":"NEW","Number":"+15551234567","Opportunitie":true}"#.to_owned(),
        r#"{"type":"EDIT","idContact":1001,"Number":"+15550000000"}"#.to_owned(),
        r#"{"type":"NEW","Number":"+15551234567"}"#.to_owned(),
        r#"{"type":"EDIT","idContact":1002,"Number":"+15550000000"}"#.to_owned(),
        "7".to_owned(),
        r#"{"type":"NOPE"}"#.to_owned(),
        r#"{"type":"NEW","Number":"5"}"#.to_owned(),
        format!(r#"{{"idContact":1002,"idAuto":{id}}}"#),
        format!(r#"{{"idContact":1002,"idAuto":{id}}}"#),
        r#"{"type":"TRASH","idContact":1002}"#.to_owned(),
        format!(r#"{{"idContact":1002,"idAuto":{id}}}"#),
        r#"{"type":"SEARCH","idContact":1001}"#.to_owned(),
        r#"{"type":"SEARCH"}"#.to_owned(),
    ];
    let reply = call(&world, &operations.join(",")).await;
    let jane = |number: &str| json!([{"idContact": 1001, "Fname": "Jane", "Lname": "Smith", "Number": number, "Email": "", "Custom": {}}]);
    let failed = |text: &str| json!({"status": false, "error": text});
    let expected = json!([
        {"idContact": 1001, "idOpportunitie": 1001},
        jane("+15551234567"),
        {"idContact": 1001, "idOpportunitie": 1001},
        {"idContact": 1001},
        {"idContact": 1002},
        failed("Number already belongs to another contact"),
        failed("Unknown operation"),
        failed("Unknown operation"),
        failed("Number is not valid"),
        {"status": true},
        {"status": true},
        {"status": true},
        failed("Contact not found"),
        jane("+15550000000"),
        failed("Nothing to search"),
    ]);
    assert_eq!((reply.status, reply.json()), (200, expected));
    assert_eq!(
        types(&world, before).await,
        [
            "new_contact",
            "new_lead",
            "update_contact",
            "new_contact",
            "automation_enrolled",
            "delete_contact"
        ]
    );
}

#[tokio::test]
async fn all_of_it_is_one_commit() {
    let world = crate::world::World::with(Options {
        store: MemoryStore::stepped(),
        ..crate::calls::unlimited()
    })
    .await;
    let operations: Vec<String> = (0..100)
        .map(|n| format!(r#"{{"type":"NEW","Email":"n{n}@b.example"}}"#))
        .collect();
    let operations = operations.join(",");
    let mut calling = std::pin::pin!(call(&world, &operations));
    loop {
        tokio::select! {
            _ = &mut calling => panic!("answered before it was durable"),
            () = tokio::task::yield_now() => {}
        }
        if world.store.queued() > 0 {
            break;
        }
    }
    assert_eq!(world.store.queued(), 1);
    assert_eq!(world.logged().await, 0);
    let reply = tokio::select! {
        reply = &mut calling => reply,
        () = step_on(&world.store) => unreachable!("stepping never ends"),
    };
    assert_eq!(reply.json().as_array().unwrap().len(), 100);
    assert_eq!(world.logged().await, 100);
}

#[tokio::test]
async fn a_failed_operation_leaves_nothing_of_itself() {
    let world = world().await;
    // A sub-account without credits: a text message fails after its contact was made.
    set(&world, json!({"is_agency": true})).await;
    let sub = world.add_account("sub", "sublogin", &"s".repeat(32)).await;
    let path = format!("/admin/v1/accounts/{sub}");
    let settings = json!({"agency": "acme", "email": "s@b.example", "credits": 1});
    assert_eq!(
        world
            .admin("PATCH", &path, &settings.to_string())
            .await
            .status,
        200
    );
    let sms = r#"{"type":"SMS","number":"+15551234567","text":"x"}"#;
    let other = r#"{"type":"SMS","number":"+15551234568","text":"x"}"#;
    let search = r#"{"type":"SEARCH","idContact":1002}"#;
    let make = r#"{"type":"NEW","Number":"+15551234569"}"#;
    let operations = [sms, other, search, make].join(",");
    let request = body(&operations).replace(KEY, &"s".repeat(32));
    let reply = world.send("POST", PATH, &[], &request).await;
    let bodies = reply.json();
    assert_eq!(bodies[0]["status"], true, "{}", reply.body);
    assert_eq!(
        bodies[1],
        json!({"status": false, "error": "Not enough credits"})
    );
    assert_eq!(bodies[2], json!([]), "its contact is gone");
    assert_eq!(bodies[3], json!({"idContact": 1002}), "and its id is used");
    let log = world.store.head(sub).await.unwrap().last;
    assert_eq!(log.0, 4, "new_contact, new_conversation, sms, new_contact");
    // Alone it leaves nothing either.
    let request = body(other).replace(KEY, &"s".repeat(32));
    let reply = world.send("POST", PATH, &[], &request).await;
    assert_eq!(told(&reply), (400, error("Not enough credits").as_str()));
    assert_eq!(world.store.head(sub).await.unwrap().last.0, 4);
}

#[tokio::test]
async fn one_operation_answers_as_itself_and_two_as_an_array() {
    let world = world().await;
    let id = contact(&world, r#""Number":"+15551234567""#).await;
    let search = format!(r#"{{"type":"SEARCH","idContact":{id}}}"#);
    let alone = call(&world, &search).await;
    let both = call(&world, &format!("{search},{search}")).await;
    assert_eq!(both.body, format!("[{0},{0}]", alone.body));
    let failing = r#"{"type":"TRASH","idContact":7}"#;
    assert_eq!(call(&world, failing).await.status, 404);
    let both = call(&world, &format!("{failing},{failing}")).await;
    let one = error("Contact not found");
    assert_eq!(told(&both), (200, format!("[{one},{one}]").as_str()));
    assert_eq!(stored(&world, id).await.id, id);
}

#[tokio::test]
async fn operations_are_1_to_100() {
    let world = world().await;
    let search = r#"{"type":"SEARCH","idContact":1}"#;
    let many = |count: usize| vec![search; count].join(",");
    let reply = call(&world, &many(100)).await;
    assert_eq!(reply.json().as_array().unwrap().len(), 100);
    let reply = call(&world, &many(101)).await;
    assert_eq!(told(&reply), (400, error("Too many operations").as_str()));
    let reply = world
        .send("POST", PATH, &[], &format!(r#"[{{"key":"{KEY}"}}]"#))
        .await;
    assert_eq!(told(&reply), (400, error("No operation given").as_str()));
}

#[tokio::test]
async fn a_commit_that_fails_fails_the_whole_request() {
    let world = world().await;
    world.store.set_full(true);
    let new = r#"{"type":"NEW","Number":"+15551234567"}"#;
    let other = r#"{"type":"NEW","Number":"+15551234568"}"#;
    for operations in [new.to_owned(), format!("{new},{other}")] {
        let reply = call(&world, &operations).await;
        assert_eq!(told(&reply), (503, error("Service unavailable").as_str()));
        assert_eq!(reply.header("retry-after"), Some("5"));
    }
    // What changes nothing needs no room.
    let search = r#"{"type":"SEARCH","Lname":"x"}"#;
    assert_eq!(told(&call(&world, search).await), (200, "[]"));
    world.store.set_full(false);
    assert_eq!(call(&world, new).await.json(), json!({"idContact": 1001}));
}

#[tokio::test]
async fn answers_of_an_array_are_bounded() {
    let world = world().await;
    let value = "v".repeat(10_000);
    let members: Vec<String> = (0..90).map(|n| format!(r#""c{n}":"{value}""#)).collect();
    let id = contact(
        &world,
        &format!(
            r#""Number":"+15551234567","Custom":{{{}}}"#,
            members.join(",")
        ),
    )
    .await;
    let search = format!(r#"{{"type":"SEARCH","idContact":{id}}}"#);
    let mut operations = vec![search; 12];
    operations.push(format!(r#"{{"type":"TRASH","idContact":{id}}}"#));
    let reply = call(&world, &operations.join(",")).await;
    let bodies = reply.json();
    let refused = json!({"status": false, "error": "Request is too large"});
    assert!(bodies[8][0]["idContact"].is_u64());
    assert_eq!((&bodies[10], &bodies[12]), (&refused, &refused));
    assert!(!stored(&world, id).await.trashed, "it was not run");
}
