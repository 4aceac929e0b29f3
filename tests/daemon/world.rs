//! A daemon as operators and callers meet it: the real binary in a folder of its own, its command
//! line, its sockets, its log.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Longest wait for anything that is to happen: generous, because machines are busy.
pub const PATIENCE: Duration = Duration::from_mins(4);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Looks until there is something.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            began.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}"
        );
        thread::sleep(LOOK);
    }
}

/// A daemon and its folder. Dropping it kills what still runs.
pub struct World {
    pub folder: tempfile::TempDir,
    settings: Vec<(String, String)>,
    starts: usize,
    child: Option<Child>,
    /// Where plain HTTP is served since the last start.
    pub address: SocketAddr,
    /// Where TLS is served, if it is.
    pub tls_address: Option<SocketAddr>,
    /// How `store verify` is to end when the world does: 1 where a test damaged the store.
    pub verdict: i32,
}

/// What `account add` printed.
#[derive(Clone)]
pub struct Account {
    pub id: String,
    pub login: String,
    pub password: String,
    pub comm_key: String,
    pub key: String,
}

/// An answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub text: String,
    pub json: Value,
}

impl World {
    /// A folder with settings for tests: loopback allowed, short waits, no limits.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut world = Self {
            folder,
            settings: Vec::new(),
            starts: 0,
            child: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls_address: None,
            verdict: 0,
        };
        for (key, value) in [
            ("HTTP__LISTEN", "127.0.0.1:0"),
            ("HTTP__INSECURE_LOOPBACK", "true"),
            ("RETRY__INITIAL", "100 ms"),
            ("RETRY__MAX_INTERVAL", "400 ms"),
            ("RETRY__JITTER_PERCENT", "0"),
            ("LIMITS__PER_MINUTE", "0"),
            ("LOG__LEVEL", "info"),
            ("LOG__FORMAT", "json"),
        ] {
            world.set(key, value);
        }
        let path = |name: &str| world.folder.path().join(name).display().to_string();
        let (store, socket) = (path("data"), path("admin.sock"));
        world.set("STORE__PATH", &store);
        world.set("ADMIN__SOCKET", &socket);
        world
    }

    /// A daemon that runs, with such settings.
    pub fn started() -> Self {
        let mut world = Self::new();
        world.start();
        world
    }

    /// `HOOKRELAY_<key>` from the next start on; another name as it is.
    pub fn set(&mut self, key: &str, value: &str) {
        self.unset(key);
        self.settings.push((key.to_owned(), value.to_owned()));
    }

    pub fn unset(&mut self, key: &str) {
        self.settings.retain(|(known, _)| known != key);
    }

    /// The binary, with these settings and nothing of the machine's.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookrelay"));
        command.env_clear().args(words).stdin(Stdio::null());
        for (key, value) in &self.settings {
            let ours = key.contains("__");
            let name = if ours {
                format!("HOOKRELAY_{key}")
            } else {
                key.clone()
            };
            command.env(name, value);
        }
        command
    }

    fn log_path(&self, start: usize) -> PathBuf {
        self.folder.path().join(format!("log-{start}"))
    }

    /// Starts the daemon and waits until it serves.
    pub fn start(&mut self) {
        self.start_with(&["serve"]);
    }

    pub fn start_with(&mut self, words: &[&str]) {
        self.starts += 1;
        let log = std::fs::File::create(self.log_path(self.starts)).unwrap();
        let child = self
            .command(words)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let serves = eventually("the daemon serves", || {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "the daemon ended: {}", self.log());
            self.lines()
                .into_iter()
                .find(|line| line["message"] == "hookrelay serves")
        });
        self.address = serves["listen"].as_str().unwrap().parse().unwrap();
        self.tls_address = serves["tls_listen"].as_str().unwrap().parse().ok();
    }

    /// What the daemon wrote since its last start.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path(self.starts)).unwrap_or_default()
    }

    /// Its whole lines.
    pub fn lines(&self) -> Vec<Value> {
        let log = self.log();
        log.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        assert!(
            Command::new("kill")
                .args([name, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits until it has ended by itself.
    pub fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        eventually("the daemon ends", || child.try_wait().unwrap())
    }

    pub fn stop(&mut self) {
        self.signal("-TERM");
        assert_eq!(self.ended().code(), Some(0), "{}", self.log());
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// A start that is killed after a moment, whether it serves by then or not.
    pub fn start_and_kill(&self, after: Duration) {
        let mut command = self.command(&["serve"]);
        let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = quiet.spawn().unwrap();
        thread::sleep(after);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn restart(&mut self) {
        self.stop();
        self.start();
    }

    /// A client command.
    pub fn cli(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// A client command that succeeds, and the JSON that it prints.
    pub fn ask(&self, words: &[&str]) -> Value {
        let output = self.cli(&[words, &["--json"]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{words:?}: {text} {complaint}"
        );
        serde_json::from_str(&text).unwrap()
    }

    pub fn account(&self, name: &str) -> Account {
        let made = self.ask(&["account", "add", name]);
        let text = |member: &str| made[member].as_str().unwrap().to_owned();
        Account {
            id: text("account"),
            login: text("ai_login_id"),
            password: text("ai_login_password"),
            comm_key: text("comm_key"),
            key: text("api_key"),
        }
    }

    /// A new endpoint, by the management API.
    pub fn endpoint(&self, account: &Account, url: &str, settings: &Value) -> String {
        let mut body = json!({"url": url});
        let members = settings.as_object().unwrap().clone();
        body.as_object_mut().unwrap().extend(members);
        let made = self.call(account, "POST", "endpoints", &body);
        assert_eq!(made.status, 201, "{}", made.text);
        made.json["endpoint"].as_str().unwrap().to_owned()
    }

    /// Accepted messages: their ids.
    pub fn send(&self, account: &Account, messages: &Value) -> Vec<String> {
        let answer = self.call(account, "POST", "messages", messages);
        assert_eq!(answer.status, 202, "{}", answer.text);
        let ids = answer.json["ids"].as_array().unwrap();
        ids.iter()
            .map(|id| id.as_str().unwrap().to_owned())
            .collect()
    }

    /// One call of the management API; `null` = no body.
    pub fn call(&self, account: &Account, method: &str, path: &str, body: &Value) -> Answer {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let headers = format!("Authorization: Bearer {}\r\n", account.key);
        self.http(method, &format!("/relay/v1/{path}"), &headers, &body)
            .unwrap()
    }

    pub fn get(&self, account: &Account, path: &str) -> Value {
        let answer = self.call(account, "GET", path, &Value::Null);
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json
    }

    /// A POST below an endpoint that succeeds.
    pub fn order(&self, account: &Account, endpoint: &str, verb: &str) -> Value {
        let answer = self.call(
            account,
            "POST",
            &format!("endpoints/{endpoint}/{verb}"),
            &json!({}),
        );
        assert!(
            (200..300).contains(&answer.status),
            "{verb}: {}",
            answer.text
        );
        answer.json
    }

    /// The `command` surface with form pairs.
    pub fn service(&self, pairs: &[(&str, &str)]) -> Answer {
        let body: String = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(pairs)
            .finish();
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.http("POST", "/service", kind, &body).unwrap()
    }

    /// One request on its own connection.
    pub fn http(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> std::io::Result<Answer> {
        exchange(
            TcpStream::connect(self.address)?,
            method,
            path,
            headers,
            body,
        )
    }

    /// Whatever a test did to its daemon, and wherever it was killed at the end: what is on the
    /// disk must agree with itself.
    fn holds(&self) {
        let data = self.folder.path().join("data");
        if data.join("db").exists() {
            self.verify(&data);
        }
    }

    /// Holds that `store verify` ends as it is to, on a data directory that nobody has open.
    pub fn verify(&self, data: &Path) {
        let data = data.display().to_string();
        let output = self.cli(&["store", "verify", "--dir", &data]);
        let found = String::from_utf8_lossy(&output.stdout);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.code(),
            Some(self.verdict),
            "{found}{complaint}"
        );
    }

    /// Where message `id` is at `endpoint`.
    pub fn place(&self, account: &Account, id: &str, endpoint: &str) -> Value {
        let shown = self.get(account, &format!("messages/{id}"));
        let places = shown["endpoints"].as_array().unwrap();
        places
            .iter()
            .find(|place| place["endpoint"] == endpoint)
            .unwrap()
            .clone()
    }

    /// Waits until message `id` is in `state` at `endpoint`.
    pub fn until(&self, account: &Account, id: &str, endpoint: &str, state: &str) -> Value {
        eventually(&format!("message {id} is {state}"), || {
            let place = self.place(account, id, endpoint);
            (place["state"] == state).then_some(place)
        })
    }

    /// Waits for an attempt of this class, and gives its row.
    pub fn attempt(&self, account: &Account, endpoint: &str, class: &str) -> Value {
        let mut seen = Value::Null;
        let began = Instant::now();
        loop {
            let found = self.get(account, &format!("endpoints/{endpoint}/attempts"));
            let rows = found["attempts"].as_array().unwrap();
            if let Some(row) = rows.iter().find(|row| row["class"] == class) {
                return row.clone();
            }
            seen = if rows.is_empty() { seen } else { found };
            assert!(
                began.elapsed() < PATIENCE,
                "no attempt of class {class}, but {seen}"
            );
            thread::sleep(LOOK);
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself meanwhile.
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log());
        } else {
            self.holds();
        }
    }
}

/// One request over any stream, with its whole answer.
pub fn exchange(
    mut stream: impl std::io::Read + std::io::Write,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> std::io::Result<Answer> {
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
    )?;
    stream.flush()?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let cut = || std::io::Error::new(std::io::ErrorKind::UnexpectedEof, "no whole answer");
    let text = String::from_utf8(bytes).map_err(|_| cut())?;
    let (head, text) = text.split_once("\r\n\r\n").ok_or_else(cut)?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    let json = serde_json::from_str(text).unwrap_or_default();
    Ok(Answer {
        status: status.ok_or_else(cut)?,
        head: head.to_owned(),
        text: text.to_owned(),
        json,
    })
}
