//! Calls 7, 8 and 11.

use serde_json::{Value, json};

use crate::desk::{Desk, both, types};

/// The documented names in place of the ones that came.
fn masked(value: &Value, names: &[(&str, &str)]) -> Value {
    let text = names
        .iter()
        .fold(value.to_string(), |text, (from, to)| text.replace(from, to));
    serde_json::from_str(&text).unwrap()
}

async fn alice_begins(desk: &Desk) -> (Value, Vec<(String, Value)>) {
    let department = desk.general().await;
    let before = desk.world.logged().await;
    let params = format!(
        "message=this+is+test+ticket&useridentifier=alice%40agent.example&department={department}\
         &subject=Test+ticket&recipient=jane%40example.com&recipient_name=Jane+Smith"
    );
    let begun = desk.does("POST", "conversations", &params).await;
    (begun, desk.told(before).await)
}

#[tokio::test]
async fn an_agent_begins_a_conversation() {
    for desk in both().await {
        let (begun, told) = alice_begins(&desk).await;
        let text = |name: &str| begun[name].as_str().unwrap().to_owned();
        let (id, code, public) = (text("conversationid"), text("code"), text("publicurlcode"));
        assert_eq!(
            (begun["status"].as_str(), begun["statuscode"].as_str()),
            (Some("OK"), Some("0"))
        );
        assert_eq!(
            types(&told),
            ["new_contact", "new_conversation", "conversation_message"]
        );
        let department = desk.general().await;
        let jane = told[0].1["contact_ref"].as_str().unwrap().to_owned();
        let names = [
            (id.as_str(), "C"),
            (code.as_str(), "CODE"),
            (public.as_str(), "PUBLIC"),
            (department.as_str(), "D"),
            (jane.as_str(), "J"),
        ];
        assert_eq!(
            masked(&told[1].1, &names),
            json!({"conversation_id":"C","code":"CODE","public_code":"PUBLIC","contact_id":1001,"contact_ref":"J","department_id":"D","department_name":"General","assigned_to":null,"channel":"email","status":"N","subject":"Test ticket","preview":"this is test ticket","custom_fields":[],"tags":[],"created_at":"2026-01-15T10:30:00Z","changed_at":"2026-01-15T10:30:00Z"})
        );
        let mut message = masked(&told[2].1, &names);
        assert!(
            message
                .as_object_mut()
                .unwrap()
                .remove("message_id")
                .is_some()
        );
        assert_eq!(
            message,
            json!({"conversation_id":"C","contact_id":1001,"contact_ref":"J","created_at":"2026-01-15T10:30:00Z","kind":"mail","direction":"out","author_type":"agent","author":"alice","body":"this is test ticket","is_html":false,"send_mail":true,"to":["jane@example.com"],"cc":[],"mail_message_id":null,"status":"N"})
        );
        let row = json!({"conversationid":"C","code":"CODE","datecreated":"2026-01-15 02:30:00","datechanged":"2026-01-15 02:30:00","departmentname":"General","departmentid":"D","status":"N","ownername":"Jane Smith","owneremail":"jane@example.com","subject":"Test ticket","preview":"this is test ticket","publicurlcode":"PUBLIC"});
        let listed = desk
            .does("GET", "conversations", &format!("department={department}"))
            .await;
        assert_eq!(masked(&listed, &names), json!({"conversations": [row]}));
        let info = json!({"conversationid":"C","code":"CODE","datecreated":"2026-01-15 02:30:00","datechanged":"2026-01-15 02:30:00","departmentname":"General","departmentid":"D","status":"N","ownername":"Jane Smith","owneremail":"jane@example.com","subject":"Test ticket","ownernote":"","preview":"this is test ticket","publicurlcode":"PUBLIC","assignedto":"","customfields":""});
        for named in [&id, &code, &code.to_lowercase(), &public] {
            let got = desk
                .does("GET", &format!("conversations/{named}"), "")
                .await;
            assert_eq!(masked(&got, &names), info, "{named}");
        }
        for (status, channel) in [("T", "C"), ("P", "W"), ("R", "E")] {
            desk.ticket(&format!("&status={status}")).await;
            let params = format!("channel_type={channel}&status={status}");
            let listed = desk.does("GET", "conversations", &params).await;
            assert_eq!(
                listed["conversations"].as_array().unwrap().len(),
                1,
                "{status}"
            );
        }
    }
}

