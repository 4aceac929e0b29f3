//! Callers in other languages, with nothing but their standard libraries.

use crate::daemon::{Place, Program, done, need, serve};

fn script(name: &str) -> String {
    format!("{}/tests/clients/{name}", env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn a_php_site_opens_its_passive_endpoint_with_a_site_token() {
    need("php", "php-cli");
    let place = Place::new();
    let (daemon, address) = serve(&place, &[]);
    let account = place.ask(&["account", "add", "shop"]);
    let text = |name: &str| account[name].as_str().unwrap();

    // Without a password to prove, this consumer answers authenticate passively.
    let mut consumer = place.command("hookrelay");
    consumer.arg("listen");
    let consumer = Program::start(consumer);
    consumer.says("listening on ");
    let url = consumer
        .said()
        .trim()
        .rsplit(' ')
        .next()
        .unwrap()
        .to_owned();
    let made = place.ask(&["endpoint", "add", "-a", "shop", "--url", &url]);
    let endpoint = made["endpoint"].as_str().unwrap();
    place.ask(&["send", "generic", "Hello from PHP", "-a", "shop"]);
    consumer.says("authenticate, with key");
    assert!(!consumer.said().contains("Hello from PHP"));

    let base = format!("http://{address}");
    let call = |comm_key: &str| {
        let mut php = place.command("php");
        php.arg(script("client.php"));
        php.args([base.as_str(), text("ai_login_id"), comm_key, endpoint]);
        php
    };
    let stranger = call("not-the-comm-key").output().unwrap();
    let said = String::from_utf8(stranger.stdout).unwrap();
    assert!(!stranger.status.success(), "{said}");
    assert!(said.contains("Authentication failed"), "{said}");

    let said = String::from_utf8(done(&mut call(text("comm_key"))).stdout).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].starts_with(r#"{"ping":{"status":"0""#), "{said}");
    assert!(lines[1].contains(r#""endpoints":"1""#), "{said}");
    consumer.says("\"Hello from PHP\"");
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_python_caller_that_honours_retry_after_gets_everything_accepted() {
    need("python3", "python3");
    let place = Place::new();
    // One request per second after the first sixty.
    let (daemon, address) = serve(&place, &["limits.per_minute=60"]);
    let account = place.ask(&["account", "add", "shop"]);
    let mut python = place.command("python3");
    python.arg(script("client.py"));
    python.args([
        &format!("http://{address}"),
        account["api_key"].as_str().unwrap(),
        "63",
    ]);
    let output = done(&mut python);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut ids: Vec<&str> = told["ids"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 63, "{told}");
    assert!(!told["waits"].as_array().unwrap().is_empty(), "{told}");
    // Who waits as long as it is told is not refused again.
    assert_eq!(told["worst"], 1, "{told}");
    assert_eq!(daemon.stop(), Some(0));
}
