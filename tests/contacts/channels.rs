//! Custom channels: sections 2.4, 2.5, and the list of a contact's messages.

use hookrelay::clock::Millis;

use crate::shop::{call, example, post, text, types, world};
use crate::world::{NOW, World};

const SENT: &str = r#"{"customData":{"fromId":"external-contact-id","customChannel":"my-channel","body":"Hello Jane! Your order has been shipped.","campaignId":"optional-campaign-id","firstName":"Jane","lastName":"Smith"}}"#;
const RECEIVED: &str = r#"{"customData":{"messageSid":"unique-message-id","fromId":"external-contact-id","toId":"your-user-id","body":"Customer's message here","channel":"custom","status":"received"},"messageType":"text"}"#;
const OUTGOING: &str = r#"{"message_id":"wjrp1xpa7z3d","conversation_id":"7kb6cq643dzv","contact_id":1001,"contact_ref":"6q3d25vt4f5v","created_at":"2026-01-15T10:30:00Z","channel":"my-channel","external_contact_id":"external-contact-id","body":"Hello Jane! Your order has been shipped.","message_type":"text","campaign_id":"optional-campaign-id","first_name":"Jane","last_name":"Smith","email":null,"do_not_disturb":false,"credits":null,"author":null}"#;
const INCOMING: &str = r#"{"message_id":"wjrp1xpa7z3d","conversation_id":"7kb6cq643dzv","contact_id":1001,"contact_ref":"6q3d25vt4f5v","created_at":"2026-01-15T10:30:00Z","channel":"custom","message_sid":"unique-message-id","from_id":"external-contact-id","to_id":"your-user-id","body":"Customer's message here","message_type":"text","campaign_id":null,"status":"received"}"#;
const CONVERSATION: &str = r#"{"conversation_id":"7kb6cq643dzv","code":"B3M-7JR-CQG","public_code":"YYnWLeEdpomsCpFq","contact_id":1001,"contact_ref":"6q3d25vt4f5v","department_id":"mxxqkfbf5kzn","department_name":"General","assigned_to":null,"channel":"custom:my-channel","status":"A","subject":"Hello Jane! Your order has been shipped.","preview":"Hello Jane! Your order has been shipped.","custom_fields":[],"tags":[],"created_at":"2026-01-15T10:30:00Z","changed_at":"2026-01-15T10:30:00Z"}"#;
const MESSAGES: &str = r#"{"success":true,"messages":[{"messageId":"wjrp1xpa7z3d","conversationId":"7kb6cq643dzv","channel":"custom:my-channel","direction":"out","body":"Hello Jane! Your order has been shipped.","createdAt":"2026-01-15T10:30:00Z"}]}"#;

fn data(told: &[(String, String)], at: usize) -> serde_json::Value {
    serde_json::from_str(&told[at].1).unwrap()
}

