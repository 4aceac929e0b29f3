//! Where values come from: the compiled-in defaults, a file, the environment, flags.
//!
//! Owns the reading of each layer into entries of one shape, and the mistakes of form that are
//! seen on the way. Does not know which keys exist or what their values mean.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{Mistake, Source};

/// Longest configuration file, in bytes.
const MAX_FILE: usize = 1 << 20;
/// What every variable of ours begins with.
const PREFIX: &str = "HOOKRELAY_";

/// A value before its key gives it a meaning.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A TOML string.
    Text(String),
    /// A TOML integer; none = beyond 64 bits.
    Integer(Option<i64>),
    /// A TOML float.
    Float(f64),
    /// A TOML boolean.
    Bool(bool),
    /// A TOML array.
    List(Vec<Value>),
    /// Something that no key takes, by its name.
    Other(&'static str),
    /// Text from the environment or a flag: the key decides what it is read as.
    Word(String),
}

impl fmt::Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Word(text) => write!(out, "{text:?}"),
            Self::Integer(Some(number)) => write!(out, "{number}"),
            Self::Integer(None) => out.write_str("an integer beyond 64 bits"),
            Self::Float(number) => write!(out, "{number}"),
            Self::Bool(value) => write!(out, "{value}"),
            Self::List(items) => {
                out.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(out, "{}{item}", if i == 0 { "" } else { ", " })?;
                }
                out.write_str("]")
            }
            Self::Other(name) => write!(out, "a {name}"),
        }
    }
}

/// One value of one layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Where it was written.
    pub source: Source,
    /// What was written.
    pub value: Value,
}

/// The entries of all layers by `section.key`, lowest layer first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entries {
    /// The entries.
    pub by_key: BTreeMap<String, Vec<Entry>>,
}

impl Entries {
    fn add(&mut self, key: String, entry: Entry) {
        self.by_key.entry(key).or_default().push(entry);
    }

    /// Adds a TOML document. `path` is none for the defaults.
    pub fn add_file(&mut self, path: Option<&str>, bytes: &[u8], mistakes: &mut Vec<Mistake>) {
        let source = |line| match path {
            None => Source::Default,
            Some(path) => Source::File {
                path: path.to_owned(),
                line,
            },
        };
        let whole = |reason: &str, instead: &str| Mistake {
            source: source(None),
            key: String::new(),
            reason: reason.to_owned(),
            instead: instead.to_owned(),
        };
        if bytes.len() > MAX_FILE {
            mistakes.push(whole(
                "the file is longer than 1 MiB",
                "is this the right file?",
            ));
            return;
        }
        let Ok(text) = std::str::from_utf8(bytes) else {
            mistakes.push(whole("the file is not UTF-8 text", "save it as UTF-8"));
            return;
        };
        let lines = Lines(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut broken = Vec::new();
        for error in errors {
            let line = error.span().map(|span| lines.at(span.start));
            broken.extend(line);
            mistakes.push(Mistake {
                source: source(line),
                key: String::new(),
                reason: format!("not TOML: {}", error.message().replace('\n', ", ")),
                instead: "the form is: key = \"value\" under a line [section]".to_owned(),
            });
        }
        for (section, value) in table.get_ref() {
            // What the parser salvaged from a broken line is not what the operator wrote.
            let line = lines.at(section.span().start);
            let DeValue::Table(keys) = value.get_ref() else {
                if !broken.contains(&line) {
                    let value = convert(value.get_ref());
                    let source = source(Some(line));
                    self.add(section.get_ref().to_string(), Entry { source, value });
                }
                continue;
            };
            for (key, value) in keys {
                let line = lines.at(key.span().start);
                if !broken.contains(&line) {
                    self.add(
                        format!("{}.{}", section.get_ref(), key.get_ref()),
                        entry(source(Some(line)), value),
                    );
                }
            }
        }
    }

    /// Adds the variables `HOOKRELAY_SECTION__KEY`. Others that begin with `HOOKRELAY_` are left
    /// alone unless they are plainly a key of ours with one underscore too few.
    pub fn add_environment(
        &mut self,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        mistakes: &mut Vec<Mistake>,
    ) {
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            let source = Source::Environment {
                name: name.to_owned(),
            };
            let Some(key) = self.key_of_variable(&name[PREFIX.len()..]) else {
                continue;
            };
            match key {
                Ok(key) => match value.into_string() {
                    Ok(text) => self.add(
                        key,
                        Entry {
                            source,
                            value: Value::Word(text),
                        },
                    ),
                    Err(_) => mistakes.push(Mistake {
                        source,
                        key,
                        reason: "the value is not UTF-8 text".to_owned(),
                        instead: String::new(),
                    }),
                },
                Err(meant) => mistakes.push(Mistake {
                    source,
                    key: String::new(),
                    reason: "section and key are separated by two underscores".to_owned(),
                    instead: format!("write {meant}"),
                }),
            }
        }
    }

