//! A world with users who are logged in, and how they call.

use std::fmt::Write as _;

use hookrelay::auth::passwords::Passwords;
use hookrelay::clock::{Entropy, Millis};
use hookrelay::domain::user::{Changes, PasswordHash};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::people::{GEHEIM, add, escaped};
use crate::world::{KEY, Reply, World};

pub const BASE: &str = "/crm/v1";
/// Fields of a lead that is valid.
pub const JANE: &str = "first_name=Jane&last_name=Smith&email=jane@example.com&phone=15551234567";

/// A user who is logged in.
pub struct Caller<'w> {
    pub world: &'w World,
    pub token: String,
}

/// The hash of [`GEHEIM`], made once: hashing is slow on purpose.
async fn hash() -> PasswordHash {
    static HASH: OnceCell<PasswordHash> = OnceCell::const_new();
    let made = || async {
        Passwords::new(Entropy::seeded(3))
            .hash(GEHEIM)
            .await
            .unwrap()
    };
    HASH.get_or_init(made).await.clone()
}

/// A user with [`GEHEIM`]; gives its id.
pub async fn user(world: &World, username: &str, account_type: &str) -> u64 {
    let changes = Changes {
        password: Some(hash().await),
        ..Changes::default()
    };
    add(world, username, account_type, changes).await.id
}

/// What a login gives: refresh and access token.
pub async fn tokens(world: &World, username: &str) -> (String, String) {
    let body = format!("username={username}&password={GEHEIM}");
    let reply = keyed(world, "POST", "user/login", &body).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
    let told = reply.json();
    let token = |name: &str| told[name].as_str().unwrap().to_owned();
    (token("refresh"), token("access"))
}

/// A request with the API key alone.
pub async fn keyed(world: &World, method: &str, route: &str, body: &str) -> Reply {
    let path = format!("{BASE}/{route}/");
    world.send(method, &path, &[("apikey", KEY)], body).await
}

/// A user who is made and logged in.
pub async fn caller<'w>(world: &'w World, username: &str, account_type: &str) -> Caller<'w> {
    user(world, username, account_type).await;
    login(world, username).await
}

/// A user who is logged in.
pub async fn login<'w>(world: &'w World, username: &str) -> Caller<'w> {
    Caller {
        world,
        token: tokens(world, username).await.1,
    }
}

impl Caller<'_> {
    pub async fn send(&self, method: &str, path: &str, more: &[(&str, &str)], body: &str) -> Reply {
        let bearer = format!("Bearer {}", self.token);
        let mut headers = vec![("apikey", KEY), ("Authorization", bearer.as_str())];
        headers.extend(more);
        self.world.send(method, path, &headers, body).await
    }

    pub async fn get(&self, route: &str, query: &str) -> Reply {
        let path = format!("{BASE}/leads/{route}/?{query}");
        self.send("GET", &path, &[], "").await
    }

    pub async fn post(&self, route: &str, body: &str) -> Reply {
        self.send("POST", &format!("{BASE}/{route}/"), &[], body)
            .await
    }

    /// The data of a call that must succeed.
    pub async fn done(&self, route: &str, body: &str) -> Value {
        let reply = self.post(route, body).await;
        assert_eq!(reply.status, 200, "{body}: {}", reply.body);
        reply.json()["data"].clone()
    }

    /// The same of a GET.
    pub async fn seen(&self, route: &str, query: &str) -> Value {
        let reply = self.get(route, query).await;
        assert_eq!(reply.status, 200, "{query}: {}", reply.body);
        reply.json()["data"].clone()
    }

    /// A lead; gives its slug.
    pub async fn lead(&self, more: &str) -> String {
        let data = self.done("create/lead", &format!("{JANE}&{more}")).await;
        data["slug"].as_str().unwrap().to_owned()
    }

    /// The data of a call, and what was told of it.
    pub async fn told(&self, route: &str, body: &str) -> (Value, Vec<(String, Value)>) {
        let before = self.world.logged().await;
        let data = self.done(route, body).await;
        let said = self.world.appended(before).await;
        let parsed = |(name, data): (String, String)| (name, serde_json::from_str(&data).unwrap());
        (data, said.into_iter().map(parsed).collect())
    }

    /// Each body is answered with this status and these errors, and changes nothing.
    pub async fn refuses(&self, route: &str, rows: &[(&str, u16, Value)]) {
        for (body, status, errors) in rows {
            let before = self.world.logged().await;
            let reply = self.post(route, body).await;
            expect(&reply, *status, errors, body);
            assert_eq!(self.world.logged().await, before, "{body}");
        }
    }
}

/// A failure in its envelope, byte for byte.
pub fn expect(reply: &Reply, status: u16, errors: &Value, of: &str) {
    let mut members = String::new();
    for (field, texts) in errors
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| (&pair[0], &pair[1]))
    {
        let comma = if members.is_empty() { "" } else { "," };
        let _ = write!(members, "{comma}{field}:[{texts}]");
    }
    let body = format!(r#"{{"status_code":{status},"errors":{{{members}}},"data":{{}}}}"#);
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (status, body.as_str()),
        "{of}"
    );
}

/// One field with one fault.
pub fn field(name: &str, text: &str) -> Value {
    json!([[name, text]])
}

/// Request Failed.
pub fn failed(text: &str) -> Value {
    field("non_field_errors", text)
}

/// A fault that is no field's.
pub fn detail(text: &str) -> Value {
    field("detail", text)
}

/// The clock goes on.
pub fn advance(world: &World, by: Millis) {
    world.clock.set(world.clock.now().after(by));
}

/// A pair of a body, escaped.
pub fn pair(name: &str, value: &str) -> String {
    format!("{name}={}", escaped(value))
}

/// An appointment with the first lead.
pub fn appointment(from: &str, to: &str) -> String {
    format!(
        "slug=jane-smith-1001&{}&{}",
        pair("appointment_date", from),
        pair("appointment_to", to)
    )
}

/// A multipart body of text parts, and its media type.
pub fn multipart(parts: &[(&str, &str)]) -> (String, &'static str) {
    let mut body = String::new();
    for (name, value) in parts {
        let _ = write!(
            body,
            "--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        );
    }
    body.push_str("--x--\r\n");
    (body, "multipart/form-data; boundary=x")
}
