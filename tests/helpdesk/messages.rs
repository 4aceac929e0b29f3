//! Calls 9 and 10.

use hookrelay::clock::Millis;
use hookrelay::domain::account;
use hookrelay::domain::contact::{self, Identity, Person};
use hookrelay::domain::conversation::message::{Author, Direction, Kind};
use hookrelay::domain::conversation::{Channel, NewMessage, Notice, joined, post};
use serde_json::{Value, json};

use crate::desk::{Desk, both, types};

/// A conversation with somebody new in a channel that no call of this surface begins: its code.
async fn elsewhere(desk: &Desk, channel: Channel, phone: Option<&str>, is_known: bool) -> String {
    let (id, channel) = (desk.world.account, &channel);
    let accounts = [id];
    let begun = desk.world.db.transact(&accounts, |tx| async move {
        let account = account::by_id(&tx, id).await?;
        let identity = Identity {
            channel: "my".into(),
            external_id: "x1".into(),
        };
        let email = format!("{}@x.example", channel.to_string().replace(':', "-"));
        let person = Person {
            phone,
            email: Some(&email),
            identity: is_known.then_some(&identity),
            ..Person::default()
        };
        let contact = contact::link(&tx, &account, &person).await?.unwrap();
        let message = NewMessage {
            kind: Kind::Custom,
            direction: Direction::In,
            author: Author::Contact(contact.id),
            body: "Hi".into(),
            is_html: false,
            notice: Notice::plain(),
        };
        let place = joined(&tx, &account, &contact, channel.clone(), &message).await?;
        let posted = post(&tx, &account, &contact, place, &message, 0).await?;
        Ok(posted.conversation.code)
    });
    begun.await.unwrap()
}

