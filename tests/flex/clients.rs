//! The real binary as the surface's callers and an SMS gateway meet it: the samples in PHP as they
//! are printed, curl, and a consumer in PHP.

use serde_json::{Value, json};

use crate::daemon::{Place, Program, done, eventually, free_port, need, serve};

fn file(name: &str) -> String {
    format!("{}/tests/flex/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// What a site's script says when only its address and key are changed, and these ids.
fn sample(place: &Place, name: &str, url: &str, key: &str, ids: &[(&str, &str)]) -> Value {
    let mut script = std::fs::read_to_string(file(&format!("samples/{name}.php"))).unwrap();
    script = script.replace("https://YOUR_DOMAIN/flex/API/", url);
    script = script.replace("Secret Key", key);
    for (from, to) in ids {
        assert!(script.contains(from), "{name} has no {from}");
        script = script.replace(from, to);
    }
    script.push_str("<?php echo $response;\n");
    let path = place.path().join("sample.php");
    std::fs::write(&path, script).unwrap();
    let output = done(place.command("php").arg(&path));
    let said = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{name}: {said}"))
}

#[test]
fn the_php_samples_run_as_they_are_printed() {
    need("php", "php-cli php-curl");
    let place = Place::new();
    let (daemon, address) = serve(&place, &[]);
    let account = place.ask(&["account", "add", "shop"]);
    let automation = place.ask(&["automation", "add", "Welcome", "-a", "shop"]);
    assert_eq!(automation["automation"], 1001);
    let key = account["api_key"].as_str().unwrap();
    let failed = |text: &str| json!({"status": false, "error": text});
    for path in [
        "/flex/API/",
        "/flex/API/contacts/",
        "/flex/API/automation/",
        "/flex/API/notify/",
    ] {
        let url = format!("http://{address}{path}");
        let run = |name: &str, ids: &[(&str, &str)]| sample(&place, name, &url, key, ids);
        let added = run("add_contact", &[]);
        let id = added["idContact"].to_string();
        assert!(added["idOpportunitie"].is_u64(), "{added}");
        // As printed they name no contact that there is.
        assert_eq!(run("edit_contact", &[]), failed("idContact is required"));
        assert_eq!(run("delete_contact", &[]), failed("idContact is required"));
        assert_eq!(run("search_contacts", &[]), json!([]));
        assert_eq!(run("add_to_automation", &[]), failed("Contact not found"));
        let contact = ("'idContact' => 0", format!("'idContact' => {id}"));
        let contact = (contact.0, contact.1.as_str());
        let of_automation = ("'idContact' => 10", format!("'idContact' => {id}"));
        let enroll = [
            (of_automation.0, of_automation.1.as_str()),
            ("'idAuto' => 10", "'idAuto' => 1001"),
        ];
        assert_eq!(run("add_to_automation", &enroll), json!({"status": true}));
        assert_eq!(
            run("edit_contact", &[contact]),
            json!({"idContact": added["idContact"]})
        );
        let found = run(
            "search_contacts",
            &[("pedro", "LAST"), ("juan", "firts"), contact],
        );
        let expected = json!([{
            "idContact": added["idContact"], "Fname": "firtsName", "Lname": "lastName",
            "Number": "+526600000000", "Email": "exaple@example.com",
            "Custom": {"idCustom": "valueCustom"},
        }]);
        assert_eq!(found, expected);
        for name in ["send_call", "send_sms"] {
            let sent = run(name, &[]);
            assert_eq!(sent["status"], true, "{name}: {sent}");
            assert_eq!(sent["idMessage"].as_str().map(str::len), Some(12));
        }
        assert_eq!(run("delete_contact", &[contact]), json!({"status": true}));
    }
    let url = format!("http://{address}/flex/API/");
    let wrong = sample(&place, "send_sms", &url, "Secret Key", &[]);
    assert_eq!(wrong, failed("Invalid key"));
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_text_message_reaches_the_gateway_once() {
    need("php", "php-cli");
    need("curl", "curl");
    let place = Place::new();
    let (daemon, address) = serve(&place, &[]);
    let account = place.ask(&["account", "add", "shop"]);
    let text = |name: &str| account[name].as_str().unwrap();
    let (port, out) = (free_port(), place.path().join("sent"));
    let mut php = place.command("php");
    php.args(["-S", &format!("127.0.0.1:{port}"), &file("gateway.php")])
        .env("GATEWAY_OUT", &out)
        .env("GATEWAY_LOGIN", text("ai_login_id"))
        .env("GATEWAY_PASSWORD", text("ai_login_password"));
    let gateway = Program::start(php);
    gateway.listens(port);
    let url = format!("http://127.0.0.1:{port}/");
    place.ask(&[
        "endpoint", "add", "-a", "shop", "--url", &url, "--types", "sms,call",
    ]);
    let body = json!([
        {"key": text("api_key")},
        {"type": "SMS", "number": "+526643596440", "text": "Hello, your package "},
        {"type": "NEW", "Number": "+15551234567"},
        {"type": "CALL", "number": "+15551234567", "text": "Grüße\n2"},
        {"type": "SMS", "number": "123", "text": "x"},
    ]);
    let mut curl = place.command("curl");
    curl.args([
        "-sS",
        &format!("http://{address}/flex/API/"),
        "-d",
        &body.to_string(),
    ]);
    let said: Value = serde_json::from_slice(&done(&mut curl).stdout).unwrap();
    assert_eq!(said[1], json!({"idContact": 1002}));
    assert_eq!(
        said[3],
        json!({"status": false, "error": "number is not valid"})
    );
    let lines = || {
        let lines = std::fs::read_to_string(&out).ok()?;
        (lines.lines().count() == 2).then_some(lines)
    };
    let sent = eventually("sending", lines, || {
        format!("{}\n{}", gateway.said(), daemon.said())
    });
    let sent: Vec<Value> = sent
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(sent[0][1], "sms");
    assert_eq!(sent[0][2], said[0]["idMessage"]);
    assert_eq!(sent[0][3], "+526643596440");
    assert_eq!(sent[0][4], "Hello, your package ");
    assert_eq!(sent[1][1], "call");
    assert_eq!(sent[1][2], said[2]["idMessage"]);
    assert_eq!(
        (&sent[1][3], &sent[1][4]),
        (&json!("+15551234567"), &json!("Grüße\n2"))
    );
    // Everything is confirmed, and nothing is left.
    let settled = || {
        let queue = place.ask(&["queue"]);
        (queue["endpoints"][0]["pending"] == 0).then_some(())
    };
    eventually("confirmation", settled, || daemon.said());
    drop(gateway);
    assert_eq!(daemon.stop(), Some(0));
}
