//! What the log says about a message's life, and what it never says.

use std::path::Path;

use serde_json::{Value, json};

use crate::stub::{Act, Stub};
use crate::world::{World, eventually};

const PASSWORD: &str = "PasswordMarker7531";
const COMM_KEY: &str = "CommKeyMarker8642";
const API_KEY: &str = "ApiKeyMarker0123456789abcdefghijklmnop";
const HEADER: &str = "HeaderValueMarker97531";
const DATA: &str = "PayloadMarker86420";
const ANSWER: &str = "AnswerMarker11223";
const GUESS: &str = "GuessedMarker33445";

/// A relay at the finest log level with every secret a marker, and everything that could tell
/// them done: good calls, bad calls, and consumers that send them back.
fn eventful() -> (World, Vec<String>) {
    let mut world = World::new();
    world.set("LOG__LEVEL", "trace");
    world.start();
    let words = [
        "account",
        "add",
        "shop",
        "--login",
        "apiuser",
        "--password",
        PASSWORD,
    ];
    let more = ["--comm-key", COMM_KEY, "--api-key", API_KEY];
    let made = world.ask(&[&words[..], &more].concat());
    let mut account = world.account("other");
    made["account"]
        .as_str()
        .unwrap()
        .clone_into(&mut account.id);
    let another = account.key.clone();
    "apiuser".clone_into(&mut account.login);
    PASSWORD.clone_into(&mut account.password);
    API_KEY.clone_into(&mut account.key);

    let echo = Stub::start(&account, |request| {
        let body = format!("{{\"status\":\"{ANSWER}\",\"was\":{}}}", request.body);
        Act::text(if request.texts().len() > 1 { 500 } else { 200 }, "", &body)
    });
    let fine = Stub::start(&account, |_| Act::ok());
    let liar = Stub::raw(|_| {
        Act::json(
            200,
            &json!({"ai_login_id": "apiuser", "ai_login_password": GUESS}),
        )
    });
    let dead = Stub::start(&account, |_| Act::Close);
    let headers = json!({"X-Token": HEADER});
    let mut secrets = Vec::new();
    let mut endpoints = Vec::new();
    for stub in [&fine, &echo, &liar, &dead] {
        let body = json!({"url": stub.url(), "headers": headers});
        let made = world.call(&account, "POST", "endpoints", &body);
        secrets.push(made.json["signing_secret"].as_str().unwrap().to_owned());
        endpoints.push(made.json["endpoint"].as_str().unwrap().to_owned());
    }
    let message = json!({"type": "generic", "data": DATA});
    let object = json!({"type": "generic", "data": {DATA: DATA}});
    let sent = world.send(&account, &json!([message, object]));
    world.until(&account, &sent[1], &endpoints[0], "delivered");

    bad_calls(&world, &fine.url());
    world.ask(&["send", "generic", DATA, "-a", "shop"]);
    for class in ["credentials", "reset"] {
        let endpoint = &endpoints[if class == "reset" { 3 } else { 2 }];
        world.attempt(&account, endpoint, class);
    }
    world.attempt(&account, &endpoints[1], "5xx");
    world.attempt(&account, &endpoints[1], "2xx-status-not-ok");
    eventually("an endpoint is suspended", || {
        let told = world
            .lines()
            .into_iter()
            .any(|line| line["message"] == "endpoint health");
        told.then_some(())
    });
    secrets.extend([PASSWORD, COMM_KEY, API_KEY, HEADER].map(str::to_owned));
    secrets.push(another);
    (world, secrets)
}

