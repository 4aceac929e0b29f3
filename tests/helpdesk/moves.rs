//! Calls 3 to 6 and 12 to 15.

use hookrelay::domain::user::Changes;
use serde_json::{Value, json};

use crate::desk::{both, types};
use crate::people;

#[tokio::test]
async fn transfer() {
    for desk in both().await {
        let id = desk.ticket("").await;
        people::add(&desk.world, "bob", "Agent", Changes::default()).await;
        let path = format!("conversations/{id}/attendants");
        let told = desk.changes("PUT", &path, "agentidentifier=alice%40agent.example&useridentifier=bob%40agent.example&note=Take+it").await;
        assert_eq!(
            types(&told),
            ["conversation_transfer", "conversation_message"]
        );
        let transfer = &told[0].1;
        for (name, expected) in [
            ("assigned_to", json!("alice")),
            ("from_assigned", Value::Null),
            ("actor", json!("bob")),
            ("status", json!("N")),
        ] {
            assert_eq!(transfer[name], expected, "{name}");
        }
        assert_eq!(transfer["from_department_id"], transfer["department_id"]);
        let note = &told[1].1;
        assert_eq!(
            (&note["kind"], &note["direction"], &note["author"]),
            (&json!("note"), &json!("internal"), &json!("bob"))
        );
        // The same again is only the note.
        let told = desk
            .changes(
                "PUT",
                &path,
                "agentidentifier=alice%40agent.example&messages=%5B%22one%22,%22two%22%5D",
            )
            .await;
        assert_eq!(
            types(&told),
            ["conversation_message", "conversation_message"]
        );
        assert_eq!(
            (&told[0].1["body"], &told[1].1["body"]),
            (&json!("one"), &json!("two"))
        );
        assert_eq!(told[0].1["author_type"], "system");
        assert!(
            desk.changes("PUT", &path, "agentidentifier=alice%40agent.example")
                .await
                .is_empty()
        );
        let sales = desk
            .world
            .admin(
                "POST",
                &format!("/admin/v1/accounts/{}/departments", desk.world.account),
                r#"{"name":"Sales"}"#,
            )
            .await;
        let sales = sales.json()["department"].as_str().unwrap().to_owned();
        let told = desk
            .changes("PUT", &path, &format!("department={sales}"))
            .await;
        assert_eq!(
            (
                &told[0].1["department_name"],
                &told[0].1["from_assigned"],
                &told[0].1["actor"]
            ),
            (&json!("Sales"), &json!("alice"), &Value::Null)
        );
        let got = desk.does("GET", &format!("conversations/{id}"), "").await;
        assert_eq!(got["assignedto"], desk.alice.reference.to_string());
        assert_eq!(got["departmentname"], "Sales");
        for (params, expected) in [
            ("", "parameter agentidentifier is missing"),
            ("agentidentifier=jane%40example.com", "unable to load agent"),
            ("department=000000000000", "unable to load department"),
            (
                "department=000000000000&useridentifier=x",
                "unable to load department",
            ),
            (
                "agentidentifier=bob%40agent.example&useridentifier=x",
                "unable to load user",
            ),
        ] {
            assert_eq!(
                desk.refuses("PUT", &path, params).await,
                (500, expected.to_owned()),
                "{params}"
            );
        }
    }
}

#[tokio::test]
async fn status_and_deletion() {
    for desk in both().await {
        let id = desk.ticket("").await;
        let path = format!("conversations/{id}/status");
        desk.later(hookrelay::clock::Millis::minutes(30));
        let told = desk
            .changes(
                "PUT",
                &path,
                "status=R&useridentifier=alice%40agent.example",
            )
            .await;
        assert_eq!(types(&told), ["conversation_status"]);
        for (name, expected) in [
            ("status", json!("R")),
            ("old_status", json!("N")),
            ("actor", json!("alice")),
            ("changed_at", json!("2026-01-15T11:00:00Z")),
        ] {
            assert_eq!(told[0].1[name], expected, "{name}");
        }
        assert!(desk.changes("PUT", &path, "status=R").await.is_empty());
        assert_eq!(
            types(&desk.changes("PUT", &path, "status=R&note=n").await),
            ["conversation_message"]
        );
        assert_eq!(
            types(&desk.changes("PUT", &path, "status=A&note=n").await),
            ["conversation_status", "conversation_message"]
        );
        for (params, expected) in [
            ("", "parameter status is missing"),
            ("status=N", "invalid value of parameter status"),
            ("status=r", "invalid value of parameter status"),
            ("status=C&useridentifier=x", "unable to load user"),
        ] {
            assert_eq!(
                desk.refuses("PUT", &path, params).await,
                (500, expected.to_owned())
            );
        }
        let one = format!("conversations/{id}");
        let told = desk
            .changes(
                "DELETE",
                &one,
                "messages=%5B%22a%22%5D&useridentifier=alice%40agent.example",
            )
            .await;
        assert_eq!(
            types(&told),
            ["conversation_message", "delete_conversation"]
        );
        assert_eq!(told[1].1["actor"], "alice");
        assert!(desk.changes("DELETE", &one, "note=late").await.is_empty());
        let got = desk.does("GET", &one, "").await;
        assert_eq!(got["status"], "X");
        let deleted = (500, "conversation is deleted".to_owned());
        let tag = desk.does("POST", "tags", "name=hot").await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        for (method, below, params) in [
            (
                "PUT",
                "attendants",
                "agentidentifier=alice%40agent.example".to_owned(),
            ),
            ("POST", "fields", "customfields=%5B%5D".to_owned()),
            ("POST", "messages", "message=m".to_owned()),
            ("PUT", "status", "status=R".to_owned()),
            ("DELETE", "tags", format!("id={tag}")),
            ("POST", "tags", format!("id={tag}")),
        ] {
            assert_eq!(
                desk.refuses(method, &format!("{one}/{below}"), &params)
                    .await,
                deleted,
                "{method} {below}"
            );
        }
        assert!(
            desk.changes("DELETE", &format!("{one}/fields"), "")
                .await
                .is_empty()
        );
    }
}

