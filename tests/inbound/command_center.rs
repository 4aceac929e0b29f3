//! `protocols/command-api.md` 4.2 to 4.5 and 4.20: batches, and what goes straight to the log.

use hookrelay::id::Seq;
use hookrelay::live::{Backlog, EndpointNow, Health};
use hookrelay::store::Store;

use crate::world::{LOGIN, PASSWORD, World};

/// A value in a form body.
fn escaped(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The pairs of an answer, decoded.
fn pairs(body: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect()
}

fn field(body: &str, name: &str) -> String {
    let found = pairs(body).into_iter().find(|(known, _)| known == name);
    found.map(|(_, value)| value).unwrap_or_default()
}

#[tokio::test]
async fn remote_records_go_to_the_log_as_they_were_given() {
    let world = World::start().await;
    let records =
        r#"[{"external_id":"VIN1","data":{"price":100}},{"external_id":"VIN2","deleted":true}]"#;
    let emitted = |dataset: &str| {
        format!(
            r#"{{"dataset":"{dataset}","records":[{{"external_id":"VIN1","data":{{"price":100}},"deleted":false}},{{"external_id":"VIN2","data":null,"deleted":true}}]}}"#
        )
    };
    for (pairs, dataset) in [
        ("ai_command=autos_remote_data_sync", "autos_remote_data"),
        ("ai_command=autostrada_sync", "autostrada"),
        ("ai_command=autostrada_sync&dataset=stock", "stock"),
    ] {
        let before = world.logged().await;
        let call = format!("{pairs}&records={}", escaped(records));
        assert_eq!(
            world.command(&call).await.body,
            "status=0&status_message=Success&accepted=2"
        );
        assert_eq!(
            world.appended(before).await,
            [("remote_data_changed".to_owned(), emitted(dataset))]
        );
    }
    // The text of numbers and the order of members stay.
    let before = world.logged().await;
    let odd = r#"[{"external_id":7,"data":{"z":1.50,"a":1e3}}]"#;
    let call = format!("ai_command=autostrada_sync&records={}", escaped(odd));
    world.command(&call).await;
    let (_, data) = world.appended(before).await.remove(0);
    assert!(data.contains(r#"{"external_id":"7","data":{"z":1.50,"a":1e3},"deleted":false}"#));
}

#[tokio::test]
async fn what_is_wrong_with_remote_records_is_said_and_nothing_is_logged() {
    let world = World::start().await;
    let missing = "status=1&status_message=ERROR%3A+Required+parameter+%22records%22+missing";
    let wrong = "status=1&status_message=Invalid+value+for+parameter+%22records%22";
    let many = vec![r#"{"external_id":"x","deleted":true}"#; 501].join(",");
    let long = format!(
        r#"[{{"external_id":"{}","deleted":true}}]"#,
        "x".repeat(256)
    );
    let before = world.logged().await;
    for (records, expected) in [
        ("", missing),
        (" ", missing),
        ("nonsense", wrong),
        ("{}", wrong),
        ("[]", wrong),
        ("[1]", wrong),
        (r#"[{"data":{}}]"#, wrong),
        (r#"[{"external_id":"","data":{}}]"#, wrong),
        (r#"[{"external_id":"x"}]"#, wrong),
        (r#"[{"external_id":"x","data":[]}]"#, wrong),
        (r#"[{"external_id":"x","data":{},"deleted":true}]"#, wrong),
        (r#"[{"external_id":"x","data":{"a":1,"a":2}}]"#, wrong),
        (&long, wrong),
        (&format!("[{many}]"), wrong),
    ] {
        let call = format!("ai_command=autostrada_sync&records={}", escaped(records));
        assert_eq!(world.command(&call).await.body, expected, "{records}");
    }
    let call = format!(
        "ai_command=autostrada_sync&records={}&dataset={}",
        escaped("[]"),
        "x".repeat(65)
    );
    assert_eq!(
        world.command(&call).await.body,
        "status=1&status_message%5B0%5D=Invalid+value+for+parameter+%22records%22\
         &status_message%5B1%5D=Value+of+parameter+%22dataset%22+is+too+long"
    );
    assert_eq!(world.logged().await, before);
}

#[tokio::test]
async fn own_messages_keep_their_data_and_are_taken_once_by_key() {
    let world = World::start().await;
    for (pairs, event_type, data) in [
        (
            "command=generic&data=Hello+World",
            "generic",
            r#""Hello World""#,
        ),
        (
            "command=order_paid2&data=%7B%22b%22%3A1.0%2C%22a%22%3A2%7D",
            "order_paid2",
            r#"{"b":1.0,"a":2}"#,
        ),
        ("command=x&data=%5B1%5D", "x", "[1]"),
        ("command=x&data=12", "x", r#""12""#),
        ("command=x&data=a%0Ab%07", "x", r#""a\nb""#),
    ] {
        let before = world.logged().await;
        let call = format!("ai_command=command_center_receive_command&{pairs}");
        let body = world.command(&call).await.body;
        assert!(
            body.starts_with("status=0&status_message=Success&message_id=msg_"),
            "{body}"
        );
        assert_eq!(
            world.appended(before).await,
            [(event_type.to_owned(), data.to_owned())],
            "{pairs}"
        );
    }
    let once = "ai_command=command_center_receive_command&command=x&data=1&idempotency_key=k";
    let before = world.logged().await;
    let first = world.command(once).await.body;
    assert_eq!(world.command(once).await.body, first);
    assert_eq!(world.logged().await, before + 1);
}

#[tokio::test]
async fn own_messages_are_refused_by_field() {
    let world = World::start().await;
    let before = world.logged().await;
    let long = format!("command=x&data={}", "x".repeat(64 * 1024 + 1));
    let wide = format!("command=x&data={}", "%C3%A4".repeat(40_000));
    // What goes to the log is what was given, so that is what is bounded.
    let deleted = format!(
        "command=x&data=%7B%22a%22%3A%22{}%22%7D",
        "%7F".repeat(70_000)
    );
    let key = format!("command=x&data=1&idempotency_key={}", "k".repeat(65));
    for (pairs, texts) in [
        (&deleted, &["Value of parameter \"data\" is too long"]),
        (
            &key,
            &["Value of parameter \"idempotency_key\" is too long"],
        ),
    ] {
        let call = format!("ai_command=command_center_receive_command&{pairs}");
        assert_eq!(pairs_of_messages(&world.command(&call).await.body), texts);
    }
    for (pairs, texts) in [
        (
            "",
            &[
                "ERROR: Required parameter \"command\" missing",
                "ERROR: Required parameter \"data\" missing",
            ][..],
        ),
        (
            "command=New&data=1",
            &["Invalid value for parameter \"command\""],
        ),
        (
            "command=new_lead&data=1",
            &["Invalid value for parameter \"command\""],
        ),
        (
            "command=message_dead&data=1",
            &["Invalid value for parameter \"command\""],
        ),
        (
            "command=x&data=a%00",
            &["Invalid value for parameter \"data\""],
        ),
        (&long, &["Value of parameter \"data\" is too long"]),
        (&wide, &["Value of parameter \"data\" is too long"]),
        (
            "command=x&data=1&idempotency_key=%C3%A4",
            &["Invalid value for parameter \"idempotency_key\""],
        ),
    ] {
        let call = format!("ai_command=command_center_receive_command&{pairs}");
        let body = world.command(&call).await.body;
        let said: Vec<String> = pairs_of_messages(&body);
        assert_eq!(said, texts, "{body}");
    }
    assert_eq!(world.logged().await, before);
}

/// The texts of a failure.
fn pairs_of_messages(body: &str) -> Vec<String> {
    let all = pairs(body).into_iter();
    all.filter(|(name, _)| name.starts_with("status_message"))
        .map(|(_, value)| value)
        .collect()
}

#[tokio::test]
async fn system_emails_are_asked_of_the_consumer() {
    let world = World::start().await;
    let vars = escaped(r#"{"first_name":"Jane","site_name":"Acme"}"#);
    for (pairs, data) in [
        (
            format!("id=4&to=jane%40example.com&subject=Your+order&vars={vars}&allow_html=1"),
            r#"{"email_id":4,"title":null,"to":"jane@example.com","from":null,"subject":"Your order","vars":{"first_name":"Jane","site_name":"Acme"},"allow_html":true}"#,
        ),
        (
            "title=Welcome&to=jane%40example.com&from=shop%40example.com".to_owned(),
            r#"{"email_id":null,"title":"Welcome","to":"jane@example.com","from":"shop@example.com","subject":null,"vars":{},"allow_html":false}"#,
        ),
    ] {
        let before = world.logged().await;
        let call = format!("ai_command=send_system_email&{pairs}");
        assert_eq!(
            world.command(&call).await.body,
            "status=0&status_message=Success"
        );
        assert_eq!(
            world.appended(before).await,
            [("system_email".to_owned(), data.to_owned())]
        );
    }
    let before = world.logged().await;
    for (pairs, texts) in [
        (
            "",
            &[
                "ERROR: Required parameter \"id\" missing",
                "ERROR: Required parameter \"to\" missing",
            ][..],
        ),
        (
            "id=4&title=x&to=jane%40example.com",
            &["Invalid value for parameter \"title\""],
        ),
        (
            "id=x&to=jane&from=y",
            &[
                "Invalid value for parameter \"id\"",
                "Invalid value for parameter \"to\"",
                "Invalid value for parameter \"from\"",
            ],
        ),
        (
            "id=4&to=a%40b.de&vars=%7B%22a%22%3A%5B%5D%7D",
            &["Invalid value for parameter \"vars\""],
        ),
    ] {
        let body = world
            .command(&format!("ai_command=send_system_email&{pairs}"))
            .await
            .body;
        assert_eq!(pairs_of_messages(&body), texts, "{pairs}");
    }
    assert_eq!(world.logged().await, before);
}

#[tokio::test]
async fn items_of_a_batch_stand_and_fall_alone() {
    let world = World::start().await;
    let items = r#"[
        {"ai_command":"send_system_email","id":4,"to":"jane@example.com"},
        {"ai_command":"command_center_receive_command","command":"x"},
        {"ai_command":"nope"},
        {"ai_command":"batch","json":"[]"},
        {"ai_command":"send_system_email","id":4,"to":"jane"},
        {"ai_command":"send_system_email"},
        {},
        {"ai_command":"ping","ai_login_id":"apiuser","ai_login_password":"wrong"},
        {"ai_command":"ping","ai_login_id":"apiuser","ai_login_password":"APIuser123"},
        {"ai_command":"autostrada_sync","records":"[{\"external_id\":\"1\",\"deleted\":true}]"}
    ]"#;
    let before = world.logged().await;
    let body = world
        .command(&format!("ai_command=batch&json={}", escaped(items)))
        .await
        .body;
    assert!(
        body.starts_with("status=0&status_message=Success&response="),
        "{body}"
    );
    let response: serde_json::Value = serde_json::from_str(&field(&body, "response")).unwrap();
    assert_eq!(
        response,
        serde_json::json!([
            {"status":0,"status_message":"Success"},
            "ERROR: Required parameter \"data\" missing",
            {"status":1,"status_message":"Unknown command \"nope\""},
            {"status":1,"status_message":"Unknown command \"batch\""},
            {"status":1,"status_message":"Invalid value for parameter \"to\""},
            {"status":1,"status_message":[
                "ERROR: Required parameter \"id\" missing",
                "ERROR: Required parameter \"to\" missing"
            ]},
            "ERROR: Required parameter \"ai_command\" missing",
            {"status":1,"status_message":"Authentication failed"},
            {"status":0,"status_message":"Success","server_time":"2026-01-15 02:30:00"},
            {"status":0,"status_message":"Success","accepted":1},
        ])
    );
    let types: Vec<String> = world
        .appended(before)
        .await
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(types, ["system_email", "remote_data_changed"]);
    let wrong = "status=1&status_message=Invalid+value+for+parameter+%22json%22";
    let many = format!("[{}]", vec!["{}"; 101].join(","));
    for json in ["{}", "[]", "[1]", r#"[{"a":{}}]"#, "nonsense", &many] {
        let call = format!("ai_command=batch&json={}", escaped(json));
        assert_eq!(world.command(&call).await.body, wrong, "{json}");
    }
    assert_eq!(
        world.command("ai_command=batch").await.body,
        "status=1&status_message=ERROR%3A+Required+parameter+%22json%22+missing"
    );
}

/// An endpoint of which the relay says that everything behind `cursor` is pending, and two before.
async fn with_backlog(world: &World, messages: u64) -> hookrelay::id::EndpointId {
    let endpoint = world.endpoint("").await;
    for number in 0..messages {
        let call =
            format!("ai_command=command_center_receive_command&command=generic&data=m{number}");
        world.command(&call).await;
    }
    let first = world.logged().await - messages + 1;
    let backlog = Backlog {
        open: vec![(Seq(first), Seq(first + 1))],
        cursor: Seq(first + 2),
        acked: vec![(Seq(first + 4), Seq(first + 4))],
    };
    let now = EndpointNow {
        account: world.account,
        endpoint,
        health: Health::Open { window: 1 },
        wait: None,
        counted: true,
        pending: messages - 2,
        open_messages: 2,
        open_batches: 1,
        in_flight: 0,
        oldest: None,
        lowest: Some(Seq(first)),
        cursor: Seq(first + 2),
        delivered: 0,
        dead: 0,
        filtered: 0,
        failing_since: None,
        last_class: None,
    };
    world
        .live
        .backlogs
        .lock()
        .unwrap()
        .insert(endpoint, backlog);
    world.live.now.lock().unwrap().insert(endpoint, now);
    endpoint
}

/// `(acknowledged, num_results, remaining, data of the messages)`.
async fn sync(world: &World, pairs: &str) -> (String, String, String, Vec<String>) {
    let body = world
        .command(&format!("ai_command=command_center_sync&{pairs}"))
        .await
        .body;
    assert_eq!(field(&body, "status"), "0", "{body}");
    let messages: Vec<serde_json::Value> = serde_json::from_str(&field(&body, "messages")).unwrap();
    let data = messages.iter().map(|message| {
        assert_eq!(message["type"], "generic");
        assert_eq!(message["timestamp"], "2026-01-15T10:30:00Z");
        message["data"].as_str().unwrap().to_owned()
    });
    (
        field(&body, "acknowledged"),
        field(&body, "num_results"),
        field(&body, "remaining"),
        data.collect(),
    )
}

#[tokio::test]
async fn pending_messages_are_fetched_in_log_order_and_acknowledged() {
    let world = World::start().await;
    // m0 and m1 are in a batch, m2 is settled, m4 acknowledged; m3, m5, m6, m7 wait.
    with_backlog(&world, 8).await;
    let all = ["m0", "m1", "m3", "m5", "m6", "m7"].map(str::to_owned);
    let found = sync(&world, "").await;
    assert_eq!(found, ("0".into(), "6".into(), "0".into(), all.to_vec()));
    let body = world.command("ai_command=command_center_sync").await.body;
    let messages: serde_json::Value = serde_json::from_str(&field(&body, "messages")).unwrap();
    let id = |at: usize| messages[at]["id"].as_str().unwrap().to_owned();
    let found = sync(&world, "limit=2").await;
    assert_eq!(
        found,
        ("0".into(), "2".into(), "4".into(), all[..2].to_vec())
    );
    let found = sync(&world, &format!("limit=2&after={}", id(1))).await;
    assert_eq!(
        found,
        ("0".into(), "2".into(), "4".into(), all[2..4].to_vec())
    );
    // Acknowledging precedes reading; what is unknown or ended is ignored.
    let stranger = "msg_01kf0k8y204tff59tdwh9edd1r";
    let ack = format!("ack={},{},,nonsense,{stranger}&limit=1", id(0), id(3));
    let found = sync(&world, &ack).await;
    assert_eq!(
        found,
        ("2".into(), "1".into(), "3".into(), vec!["m1".into()])
    );
    let found = sync(&world, &format!("ack={}", id(0))).await;
    assert_eq!(found.0, "0", "acknowledged before");
    let found = sync(&world, &format!("ack_through={}", id(4))).await;
    assert_eq!(
        found,
        ("3".into(), "1".into(), "0".into(), vec!["m7".into()])
    );
}

#[tokio::test]
async fn a_sync_names_its_endpoint_and_its_parameters() {
    let world = World::start().await;
    let none = "status=1&status_message=Record+does+not+exist";
    let call = "ai_command=command_center_sync";
    assert_eq!(world.command(call).await.body, none);
    let one = with_backlog(&world, 3).await;
    assert_eq!(field(&world.command(call).await.body, "status"), "0");
    let two = world.endpoint("").await;
    assert_eq!(
        world.command(call).await.body,
        "status=1&status_message=ERROR%3A+Required+parameter+%22endpoint_id%22+missing"
    );
    let named = format!("{call}&endpoint_id={one}");
    assert_eq!(field(&world.command(&named).await.body, "status"), "0");
    for unknown in ["0123456789ab", "nonsense"] {
        let call = format!("{call}&endpoint_id={unknown}");
        assert_eq!(world.command(&call).await.body, none);
    }
    // The relay has not met it yet.
    let unmet = world.command(&format!("{call}&endpoint_id={two}")).await;
    assert_eq!(
        (unmet.status, unmet.header("retry-after")),
        (503, Some("5"))
    );
    for (pairs, name) in [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("after=x", "after"),
        ("ack_through=x", "ack_through"),
    ] {
        let body = world.command(&format!("{named}&{pairs}")).await.body;
        let expected = format!("status=1&status_message=Invalid+value+for+parameter+%22{name}%22");
        assert_eq!(body, expected);
    }
    let many = vec!["x"; 1001].join(",");
    let body = world.command(&format!("{named}&ack={many}")).await.body;
    assert_eq!(
        body,
        "status=1&status_message=Invalid+value+for+parameter+%22ack%22"
    );
}

#[tokio::test]
async fn an_idempotency_key_is_ignored_for_a_batch() {
    let world = World::start().await;
    let items = r#"[{"ai_command":"send_system_email","id":4,"to":"jane@example.com"}]"#;
    let body = format!(
        "ai_login_id={LOGIN}&ai_login_password={PASSWORD}&ai_command=batch&json={}",
        escaped(items)
    );
    let before = world.logged().await;
    for _ in 0..2 {
        let key = [("idempotency-key", "k")];
        let reply = world.send("POST", "/service", &key, &body).await;
        assert_eq!(reply.header("idempotency-replayed"), None);
    }
    assert_eq!(world.logged().await, before + 2);
    let page = world
        .store
        .read_log(world.account, Seq(1), 9, 1 << 20)
        .await;
    assert_eq!(page.unwrap().messages.len(), 2);
}