/// Calls that are refused, each with something in it that must not be told.
fn bad_calls(world: &World, url: &str) {
    let bearer = format!("Authorization: Bearer {API_KEY}\r\n");
    let bad = |method: &str, path: &str, headers: &str, body: &str| {
        let answer = world.http(method, path, headers, body).unwrap();
        assert!(answer.status >= 400, "{path}: {}", answer.text);
    };
    bad(
        "POST",
        "/relay/v1/messages",
        &bearer,
        &format!("{{\"type\":\"generic\",\"data\":\"{DATA}"),
    );
    bad(
        "POST",
        "/relay/v1/messages",
        &bearer,
        &format!("{{\"type\":\"{DATA} {DATA}\",\"data\":{{}}}}"),
    );
    bad(
        "POST",
        "/relay/v1/messages",
        &bearer,
        &format!("{{\"{DATA}\":1,\"type\":\"generic\",\"data\":{{}}}}"),
    );
    bad(
        "GET",
        &format!("/relay/v1/endpoints?apiKey={GUESS}&x={DATA}"),
        &bearer.replace("ApiKey", "NoKey"),
        "",
    );
    let secret = format!("{{\"url\":\"https://u:{PASSWORD}@hooks.example/\"}}");
    bad("POST", "/relay/v1/endpoints", &bearer, &secret);
    let header = format!("{{\"url\":\"{url}\",\"headers\":{{\"X-A\":\"{HEADER}\\n\"}}}}");
    bad("POST", "/relay/v1/endpoints", &bearer, &header);
    for password in [GUESS, PASSWORD] {
        let ping = [
            ("ai_command", "ping"),
            ("ai_login_id", "apiuser"),
            ("ai_login_password", password),
        ];
        world.service(&ping);
    }
    world.service(&[("ai_command", "ping"), ("ai_sitecom_token", GUESS)]);
}

#[test]
fn secrets_and_payloads_are_logged_at_no_level() {
    let (mut world, secrets) = eventful();
    world.stop();
    let log = world.log();
    assert!(log.lines().count() > 30);
    let payloads = [DATA, ANSWER, GUESS].map(str::to_owned);
    for marker in secrets.iter().chain(&payloads) {
        let line = log.lines().find(|line| line.contains(marker.as_str()));
        assert_eq!(line, None, "{marker} was logged");
        let bare = marker.strip_prefix("whsec_").unwrap_or(marker);
        assert!(!log.contains(bare), "{bare} was logged");
    }
    // Nor does the data directory show a secret.
    for secret in &secrets {
        let bare = secret.strip_prefix("whsec_").unwrap_or(secret);
        no_file_shows(&world.folder.path().join("data"), bare.as_bytes());
    }
}

fn no_file_shows(folder: &Path, secret: &[u8]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            no_file_shows(&path, secret);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let shown = bytes.windows(secret.len()).any(|window| window == secret);
            assert!(!shown, "{} shows a secret", path.display());
        }
    }
}

