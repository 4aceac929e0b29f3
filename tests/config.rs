//! The configuration from outside: the default file is the manual, every mistake is reported at
//! once, layers override in order, and no bytes make it panic.

// A test's helper may end the test.
#![allow(clippy::expect_used)]

use std::collections::BTreeSet;
use std::ffi::OsString;

use hookrelay::clock::Millis;
use hookrelay::config::{Config, ConfigError, DEFAULTS, Layers, LogFormat, LogLevel, Source};

fn layers(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> Layers {
    Layers {
        file: Some(("h.toml".to_owned(), file.as_bytes().to_vec())),
        environment: environment
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)))
            .collect(),
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
    }
}

fn parse(file: &str) -> Result<Config, ConfigError> {
    Config::parse(layers(file, &[], &[]))
}

fn mistakes(file: &str) -> Vec<String> {
    let error = parse(file).expect_err("the file has mistakes");
    error.0.iter().map(ToString::to_string).collect()
}

#[test]
fn the_default_file_gives_the_documented_defaults() {
    let config = Config::parse(Layers::default()).expect("the defaults are valid");
    let listen: Vec<String> = config.http.listen.iter().map(ToString::to_string).collect();
    assert_eq!(listen, ["127.0.0.1:8480"]);
    assert!(config.http.tls_listen.is_empty() && config.http.tls_cert.is_none());
    assert!(!config.http.insecure_loopback);
    assert_eq!(config.http.max_body, 1 << 20);
    assert_eq!(config.http.body_deadline, Millis::seconds(10));
    assert_eq!(config.http.leads_prefix, "/crm/v1");
    assert_eq!(config.admin.socket_mode, 0o660);
    assert_eq!(config.store.max_disk, 10 << 30);
    // Half of max_disk, whole percents.
    assert_eq!(config.store.max_account_disk, (10 << 30) / 100 * 50);
    assert_eq!(config.store.retention, Millis::hours(24));
    assert_eq!(config.store.dead_retention, Millis::days(14));
    assert_eq!(config.delivery.deadline, Millis::seconds(30));
    assert_eq!(config.delivery.connect_deadline, Millis::seconds(5));
    assert_eq!(config.delivery.max_in_flight, 1000);
    assert_eq!(config.delivery.slow_pool, 4096);
    assert_eq!(config.delivery.max_loaded, 64 << 20);
    assert_eq!(config.delivery.max_messages, 100);
    assert_eq!(config.delivery.max_bytes, 262_144);
    assert_eq!(config.retry.initial, Millis::seconds(5));
    assert_eq!(config.retry.multiplier_milli, 2000);
    assert_eq!(config.retry.max_interval, Millis::hours(1));
    assert_eq!(config.retry.jitter_percent, 20);
    assert_eq!(config.retry.max_attempts, 0);
    assert_eq!(config.retry.max_age, Millis::hours(72));
    assert_eq!(config.retry.held_max_age, Millis::days(14));
    assert_eq!(config.retry.disable_after, Millis::days(5));
    assert_eq!(config.retry.thin_reminder, Millis::minutes(5));
    assert_eq!(config.limits.per_minute, 120);
    assert_eq!(config.limits.auth_failures_per_minute, 20);
    assert_eq!(config.limits.password_failures_per_minute, 10);
    assert_eq!(config.limits.token_lifetime, Millis::seconds(300));
    assert_eq!(config.limits.token_skew, Millis::seconds(60));
    assert_eq!(config.log.level, LogLevel::Info);
    assert_eq!(config.log.format, LogFormat::Auto);
    assert!(config.shutdown.grace > config.delivery.deadline);
    assert!(config.secrets.key_file.is_none());
}

/// `section.key` and whether the comment right above it says (reload), for each key of the file.
fn keys_of_the_default_file() -> Vec<(String, bool)> {
    let (mut section, mut reload, mut keys) = (String::new(), false, Vec::new());
    for line in DEFAULTS.lines() {
        if let Some(name) = line.strip_prefix('[') {
            name.trim_end_matches(']').clone_into(&mut section);
        } else if line.starts_with('#') {
            reload |= line.starts_with("# (reload)");
        } else if let Some((key, _)) = line.split_once(" = ") {
            keys.push((format!("{section}.{key}"), std::mem::take(&mut reload)));
        } else {
            reload = false;
        }
    }
    keys
}

#[test]
fn every_key_of_the_schema_is_in_the_default_file_and_vice_versa() {
    let config = Config::parse(Layers::default()).expect("the defaults are valid");
    let schema: BTreeSet<String> = config.settings().map(|it| it.key.clone()).collect();
    let file: BTreeSet<String> = keys_of_the_default_file()
        .into_iter()
        .map(|(key, _)| key)
        .collect();
    assert_eq!(schema, file);
    assert!(schema.len() > 40);
}

#[test]
fn the_comments_name_exactly_the_keys_that_reload() {
    for (key, says_reload) in keys_of_the_default_file() {
        assert_eq!(Config::is_reloadable(&key), says_reload, "{key}");
    }
}

