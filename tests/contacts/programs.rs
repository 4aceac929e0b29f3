//! The real binary, with callers and a gateway in other languages.

use crate::daemon::{Place, Program, done, eventually, free_port, need, serve};

fn script(name: &str) -> String {
    format!("{}/tests/contacts/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn lines(output: &std::process::Output) -> Vec<serde_json::Value> {
    let said = String::from_utf8(output.stdout.clone()).unwrap();
    let lines = said.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

#[test]
fn the_samples_of_the_document_run_with_only_address_and_key_changed() {
    need("php", "php-cli");
    let modules = done(std::process::Command::new("php").arg("-m")).stdout;
    let modules = String::from_utf8(modules).unwrap();
    assert!(modules.contains("curl"), "apt-get install -y php-curl");
    let place = Place::new();
    let (daemon, address) = serve(&place, &[]);
    let account = place.ask(&["account", "add", "shop"]);
    let mut php = place.command("php");
    php.arg(script("samples.php"));
    php.args([
        &format!("http://{address}"),
        account["api_key"].as_str().unwrap(),
    ]);
    let answers = lines(&done(&mut php));
    let statuses: Vec<u64> = answers
        .iter()
        .map(|answer| answer["status"].as_u64().unwrap())
        .collect();
    // The sample's list and sub-account are placeholders: there are none.
    assert_eq!(statuses, [201, 404, 200, 200, 400, 200, 200], "{answers:?}");
    let jane = &answers[0]["body"];
    assert_eq!(
        (&jane["firstName"], &jane["phone"]),
        (&"Jane".into(), &"+15551234567".into())
    );
    assert_eq!(answers[1]["body"]["error"]["message"], "List not found.");
    for sent in &answers[2..4] {
        assert_eq!(sent["body"]["success"], true);
        assert_eq!(sent["body"]["messageId"].as_str().unwrap().len(), 12);
    }
    assert_eq!(answers[4]["body"]["error"]["code"], "AGENCY_REQUIRED");
    for found in &answers[5..] {
        assert_eq!(found["body"]["contactId"], jane["id"]);
    }
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_python_import_that_honours_retry_after_gets_everything_accepted() {
    need("python3", "python3");
    let place = Place::new();
    // One request per second after the first sixty.
    let (daemon, address) = serve(&place, &["limits.per_minute=60"]);
    let account = place.ask(&["account", "add", "shop"]);
    let mut python = place.command("python3");
    python.arg(script("import.py"));
    let key = account["api_key"].as_str().unwrap();
    python.args([&format!("http://{address}"), key, "63"]);
    let told = lines(&done(&mut python)).remove(0);
    let ids = told["ids"].as_array().unwrap().iter();
    let ids: std::collections::BTreeSet<&str> = ids.map(|id| id.as_str().unwrap()).collect();
    assert_eq!(ids.len(), 63, "{told}");
    assert!(!told["waits"].as_array().unwrap().is_empty(), "{told}");
    // Who waits as long as it is told is not refused again.
    assert_eq!(told["worst"], 1, "{told}");
    assert_eq!(daemon.stop(), Some(0));
}

/// What curl is answered.
fn curl(place: &Place, words: &[&str]) -> serde_json::Value {
    let mut curl = place.command("curl");
    curl.args(["-sS", "--max-time", "30"]).args(words);
    lines(&done(&mut curl)).remove(0)
}

#[test]
fn a_gateway_of_a_custom_channel_answers_what_it_is_sent() {
    need("python3", "python3");
    need("curl", "curl");
    let place = Place::new();
    let (daemon, address) = serve(&place, &[]);
    let account = place.ask(&["account", "add", "shop"]);
    let text = |name: &str| account[name].as_str().unwrap();
    let (base, key) = (format!("http://{address}/v1"), text("api_key"));
    let port = free_port().to_string();
    let mut python = place.command("python3");
    python.arg(script("gateway.py"));
    python.args([port.as_str(), &format!("http://{address}"), key]);
    python.args([text("ai_login_id"), text("ai_login_password")]);
    let gateway = Program::start(python);
    gateway.says("gateway is up");
    let url = format!("http://127.0.0.1:{port}/hook");
    let types = ["--types", "custom_channel_outgoing"];
    place.ask(
        &[
            &["endpoint", "add", "-a", "shop", "--url", &url],
            &types[..],
        ]
        .concat(),
    );

    let header = format!("x-api-key: {key}");
    let contact = r#"{"phone":"+15551234567","externalId":"jane-77","customChannel":"my-channel"}"#;
    let jane = curl(
        &place,
        &["-H", &header, "-d", contact, &format!("{base}/contacts")],
    );
    let sent =
        r#"{"customData":{"fromId":"jane-77","customChannel":"my-channel","body":"Hello Jane!"}}"#;
    let path = format!("{base}/send_custom_channel_message");
    let sent = curl(&place, &["-H", &header, "-d", sent, &path]);
    assert_eq!(sent["success"], true, "{sent}");
    gateway.says("delivery 2 OK");

    // Worked on twice and handed in four times, and yet there once.
    let id = jane["id"].as_str().unwrap();
    let path = format!("{base}/contacts/{id}/messages");
    let listed = eventually(
        "the answer",
        || {
            let listed = curl(&place, &["-H", &header, &path]);
            let count = listed["messages"].as_array().unwrap().len();
            (count > 1).then_some(listed)
        },
        || gateway.said(),
    );
    let shown = |n: usize| {
        let message = &listed["messages"][n];
        let member = |name: &str| message[name].as_str().unwrap().to_owned();
        [member("direction"), member("channel"), member("body")]
    };
    assert_eq!(listed["messages"].as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(shown(0), ["out", "custom:my-channel", "Hello Jane!"]);
    let answer = ["in", "custom:my-channel", "Thank you for: Hello Jane!"];
    assert_eq!(shown(1), answer);
    let ids: Vec<&str> = listed["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|message| message["conversationId"].as_str().unwrap())
        .collect();
    assert_eq!(ids[0], ids[1]);
    assert_eq!(daemon.stop(), Some(0));
    assert_eq!(gateway.said().matches("handed in").count(), 2);
}
