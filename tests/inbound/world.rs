//! A daemon's front door on free loopback ports, over the store in memory, with small honest
//! stand-ins for the rooms that are not under test.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use hookrelay::api::front::{Accepting, Core, Drained, Listener, Settings as Http, Site, run};
use hookrelay::api::{admin, command, helpdesk, manage};
use hookrelay::auth::caller::{Callers, Secrets};
use hookrelay::auth::sitecom_token::login_hash;
use hookrelay::clock::{Clock, Entropy, Timestamp};
use hookrelay::domain::secret::{Context, Sealed};
use hookrelay::error::{Error, Result};
use hookrelay::id::{AccountId, EndpointId, Seq};
use hookrelay::limit::{Limits, Settings as LimitSettings};
use hookrelay::live::{AgeMarks, Ages, Backlog, EndpointNow, Health, Live, NotRunning, Place};
use hookrelay::store::memory::MemoryStore;
use hookrelay::store::{Database, Store};
use sha2::Sha256;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

/// 2026-01-15T10:30:00Z, the clock of all documented examples.
pub const NOW: Timestamp = Timestamp(1_768_473_000_000);
pub const KEY: &str = "0123456789abcdef0123456789abcdef";
pub const LOGIN: &str = "apiuser";
pub const PASSWORD: &str = "APIuser123";
pub const COMM_KEY: &str = "comm-key-0001";

/// Sealing that is readable, but opens under its own context only.
#[derive(Debug, Default)]
pub struct PlainSecrets(Entropy);

impl PlainSecrets {
    fn fresh(&self, prefix: &str) -> Zeroizing<String> {
        let bytes: [u8; 24] = self.0.bytes();
        Zeroizing::new(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }
}

impl Secrets for PlainSecrets {
    fn seal(&self, context: Context<'_>, plaintext: &str) -> Result<Sealed> {
        let text = format!("{context}\n{plaintext}");
        Ok(Sealed(URL_SAFE_NO_PAD.encode(text)))
    }

    fn open(&self, context: Context<'_>, sealed: &Sealed) -> Result<Zeroizing<String>> {
        let bytes = URL_SAFE_NO_PAD.decode(&sealed.0).ok();
        let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
        text.as_deref()
            .and_then(|text| text.strip_prefix(&format!("{context}\n")))
            .map(|plain| Zeroizing::new(plain.to_owned()))
            .ok_or_else(Error::internal)
    }

    fn new_api_key(&self) -> Zeroizing<String> {
        self.fresh("")
    }

    fn new_password(&self) -> Zeroizing<String> {
        self.fresh("")
    }

    fn new_comm_key(&self) -> Zeroizing<String> {
        self.fresh("")
    }

    fn new_signing_secret(&self) -> Zeroizing<String> {
        self.fresh("whsec_")
    }

    fn token_login_hash(&self, token: &str) -> Option<[u8; 8]> {
        let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        (bytes.len() == 32 && bytes[8] == 0).then(|| bytes[..8].try_into().unwrap())
    }

