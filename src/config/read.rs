//! Turns entries into typed values and collects every mistake on the way.
//!
//! Owns the types of value a key can have. Does not know the keys: `tree.rs` asks for each by
//! name, and what nobody asked for is an unknown key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use ipnet::IpNet;

use super::layers::{Entries, Entry, Value};
use super::mistake::{Mistake, Source, meant};
use super::units::{self, NotAQuantity, duration_text, size_text};
use crate::clock::Millis;
use crate::id::AccountId;

/// Why a value is not what its key takes, and what to write instead.
pub struct Refusal {
    reason: String,
    instead: String,
}

impl Refusal {
    /// A refusal with its remedy.
    pub fn new(reason: impl Into<String>, instead: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            instead: instead.into(),
        }
    }
}

impl From<NotAQuantity> for Refusal {
    fn from(refused: NotAQuantity) -> Self {
        Self::new(refused.reason, format!("write {}", refused.instead))
    }
}

/// One key's effective value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// `section.key`.
    pub key: String,
    /// As it was written.
    pub text: String,
    /// Where it was written.
    pub source: Source,
    /// The parsed value in one fixed spelling, for comparison.
    pub(super) identity: String,
}

/// Reads keys out of the entries.
pub struct Reader {
    entries: Entries,
    asked: BTreeSet<&'static str>,
    /// Effective values by key.
    pub settings: BTreeMap<&'static str, Setting>,
    /// Everything that is wrong so far.
    pub mistakes: Vec<Mistake>,
}

impl Reader {
    /// Reads from these entries; `mistakes` were seen while they were collected.
    pub fn new(entries: Entries, mistakes: Vec<Mistake>) -> Self {
        Self {
            entries,
            asked: BTreeSet::new(),
            settings: BTreeMap::new(),
            mistakes,
        }
    }

