//! Endpoints: settings, filters, states, figures, lists.

use hookrelay::clock::Millis;
use hookrelay::domain::endpoint::{AuthState, Endpoint, FilterVersion};
use hookrelay::id::{EndpointId, Seq};
use hookrelay::limit::Settings as Limits;
use hookrelay::live::{Health, Wait};
use hookrelay::store::keys;
use serde_json::{Value, json};

use crate::world::{NOW, Options, World};

pub async fn stored(world: &World, id: EndpointId) -> Endpoint {
    world
        .db
        .view()
        .read(&keys::endpoint(world.account, id))
        .await
        .unwrap()
        .unwrap()
}

pub async fn post(world: &World, id: EndpointId, what: &str, body: &str) -> (u16, Value) {
    let reply = world
        .manage("POST", &format!("endpoints/{id}/{what}"), body)
        .await;
    (reply.status, reply.json())
}

pub async fn patch(world: &World, id: EndpointId, body: &str) -> Value {
    let reply = world
        .manage("PATCH", &format!("endpoints/{id}"), body)
        .await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()
}

pub async fn show(world: &World, id: EndpointId) -> Value {
    let reply = world.manage("GET", &format!("endpoints/{id}"), "").await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()
}

pub async fn send(world: &World, count: usize) {
    let body = format!("[{}]", vec![r#"{"type":"t","data":"x"}"#; count].join(","));
    assert_eq!(world.manage("POST", "messages", &body).await.status, 202);
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
        // The batch limits are the configuration's.
        "types": ["*"], "max_messages": 50, "max_bytes": 200_000, "auth_lifetime": 86_400,
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
}

#[tokio::test]
async fn only_types_that_can_be_sent_can_be_asked_for() {
    let world = World::start().await;
    let id = world.endpoint("").await;
    let long = "a".repeat(128);
    for (entry, taken) in [
        ("*", true),
        ("order.paid", true),
        ("order.*", true),
        ("endpoint_*", true),
        ("endpoint_disabled", true),
        ("e*", true),
        (long.as_str(), true),
        (&format!("{long}*"), true),
        (&format!("{long}a"), false),
        ("**", false),
        ("a*b", false),
        ("*.paid", false),
        ("a b", false),
        ("", false),
        ("ä", false),
        ("a\u{0}", false),
    ] {
        let body = json!({ "types": [entry] }).to_string();
        let path = format!("endpoints/{id}");
        let reply = world.manage("PATCH", &path, &body).await;
        assert_eq!(reply.status == 200, taken, "{entry:?} {}", reply.body);
        if !taken {
            assert_eq!(reply.error().1.as_deref(), Some("types"), "{entry:?}");
        }
    }
    // Operational types come by name or by a longer prefix than a bare star only.
    patch(&world, id, r#"{"types":["*"]}"#).await;
    let admits =
        |types: &str, event_type: &str| hookrelay::domain::endpoint::matches(types, event_type);
    for (entry, event_type, admitted) in [
        ("*", "order.paid", true),
        ("*", "message_dead", false),
        ("message_dead", "message_dead", true),
        ("message_*", "message_dead", true),
        ("m*", "message_dead", true),
        ("order.*", "order.paid", true),
        ("order.*", "order", false),
        ("order", "order.paid", false),
    ] {
        assert_eq!(admits(entry, event_type), admitted, "{entry} {event_type}");
    }
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
async fn endpoints_of_nobody_or_of_others_are_not_found() {
    let world = World::start().await;
    let key = "ffffffffffffffffffffffffffffffff";
    world.add_account("other", "other", key).await;
    let id = world.endpoint("").await;
    for (method, what, body) in [
        ("GET", "", ""),
        ("PATCH", "", ""),
        (
            "PATCH",
            "",
            r#"{"enabled":false,"url":"https://d.example/"}"#,
        ),
        ("DELETE", "", ""),
        ("POST", "/verify", ""),
        ("POST", "/test", ""),
        ("POST", "/hold", ""),
        ("POST", "/release", ""),
        (
            "POST",
            "/acknowledge",
            r#"{"ids":["msg_00000000000000000000000000"]}"#,
        ),
        ("POST", "/dead-letters/redrive", ""),
        ("GET", "/attempts", ""),
        ("GET", "/dead-letters", ""),
    ] {
        for (id, key) in [
            (id.to_string(), key),
            ("0123456789ab".to_owned(), key),
            ("nonsense".to_owned(), key),
        ] {
            let path = format!("/relay/v1/endpoints/{id}{what}");
            let reply = world.send(method, &path, &[("x-api-key", key)], body).await;
            assert_eq!(
                (reply.status, reply.error().0.as_str()),
                (404, "NOT_FOUND"),
                "{method} {path} {}",
                reply.body
            );
        }
    }
    // A message cannot name it either, in the words for one that is not there at all.
    let naming = |id: &str| json!({"type": "t", "data": "x", "endpoints": [id]}).to_string();
    for id in [id.to_string(), "0123456789ab".to_owned()] {
        let headers = [("x-api-key", key)];
        let reply = world
            .send("POST", "/relay/v1/messages", &headers, &naming(&id))
            .await;
        assert_eq!(reply.status, 400);
        let expected = format!("there is no endpoint {id}");
        assert_eq!(reply.json()["error"]["message"], expected);
    }
    assert_eq!(show(&world, id).await["enabled"], json!(true));
    assert_eq!(show(&world, id).await["url"], "https://c.example/hook");
}
