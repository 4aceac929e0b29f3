//! The operator's socket.

use hookrelay::clock::Millis;
use hookrelay::id::Seq;
use hookrelay::live::{Ages, Health, Wait};
use serde_json::{Value, json};

use crate::world::{KEY, NOW, World};

async fn get(world: &World, path: &str) -> (u16, Value) {
    let reply = world.admin("GET", path, "").await;
    (reply.status, reply.json())
}

#[tokio::test]
async fn a_new_account_gets_fresh_credentials_that_work() {
    let world = World::start().await;
    let made = world
        .admin("POST", "/admin/v1/accounts", r#"{"name":"Second"}"#)
        .await;
    assert_eq!(made.status, 201);
    let made = made.json();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let headers = [("x-api-key", text("api_key"))];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    assert_eq!(
        world
            .send("GET", "/relay/v1/endpoints", &headers, "")
            .await
            .status,
        200
    );
    let pairs = format!(
        "ai_command=ping&ai_login_id={}&ai_login_password={}",
        text("ai_login_id"),
        text("ai_login_password")
    );
    let reply = world.send("POST", "/service", &[], &pairs).await;
    assert!(reply.body.starts_with("status=0"));
    assert!((16..=128).contains(&text("comm_key").len()));
    let (status, shown) = get(&world, &format!("/admin/v1/accounts/{}", text("account"))).await;
    assert_eq!((status, &shown["name"]), (200, &json!("Second")));
    assert_eq!(get(&world, "/admin/v1/accounts/sEcOnD").await.1, shown);
    assert_eq!(shown["logins"][0]["ai_login_id"], made["ai_login_id"]);
    assert_eq!(
        (&shown["keys"][0]["enabled"], &shown["endpoints"]),
        (&json!(true), &json!(0))
    );
    for secret in ["ai_login_password", "comm_key", "api_key"] {
        assert!(
            !shown.to_string().contains(&text(secret)),
            "{secret} is shown"
        );
    }
    let (_, list) = get(&world, "/admin/v1/accounts").await;
    assert_eq!(list["accounts"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn names_logins_and_keys_are_unique_and_bounded() {
    let world = World::start().await;
    let long = "n".repeat(65);
    for (body, status) in [
        (json!({"name": "ACME"}), 409),
        (json!({"name": "x", "ai_login_id": "apiuser"}), 409),
        (json!({"name": "x", "api_key": KEY}), 409),
        (json!({"name": ""}), 400),
        (json!({"name": " "}), 400),
        (json!({"name": long}), 400),
        (json!({"name": "a\u{7}b"}), 400),
        (json!({"name": "x", "api_key": "too short"}), 400),
        (
            json!({"name": "x", "api_key": "with space 0123456789abcdef01234"}),
            400,
        ),
        (json!({"name": "x", "ai_login_id": ""}), 400),
        (json!({"name": "x", "comm_key": "short"}), 400),
        (json!({"name": "x", "unknown": 1}), 400),
        (json!({}), 400),
        (json!([]), 400),
    ] {
        let reply = world
            .admin("POST", "/admin/v1/accounts", &body.to_string())
            .await;
        assert_eq!(reply.status, status, "{body} {}", reply.body);
    }
    let (_, list) = get(&world, "/admin/v1/accounts").await;
    assert_eq!(
        list["accounts"].as_array().unwrap().len(),
        1,
        "nothing was half made"
    );
    let keys = "/admin/v1/accounts/acme/keys";
    let nulls = r#"{"name":null,"surfaces":null,"per_minute":null,"api_key":null}"#;
    assert_eq!(world.admin("POST", keys, nulls).await.status, 201);
    for body in [r#"{"surfaces":["nonsense"]}"#, r#"{"per_minute":-1}"#] {
        assert_eq!(world.admin("POST", keys, body).await.status, 400, "{body}");
    }
}

#[tokio::test]
async fn the_management_routes_stand_below_an_account() {
    let world = World::start().await;
    let id = world.endpoint("").await;
    let by_name = get(&world, &format!("/admin/v1/accounts/acme/endpoints/{id}")).await;
    assert_eq!((by_name.0, &by_name.1["endpoint"]), (200, &json!(id)));
    let by_ref = format!("/admin/v1/accounts/{}/messages", world.account);
    let sent = world
        .admin("POST", &by_ref, r#"{"type":"t","data":"x"}"#)
        .await;
    assert_eq!((sent.status, sent.header("ratelimit-limit")), (202, None));
    assert_eq!(world.logged().await, 1);
    for (method, path, status) in [
        ("GET", "/admin/v1/accounts/nobody", 404),
        ("GET", "/admin/v1/accounts/nobody/endpoints", 404),
        ("GET", "/admin/v1/accounts/acme/nothing", 404),
        ("PUT", "/admin/v1/accounts/acme/keys", 405),
        ("GET", "/relay/v1/endpoints", 404),
        ("POST", "/service", 404),
    ] {
        assert_eq!(world.admin(method, path, "").await.status, status, "{path}");
    }
}

#[tokio::test]
async fn status_and_queue_sum_up_what_the_relay_and_the_store_say() {
    let world = World::start().await;
    let (one, two) = (world.endpoint("").await, world.endpoint("").await);
    world.endpoint(r#""enabled":false"#).await;
    let standard = world.endpoint(r#""protocol":"standard""#).await;
    world.live.tell(world.account, standard, |_| {});
    world.live.tell(world.account, one, |now| {
        now.pending = 4;
        now.in_flight = 1;
        now.oldest = Some(NOW);
        now.delivered = 2;
    });
    world.live.tell(world.account, two, |now| {
        let until = NOW.after(Millis::seconds(90));
        now.health = Health::Suspended { until };
        now.wait = Some(Wait::Suspended { until });
        now.pending = 3;
        now.open_batches = 1;
        now.oldest = Some(NOW.after(Millis::seconds(10)));
    });
    for (endpoint, open, above, exact) in [
        (one, [1, 0, 0, 0], [3, 0, 0, 0], true),
        (two, [0, 1, 0, 0], [0, 0, 0, 2], false),
        (standard, [0; 4], [0; 4], true),
    ] {
        let ages = Ages { open, above, exact };
        world.live.ages.lock().unwrap().insert(endpoint, ages);
    }
    world.clock.set(NOW.after(Millis::seconds(60)));
    let (status, shown) = get(&world, "/admin/v1/status").await;
    assert_eq!(status, 200);
    assert_eq!(shown["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(
        (&shown["uptime_s"], &shown["accepting"]),
        (&json!(60), &json!(true))
    );
    assert_eq!(shown["pid"], json!(std::process::id()));
    assert_eq!(
        shown["endpoints"],
        json!({"disabled":1,"open":1,"suspended":1,"unverified":1})
    );
    assert_eq!(
        shown["queue"],
        json!({"pending":7,"uncounted":0,"open_batches":1,"in_flight":1,"delivered":2,"dead":0,
               "oldest":"2026-01-15T10:30:00Z"})
    );
    assert_eq!(shown["store"], json!({"kind":"memory"}));
    let (_, queue) = get(&world, "/admin/v1/queue").await;
    let rows = queue["endpoints"].as_array().unwrap();
    let row = rows
        .iter()
        .find(|row| row["endpoint"] == json!(two))
        .unwrap();
    assert_eq!(
        row,
        &json!({"account":world.account,"account_name":"acme","endpoint":two,"url":"https://c.example/hook",
                "state":"suspended","pending":3,"in_flight":0,"open_batches":1,
                "ages":{"under_1m":0,"under_1h":1,"under_24h":0,"older":2,"exact":false},
                "oldest":"2026-01-15T10:30:10Z","oldest_age_s":50,"last_class":null,
                "wait":"suspended","until":"2026-01-15T10:31:30Z"})
    );
    let order: Vec<&Value> = rows.iter().map(|row| &row["endpoint"]).collect();
    assert_eq!(
        order[..2],
        [&json!(one), &json!(two)],
        "the oldest comes first"
    );
    assert_eq!(rows.len(), 4);
    assert_eq!(
        queue["total"],
        json!({"pending":7,"uncounted":1,"in_flight":1,"open_batches":1,
               "ages":{"under_1m":4,"under_1h":1,"under_24h":0,"older":2,"exact":false}})
    );
    *world.live.stopped.lock().unwrap() = true;
    let (_, shown) = get(&world, "/admin/v1/status").await;
    assert_eq!(
        (&shown["relay_running"], &shown["endpoints"]["starting"]),
        (&json!(false), &json!(3))
    );
    assert_eq!(get(&world, "/admin/v1/queue").await.0, 503);
}

/// Ten messages a day old, twenty of an hour, thirty of a minute and forty new ones: the relay is
/// asked with the first of each, whatever the lowest message is that waits.
#[tokio::test]
async fn the_relay_is_asked_by_where_the_ages_change_in_the_log() {
    let world = World::start().await;
    let endpoint = world.endpoint("").await;
    let ages = [24 * 60 * 60, 60 * 60, 60, 0];
    let now = NOW.after(Millis::seconds(24 * 60 * 60));
    for (age, count) in ages.into_iter().zip([10, 20, 30, 40]) {
        world
            .clock
            .set(NOW.after(Millis::seconds(24 * 60 * 60 - age)));
        let messages = vec![json!({"type":"t","data":"x"}); count];
        let body = json!(messages).to_string();
        let sent = world.manage("POST", "messages", &body).await;
        assert_eq!(sent.status, 202, "{}", sent.body);
    }
    assert_eq!((world.clock.now(), world.logged().await), (now, 100));
    for (lowest, marks) in [
        (1, [61, 31, 11]),
        (10, [61, 31, 11]),
        (11, [61, 31, 11]),
        (30, [61, 31, 30]),
        (60, [61, 60, 60]),
        (61, [61, 61, 61]),
        (100, [100, 100, 100]),
        (101, [101, 101, 101]),
    ] {
        world.live.tell(world.account, endpoint, |now| {
            now.pending = 1;
            now.lowest = Some(Seq(lowest));
        });
        assert_eq!(get(&world, "/admin/v1/queue").await.0, 200);
        let asked = world.live.marks.lock().unwrap()[&world.account];
        assert_eq!(
            (asked.at, asked.first_younger),
            (now, marks.map(Seq)),
            "{lowest}"
        );
    }
    world.live.tell(world.account, endpoint, |_| {});
    assert_eq!(get(&world, "/admin/v1/queue").await.0, 200);
    assert!(world.live.marks.lock().unwrap().is_empty(), "nothing waits");
}

/// What waits is not told before it was counted: a queue that looks empty after a start would be
/// taken for one.
#[tokio::test]
async fn a_queue_that_is_not_counted_yet_is_not_shown_as_empty() {
    let world = World::start().await;
    let (enabled, held) = (world.endpoint("").await, world.endpoint("").await);
    let path = format!("endpoints/{held}/hold");
    assert_eq!(world.manage("POST", &path, "").await.status, 200);
    for counted in [false, true] {
        for endpoint in [enabled, held] {
            world.live.tell(world.account, endpoint, |now| {
                now.counted = counted;
                now.pending = 5;
                now.open_messages = 2;
            });
        }
        let pending = if counted { json!(5) } else { Value::Null };
        let (_, queue) = get(&world, "/admin/v1/queue").await;
        for row in queue["endpoints"].as_array().unwrap() {
            let state = match (row["endpoint"] == json!(held), counted) {
                (true, _) => "on_hold",
                (false, true) => "unverified",
                (false, false) => "starting",
            };
            assert_eq!((&row["state"], &row["pending"]), (&json!(state), &pending));
            assert_eq!(row["ages"].is_null(), !counted);
        }
        let total = if counted { (10, 0) } else { (0, 2) };
        let total = (json!(total.0), json!(total.1));
        let (_, status) = get(&world, "/admin/v1/status").await;
        for found in [&queue["total"], &status["queue"]] {
            assert_eq!(
                (&found["pending"], &found["uncounted"]),
                (&total.0, &total.1)
            );
        }
        let shown = world.manage("GET", &format!("endpoints/{held}"), "").await;
        assert_eq!(shown.json()["queue"]["pending"], pending);
        assert_eq!(shown.json()["queue"]["open_messages"], json!(2));
    }
}

#[tokio::test]
async fn settings_of_an_account_change_one_by_one() {
    let world = World::start().await;
    let path = format!("/admin/v1/accounts/{}", world.account);
    let before = world.admin("GET", &path, "").await.json()["settings"].clone();
    assert_eq!(before["time_zone"], "America/Los_Angeles");
    assert_eq!(before["lead_sources"][0], "website");
    let set = world
        .admin(
            "PATCH",
            &path,
            r#"{"time_zone":"europe/berlin","default_country_code":"49","hosts":["Shop.Example"],
                "dashboard_url":"https://shop.example/dashboard","custom_statuses":[{"id":1,"name":"Hot"}]}"#,
        )
        .await;
    assert_eq!(set.status, 200, "{}", set.body);
    let after = world.admin("GET", &path, "").await.json()["settings"].clone();
    assert_eq!(set.json()["settings"], after);
    assert_eq!(
        after,
        serde_json::json!({
            "time_zone": "Europe/Berlin", "default_country_code": "49", "default_owner": null,
            "hosts": ["shop.example"], "dashboard_url": "https://shop.example/dashboard",
            "checkout_url": null, "lead_sources": before["lead_sources"],
            "custom_statuses": [{"id": 1, "name": "Hot"}],
        })
    );
    // The zone is that of every answer from now on.
    let ping = world.command("ai_command=ping").await.body;
    assert!(
        ping.ends_with("server_time=2026-01-15+11%3A30%3A00"),
        "{ping}"
    );
    for (body, field) in [
        (r#"{"time_zone":"Mars/Olympus"}"#, "time_zone"),
        (r#"{"default_country_code":"+1"}"#, "default_country_code"),
        (r#"{"default_owner":1001}"#, "default_owner"),
        (r#"{"hosts":["https://x"]}"#, "hosts"),
        (r#"{"dashboard_url":"shop"}"#, "dashboard_url"),
        (r#"{"checkout_url":"ftp://x"}"#, "checkout_url"),
        (r#"{"lead_sources":["a","A"]}"#, "lead_sources"),
        (
            r#"{"custom_statuses":[{"id":0,"name":"x"}]}"#,
            "custom_statuses",
        ),
    ] {
        let reply = world.admin("PATCH", &path, body).await;
        assert_eq!(reply.status, 400, "{body}: {}", reply.body);
        assert_eq!(reply.error().1.as_deref(), Some(field), "{body}");
    }
    assert_eq!(
        world.admin("GET", &path, "").await.json()["settings"],
        after
    );
    // A host selects one account.
    let other = world.add_account("other", "other", &"k".repeat(32)).await;
    let theirs = format!("/admin/v1/accounts/{other}");
    let taken = world
        .admin("PATCH", &theirs, r#"{"hosts":["shop.example"]}"#)
        .await;
    assert_eq!(taken.status, 409, "{}", taken.body);
    world.admin("PATCH", &path, r#"{"hosts":[]}"#).await;
    let free = world
        .admin("PATCH", &theirs, r#"{"hosts":["shop.example"]}"#)
        .await;
    assert_eq!(free.status, 200, "{}", free.body);
}

#[tokio::test]
async fn the_operator_runs_commands_of_an_account() {
    let world = World::start().await;
    let path = format!("/admin/v1/accounts/{}/command", world.account);
    let run = async |body: &str| world.admin("POST", &path, body).await;
    let done = run(r#"{"ai_command":"ping"}"#).await;
    assert_eq!(done.status, 200);
    assert_eq!(
        done.body,
        r#"{"status":0,"status_message":"Success","server_time":"2026-01-15 02:30:00"}"#
    );
    for (body, status, text) in [
        ("[]", 400, "The body must be a JSON object"),
        (r#"{"ai_command":"nope"}"#, 400, "Unknown command \"nope\""),
        (
            r#"{"ai_command":"send_system_email"}"#,
            400,
            "ERROR: Required parameter \"id\" missing; ERROR: Required parameter \"to\" missing",
        ),
        (
            r#"{"ai_command":"command_center_sync"}"#,
            403,
            "Permission denied",
        ),
    ] {
        let reply = run(body).await;
        assert_eq!(reply.status, status, "{body}: {}", reply.body);
        assert!(
            reply.error().0.contains(text) || reply.body.contains(&text.replace('"', "\\\"")),
            "{}",
            reply.body
        );
    }
}
