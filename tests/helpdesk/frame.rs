//! Addresses, credentials, bodies and refusals of every call.

use hookrelay::api::front::Settings as Http;
use hookrelay::limit::Settings as Limits;

use crate::desk::{Desk, same, told};
use crate::world::{KEY, Options, World};

const PATH: &str = "/api/application/status";

#[tokio::test]
async fn both_spellings_suffixes_and_slashes() {
    let desk = Desk::open().await;
    let expected = desk.call("GET", "application/status", "").await;
    let xml = desk.call("GET", "application/status.xml", "").await;
    same(&expected, &xml);
    for (path, is_xml) in [
        ("/api/application/status/", false),
        ("/api//application/status", false),
        ("/api/application/status.json", false),
        ("/api/application/status.xml/", true),
        ("/api/index.php?handler=application/status", false),
        ("/api/index.php?handler=/application/status/", false),
        ("/api/index.php?handler=application%2Fstatus.xml", true),
        (
            "/api/index.php?x=1&handler=application%2Fstatus.json",
            false,
        ),
        ("/api/%61pplication/status", false),
    ] {
        let reply = desk.world.send("GET", path, &[("apikey", KEY)], "").await;
        let wanted = if is_xml { &xml } else { &expected };
        assert_eq!(reply.body, wanted.body, "{path}");
    }
}

#[tokio::test]
async fn unknown_paths_methods_and_formats() {
    let desk = Desk::open().await;
    for (method, path, expected) in [
        ("GET", "companies", (404, "handler not found")),
        ("GET", "index.php", (404, "handler not found")),
        ("GET", "agents", (404, "handler not found")),
        ("GET", "agents/..%2fx/y", (404, "handler not found")),
        ("POST", "application/status", (405, "method not allowed")),
        ("PATCH", "application/status", (405, "method not allowed")),
    ] {
        let (status, text) = desk.fails(method, path, "").await;
        assert_eq!((status, text.as_str()), expected, "{method} {path}");
    }
    // Nobody has to prove anything for that.
    let reply = desk.world.send("DELETE", PATH, &[], "").await;
    assert_eq!(told(&reply), (405, "method not allowed".to_owned()));
    assert_eq!(reply.header("allow"), Some("GET"));
    assert_eq!(desk.world.send("HEAD", PATH, &[], "").await.status, 405);
    assert_eq!(desk.world.send("GET", "/api", &[], "").await.status, 404);
    for path in [
        "/api/application/status.yaml",
        "/api/index.php?handler=application/status.yml",
    ] {
        let reply = desk.world.send("GET", path, &[], "").await;
        assert_eq!(
            told(&reply),
            (400, "yaml format is not supported".to_owned())
        );
    }
}

