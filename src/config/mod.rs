//! What the operator sets.
//!
//! Owns the layers (compiled-in defaults < file < environment < flags), the typed [`Config`] and
//! the report of every mistake at once. Loading reads one file and touches nothing else. Does
//! not know what the settings do: the composition root hands them to the rooms.

mod layers;
mod mistake;
mod read;
mod tree;
mod units;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

pub use layers::variable;
pub use mistake::{ConfigError, Mistake, Source};
pub use read::Setting;
pub use tree::{
    Admin, Delivery, Http, KEY_CREDENTIAL, KEY_FILE, Limits, Log, LogFormat, LogLevel, Retry,
    Secrets, Shutdown, Store,
};

pub use units::{NotAQuantity, duration, duration_text, size, size_text};

use layers::Entries;
use read::Reader;

/// The commented default file: the manual and the defaults in one.
pub const DEFAULTS: &str = include_str!("../../config/hookrelay.toml");

/// The file that is read when none is named, if it exists.
pub const DEFAULT_FILE: &str = "/etc/hookrelay/hookrelay.toml";

/// Keys that take effect on SIGHUP; all others need a restart.
const RELOADABLE: [&str; 6] = [
    "http.tls_cert",
    "http.tls_key",
    "limits.per_minute",
    "limits.auth_failures_per_minute",
    "limits.password_failures_per_minute",
    "log.level",
];

/// The whole configuration, valid in itself.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[http]`
    pub http: Http,
    /// `[admin]`
    pub admin: Admin,
    /// `[store]`
    pub store: Store,
    /// `[delivery]`
    pub delivery: Delivery,
    /// `[retry]`
    pub retry: Retry,
    /// `[limits]`
    pub limits: Limits,
    /// `[log]`
    pub log: Log,
    /// `[shutdown]`
    pub shutdown: Shutdown,
    /// `[secrets]`
    pub secrets: Secrets,
    settings: BTreeMap<&'static str, Setting>,
}

/// What is laid over the defaults.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// A file's name (for messages) and content.
    pub file: Option<(String, Vec<u8>)>,
    /// Environment variables; those that are not ours are skipped.
    pub environment: Vec<(OsString, OsString)>,
    /// `section.key=value` from the command line.
    pub flags: Vec<String>,
}

impl Layers {
    /// Reads the named file, or [`DEFAULT_FILE`] if none is named and it exists.
    pub fn read(
        named: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: Vec<String>,
    ) -> Result<Self, ConfigError> {
        let path = named.unwrap_or(Path::new(DEFAULT_FILE));
        let file = match fs::read(path) {
            Ok(bytes) => Some((path.display().to_string(), bytes)),
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(ConfigError(vec![Mistake {
                    source: Source::File {
                        path: path.display().to_string(),
                        line: None,
                    },
                    key: String::new(),
                    reason: format!("the file cannot be read: {error}"),
                    instead: "check the path and its permissions".to_owned(),
                }]));
            }
        };
        Ok(Self {
            file,
            environment: environment.into_iter().collect(),
            flags,
        })
    }
}

/// A change between two configurations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Changed keys that take effect without a restart.
    pub reloadable: Vec<String>,
    /// Changed keys that wait for a restart.
    pub restart: Vec<String>,
}

impl Config {
    /// The configuration of these layers, or every mistake in them.
    pub fn parse(layers: Layers) -> Result<Self, ConfigError> {
        let mut entries = Entries::default();
        let mut mistakes = Vec::new();
        entries.add_file(None, DEFAULTS.as_bytes(), &mut mistakes);
        if let Some((name, bytes)) = &layers.file {
            entries.add_file(Some(name), bytes, &mut mistakes);
        }
        entries.add_environment(layers.environment, &mut mistakes);
        for flag in &layers.flags {
            entries.add_flag(flag, &mut mistakes);
        }
        let mut reader = Reader::new(entries, mistakes);
        let mut config = Self {
            http: tree::http(&mut reader),
            admin: tree::admin(&mut reader),
            store: tree::store(&mut reader),
            delivery: tree::delivery(&mut reader),
            retry: tree::retry(&mut reader),
            limits: tree::limits(&mut reader),
            log: tree::log(&mut reader),
            shutdown: tree::shutdown(&mut reader),
            secrets: tree::secrets(&mut reader),
            settings: BTreeMap::new(),
        };
        reader.refuse_unknown();
        // Contradictions between values that are wrong in themselves would only confuse.
        if reader.mistakes.is_empty() {
            config.refuse_contradictions(&mut reader);
        }
        if !reader.mistakes.is_empty() {
            reader.mistakes.sort_by_key(place);
            return Err(ConfigError(reader.mistakes));
        }
        config.settings = reader.settings;
        Ok(config)
    }