#[test]
fn all_mistakes_are_reported_at_once_with_place_reason_and_remedy() {
    let found = mistakes(
        "listen = 'x'\n\
         [http]\n\
         listn = '127.0.0.1:1'\n\
         listen = 'localhost:80'\n\
         max_body = '1 MB'\n\
         insecure_loopback = 'yes'\n\
         leads_prefix = '/v1/leads'\n\
         trusted_proxies = ['10.0.0.1/8']\n\
         [stor]\n\
         path = '/x'\n\
         [retry]\n\
         initial = 5\n\
         multiplier = 0.5\n\
         jitter_percent = 101\n\
         max_agee = '1 h'\n\
         [log]\n\
         level = 'inof'\n\
         [admin]\n\
         socket_mode = '0999'\n",
    );
    let expected = [
        ("h.toml:1: listen:", "under the line [http]"),
        (
            "h.toml:3: http.listn: unknown key",
            "did you mean http.listen?",
        ),
        ("h.toml:4: http.listen:", "write \"127.0.0.1:80\""),
        ("h.toml:5: http.max_body:", "write \"1 MiB\""),
        ("h.toml:6: http.insecure_loopback:", "true or false"),
        ("h.toml:7: http.leads_prefix:", "/crm/v1"),
        ("h.toml:8: http.trusted_proxies:", "write \"10.0.0.0/8\""),
        (
            "h.toml:10: stor.path: unknown section",
            "did you mean [store]?",
        ),
        ("h.toml:12: retry.initial:", "\"30 s\""),
        ("h.toml:13: retry.multiplier:", "from 1.000 to 100.000"),
        ("h.toml:14: retry.jitter_percent:", "from 0 to 100"),
        (
            "h.toml:15: retry.max_agee: unknown key",
            "did you mean retry.max_age?",
        ),
        ("h.toml:17: log.level:", "did you mean \"info\"?"),
        ("h.toml:19: admin.socket_mode:", "0660"),
    ];
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for ((start, remedy), mistake) in expected.iter().zip(&found) {
        assert!(mistake.starts_with(start), "{mistake}\n  not {start}");
        assert!(mistake.contains(remedy), "{mistake}\n  without {remedy}");
    }
}

#[test]
fn contradictions_are_mistakes_of_the_key_to_change() {
    for (file, key) in [
        ("[http]\nlisten = ''", "http.listen"),
        (
            "[http]\ntls_listen = '[::]:443'\ntls_key = '/k'",
            "http.tls_listen",
        ),
        (
            "[http]\ntls_listen = '[::]:443'\ntls_cert = '/c'",
            "http.tls_listen",
        ),
        ("[http]\ntls_cert = '/c'", "http.tls_cert"),
        ("[http]\ntls_key = '/k'", "http.tls_key"),
        (
            "[http]\ntls_listen = '127.0.0.1:8480'\ntls_cert = '/c'\ntls_key = '/k'",
            "http.tls_listen",
        ),
        (
            "[store]\nmax_account_disk = '11 GiB'",
            "store.max_account_disk",
        ),
        ("[delivery]\ndeadline = '3 s'", "delivery.connect_deadline"),
        (
            "[delivery]\nmax_loaded = '1 MiB'\nmax_bytes = '257 KiB'",
            "delivery.max_loaded",
        ),
        ("[retry]\ninitial = '2 h'", "retry.initial"),
        ("[retry]\nmax_age = '15 d'", "retry.held_max_age"),
    ] {
        let error = parse(file).expect_err(file);
        let keys: Vec<&str> = error.0.iter().map(|it| it.key.as_str()).collect();
        assert_eq!(keys, [key], "{file}");
    }
}