#[tokio::test]
async fn the_key_from_any_place() {
    let desk = Desk::open().await;
    let world = &desk.world;
    let json = format!(r#"{{"apikey":"{KEY}"}}"#);
    let form = format!("apikey={KEY}");
    let parts =
        format!("--b\r\nContent-Disposition: form-data; name=\"apikey\"\r\n\r\n{KEY}\r\n--b--\r\n");
    let multipart = ("content-type", "multipart/form-data; boundary=b");
    let query = format!("{PATH}?apikey={KEY}");
    let both = format!("{PATH}?apikey=wrong");
    for (path, headers, body) in [
        (PATH, vec![("apikey", KEY)], ""),
        (PATH, vec![("ApiKey", KEY)], ""),
        (&query, vec![], ""),
        (&query, vec![("apikey", " ")], "apikey="),
        (PATH, vec![], &json),
        (PATH, vec![("content-type", "text/plain")], &json),
        (PATH, vec![], &form),
        (PATH, vec![multipart], &parts),
        // The header beats the body, which beats the query.
        (&both, vec![("apikey", KEY)], "apikey=wrong"),
        (&both, vec![], &form),
    ] {
        let reply = world.send("GET", path, &headers, body).await;
        assert_eq!(
            reply.status, 200,
            "{path} {headers:?} {body} {}",
            reply.body
        );
    }
    let wrong = "x".repeat(40);
    for (key, expected) in [
        ("", (400, "apikey is missing")),
        (" ", (400, "apikey is missing")),
        ("short", (401, "apikey is not valid")),
        (wrong.as_str(), (401, "apikey is not valid")),
    ] {
        let json = world.send("GET", PATH, &[("apikey", key)], "").await;
        let xml = world
            .send("GET", &format!("{PATH}.xml"), &[("apikey", key)], "")
            .await;
        same(&json, &xml);
        let (status, text) = told(&json);
        assert_eq!((status, text.as_str()), expected, "{key}");
    }
}

#[tokio::test]
async fn keys_that_are_known_and_not_usable() {
    let desk = Desk::open().await;
    let world = &desk.world;
    let path = format!("/admin/v1/accounts/{}/keys", world.account);
    let made = world
        .admin("POST", &path, r#"{"surfaces":["contacts"]}"#)
        .await
        .json();
    let elsewhere = made["api_key"].as_str().unwrap().to_owned();
    let reply = world.send("GET", PATH, &[("apikey", &elsewhere)], "").await;
    assert_eq!(told(&reply), (400, "apikey is not usable".to_owned()));
}

#[tokio::test]
async fn what_cannot_be_decoded() {
    let desk = Desk::open().await;
    let many = "a=1&".repeat(1001);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(40), "]".repeat(40));
    let no_boundary = ("content-type", "multipart/form-data");
    for (headers, body) in [
        (vec![], "{"),
        (vec![], r#"{"a":1,"a":2}"#),
        (vec![], r#"{"a":1} x"#),
        (vec![], &deep),
        (vec![], "a=%ff"),
        (vec![], &many),
        (vec![no_boundary], "--b"),
    ] {
        let all = [&[("apikey", KEY)], headers.as_slice()].concat();
        let json = desk.world.send("GET", PATH, &all, body).await;
        let xml = desk
            .world
            .send("GET", &format!("{PATH}.xml"), &all, body)
            .await;
        same(&json, &xml);
        assert_eq!(
            told(&json),
            (500, "unable to parse request".to_owned()),
            "{body:.40}"
        );
    }
    let encoded = [("apikey", KEY), ("content-encoding", "gzip")];
    let reply = desk.world.send("GET", PATH, &encoded, "x").await;
    assert_eq!(told(&reply), (415, "unable to parse request".to_owned()));
    let reply = desk
        .world
        .send("GET", PATH, &[("apikey", KEY)], &"x".repeat(1 << 21))
        .await;
    assert_eq!(told(&reply), (413, "request is too large".to_owned()));
}

#[tokio::test]
async fn limited_insecure_and_draining() {
    let world = World::with(Options {
        limits: Limits {
            per_minute: 1,
            ..Limits::default()
        },
        ..Options::default()
    })
    .await;
    let key = [("apikey", KEY)];
    assert_eq!(world.send("GET", PATH, &key, "").await.status, 200);
    let json = world.send("GET", PATH, &key, "").await;
    let xml = world.send("GET", &format!("{PATH}.xml"), &key, "").await;
    same(&json, &xml);
    assert_eq!(told(&json), (429, "rate limit exceeded".to_owned()));
    assert_eq!(
        json.json()["response"]["debugmessage"],
        "retry after 60 seconds"
    );
    assert_eq!(json.header("retry-after"), Some("60"));
    assert_eq!(json.header("ratelimit-remaining"), Some("0"));
    world.accepting.set(false);
    let json = world.send("GET", PATH, &key, "").await;
    same(
        &json,
        &world.send("GET", &format!("{PATH}.xml"), &key, "").await,
    );
    assert_eq!(told(&json), (503, "application is unavailable".to_owned()));
    assert_eq!(json.header("retry-after"), Some("5"));
    let world = World::with(Options {
        http: Http::default(),
        ..Options::default()
    })
    .await;
    let json = world.send("GET", PATH, &key, "").await;
    same(
        &json,
        &world.send("GET", &format!("{PATH}.xml"), &key, "").await,
    );
    assert_eq!(told(&json), (403, "https is required".to_owned()));
}