    /// `HTTP__LISTEN` → the key; `HTTP_LISTEN` → the name that is meant; anything else → none.
    fn key_of_variable(&self, rest: &str) -> Option<Result<String, String>> {
        let lower = rest.to_ascii_lowercase();
        if let Some((section, key)) = lower.split_once("__") {
            return Some(Ok(format!("{section}.{key}")));
        }
        let known = self
            .by_key
            .keys()
            .find(|known| known.replace('.', "_") == lower)?;
        Some(Err(variable(known)))
    }

    /// Adds `section.key=value` as given on the command line.
    pub fn add_flag(&mut self, text: &str, mistakes: &mut Vec<Mistake>) {
        match text.split_once('=') {
            Some((key, value)) => self.add(
                key.trim().to_owned(),
                Entry {
                    source: Source::Flag,
                    value: Value::Word(value.trim().to_owned()),
                },
            ),
            None => mistakes.push(Mistake {
                source: Source::Flag,
                key: text.to_owned(),
                reason: "no value".to_owned(),
                instead: "write --set section.key=value".to_owned(),
            }),
        }
    }
}

/// The environment variable of a key.
pub fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

fn entry(source: Source, value: &Spanned<DeValue<'_>>) -> Entry {
    Entry {
        source,
        value: convert(value.get_ref()),
    }
}

fn convert(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => {
            Value::Integer(i64::from_str_radix(number.as_str(), number.radix()).ok())
        }
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or(Value::Other("float"), Value::Float),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| convert(item.get_ref())).collect())
        }
        DeValue::Table(_) => Value::Other("table"),
        DeValue::Datetime(_) => Value::Other("date"),
    }
}

struct Lines<'a>(&'a str);

impl Lines<'_> {
    /// The line of a byte offset, 1 = first.
    fn at(&self, offset: usize) -> usize {
        let before = &self.0.as_bytes()[..offset.min(self.0.len())];
        before.split(|byte| *byte == b'\n').count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (Entries, Vec<Mistake>) {
        let mut entries = Entries::default();
        let mut mistakes = Vec::new();
        entries.add_file(Some("f.toml"), text.as_bytes(), &mut mistakes);
        (entries, mistakes)
    }

    #[test]
    fn a_file_gives_entries_with_their_lines() {
        let (entries, mistakes) = file("[a]\nx = 1\n\n[b]\ny = ['u', 2.5, true]\n");
        assert_eq!(mistakes, []);
        let y = &entries.by_key["b.y"][0];
        assert_eq!(y.source.to_string(), "f.toml:5");
        assert_eq!(y.value.to_string(), "[\"u\", 2.5, true]");
        assert_eq!(entries.by_key["a.x"][0].value, Value::Integer(Some(1)));
    }

    #[test]
    fn every_syntax_error_is_reported_and_the_rest_is_still_read() {
        let (entries, mistakes) = file("[a]\nx = = 1\ny = 2\nz 3\nx = 'twice'\n");
        let lines: Vec<String> = mistakes.iter().map(|m| m.source.to_string()).collect();
        assert!(lines.contains(&"f.toml:2".to_owned()), "{mistakes:?}");
        assert!(lines.contains(&"f.toml:4".to_owned()), "{mistakes:?}");
        assert_eq!(entries.by_key["a.y"][0].value, Value::Integer(Some(2)));
    }

    #[test]
    fn the_environment_needs_two_underscores_and_says_so() {
        let (mut entries, _) = file("[http]\nlisten = 'x'\n");
        let mut mistakes = Vec::new();
        let variables = [
            ("HOOKRELAY_HTTP__LISTEN", "y"),
            ("HOOKRELAY_HTTP_LISTEN", "z"),
            ("HOOKRELAY_SOMETHING_ELSE", "1"),
            ("PATH", "/bin"),
        ];
        entries.add_environment(
            variables.map(|(name, value)| (name.into(), value.into())),
            &mut mistakes,
        );
        assert_eq!(entries.by_key["http.listen"].len(), 2);
        assert_eq!(entries.by_key.len(), 1);
        assert_eq!(mistakes.len(), 1);
        assert!(mistakes[0].instead.contains("HOOKRELAY_HTTP__LISTEN"));
    }

    #[test]
    fn rubbish_files_are_refused_whole() {
        let mut mistakes = Vec::new();
        let mut entries = Entries::default();
        entries.add_file(Some("f"), b"\xff\xfe", &mut mistakes);
        entries.add_file(Some("f"), &vec![b' '; MAX_FILE + 1], &mut mistakes);
        assert_eq!(mistakes.len(), 2);
        assert_eq!(entries, Entries::default());
    }
}
