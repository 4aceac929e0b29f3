//! Endpoint URLs that must not be called are refused where they are entered, in every notation.

use serde_json::json;

use crate::world::World;

/// Wrong in form, or private, whatever is permitted on loopback.
const ALWAYS: [&str; 34] = [
    "https://user@hooks.example/",
    "https://user:secret@hooks.example/",
    "https://hooks.example/#part",
    "ftp://hooks.example/",
    "file:///etc/passwd",
    "gopher://hooks.example/",
    "javascript:alert(1)",
    "//hooks.example/",
    "hooks.example",
    "",
    "https://",
    "https:///x",
    "https://hooks.example:0/",
    "https://hooks.example:99999/",
    "https://hooks.example/a b",
    "https://hooks.example\\@10.0.0.1/",
    "http://hooks.example:80 /",
    "https://10.0.0.1/",
    "https://192.168.1.1./",
    "https://172.16.0.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://167772161/",
    "https://0x0a000001/",
    "https://012.0.0.1/",
    "https://10.1/",
    "https://0/",
    "https://[fe80::1]/",
    "https://[fd00::1]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[::ffff:a00:1]/",
    "https://[64:ff9b::10.0.0.1]/",
    "https://[2002:a00:1::1]/",
    "https://224.0.0.1/",
];

/// Loopback, where it is not permitted.
const LOOPBACK: [&str; 15] = [
    "http://127.0.0.1/",
    "https://127.0.0.1/",
    "https://127.0.0.1./",
    "https://127.1/",
    "https://2130706433/",
    "https://017700000001/",
    "https://0177.0.0.1/",
    "https://0x7f.0.0.1/",
    "https://0x7f000001/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[2002:7f00:1::]/",
    "https://localhost./",
];

fn all_are_refused(world: &World, headers: &str, urls: &[&str]) {
    for url in urls {
        let body = json!({ "url": url }).to_string();
        let answer = world
            .http("POST", "/relay/v1/endpoints", headers, &body)
            .unwrap();
        assert_eq!(answer.status, 400, "{url}: {}", answer.text);
        assert_eq!(answer.json["error"]["code"], "INVALID_REQUEST", "{url}");
        assert_eq!(answer.json["error"]["field"], "url", "{url}");
        let message = answer.json["error"]["message"].as_str().unwrap();
        assert!(
            message.len() > 10 && !message.contains("secret"),
            "{url}: {message}"
        );
    }
}

#[test]
fn bad_urls_are_refused_with_the_field_that_is_wrong() {
    let mut world = World::new();
    world.set("HTTP__INSECURE_LOOPBACK", "false");
    world.set("HTTP__TRUSTED_PROXIES", "127.0.0.1");
    world.start();
    let account = world.account("shop");
    let headers = format!(
        "Authorization: Bearer {}\r\nX-Forwarded-Proto: https\r\n",
        account.key
    );
    all_are_refused(&world, &headers, &ALWAYS);
    all_are_refused(&world, &headers, &LOOPBACK);
    let body = json!({"url": "https://hooks.example/in"}).to_string();
    let made = world
        .http("POST", "/relay/v1/endpoints", &headers, &body)
        .unwrap();
    assert_eq!(made.status, 201, "a good one passes: {}", made.text);
    let path = format!(
        "/relay/v1/endpoints/{}",
        made.json["endpoint"].as_str().unwrap()
    );
    let body = json!({"url": "https://[::ffff:10.0.0.1]/"}).to_string();
    let changed = world.http("PATCH", &path, &headers, &body).unwrap();
    assert_eq!(
        (changed.status, &changed.json["error"]["field"]),
        (400, &json!("url"))
    );
    let output = world.cli(&["endpoint", "add", "-a", "shop", "--url", "https://127.1/"]);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn permitted_loopback_permits_nothing_else() {
    let world = World::started();
    let account = world.account("shop");
    let headers = format!("Authorization: Bearer {}\r\n", account.key);
    all_are_refused(&world, &headers, &ALWAYS);
    all_are_refused(
        &world,
        &headers,
        &["http://10.0.0.1/", "http://[::ffff:10.0.0.1]/"],
    );
}
