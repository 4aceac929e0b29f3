//! The rules, as pure functions from a file's path and text to its faults.
//!
//! Owns the table of rooms and what each may import (the crate documentation explains it). Does
//! not know the file system.

use crate::text::{code, paths};

/// Words that every room shares.
const SHARED: [&str; 6] = ["clock", "id", "error", "json", "attempt", "live"];

/// Rooms within rooms that have rules of their own.
const INNER: [&str; 10] = [
    "store::sled",
    "relay::engine",
    "auth::proof",
    "api::admin",
    "api::command",
    "api::contacts",
    "api::flex",
    "api::helpdesk",
    "api::leads",
    "api::manage",
];

/// What a surface may import beside the shared words: never another surface, the relay, the
/// delivery or a concrete store.
const OF_SURFACE: &[&str] = &["auth", "auth::proof", "limit", "domain", "store", "api"];

/// Each room and what it may import; `shared` stands for all shared words.
const ROOMS: [(&str, &[&str]); 27] = [
    ("clock", &[]),
    ("id", &["clock"]),
    ("error", &["clock", "id", "attempt"]),
    ("json", &["clock", "id", "attempt"]),
    ("attempt", &["clock", "id"]),
    ("live", &["clock", "id", "attempt"]),
    ("store", &["clock", "id", "error"]),
    ("store::sled", &["clock", "id", "error", "store"]),
    ("domain", &["shared", "store"]),
    ("auth", &["shared", "domain", "store", "auth::proof"]),
    ("auth::proof", &["shared", "domain", "store", "auth"]),
    ("limit", &["shared", "domain"]),
    ("relay::engine", &["clock", "id", "attempt", "live"]),
    (
        "relay",
        &[
            "shared",
            "store",
            "domain",
            "auth",
            "auth::proof",
            "delivery",
            "relay::engine",
        ],
    ),
    ("delivery", &["shared"]),
    // The front door joins the surfaces, which do not see each other.
    (
        "api",
        &[
            "shared",
            "auth",
            "limit",
            "domain",
            "store",
            "api::admin",
            "api::command",
            "api::contacts",
            "api::flex",
            "api::helpdesk",
            "api::leads",
            "api::manage",
        ],
    ),
    ("api::admin", &[]),
    ("api::command", &[]),
    ("api::contacts", &[]),
    ("api::flex", &[]),
    ("api::helpdesk", &[]),
    ("api::leads", &[]),
    ("api::manage", &[]),
    ("config", &["shared"]),
    ("consumer", &["shared", "auth::proof"]),
    ("cli", &["shared", "config", "consumer", "auth::proof"]),
    ("ops", &["shared"]),
];

/// Composition: these import everything.
const COMPOSITION: [&str; 3] = ["lib", "main", "app"];

/// Libraries with the only places that may name them, as prefixes of paths.
const LIBRARIES: [(&str, &[&str]); 5] = [
    ("argon2", &["src/auth/"]),
    ("sled", &["src/store/sled/", "src/store/sled.rs"]),
    ("governor", &["src/limit.rs", "src/limit/"]),
    ("md5", &["src/auth/"]),
    ("backoff", &["src/relay/engine/schedule.rs"]),
];

/// What the pure engine must not name.
const NOT_IN_ENGINE: [&str; 12] = [
    "tokio",
    "hyper",
    "sled",
    "serde",
    "serde_json",
    "tracing",
    "async",
    "HashMap",
    "HashSet",
    "SystemTime",
    "Instant",
    "Entropy",
];

/// File names that say nothing (words not used: the crate documentation).
const EMPTY_NAMES: [&str; 7] = [
    "util", "utils", "helper", "helpers", "manager", "common", "info",
];

const MAX_LINES: usize = 600;

/// The module path of a source file: `src/store/sled/mod.rs` → `store::sled`.
fn module(path: &str) -> Option<String> {
    let path = path.strip_prefix("src/")?.strip_suffix(".rs")?;
    let path = path.strip_suffix("/mod").unwrap_or(path);
    Some(path.replace('/', "::"))
}

