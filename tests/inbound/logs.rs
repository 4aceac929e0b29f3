//! What the log says of requests, and what it never says.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::MakeWriter;

use crate::world::{COMM_KEY, KEY, LOGIN, PASSWORD, World};

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn requests_and_commits_are_logged_without_payloads_and_secrets() {
    let sink = Sink::default();
    let log = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(sink.clone())
        .finish();
    // The runtime of this test has one thread, so everything it runs logs here.
    let _guard = tracing::subscriber::set_default(log);
    let world = World::start().await;
    let made = world
        .manage(
            "POST",
            "endpoints",
            r#"{"url":"https://c.example/","headers":{"X-Mine":"headersecret"}}"#,
        )
        .await;
    let signing = made.json()["signing_secret"].as_str().unwrap().to_owned();
    let sent = world
        .manage("POST", "messages", r#"{"type":"t","data":"payloadtext"}"#)
        .await;
    world
        .manage("POST", "messages", r#"{"type":"t","data":["payloadtext"#)
        .await;
    let query = format!("/service?ai_login_password={PASSWORD}&looseSecret&x=y");
    let body = format!("ai_command=ping&ai_login_id={LOGIN}");
    assert_eq!(world.send("POST", &query, &[], &body).await.status, 200);
    let bearer = format!("Bearer {KEY}x");
    let wrong = [("authorization", bearer.as_str())];
    world.send("GET", "/relay/v1/endpoints", &wrong, "").await;

    let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    for never in [
        KEY,
        PASSWORD,
        COMM_KEY,
        &signing,
        "headersecret",
        "payloadtext",
        "looseSecret",
    ] {
        assert!(!text.contains(never), "{never} is in the log");
    }
    let id = sent.header("x-request-id").unwrap();
    let about: Vec<&str> = text.lines().filter(|line| line.contains(id)).collect();
    let account = world.account.to_string();
    assert_eq!(
        about.len(),
        2,
        "one line for the commit, one for the request: {about:?}"
    );
    for (line, word) in about.iter().zip(["committed", "request"]) {
        assert!(line.contains(word) && line.contains(&account), "{line}");
        assert!(
            line.contains("surface=\"manage\"") && line.contains("took_us="),
            "{line}"
        );
    }
    assert!(
        about[1].contains("status=202") && about[1].contains("took_us="),
        "{}",
        about[1]
    );
    let ping = text
        .lines()
        .find(|line| line.contains("surface=\"command\""))
        .unwrap();
    assert!(ping.contains("query=\"ai_login_password&x\""), "{ping}");
}