#[test]
fn every_line_of_a_messages_life_says_whose_and_which() {
    let mut world = World::started();
    let account = world.account("shop");
    let stub = Stub::start(&account, |request| {
        if request.texts() == ["poison"] {
            Act::refuse()
        } else {
            Act::ok()
        }
    });
    let settings = json!({"schedule": {"max_attempts": 2}});
    let endpoint = world.endpoint(&account, &stub.url(), &settings);
    let sent = world.send(&account, &json!([{"type": "generic", "data": "fine"}]));
    world.until(&account, &sent[0], &endpoint, "delivered");
    let dead = world.send(&account, &json!({"type": "generic", "data": "poison"}));
    world.until(&account, &dead[0], &endpoint, "dead");
    world.stop();
    let lines = world.lines();
    let told = |message: &str, wanted: &dyn Fn(&Value) -> bool| only(&lines, message, wanted);
    let mine = json!({"account": account.id, "endpoint": endpoint});
    let accepted = told("committed", &|line| line["ids"] == sent[0].as_str());
    shows(&accepted, &json!({"account": account.id, "messages": 1}));
    shows(
        &accepted,
        &json!({"surface": "manage", "path": "/relay/v1/messages"}),
    );
    assert!(accepted["took_us"].is_u64(), "{accepted}");
    let request = &accepted["span"]["request"];
    assert!(request.as_str().unwrap().starts_with("req_"));
    let request = told("request", &|line| line["span"]["request"] == *request);
    shows(
        &request,
        &json!({"status": 202, "account": account.id, "method": "POST"}),
    );
    assert!(request["took_us"].is_u64());

    let about = |id: &str, number: u32| {
        told("attempt", &|line| {
            line["ids"] == id && line["number"] == number
        })
    };
    let fine = about(&sent[0], 1);
    shows(&fine, &mine);
    let batch = &stub.deliveries()[0].json["batch_id"];
    shows(
        &fine,
        &json!({"kind": "delivery", "batch": batch, "messages": 1, "class": "ok", "status": 200}),
    );
    assert!(
        fine["took_ms"].is_u64() && lacks(&fine, &["due", "hint"]),
        "{fine}"
    );
    let first = about(&dead[0], 1);
    shows(&first, &mine);
    shows(
        &first,
        &json!({"class": "2xx-status-not-ok", "status": 200, "level": "WARN"}),
    );
    assert!(
        is_time(&first["due"]) && first["hint"].is_string(),
        "{first}"
    );
    let last = about(&dead[0], 2);
    assert_eq!(last["batch"], first["batch"]);
    assert!(lacks(&last, &["due"]), "nothing is due any more: {last}");
    let proof = told("attempt", &|line| line["kind"] == "authenticate");
    shows(&proof, &mine);
    shows(&proof, &json!({"class": "ok", "status": 200}));
    assert!(
        lacks(&proof, &["batch", "number", "messages", "ids", "due"]),
        "{proof}"
    );

    for state in ["verifying", "verified"] {
        let line = told("endpoint state", &|line| line["authentication"] == state);
        shows(&line, &mine);
        shows(&line, &json!({"order": "enabled"}));
        assert_eq!(is_time(&line["until"]), state == "verified", "{line}");
    }
    let died = told("messages are dead", &|_| true);
    shows(&died, &mine);
    shows(
        &died,
        &json!({"count": 1, "reason": "exhausted", "attempts": 2, "class": "2xx-status-not-ok"}),
    );
}

/// The line with this text that is wanted.
fn only(lines: &[Value], message: &str, wanted: &dyn Fn(&Value) -> bool) -> Value {
    let mut found = lines
        .iter()
        .filter(|line| line["message"] == message && wanted(line));
    let line = found
        .next()
        .unwrap_or_else(|| panic!("no such line {message}"));
    assert!(
        found.next().is_none(),
        "two lines where one says it: {line}"
    );
    line.clone()
}

/// The line has these members, with these values.
fn shows(line: &Value, members: &Value) {
    for (name, value) in members.as_object().unwrap() {
        assert_eq!(line[name], *value, "{name} of {line}");
    }
}

/// The line does not have these members at all.
fn lacks(line: &Value, members: &[&str]) -> bool {
    members.iter().all(|name| line.get(name).is_none())
}

/// A time as everywhere on the wire.
fn is_time(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.len() == 20 && text.ends_with('Z'))
}

