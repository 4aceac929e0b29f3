//! The keys: one struct per section, one field per key, with its type and range.
//!
//! Owns which keys exist, their bounds and the rules between them. Their defaults and their
//! explanation are in `config/hookrelay.toml`. Does not know where values come from.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;

use super::layers::Value;
use super::read::{Reader, Refusal, size_of, text_of};
use crate::clock::Millis;
use crate::id::AccountId;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const TIB: u64 = 1 << 40;

/// `[http]`: the front door (`protocols/transport.md`).
#[derive(Debug, Clone)]
pub struct Http {
    /// Plain HTTP listeners.
    pub listen: Vec<SocketAddr>,
    /// TLS listeners.
    pub tls_listen: Vec<SocketAddr>,
    /// PEM certificate chain.
    pub tls_cert: Option<PathBuf>,
    /// PEM private key.
    pub tls_key: Option<PathBuf>,
    /// Peers whose `X-Forwarded-*` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Plain requests from loopback pass (development).
    pub insecure_loopback: bool,
    /// The account of requests that name none.
    pub default_account: Option<AccountId>,
    /// Credits for one message or call of a sub-account.
    pub credit_cost: u32,
    /// The version that the helpdesk API says it is of.
    pub helpdesk_version: String,
    /// Longest request body in bytes.
    pub max_body: u64,
    /// For the header block.
    pub header_deadline: Millis,
    /// For the body, from the end of the header block.
    pub body_deadline: Millis,
    /// Open connections.
    pub max_connections: u32,
    /// Mount of the leads surface: begins with `/`, does not end with one.
    pub leads_prefix: String,
}

/// `[admin]`: the Unix socket of the command line.
#[derive(Debug, Clone)]
pub struct Admin {
    /// Its path.
    pub socket: PathBuf,
    /// Its permission bits.
    pub socket_mode: u32,
}

/// `[store]`: the data directory.
#[derive(Debug, Clone)]
pub struct Store {
    /// The directory.
    pub path: PathBuf,
    /// Bytes of the whole store.
    pub max_disk: u64,
    /// Bytes of one account.
    pub max_account_disk: u64,
    /// How long settled messages stay readable.
    pub retention: Millis,
    /// How long dead letters and their messages stay.
    pub dead_retention: Millis,
    /// Bytes of page cache.
    pub cache: u64,
}

/// `[delivery]`: how requests leave.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// For connect, head and body together.
    pub deadline: Millis,
    /// For connect alone.
    pub connect_deadline: Millis,
    /// Attempts in their first second.
    pub max_in_flight: u32,
    /// Attempts that are still unanswered after it.
    pub slow_pool: u32,
    /// Bytes of messages held in memory for attempts.
    pub max_loaded: u64,
    /// Messages per batch, for new endpoints.
    pub max_messages: u32,
    /// Bytes per batch, for new endpoints.
    pub max_bytes: u64,
    /// Networks that may be called although they are not public.
    pub allow_networks: Vec<IpNet>,
    /// PEM certificates trusted beside the built-in roots.
    pub ca_file: Option<PathBuf>,
}

/// `[retry]` (`protocols/notifications.md` 2.2).
#[derive(Debug, Clone)]
pub struct Retry {
    /// Wait after the first failure.
    pub initial: Millis,
    /// Factor in thousandths.
    pub multiplier_milli: u32,
    /// Longest wait.
    pub max_interval: Millis,
    /// Jitter lengthens a wait by up to this, 0-100.
    pub jitter_percent: u32,
    /// Attempts of a message alone in its batch; 0 = no limit.
    pub max_attempts: u32,
    /// Age at which a message expires.
    pub max_age: Millis,
    /// The same while on hold, disabled or in thin mode.
    pub held_max_age: Millis,
    /// Failing for so long disables an endpoint.
    pub disable_after: Millis,
    /// Between wake-ups of a thin endpoint.
    pub thin_reminder: Millis,
}

/// `[limits]` (`protocols/transport.md` 4, `protocols/sitecom-token.md` 2).
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests per subject and minute; 0 = no limit.
    pub per_minute: u32,
    /// Failed keys and tokens per address; 0 = off.
    pub auth_failures_per_minute: u32,
    /// Failed passwords per address and login; 0 = off.
    pub password_failures_per_minute: u32,
    /// Life of an `ai_sitecom_token` from its issue.
    pub token_lifetime: Millis,
    /// Clock difference tolerated, both ways.
    pub token_skew: Millis,
}

/// Least important level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogLevel {
    /// Faults of ours only.
    Error,
    /// And what an operator should look at.
    Warn,
    /// And one line per commit, attempt and state change.
    #[default]
    Info,
    /// And decisions.
    Debug,
    /// Everything.
    Trace,
}

