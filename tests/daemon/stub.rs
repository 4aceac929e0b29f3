//! A consumer on raw sockets, which can answer what no server would, and remembers what it was
//! asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use hookrelay::auth::proof::md5_proof;
use serde_json::{Value, json};

use crate::world::{Account, eventually};

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Request {
    /// Request line and headers.
    pub head: String,
    pub body: String,
    pub json: Value,
    pub at: Instant,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// Ids of its messages.
    pub fn ids(&self) -> Vec<String> {
        let messages = self.json["messages"].as_array();
        let id = |message: &Value| message["id"].as_str().unwrap_or_default().to_owned();
        messages.into_iter().flatten().map(id).collect()
    }

    /// Data of its messages, where it is text.
    pub fn texts(&self) -> Vec<String> {
        let messages = self.json["messages"].as_array();
        let text = |message: &Value| message["data"].as_str().unwrap_or_default().to_owned();
        messages.into_iter().flatten().map(text).collect()
    }
}

/// What is done about a request.
pub enum Act {
    /// These bytes; the connection is kept.
    Answer(Vec<u8>),
    /// These bytes, then nothing until the relay gives up.
    Stall(Vec<u8>),
    /// This head, then bytes without an end.
    Endless(&'static str),
    /// This head, then a byte now and then.
    Drip(&'static str),
    /// The connection is closed without an answer.
    Close,
}

impl Act {
    /// An answer with a JSON body.
    pub fn json(status: u16, body: &Value) -> Self {
        Self::text(
            status,
            "content-type: application/json\r\n",
            &body.to_string(),
        )
    }

    pub fn text(status: u16, headers: &str, body: &str) -> Self {
        Self::bytes(status, headers, body.as_bytes())
    }

    pub fn bytes(status: u16, headers: &str, body: &[u8]) -> Self {
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n");
        Self::Answer([head.as_bytes(), body].concat())
    }

    pub fn ok() -> Self {
        Self::json(200, &json!({"status": "OK"}))
    }

    pub fn refuse() -> Self {
        Self::json(200, &json!({"status": "ERROR"}))
    }
}

/// The right answer to authenticate.
pub fn prove(account: &Account, request: &Request) -> Act {
    let password = match request.json["key"].as_str() {
        Some(key) => md5_proof(&account.login, &account.password, key).to_string(),
        None => account.password.clone(),
    };
    Act::json(
        200,
        &json!({"ai_login_id": account.login, "ai_login_password": password}),
    )
}

/// A running consumer.
pub struct Stub {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Stub {
    /// Proves `account`'s login, and does about deliveries what `act` says.
    pub fn start(account: &Account, act: impl Fn(&Request) -> Act + Send + Sync + 'static) -> Self {
        let account = account.clone();
        Self::raw(move |request| {
            if request.json["request"] == "authenticate" {
                prove(&account, request)
            } else {
                act(request)
            }
        })
    }

    /// Does about every request what `act` says.
    pub fn raw(act: impl Fn(&Request) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (known, act) = (requests.clone(), Arc::new(act));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (known, act) = (known.clone(), act.clone());
                thread::spawn(move || serve(&stream, &known, act.as_ref()));
            }
        });
        Self { address, requests }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// Everything but authenticate.
    pub fn deliveries(&self) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.json["request"] != "authenticate");
        requests
    }

    pub fn authenticates(&self) -> usize {
        self.requests().len() - self.deliveries().len()
    }

    /// Waits for as many deliveries.
    pub fn wait_for(&self, count: usize) -> Vec<Request> {
        eventually(&format!("{count} deliveries"), || {
            Some(self.deliveries()).filter(|found| found.len() >= count)
        })
    }
}

fn serve(stream: &TcpStream, known: &Mutex<Vec<Request>>, act: &dyn Fn(&Request) -> Act) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        known.lock().unwrap().push(request.clone());
        if answer(stream, act(&request)).is_none() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).ok()?;
    let json = serde_json::from_str(&body).unwrap_or_default();
    let at = Instant::now();
    Some(Request {
        head,
        body,
        json,
        at,
    })
}

/// Answers; none when the connection is not to be used any more.
fn answer(mut stream: &TcpStream, act: Act) -> Option<()> {
    match act {
        Act::Answer(bytes) => stream.write_all(&bytes).ok(),
        Act::Close => None,
        Act::Stall(bytes) => {
            stream.write_all(&bytes).ok()?;
            // Ends when the relay closes its side.
            let _ = stream.read(&mut [0]);
            None
        }
        Act::Endless(head) => {
            stream.write_all(head.as_bytes()).ok()?;
            loop {
                stream.write_all(&[b' '; 4096]).ok()?;
            }
        }
        Act::Drip(head) => {
            stream.write_all(head.as_bytes()).ok()?;
            loop {
                stream.write_all(b" ").ok()?;
                thread::sleep(Duration::from_millis(100));
            }
        }
    }
}
