//! The README, held to its word: every command is typed in as it stands there, against the real
//! binary and the PHP consumer that it prints.
//!
//! Owns what its fences mean: `sh` is run, `console` is for the operator's own machine and only
//! checked, `php` is the consumer.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use hookrelay::attempt::Class;

use crate::daemon::{Place, Program, address, eventually, free_port, need};

const README: &str = include_str!("../../README.md");

/// The fenced blocks in this language, in their order.
fn blocks(language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current: Option<(bool, String)> = None;
    for line in README.lines() {
        match (line.strip_prefix("```"), current.as_mut()) {
            (Some(_), Some(_)) => {
                if let Some((true, text)) = current.take() {
                    found.push(text);
                }
            }
            (Some(fence), None) => current = Some((fence == language, String::new())),
            (None, Some((_, text))) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    assert!(current.is_none(), "a fence is not closed");
    assert!(!found.is_empty(), "no {language} block");
    found
}

/// What stands between backticks outside of fences.
fn code_words() -> Vec<&'static str> {
    let prose = README.split("```").step_by(2);
    prose
        .flat_map(|text| text.split('`').skip(1).step_by(2))
        .collect()
}

/// The names of all configuration keys.
fn keys() -> BTreeSet<String> {
    let settings = Place::new().ask(&["check-config"]);
    let settings = settings["settings"].as_array().unwrap();
    let key = |it: &serde_json::Value| it["key"].as_str().unwrap().to_owned();
    settings.iter().map(key).collect()
}

#[test]
fn every_configuration_key_it_names_exists() {
    let keys = keys();
    let sections: BTreeSet<&str> = keys
        .iter()
        .filter_map(|key| key.split_once('.').map(|(section, _)| section))
        .collect();
    let named = |word: &str| {
        let (section, key) = word.split_once('.')?;
        let plain = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        (sections.contains(section) && plain(key)).then(|| word.to_owned())
    };
    let mut found: BTreeSet<String> = code_words().into_iter().filter_map(named).collect();
    for text in README.split("HOOKRELAY_").skip(1) {
        let end = text.find(|c: char| !c.is_ascii_uppercase() && c != '_');
        let variable = text[..end.unwrap_or(text.len())].to_ascii_lowercase();
        if variable != "section__key" {
            found.insert(variable.replacen("__", ".", 1));
        }
    }
    assert!(found.len() > 15, "only {found:?}");
    let unknown: Vec<&String> = found.difference(&keys).collect();
    assert!(unknown.is_empty(), "no such keys: {unknown:?}");
}

#[test]
fn its_table_of_classes_is_complete() {
    let words: BTreeSet<&str> = README
        .lines()
        .skip_while(|line| !line.starts_with("| class |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .flat_map(|line| line.split('|').nth(1).unwrap_or_default().split('`'))
        .map(str::trim)
        .filter(|word| !word.is_empty() && *word != ",")
        .collect();
    let classes: BTreeSet<&str> = Class::ALL.iter().map(|(_, text)| *text).collect();
    assert_eq!(words, classes);
}

#[test]
fn the_files_it_points_to_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let links: Vec<&str> = README
        .split("](")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(')')?.0))
        .collect();
    assert!(links.len() >= 2);
    for link in links {
        assert!(root.join(link).exists(), "{link}");
    }
    let run = std::fs::read_to_string(root.join(".ci/run")).unwrap();
    let second = blocks("console")[1].clone();
    assert!(
        run.lines().any(|line| line == second.trim()),
        ".ci/run does not run {second}"
    );
}

#[test]
fn its_commands_outside_of_fences_are_understood() {
    let mut seen = 0;
    let spoken = code_words()
        .into_iter()
        .filter(|word| word.starts_with("hookrelay ") || word.starts_with("endpoint "));
    for words in spoken {
        let mut words: Vec<&str> = words.trim_start_matches("hookrelay ").split(' ').collect();
        words.retain(|word| *word != "…");
        let place = Place::new();
        // Help stops before anything is done, but not before an unknown command.
        let output = place
            .command("hookrelay")
            .args(&words)
            .arg("--help")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}");
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} commands");
}

/// A block as this test runs it: in a folder of its own and on free ports.
struct Stage {
    place: Place,
    address: Option<String>,
    consumer: u16,
}

impl Stage {
    fn script(&self, block: &str) -> String {
        let folder = self.place.path().display().to_string();
        let address = self.address.as_deref().unwrap_or("127.0.0.1:0");
        block
            .replace("/tmp/hookrelay", &folder)
            .replace("127.0.0.1:8480", address)
            .replace("127.0.0.1:9000", &format!("127.0.0.1:{}", self.consumer))
    }

    fn bash(&self, script: &str) -> Command {
        let mut command = self.place.command("bash");
        command.arg("-euc").arg(script);
        command
    }
}

#[test]
fn every_shell_block_does_what_it_says() {
    need("bash", "bash");
    need("curl", "curl");
    need("php", "php-cli");
    let mut stage = Stage {
        place: Place::new(),
        address: None,
        consumer: free_port(),
    };
    let php = blocks("php");
    assert_eq!(php.len(), 1);
    assert!(php[0].lines().count() <= 15, "a short consumer");
    std::fs::write(stage.place.path().join("consumer.php"), &php[0]).unwrap();

    let blocks = blocks("sh");
    let (first, rest) = blocks.split_at(2);
    assert!(first[0].ends_with("hookrelay serve\n"));
    let daemon = Program::start(stage.bash(&stage.script(&first[0])));
    stage.address = Some(address(&daemon));
    assert!(first[1].starts_with("php -S "));
    let consumer = Program::start(stage.bash(&stage.script(&first[1])));
    consumer.listens(stage.consumer);

    // One terminal: later blocks use what earlier ones have set.
    let typed = stage.script(&rest.concat());
    let output = stage.bash(&typed).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}\n{}\n{}",
        String::from_utf8_lossy(&output.stderr),
        daemon.said()
    );
    assert!(said.contains("\"ids\":[\"msg_"), "{said}");
    assert!(said.contains("status=0&status_message="), "{said}");
    assert!(said.contains("WAITS FOR"), "{said}");

    for text in [
        "generic \"Hello World\"",
        "new_order {\"order_id\":1001}",
        "generic \"Hello again\"",
        "hookrelay test message",
    ] {
        consumer.says(text);
    }
    let settled = || {
        let queue = stage.place.ask(&["queue"]);
        (queue["endpoints"][0]["pending"] == 0).then_some(())
    };
    eventually("an empty queue", settled, || daemon.said());
    let mode = std::fs::metadata(stage.place.path().join("data")).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&mode.permissions());
    assert_eq!(mode & 0o777, 0o700, "the data directory is its owner's");
    assert_eq!(daemon.stop(), Some(0));
}