#[tokio::test]
async fn fields_and_tags() {
    for desk in both().await {
        let id = desk.ticket("").await;
        let fields = format!("conversations/{id}/fields");
        let one = "customfields=%5B%7B%22code%22%3A%22a%22%2C%22value%22%3A%221%22%7D%5D";
        let told = desk.changes("POST", &fields, one).await;
        assert_eq!(types(&told), ["conversation_fields"]);
        assert_eq!(
            told[0].1["custom_fields"],
            json!([{"code": "a", "value": "1"}])
        );
        // The same code may repeat.
        desk.changes("POST", &fields, one).await;
        let got = desk.does("GET", &format!("conversations/{id}"), "").await;
        assert_eq!(
            got["customfields"],
            json!([{"code": "a", "value": "1"}, {"code": "a", "value": "1"}])
        );
        assert!(desk.changes("DELETE", &fields, "code=b").await.is_empty());
        assert_eq!(
            types(&desk.changes("DELETE", &fields, "code=a").await),
            ["conversation_fields"]
        );
        assert!(desk.changes("DELETE", &fields, "").await.is_empty());
        desk.changes("POST", &fields, one).await;
        assert_eq!(
            desk.changes("DELETE", &fields, "").await[0].1["custom_fields"],
            json!([])
        );
        assert_eq!(
            desk.refuses("POST", &fields, "").await,
            (500, "parameter customfields is missing".to_owned())
        );
        assert_eq!(
            desk.refuses("POST", &fields, "customfields=%7B%7D").await,
            (500, "invalid value of parameter customfields".to_owned())
        );

        let tags = format!("conversations/{id}/tags");
        let tag = desk.does("POST", "tags", "name=prospect-2026").await["id"]
            .as_str()
            .unwrap()
            .to_owned();
        desk.does("POST", "tags", "name=Another").await;
        let told = desk
            .changes("POST", &tags, &format!("id={tag}&name=ignored"))
            .await;
        assert_eq!(types(&told), ["conversation_tags"]);
        assert_eq!(
            (
                &told[0].1["added"],
                &told[0].1["removed"],
                &told[0].1["tags"]
            ),
            (
                &json!(["prospect-2026"]),
                &json!([]),
                &json!(["prospect-2026"])
            )
        );
        assert!(
            desk.changes("POST", &tags, "name=PROSPECT-2026")
                .await
                .is_empty()
        );
        desk.changes("POST", &tags, "name=another").await;
        let listed = desk.does("GET", &tags, "").await;
        assert_eq!(
            (&listed["tags"][0]["name"], &listed["tags"][1]),
            (
                &json!("Another"),
                &json!({"id": tag, "name": "prospect-2026"})
            )
        );
        let told = desk.changes("DELETE", &tags, "name=another").await;
        assert_eq!(
            (&told[0].1["removed"], &told[0].1["tags"]),
            (&json!(["Another"]), &json!(["prospect-2026"]))
        );
        assert!(
            desk.changes("DELETE", &tags, "name=another")
                .await
                .is_empty()
        );
        for method in ["POST", "DELETE"] {
            for (params, expected) in [
                ("", (500, "parameter id is missing")),
                (
                    "id=000000000000",
                    (404, "tag with id 000000000000 not found"),
                ),
                ("id=x", (404, "tag with id x not found")),
                ("name=none", (404, "tag with name none not found")),
            ] {
                let (status, text) = desk.refuses(method, &tags, params).await;
                assert_eq!((status, text.as_str()), expected, "{method} {params}");
            }
        }
        // A tag that goes is gone from conversations.
        assert_eq!(
            types(&desk.changes("DELETE", &format!("tags/{tag}"), "").await),
            ["delete_tag"]
        );
        assert_eq!(desk.does("GET", &tags, "").await, json!({"tags": ""}));
    }
}

#[tokio::test]
async fn unknown_conversations() {
    for desk in both().await {
        for (method, below, params) in [
            ("GET", "", ""),
            ("DELETE", "", ""),
            ("PUT", "/attendants", "agentidentifier=x"),
            ("DELETE", "/fields", ""),
            ("POST", "/fields", "customfields=%5B%5D"),
            ("GET", "/messages", ""),
            ("POST", "/messages", "message=m"),
            ("PUT", "/status", "status=R"),
            ("DELETE", "/tags", "id=x"),
            ("GET", "/tags", ""),
            ("POST", "/tags", "id=x"),
        ] {
            let expected = (500, "unable to load conversation".to_owned());
            let path = format!("conversations/000000000000{below}");
            assert_eq!(
                desk.refuses(method, &path, params).await,
                expected,
                "{method} {below}"
            );
        }
    }
}
