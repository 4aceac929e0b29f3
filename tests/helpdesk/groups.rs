//! Calls 24 to 35 and 56 to 64.

use hookrelay::clock::Millis;
use hookrelay::domain::user::Changes;
use serde_json::{Value, json};

use crate::desk::{Desk, both, types};
use crate::people;

#[tokio::test]
async fn groups_and_tags_look_alike() {
    for desk in both().await {
        for (path, list, what, types_of) in [
            (
                "customersgroups",
                "groups",
                "group",
                ["new_list", "update_list", "delete_list"],
            ),
            (
                "tags",
                "tags",
                "tag",
                ["new_tag", "update_tag", "delete_tag"],
            ),
        ] {
            assert_eq!(desk.does("GET", path, "").await, json!({list: ""}));
            let before = desk.world.logged().await;
            let made = desk.does("POST", path, "name=VIP").await;
            let id = made["id"].as_str().unwrap().to_owned();
            assert_eq!(
                made,
                json!({"status": "OK", "statuscode": "0", "id": id, "name": "VIP", "color": "FFFFFF", "bg_color": "0000FF"})
            );
            let told = desk.told(before).await;
            assert_eq!(types(&told), [types_of[0]]);
            assert_eq!(
                (&told[0].1["name"], &told[0].1["bg_color"]),
                (&json!("VIP"), &json!("0000FF"))
            );
            let other = desk
                .does("POST", path, "name=another&color=%23aabbcc&bg_color=000000")
                .await;
            assert_eq!(
                (&other["color"], &other["bg_color"]),
                (&json!("AABBCC"), &json!("000000"))
            );
            let colored = json!({"id": id, "name": "VIP", "color": "FFFFFF", "bg_color": "0000FF"});
            assert_eq!(desk.does("GET", &format!("{path}/{id}"), "").await, colored);
            let listed = desk.does("GET", path, "").await;
            assert_eq!(listed[list][0]["name"], "another");
            let row = if what == "tag" {
                colored
            } else {
                json!({"id": id, "name": "VIP"})
            };
            assert_eq!(listed[list][1], row);
            let one = format!("{path}/{id}");
            let told = desk.changes("PUT", &one, "color=000000").await;
            assert_eq!(
                (types(&told), &told[0].1["changed"]),
                (vec![types_of[1]], &json!(["color"]))
            );
            assert!(desk.changes("PUT", &one, "color=000000").await.is_empty());
            assert!(desk.changes("PUT", &one, "name=").await.is_empty());
            assert_eq!(
                desk.changes("PUT", &one, "name=vip").await[0].1["changed"],
                json!(["name"])
            );
            for (method, path, params, expected) in [
                (
                    "POST",
                    path,
                    "",
                    (500, "parameter name is missing".to_owned()),
                ),
                (
                    "POST",
                    path,
                    "name=x&color=red",
                    (500, "invalid value of parameter color".to_owned()),
                ),
                (
                    "POST",
                    path,
                    "name=x&bg_color=12345",
                    (500, "invalid value of parameter bg_color".to_owned()),
                ),
                (
                    "POST",
                    path,
                    &format!("name={}", "x".repeat(256)),
                    (500, "parameter name is too long".to_owned()),
                ),
                (
                    "POST",
                    path,
                    "name=ViP",
                    (500, format!("{what} with name ViP already exists")),
                ),
                (
                    "PUT",
                    &one,
                    "name=ANOTHER",
                    (500, format!("{what} with name ANOTHER already exists")),
                ),
                (
                    "PUT",
                    &one,
                    "color=x",
                    (500, "invalid value of parameter color".to_owned()),
                ),
                (
                    "GET",
                    &format!("{path}/000000000000"),
                    "",
                    (404, format!("{what} with id 000000000000 not found")),
                ),
                (
                    "PUT",
                    &format!("{path}/x"),
                    "name=y",
                    (404, format!("{what} with id x not found")),
                ),
                (
                    "DELETE",
                    &format!("{path}/x"),
                    "",
                    (404, format!("{what} with id x not found")),
                ),
            ] {
                assert_eq!(
                    desk.refuses(method, path, params).await,
                    expected,
                    "{method} {path} {params:.40}"
                );
            }
            let told = desk.changes("DELETE", &one, "").await;
            assert_eq!(
                (types(&told), &told[0].1["name"]),
                (vec![types_of[2]], &json!("vip"))
            );
            assert_eq!(desk.refuses("DELETE", &one, "").await.0, 404);
        }
        let long = format!("name={}", "x".repeat(65));
        assert_eq!(
            desk.refuses("POST", "tags", &long).await.1,
            "parameter name is too long"
        );
        desk.does("POST", "customersgroups", &long).await;
    }
}