/// The room a module path lies in.
fn room(path: &str) -> &str {
    let inner = INNER.iter().find(|inner| {
        path.strip_prefix(**inner)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
    });
    inner
        .copied()
        .unwrap_or_else(|| path.split("::").next().unwrap_or(path))
}

fn may_import(from: &str, to: &str) -> bool {
    let Some((_, allowed)) = ROOMS.iter().find(|(name, _)| *name == from) else {
        return false;
    };
    let surface = from.starts_with("api::");
    from == to
        || allowed.contains(&to)
        || SHARED.contains(&to) && (allowed.contains(&"shared") || surface)
        || surface && OF_SURFACE.contains(&to)
}

/// Faults of a source file's imports.
pub fn imports(path: &str, text: &str) -> Vec<String> {
    let Some(module) = module(path) else {
        return Vec::new();
    };
    let here = room(&module);
    if COMPOSITION.contains(&here) {
        return Vec::new();
    }
    if !ROOMS.iter().any(|(name, _)| *name == here) {
        return vec![format!("room {here} is not in the table of tests/tidy")];
    }
    let code = code(text);
    let mut targets = paths(&code, "crate");
    targets.extend(above(&code, &module));
    let mut faults: Vec<String> = targets
        .iter()
        .filter(|target| {
            let settings = here == "config" && target.ends_with("::Settings");
            !settings && !may_import(here, room(target))
        })
        .map(|target| format!("{here} must not import {target}"))
        .collect();
    faults.dedup();
    faults
}

/// What `super::…` of a module reaches, from the crate's root.
fn above(code: &str, module: &str) -> Vec<String> {
    let mut found = Vec::new();
    for path in paths(code, "super") {
        let mut base: Vec<&str> = module.split("::").collect();
        base.pop();
        let mut rest = path.as_str();
        while let Some(higher) = rest.strip_prefix("super::") {
            base.pop();
            rest = higher;
        }
        // The parent's own items are within its room.
        base.push(rest);
        found.push(base.join("::"));
    }
    found
}

fn names(code: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back().unwrap_or(' ');
        let after = code[at + word.len()..].chars().next().unwrap_or(' ');
        !inside(before) && !inside(after)
    })
}

/// Faults of what a source file names of libraries and clocks.
pub fn libraries(path: &str, text: &str) -> Vec<String> {
    let Some(module) = module(path) else {
        return Vec::new();
    };
    let code = code(text);
    let mut faults = Vec::new();
    for (library, places) in LIBRARIES {
        let used = !paths(&code, library).is_empty() || code.contains(&format!("use {library};"));
        if used && !places.iter().any(|place| path.starts_with(place)) {
            faults.push(format!("only {} may name {library}", places[0]));
        }
    }
    if path != "src/clock.rs" {
        // The runtime's own `Instant` times deadlines and is no source of time.
        let standard = paths(&code, "std");
        if standard
            .iter()
            .any(|path| path.starts_with("time::Instant"))
        {
            faults.push("only src/clock.rs may name std::time::Instant".to_owned());
        }
        for source in ["SystemTime::now", "getrandom", "thread_rng"] {
            if code.contains(source) {
                faults.push(format!("only src/clock.rs may name {source}"));
            }
        }
    }
    if room(&module) == "relay::engine" {
        for word in NOT_IN_ENGINE.iter().filter(|word| names(&code, word)) {
            faults.push(format!("the engine is pure and must not name {word}"));
        }
    }
    faults
}

/// Faults of a file's form.
pub fn form(path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let Some(path) = path.strip_suffix(".rs") else {
        return faults;
    };
    if !text.starts_with("//!") {
        faults.push("does not open with //! and its purpose".to_owned());
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        faults.push(format!("{lines} lines; at most {MAX_LINES} stay readable"));
    }
    for name in path.split('/').filter(|name| EMPTY_NAMES.contains(name)) {
        faults.push(format!("{name} says nothing about what it owns"));
    }
    faults
}

