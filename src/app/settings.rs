//! From the configuration to each room's settings.
//!
//! Owns the translation, key by key. Does not know what a setting does.

use std::fmt;

use crate::api::front;
use crate::api::manage::{BatchDefaults, UrlRules};
use crate::auth::sitecom_token::Validity;
use crate::config::Config;
use crate::delivery::address::AddressRules;
use crate::delivery::header::check_header;
use crate::delivery::http;
use crate::delivery::url::check_url;
use crate::limit;
use crate::relay::engine::{self, schedule};
use crate::relay::shell;
use crate::store::sled::{Settings as StoreSettings, SledStore};

/// `[store]`.
pub(super) fn store(config: &Config) -> StoreSettings {
    StoreSettings {
        max_disk: config.store.max_disk,
        max_account_disk: Some(config.store.max_account_disk),
        cache: config.store.cache,
        ..StoreSettings::default()
    }
}

/// What the operator may see of the store.
pub(super) fn store_figures(store: &SledStore) -> serde_json::Value {
    let stats = store.stats();
    serde_json::json!({
        "open": stats.open,
        "disk_bytes": stats.disk,
        "live_bytes": stats.live,
        "queued_commits": stats.queued,
        "groups": stats.groups,
        "commits": stats.commits,
        "last_sync_us": u64::try_from(stats.last_sync.as_micros()).unwrap_or(u64::MAX),
        "failures": stats.failures,
        "ballast_spent": stats.ballast_spent,
    })
}

fn addresses(config: &Config) -> AddressRules {
    AddressRules {
        allow_networks: config.delivery.allow_networks.clone(),
        insecure_loopback: config.http.insecure_loopback,
    }
}

/// `[delivery]`, as far as it is about one request.
pub(super) fn delivery(config: &Config) -> http::Settings {
    http::Settings {
        deadline: config.delivery.deadline,
        connect_deadline: config.delivery.connect_deadline,
        addresses: addresses(config),
        ca_file: config.delivery.ca_file.clone(),
        ..http::Settings::default()
    }
}

/// `[delivery]` and `[retry]`, as far as they are about what is sent when.
pub(super) fn relay(config: &Config, batch_key: [u8; 32]) -> shell::Settings {
    let retry = &config.retry;
    shell::Settings {
        engine: engine::Settings {
            max_in_flight: config.delivery.max_in_flight as usize,
            slow_pool: config.delivery.slow_pool as usize,
            max_loaded: config.delivery.max_loaded,
            batch_key,
            ..engine::Settings::default()
        },
        retry: schedule::Settings {
            initial: retry.initial,
            multiplier_milli: retry.multiplier_milli,
            max_interval: retry.max_interval,
            jitter_milli: retry.jitter_percent * 10,
            max_attempts: retry.max_attempts,
            max_age: retry.max_age,
            held_max_age: retry.held_max_age,
            disable_after: retry.disable_after,
            thin_reminder: retry.thin_reminder,
        },
        retention: config.store.retention,
        dead_retention: config.store.dead_retention,
    }
}

/// `[limits]`, as far as it is about how often.
pub(super) fn limits(config: &Config) -> limit::Settings {
    limit::Settings {
        per_minute: config.limits.per_minute,
        auth_failures_per_minute: config.limits.auth_failures_per_minute,
        password_failures_per_minute: config.limits.password_failures_per_minute,
    }
}

/// `[limits]`, as far as it is about site tokens.
pub(super) fn validity(config: &Config) -> Validity {
    Validity {
        lifetime: config.limits.token_lifetime,
        skew: config.limits.token_skew,
    }
}

/// `[http]`.
pub(super) fn front(config: &Config) -> front::Settings {
    let http = &config.http;
    front::Settings {
        trusted_proxies: http.trusted_proxies.clone(),
        insecure_loopback: http.insecure_loopback,
        default_account: http.default_account,
        credit_cost: u64::from(http.credit_cost),
        helpdesk_version: http.helpdesk_version.clone(),
        max_body: usize::try_from(http.max_body).unwrap_or(usize::MAX),
        header_deadline: http.header_deadline,
        body_deadline: http.body_deadline,
        max_connections: http.max_connections as usize,
        ..front::Settings::default()
    }
}

/// Batch limits of endpoints that are created without their own.
pub(super) fn batch_defaults(config: &Config) -> BatchDefaults {
    BatchDefaults {
        max_messages: config.delivery.max_messages,
        max_bytes: u32::try_from(config.delivery.max_bytes).unwrap_or(u32::MAX),
    }
}

/// Delivery's rules, as the surfaces ask for them.
pub(super) struct Rules(AddressRules);

impl Rules {
    pub(super) fn new(config: &Config) -> Self {
        Self(addresses(config))
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Rules")
    }
}

impl UrlRules for Rules {
    fn check_url(&self, url: &str) -> Result<(), String> {
        check_url(url, &self.0)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    fn check_header(&self, name: &str, value: &str) -> Result<(), String> {
        check_header(name, value)
            .map(drop)
            .map_err(|error| error.to_string())
    }
}
