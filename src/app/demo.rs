//! The demonstration: a whole relay and a consumer in one process, narrated.
//!
//! Owns the scenario and what it says. Everything in it is real: the store on disk, the sockets,
//! the handshake, the refused delivery and its repetition. Does not know how any of it works.

use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use super::{Daemon, runtime};
use crate::cli::admin::{self, Call};
use crate::config::{Config, Layers};
use crate::consumer::{Arrival, Asked, Consumer, Login, Reply, Settings};
use crate::ops::signals::Signals;

/// A step that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the scenario; with `exit` it ends there, otherwise the relay stays up until Ctrl-C. An
/// error says which step did not happen.
pub fn run(exit: bool) -> Result<(), String> {
    let directory = Folder::make(&std::env::temp_dir(), "demo")?;
    let outcome = runtime()?.block_on(scenario(&directory.0, exit));
    drop(directory);
    outcome
}

/// A folder that goes with what it was made for.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    /// A folder in `base` for `what`.
    pub(super) fn make(base: &Path, what: &str) -> Result<Self, String> {
        let path = base.join(format!("hookrelay-{what}-{}", std::process::id()));
        std::fs::create_dir_all(&path)
            .map_err(|error| format!("{} cannot be made: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // Of what cannot be removed the name says what it was for.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn say(step: u32, text: &str) {
    println!("{step:>2}. {text}");
}

fn note(text: &str) {
    println!("    {text}");
}

async fn scenario(directory: &Path, exit: bool) -> Result<(), String> {
    let mut signals = Signals::catch().map_err(|error| error.to_string())?;
    let config = configuration(directory)?;
    println!("hookrelay demo: one process, one data directory, nothing else to run\n");

    say(1, "Start the relay: open the store, bind, serve.");
    let daemon = Daemon::start(&config)
        .await
        .map_err(|error| error.to_string())?;
    let address = *daemon.addresses.first().ok_or("no address was bound")?;
    note(&format!("data in {}", config.store.path.display()));
    note(&format!(
        "API on http://{address}/relay/v1/, operator socket {}",
        config.admin.socket.display()
    ));

    say(2, "Create an account with an API login and an API key.");
    let socket = &config.admin.socket;
    let account = operate(socket, "/admin/v1/accounts", json!({"name": "demo"})).await?;
    let text = |name: &str| account[name].as_str().unwrap_or_default().to_owned();
    let (id, key) = (text("account"), text("api_key"));
    note(&format!(
        "account {id}, ai_login_id {}",
        text("ai_login_id")
    ));

    say(
        3,
        "Start a consumer on loopback that will refuse its first delivery.",
    );
    let login = Login {
        id: text("ai_login_id"),
        password: text("ai_login_password"),
    };
    let settings = Settings {
        login: Some(login),
        script: vec![Reply::Refuse],
        ..Settings::default()
    };
    let mut consumer = Consumer::start(settings)
        .await
        .map_err(|error| error.to_string())?;
    note(&format!("listening on {}", consumer.url()));

    say(4, "Register it as an endpoint.");
    let path = format!("/admin/v1/accounts/{id}/endpoints");
    let endpoint = operate(socket, &path, json!({"url": consumer.url()})).await?;
    let endpoint = endpoint["endpoint"].as_str().unwrap_or_default().to_owned();
    note(&format!("endpoint {endpoint}"));

    let first = story(address, &key, &mut consumer).await?;

    say(8, "Ask the relay what became of the message.");
    let place = format!("/relay/v1/messages/{first}");
    let state = eventually("the message is delivered", || async {
        let shown = ask(address, &key, Method::GET, &place, None).await?;
        let state = shown["endpoints"][0]["state"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        Ok((state == "delivered").then_some(shown))
    })
    .await?;
    note(&state["endpoints"][0].to_string());

    println!("\nEvery step happened: nothing accepted was lost, and the refused batch came again.");
    if !exit {
        play(address, &key, &endpoint, &consumer.url());
        loop {
            tokio::select! {
                arrival = consumer.next() => match arrival {
                    Some(arrival) => note(&told(&arrival)),
                    None => break,
                },
                _ = signals.shutdown.next() => break,
            }
        }
    }
    daemon
        .stop(async move {
            signals.shutdown.next().await;
        })
        .await;
    consumer.stop().await;
    Ok(())
}

/// Steps 5 to 7: accepted, handshake, refused, delivered. Gives the id of the first message.
async fn story(address: SocketAddr, key: &str, consumer: &mut Consumer) -> Result<String, String> {
    say(
        5,
        "Send two messages over HTTP; the answer comes when they are on the disk.",
    );
    let messages = json!([
        {"type": "generic", "data": "Hello World"},
        {"type": "new_user", "data": {"first_name": "John", "last_name": "Doe"}},
    ]);
    let accepted = ask(
        address,
        key,
        Method::POST,
        "/relay/v1/messages",
        Some(messages),
    )
    .await?;
    let first = accepted["ids"][0]
        .as_str()
        .ok_or("no message id came back")?
        .to_owned();
    note(&format!("202 {accepted}"));

    say(
        6,
        "The relay authenticates the endpoint, then delivers; the consumer refuses.",
    );
    let proof = next(consumer, "an authenticate request").await?;
    if !matches!(proof.asked, Asked::Authenticate { key: Some(_) }) {
        return Err(format!(
            "an authenticate request with a key was due, not: {}",
            told(&proof)
        ));
    }
    note(&told(&proof));
    let refused = next(consumer, "a delivery").await?;
    note(&told(&refused));
    let batch = batch_of(&refused).ok_or("the first delivery carries no batch id")?;
    if refused.confirmed {
        return Err("the first delivery was to be refused".into());
    }

    say(
        7,
        "It is enqueued again, with the same batch id and message ids, until the answer is OK.",
    );
    let again = next(consumer, "the repeated delivery").await?;
    note(&told(&again));
    if !again.confirmed || batch_of(&again).as_ref() != Some(&batch) {
        return Err("the same batch was to come again and be confirmed".into());
    }
    if again.asked.messages().len() != 2 || again.repeated != 2 {
        return Err("both messages were to come again".into());
    }
    Ok(first)
}

fn batch_of(arrival: &Arrival) -> Option<String> {
    match &arrival.asked {
        Asked::Delivery { batch_id, .. } => batch_id.clone(),
        _ => None,
    }
}

fn told(arrival: &Arrival) -> String {
    let asked = match &arrival.asked {
        Asked::Authenticate { key: Some(_) } => "authenticate with a key".to_owned(),
        Asked::Authenticate { key: None } => "authenticate".to_owned(),
        Asked::Delivery {
            batch_id, messages, ..
        } => format!(
            "delivery of {} message(s), batch {}",
            messages.len(),
            batch_id.as_deref().unwrap_or("-")
        ),
        Asked::Standard(message) => format!("message {}", message.event_type),
        Asked::Unreadable(why) => format!("unreadable request: {why}"),
    };
    format!(
        "consumer: request {} {asked} -> {}",
        arrival.number, arrival.answered
    )
}

fn play(address: SocketAddr, key: &str, endpoint: &str, consumer: &str) {
    println!("\nThe relay stays up; the consumer at {consumer} confirms everything now. Play:\n");
    let base = format!("http://{address}/relay/v1");
    let auth = format!("-H 'Authorization: Bearer {key}'");
    println!("  curl -s {auth} {base}/messages -d '{{\"type\":\"generic\",\"data\":\"Hi\"}}'");
    println!("  curl -s {auth} {base}/endpoints/{endpoint}");
    println!("  curl -s {auth} {base}/endpoints/{endpoint}/attempts");
    println!("  curl -s {auth} -X POST {base}/endpoints/{endpoint}/test");
    println!("\nCtrl-C ends it and removes its data.\n");
}

fn configuration(directory: &Path) -> Result<Config, String> {
    let set = |key: &str, value: &str| format!("{key}={value}");
    let store = directory.join("data");
    let flags = vec![
        set("store.path", &store.display().to_string()),
        set(
            "admin.socket",
            &directory.join("admin.sock").display().to_string(),
        ),
        set("http.listen", "127.0.0.1:0"),
        set("http.insecure_loopback", "true"),
        // Short, so that nobody waits for the repetition.
        set("retry.initial", "1 s"),
    ];
    Config::parse(Layers {
        flags,
        ..Layers::default()
    })
    .map_err(|error| error.to_string())
}

/// The consumer's next request.
async fn next(consumer: &mut Consumer, what: &str) -> Result<Arrival, String> {
    match tokio::time::timeout(PATIENCE, consumer.next()).await {
        Ok(Some(arrival)) => Ok(arrival),
        Ok(None) => Err(format!("the consumer ended before {what} came")),
        Err(_) => Err(format!(
            "{what} did not come within {} s",
            PATIENCE.as_secs()
        )),
    }
}

/// Looks until there is something.
async fn eventually<T, U>(what: &str, look: impl Fn() -> U) -> Result<T, String>
where
    U: Future<Output = Result<Option<T>, String>>,
{
    let looking = async {
        loop {
            if let Some(found) = look().await? {
                return Ok(found);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(PATIENCE, looking).await {
        Ok(found) => found,
        Err(_) => Err(format!("{what}: not within {} s", PATIENCE.as_secs())),
    }
}

pub(super) async fn operate(socket: &Path, path: &str, body: Value) -> Result<Value, String> {
    let call = Call {
        method: Method::POST,
        path: path.into(),
        body: Some(body.to_string()),
    };
    let answer = admin::ask(socket, &call)
        .await
        .map_err(|error| error.to_string())?;
    checked(answer.status, &answer.body)
}

/// One request over TCP, as any client would make it.
pub(super) async fn ask(
    address: SocketAddr,
    key: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Result<Value, String> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(|error| error.to_string())?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| error.to_string())?;
    let driving = tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, address.to_string())
        .header(AUTHORIZATION, format!("Bearer {key}"))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(
            body.map(|body| body.to_string()).unwrap_or_default(),
        )))
        .map_err(|error| error.to_string())?;
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let body = answer
        .into_body()
        .collect()
        .await
        .map_err(|error| error.to_string())?;
    driving.abort();
    checked(status, &body.to_bytes())
}

fn checked(status: u16, body: &[u8]) -> Result<Value, String> {
    if !(200..300).contains(&status) {
        return Err(format!("{status} {}", String::from_utf8_lossy(body)));
    }
    serde_json::from_slice(body).map_err(|error| format!("the answer is not JSON: {error}"))
}