/// Faults of the words in any text of the repository.
pub fn words(_: &str, text: &str) -> Vec<String> {
    // Spelled in two halves, so that this very file does not contain them.
    let unfinished = [
        ["TO", "DO"],
        ["FIX", "ME"],
        ["XX", "X"],
        ["todo", "!("],
        ["unimpl", "emented!"],
        ["#[ign", "ore"],
    ];
    let machines = [
        ["/wo", "rk/"],
        ["/tmp", "/wt"],
        ["/ro", "ot/"],
        ["/ho", "me/"],
        [".car", "go/registry"],
    ];
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let number = number + 1;
        for word in unfinished.map(|halves| halves.concat()) {
            let found = line.match_indices(&word).any(|(at, _)| {
                let before = line[..at].chars().next_back().unwrap_or(' ');
                let after = line[at + word.len()..].chars().next().unwrap_or(' ');
                // A run of more letters (the pattern of a temporary name) is another word.
                !(before.is_alphanumeric() || after.is_alphanumeric() && word.ends_with('X'))
            });
            if found {
                faults.push(format!("line {number}: {word} means unfinished"));
            }
        }
        for machine in machines.map(|halves| halves.concat()) {
            if line.contains(&machine) {
                faults.push(format!(
                    "line {number}: {machine} is a path of some machine"
                ));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbidden(path: &str, text: &str) {
        assert!(
            !imports(path, text).is_empty(),
            "{path}: {text} should be a fault"
        );
    }

    fn allowed(path: &str, text: &str) {
        assert_eq!(imports(path, text), Vec::<String>::new(), "{path}: {text}");
    }

    #[test]
    fn every_room_of_the_table_imports_itself_and_known_rooms_only() {
        for (from, targets) in ROOMS {
            assert!(may_import(from, from));
            for target in targets {
                let known = *target == "shared" || ROOMS.iter().any(|(name, _)| name == target);
                assert!(known, "{from} may import {target}, which is no room");
            }
        }
    }

    #[test]
    fn import_edges_hold() {
        allowed(
            "src/domain/x.rs",
            "use crate::store::{Tx, keys};\nuse crate::clock::Clock;",
        );
        forbidden("src/domain/x.rs", "use crate::store::sled::SledStore;");
        forbidden(
            "src/domain/x.rs",
            "use crate::{clock::Clock, relay::Relay};",
        );
        forbidden("src/domain/x.rs", "fn f() { crate::auth::check() }");
        forbidden("src/store/mod.rs", "use crate::domain::account::Account;");
        forbidden("src/clock.rs", "use crate::id::Seq;");
        allowed(
            "src/relay/shell.rs",
            "use crate::delivery::Delivery; use super::engine::Engine;",
        );
        forbidden("src/delivery/http.rs", "use crate::store::Store;");
        forbidden("src/relay/shell.rs", "use crate::api::manage::routes;");
        allowed("src/ops/logging.rs", "use crate::clock::Stopwatch;");
        forbidden("src/ops/logging.rs", "use crate::config::Log;");
        allowed(
            "src/cli/listen.rs",
            "use crate::consumer::Consumer; use super::args::Cli;",
        );
        forbidden("src/cli/mod.rs", "use crate::store::sled::SledStore;");
        allowed("src/consumer/mod.rs", "use crate::auth::proof::md5_proof;");
        forbidden("src/consumer/mod.rs", "use crate::auth::seal::Key;");
        forbidden("src/novelty.rs", "");
        allowed(
            "src/app.rs",
            "use crate::store::sled::SledStore; use crate::relay::Relay;",
        );
        allowed("tests/x.rs", "use crate::anything;");
    }

    #[test]
    fn surfaces_see_neither_each_other_nor_the_relay() {
        let path = "src/api/contacts/routes.rs";
        allowed(
            path,
            "use crate::api::front::Request; use crate::domain::event; use crate::limit::Limiter;",
        );
        forbidden(path, "use crate::api::leads::decode;");
        forbidden(path, "use super::super::leads::decode;");
        forbidden(path, "use crate::relay::Relay;");
        forbidden(path, "use crate::delivery::sign;");
        forbidden(path, "use crate::store::sled;");
        forbidden("src/api/admin/mod.rs", "use crate::api::manage::endpoints;");
    }

    #[test]
    fn the_engine_is_pure() {
        let path = "src/relay/engine/batch.rs";
        allowed(path, "use crate::id::Seq; use super::schedule::Schedule;");
        forbidden(path, "use crate::error::Error;");
        forbidden(path, "use super::super::shell::Shell;");
        forbidden("src/relay/engine/mod.rs", "use super::shell::Shell;");
        for code in [
            "use std::collections::HashMap;",
            "tracing::info!(\"x\");",
            "async fn f() {}",
            "use std::time::Instant;",
            "#[derive(serde::Serialize)]",
        ] {
            assert!(!libraries(path, code).is_empty(), "{code}");
        }
        assert!(libraries(path, "// a HashMap would lose the order\nlet instants = 1;").is_empty());
        assert!(
            libraries(
                path,
                "#[cfg(test)]\nmod tests {\nuse std::collections::HashMap;\n}"
            )
            .is_empty()
        );
    }

    #[test]
    fn config_takes_nothing_but_settings() {
        allowed("src/config/mod.rs", "use crate::delivery::Settings;");
        forbidden("src/config/mod.rs", "use crate::delivery::Delivery;");
    }

    #[test]
    fn libraries_have_their_places() {
        for (path, code) in [
            ("src/relay/shell.rs", "sled::open(path)"),
            ("src/store/mod.rs", "use sled::Db;"),
            ("src/api/front/mod.rs", "use governor::Quota;"),
            ("src/delivery/sign.rs", "use md5::Md5;"),
            ("src/relay/mod.rs", "use backoff::ExponentialBackoff;"),
            ("src/app.rs", "let x = std::time::Instant::now();"),
            ("src/app.rs", "use std::time::{Duration, Instant};"),
            ("src/app.rs", "SystemTime::now()"),
            ("src/id.rs", "getrandom::fill(bytes)"),
        ] {
            assert!(!libraries(path, code).is_empty(), "{path}: {code}");
        }
        for (path, code) in [
            ("src/store/sled/mod.rs", "use sled::Db;"),
            ("src/app.rs", "use crate::store::sled::SledStore;"),
            ("src/auth/proof.rs", "use md5::{Digest, Md5};"),
            (
                "src/relay/engine/schedule.rs",
                "use backoff::backoff::Backoff;",
            ),
            ("src/clock.rs", "Instant::now()"),
            (
                "src/relay/mod.rs",
                "use tokio::time::Instant; let until = Instant::now();",
            ),
            ("src/relay/mod.rs", "// md5::Md5 is named elsewhere"),
        ] {
            assert_eq!(
                libraries(path, code),
                Vec::<String>::new(),
                "{path}: {code}"
            );
        }
    }

    #[test]
    fn form_is_judged() {
        assert!(form("src/a.rs", "//! Purpose.\n").is_empty());
        assert!(!form("src/a.rs", "use x;\n").is_empty());
        assert!(!form("src/utils.rs", "//! x\n").is_empty());
        assert!(!form("src/common/x.rs", "//! x\n").is_empty());
        let long = |lines: usize| format!("//! x\n{}", "\n".repeat(lines - 1));
        assert!(form("src/a.rs", &long(MAX_LINES)).is_empty());
        assert!(!form("src/a.rs", &long(MAX_LINES + 1)).is_empty());
        assert!(form("README.md", "no rust").is_empty());
    }

    #[test]
    fn unfinished_work_and_machines_are_found() {
        for halves in [
            ["// TO", "DO: later"],
            ["// FIX", "ME"],
            ["unimpl", "emented!()"],
            ["#[ign", "ore]"],
            ["see /wo", "rk/x"],
            ["/ho", "me/me"],
        ] {
            assert!(!words("x", &halves.concat()).is_empty(), "{halves:?}");
        }
        assert!(words("x", "mastodons are to do nothing; network/x works").is_empty());
    }
}