    /// The value of `key`. Every layer's value is examined, so that a mistake in a file shows
    /// even while the environment overrides it; the highest layer counts. Where no layer has a
    /// good value, a mistake is on record and the type's default stands in.
    pub fn take<T: Default + Debug>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&Value) -> Result<T, Refusal>,
    ) -> T {
        let fresh = self.asked.insert(key);
        debug_assert!(fresh, "{key} is read twice");
        let mut taken = None;
        for entry in self.entries.by_key.get(key).into_iter().flatten() {
            match parse(&entry.value) {
                Ok(value) => taken = Some((value, entry)),
                Err(refusal) => self.mistakes.push(mistake(key, entry, refusal)),
            }
        }
        let Some((value, entry)) = taken else {
            if !self.entries.by_key.contains_key(key) {
                self.mistakes.push(Mistake {
                    source: Source::Default,
                    key: key.to_owned(),
                    reason: "the compiled-in defaults lack this key".to_owned(),
                    instead: String::new(),
                });
            }
            return T::default();
        };
        let setting = Setting {
            key: key.to_owned(),
            text: entry.value.to_string(),
            source: entry.source.clone(),
            identity: format!("{value:?}"),
        };
        self.settings.insert(key, setting);
        value
    }

    /// Records that `key`'s effective value contradicts something.
    pub fn contradiction(&mut self, key: &str, reason: String, instead: &str) {
        let source = self
            .settings
            .get(key)
            .map_or(Source::Default, |setting| setting.source.clone());
        self.mistakes.push(Mistake {
            source,
            key: key.to_owned(),
            reason,
            instead: instead.to_owned(),
        });
    }

    /// Every entry that nobody asked for is a mistake.
    pub fn refuse_unknown(&mut self) {
        let sections: BTreeSet<&str> = self
            .asked
            .iter()
            .filter_map(|key| key.split_once('.').map(|(section, _)| section))
            .collect();
        for (key, entries) in &self.entries.by_key {
            if self.asked.contains(key.as_str()) {
                continue;
            }
            let (reason, instead) = unknown(key, &sections, &self.asked);
            for entry in entries {
                self.mistakes.push(Mistake {
                    source: entry.source.clone(),
                    key: key.clone(),
                    reason: reason.clone(),
                    instead: instead.clone(),
                });
            }
        }
    }

    /// A duration within `range`.
    pub fn duration(&mut self, key: &'static str, range: RangeInclusive<Millis>) -> Millis {
        self.take(key, |value| {
            let time = match value {
                Value::Text(text) | Value::Word(text) => units::duration(text)?,
                other => return Err(wrong_type(other, "a duration such as \"30 s\"")),
            };
            within(time, &range, |bound| duration_text(*bound))
        })
    }

    /// A size in bytes within `range`.
    pub fn size(&mut self, key: &'static str, range: RangeInclusive<u64>) -> u64 {
        self.take(key, |value| {
            within(size_of(value)?, &range, |bound| size_text(*bound))
        })
    }

    /// A whole number within `range`.
    pub fn number(&mut self, key: &'static str, range: RangeInclusive<u32>) -> u32 {
        self.take(key, |value| {
            let number = match value {
                Value::Integer(number) => *number,
                Value::Word(word) => match word.parse::<i64>() {
                    Ok(number) => Some(number),
                    Err(_) => {
                        return Err(Refusal::new(
                            format!("{value} is not a whole number"),
                            format!("write a number, for example {}", range.end()),
                        ));
                    }
                },
                other => return Err(wrong_type(other, "a whole number without quotes")),
            };
            let number = number.and_then(|n| u32::try_from(n).ok());
            match number {
                Some(number) => within(number, &range, ToString::to_string),
                None => Err(out_of_range(value, range.start(), range.end())),
            }
        })
    }

    /// A factor within `range`, in thousandths.
    pub fn factor(&mut self, key: &'static str, range: RangeInclusive<u32>) -> u32 {
        self.take(key, |value| {
            let number = match value {
                Value::Integer(Some(number)) => number.to_string().parse::<f64>().ok(),
                Value::Float(number) => Some(*number),
                Value::Word(word) => word.parse::<f64>().ok(),
                _ => None,
            };
            let Some(number) = number else {
                return Err(wrong_type(value, "a number without quotes, such as 2.0"));
            };
            let thousandths = (number * 1000.0).round();
            let bounds = f64::from(*range.start())..=f64::from(*range.end());
            if !bounds.contains(&thousandths) {
                let text = |bound: &u32| format!("{}.{:03}", bound / 1000, bound % 1000);
                return Err(out_of_range(value, text(range.start()), text(range.end())));
            }
            // In range of u32 by the check above, and whole by the rounding.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let thousandths = thousandths as u32;
            Ok(thousandths)
        })
    }

    /// True or false.
    pub fn flag(&mut self, key: &'static str) -> bool {
        self.take(key, |value| match value {
            Value::Bool(value) => Ok(*value),
            Value::Word(word) if word == "true" => Ok(true),
            Value::Word(word) if word == "false" => Ok(false),
            other => Err(wrong_type(other, "true or false, without quotes")),
        })
    }

    /// One of these words.
    pub fn choice<T: Copy + Default + Debug>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> T {
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        self.take(key, |value| {
            let (Value::Text(text) | Value::Word(text)) = value else {
                return Err(wrong_type(value, &format!("one of {}", names.join(", "))));
            };
            let found = choices.iter().find(|(name, _)| name == text);
            found.map(|(_, choice)| *choice).ok_or_else(|| {
                let instead = match meant(text, names.iter().copied()) {
                    Some(name) => format!("did you mean \"{name}\"?"),
                    None => format!("write one of {}", names.join(", ")),
                };
                Refusal::new(format!("{value} is not known here"), instead)
            })
        })
    }

    /// A path that must be given.
    pub fn path(&mut self, key: &'static str) -> PathBuf {
        self.take(key, |value| {
            optional_path(value)?
                .ok_or_else(|| Refusal::new("no path".to_owned(), "write an absolute path"))
        })
    }

    /// A path, or the empty text for none.
    pub fn optional_path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.take(key, optional_path)
    }

    /// An account's reference; empty = none.
    pub fn optional_account(&mut self, key: &'static str) -> Option<AccountId> {
        self.take(key, optional_account)
    }

    /// Socket addresses: one, a list, or the empty text for none.
    pub fn addresses(&mut self, key: &'static str) -> Vec<SocketAddr> {
        self.take(key, |value| each(value, address))
    }

    /// Networks: one, a list, or the empty text for none; a bare address is a network of one.
    pub fn networks(&mut self, key: &'static str) -> Vec<IpNet> {
        self.take(key, |value| each(value, network))
    }
}

fn mistake(key: &str, entry: &Entry, refusal: Refusal) -> Mistake {
    Mistake {
        source: entry.source.clone(),
        key: key.to_owned(),
        reason: refusal.reason,
        instead: refusal.instead,
    }
}