#[test]
fn every_commit_with_messages_has_its_line_wherever_it_comes_from() {
    let mut world = World::started();
    let account = world.account("shop");
    let passive = Stub::raw(|_| Act::ok());
    let liar = Stub::raw(|_| {
        Act::json(
            200,
            &json!({"ai_login_id": "no", "ai_login_password": "no"}),
        )
    });
    let endpoint = world.endpoint(&account, &passive.url(), &json!({}));
    let wrong = world.endpoint(&account, &liar.url(), &json!({}));
    let five = vec![json!({"type": "generic", "data": "x"}); 5];
    let sent = world.send(&account, &json!(five));
    eventually("the passive answer is taken", || {
        let shown = world.get(&account, &format!("endpoints/{endpoint}"));
        (shown["authentication"]["state"] == "awaiting_confirmation").then_some(())
    });
    let confirmed = world.service(&[
        ("ai_command", "authenticate_notifications"),
        ("ai_login_id", &account.login),
        ("ai_login_password", &account.password),
    ]);
    assert!(confirmed.text.contains("status=0"), "{}", confirmed.text);
    let test = world.order(&account, &endpoint, "test")["ids"][0].clone();
    world.until(&account, test.as_str().unwrap(), &endpoint, "delivered");
    world.attempt(&account, &wrong, "credentials");
    let by_relay = eventually("the failed authentication is told", || {
        world
            .lines()
            .into_iter()
            .find(|line| line["message"] == "committed" && line["by"] == "relay")
    });
    world.stop();
    let lines = world.lines();
    let told = |wanted: &dyn Fn(&Value) -> bool| {
        let line = only(&lines, "committed", wanted);
        assert!(line["took_us"].is_u64(), "{line}");
        shows(&line, &json!({"account": account.id}));
        line
    };
    let many = format!("{}..{}", sent[0], sent[4]);
    shows(
        &told(&|line| line["ids"] == many.as_str()),
        &json!({"messages": 5}),
    );
    let confirmed = told(&|line| line["surface"] == "command");
    assert_eq!(
        confirmed["messages"].as_u64() > Some(0),
        confirmed["ids"].is_string()
    );
    shows(
        &told(&|line| line["ids"] == test),
        &json!({"messages": 1, "surface": "manage"}),
    );
    shows(
        &by_relay,
        &json!({"account": account.id, "endpoint": wrong, "messages": 1, "what": "authentication"}),
    );
    assert!(by_relay["ids"].is_string() && by_relay["took_us"].is_u64());
    // Of a request that changed nothing nothing is told.
    let empty = lines.iter().filter(|line| line["ids"] == "");
    assert_eq!(empty.count(), 0);
}

#[test]
fn no_line_shows_how_the_program_sees_a_value() {
    let (mut world, _) = eventful();
    world.stop();
    for line in world.lines() {
        // Libraries at the finest level may.
        let ours = line["target"].as_str().unwrap().starts_with("hookrelay");
        for (name, value) in line.as_object().unwrap().iter().filter(|_| ours) {
            let text = value.as_str().unwrap_or_default();
            let shown = ["Timestamp(", " { ", "Some(", "::"];
            assert!(
                name == "target" || shown.iter().all(|form| !text.contains(form)),
                "{name} of {line}"
            );
            assert!(
                !text.is_empty()
                    || value.is_object()
                    || !value.is_string()
                    || name.ends_with("listen"),
                "{name} of {line}"
            );
        }
    }
}

#[test]
fn suspension_and_recovery_are_told_once_each() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let world = World::started();
    let account = world.account("shop");
    let healthy = std::sync::Arc::new(AtomicBool::new(false));
    let known = healthy.clone();
    let stub = Stub::start(&account, move |_| {
        if known.load(Ordering::SeqCst) {
            Act::ok()
        } else {
            Act::Close
        }
    });
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    let id = world
        .send(&account, &json!({"type": "generic", "data": "x"}))
        .remove(0);
    let told = || -> Vec<Value> {
        let lines = world.lines().into_iter();
        lines
            .filter(|line| line["message"] == "endpoint health")
            .collect()
    };
    eventually("the suspension is told", || {
        (!told().is_empty()).then_some(())
    });
    healthy.store(true, Ordering::SeqCst);
    world.until(&account, &id, &endpoint, "delivered");
    let told = eventually("the recovery is told", || {
        Some(told()).filter(|told| told.len() > 1)
    });
    assert_eq!(told.len(), 2, "{told:?}");
    let mine = json!({"account": account.id, "endpoint": endpoint});
    for (line, health) in told.iter().zip(["suspended", "open"]) {
        shows(line, &mine);
        shows(line, &json!({"health": health}));
        assert_eq!(is_time(&line["until"]), health == "suspended", "{line}");
    }
    shows(&told[0], &json!({"class": "reset", "pending": 1}));
}
