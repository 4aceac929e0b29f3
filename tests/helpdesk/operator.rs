//! What the operator makes for a helpdesk: departments, agents, categories and articles.

use serde_json::{Value, json};

use crate::desk::{Desk, types};

async fn ask(desk: &Desk, method: &str, path: &str, body: Value) -> (u16, Value) {
    let path = format!("/admin/v1/accounts/{}/{path}", desk.world.account);
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let reply = desk.world.admin(method, &path, &body).await;
    (reply.status, reply.json())
}

#[tokio::test]
async fn departments() {
    let desk = Desk::open().await;
    let (status, made) = ask(
        &desk,
        "POST",
        "departments",
        json!({"name": " Sales ", "agents": ["alice"]}),
    )
    .await;
    assert_eq!(
        (status, &made["name"], &made["agents"]),
        (201, &json!("Sales"), &json!(["alice"]))
    );
    let (status, set) = ask(
        &desk,
        "PATCH",
        "departments/sales",
        json!({"name": "Vente", "description": "d", "agents": []}),
    )
    .await;
    assert_eq!(
        (status, &set["name"], &set["agents"]),
        (200, &json!("Vente"), &json!([]))
    );
    let (_, listed) = ask(&desk, "GET", "departments", Value::Null).await;
    assert_eq!(listed["departments"].as_array().unwrap().len(), 2);
    for (method, path, body, expected) in [
        ("POST", "departments", json!({}), 400),
        ("POST", "departments", json!({"name": ""}), 400),
        ("POST", "departments", json!({"name": "x".repeat(256)}), 400),
        ("POST", "departments", json!({"name": "GENERAL"}), 409),
        (
            "POST",
            "departments",
            json!({"name": "x", "agents": ["nobody"]}),
            404,
        ),
        (
            "POST",
            "departments",
            json!({"name": "x", "color": "y"}),
            400,
        ),
        ("PATCH", "departments/none", json!({"name": "x"}), 404),
        (
            "PATCH",
            "departments/Vente",
            json!({"name": "general"}),
            409,
        ),
        ("DELETE", "departments/General", Value::Null, 409),
        ("DELETE", "departments/Vente", Value::Null, 200),
        ("DELETE", "departments/Vente", Value::Null, 404),
    ] {
        assert_eq!(
            ask(&desk, method, path, body.clone()).await.0,
            expected,
            "{method} {path} {body}"
        );
    }
    // A name is free again when its department is gone.
    assert_eq!(
        ask(&desk, "POST", "departments", json!({"name": "Vente"}))
            .await
            .0,
        201
    );
}

#[tokio::test]
async fn agents_go_online() {
    let desk = Desk::open().await;
    let new = json!({"username": "bob", "email": "bob@agent.example", "first_name": "Bob", "last_name": "Hill", "account_type": "Agent", "gender": "M", "online_status": "MT"});
    let (status, made) = ask(&desk, "POST", "users", new).await;
    assert_eq!((status, &made["online_status"]), (201, &json!("TM")));
    let before = desk.world.logged().await;
    let (_, set) = ask(&desk, "PATCH", "users/alice", json!({"online_status": "P"})).await;
    assert_eq!(set["online_status"], "P");
    let told = desk.told(before).await;
    assert_eq!(
        (types(&told), &told[0].1["changed"]),
        (vec!["update_user"], &json!(["online_status"]))
    );
    let (_, listed) = ask(&desk, "GET", "users?agents=true", Value::Null).await;
    let names: Vec<&str> = listed["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["username"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["bob", "alice"]);
    assert_eq!(
        ask(&desk, "PATCH", "users/alice", json!({"online_status": "X"}))
            .await
            .0,
        400
    );
    assert_eq!(
        ask(&desk, "PATCH", "users/alice", json!({"gender": "X"}))
            .await
            .0,
        400
    );
}

#[tokio::test]
async fn categories_and_articles() {
    let desk = Desk::open().await;
    let (_, help) = ask(&desk, "POST", "categories", json!({"title": "Help"})).await;
    let help = help["entry"].as_str().unwrap();
    let (_, inner) = ask(
        &desk,
        "POST",
        "categories",
        json!({"title": "Inner", "category": help}),
    )
    .await;
    let (_, article) = ask(
        &desk,
        "POST",
        "articles",
        json!({"title": "A", "category": "inner", "content": "x\ny"}),
    )
    .await;
    assert_eq!(
        (
            &article["category"],
            &article["content"],
            &article["public"]
        ),
        (&inner["entry"], &json!("x\ny"), &json!(true))
    );
    let article = format!("articles/{}", article["entry"].as_str().unwrap());
    let (_, set) = ask(
        &desk,
        "PATCH",
        &article,
        json!({"title": "B", "public": false}),
    )
    .await;
    assert_eq!(
        (&set["title"], &set["public"], &set["content"]),
        (&json!("B"), &json!(false), &json!("x\ny"))
    );
    for (method, path, body, expected) in [
        ("POST", "categories", json!({}), 400),
        (
            "POST",
            "categories",
            json!({"title": "x", "content": "y"}),
            400,
        ),
        (
            "POST",
            "categories",
            json!({"title": "x", "category": "none"}),
            404,
        ),
        (
            "POST",
            "articles",
            json!({"title": "x", "content": "y".repeat(10_001)}),
            400,
        ),
        ("POST", "articles", json!({"title": "x".repeat(256)}), 400),
        (
            "PATCH",
            "categories/Help",
            json!({"category": "Inner"}),
            400,
        ),
        ("PATCH", "categories/Help", json!({"category": "Help"}), 400),
        ("PATCH", &article, json!({"category": help}), 200),
        ("PATCH", "articles/none", json!({"title": "x"}), 404),
        (
            "PATCH",
            &format!("articles/{help}"),
            json!({"title": "x"}),
            404,
        ),
        ("GET", "articles?skip=x", Value::Null, 400),
        ("DELETE", "categories/Inner", Value::Null, 200),
        ("DELETE", "categories/Inner", Value::Null, 404),
        ("DELETE", &article, Value::Null, 200),
    ] {
        assert_eq!(
            ask(&desk, method, path, body.clone()).await.0,
            expected,
            "{method} {path} {body:.60}"
        );
    }
    let (_, listed) = ask(&desk, "GET", "articles", Value::Null).await;
    assert_eq!(listed["entries"][0]["deleted"], true);
    assert_eq!(
        ask(&desk, "GET", "articles?skip=1", Value::Null).await.1["entries"],
        json!([])
    );
}

#[tokio::test]
async fn limits_of_answers_are_settings_of_an_account() {
    let desk = Desk::open().await;
    let path = format!("/admin/v1/accounts/{}", desk.world.account);
    let set =
        r#"{"slots":{"tickets":1,"chats":7,"calls":2},"sla":{"tickets":60,"chats":60,"calls":60}}"#;
    assert_eq!(desk.world.admin("PATCH", &path, set).await.status, 200);
    for wrong in [
        r#"{"slots":{"tickets":0,"chats":7,"calls":2}}"#,
        r#"{"sla":{"tickets":1}}"#,
    ] {
        assert_eq!(
            desk.world.admin("PATCH", &path, wrong).await.status,
            400,
            "{wrong}"
        );
    }
    let general = desk.general().await;
    ask(
        &desk,
        "PATCH",
        &format!("departments/{general}"),
        json!({"agents": ["alice"]}),
    )
    .await;
    ask(&desk, "PATCH", "users/alice", json!({"online_status": "T"})).await;
    let states = desk.read("onlinestatus/departments", "").await;
    assert_eq!(states["departmentsOnlineStates"][0]["max_count"], "7");
}