    fn token_holds(&self, token: &str, login: &str, comm_key: &str, now: Timestamp) -> bool {
        let issued = URL_SAFE_NO_PAD.decode(token).unwrap()[8..16].to_vec();
        let issued = u64::from_be_bytes(issued.try_into().unwrap());
        sitecom_token(login, comm_key, issued) == token && now.unix_seconds().abs_diff(issued) <= 60
    }
}

/// `protocols/sitecom-token.md` section 1.
pub fn sitecom_token(login: &str, comm_key: &str, issued: u64) -> String {
    let mut bytes = login_hash(login).to_vec();
    bytes.extend(issued.to_be_bytes());
    let mut mac = Hmac::<Sha256>::new_from_slice(comm_key.as_bytes()).unwrap();
    mac.update(&bytes);
    mac.update(login.as_bytes());
    bytes.extend(&mac.finalize().into_bytes()[..16]);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// HTTPS only, and no header that frames a request.
#[derive(Debug)]
struct StrictUrls;

impl manage::UrlRules for StrictUrls {
    fn check_url(&self, url: &str) -> std::result::Result<(), String> {
        let host = url
            .strip_prefix("https://")
            .ok_or("must begin with https://")?;
        if host.contains(['@', '#']) || host.is_empty() {
            return Err("must have a host and neither userinfo nor fragment".into());
        }
        Ok(())
    }

    fn check_header(&self, name: &str, _: &str) -> std::result::Result<(), String> {
        if name.eq_ignore_ascii_case("content-length") {
            return Err(format!("{name} is set by the relay"));
        }
        Ok(())
    }
}

/// A relay that says what a test told it to say.
#[derive(Debug, Default)]
pub struct ToldLive {
    pub now: Mutex<BTreeMap<EndpointId, EndpointNow>>,
    pub places: Mutex<BTreeMap<(EndpointId, Seq), Place>>,
    pub ages: Mutex<BTreeMap<EndpointId, Ages>>,
    pub backlogs: Mutex<BTreeMap<EndpointId, Backlog>>,
    /// The marks that it was last asked with.
    pub marks: Mutex<BTreeMap<AccountId, AgeMarks>>,
    pub stopped: Mutex<bool>,
}

impl ToldLive {
    fn running(&self) -> std::result::Result<(), NotRunning> {
        if *self.stopped.lock().unwrap() {
            Err(NotRunning)
        } else {
            Ok(())
        }
    }

    pub fn tell(
        &self,
        account: AccountId,
        endpoint: EndpointId,
        change: impl FnOnce(&mut EndpointNow),
    ) {
        let mut now = EndpointNow {
            account,
            endpoint,
            health: Health::Open { window: 1 },
            wait: None,
            counted: true,
            pending: 0,
            open_messages: 0,
            open_batches: 0,
            in_flight: 0,
            oldest: None,
            lowest: None,
            cursor: Seq(0),
            delivered: 0,
            dead: 0,
            filtered: 0,
            failing_since: None,
            last_class: None,
        };
        change(&mut now);
        self.now.lock().unwrap().insert(endpoint, now);
    }
}

#[async_trait]
impl Live for ToldLive {
    async fn endpoint(
        &self,
        id: EndpointId,
    ) -> std::result::Result<Option<EndpointNow>, NotRunning> {
        self.running()?;
        Ok(self.now.lock().unwrap().get(&id).cloned())
    }

    async fn endpoints(
        &self,
        account: Option<AccountId>,
    ) -> std::result::Result<Vec<EndpointNow>, NotRunning> {
        self.running()?;
        let all = self.now.lock().unwrap();
        let wanted = |now: &&EndpointNow| account.is_none_or(|account| now.account == account);
        Ok(all.values().filter(wanted).cloned().collect())
    }

    async fn endpoints_by_age(
        &self,
        marks: BTreeMap<AccountId, AgeMarks>,
    ) -> std::result::Result<Vec<(EndpointNow, Ages)>, NotRunning> {
        *self.marks.lock().unwrap() = marks;
        let all = self.endpoints(None).await?;
        let ages = self.ages.lock().unwrap();
        let told = |id| ages.get(&id).copied().unwrap_or_default();
        Ok(all
            .into_iter()
            .map(|now| {
                let ages = told(now.endpoint);
                (now, ages)
            })
            .collect())
    }

    async fn backlog(
        &self,
        endpoint: EndpointId,
    ) -> std::result::Result<Option<Backlog>, NotRunning> {
        self.running()?;
        Ok(self.backlogs.lock().unwrap().get(&endpoint).cloned())
    }

    async fn places(
        &self,
        endpoints: Vec<EndpointId>,
        seq: Seq,
    ) -> std::result::Result<Vec<Option<Place>>, NotRunning> {
        self.running()?;
        let places = self.places.lock().unwrap();
        Ok(endpoints
            .into_iter()
            .map(|endpoint| places.get(&(endpoint, seq)).copied())
            .collect())
    }
}

/// What a test wants different.
pub struct Options {
    pub http: Http,
    pub limits: LimitSettings,
    pub store: MemoryStore,
    pub max_connections: usize,
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            http: Http {
                insecure_loopback: true,
                ..Http::default()
            },
            limits: LimitSettings::default(),
            store: MemoryStore::new(),
            max_connections: 1000,
            tls: None,
        }
    }
}

/// A running front door with one account, login and key.
pub struct World {
    pub address: SocketAddr,
    pub clock: Clock,
    pub store: Arc<MemoryStore>,
    pub db: Database,
    pub live: Arc<ToldLive>,
    pub accepting: Accepting,
    pub account: AccountId,
    pub stop: oneshot::Sender<()>,
    pub served: JoinHandle<Drained>,
    socket: std::path::PathBuf,
    folder: tempfile::TempDir,
}

/// How long a drain waits in these tests.
pub const GRACE: Duration = Duration::from_secs(5);