impl From<LogLevel> for tracing::Level {
    fn from(level: LogLevel) -> Self {
        match level {
            LogLevel::Error => Self::ERROR,
            LogLevel::Warn => Self::WARN,
            LogLevel::Info => Self::INFO,
            LogLevel::Debug => Self::DEBUG,
            LogLevel::Trace => Self::TRACE,
        }
    }
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// journald under systemd, human on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For eyes.
    Human,
    /// One object per line.
    Json,
    /// The journal's own protocol.
    Journald,
}

/// `[log]`.
#[derive(Debug, Clone)]
pub struct Log {
    /// The level.
    pub level: LogLevel,
    /// The form.
    pub format: LogFormat,
}

/// `[shutdown]`.
#[derive(Debug, Clone)]
pub struct Shutdown {
    /// Longest wait for attempts in flight.
    pub grace: Millis,
}

/// `[secrets]`.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// The key file; none = the systemd credential, else the one in the data directory.
    pub key_file: Option<PathBuf>,
}

/// Name of the systemd credential that carries the sealing key.
pub const KEY_CREDENTIAL: &str = "hookrelay.key";
/// Name of the key file in the data directory.
pub const KEY_FILE: &str = "secret.key";

impl Secrets {
    /// Where the sealing key is: the configured file; else the credential in `credentials`
    /// (systemd's `CREDENTIALS_DIRECTORY`) if `exists` finds it; else in the data directory.
    pub fn path(
        &self,
        store: &Path,
        credentials: Option<&Path>,
        exists: impl Fn(&Path) -> bool,
    ) -> PathBuf {
        let credential = || {
            credentials
                .map(|directory| directory.join(KEY_CREDENTIAL))
                .filter(|path| exists(path))
        };
        self.key_file
            .clone()
            .or_else(credential)
            .unwrap_or_else(|| store.join(KEY_FILE))
    }
}

pub(super) fn http(r: &mut Reader) -> Http {
    Http {
        listen: r.addresses("http.listen"),
        tls_listen: r.addresses("http.tls_listen"),
        tls_cert: r.optional_path("http.tls_cert"),
        tls_key: r.optional_path("http.tls_key"),
        trusted_proxies: r.networks("http.trusted_proxies"),
        insecure_loopback: r.flag("http.insecure_loopback"),
        default_account: r.optional_account("http.default_account"),
        credit_cost: r.number("http.credit_cost", 0..=1_000_000),
        helpdesk_version: r.take("http.helpdesk_version", version),
        max_body: r.size("http.max_body", KIB..=64 * MIB),
        header_deadline: r.duration("http.header_deadline", seconds_to_minutes()),
        body_deadline: r.duration("http.body_deadline", seconds_to_minutes()),
        max_connections: r.number("http.max_connections", 1..=1_000_000),
        leads_prefix: r.take("http.leads_prefix", leads_prefix),
    }
}

fn seconds_to_minutes() -> std::ops::RangeInclusive<Millis> {
    Millis::seconds(1)..=Millis::minutes(10)
}

pub(super) fn admin(r: &mut Reader) -> Admin {
    Admin {
        socket: r.path("admin.socket"),
        socket_mode: r.take("admin.socket_mode", mode),
    }
}

pub(super) fn store(r: &mut Reader) -> Store {
    let max_disk = r.size("store.max_disk", 128 * MIB..=1024 * TIB);
    Store {
        path: r.path("store.path"),
        max_disk,
        max_account_disk: r.take("store.max_account_disk", share_or_size).of(max_disk),
        retention: r.duration("store.retention", Millis(0)..=Millis::days(3650)),
        dead_retention: r.duration("store.dead_retention", Millis(0)..=Millis::days(3650)),
        cache: r.size("store.cache", MIB..=64 * GIB),
    }
}

pub(super) fn delivery(r: &mut Reader) -> Delivery {
    Delivery {
        deadline: r.duration("delivery.deadline", seconds_to_minutes()),
        connect_deadline: r.duration(
            "delivery.connect_deadline",
            Millis(100)..=Millis::minutes(10),
        ),
        max_in_flight: r.number("delivery.max_in_flight", 1..=100_000),
        slow_pool: r.number("delivery.slow_pool", 1..=100_000),
        max_loaded: r.size("delivery.max_loaded", MIB..=64 * GIB),
        max_messages: r.number("delivery.max_messages", 1..=1000),
        max_bytes: r.size("delivery.max_bytes", KIB..=16 * MIB),
        allow_networks: r.networks("delivery.allow_networks"),
        ca_file: r.optional_path("delivery.ca_file"),
    }
}

pub(super) fn retry(r: &mut Reader) -> Retry {
    let age = || Millis::seconds(1)..=Millis::days(3650);
    Retry {
        initial: r.duration("retry.initial", Millis(100)..=Millis::hours(24)),
        multiplier_milli: r.factor("retry.multiplier", 1000..=100_000),
        max_interval: r.duration("retry.max_interval", Millis(100)..=Millis::days(7)),
        jitter_percent: r.number("retry.jitter_percent", 0..=100),
        max_attempts: r.number("retry.max_attempts", 0..=1_000_000),
        max_age: r.duration("retry.max_age", age()),
        held_max_age: r.duration("retry.held_max_age", age()),
        disable_after: r.duration("retry.disable_after", age()),
        thin_reminder: r.duration("retry.thin_reminder", Millis::seconds(1)..=Millis::days(7)),
    }
}