#[tokio::test]
async fn groups_and_messages() {
    for desk in both().await {
        let id = desk.ticket("").await;
        let path = format!("conversations/{id}/messages");
        let alice = desk.alice.reference.to_string();
        let got = desk.does("GET", &path, "").await;
        let first = got["groups"][0]["messagegroupid"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(
            got,
            json!({"groups":[{"messagegroupid":first,"userid":alice,"rtype":"M","rstatus":"V","datecreated":"2026-01-15 02:30:00","datefinished":"2026-01-15 02:30:00","messages":[{"messageid":first,"userid":alice,"rtype":"M","datecreated":"2026-01-15 02:30:00","message":"this is test ticket"}]}]})
        );
        desk.later(Millis::minutes(1));
        desk.changes(
            "POST",
            &path,
            "message=two&useridentifier=alice%40agent.example",
        )
        .await;
        desk.changes("POST", &path, "message=note").await;
        desk.changes(
            "POST",
            &path,
            "message=in&useridentifier=jane%40example.com",
        )
        .await;
        desk.changes("PUT", &format!("conversations/{id}/status"), "status=R")
            .await;
        desk.changes(
            "PUT",
            &format!("conversations/{id}/attendants"),
            "agentidentifier=alice%40agent.example",
        )
        .await;
        let got = desk.does("GET", &path, "").await;
        let groups = got["groups"].as_array().unwrap();
        let letters: String = groups
            .iter()
            .map(|group| group["rtype"].as_str().unwrap())
            .collect();
        assert_eq!(letters, "MIMRT");
        let inner: Vec<String> = groups
            .iter()
            .map(|group| {
                let messages = group["messages"].as_array().unwrap();
                messages
                    .iter()
                    .map(|message| message["rtype"].as_str().unwrap())
                    .collect()
            })
            .collect();
        assert_eq!(inner, ["MM", "N", "M", "S", "R"]);
        assert_eq!(groups[0]["datefinished"], "2026-01-15 02:31:00");
        assert_eq!(groups[1]["userid"], "system");
        for (params, expected) in [
            ("dateto=2026-01-15+02:30:00", vec![1]),
            ("datefrom=2026-01-15+02:31:00", vec![1, 1, 1, 1, 1]),
            ("datefrom=2026-01-15&dateto=2026-01-15", vec![2, 1, 1, 1, 1]),
            ("datefrom=2026-01-16", vec![]),
        ] {
            let got = desk.does("GET", &path, params).await;
            let groups = got["groups"].as_array().cloned().unwrap_or_default();
            let numbers: Vec<usize> = groups
                .iter()
                .map(|group| group["messages"].as_array().unwrap().len())
                .collect();
            assert_eq!(numbers, expected, "{params}");
        }
        let wrong = (500, "invalid value of parameter datefrom".to_owned());
        assert_eq!(desk.refuses("GET", &path, "datefrom=x").await, wrong);
        desk.changes("DELETE", &format!("conversations/{id}"), "")
            .await;
        let got = desk.does("GET", &path, "").await;
        assert_eq!(got["groups"][0]["rstatus"], "D");
        assert_eq!(got["groups"][5]["rtype"], "X");
    }
}

#[tokio::test]
async fn a_message_by_channel_author_and_type() {
    let desk = Desk::open().await;
    let jane = desk.jane().await;
    let mail = desk.ticket("").await;
    let chat = desk.ticket("&status=T").await;
    let call = desk.ticket("&status=P").await;
    let sms = elsewhere(&desk, Channel::Sms, Some("+15550000001"), false).await;
    let custom = elsewhere(&desk, Channel::Custom("my".into()), None, true).await;
    let agent = "&useridentifier=alice%40agent.example";
    let customer = format!("&useridentifier={jane}");
    for (id, by, more, expected) in [
        (
            &mail,
            agent,
            "",
            "conversation_message mail out agent A M M",
        ),
        (
            &mail,
            agent,
            "&type=M",
            "conversation_message mail out agent A M M",
        ),
        (
            &mail,
            &customer,
            "",
            "conversation_message mail in customer C M M",
        ),
        (
            &mail,
            agent,
            "&type=N",
            "conversation_message note internal agent C I N",
        ),
        (
            &mail,
            "",
            "",
            "conversation_message note internal system C I N",
        ),
        (
            &mail,
            "",
            "&type=M",
            "conversation_message note internal system C I N",
        ),
        (
            &chat,
            agent,
            "",
            "conversation_message chat out agent T C M",
        ),
        (
            &chat,
            &customer,
            "",
            "conversation_message chat in customer T C M",
        ),
        (
            &call,
            agent,
            "",
            "conversation_message call out agent P V D",
        ),
        (
            &call,
            &customer,
            "",
            "conversation_message call in customer P P D",
        ),
        (&sms, agent, "", "sms    A M M"),
        (
            &sms,
            &customer,
            "",
            "conversation_message sms in customer C M M",
        ),
        (&custom, agent, "", "custom_channel_outgoing    A C M"),
        (
            &custom,
            &customer,
            "",
            "conversation_message custom in customer C C M",
        ),
    ] {
        let path = format!("conversations/{id}/messages");
        let told = desk
            .changes("POST", &path, &format!("message=hello{by}{more}"))
            .await;
        assert_eq!(told.len(), 1, "{expected}");
        let data = &told[0].1;
        let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        let status = desk.read(&format!("conversations/{id}"), "").await["status"].clone();
        let groups = desk.read(&path, "").await;
        let group = groups["groups"].as_array().unwrap().last().unwrap().clone();
        let message = group["messages"]
            .as_array()
            .unwrap()
            .last()
            .unwrap()
            .clone();
        let said = [
            told[0].0.clone(),
            text("kind"),
            text("direction"),
            text("author_type"),
            status.as_str().unwrap().to_owned(),
            group["rtype"].as_str().unwrap().to_owned(),
            message["rtype"].as_str().unwrap().to_owned(),
        ];
        assert_eq!(said.join(" "), expected, "{by}{more}");
        let known = desk.told(0).await;
        let last = &known.last().unwrap().1;
        match told[0].0.as_str() {
            "sms" => assert_eq!(
                (&last["number"], &last["text"], &last["author"]),
                (&json!("+15550000001"), &json!("hello"), &json!("alice"))
            ),
            "custom_channel_outgoing" => assert_eq!(
                (
                    &last["channel"],
                    &last["external_contact_id"],
                    &last["message_type"]
                ),
                (&json!("my"), &json!("x1"), &json!("text"))
            ),
            _ => assert_eq!(
                last["send_mail"],
                text("kind") == "mail" && text("direction") == "out"
            ),
        }
    }
}

#[tokio::test]
async fn what_a_message_needs() {
    for desk in both().await {
        let id = desk.ticket("").await;
        let path = format!("conversations/{id}/messages");
        let (longer, text) = ("x".repeat(100_001), "x".repeat(1601));
        for (params, expected) in [
            ("", "parameter message is missing"),
            ("message=+", "parameter message is missing"),
            ("message=m&type=X", "invalid value of parameter type"),
            ("message=m&type=n", "invalid value of parameter type"),
            ("message=m&useridentifier=x", "unable to load user"),
            (
                "message=m&do_not_send_mail=y",
                "invalid value of parameter do_not_send_mail",
            ),
            (
                &format!("message={longer}"),
                "parameter message is too long",
            ),
        ] {
            assert_eq!(
                desk.refuses("POST", &path, params).await,
                (500, expected.to_owned()),
                "{params:.50}"
            );
        }
        let agent = "&useridentifier=alice%40agent.example";
        let sms = elsewhere(&desk, Channel::Sms, None, false).await;
        let other = elsewhere(&desk, Channel::Custom("other".into()), None, false).await;
        let unreachable = (500, "customer is not reachable".to_owned());
        for id in [&sms, &other] {
            let path = format!("conversations/{id}/messages");
            assert_eq!(
                desk.refuses("POST", &path, &format!("message=m{agent}"))
                    .await,
                unreachable
            );
        }
        let path = format!("conversations/{sms}/messages");
        let long = (500, "parameter message is too long".to_owned());
        assert_eq!(
            desk.refuses("POST", &path, &format!("message={text}{agent}"))
                .await,
            long
        );
        // A note is no text message.
        assert_eq!(
            types(
                &desk
                    .changes("POST", &path, &format!("message={text}"))
                    .await
            ),
            ["conversation_message"]
        );
        // Repeats are stored again, and mail ids are kept.
        let path = format!("conversations/{id}/messages");
        let params =
            format!("message=m{agent}&mail_message_id=m7&is_html_message=Y&do_not_send_mail=Y");
        for _ in 0..2 {
            let told = desk.changes("POST", &path, &params).await;
            let data = &told[0].1;
            assert_eq!(
                (
                    &data["mail_message_id"],
                    &data["is_html"],
                    &data["send_mail"]
                ),
                (&json!("m7"), &json!(true), &Value::Bool(false))
            );
        }
    }
}
