//! What can be done with an endpoint: orders, tests, acknowledgements, dead letters, removal.

use hookrelay::clock::Timestamp;
use hookrelay::domain::acknowledgement::Acknowledge;
use hookrelay::domain::attempt_log::{AttemptKind, AttemptRow};
use hookrelay::domain::dead_letter::DeadRange;
use hookrelay::domain::event::DeadReason;
use hookrelay::domain::job::{Job, JobKind};
use hookrelay::id::{BatchId, EndpointId, JobId, Seq};
use hookrelay::store::{Store, keys};
use serde_json::{Value, json};

use crate::endpoints::{patch, post, send, show, stored};
use crate::world::{NOW, World};

async fn bury(world: &World, id: EndpointId, ranges: &[(u64, u64)]) {
    let account = world.account;
    world
        .db
        .transact(&[account], |tx| async move {
            for (first, last) in ranges {
                let dead = DeadRange {
                    first: Seq(*first),
                    last: Seq(*last),
                    count: last - first + 1,
                    reason: DeadReason::Expired,
                    at: NOW,
                    attempts: 2,
                    last_class: None,
                    last_status: None,
                };
                tx.put(keys::dead(account, id, dead.first), &dead)?;
            }
            Ok(())
        })
        .await
        .unwrap();
}

async fn dead_ranges(world: &World, id: EndpointId) -> Vec<(u64, u64)> {
    let reply = world
        .manage("GET", &format!("endpoints/{id}/dead-letters"), "")
        .await;
    let rows = reply.json()["dead_letters"].as_array().unwrap().clone();
    rows.iter()
        .map(|row| {
            (
                row["first"].as_u64().unwrap(),
                row["last"].as_u64().unwrap(),
            )
        })
        .collect()
}