pub(super) fn limits(r: &mut Reader) -> Limits {
    Limits {
        per_minute: r.number("limits.per_minute", 0..=10_000_000),
        auth_failures_per_minute: r.number("limits.auth_failures_per_minute", 0..=1_000_000),
        password_failures_per_minute: r
            .number("limits.password_failures_per_minute", 0..=1_000_000),
        token_lifetime: r.duration(
            "limits.token_lifetime",
            Millis::seconds(1)..=Millis::days(7),
        ),
        token_skew: r.duration("limits.token_skew", Millis(0)..=Millis::hours(1)),
    }
}

pub(super) fn log(r: &mut Reader) -> Log {
    Log {
        level: r.choice(
            "log.level",
            &[
                ("error", LogLevel::Error),
                ("warn", LogLevel::Warn),
                ("info", LogLevel::Info),
                ("debug", LogLevel::Debug),
                ("trace", LogLevel::Trace),
            ],
        ),
        format: r.choice(
            "log.format",
            &[
                ("auto", LogFormat::Auto),
                ("human", LogFormat::Human),
                ("json", LogFormat::Json),
                ("journald", LogFormat::Journald),
            ],
        ),
    }
}

pub(super) fn shutdown(r: &mut Reader) -> Shutdown {
    Shutdown {
        grace: r.duration("shutdown.grace", Millis(0)..=Millis::minutes(30)),
    }
}

pub(super) fn secrets(r: &mut Reader) -> Secrets {
    Secrets {
        key_file: r.optional_path("secrets.key_file"),
    }
}

/// A size, or a share of another.
#[derive(Debug)]
enum ShareOrSize {
    Percent(u64),
    Bytes(u64),
}

impl Default for ShareOrSize {
    fn default() -> Self {
        Self::Percent(100)
    }
}

impl ShareOrSize {
    fn of(&self, whole: u64) -> u64 {
        match self {
            Self::Percent(percent) => whole / 100 * percent,
            Self::Bytes(bytes) => *bytes,
        }
    }
}

fn share_or_size(value: &Value) -> Result<ShareOrSize, Refusal> {
    if let Value::Text(text) | Value::Word(text) = value
        && let Some(number) = text.trim().strip_suffix('%')
    {
        return match number.trim().parse() {
            Ok(percent @ 1..=100) => Ok(ShareOrSize::Percent(percent)),
            _ => Err(Refusal::new(
                format!("{value} is not a share"),
                "write \"1 %\" to \"100 %\", or a size such as \"5 GiB\"",
            )),
        };
    }
    match size_of(value)? {
        bytes if bytes >= MIB => Ok(ShareOrSize::Bytes(bytes)),
        _ => Err(Refusal::new(
            format!("{value} is too small"),
            "write at least \"1 MiB\", or a share such as \"50 %\"",
        )),
    }
}

fn mode(value: &Value) -> Result<u32, Refusal> {
    let refused = || {
        Refusal::new(
            format!("{value} is not a file mode"),
            "write octal digits in quotes, such as \"0660\"",
        )
    };
    let text = text_of(value).map_err(|_| refused())?;
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 && text.bytes().all(|b| b.is_ascii_digit()) => Ok(mode),
        _ => Err(refused()),
    }
}

fn version(value: &Value) -> Result<String, Refusal> {
    let text = text_of(value)?;
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if text.len() <= 32 && text.split('.').all(is_part) {
        return Ok(text.to_owned());
    }
    Err(Refusal::new(
        format!("{value} is not numbers between dots"),
        "write a version such as \"4.20.0.0\"".to_owned(),
    ))
}

/// First path segments that belong to the other surfaces (`protocols/transport.md` section 1).
const OTHER_MOUNTS: [&str; 6] = ["service", "service.php", "v1", "flex", "api", "relay"];

fn leads_prefix(value: &Value) -> Result<String, Refusal> {
    let text = text_of(value)?;
    let refused = |reason: String| {
        Err(Refusal::new(
            reason,
            "write a path such as \"/crm/v1\"".to_owned(),
        ))
    };
    let Some(path) = text.strip_prefix('/') else {
        return refused(format!("{value} does not begin with /"));
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    if path.is_empty() || path.ends_with('/') || path.contains("//") || !path.chars().all(plain) {
        return refused(format!("{value} is not a plain path without a final /"));
    }
    let first = path.split('/').next().unwrap_or(path);
    if OTHER_MOUNTS.contains(&first) || path.split('/').any(|part| part == "." || part == "..") {
        return refused(format!("{value} is where another surface lives"));
    }
    Ok(text.to_owned())
}
