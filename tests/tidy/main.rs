//! The crate's own law: who may import whom, who may name which library, and how files look.
//!
//! `rules.rs` holds the rules as pure functions and proves on made-up snippets that each can
//! fail; here they are put to the repository.

// A test's helper may end the test.
#![allow(clippy::expect_used)]

mod rules;
mod text;

use std::fs;
use std::path::{Path, PathBuf};

/// Folders and files that are the repository's own text.
const TEXTS: [&str; 11] = [
    "src",
    "tests",
    "benches",
    "config",
    "systemd",
    ".ci",
    "README.md",
    "Cargo.toml",
    "deny.toml",
    "clippy.toml",
    ".gitignore",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        let entries = fs::read_dir(path).expect("a folder of the repository can be read");
        for entry in entries {
            collect(&entry.expect("an entry can be read").path(), found);
        }
    } else if path.is_file() {
        found.push(path.to_owned());
    }
}

/// Every text of the repository: its path from the root, and itself.
fn texts() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for name in TEXTS {
        collect(&root().join(name), &mut found);
    }
    found.sort();
    let relative = |path: &Path| {
        let path = path.strip_prefix(root()).unwrap_or(path);
        path.to_string_lossy().into_owned()
    };
    found
        .iter()
        // What is not text has no lines to judge.
        .filter_map(|path| Some((relative(path), fs::read_to_string(path).ok()?)))
        .collect()
}

fn judge(rule: impl Fn(&str, &str) -> Vec<String>) {
    let texts = texts();
    assert!(texts.len() > 20, "the walk found only {}", texts.len());
    let faults: Vec<String> = texts
        .iter()
        .flat_map(|(path, text)| {
            let faults = rule(path, text);
            faults
                .into_iter()
                .map(move |fault| format!("{path}: {fault}"))
        })
        .collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn rooms_import_only_what_they_may() {
    judge(rules::imports);
}

#[test]
fn libraries_and_clocks_are_named_only_where_they_live() {
    judge(rules::libraries);
}

#[test]
fn files_open_with_their_purpose_and_stay_readable() {
    judge(rules::form);
}

#[test]
fn nothing_is_unfinished_and_no_machine_is_named() {
    judge(rules::words);
}