#[tokio::test]
async fn ten_thousand_tags() {
    let desk = Desk::open().await;
    let account = desk.world.account;
    let accounts = [account];
    for batch in 0..20 {
        let made = desk.world.db.transact(&accounts, |tx| async move {
            let names: Vec<String> = (0..500)
                .map(|number| format!("tag-{batch:02}-{number:03}"))
                .collect();
            hookrelay::domain::tag::ensure(&tx, account, &names).await
        });
        made.await.unwrap();
    }
    let tags = desk.read("tags", "").await;
    let tags = tags["tags"].as_array().unwrap();
    assert_eq!(
        (tags.len(), &tags[0]["name"], &tags[9999]["name"]),
        (10_000, &json!("tag-00-000"), &json!("tag-19-499"))
    );
}

#[tokio::test]
async fn departments_and_who_is_online() {
    for desk in both().await {
        let path = format!("/admin/v1/accounts/{}/departments", desk.world.account);
        let general = desk.general().await;
        let online = |letters: &str| Changes {
            online_status: Some(letters.to_owned()),
            last_name: Some("Adams".to_owned()),
            ..Changes::default()
        };
        people::add(&desk.world, "bob", "Agent", online("TM")).await;
        people::add(&desk.world, "carl", "Agent", online("P")).await;
        desk.world
            .admin(
                "PATCH",
                &format!("{path}/{general}"),
                r#"{"agents":["alice","bob","carl"]}"#,
            )
            .await;
        let sales = desk
            .world
            .admin(
                "POST",
                &path,
                r#"{"name":"Sales","description":"d","agents":["alice"]}"#,
            )
            .await
            .json();
        let sales = sales["department"].as_str().unwrap().to_owned();
        let dept = json!({"departmentid": general, "name": "General", "description": "", "onlinestatus": "TPM", "presetstatus": "TPM", "deleted": "N"});
        let gone = |deleted: &str| json!({"departmentid": sales, "name": "Sales", "description": "d", "onlinestatus": "F", "presetstatus": "F", "deleted": deleted});
        assert_eq!(
            desk.does("GET", "departments", "").await,
            json!({"departments": [dept, gone("N")]})
        );
        assert_eq!(
            desk.does("GET", &format!("departments/{general}"), "")
                .await,
            dept
        );
        let agents = desk
            .does("GET", &format!("departments/{general}/agents"), "")
            .await;
        let names: Vec<&str> = agents["agents"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| row["email"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "bob@agent.example",
                "carl@agent.example",
                "alice@agent.example"
            ]
        );
        let alice = desk.alice.reference.to_string();
        assert_eq!(
            agents["agents"][2],
            json!({"userid": alice, "firstname": "Alice", "lastname": "Stone", "email": "alice@agent.example", "onlinestatus": "F", "presetstatus": "F"})
        );
        let states = desk.does("GET", "onlinestatus/agents", "").await;
        assert_eq!(
            states["agentsOnlineStates"][2],
            json!({"id": alice, "contactid": alice, "username": "alice", "firstname": "Alice", "lastname": "Stone", "avatar_url": "", "onlineStatus": "F"})
        );
        desk.ticket("").await;
        desk.ticket("&status=C").await;
        desk.ticket("&status=T").await;
        desk.ticket("&status=R").await;
        let row = json!({"id": general, "name": "General", "onlineStatus": "TPM", "presetStatus": "TPM", "chat_count": "1", "new_count": "1", "customer_reply_count": "1", "total_count": "3", "max_count": "5"});
        let states = desk.does("GET", "onlinestatus/departments", "").await;
        assert_eq!(states["departmentsOnlineStates"][0], row);
        assert_eq!(
            desk.world
                .admin("DELETE", &format!("{path}/Sales"), "")
                .await
                .status,
            200
        );
        assert_eq!(
            desk.world
                .admin("DELETE", &format!("{path}/General"), "")
                .await
                .status,
            409
        );
        assert_eq!(
            desk.does("GET", &format!("departments/{sales}"), "").await,
            gone("Y")
        );
        assert_eq!(
            desk.does("GET", &format!("departments/{sales}/agents"), "")
                .await,
            json!({"agents": ""})
        );
        let states = desk.does("GET", "onlinestatus/departments", "").await;
        assert_eq!(
            states["departmentsOnlineStates"].as_array().unwrap().len(),
            1
        );
        // Who is out of service is nowhere.
        let users = format!("/admin/v1/accounts/{}/users/bob", desk.world.account);
        desk.world
            .admin("PATCH", &users, r#"{"active":false,"online_status":"F"}"#)
            .await;
        let states = desk.does("GET", "onlinestatus/agents", "").await;
        assert_eq!(states["agentsOnlineStates"].as_array().unwrap().len(), 2);
        for path in [
            "departments/000000000000",
            "departments/000000000000/agents",
        ] {
            assert_eq!(
                desk.refuses("GET", path, "").await,
                (404, "department with id 000000000000 not found".to_owned())
            );
        }
    }
}

#[tokio::test]
async fn the_knowledge_base() {
    for desk in both().await {
        let path = format!("/admin/v1/accounts/{}", desk.world.account);
        let add = async |what: &str, body: Value| -> String {
            let reply = desk
                .world
                .admin("POST", &format!("{path}/{what}"), &body.to_string())
                .await;
            assert_eq!(reply.status, 201, "{}", reply.body);
            reply.json()["entry"].as_str().unwrap().to_owned()
        };
        assert_eq!(
            desk.does("GET", "knowledgebase/entries", "").await,
            json!({"entries": ""})
        );
        let help = add("categories", json!({"title": "Help"})).await;
        let inner = add("categories", json!({"title": "Inner", "category": "Help"})).await;
        let hours = add(
            "articles",
            json!({"title": "Opening hours", "content": "9-17", "category": help}),
        )
        .await;
        assert_eq!(
            desk.does("GET", "knowledgebase/entries", "").await,
            json!({"entries":[{"kb_entry_id":hours,"rtype":"A","title":"Opening hours","metadescription":"","keywords":"","status":"P","deleted":"N","parent_entry_id":help,"full_path":"Help/Opening hours","content":"9-17","datecreated":"2026-01-15 02:30:00","datechanged":"2026-01-15 02:30:00"}]})
        );
        desk.later(Millis::minutes(1));
        add("articles", json!({"title": "Second", "content": "Opening hours of the second shop", "keywords": "SHOP", "category": inner})).await;
        desk.later(Millis::minutes(1));
        add(
            "articles",
            json!({"title": "Third", "metadescription": "hours for opening"}),
        )
        .await;
        let hidden = add(
            "articles",
            json!({"title": "Opening hours hidden", "public": false}),
        )
        .await;
        let before = desk.world.logged().await;
        let made = desk.does("POST", "suggestions", &format!("title=Dark+mode&message=Please+add+one&categoryid={help}&useridentifier=alice%40agent.example")).await;
        let told = desk.told(before).await;
        assert_eq!(
            told,
            [(
                "new_suggestion".to_owned(),
                json!({"entry_id": made["id"], "title": "Dark mode", "message": "Please add one", "category_id": help, "author_type": "agent", "author": "alice"})
            )]
        );
        desk.does(
            "POST",
            "suggestions",
            &format!("subject=S&message=m&categoryid={inner}"),
        )
        .await;
        for (query, expected) in [
            ("query=opening", vec!["Opening hours", "Third", "Second"]),
            (
                "query=HOURS+opening",
                vec!["Opening hours", "Third", "Second"],
            ),
            ("query=shop+second", vec!["Second"]),
            ("query=opening&limit=1", vec!["Opening hours"]),
            (
                "query=opening&tree_path=x",
                vec!["Opening hours", "Third", "Second"],
            ),
            (
                &format!("query=opening&parent_entry_id={inner}"),
                vec!["Second"],
            ),
            ("query=opening&parent_entry_id=x", vec![]),
            ("query=dark", vec![]),
            ("query=%25", vec![]),
        ] {
            let found = desk.does("GET", "knowledgebase/search", query).await;
            let rows = found["entries"].as_array().cloned().unwrap_or_default();
            let titles: Vec<&str> = rows
                .iter()
                .map(|row| row["title"].as_str().unwrap())
                .collect();
            assert_eq!(titles, expected, "{query}");
        }
        assert_eq!(
            desk.refuses("GET", "knowledgebase/search", "").await,
            (500, "parameter query is missing".to_owned())
        );
        assert_eq!(
            desk.world
                .admin("DELETE", &format!("{path}/articles/{hidden}"), "")
                .await
                .status,
            200
        );
        let all = desk.does("GET", "knowledgebase/entries", "").await;
        let all: Vec<(&str, &str, &str, &str)> = all["entries"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                let text = |name: &str| row[name].as_str().unwrap();
                (
                    text("rtype"),
                    text("status"),
                    text("deleted"),
                    text("full_path"),
                )
            })
            .collect();
        assert_eq!(
            all[1..],
            [
                ("A", "P", "N", "Help/Inner/Second"),
                ("A", "P", "N", "Third"),
                ("A", "N", "Y", "Opening hours hidden"),
                ("S", "N", "N", "Help/Dark mode"),
                ("S", "N", "N", "Help/Inner/S")
            ]
        );
        let page = desk
            .does("GET", "knowledgebase/entries", "limitcount=1&limitfrom=4")
            .await;
        assert_eq!(page["entries"][0]["title"], "Dark mode");
        assert_eq!(
            desk.does("GET", "suggestioncategories", "").await,
            json!({"suggestioncategories": [{"id": help, "title": "Help", "path": "Help"}, {"id": inner, "title": "Inner", "path": "Help/Inner"}]})
        );
        let (long, longer) = ("x".repeat(256), "x".repeat(10_001));
        for (params, expected) in [
            ("", "parameter title is missing".to_owned()),
            ("title=t", "parameter message is missing".to_owned()),
            (
                "title=t&message=m",
                "parameter categoryid is missing".to_owned(),
            ),
            (
                "title=t&message=m&categoryid=x",
                "unable to load category".to_owned(),
            ),
            (
                &format!("title=t&message=m&categoryid={hours}"),
                "unable to load category".to_owned(),
            ),
            (
                &format!("title=t&message=m&categoryid={help}&useridentifier=x"),
                "unable to load user".to_owned(),
            ),
            (
                &format!("subject={long}&message=m&categoryid={help}"),
                "parameter subject is too long".to_owned(),
            ),
            (
                &format!("title=t&message={longer}&categoryid={help}"),
                "parameter message is too long".to_owned(),
            ),
        ] {
            assert_eq!(
                desk.refuses("POST", "suggestions", params).await,
                (500, expected),
                "{params:.40}"
            );
        }
    }
}

