//! What scripts may rely on: exit codes, JSON members, one daemon for one directory.

use std::process::Stdio;

use serde_json::{Value, json};

use crate::stub::{Act, Stub};
use crate::world::World;

fn members(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    names
}

#[test]
fn json_answers_have_the_promised_members() {
    let world = World::started();
    let made = world.ask(&["account", "add", "shop"]);
    for name in [
        "account",
        "ai_login_id",
        "ai_login_password",
        "comm_key",
        "api_key",
    ] {
        assert!(!made[name].as_str().unwrap().is_empty(), "{name}");
    }
    let account = made["account"].as_str().unwrap();
    let words = [
        "endpoint",
        "add",
        "--account",
        account,
        "--url",
        "http://127.0.0.1:9/",
    ];
    let endpoint = world.ask(&words);
    assert!(
        endpoint["signing_secret"]
            .as_str()
            .unwrap()
            .starts_with("whsec_")
    );
    let id = endpoint["endpoint"].as_str().unwrap();
    let shown = world.ask(&["endpoint", "show", id, "-a", "shop"]);
    assert!(shown.get("signing_secret").is_none(), "it is shown once");
    let listed = world.ask(&["endpoint", "list", "-a", "shop"]);
    assert_eq!(listed["endpoints"][0]["endpoint"], id);

    let sent = world.ask(&["send", "generic", "Hello", "-a", "shop"]);
    assert!(sent["ids"][0].as_str().unwrap().starts_with("msg_"));
    let key = world.ask(&["key", "add", "-a", "shop", "--name", "web"]);
    assert!((32..=64).contains(&key["api_key"].as_str().unwrap().len()));
    let revoked = world.ask(&["key", "revoke", key["key"].as_str().unwrap(), "-a", "shop"]);
    assert_eq!(revoked["revoked"], true);
    let of_old = format!("x-api-key: {}\r\n", key["api_key"].as_str().unwrap());
    assert_eq!(
        world
            .http("GET", "/relay/v1/endpoints", &of_old, "")
            .unwrap()
            .status,
        401
    );

    let status = world.ask(&["status"]);
    assert_eq!(status["pid"], world.pid());
    assert_eq!(status["listen"], json!([world.address]));
    assert_eq!(status["tls_listen"], json!([]));
    assert_eq!(status["relay_running"], true);
    let queue = world.ask(&["queue"]);
    let row = &queue["endpoints"][0];
    assert_eq!((&row["endpoint"], &row["pending"]), (&json!(id), &json!(1)));
    assert!(members(row).contains(&"oldest_age_s"));
}

#[test]
fn exit_codes_say_what_happened() {
    let mut world = World::started();
    let code = |world: &World, words: &[&str]| world.cli(words).status.code();
    assert_eq!(code(&world, &["account", "add", "shop"]), Some(0));
    assert_eq!(
        code(&world, &["account", "add", "Shop"]),
        Some(1),
        "the name is taken"
    );
    assert_eq!(code(&world, &["account", "show", "nobody"]), Some(1));
    assert_eq!(
        code(&world, &["send", "generic", "x", "-a", "nobody"]),
        Some(1)
    );
    assert_eq!(
        code(&world, &["endpoint", "add", "--account", "shop"]),
        Some(2),
        "no URL"
    );
    assert_eq!(code(&world, &["acount", "add", "x"]), Some(2));
    assert_eq!(code(&world, &["send"]), Some(2));
    assert_eq!(code(&world, &["--help"]), Some(0));
    world.stop();
    for words in [
        &["status"][..],
        &["queue"],
        &["account", "list"],
        &["send", "t", "x", "-a", "s"],
    ] {
        let output = world.cli(words);
        assert_eq!(output.status.code(), Some(3), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("not reachable"));
    }
    world.set("LOG__LEVEL", "loud");
    let output = world.cli(&["serve"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("log.level"));
}

#[test]
fn the_socket_comes_from_the_file_and_the_environment_overrides_it() {
    let world = World::started();
    let file = world.folder.path().join("hookrelay.toml");
    let socket = world.folder.path().join("admin.sock");
    let text = format!("[admin]\nsocket = {:?}\n", socket.display().to_string());
    std::fs::write(&file, text).unwrap();
    let file = file.display().to_string();
    let mut command = world.command(&["status", "--json", "--config", &file]);
    command.env_remove("HOOKRELAY_ADMIN__SOCKET");
    assert_eq!(command.output().unwrap().status.code(), Some(0));
    let mut command = world.command(&["--config", &file, "status", "--json"]);
    command.env("HOOKRELAY_ADMIN__SOCKET", "/nonexistent/socket");
    assert_eq!(command.output().unwrap().status.code(), Some(3));
}

#[test]
fn a_second_daemon_on_the_directory_names_the_first_and_ends() {
    let world = World::started();
    let output = world
        .command(&["serve"])
        .stdout(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains(&world.pid().to_string()), "{told}");
    // The first one is not disturbed.
    assert_eq!(world.ask(&["status"])["pid"], world.pid());
}

#[test]
fn a_restart_keeps_everything() {
    let mut world = World::started();
    let account = world.account("shop");
    let stub = Stub::start(&account, |_| Act::ok());
    let endpoint = world.endpoint(&account, &stub.url(), &json!({}));
    let message = json!({"type": "generic", "data": "x"});
    let first = world.send(&account, &message).remove(0);
    world.until(&account, &first, &endpoint, "delivered");
    world.ask(&["endpoint", "hold", &endpoint, "-a", "shop"]);
    let second = world.send(&account, &message).remove(0);
    world.restart();
    assert_eq!(
        world.place(&account, &first, &endpoint)["state"],
        "delivered"
    );
    assert_eq!(world.place(&account, &second, &endpoint)["state"], "queued");
    let shown = world.get(&account, &format!("endpoints/{endpoint}"));
    assert_eq!(shown["order"]["state"], "on_hold");
    assert_eq!(shown["queue"]["delivered"], 1);
    world.ask(&["endpoint", "release", &endpoint, "-a", "shop"]);
    world.until(&account, &second, &endpoint, "delivered");
    assert_eq!(stub.authenticates(), 1, "the proof is still good");
    let came: Vec<_> = stub
        .deliveries()
        .iter()
        .flat_map(crate::stub::Request::ids)
        .collect();
    assert_eq!(came, [first, second]);
}