    /// [`Layers::read`] and [`Config::parse`] in one.
    pub fn load(
        named: Option<&Path>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: Vec<String>,
    ) -> Result<Self, ConfigError> {
        Self::parse(Layers::read(named, environment, flags)?)
    }

    /// Every key's effective value and where it comes from, by key.
    pub fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.settings.values()
    }

    /// Whether a key takes effect on SIGHUP.
    pub fn is_reloadable(key: &str) -> bool {
        RELOADABLE.contains(&key)
    }

    /// What differs in `newer`, by key.
    pub fn changes(&self, newer: &Self) -> Changes {
        let mut changes = Changes::default();
        for (key, setting) in &newer.settings {
            let same = self
                .settings
                .get(key)
                .is_some_and(|old| old.identity == setting.identity);
            if same {
                continue;
            }
            let list = if Self::is_reloadable(key) {
                &mut changes.reloadable
            } else {
                &mut changes.restart
            };
            list.push((*key).to_owned());
        }
        changes
    }

    fn refuse_contradictions(&self, reader: &mut Reader) {
        let http = &self.http;
        let mut refuse = |holds: bool, key: &str, reason: &str, instead: &str| {
            if holds {
                reader.contradiction(key, reason.to_owned(), instead);
            }
        };
        refuse(
            http.listen.is_empty() && http.tls_listen.is_empty(),
            "http.listen",
            "neither listen nor tls_listen has an address, so nobody could call",
            "set one of them",
        );
        refuse(
            !http.tls_listen.is_empty() && http.tls_cert.is_none(),
            "http.tls_listen",
            "TLS needs a certificate",
            "set http.tls_cert",
        );
        refuse(
            !http.tls_listen.is_empty() && http.tls_key.is_none(),
            "http.tls_listen",
            "TLS needs a private key",
            "set http.tls_key",
        );
        for (key, given) in [
            ("http.tls_cert", &http.tls_cert),
            ("http.tls_key", &http.tls_key),
        ] {
            refuse(
                http.tls_listen.is_empty() && given.is_some(),
                key,
                "it is used only with TLS, and tls_listen is empty",
                "set http.tls_listen, or remove it",
            );
        }
        refuse(
            http.tls_listen
                .iter()
                .any(|it| it.port() != 0 && http.listen.contains(it)),
            "http.tls_listen",
            "listen has the same address",
            "use another port for one of them",
        );
        refuse(
            self.store.max_account_disk > self.store.max_disk,
            "store.max_account_disk",
            "it is more than max_disk",
            "write a share such as \"50 %\", or raise store.max_disk",
        );
        refuse(
            self.delivery.connect_deadline > self.delivery.deadline,
            "delivery.connect_deadline",
            "it is longer than the deadline of the whole exchange",
            "shorten it, or raise delivery.deadline",
        );
        refuse(
            self.delivery.max_bytes.saturating_mul(4) > self.delivery.max_loaded,
            "delivery.max_loaded",
            "fewer than four batches of max_bytes fit into it",
            "raise it, or lower delivery.max_bytes",
        );
        refuse(
            self.retry.initial > self.retry.max_interval,
            "retry.initial",
            "the first wait is longer than max_interval",
            "shorten it, or raise retry.max_interval",
        );
        refuse(
            self.retry.max_age > self.retry.held_max_age,
            "retry.held_max_age",
            "messages on hold would expire before those that are tried",
            "make it at least retry.max_age",
        );
    }
}

/// Layers in order, and lines within a file.
fn place(mistake: &Mistake) -> (u8, usize) {
    match &mistake.source {
        Source::Default => (0, 0),
        Source::File { line, .. } => (1, line.unwrap_or(0)),
        Source::Environment { .. } => (2, 0),
        Source::Flag => (3, 0),
    }
}