#[tokio::test]
async fn a_customer_begins_a_conversation() {
    for desk in both().await {
        let (jane, department) = (desk.jane().await, desk.general().await);
        let before = desk.world.logged().await;
        let params = format!(
            "message=Help&useridentifier={jane}&department={department}&subject=S&recipient=shop%40x.example\
             &cc=a%40b.example,c%40d.example&mail_messsage_id=m1&do_not_send_mail=Y&is_html_message=Y\
             &customfields=%5B%7B%22code%22%3A%22varsymbol%22%2C%22value%22%3A43894209%7D%5D&status=W"
        );
        desk.does("POST", "conversations", &params).await;
        let told = desk.told(before).await;
        assert_eq!(types(&told), ["new_conversation", "conversation_message"]);
        let fields = json!([{"code": "varsymbol", "value": "43894209"}]);
        assert_eq!(
            (&told[0].1["custom_fields"], &told[0].1["status"]),
            (&fields, &json!("W"))
        );
        let message = &told[1].1;
        for (name, expected) in [
            ("direction", json!("in")),
            ("author_type", json!("customer")),
            ("author", json!(jane)),
            ("is_html", json!(true)),
            ("send_mail", json!(false)),
            ("to", json!(["shop@x.example"])),
            ("cc", json!(["a@b.example", "c@d.example"])),
            ("mail_message_id", json!("m1")),
            ("status", json!("W")),
        ] {
            assert_eq!(message[name], expected, "{name}");
        }
        // Each call makes one more.
        desk.does("POST", "conversations", &params).await;
        let listed = desk
            .does("GET", "conversations", "owneridentifier=jane%40example.com")
            .await;
        assert_eq!(listed["conversations"].as_array().unwrap().len(), 2);
    }
}

#[tokio::test]
async fn what_a_conversation_needs() {
    for desk in both().await {
        let department = desk.general().await;
        let good = [
            ("message", "m"),
            ("useridentifier", "alice%40agent.example"),
            ("department", department.as_str()),
            ("subject", "s"),
            ("recipient", "j%40x.example"),
        ];
        let with = |name: &str, value: &str| {
            let others = good.iter().filter(|(known, _)| *known != name);
            let pairs = others.map(|(name, value)| format!("{name}={value}"));
            pairs
                .chain([format!("{name}={value}")])
                .collect::<Vec<_>>()
                .join("&")
        };
        for (name, _) in good {
            let expected = (500, format!("parameter {name} is missing"));
            for blank in ["", "+", "%09"] {
                assert_eq!(
                    desk.refuses("POST", "conversations", &with(name, blank))
                        .await,
                    expected
                );
            }
        }
        assert_eq!(
            desk.refuses("POST", "conversations", "").await.1,
            "parameter message is missing"
        );
        let (long, longer) = ("x".repeat(256), "x".repeat(100_001));
        for (name, value, expected) in [
            (
                "useridentifier",
                "nobody%40x.example",
                "unable to load user",
            ),
            ("useridentifier", "000000000000", "unable to load user"),
            ("department", "000000000000", "unable to load department"),
            ("department", "General", "unable to load department"),
            ("recipient", "jane", "invalid value of parameter recipient"),
            ("cc", "a%40b.example,x", "invalid value of parameter cc"),
            ("status", "Z", "invalid value of parameter status"),
            ("status", "n", "invalid value of parameter status"),
            (
                "do_not_send_mail",
                "yes",
                "invalid value of parameter do_not_send_mail",
            ),
            (
                "is_html_message",
                "1",
                "invalid value of parameter is_html_message",
            ),
            (
                "customfields",
                "x",
                "invalid value of parameter customfields",
            ),
            ("subject", &long, "parameter subject is too long"),
            (
                "mail_message_id",
                &long,
                "parameter mail_message_id is too long",
            ),
            ("message", &longer, "parameter message is too long"),
            ("message", "%00", "invalid value of parameter message"),
        ] {
            let expected = (500, expected.to_owned());
            assert_eq!(
                desk.refuses("POST", "conversations", &with(name, value))
                    .await,
                expected
            );
        }
    }
}

