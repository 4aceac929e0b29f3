//! The addresses of the surface, the order of its checks, its errors, and `Idempotency-Key`.

use hookrelay::clock::Millis;
use serde_json::json;

use crate::calls::{PATH, body, call, contact, error, once, told, world};
use crate::world::{KEY, NOW, Options, World, request};

const SEARCH: &str = r#"{"type":"SEARCH","idContact":1}"#;

#[tokio::test]
async fn four_addresses_are_one() {
    let world = world().await;
    for path in [
        "/flex/API/",
        "/flex/API",
        "/flex/api/",
        "//flex///API//",
        "/flex/API/contacts/",
        "/flex/API/contacts",
        "/flex/API/automation/",
        "/flex/api/automation",
        "/flex/API/notify/",
        "/flex/%41PI/",
    ] {
        for content_type in [
            "application/json",
            "text/plain",
            "application/x-www-form-urlencoded",
        ] {
            let headers = [("content-type", content_type)];
            let reply = world.send("POST", path, &headers, &body(SEARCH)).await;
            assert_eq!(told(&reply), (200, "[]"), "{path}");
            let json = "application/json; charset=utf-8";
            assert_eq!(reply.header("content-type"), Some(json));
        }
    }
    for path in [
        "/flex",
        "/flex/",
        "/flex/Api/",
        "/flex/API/other/",
        "/flex/API/contacts/1",
        "/flex/API/Contacts/",
    ] {
        let reply = world.send("POST", path, &[], &body(SEARCH)).await;
        assert_eq!(told(&reply), (404, error("Not found").as_str()), "{path}");
    }
    for path in ["/Flex/API/", "/flexible"] {
        let reply = world.send("POST", path, &[], &body(SEARCH)).await;
        assert_eq!(told(&reply), (404, r#"{"error":"not found"}"#), "{path}");
    }
    for method in ["GET", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let reply = world.send(method, PATH, &[], "").await;
        assert_eq!(
            told(&reply),
            (405, error("Method not allowed").as_str()),
            "{method}"
        );
        assert_eq!(reply.header("allow"), Some("POST"), "{method}");
    }
}

#[tokio::test]
async fn the_body_is_an_array_and_its_first_element_the_key() {
    let world = world().await;
    let array = error("Body must be a JSON array");
    let deep = format!("[{}{}]", "[".repeat(32), "]".repeat(32));
    for wrong in [
        "",
        "   ",
        "[]",
        "{}",
        "x",
        r#"{"key":"k"}"#,
        "[1",
        "null",
        r#""text""#,
        r#"[{"key":"a","key":"b"}]"#,
        "[99999999999999999999999]",
        deep.as_str(),
    ] {
        let reply = world.send("POST", PATH, &[], wrong).await;
        assert_eq!(told(&reply), (400, array.as_str()), "{wrong}");
    }
    let bytes = [request("POST", PATH, &[], "")].concat();
    let text = String::from_utf8(bytes)
        .unwrap()
        .replace("content-length: 0", "content-length: 3");
    let mut bytes = text.into_bytes();
    bytes.extend(b"[\"\xff");
    assert_eq!(world.raw(&bytes).await.body, array);
    let invalid = error("Invalid key");
    for first in [
        r#"{"key":"00000000000000000000000000000000"}"#,
        r#"{"key":""}"#,
        r#"{"key":null}"#,
        r#"{"secret":"x"}"#,
        r#"{"key":["x"]}"#,
        "{}",
        "[]",
        "7",
        r#""0123456789abcdef0123456789abcdef""#,
    ] {
        for rest in ["", ",7", ",{\"type\":\"SEARCH\",\"idContact\":1}"] {
            let reply = world
                .send("POST", PATH, &[], &format!("[{first}{rest}]"))
                .await;
            assert_eq!(told(&reply), (401, invalid.as_str()), "{first}");
        }
    }
    for first in [
        format!(r#"{{"KEY":"{KEY}"}}"#),
        format!(r#"{{"Key":"x","key":"{KEY}"}}"#),
    ] {
        let reply = world
            .send("POST", PATH, &[], &format!("\u{feff} [{first},{SEARCH}]"))
            .await;
        assert_eq!(told(&reply), (200, "[]"), "{first}");
    }
    // The key is element 0's and nobody else's.
    let reply = world
        .send(
            "POST",
            PATH,
            &[("x-api-key", KEY)],
            &format!("[{{}},{SEARCH}]"),
        )
        .await;
    assert_eq!(told(&reply), (401, invalid.as_str()));
}

#[tokio::test]
async fn a_key_for_other_surfaces_is_denied_and_a_revoked_one_unknown() {
    let world = world().await;
    let keys = format!("/admin/v1/accounts/{}/keys", world.account);
    let made = world
        .admin("POST", &keys, r#"{"surfaces":["contacts"]}"#)
        .await
        .json();
    let with = |key: &str| body(SEARCH).replace(KEY, key);
    let key = made["api_key"].as_str().unwrap();
    let reply = world.send("POST", PATH, &[], &with(key)).await;
    assert_eq!(told(&reply), (403, error("Permission denied").as_str()));
    let made = world
        .admin("POST", &keys, r#"{"surfaces":["flex"]}"#)
        .await
        .json();
    let key = made["api_key"].as_str().unwrap();
    assert_eq!(world.send("POST", PATH, &[], &with(key)).await.status, 200);
    let path = format!("{keys}/{}", made["key"].as_str().unwrap());
    assert_eq!(world.admin("DELETE", &path, "").await.status, 200);
    let reply = world.send("POST", PATH, &[], &with(key)).await;
    assert_eq!(told(&reply), (401, error("Invalid key").as_str()));
}

#[tokio::test]
async fn refusals_before_the_key() {
    let mut options = crate::calls::unlimited();
    options.http.max_body = 1000;
    let world = World::with(options).await;
    let large = body(&format!(
        r#"{{"type":"SEARCH","Lname":"{}"}}"#,
        "x".repeat(1000)
    ));
    let reply = world.send("POST", PATH, &[], &large).await;
    assert_eq!(told(&reply), (413, error("Request is too large").as_str()));
    let reply = world
        .send("POST", PATH, &[("content-encoding", "gzip")], &body(SEARCH))
        .await;
    assert_eq!(
        told(&reply),
        (415, error("Body must be a JSON array").as_str())
    );
    world.accepting.set(false);
    let reply = world.send("POST", PATH, &[], "rubbish").await;
    assert_eq!(told(&reply), (503, error("Service unavailable").as_str()));
    assert_eq!(reply.header("retry-after"), Some("5"));
    // A path that there is not comes before that.
    assert_eq!(world.send("POST", "/flex/x", &[], "").await.status, 404);

    let strict = World::with(Options {
        http: hookrelay::api::front::Settings::default(),
        ..Options::default()
    })
    .await;
    for path in [PATH, "/flex/none"] {
        let reply = strict.send("POST", path, &[], &body(SEARCH)).await;
        assert_eq!(told(&reply), (403, error("HTTPS is required").as_str()));
    }
}

#[tokio::test]
async fn operations_that_are_none() {
    let world = world().await;
    for element in [
        "7",
        "null",
        "[]",
        r#""NEW""#,
        "{}",
        r#"{"type":"NOPE"}"#,
        r#"{"type":"NEW2"}"#,
        r#"{"type":["NEW"]}"#,
        r#"{"type":true}"#,
        r#"{"type":"","idContact":1}"#,
        r#"{"type":"X","idAuto":1}"#,
    ] {
        let reply = call(&world, element).await;
        assert_eq!(
            told(&reply),
            (400, error("Unknown operation").as_str()),
            "{element}"
        );
    }
    for element in [
        r#"{"TYPE":"search","IDCONTACT":"1"}"#,
        r#"{"Type":" Search ","idcontact":1,"more":{"a":[]}}"#,
        r#"{"type":"SEARCH","TYPE":"NOPE","idContact":1,"IDcontact":"x"}"#,
    ] {
        assert_eq!(told(&call(&world, element).await), (200, "[]"), "{element}");
    }
}

#[tokio::test]
async fn ids_of_another_account_are_not_there() {
    let world = world().await;
    let id = contact(&world, r#""Number":"+15551234567""#).await;
    let other = "o".repeat(32);
    world.add_account("other", "otherlogin", &other).await;
    for (operation, status) in [
        (
            format!(r#"{{"type":"EDIT","idContact":{id},"Fname":"x"}}"#),
            404,
        ),
        (format!(r#"{{"type":"TRASH","idContact":{id}}}"#), 404),
    ] {
        let reply = world
            .send("POST", PATH, &[], &body(&operation).replace(KEY, &other))
            .await;
        assert_eq!(told(&reply), (status, error("Contact not found").as_str()));
    }
    let search = format!(r#"{{"type":"SEARCH","idContact":{id}}}"#);
    let reply = world
        .send("POST", PATH, &[], &body(&search).replace(KEY, &other))
        .await;
    assert_eq!(told(&reply), (200, "[]"));
}

#[tokio::test]
async fn a_repeat_finds_the_first_answer_and_another_request_conflicts() {
    let world = world().await;
    let sms = r#"{"type":"SMS","number":"+15551234567","text":"x"}"#;
    let first = once(&world, "k", sms).await;
    assert_eq!(
        (first.status, first.header("idempotency-replayed")),
        (200, None)
    );
    let before = world.logged().await;
    for (path, operations) in [
        (PATH, sms),
        ("/flex/api/notify", sms),
        (
            "/flex/API/contacts/",
            r#"{"TYPE":"sms","text":"x","Number":"+15551234567","other":1}"#,
        ),
    ] {
        let headers = [("idempotency-key", "k")];
        let again = world.send("POST", path, &headers, &body(operations)).await;
        assert_eq!(told(&again), (200, first.body.as_str()), "{path}");
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
        assert_eq!(again.header("content-type"), first.header("content-type"));
    }
    assert_eq!(world.logged().await, before);
    let used = error("Idempotency-Key was used for another request");
    let both = format!("{sms},{sms}");
    for other in [
        both.as_str(),
        r#"{"type":"SMS","number":"+15551234567","text":"y"}"#,
        "7",
    ] {
        let reply = once(&world, "k", other).await;
        assert_eq!(told(&reply), (409, used.as_str()), "{other}");
    }
    for wrong in ["k".repeat(65), "ä".to_owned()] {
        let reply = once(&world, &wrong, sms).await;
        assert_eq!(
            told(&reply),
            (400, error("Idempotency-Key is not valid").as_str())
        );
    }
    world.clock.set(NOW.after(Millis::hours(24)));
    let later = once(&world, "k", sms).await;
    assert_eq!(later.header("idempotency-replayed"), None);
    assert_ne!(later.body, first.body);
}

#[tokio::test]
async fn answers_without_a_commit_are_not_kept() {
    let world = world().await;
    let trash = r#"{"type":"TRASH","idContact":1001}"#;
    assert_eq!(once(&world, "k", trash).await.status, 404);
    assert_eq!(
        once(&world, "k", &format!("{trash},{SEARCH}")).await.status,
        200
    );
    let id = contact(&world, r#""Number":"+15551234567""#).await;
    assert_eq!(id, 1001);
    // The same value is free for what commits, with all that failed beside it.
    let both = format!("{trash},{trash}");
    let first = once(&world, "k", &both).await;
    assert_eq!(first.json()[0], json!({"status": true}));
    let again = once(&world, "k", &both).await;
    assert_eq!(again.body, first.body);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
}

/// A value of any kind, nested a little; often one that an operation could take.
fn anything(random: &mut fastrand::Rng, depth: u32) -> String {
    const WORDS: [&str; 12] = [
        "NEW",
        "EDIT",
        "TRASH",
        "SEARCH",
        "SMS",
        "CALL",
        "+15551234567",
        "a@b.example",
        "1001",
        "0",
        "\u{0}",
        " \u{7}\u{85}\u{202e}é ",
    ];
    let word = |random: &mut fastrand::Rng| json!(WORDS[random.usize(..WORDS.len())]).to_string();
    match random.u32(..if depth == 0 { 7 } else { 10 }) {
        0 => "null".to_owned(),
        1 => random.bool().to_string(),
        2 => random.i64(-2..2000).to_string(),
        3 => random.f64().to_string(),
        4..=6 => word(random),
        7 => {
            let items: Vec<String> = (0..random.u32(..4))
                .map(|_| anything(random, depth - 1))
                .collect();
            format!("[{}]", items.join(","))
        }
        _ => operation(random, depth - 1),
    }
}

fn operation(random: &mut fastrand::Rng, depth: u32) -> String {
    const NAMES: [&str; 14] = [
        "type",
        "TYPE",
        "idContact",
        "IDCONTACT",
        "idAuto",
        "Number",
        "number",
        "Email",
        "Fname",
        "Lname",
        "Custom",
        "Opportunitie",
        "text",
        "key",
    ];
    let mut members = Vec::new();
    for name in NAMES {
        if random.u32(..3) == 0 {
            members.push(format!("{}:{}", json!(name), anything(random, depth)));
        }
    }
    format!("{{{}}}", members.join(","))
}

#[tokio::test]
async fn whatever_comes_is_answered_in_one_of_the_forms() {
    let world = world().await;
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..1500 {
        let operations: Vec<String> = (0..random.usize(1..5))
            .map(|_| {
                if random.u32(..8) == 0 {
                    anything(&mut random, 3)
                } else {
                    operation(&mut random, 2)
                }
            })
            .collect();
        let operations = operations.join(",");
        let reply = call(&world, &operations).await;
        assert!(
            matches!(reply.status, 200 | 400 | 404 | 409),
            "{round}: {operations}: {}",
            reply.body
        );
        if reply.status != 200 {
            let error = reply.json();
            assert_eq!(error["status"], false, "{operations}");
            assert!(error["error"].as_str().is_some_and(|text| !text.is_empty()));
        }
    }
}