#[tokio::test]
async fn overviews() {
    for desk in both().await {
        let none = json!({"chatsOverview": [{"visitors": "0", "chatting": "0", "queue": "0"}]});
        assert_eq!(desk.does("GET", "chats/overview", "").await, none);
        let (jane, department) = (desk.jane().await, desk.general().await);
        let begin = |by: &str, status: &str| {
            format!(
                "message=m&useridentifier={by}&department={department}&subject=s&recipient=jane%40example.com&status={status}"
            )
        };
        let alice = "alice%40agent.example";
        desk.does("POST", "conversations", &begin(&jane, "T")).await;
        desk.does("POST", "conversations", &begin(alice, "T")).await;
        desk.does("POST", "conversations", &begin(alice, "N")).await;
        let row = json!({"chatsOverview": [{"visitors": "1", "chatting": "1", "queue": "1"}]});
        assert_eq!(desk.does("GET", "chats/overview", "").await, row);
        desk.does("POST", "conversations", &begin(alice, "P")).await;
        desk.does("POST", "conversations", &begin(&jane, "P")).await;
        let ringing =
            desk.does("POST", "conversations", &begin(&jane, "P")).await["conversationid"].clone();
        let path = format!("conversations/{}/attendants", ringing.as_str().unwrap());
        desk.changes("PUT", &path, &format!("agentidentifier={alice}"))
            .await;
        let row = json!({"callsOverview": [{"running": "1", "ringing": "1", "inqueue": "1"}]});
        assert_eq!(desk.does("GET", "calls/overview", "").await, row);
    }
}