#[tokio::test]
async fn a_proof_is_asked_for_where_there_can_be_one() {
    let world = World::start().await;
    let id = world.endpoint("").await;
    let before = stored(&world, id).await.authentication;
    assert!(!before.asked);
    let (status, shown) = post(&world, id, "verify", "").await;
    assert_eq!(
        (status, &shown["authentication"]["state"]),
        (200, &json!("unverified"))
    );
    let after = stored(&world, id).await.authentication;
    // Asked for, whether or not a message waits; an answer under way no longer counts.
    assert!(after.asked);
    assert_eq!(after.generation, before.generation + 1);
    for (change, undo) in [
        (r#"{"protocol":"standard"}"#, r#"{"protocol":"relay"}"#),
        (r#"{"enabled":false}"#, r#"{"enabled":true}"#),
    ] {
        patch(&world, id, change).await;
        let (status, refused) = post(&world, id, "verify", "").await;
        assert_eq!(
            (status, &refused["error"]["code"]),
            (409, &json!("CONFLICT")),
            "{change}"
        );
        patch(&world, id, undo).await;
    }
    post(&world, id, "hold", "").await;
    assert_eq!(post(&world, id, "verify", "").await.0, 409);
}

#[tokio::test]
async fn orders_move_the_state_and_say_so() {
    let world = World::start().await;
    let id = world.endpoint("").await;
    world.live.tell(world.account, id, |now| now.pending = 7);
    let order = |reply: &(u16, Value)| (reply.0, reply.1["order"]["state"].clone());
    assert_eq!(
        order(&post(&world, id, "hold", "").await),
        (200, json!("on_hold"))
    );
    assert_eq!(
        order(&post(&world, id, "release", "").await),
        (200, json!("enabled"))
    );
    let off = patch(&world, id, r#"{"enabled":false}"#).await;
    assert_eq!(
        (&off["enabled"], &off["order"]["reason"]),
        (&json!(false), &json!("operator"))
    );
    assert_eq!(post(&world, id, "hold", "").await.0, 409);
    assert_eq!(post(&world, id, "release", "").await.0, 409);
    patch(&world, id, r#"{"enabled":false}"#).await;
    assert_eq!(
        patch(&world, id, r#"{"enabled":true}"#).await["enabled"],
        json!(true)
    );
    let page = world
        .store
        .read_log(world.account, Seq(1), 9, 1 << 20)
        .await
        .unwrap();
    let said: Vec<&str> = page.messages.iter().map(|m| &*m.event_type).collect();
    assert_eq!(said, ["endpoint_disabled", "endpoint_enabled"]);
    let held: Value = serde_json::from_slice(&page.messages[1].data).unwrap();
    assert_eq!(held, json!({"endpoint_id": id, "held": 7}));
    let born = world.endpoint(r#""enabled":false"#).await;
    assert_eq!(show(&world, born).await["order"]["state"], "disabled");
}

#[tokio::test]
async fn a_test_message_is_for_its_endpoint_only() {
    let world = World::start().await;
    let id = world.endpoint("").await;
    assert_eq!(post(&world, id, "test", "").await.0, 202);
    let (status, sent) = post(&world, id, "test", r#"{"text":"hé \"you\""}"#).await;
    assert_eq!((status, sent["ids"].as_array().unwrap().len()), (202, 1));
    let page = world
        .store
        .read_log(world.account, Seq(1), 9, 1 << 20)
        .await
        .unwrap();
    let data: Vec<Value> = page
        .messages
        .iter()
        .map(|m| serde_json::from_slice(&m.data).unwrap())
        .collect();
    assert_eq!(data, [json!("hookrelay test message"), json!("hé \"you\"")]);
    let other = world.endpoint("").await;
    let endpoint = stored(&world, id).await;
    assert!(
        page.messages
            .iter()
            .all(|m| &*m.event_type == "generic" && endpoint.admits(m))
    );
    // One that stood before and admits every type does not admit these.
    let mut other = stored(&world, other).await;
    other.start = Seq(1);
    other.filters[0].from = Seq(1);
    assert!(page.messages.iter().all(|m| !other.admits(m)));
}

#[tokio::test]
async fn acknowledgements_become_one_order_for_the_relay() {
    let world = World::start().await;
    let id = world.endpoint("").await;
    let body = format!("[{}]", [r#"{"type":"t","data":"x"}"#; 4].join(","));
    let ids = world.manage("POST", "messages", &body).await.json()["ids"].clone();
    let body = json!({"ids": [ids[3], ids[0], ids[1], ids[0], "nonsense",
                              "msg_7zzzzzzzzzzzzzzzzzzzzzzzzz"]});
    let (status, done) = post(&world, id, "acknowledge", &body.to_string()).await;
    assert_eq!(
        (status, done),
        (202, json!({"acknowledged": 4, "unknown": 2}))
    );
    let orders = world
        .db
        .view()
        .read_range::<Acknowledge>(&keys::orders(world.account, id), 9)
        .await
        .unwrap();
    assert_eq!(orders.len(), 1);
    assert_eq!(orders[0].1.seqs, [(Seq(1), Seq(2)), (Seq(4), Seq(4))]);
    let many = json!({"ids": vec!["x"; 1001]});
    let (status, refused) = post(&world, id, "acknowledge", &many.to_string()).await;
    assert_eq!((status, &refused["error"]["field"]), (400, &json!("ids")));
    assert_eq!(post(&world, id, "acknowledge", "{}").await.0, 400);
}

#[tokio::test]
async fn only_messages_for_the_endpoint_are_acknowledged() {
    let world = World::start().await;
    let (key, foreign_account) = ("ffffffffffffffffffffffffffffffff", "other");
    world.add_account(foreign_account, "other", key).await;
    let before = r#"{"type":"a","data":"too early"}"#;
    let early = world.manage("POST", "messages", before).await.json()["ids"][0].clone();
    let id = world.endpoint(r#""types":["a"]"#).await;
    let other = world.endpoint(r#""types":["b"]"#).await;
    let body = json!([
        {"type": "a", "data": "mine"},
        {"type": "b", "data": "filtered"},
        {"type": "a", "data": "for another", "endpoints": [other]},
        {"type": "b", "data": "for this one", "endpoints": [id]},
    ]);
    let ids = world
        .manage("POST", "messages", &body.to_string())
        .await
        .json()["ids"]
        .clone();
    let foreign = world
        .send("POST", "/relay/v1/messages", &[("x-api-key", key)], before)
        .await
        .json()["ids"][0]
        .clone();
    // The right sequence with another time or random part is no message.
    let mut guessed = ids[0].as_str().unwrap().to_owned();
    let last = if guessed.pop() == Some('0') { '1' } else { '0' };
    guessed.push(last);
    let body = json!({"ids": [early, ids[0], ids[1], ids[2], ids[3], foreign, guessed]});
    let (status, done) = post(&world, id, "acknowledge", &body.to_string()).await;
    assert_eq!(
        (status, done),
        (202, json!({"acknowledged": 2, "unknown": 5}))
    );
    let orders = world
        .db
        .view()
        .read_range::<Acknowledge>(&keys::orders(world.account, id), 9)
        .await
        .unwrap();
    assert_eq!(orders[0].1.seqs, [(Seq(2), Seq(2)), (Seq(5), Seq(5))]);
}

#[tokio::test]
async fn ten_thousand_ranges_are_acknowledged_out_of_turn_and_no_more() {
    let world = World::start().await;
    let id = world.endpoint("").await;
    let account = world.account;
    send(&world, 4).await;
    let page = world.store.read_log(account, Seq(1), 4, 1 << 20).await;
    let names: Vec<String> = page
        .unwrap()
        .messages
        .iter()
        .map(|message| message.id.to_string())
        .collect();
    let acknowledge = |n: usize| {
        let body = json!({"ids": [names[n]]}).to_string();
        let world = &world;
        async move { post(world, id, "acknowledge", &body).await }
    };
    // 9 998 ranges far above are stored already.
    let stored: &Vec<(Seq, Seq)> = &(0..9_998)
        .map(|n| (Seq(100 + 2 * n), Seq(100 + 2 * n)))
        .collect();
    world
        .db
        .transact(&[account], |tx| async move {
            tx.put(keys::acked(account, id), stored)
        })
        .await
        .unwrap();
    assert_eq!(acknowledge(0).await.0, 202);
    assert_eq!(
        acknowledge(2).await.0,
        202,
        "10 000 with the one that waits"
    );
    let (status, refused) = acknowledge(3).await;
    assert_eq!(status, 202, "it joins the one before: {refused}");
    let one_more: &Vec<(Seq, Seq)> = &stored
        .iter()
        .copied()
        .chain([(Seq(90_000), Seq(90_000))])
        .collect();
    world
        .db
        .transact(&[account], |tx| async move {
            tx.put(keys::acked(account, id), one_more)
        })
        .await
        .unwrap();
    let (status, refused) = acknowledge(2).await;
    assert_eq!(
        (status, &refused["error"]["code"]),
        (409, &json!("CONFLICT"))
    );
    let (status, done) = acknowledge(1).await;
    assert_eq!(status, 202, "it joins its neighbours: {done}");
}

#[tokio::test]
async fn attempts_are_listed_newest_first() {
    let world = World::start().await;
    let id = world.endpoint("").await;
    let account = world.account;
    world
        .db
        .transact(&[account], |tx| async move {
            for (slot, at) in [(0, 30), (1, 10), (255, 20)] {
                let row = AttemptRow {
                    at: Timestamp(NOW.0 + at * 1000),
                    batch: BatchId(1).to_string(),
                    kind: AttemptKind::Delivery,
                    number: 1,
                    messages: 2,
                    class: "5xx".into(),
                    hint: "the endpoint answered 502".into(),
                    status: Some(502),
                    took_ms: 12,
                };
                tx.put(keys::attempt(account, id, slot), &row)?;
            }
            Ok(())
        })
        .await
        .unwrap();
    let path = format!("endpoints/{id}/attempts");
    let rows = world.manage("GET", &path, "").await.json()["attempts"].clone();
    let times: Vec<&str> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["at"].as_str().unwrap())
        .collect();
    assert_eq!(
        times,
        [
            "2026-01-15T10:30:30Z",
            "2026-01-15T10:30:20Z",
            "2026-01-15T10:30:10Z"
        ]
    );
    assert_eq!(
        rows[0],
        json!({"at":"2026-01-15T10:30:30Z","batch":BatchId(1),"kind":"delivery","number":1,
               "messages":2,"class":"5xx","hint":"the endpoint answered 502","status":502,
               "took_ms":12})
    );
    let few = world
        .manage("GET", &format!("{path}?limit=1"), "")
        .await
        .json();
    assert_eq!(few["attempts"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn dead_letters_go_back_to_the_queue_by_one_job() {
    let world = World::start().await;
    let id = world.endpoint("").await;
    bury(&world, id, &[(1, 5), (8, 8), (10, 20), (30, 31)]).await;
    let page = world
        .manage("GET", &format!("endpoints/{id}/dead-letters?limit=2"), "")
        .await
        .json();
    assert_eq!(page["next"], json!(8));
    assert_eq!(
        page["dead_letters"][0],
        json!({"first":1,"last":5,"count":5,"reason":"expired","at":"2026-01-15T10:30:00Z",
               "attempts":2,"last_class":null,"last_status":null})
    );
    let next = format!("endpoints/{id}/dead-letters?limit=9&after=8");
    let rest = world.manage("GET", &next, "").await.json();
    assert_eq!(rest["dead_letters"].as_array().unwrap().len(), 2);
    // Ranges that touch the asked ones go whole.
    let (status, done) = post(
        &world,
        id,
        "dead-letters/redrive",
        r#"{"first":3,"last":10}"#,
    )
    .await;
    assert_eq!(
        (status, &done["messages"], &done["ranges"]),
        (202, &json!(17), &json!(3))
    );
    assert_eq!(done["more"], json!(false));
    assert_eq!(dead_ranges(&world, id).await, [(30, 31)]);
    let job: JobId = done["job"].as_str().unwrap().parse().unwrap();
    let job: Job = world
        .db
        .view()
        .read(&keys::job(world.account, id, job))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(job.kind, JobKind::Redrive);
    assert_eq!(
        job.ranges,
        [(1, 5), (8, 8), (10, 20)].map(|(a, b)| (Seq(a), Seq(b)))
    );
    let (_, all) = post(&world, id, "dead-letters/redrive", "").await;
    assert_eq!(all["messages"], json!(2));
    let (_, none) = post(&world, id, "dead-letters/redrive", "").await;
    assert_eq!(
        none,
        json!({"job":null,"messages":0,"ranges":0,"more":false})
    );
    let (status, _) = post(
        &world,
        id,
        "dead-letters/redrive",
        r#"{"first":2,"last":1}"#,
    )
    .await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn one_redrive_takes_ten_thousand_ranges_and_says_that_more_remain() {
    let world = World::start().await;
    let id = world.endpoint("").await;
    let ranges: Vec<(u64, u64)> = (0..10_001).map(|n| (n * 2 + 1, n * 2 + 1)).collect();
    bury(&world, id, &ranges).await;
    let (_, done) = post(&world, id, "dead-letters/redrive", "").await;
    assert_eq!(
        (&done["ranges"], &done["more"]),
        (&json!(10_000), &json!(true))
    );
    assert_eq!(dead_ranges(&world, id).await, [(20_001, 20_001)]);
}

#[tokio::test]
async fn a_removed_endpoint_leaves_nothing_behind() {
    let world = World::start().await;
    let id = world.endpoint("").await;
    let stays = world.endpoint("").await;
    let ranges: Vec<(u64, u64)> = (0..9_000).map(|n| (n * 2 + 1, n * 2 + 1)).collect();
    bury(&world, id, &ranges).await;
    bury(&world, stays, &[(1, 1)]).await;
    let account = world.account;
    world
        .db
        .transact(&[account], |tx| async move {
            for key in [
                keys::cursor(account, id),
                keys::acked(account, id),
                keys::batch(account, id, BatchId(1)),
                keys::attempt(account, id, 0),
                keys::job(account, id, JobId::from_number(1)),
                keys::order(account, id, JobId::from_number(1)),
            ] {
                tx.put(key, &"x")?;
            }
            Ok(())
        })
        .await
        .unwrap();
    let path = format!("endpoints/{id}");
    let removed = world.manage("DELETE", &path, "").await;
    assert_eq!(
        (removed.status, removed.json()),
        (200, json!({"endpoint": id, "removed": true}))
    );
    let everything = hookrelay::store::KeyRange {
        start: keys::Key::from_stored(String::new()),
        end: keys::Key::from_stored("~".into()),
        newest_first: false,
    };
    let left = world.db.view().scan(&everything, 100_000).await.unwrap();
    assert!(
        left.iter()
            .all(|(key, _)| !key.as_str().contains(&id.to_string()))
    );
    assert_eq!(dead_ranges(&world, stays).await, [(1, 1)]);
    assert_eq!(world.manage("DELETE", &path, "").await.status, 404);
}
