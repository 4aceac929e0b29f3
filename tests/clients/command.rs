//! The command API as sites call it: every command with curl, and sites in PHP and Python.

use crate::daemon::{Place, done, need, serve};
use crate::pattern::is_like;

fn script(name: &str) -> String {
    format!("{}/tests/clients/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// Every command once, in an order in which each finds what it needs: arguments of curl, and the
/// answer.
const WALK: &[(&[&str], &str)] = &[
    (
        &["-d", "ai_command=ping"],
        "status=0&status_message=Success&server_time=20*",
    ),
    (
        &[
            "-d",
            "ai_command=create_customer&username=john&first_name=John&last_name=Doe&phone=8005551234&email=john@example.com&password=Geheim1",
        ],
        "status=0&status_message=Success&user_id=1002",
    ),
    (
        &["-d", "ai_command=user_get&username=john"],
        "status=0&status_message=Success&user_id=1002&external_id=&username=john&first_name=John&last_name=Doe&company=&email=john%40example.com&phone=8005551234&country=&account_type=Customer&date_added=20*&active=1&online_status=F&contact_id=1001",
    ),
    (
        &["-d", "ai_command=update_user&userID=1002&company=Acme"],
        "status=0&status_message=Success",
    ),
    (
        &[
            "-d",
            "ai_command=query_users&return_count_only=1&company=acme",
        ],
        "status=0&status_message=Success&num_results=1",
    ),
    (
        &["-d", "ai_command=query_users&username=john"],
        "status=0&status_message=Success&num_results=1&users=%7B%221002%22%3A%7B%22username%22%3A%22john%22%2C%22first_name%22%3A%22John%22%2C%22company%22%3A%22Acme%22%2C%22last_name%22%3A%22Doe%22%2C%22email%22%3A%22john%40example.com%22%2C%22account_type%22%3A%22Customer%22%7D%7D",
    ),
    (
        &["-d", "ai_command=issue_invites&user_id=1002&type_name=1"],
        "status=0&status_message=SUCCESS&invites=%5B%22*%22%5D",
    ),
    (
        &[
            "-d",
            "ai_command=user_login_link&external_id=E-7&username=eva&first_name=Eva&last_name=Fox&phone=1&email=eva@example.com",
        ],
        "status=0&status_message=Success&user_id=1003&ai_sid=1001&ai_sid_key=*&dashboard_url=",
    ),
    (
        &[
            "-d",
            "ai_command=user_login_token&username=john&password=Geheim1",
        ],
        "status=0&status_message=Success&ai_token=t1-*",
    ),
    (
        &[
            "-d",
            "ai_command=validate_user&username=john&password=Geheim1",
        ],
        "status=0&status_message=Success&validation=success&user_id=1002",
    ),
    (
        &[
            "-d",
            "ai_command=validate_user&username=john&password=wrong",
        ],
        "status=0&status_message=Success&validation=fail",
    ),
    // A lone percent sign stands for itself; a form may be multipart.
    (
        &[
            "-d",
            "ai_command=create_lead&company=100%&email=jane@example.com&phone=15551234567",
        ],
        "status=0&status_message=Lead+Creation+Successful&lead_id=1001",
    ),
    (
        &[
            "-F",
            "ai_command=lead_set",
            "-F",
            "mode=insert",
            "-F",
            "full_name=Jane Smith",
            "-F",
            "external_id=L-2",
        ],
        "status=0&status_message=Lead+Creation+Successful&lead_id=1002",
    ),
    (
        &[
            "-d",
            "ai_command=lead_set&mode=update&external_id=L-2&city=Springfield",
        ],
        "status=0&status_message=Lead+Update+Successful&lead_id=1002",
    ),
    (
        &[
            "-d",
            "ai_command=update_lead&lead_id=1001&status=potential&admin_notes_append=called",
        ],
        "status=0&status_message=Lead+Update+Successful",
    ),
    (
        &[
            "-d",
            "ai_command=leads_get&limit_fields=company&search_params=potential",
        ],
        "status=0&status_message=Success&num_results=1&total_results=1&leads=%5B%7B%22lead_id%22%3A1001%2C%22company%22%3A%22100%25%22%7D%5D",
    ),
    (
        &[
            "-d",
            "ai_command=leads_multi_manage_tags&tags_add=new&lead_list=1001&user_id=1001",
        ],
        "status=0&status_message=Success&result_totals%5Bchanged%5D=1&result_totals%5Bunchanged%5D=0&result_totals%5Bmissing%5D=0&result_totals%5Btags_added%5D=1&result_totals%5Btags_removed%5D=0",
    ),
    (
        &[
            "-d",
            "ai_command=leads_multi_transfer&to_userid=1001&lead_list=1001,1002&user_id=1001",
        ],
        "status=0&status_message=Success&result_totals%5Bmoved%5D=*&result_totals%5Bunchanged%5D=*&result_totals%5Bmissing%5D=0&result_totals%5Bnotes_erased%5D=0",
    ),
    (
        &[
            "-d",
            "ai_command=event_set&mode=insert&lead_id=1001&start_date=2026-02-01 10:00:00&end_date=2026-02-01 10:30:00&user_id=1001",
        ],
        "status=0&status_message=Success&event_id=1001",
    ),
    (
        &[
            "-d",
            "ai_command=events_get&limit_fields=lead_id,start_date",
        ],
        "status=0&status_message=Success&num_results=1&total_results=1&events=%5B%7B%22event_id%22%3A1001%2C%22lead_id%22%3A1001%2C%22start_date%22%3A%222026-02-01+10%3A00%3A00%22%7D%5D",
    ),
    (
        &[
            "-d",
            "ai_command=leads_merge&merge_to_lead=1001&merge_lead_list=1002&user_id=1001",
        ],
        "status=0&status_message=Success&result_totals%5Bmerged%5D=1&result_totals%5Bfields_filled%5D=*&result_totals%5Bnotes_moved%5D=0&result_totals%5Bevents_moved%5D=0&result_totals%5Btags_added%5D=0",
    ),
    (
        &[
            "-d",
            "ai_command=create_order&user_id=1002&total=12.50&shipping=2.50&tax=0",
            "--data-urlencode",
            r#"products=[{"qty":1,"price":"10.00","title":"Mug"}]"#,
        ],
        "status=0&status_message=%7B%22message%22%3A%22Order+Creation+Successful%22%2C%22order_id%22%3A1001%7D&order_id=1001",
    ),
    (
        &[
            "-d",
            "ai_command=update_order&order_id=1001&tracking_num=1Z999",
        ],
        "status=0&status_message=%7B%22message%22%3A%22Order+Update+Successful%22%7D",
    ),
    (
        &[
            "-d",
            "ai_command=create_order&user_id=1002&shipping=2.50&tax=0",
            "--data-urlencode",
            r#"products=[{"qty":1,"price":"10.00","title":"Mug"}]"#,
        ],
        "status=1&status_message=%7B%22message%22%3A%22ERROR%3A+Required+parameter+%5C%22total%5C%22+missing%22%7D",
    ),
    (
        &[
            "-d",
            "ai_command=create_hosted_checkout&external_id=500&price=19.99&success_url=https://shop.example/done&callback_url=https://shop.example/hook",
        ],
        "status=0&status_message=%7B%22message%22%3A%22Hosted+Checkout+Created%22%2C%22checkout_id%22%3A1001%2C%22checkout_url%22%3A%22%22%7D&checkout_id=1001",
    ),
    (
        &[
            "-d",
            "ai_command=send_system_email&id=4&to=jane@example.com",
        ],
        "status=0&status_message=Success",
    ),
    (
        &[
            "-d",
            "ai_command=autos_remote_data_sync",
            "--data-urlencode",
            r#"records=[{"external_id":"VIN1","data":{"price":100}}]"#,
        ],
        "status=0&status_message=Success&accepted=1",
    ),
    (
        &[
            "-d",
            "ai_command=autostrada_sync",
            "--data-urlencode",
            r#"records=[{"external_id":"VIN2","deleted":true}]"#,
        ],
        "status=0&status_message=Success&accepted=1",
    ),
    (
        &[
            "-d",
            "ai_command=command_center_receive_command&command=generic&data=Hello World",
        ],
        "status=0&status_message=Success&message_id=msg_*",
    ),
    (
        &["-d", "ai_command=command_center_sync&limit=1"],
        "status=0&status_message=Success&acknowledged=0&num_results=1&remaining=*&messages=%5B%7B%22type%22%3A%22*",
    ),
    (
        &["-d", "ai_command=authenticate_notifications"],
        "status=0&status_message=Success&endpoints=1",
    ),
    (
        &[
            "-d",
            "ai_command=batch",
            "--data-urlencode",
            r#"json=[{"ai_command":"update_lead","lead_id":1002},{"ai_command":"update_lead"}]"#,
        ],
        "status=0&status_message=Success&response=%5B%7B%22status%22%3A1%2C%22status_message%22%3A%22Record+does+not+exist%22%7D%2C%22ERROR%3A+Required+parameter+%5C%22lead_id%5C%22+missing%22%5D",
    ),
];

#[test]
fn every_command_is_called_with_curl() {
    need("curl", "curl");
    let place = Place::new();
    let (daemon, address) = serve(&place, &["limits.per_minute=0"]);
    let account = place.ask(&["account", "add", "shop"]);
    let text = |name: &str| account[name].as_str().unwrap();
    place.ask(&[
        "user",
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
        "--type",
        "Owner",
    ]);
    // Nobody is there, so that everything stays pending.
    place.ask(&[
        "endpoint",
        "add",
        "-a",
        "shop",
        "--url",
        "http://127.0.0.1:9/",
    ]);
    let mut token = String::new();
    for (arguments, expected) in WALK {
        let mut curl = place.command("curl");
        curl.args(["-sS", &format!("http://{address}/service")]);
        let multipart = arguments.contains(&"-F");
        for pair in [
            format!("ai_login_id={}", text("ai_login_id")),
            format!("ai_login_password={}", text("ai_login_password")),
        ] {
            curl.args([if multipart { "-F" } else { "--data-urlencode" }, &pair]);
        }
        curl.args(*arguments);
        let said = String::from_utf8(done(&mut curl).stdout).unwrap();
        assert!(
            is_like(&said, expected),
            "{arguments:?}\n{said}\n{expected}"
        );
        if let Some((_, found)) = said.split_once("&ai_token=") {
            token = found.to_owned();
        }
    }
    // The one command whose argument another has given; and a user who calls alone.
    for (pairs, expected) in [
        (
            format!("ai_command=user_login_token_update&ai_token={token}"),
            "status=0&status_message=Success&ai_token=t1-*&ai_expiration=20*".to_owned(),
        ),
        (
            format!("ai_command=user_get&ai_token={token}"),
            "status=0&status_message=Success&user_id=1002&*".to_owned(),
        ),
        (
            format!("ai_command=create_customer&ai_token={token}"),
            "status=1&status_message=Permission+denied".to_owned(),
        ),
    ] {
        let mut curl = place.command("curl");
        curl.args(["-sS", &format!("http://{address}/service"), "-d", &pairs]);
        let said = String::from_utf8(done(&mut curl).stdout).unwrap();
        assert!(is_like(&said, &expected), "{pairs}\n{said}");
    }
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_php_site_reads_every_answer_with_parse_str() {
    need("php", "php-cli");
    let place = Place::new();
    let (daemon, address) = serve(&place, &[]);
    let account = place.ask(&["account", "add", "shop"]);
    place.ask(&[
        "user",
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
        "--type",
        "Owner",
    ]);
    let mut php = place.command("php");
    php.args([
        &script("command.php"),
        &format!("http://{address}"),
        account["ai_login_id"].as_str().unwrap(),
        account["ai_login_password"].as_str().unwrap(),
    ]);
    let said = String::from_utf8(done(&mut php).stdout).unwrap();
    let lines: Vec<serde_json::Value> = said
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [refused, lead, _, tags, leads, batch] = lines.as_slice() else {
        panic!("{said}");
    };
    assert_eq!(refused["status"], "1");
    assert_eq!(
        refused["status_message"],
        serde_json::json!(
            ["username", "first_name", "last_name", "phone", "email"]
                .map(|name| format!("ERROR: Required parameter \"{name}\" missing"))
        )
    );
    assert_eq!(lead["lead_id"], "1001");
    assert_eq!(
        tags["result_totals"],
        serde_json::json!({"changed": "2", "unchanged": "0", "missing": "1", "tags_added": "4", "tags_removed": "0"})
    );
    let leads: serde_json::Value = serde_json::from_str(leads["leads"].as_str().unwrap()).unwrap();
    assert_eq!(leads[1]["first_name"], "Jörg & Söhne");
    assert_eq!(leads[1]["company"], "100 % = all");
    assert_eq!(leads[1]["tags"], serde_json::json!(["hot", "new"]));
    let response: serde_json::Value =
        serde_json::from_str(batch["response"].as_str().unwrap()).unwrap();
    assert_eq!(response[0]["status"], 0);
    assert_eq!(response[1], "ERROR: Required parameter \"lead_id\" missing");
    assert_eq!(
        response[2]["status_message"],
        "Invalid value for parameter \"page_size\""
    );
    assert_eq!(daemon.stop(), Some(0));
}

#[test]
fn a_python_site_hands_leads_over_with_site_tokens() {
    need("python3", "python3");
    let place = Place::new();
    let (daemon, address) = serve(&place, &[]);
    let account = place.ask(&["account", "add", "shop"]);
    let mut python = place.command("python3");
    python.args([
        &script("command.py"),
        &format!("http://{address}"),
        account["ai_login_id"].as_str().unwrap(),
        account["comm_key"].as_str().unwrap(),
    ]);
    let output = done(&mut python);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["created"]["lead_id"], "1001");
    assert_eq!(told["again"], told["created"]);
    assert_eq!(told["updated"]["status_message"], "Lead Update Successful");
    assert_eq!(told["total"], "1");
    assert_eq!(
        told["leads"],
        serde_json::json!([{"lead_id": 1001, "status_name": "customer", "email": "jane@example.com"}])
    );
    assert_eq!(daemon.stop(), Some(0));
}