#[tokio::test]
async fn the_examples_of_sending() {
    for path in ["send_custom_channel_message", "send-custom-channel-message"] {
        let world = world().await;
        let reply = call(&world, "POST", path, SENT).await;
        let message = text(&reply.json(), "messageId");
        let expected = format!(r#"{{"success":true,"messageId":"{message}"}}"#);
        assert_eq!((reply.status, reply.body), (200, expected));
        let told = world.appended(0).await;
        let expected = ["new_contact", "new_conversation", "custom_channel_outgoing"];
        assert_eq!(types(&told), expected);
        let conversation = data(&told, 1);
        let [id, code, public, contact, department] = [
            "conversation_id",
            "code",
            "public_code",
            "contact_ref",
            "department_id",
        ]
        .map(|name| text(&conversation, name));
        let own = [
            ("7kb6cq643dzv", id.as_str()),
            ("B3M-7JR-CQG", code.as_str()),
            ("YYnWLeEdpomsCpFq", public.as_str()),
            ("6q3d25vt4f5v", contact.as_str()),
            ("mxxqkfbf5kzn", department.as_str()),
        ];
        assert_eq!(told[1].1, example(CONVERSATION, &own));
        let own = [own[0], own[3], ("wjrp1xpa7z3d", message.as_str())];
        assert_eq!(told[2].1, example(OUTGOING, &own));
        let listed = call(&world, "GET", &format!("contacts/{contact}/messages"), "").await;
        assert_eq!(listed.body, example(MESSAGES, &[own[0], own[2]]));
        // No duplicate check: the same again is another message of the same conversation.
        let again = post(&world, path, SENT).await;
        assert_ne!(text(&again, "messageId"), message);
        let told = world.appended(3).await;
        assert_eq!(types(&told), ["custom_channel_outgoing"]);
        assert_eq!(text(&data(&told, 0), "conversation_id"), id);
    }
}

#[tokio::test]
async fn the_examples_of_receiving() {
    for path in [
        "incoming_custom_channel_message",
        "incoming-custom-channel-message",
    ] {
        let world = world().await;
        let first = post(&world, path, RECEIVED).await;
        let message = text(&first, "messageId");
        let told = world.appended(0).await;
        let expected = ["new_contact", "new_conversation", "custom_channel_incoming"];
        assert_eq!(types(&told), expected);
        let incoming = data(&told, 2);
        let [id, contact] = ["conversation_id", "contact_ref"].map(|name| text(&incoming, name));
        let own = [
            ("7kb6cq643dzv", id.as_str()),
            ("6q3d25vt4f5v", contact.as_str()),
            ("wjrp1xpa7z3d", message.as_str()),
        ];
        assert_eq!(told[2].1, example(INCOMING, &own));
        assert_eq!(data(&told, 1)["status"], "N");
        assert_eq!(data(&told, 0)["first_name"], "Unknown");
        // The same messageSid again, even with another content and another name of it.
        for body in [
            RECEIVED.to_owned(),
            RECEIVED.replace("Customer's", "Another"),
            RECEIVED.replace("external-contact-id", "somebody-else"),
            RECEIVED.replace("messageSid", "id"),
            RECEIVED.replace(r#""channel":"custom","#, ""),
        ] {
            assert_eq!(post(&world, path, &body).await, first, "{body}");
        }
        assert_eq!(world.logged().await, 3);
        // Another channel has ids of its own.
        let other = RECEIVED.replace(r#""channel":"custom""#, r#""channel":"other""#);
        assert_ne!(
            text(&post(&world, path, &other).await, "messageId"),
            message
        );
    }
}

#[tokio::test]
async fn every_parameter_of_a_message() {
    let world = world().await;
    let send = "send_custom_channel_message";
    let receive = "incoming_custom_channel_message";
    let cases = [
        (
            send,
            r#"{"customData":{"fromId":17,"customChannel":"c","body":" x\n\ty\u0007 "}}"#,
            r#""channel":"c","external_contact_id":"17","body":" x\n\ty ","message_type":"text","campaign_id":null"#,
        ),
        (
            send,
            r#"{"messageType":"Image/PNG","customData":{"fromId":"17","customChannel":"c","body":5,"campaignId":6}}"#,
            r#""body":"5","message_type":"Image/PNG","campaign_id":"6""#,
        ),
        // A known contact keeps its names, and its email is the one that is told.
        (
            send,
            r#"{"customData":{"fromId":"17","customChannel":"c","body":"x","firstName":"Other","email":"o@example.com"}}"#,
            r#""first_name":"Unknown","last_name":"Unknown","email":null"#,
        ),
        (
            send,
            r#"{"customData":{"fromId":"18","customChannel":"c","body":"x","firstName":"","lastName":"L","email":"e@example.com"}}"#,
            r#""first_name":"Unknown","last_name":"L","email":"e@example.com""#,
        ),
        (
            receive,
            r#"{"customData":{"id":1,"fromId":2,"toId":3,"body":4}}"#,
            r#""channel":"custom","message_sid":"1","from_id":"2","to_id":"3","body":"4","message_type":"text","campaign_id":null,"status":"received""#,
        ),
        (
            receive,
            r#"{"messageType":"","customData":{"messageSid":"2","id":"1","fromId":"2","toId":"3","body":"b","customChannel":"c","status":"read","campaignId":"k"}}"#,
            r#""channel":"c","message_sid":"2","from_id":"2","to_id":"3","body":"b","message_type":"text","campaign_id":"k","status":"read""#,
        ),
        (
            receive,
            r#"{"messageType":"voice","customData":{"messageSid":"3","fromId":"2","toId":"3","body":"b","channel":"d","customChannel":"c"}}"#,
            r#""channel":"d","message_sid":"3","from_id":"2","to_id":"3","body":"b","message_type":"voice""#,
        ),
        (
            receive,
            r#"{"messageType":"REACTION","customData":{"messageSid":"4","fromId":"2","toId":"3","body":"👍"}}"#,
            r#""body":"👍","message_type":"REACTION""#,
        ),
        (
            receive,
            r#"{"messageType":"reaction","customData":{"messageSid":"5","fromId":"2","toId":"3","body":""}}"#,
            r#""body":"","message_type":"reaction""#,
        ),
        (
            receive,
            r#"{"messageType":"reaction","customData":{"messageSid":"6","fromId":"2","toId":"3"}}"#,
            r#""body":"","message_type":"reaction""#,
        ),
    ];
    for (path, body, expected) in cases {
        let before = world.logged().await;
        post(&world, path, body).await;
        let told = world.appended(before).await;
        let (name, data) = told.last().unwrap();
        assert!(name.starts_with("custom_channel_"), "{body} {name}");
        assert!(data.contains(expected), "{body}\n{data}");
    }
}

/// What a message of `from` in `channel` came to: the contact's integer id, and what was told.
async fn received(world: &World, channel: &str, from: &str, sid: &str) -> (u64, Vec<String>) {
    let before = world.logged().await;
    let body = format!(
        r#"{{"customData":{{"messageSid":"{sid}","fromId":"{from}","toId":"t","body":"b","channel":"{channel}"}}}}"#
    );
    post(world, "incoming_custom_channel_message", &body).await;
    let told = world.appended(before).await;
    let last = data(&told, told.len() - 1);
    let types = told.into_iter().map(|(name, _)| name).collect();
    (last["contact_id"].as_u64().unwrap(), types)
}

#[tokio::test]
async fn a_sender_is_linked_to_one_contact_over_all_channels() {
    let world = world().await;
    let body = r#"{"email":"jane@example.com","externalId":"x","customChannel":"one"}"#;
    post(&world, "contacts", body).await;
    let new = ["new_contact", "new_conversation", "custom_channel_incoming"];
    for (n, (channel, from, contact, told)) in [
        // By the identity that it was created with.
        ("one", "x", 1001, &new[1..]),
        ("one", "x", 1001, &new[2..]),
        // Known by this name elsewhere.
        ("two", "x", 1001, &new[1..]),
        ("two", "y", 1002, &new[..]),
        ("one", "y", 1002, &new[1..]),
        // Case matters.
        ("One", "Y", 1003, &new[..]),
    ]
    .into_iter()
    .enumerate()
    {
        let found = received(&world, channel, from, &n.to_string()).await;
        let told: Vec<String> = told.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(found, (contact, told), "{channel} {from}");
    }
    // A message out finds by the email.
    let before = world.logged().await;
    let body = r#"{"customData":{"fromId":"z","customChannel":"three","body":"b","email":"JANE@example.com"}}"#;
    post(&world, "send_custom_channel_message", body).await;
    let told = world.appended(before).await;
    assert_eq!(
        types(&told),
        ["new_conversation", "custom_channel_outgoing"]
    );
    assert_eq!(data(&told, 1)["contact_id"], 1001);
    assert_eq!(received(&world, "three", "z", "9").await.0, 1001);
}

#[tokio::test]
async fn messages_are_listed_oldest_first_in_pages() {
    let world = world().await;
    let sent = post(&world, "send_custom_channel_message", SENT).await;
    let contact = text(&data(&world.appended(0).await, 0), "contact_ref");
    for n in 0..4 {
        world.clock.set(NOW.after(Millis::seconds(60 + n)));
        let body = format!(
            r#"{{"customData":{{"messageSid":"{n}","fromId":"external-contact-id","toId":"t","body":"m{n}","channel":"c{}"}}}}"#,
            n % 2
        );
        post(&world, "incoming_custom_channel_message", &body).await;
    }
    for (query, expected) in [
        (
            "",
            vec![
                "Hello Jane! Your order has been shipped.",
                "m0",
                "m1",
                "m2",
                "m3",
            ],
        ),
        (
            "?limit=2",
            vec!["Hello Jane! Your order has been shipped.", "m0"],
        ),
        ("?limit=2&offset=2", vec!["m1", "m2"]),
        ("?limit=1000&offset=4", vec!["m3"]),
        ("?limit=1&offset=5", vec![]),
        ("?offset=99999999999&limit=", vec![]),
    ] {
        let path = format!("contacts/{contact}/messages{query}");
        let listed = call(&world, "GET", &path, "").await.json();
        let bodies = listed["messages"].as_array().unwrap().iter();
        let bodies: Vec<String> = bodies.map(|message| text(message, "body")).collect();
        assert_eq!(bodies, expected, "{query}");
    }
    let path = format!("contacts/{contact}/messages?limit=2");
    let listed = call(&world, "GET", &path, "").await.json();
    let [first, second] = [0, 1].map(|n| listed["messages"][n].clone());
    assert_eq!(first["messageId"], sent["messageId"]);
    assert_eq!(
        (&first["direction"], &second["direction"]),
        (&"out".into(), &"in".into())
    );
    assert_eq!(second["channel"], "custom:c0");
    assert_eq!(second["createdAt"], "2026-01-15T10:31:00Z");
}
