//! The real binary and clients in other languages: curl with the documented calls, PHP and Python.

use serde_json::{Value, json};

use crate::daemon::{Place, Program, done, need, serve};

fn script(name: &str) -> String {
    format!("{}/tests/helpdesk/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A daemon with an account, its address, and the key.
fn helpdesk(place: &Place) -> (Program, String, String) {
    let (daemon, address) = serve(place, &["limits.per_minute=0"]);
    let account = place.ask(&["account", "add", "shop"]);
    let key = account["api_key"].as_str().unwrap().to_owned();
    place.ask(&[
        "agent",
        "add",
        "alice",
        "-a",
        "shop",
        "--email",
        "alice@agent.example",
        "--first-name",
        "Alice",
        "--last-name",
        "Stone",
        "--gender",
        "F",
        "--online",
        "MT",
    ]);
    (daemon, format!("http://{address}"), key)
}

fn said(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stdout)))
}

#[test]
fn a_php_client_with_all_parameters_in_the_query() {
    need("php", "php-cli");
    let place = Place::new();
    let (daemon, base, key) = helpdesk(&place);
    let mut php = place.command("php");
    php.args([script("client.php"), base, key]);
    assert_eq!(
        said(&done(&mut php)),
        json!({
            "status": "R",
            "message": "Hello <b>\"Jane\"</b> & 👍\r\nBye",
            "groups": 4,
            "told": "customer with email nobody@example.com not found",
            "after": "X",
        })
    );
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_python_client_with_json_bodies() {
    need("python3", "python3");
    let place = Place::new();
    let (daemon, base, key) = helpdesk(&place);
    let mut python = place.command("python3");
    python.args([script("client.py"), base, key]);
    assert_eq!(
        said(&done(&mut python)),
        json!({
            "names": ["Customer1", "Customer2"],
            "group": "VIP <&]]>",
            "colors": ["FFFFFF", "00FF00"],
            "error": "group with name VIP <&]]> already exists",
            "left": [],
        })
    );
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn the_command_line_and_curl() {
    need("curl", "curl");
    let place = Place::new();
    let (daemon, base, key) = helpdesk(&place);
    let help = place.ask(&["category", "add", "Help", "-a", "shop"]);
    let help = help["entry"].as_str().unwrap();
    place.ask(&[
        "article",
        "add",
        "Opening hours",
        "-a",
        "shop",
        "--category",
        "Help",
        "--content",
        "9-17",
    ]);
    place.ask(&[
        "department",
        "set",
        "General",
        "-a",
        "shop",
        "--agent",
        "alice",
    ]);
    place.ask(&[
        "account",
        "set",
        "shop",
        "--slots",
        "10,3,1",
        "--sla",
        "86400,120,60",
    ]);
    let agents = place.ask(&["agent", "list", "-a", "shop"]);
    assert_eq!(agents["users"][0]["online_status"], "TM");
    let curl = |words: &[&str], path: &str| -> String {
        let mut curl = place.command("curl");
        curl.args(["-s", "-g", "-H", &format!("apikey: {key}")])
            .args(words);
        curl.arg(format!("{base}/api/{path}"));
        String::from_utf8(done(&mut curl).stdout).unwrap()
    };
    let json = |words: &[&str], path: &str| -> Value {
        serde_json::from_str::<Value>(&curl(words, path)).unwrap()["response"].clone()
    };
    let online = json(&[], "onlinestatus/departments");
    let department = online["departmentsOnlineStates"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(online["departmentsOnlineStates"][0]["max_count"], "3");
    assert_eq!(json(&[], "agents/alice@agent.example")["role"], "A");
    assert!(curl(&[], "application/status.xml").starts_with(
        "<?xml version='1.0' encoding='utf-8'?>\n<response>\n <liveagentversion>4.20.0.0</"
    ));
    let begun = json(
        &[
            "-d",
            "message=this is test ticket",
            "-d",
            "useridentifier=alice@agent.example",
            "-d",
            &format!("department={department}"),
            "-d",
            "subject=Test ticket",
            "-d",
            "recipient=jane@example.com",
            "-d",
            "recipient_name=Jane Smith",
        ],
        "conversations",
    );
    let path = format!("conversations/{}", begun["code"].as_str().unwrap());
    let ok = json!({"status": "OK", "statuscode": 0});
    assert_eq!(
        json(&["-X", "PUT", "-d", "status=R"], &format!("{path}/status")),
        ok
    );
    assert_eq!(
        json(
            &["-X", "PUT"],
            &format!("{path}/attendants?agentidentifier=alice@agent.example")
        ),
        ok
    );
    assert_eq!(
        json(
            &[
                "-F",
                "message=from a form",
                "-F",
                "useridentifier=jane@example.com"
            ],
            &format!("{path}/messages")
        ),
        ok
    );
    assert_eq!(
        json(
            &[
                "-H",
                "Content-Type:",
                "--data-binary",
                r#"{"customfields":[{"code":"a","value":7}]}"#
            ],
            &format!("{path}/fields")
        ),
        ok
    );
    // Patterns as they are typed.
    let found = json(
        &[],
        &format!("conversations?department={department}&datechanged=lk:20%-??-??%&status=C"),
    );
    assert_eq!(found["conversations"][0]["preview"], "from a form");
    let entries = json(&[], "knowledgebase/search?query=opening");
    assert_eq!(entries["entries"][0]["full_path"], "Help/Opening hours");
    let suggestion = ["-d", "title=Dark mode", "-d", "message=Please", "-d"];
    let category = format!("categoryid={help}");
    let made = json(
        &[&suggestion[..], &[category.as_str()]].concat(),
        "suggestions",
    );
    assert_eq!(made["id"].as_str().unwrap().len(), 12);
    assert_eq!(json(&["-X", "DELETE"], &format!("{path}?note=bye")), ok);
    let told = curl(
        &["-X", "POST"],
        &format!("{path}/messages.xml?message=late"),
    );
    assert_eq!(
        told,
        "<?xml version='1.0' encoding='utf-8'?>\n<response>\n <status>ERROR</status>\n <statuscode>500</statuscode>\n <errormessage>conversation is deleted</errormessage>\n <debugmessage></debugmessage>\n</response>\n"
    );
    place.ask(&["agent", "remove", "alice", "-a", "shop"]);
    assert_eq!(
        json(&[], "onlinestatus/agents")["agentsOnlineStates"],
        json!([])
    );
    assert_eq!(daemon.stop(), Some(0));
}