#[test]
fn values_at_the_edges_of_their_ranges_are_taken_and_beyond_refused() {
    for (good, bad) in [
        (
            "[http]\nmax_body = '64 MiB'",
            "[http]\nmax_body = '65537 KiB'",
        ),
        ("[retry]\nmultiplier = 1", "[retry]\nmultiplier = 0.999"),
        ("[retry]\nmultiplier = 100.0", "[retry]\nmultiplier = nan"),
        (
            "[delivery]\nmax_messages = 1000",
            "[delivery]\nmax_messages = 1001",
        ),
        (
            "[delivery]\nmax_messages = 1",
            "[delivery]\nmax_messages = 0",
        ),
        ("[limits]\nper_minute = 0", "[limits]\nper_minute = -1"),
        (
            "[limits]\nper_minute = 0x10",
            "[limits]\nper_minute = 99999999999999999999",
        ),
        (
            "[store]\nmax_account_disk = '100 %'",
            "[store]\nmax_account_disk = '101 %'",
        ),
        (
            "[store]\nmax_account_disk = '1 %'",
            "[store]\nmax_account_disk = '0 %'",
        ),
        (
            "[admin]\nsocket_mode = '0777'",
            "[admin]\nsocket_mode = '1000'",
        ),
        (
            "[http]\nleads_prefix = '/leads'",
            "[http]\nleads_prefix = '/leads/'",
        ),
    ] {
        assert!(parse(good).is_ok(), "{good}: {:?}", parse(good).err());
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn flags_win_over_environment_over_file_over_defaults() {
    let file = "[limits]\nper_minute = 1\n[retry]\nmax_attempts = 1\n[log]\nlevel = 'warn'\n";
    let environment = [
        ("HOOKRELAY_LIMITS__PER_MINUTE", "2"),
        ("HOOKRELAY_RETRY__MAX_ATTEMPTS", "2"),
        ("HOOKRELAY_HTTP__LISTEN", "127.0.0.1:1, [::1]:2"),
        ("HOOKRELAY_HTTP__INSECURE_LOOPBACK", "true"),
    ];
    let config = Config::parse(layers(file, &environment, &["retry.max_attempts=3"]))
        .expect("every layer is valid");
    assert_eq!(config.log.level, LogLevel::Warn);
    assert_eq!(config.limits.per_minute, 2);
    assert_eq!(config.retry.max_attempts, 3);
    assert_eq!(config.http.listen.len(), 2);
    assert!(config.http.insecure_loopback);
    let source = |key: &str| {
        let found = config.settings().find(|it| it.key == key);
        found.expect("the key exists").source.clone()
    };
    assert_eq!(source("retry.max_attempts"), Source::Flag);
    assert_eq!(source("retry.max_age"), Source::Default);
    assert_eq!(source("log.level").to_string(), "h.toml:6");
}

#[test]
fn a_mistake_below_an_override_is_still_told() {
    let error = Config::parse(layers(
        "[log]\nlevel = 'loud'\n",
        &[
            ("HOOKRELAY_LOG__LEVEL", "info"),
            ("HOOKRELAY_LOG__FORMT", "json"),
        ],
        &["log.level", "retry.multiplier=fast"],
    ))
    .expect_err("four mistakes");
    let text = error.to_string();
    for part in [
        "4 mistakes",
        "h.toml:2: log.level: \"loud\"",
        "environment HOOKRELAY_LOG__FORMT: log.formt: unknown key; did you mean log.format?",
        "flag --set: log.level: no value",
        "flag --set: retry.multiplier",
    ] {
        assert!(text.contains(part), "{text}\n  without {part}");
    }
}

#[test]
fn changes_tell_what_reloads_and_what_waits_for_a_restart() {
    let old = parse("[retry]\ninitial = '60 s'").expect("valid");
    let new = parse("[retry]\ninitial = '1 m'\nmax_age = '1 d'\n[log]\nlevel = 'debug'");
    let changes = old.changes(&new.expect("valid"));
    assert_eq!(changes.reloadable, ["log.level"]);
    // One minute is sixty seconds, however it is spelled.
    assert_eq!(changes.restart, ["retry.max_age"]);
}

#[test]
fn a_named_file_must_exist() {
    let missing = std::path::Path::new("/nonexistent/hookrelay.toml");
    let error = Config::load(Some(missing), [], Vec::new()).expect_err("no such file");
    assert!(error.to_string().contains("cannot be read"), "{error}");
}

#[test]
fn the_key_file_is_the_configured_one_else_the_credential_else_in_the_store() {
    use std::path::Path;
    let config = parse("").expect("valid");
    let (store, credentials) = (Path::new("/s"), Some(Path::new("/c")));
    let path = |config: &Config, found: bool| {
        let path = config.secrets.path(store, credentials, |_| found);
        path.display().to_string()
    };
    assert_eq!(path(&config, true), "/c/hookrelay.key");
    assert_eq!(path(&config, false), "/s/secret.key");
    let config = parse("[secrets]\nkey_file = '/k'").expect("valid");
    assert_eq!(path(&config, true), "/k");
}

#[test]
fn no_bytes_make_it_panic() {
    let mut rng = fastrand::Rng::with_seed(20_260_115);
    let seeds = [DEFAULTS.as_bytes(), b"[http]\nlisten = ['a', 1, {x = 2}]\n"];
    let (mut good, mut bad) = (0, 0);
    for round in 0..800 {
        let mut bytes = seeds[round % seeds.len()].to_vec();
        for _ in 0..rng.usize(0..6) {
            let at = rng.usize(..bytes.len());
            match rng.u8(0..4) {
                0 => bytes[at] = rng.u8(..),
                1 => bytes.truncate(at.max(1)),
                2 => bytes.insert(
                    at,
                    *b"[]{}\"'=#\n.,0\xff".get(rng.usize(..13)).unwrap_or(&b' '),
                ),
                _ => {
                    let end = (at + rng.usize(..40)).min(bytes.len());
                    bytes.copy_within(at..end, rng.usize(..=at));
                }
            }
        }
        let layers = Layers {
            file: Some(("mutated".to_owned(), bytes)),
            ..Layers::default()
        };
        match Config::parse(layers) {
            Ok(_) => good += 1,
            Err(error) => {
                bad += 1;
                assert!(!error.0.is_empty());
                assert!(!error.to_string().is_empty());
            }
        }
    }
    assert!(good > 100 && bad > 100, "good {good}, bad {bad}");
}
