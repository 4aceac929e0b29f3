//! Endpoints: settings, states, orders, dead letters.

use hookrelay::clock::{Millis, Timestamp};
use hookrelay::domain::acknowledgement::Acknowledge;
use hookrelay::domain::attempt_log::{AttemptKind, AttemptRow};
use hookrelay::domain::dead_letter::DeadRange;
use hookrelay::domain::endpoint::{AuthState, Endpoint, FilterVersion};
use hookrelay::domain::event::DeadReason;
use hookrelay::domain::job::{Job, JobKind};
use hookrelay::id::{BatchId, EndpointId, JobId, Seq};
use hookrelay::limit::Settings as Limits;
use hookrelay::live::{Health, Wait};
use hookrelay::store::{Store, keys};
use serde_json::{Value, json};

use crate::world::{NOW, Options, World};

async fn stored(world: &World, id: EndpointId) -> Endpoint {
    world
        .db
        .view()
        .read(&keys::endpoint(world.account, id))
        .await
        .unwrap()
        .unwrap()
}

async fn post(world: &World, id: EndpointId, what: &str, body: &str) -> (u16, Value) {
    let reply = world
        .manage("POST", &format!("endpoints/{id}/{what}"), body)
        .await;
    (reply.status, reply.json())
}

async fn patch(world: &World, id: EndpointId, body: &str) -> Value {
    let reply = world
        .manage("PATCH", &format!("endpoints/{id}"), body)
        .await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()
}

async fn show(world: &World, id: EndpointId) -> Value {
    let reply = world.manage("GET", &format!("endpoints/{id}"), "").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()
}

