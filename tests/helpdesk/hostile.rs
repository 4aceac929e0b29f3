//! Texts that are hostile to a format, and requests as real clients spell them.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;

use crate::desk::{Desk, flat, of_xml, same, types};
use crate::people::escaped;
use crate::world::{KEY, Reply};

/// Texts with what formats stumble over, and everything else.
fn text() -> impl Strategy<Value = String> {
    let pieces = [
        "\r",
        "\n",
        "\r\n",
        "\t",
        "]]>",
        "<![CDATA[",
        "&amp;",
        "<b>",
        "&",
        "\"",
        "'",
        "👍",
        "ä",
        "\u{1}",
        "\u{b}",
        "\u{1f}",
        "\u{7f}",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "\u{fffe}",
        "\u{ffff}",
        " ",
        "x",
        "%41",
        "\\",
        "{",
        "<?xml",
        "-->",
    ];
    let piece = prop_oneof![
        4 => prop::sample::select(pieces.to_vec()).prop_map(str::to_owned),
        1 => any::<char>().prop_filter("U+0000 is refused", |it| *it != '\0').prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

#[test]
fn the_same_answer_in_json_and_xml_carries_equal_values() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (desk, id) = runtime.block_on(async {
        let desk = Desk::open().await;
        let id = desk.ticket("").await;
        (desk, id)
    });
    let mut runner = TestRunner::new(Config {
        cases: 64,
        failure_persistence: None,
        ..Config::default()
    });
    let strategy = (text(), text(), text());
    runner
        .run(&strategy, |(message, value, name)| {
            runtime.block_on(async {
                let fields = json!([{"code": "c", "value": value}]).to_string();
                let path = format!("conversations/{id}");
                let body = format!("message=x{}", escaped(&message));
                desk.call("POST", &format!("{path}/messages"), &body).await;
                desk.call("DELETE", &format!("{path}/fields"), "").await;
                let body = format!("customfields={}", escaped(&fields));
                desk.call("POST", &format!("{path}/fields"), &body).await;
                let body = format!("name=x{}&email=n%40x.example", escaped(&name));
                desk.call("POST", "customers", &body).await;
                // Each of these fails the test where the two differ.
                let said = desk.read(&format!("{path}/messages"), "").await;
                desk.read(&path, "").await;
                desk.read("customers", "").await;
                let tag = format!("tags/{}", escaped(&format!("x{name}")).replace('+', "%20"));
                desk.fails("GET", &tag, "").await;
                let last = said["groups"].as_array().unwrap().last().unwrap()["messages"]
                    .as_array()
                    .unwrap()
                    .last()
                    .unwrap()["message"]
                    .clone();
                let is_kept = |it: &char| !it.is_control() || "\t\n\r".contains(*it);
                let kept: String = format!("x{message}").chars().filter(is_kept).collect();
                assert_eq!(last, kept);
            });
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn parameters_from_every_place_for_every_method() {
    let desk = Desk::open().await;
    let world = &desk.world;
    let id = desk.ticket("").await;
    let path = format!("/api/conversations/{id}/status");
    let key = ("apikey", KEY);
    let form = ("content-type", "application/x-www-form-urlencoded");
    let parts = "--b\r\nContent-Disposition: form-data; name=\"status\"\r\n\r\nC\r\n\
                 --b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\nfile\r\n--b--\r\n";
    let multipart = ("content-type", "multipart/form-data; boundary=b");
    let by_query = format!("{path}?status=R");
    let wrong_query = format!("{path}?status=Z&x=%zz");
    let handler = format!("/api/index.php?handler=conversations/{id}/status&status=A");
    for (path, headers, body, expected) in [
        (&path, vec![key, form], "status=A", "A"),
        (&path, vec![key], "status=R", "R"),
        (&path, vec![key], "{\"status\":\"A\"}", "A"),
        (&path, vec![key, form], " \u{feff}{\"status\":\"R\"}", "A"),
        (
            &path,
            vec![key, form],
            "\u{feff} {\"status\":\"R\",\"note\":null}",
            "R",
        ),
        (&path, vec![key, multipart], parts, "C"),
        (&by_query, vec![key], "", "R"),
        (&wrong_query, vec![key], "status=A", "A"),
        (&by_query, vec![key], "status=", "R"),
        (&handler, vec![key], "", "A"),
    ] {
        world.send("PUT", path, &headers, body).await;
        let got = desk.read(&format!("conversations/{id}"), "").await;
        // An empty value in the body hides the query's: then nothing changes.
        let expected = if body == "status=" { "A" } else { expected };
        assert_eq!(got["status"], expected, "{path} {body}");
    }
    let tag = desk.does("POST", "tags", "name=hot").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for (spelling, body) in [
        (format!("/api/conversations/{id}/tags?name=hot"), ""),
        (format!("/api/conversations/{id}/tags"), r#"{"name":"hot"}"#),
    ] {
        desk.changes(
            "POST",
            &format!("conversations/{id}/tags"),
            &format!("id={tag}"),
        )
        .await;
        let before = world.logged().await;
        let reply = world.send("DELETE", &spelling, &[key], body).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        assert_eq!(types(&desk.told(before).await), ["conversation_tags"]);
    }
    let fields = format!("/api/conversations/{id}/fields");
    let body = r#"{"customfields":[{"code":"n","value":1.5}]}"#;
    assert_eq!(world.send("POST", &fields, &[key], body).await.status, 200);
    let got = desk.read(&format!("conversations/{id}"), "").await;
    assert_eq!(got["customfields"], json!([{"code": "n", "value": "1.5"}]));
}

#[tokio::test]
async fn repeats_with_an_idempotency_key() {
    let desk = Desk::open().await;
    let send = async |path: &str, key: &str, body: &str| -> Reply {
        let headers = [("apikey", KEY), ("idempotency-key", key)];
        desk.world.send("POST", path, &headers, body).await
    };
    let first = send("/api/tags", "k1", "name=hot").await;
    let before = desk.world.logged().await;
    // Another spelling, place and media type is the same request.
    for (path, body) in [
        ("/api/tags/", "name=hot"),
        ("/api/tags.json?name=hot", ""),
        ("/api/index.php?handler=tags", r#"{"name":"hot"}"#),
    ] {
        let again = send(path, "k1", body).await;
        assert_eq!((again.status, &again.body), (200, &first.body), "{path}");
        assert_eq!(again.header("idempotency-replayed"), Some("true"));
    }
    assert_eq!(desk.world.logged().await, before);
    for (path, key, body, expected) in [
        (
            "/api/tags",
            "k1",
            "name=cold",
            "Idempotency-Key was used for another request",
        ),
        (
            "/api/tags.xml",
            "k1",
            "name=hot",
            "Idempotency-Key was used for another request",
        ),
        (
            "/api/tags",
            "ä",
            "name=cold",
            "Idempotency-Key is not valid",
        ),
    ] {
        let reply = send(path, key, body).await;
        assert_eq!(reply.status, 500, "{key}");
        assert!(reply.body.contains(expected), "{}", reply.body);
    }
    let xml = send("/api/tags.xml", "k2", "name=warm").await;
    let again = send("/api/tags.xml", "k2", "name=warm").await;
    assert_eq!(
        (&again.body, again.header("content-type")),
        (&xml.body, xml.header("content-type"))
    );
    assert_eq!(flat(&of_xml(&again.body))["name"], "warm");
    // A fault is not kept.
    assert_eq!(send("/api/tags", "k3", "name=warm").await.status, 500);
    let other = desk.call("GET", "tags", "").await;
    same(&other, &desk.call("GET", "tags.xml", "").await);
}

#[tokio::test]
async fn what_is_another_accounts_is_not_there() {
    let desk = Desk::open().await;
    let id = desk.ticket("").await;
    let tag = desk.does("POST", "tags", "name=hot").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let other = "f".repeat(40);
    desk.world.add_account("other", "other-login", &other).await;
    for (path, status) in [
        (format!("conversations/{id}"), 500),
        (format!("tags/{tag}"), 404),
        ("customers/jane@example.com".to_owned(), 404),
        ("agents/alice@agent.example".to_owned(), 404),
        (format!("departments/{}", desk.general().await), 404),
    ] {
        let reply = desk
            .world
            .send("GET", &format!("/api/{path}"), &[("apikey", &other)], "")
            .await;
        assert_eq!(reply.status, status, "{path} {}", reply.body);
    }
}