fn unknown(
    key: &str,
    sections: &BTreeSet<&str>,
    asked: &BTreeSet<&'static str>,
) -> (String, String) {
    let list = |names: Vec<&str>| names.join(", ");
    let Some((section, name)) = key.split_once('.') else {
        // A key above the first section line belongs to a section.
        let home = asked
            .iter()
            .find(|known| known.rsplit('.').next() == Some(key));
        return match home.and_then(|home| home.split_once('.')) {
            _ if sections.contains(key) => (
                "this is a section, not a key".to_owned(),
                format!("write [{key}] on a line of its own"),
            ),
            Some((home, _)) => (
                "a key outside a section".to_owned(),
                format!("move it under the line [{home}]"),
            ),
            None => (
                "unknown key outside a section".to_owned(),
                format!("sections are {}", list(sections.iter().copied().collect())),
            ),
        };
    };
    if !sections.contains(section) {
        let instead = match meant(section, sections.iter().copied()) {
            Some(known) => format!("did you mean [{known}]?"),
            None => format!("sections are {}", list(sections.iter().copied().collect())),
        };
        return (format!("unknown section [{section}]"), instead);
    }
    let here: Vec<&str> = asked
        .iter()
        .filter_map(|known| known.strip_prefix(section)?.strip_prefix('.'))
        .collect();
    let elsewhere = asked.iter().find(|known| {
        known
            .split_once('.')
            .is_some_and(|(_, known)| known == name)
    });
    let instead = match (meant(name, here.iter().copied()), elsewhere) {
        (_, Some(other)) => format!("did you mean {other}?"),
        (Some(near), None) => format!("did you mean {section}.{near}?"),
        (None, None) => format!("[{section}] has {}", list(here)),
    };
    ("unknown key".to_owned(), instead)
}

fn wrong_type(value: &Value, wanted: &str) -> Refusal {
    Refusal::new(
        format!("{value} is of the wrong type"),
        format!("write {wanted}"),
    )
}

fn out_of_range(
    value: &impl ToString,
    low: impl std::fmt::Display,
    high: impl std::fmt::Display,
) -> Refusal {
    Refusal::new(
        format!("{} is out of range", value.to_string()),
        format!("write a value from {low} to {high}"),
    )
}

fn within<T: PartialOrd>(
    value: T,
    range: &RangeInclusive<T>,
    text: impl Fn(&T) -> String,
) -> Result<T, Refusal> {
    if range.contains(&value) {
        return Ok(value);
    }
    Err(out_of_range(
        &text(&value),
        text(range.start()),
        text(range.end()),
    ))
}

/// A size in bytes from a value of any layer.
pub fn size_of(value: &Value) -> Result<u64, Refusal> {
    match value {
        Value::Text(text) | Value::Word(text) => Ok(units::size(text)?),
        other => Err(wrong_type(other, "a size such as \"256 KiB\"")),
    }
}

/// A text from a value of any layer.
pub fn text_of(value: &Value) -> Result<&str, Refusal> {
    match value {
        Value::Text(text) | Value::Word(text) => Ok(text.trim()),
        other => Err(wrong_type(other, "text in quotes")),
    }
}

fn optional_path(value: &Value) -> Result<Option<PathBuf>, Refusal> {
    let text = text_of(value)?;
    if text.contains('\0') {
        return Err(Refusal::new("a path has no NUL", "write an absolute path"));
    }
    Ok((!text.is_empty()).then(|| PathBuf::from(text)))
}

fn optional_account(value: &Value) -> Result<Option<AccountId>, Refusal> {
    let text = text_of(value)?;
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        let instead = "write a reference as hookrelay account list shows it, 12 characters";
        Refusal::new("is no reference of an account", instead)
    })
}

/// Reads one item, a list of items, or a word with items between commas.
fn each<T>(value: &Value, read: impl Fn(&str) -> Result<T, Refusal>) -> Result<Vec<T>, Refusal> {
    let not_empty = |text: &&str| !text.is_empty();
    match value {
        Value::Text(text) => Some(text.trim())
            .filter(not_empty)
            .map(&read)
            .into_iter()
            .collect(),
        Value::Word(text) => text
            .split(',')
            .map(str::trim)
            .filter(not_empty)
            .map(&read)
            .collect(),
        Value::List(items) => items.iter().map(|item| read(text_of(item)?)).collect(),
        other => Err(wrong_type(other, "text in quotes, or a list of them")),
    }
}

fn address(text: &str) -> Result<SocketAddr, Refusal> {
    text.parse().map_err(|_| {
        let instead = match text.strip_prefix(':').or_else(|| text.strip_prefix("localhost:")) {
            Some(port) => format!("write \"127.0.0.1:{port}\""),
            None if text.parse::<IpAddr>().is_ok() => format!("add the port: \"{text}:8480\""),
            None => "write an address with its port, such as \"127.0.0.1:8480\" or \"[::1]:8480\"; names are not resolved".to_owned(),
        };
        Refusal::new(format!("{text:?} is not an IP address with a port"), instead)
    })
}

fn network(text: &str) -> Result<IpNet, Refusal> {
    let network = text
        .parse::<IpNet>()
        .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
    match network {
        Ok(network) if network.trunc() != network => Err(Refusal::new(
            format!("{text} has bits behind its prefix length"),
            format!("write \"{}\"", network.trunc()),
        )),
        Ok(network) => Ok(network),
        Err(_) => Err(Refusal::new(
            format!("{text:?} is not an IP address or network"),
            "write for example \"10.0.0.0/8\" or \"fd00::1\"",
        )),
    }
}