impl World {
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let clock = Clock::manual(NOW);
        let store = Arc::new(options.store);
        let db = Database::new(store.clone(), clock.clone(), Entropy::seeded(1));
        let secrets: Arc<dyn Secrets> = Arc::new(PlainSecrets(Entropy::seeded(2)));
        let accepting = Accepting::default();
        let live = Arc::new(ToldLive::default());
        let core = Arc::new(Core {
            db: db.clone(),
            callers: Callers::new(db.clone(), secrets).unwrap(),
            limits: Limits::new(options.limits, clock.clone()),
            accepting: accepting.clone(),
            live: live.clone(),
            settings: options.http,
        });
        let context = Arc::new(manage::Context {
            live: live.clone(),
            urls: Arc::new(StrictUrls),
            batch: manage::BatchDefaults {
                max_messages: 50,
                max_bytes: 200_000,
            },
        });
        let operator = Arc::new(admin::Context {
            core: core.clone(),
            live: live.clone(),
            started: NOW,
            listening: Arc::default(),
            store: Arc::new(|| serde_json::json!({"kind": "memory"})),
        });
        let public = Arc::new(Site::new(
            core.clone(),
            vec![
                manage::mount(&core, &context),
                command::mount(&core),
                helpdesk::mount(&core),
            ],
        ));
        let admin = Arc::new(Site::new(
            core.clone(),
            vec![admin::mount(&operator, |prefix, gate| {
                manage::routes(prefix, gate, &context).merge(command::routes(prefix, gate))
            })],
        ));
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("admin");
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let listeners = vec![
            match options.tls {
                Some(config) => Listener::Tls(tcp, config, public),
                None => Listener::Plain(tcp, public),
            },
            Listener::Unix(UnixListener::bind(&socket).unwrap(), admin),
        ];
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = stopped.await;
        };
        let served = tokio::spawn(run(listeners, options.max_connections, shutdown, GRACE));
        let mut world = Self {
            address,
            clock,
            store,
            db,
            live,
            accepting,
            account: AccountId::from_number(0),
            stop,
            served,
            socket,
            folder,
        };
        world.account = tokio::select! {
            account = world.add_account("acme", LOGIN, KEY) => account,
            () = step_on(&world.store) => unreachable!("stepping never ends"),
        };
        world
    }

    pub async fn add_account(&self, name: &str, login: &str, key: &str) -> AccountId {
        let body = serde_json::json!({
            "name": name, "ai_login_id": login, "ai_login_password": PASSWORD,
            "comm_key": COMM_KEY, "api_key": key,
        });
        let reply = self
            .admin("POST", "/admin/v1/accounts", &body.to_string())
            .await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.json()["account"].as_str().unwrap().parse().unwrap()
    }

    /// A request on the operator's socket.
    pub async fn admin(&self, method: &str, path: &str, body: &str) -> Reply {
        assert!(self.folder.path().exists());
        let stream = UnixStream::connect(&self.socket).await.unwrap();
        exchange(stream, &request(method, path, &[], body)).await
    }

    /// A request to the public door with these headers.
    pub async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Reply {
        let stream = TcpStream::connect(self.address).await.unwrap();
        exchange(stream, &request(method, path, headers, body)).await
    }

    /// A management call with the key.
    pub async fn manage(&self, method: &str, path: &str, body: &str) -> Reply {
        let path = format!("/relay/v1/{path}");
        self.send(method, &path, &[("x-api-key", KEY)], body).await
    }

    /// A command call with login and password.
    pub async fn command(&self, pairs: &str) -> Reply {
        let body = format!("ai_login_id={LOGIN}&ai_login_password={PASSWORD}&{pairs}");
        self.send("POST", "/service", &[], &body).await
    }

    /// Raw bytes to the public door, and everything that comes back until it closes.
    pub async fn raw(&self, bytes: &[u8]) -> Reply {
        let stream = TcpStream::connect(self.address).await.unwrap();
        exchange(stream, bytes).await
    }

    /// A new endpoint; `settings` are members of its JSON.
    pub async fn endpoint(&self, settings: &str) -> EndpointId {
        let comma = if settings.is_empty() { "" } else { "," };
        let body = format!(r#"{{"url":"https://c.example/hook"{comma}{settings}}}"#);
        let reply = self.manage("POST", "endpoints", &body).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        reply.json()["endpoint"].as_str().unwrap().parse().unwrap()
    }

    /// Type and data of the messages appended behind the first `before`.
    pub async fn appended(&self, before: u64) -> Vec<(String, String)> {
        let page = self
            .store
            .read_log(self.account, Seq(before + 1), 1000, 1 << 24)
            .await
            .unwrap();
        let messages = page.messages.iter().map(|message| {
            let data = String::from_utf8(message.data.to_vec()).unwrap();
            (message.event_type.to_string(), data)
        });
        messages.collect()
    }

    /// How many messages the account's log has.
    pub async fn logged(&self) -> u64 {
        self.store.visible(self.account).await.unwrap().0
    }
}

/// Makes whatever a stepped store queues durable, for as long as it is polled.
pub async fn step_on(store: &MemoryStore) {
    loop {
        store.step();
        tokio::task::yield_now().await;
    }
}

/// An HTTP response.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// `error.code` and `error.field`.
    pub fn error(&self) -> (String, Option<String>) {
        let error = &self.json()["error"];
        let text = |name: &str| error[name].as_str().map(str::to_owned);
        (text("code").unwrap(), text("field"))
    }

    pub fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            return Self {
                status: 0,
                headers: Vec::new(),
                body: text.into_owned(),
            };
        };
        let mut lines = head.lines();
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self {
            status,
            headers,
            body: body.to_owned(),
        }
    }
}

pub fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n");
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    let _ = write!(text, "content-length: {}\r\n\r\n{body}", body.len());
    text.into_bytes()
}

/// Sends `bytes` and reads until the other side closes.
pub async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Reply {
    // The other side may answer and close before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    Reply::parse(&answer)
}