#[tokio::test]
async fn conversations_by_every_filter() {
    let desk = Desk::open().await;
    let first = desk.ticket("&status=N").await;
    desk.later(hookrelay::clock::Millis::hours(1));
    let second = desk.ticket("&status=C").await;
    desk.later(hookrelay::clock::Millis::hours(24));
    let third = desk.ticket("&status=T").await;
    desk.changes(
        "DELETE",
        &format!("conversations/{}", desk.ticket("").await),
        "",
    )
    .await;
    let department = format!("department={}", desk.general().await);
    for (params, expected) in [
        ("", "321"),
        ("&status=N", "1"),
        ("&status=C,+N", "21"),
        ("&status=X", "4"),
        ("&datefrom=2026-01-15+03:30:00", "32"),
        ("&datefrom=2026-01-15+03:30:01", "3"),
        ("&dateto=2026-01-15+03:30", "21"),
        ("&dateto=2026-01-15+03:29:59", "1"),
        ("&dateto=2026-01-15", "21"),
        ("&datechanged=lk:2026-01-16%25", "3"),
        ("&datechanged=lk:%25+03:30:0?", "32"),
        ("&datechanged=lk:%+03:30:0?", "32"),
        ("&datechanged=gt:2026-01-15T10:30:00Z", "32"),
        ("&datechanged=btw:2026-01-15,2026-01-15", "21"),
        (
            "&datechanged=neq:2026-01-15+02:30:00&datefrom=2026-01-15",
            "32",
        ),
        ("&subject=TEST+TICKET", "321"),
        ("&subject=Test", ""),
        ("&channel_type=E", "21"),
        ("&channel_type=E,C", "321"),
        ("&channel_type=X,U,W,B,M,I,F,A,T,Q,S", ""),
        ("&limit=1", "3"),
        ("&limit=1&offset=1", "2"),
        ("&limit=0", ""),
        ("&offset=3", ""),
        ("&limitcount=2&limitfrom=1", "21"),
        ("&limit=1&offset=1&subject=Test+ticket", "2"),
        ("&owneridentifier=jane%40example.com", "321"),
        ("&owneridentifier=jane%40example.com&offset=2", "1"),
        ("&owneridentifier=nobody%40example.com", ""),
    ] {
        let found = desk
            .read("conversations", &format!("{department}{params}"))
            .await;
        let rows = found["conversations"].as_array().unwrap().iter();
        let ids = [&first, &second, &third];
        let number = |row: &Value| {
            let at = ids.iter().position(|id| row["conversationid"] == **id);
            at.map_or(4, |at| at + 1).to_string()
        };
        assert_eq!(rows.map(number).collect::<String>(), expected, "{params}");
    }
    for (params, rows) in [
        ("department=000000000000", 0),
        ("department=x", 0),
        ("channel_type=E", 2),
        ("limit=10", 3),
        ("offset=1", 2),
    ] {
        let found = desk.read("conversations", params).await;
        assert_eq!(
            found["conversations"].as_array().unwrap().len(),
            rows,
            "{params}"
        );
    }
    for (params, expected) in [
        ("", "parameter department is missing"),
        ("status=N", "parameter department is missing"),
        ("limit=x", "invalid value of parameter limit"),
        ("limit=-1", "invalid value of parameter limit"),
        ("offset=1.5", "invalid value of parameter offset"),
        ("limit=1&status=Z", "invalid value of parameter status"),
        ("limit=1&status=n", "invalid value of parameter status"),
        (
            "limit=1&channel_type=Z",
            "invalid value of parameter channel_type",
        ),
        (
            "limit=1&datefrom=soon",
            "invalid value of parameter datefrom",
        ),
        (
            "limit=1&dateto=2026-02-30",
            "invalid value of parameter dateto",
        ),
        (
            "limit=1&datechanged=before:2026-01-01",
            "invalid value of parameter datechanged",
        ),
        (
            "limit=1&datechanged=btw:2026-01-01",
            "invalid value of parameter datechanged",
        ),
    ] {
        assert_eq!(
            desk.fails("GET", "conversations", params).await,
            (500, expected.to_owned())
        );
    }
}