async fn send(world: &World, count: usize) {
    let body = format!("[{}]", vec![r#"{"type":"t","data":"x"}"#; count].join(","));
    assert_eq!(world.manage("POST", "messages", &body).await.status, 202);
}

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
async fn a_new_endpoint_has_the_documented_defaults_and_shows_its_secret_once() {
    let world = World::start().await;
    send(&world, 3).await;
    let made = world
        .manage("POST", "endpoints", r#"{"url":"https://c.example/"}"#)
        .await;
    assert_eq!(made.status, 201);
    let mut made = made.json();
    let secret = made
        .as_object_mut()
        .unwrap()
        .remove("signing_secret")
        .unwrap();
    assert!(secret.as_str().unwrap().starts_with("whsec_"));
    let id: EndpointId = made["endpoint"].as_str().unwrap().parse().unwrap();
    let expected = json!({
        "endpoint": id, "url": "https://c.example/", "description": "", "login": "apiuser",
        "enabled": true, "protocol": "relay", "send_key": true, "send_messages": true,
        "ignore_confirmation": false, "strict_fields": false, "ordering": "relaxed",
        "types": ["*"], "max_messages": 100, "max_bytes": 262_144, "auth_lifetime": 86_400,
        "headers": [], "schedule": {}, "created_at": "2026-01-15T10:30:00Z", "start": 4,
        "order": {"state": "enabled", "since": "2026-01-15T10:30:00Z"},
        "authentication": {"state": "unverified", "since": "2026-01-15T10:30:00Z", "failures": 0},
        "health": null, "queue": null,
    });
    assert_eq!(made, expected);
    assert_eq!(show(&world, id).await, expected);
}

#[tokio::test]
async fn every_setting_can_be_made_and_changed() {
    let world = World::start().await;
    let settings = json!({
        "url": "https://c.example/new", "description": "a note", "types": ["a.*", "endpoint_*"],
        "protocol": "relay", "send_key": false, "send_messages": false,
        "ignore_confirmation": true, "strict_fields": true, "ordering": "strict",
        "max_messages": 1000, "max_bytes": 1024, "auth_lifetime": 60,
        "schedule": {"initial": 1, "multiplier": 1.5, "max_interval": 60, "max_attempts": 3,
                     "max_age": 3600, "disable_after": 7200},
    });
    let id = world
        .endpoint(r#""headers":{"X-Mine":"hidden value"}"#)
        .await;
    let changed = patch(&world, id, &settings.to_string()).await;
    for (name, value) in settings.as_object().unwrap() {
        assert_eq!(&changed[name], value, "{name}");
    }
    let made = world
        .manage("POST", "endpoints", &settings.to_string())
        .await
        .json();
    for (name, value) in settings.as_object().unwrap() {
        assert_eq!(&made[name], value, "{name}");
    }
    assert_eq!(changed["headers"], json!(["X-Mine"]));
    assert!(!changed.to_string().contains("hidden value"));
    let bytes = world
        .db
        .view()
        .get(&keys::endpoint(world.account, id))
        .await
        .unwrap()
        .unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("hidden value"));
    assert_eq!(
        patch(&world, id, r#"{"headers":{}}"#).await["headers"],
        json!([])
    );
    assert_eq!(
        patch(&world, id, r#"{"schedule":{}}"#).await["schedule"],
        json!({})
    );
    // Null and an empty body leave everything as it is.
    let same = patch(&world, id, r#"{"url":null,"types":null}"#).await;
    assert_eq!(
        (&same["url"], &same["types"]),
        (&settings["url"], &settings["types"])
    );
    patch(&world, id, "").await;
}

#[tokio::test]
async fn bad_settings_name_their_field_and_change_nothing() {
    let world = World::start().await;
    let id = world.endpoint("").await;
    let before = stored(&world, id).await;
    let long = "x".repeat(2050);
    let types = format!("[{}]", vec!["\"a\""; 101].join(","));
    let headers: Vec<String> = (0..21).map(|n| format!("\"x-{n}\":\"v\"")).collect();
    for (settings, field) in [
        (r#""url":"ftp://c.example/""#.to_owned(), Some("url")),
        (r#""url":"https://user@c.example/""#.to_owned(), Some("url")),
        (format!(r#""url":"https://{long}""#), Some("url")),
        (r#""login":"nobody""#.to_owned(), Some("login")),
        (r#""description":"a\nb""#.to_owned(), Some("description")),
        (r#""types":[]"#.to_owned(), Some("types")),
        (r#""types":["a b"]"#.to_owned(), Some("types")),
        (r#""types":["*a"]"#.to_owned(), Some("types")),
        (r#""types":[""]"#.to_owned(), Some("types")),
        (format!(r#""types":{types}"#), Some("types")),
        (r#""max_messages":0"#.to_owned(), Some("max_messages")),
        (r#""max_messages":1001"#.to_owned(), Some("max_messages")),
        (r#""max_bytes":1023"#.to_owned(), Some("max_bytes")),
        (r#""auth_lifetime":59"#.to_owned(), Some("auth_lifetime")),
        (
            r#""auth_lifetime":18446744073709551"#.to_owned(),
            Some("auth_lifetime"),
        ),
        (
            r#""headers":{"Content-Length":"5"}"#.to_owned(),
            Some("headers"),
        ),
        (
            r#""headers":{"X-a":"1","x-A":"2"}"#.to_owned(),
            Some("headers"),
        ),
        (
            format!(r#""headers":{{{}}}"#, headers.join(",")),
            Some("headers"),
        ),
        (
            r#""schedule":{"initial":0}"#.to_owned(),
            Some("schedule.initial"),
        ),
        (
            r#""schedule":{"initial":60,"max_interval":5}"#.to_owned(),
            Some("schedule.max_interval"),
        ),
        (
            r#""schedule":{"multiplier":0.5}"#.to_owned(),
            Some("schedule.multiplier"),
        ),
        (
            r#""schedule":{"max_age":1}"#.to_owned(),
            Some("schedule.max_age"),
        ),
        (
            r#""schedule":{"disable_after":1}"#.to_owned(),
            Some("schedule.disable_after"),
        ),
        (
            r#""schedule":{"max_attempts":10001}"#.to_owned(),
            Some("schedule.max_attempts"),
        ),
        (r#""schedule":{"typo":1}"#.to_owned(), None),
        (
            r#""protocol":"standard","send_messages":false"#.to_owned(),
            Some("send_messages"),
        ),
        (r#""protocol":"other""#.to_owned(), None),
        (r#""enabled":"yes""#.to_owned(), None),
        (r#""unknown":1"#.to_owned(), None),
    ] {
        let with_url = if settings.starts_with(r#""url"#) {
            format!("{{{settings}}}")
        } else {
            format!(r#"{{"url":"https://c.example/",{settings}}}"#)
        };
        for (method, path, body) in [
            (
                "PATCH",
                format!("endpoints/{id}"),
                format!("{{{settings}}}"),
            ),
            ("POST", "endpoints".to_owned(), with_url),
        ] {
            let reply = world.manage(method, &path, &body).await;
            assert_eq!(reply.status, 400, "{method} {body:.90} {}", reply.body);
            assert_eq!(
                reply.error().1.as_deref(),
                field,
                "{body:.90} {}",
                reply.body
            );
        }
    }
    let reply = world.manage("POST", "endpoints", "{}").await;
    assert_eq!(reply.error().1.as_deref(), Some("url"));
    assert_eq!(stored(&world, id).await, before);
    let list = world.manage("GET", "endpoints", "").await.json();
    assert_eq!(list["endpoints"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_changed_filter_holds_for_what_is_committed_after_it() {
    let world = World::with(Options {
        limits: Limits {
            per_minute: 0,
            ..Limits::default()
        },
        ..Options::default()
    })
    .await;
    let id = world.endpoint("").await;
    send(&world, 2).await;
    patch(&world, id, r#"{"types":["a"]}"#).await;
    patch(&world, id, r#"{"types":["a"]}"#).await;
    patch(&world, id, r#"{"types":["b"]}"#).await;
    let version = |from: u64, types: &str| FilterVersion {
        from: Seq(from),
        types: vec![types.to_owned()],
    };
    let filters = stored(&world, id).await.filters;
    assert_eq!(filters, [version(1, "*"), version(3, "b")]);
    for n in 0..61 {
        send(&world, 1).await;
        patch(&world, id, &format!(r#"{{"types":["t{n}"]}}"#)).await;
    }
    send(&world, 1).await;
    patch(&world, id, r#"{"types":["last"]}"#).await;
    assert_eq!(stored(&world, id).await.filters.len(), 64);
    // All of them may still be needed, until the relay has settled what they are for.
    send(&world, 1).await;
    let body = r#"{"types":["more"]}"#;
    let full = world
        .manage("PATCH", &format!("endpoints/{id}"), body)
        .await;
    assert_eq!((full.status, full.error().0.as_str()), (409, "CONFLICT"));
    world
        .live
        .tell(world.account, id, |now| now.cursor = Seq(40));
    patch(&world, id, body).await;
    let filters = stored(&world, id).await.filters;
    assert!(filters.first().unwrap().from <= Seq(41) && filters[1].from > Seq(41));
}

#[tokio::test]
async fn what_must_be_proved_again_and_what_not() {
    let world = World::start().await;
    world
        .manage("POST", "messages", r#"{"type":"t","data":"x"}"#)
        .await;
    let id = world.endpoint("").await;
    let account = world.account;
    let verified = AuthState::Verified {
        until: NOW.after(Millis::hours(1)),
    };
    for (change, distrusted) in [
        (r#"{"description":"x"}"#, false),
        (r#"{"types":["x"],"max_messages":5}"#, false),
        (r#"{"url":"https://c.example/hook"}"#, false),
        (r#"{"url":"https://d.example/hook"}"#, true),
        (r#"{"send_key":false}"#, true),
        (r#"{"protocol":"standard"}"#, true),
    ] {
        let mut endpoint = stored(&world, id).await;
        endpoint.authentication.state = verified;
        let generation = endpoint.authentication.generation;
        let put = &endpoint;
        world
            .db
            .transact(&[account], |tx| async move {
                tx.put(keys::endpoint(account, id), put)
            })
            .await
            .unwrap();
        patch(&world, id, change).await;
        let after = stored(&world, id).await.authentication;
        assert_eq!(after.state != verified, distrusted, "{change}");
        assert_eq!(after.generation != generation, distrusted, "{change}");
    }
    let generation = stored(&world, id).await.authentication.generation;
    assert_eq!(post(&world, id, "verify", "").await.0, 200);
    assert_eq!(
        stored(&world, id).await.authentication.generation,
        generation + 1
    );
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
async fn figures_and_waits_are_the_relays() {
    let world = World::start().await;
    let id = world.endpoint("").await;
    world.live.tell(world.account, id, |now| {
        now.health = Health::Suspended {
            until: NOW.after(Millis::seconds(9)),
        };
        now.wait = Some(Wait::Suspended {
            until: NOW.after(Millis::seconds(9)),
        });
        now.pending = 5;
        now.open_messages = 3;
        now.open_batches = 2;
        now.in_flight = 1;
        now.oldest = Some(NOW);
        now.cursor = Seq(8);
        now.delivered = 6;
        now.dead = 1;
        now.filtered = 1;
        now.failing_since = Some(NOW);
        now.last_class = Some(hookrelay::attempt::Class::Dns);
    });
    let shown = show(&world, id).await;
    assert_eq!(
        shown["health"],
        json!({"state":"suspended","until":"2026-01-15T10:30:09Z"})
    );
    assert_eq!(
        shown["queue"],
        json!({"pending":5,"open_messages":3,"open_batches":2,"in_flight":1,
               "oldest":"2026-01-15T10:30:00Z","cursor":8,"delivered":6,"dead":1,"filtered":1,
               "failing_since":"2026-01-15T10:30:00Z","last_class":"dns",
               "wait":{"why":"suspended","until":"2026-01-15T10:30:09Z"}})
    );
    let list = world.manage("GET", "endpoints", "").await.json();
    assert_eq!(list["endpoints"][0], shown);
    *world.live.stopped.lock().unwrap() = true;
    assert_eq!(show(&world, id).await["queue"], json!(null));
}

#[tokio::test]
async fn lists_come_in_pages() {
    let world = World::start().await;
    for _ in 0..5 {
        world.endpoint("").await;
    }
    let mut seen = Vec::new();
    let mut path = "endpoints?limit=2".to_owned();
    loop {
        let page = world.manage("GET", &path, "").await.json();
        let rows = page["endpoints"].as_array().unwrap();
        assert!(rows.len() <= 2);
        seen.extend(
            rows.iter()
                .map(|row| row["endpoint"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => path = format!("endpoints?limit=2&after={next}"),
            None => break,
        }
    }
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!((seen.len(), &seen), (5, &sorted));
    for query in ["limit=0", "limit=1001", "limit=x", "after=x"] {
        let reply = world.manage("GET", &format!("endpoints?{query}"), "").await;
        assert_eq!(reply.status, 400, "{query}");
    }
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
               "took_ms":12,"verdict":"refused"})
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

#[tokio::test]
async fn endpoints_of_nobody_or_of_others_are_not_found() {
    let world = World::start().await;
    let key = "ffffffffffffffffffffffffffffffff";
    world.add_account("other", "other", key).await;
    let id = world.endpoint("").await;
    for (method, what) in [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/verify"),
        ("POST", "/test"),
        ("POST", "/hold"),
        ("POST", "/release"),
        ("POST", "/dead-letters/redrive"),
        ("GET", "/attempts"),
        ("GET", "/dead-letters"),
    ] {
        for (id, key) in [
            (id.to_string(), key),
            ("0123456789ab".to_owned(), key),
            ("nonsense".to_owned(), key),
        ] {
            let path = format!("/relay/v1/endpoints/{id}{what}");
            let reply = world.send(method, &path, &[("x-api-key", key)], "").await;
            assert_eq!(
                (reply.status, reply.error().0.as_str()),
                (404, "NOT_FOUND"),
                "{method} {path} {}",
                reply.body
            );
        }
    }
    assert_eq!(show(&world, id).await["enabled"], json!(true));
}
