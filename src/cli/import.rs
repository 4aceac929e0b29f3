//! `contacts import`: from a CSV file to the admin API, some hundred rows at a time.
//!
//! Owns the columns, the bounds of what is in memory, and what the operator is told meanwhile. Does
//! not know what a row must hold: the daemon says so.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::rc::Rc;

use csv::{ByteRecord, Reader, ReaderBuilder, Terminator};
use hyper::Method;
use serde_json::{Map, Value, json};

use super::admin::{self, Call};
use super::args::contacts::ImportArgs;
use super::calls::account_path;
use super::progress::Bar;
use super::{Exit, complain, fail, print, show};

/// Rows and bytes of one call, which is one commit.
const MAX_ROWS: usize = 200;
const MAX_BYTES: usize = 256 << 10;
/// Bytes of one row: a quote that is never closed would make a row of the rest of the file.
const MAX_ROW: usize = 512 << 10;
/// Columns with the names that they may have, compared without case, spaces, `-` and `_`.
const COLUMNS: [(&str, &[&str]); 7] = [
    ("phone", &["phone", "number", "phonenumber"]),
    ("email", &["email"]),
    ("first_name", &["firstname", "fname"]),
    ("last_name", &["lastname", "lname"]),
    ("gender", &["gender"]),
    ("note", &["note"]),
    ("external_id", &["externalid"]),
];
/// What stands before the code of a custom field.
const CUSTOM: &str = "custom:";

/// What a column is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Column {
    Text(&'static str),
    Custom(String),
    Skipped,
}

impl Column {
    fn named(name: &str) -> Option<Self> {
        let name = name.trim();
        let prefix = name.get(..CUSTOM.len()).unwrap_or_default();
        if prefix.eq_ignore_ascii_case(CUSTOM) {
            return Some(Self::Custom(name[CUSTOM.len()..].trim().to_owned()));
        }
        let plain: String = name
            .chars()
            .filter(|character| !matches!(character, ' ' | '-' | '_'))
            .flat_map(char::to_lowercase)
            .collect();
        let mut columns = COLUMNS.iter();
        let found = columns.find(|(_, names)| names.contains(&plain.as_str()));
        found.map(|(column, _)| Self::Text(column))
    }
}

/// The columns of a file, or what is wrong with its first row.
fn columns(header: &ByteRecord, skip_unknown: bool) -> Result<Vec<Column>, String> {
    let mut columns = Vec::with_capacity(header.len());
    for name in header {
        let name = std::str::from_utf8(name).map_err(|_| "its first row is not UTF-8")?;
        let column = match Column::named(name) {
            None if skip_unknown => Column::Skipped,
            None => {
                let name = show::printable(name);
                return Err(format!(
                    "the column \"{name}\" is not known\n\
                     Known are phone, email, first_name, last_name, gender, note, external_id and \
                     custom:CODE. Rename it, or pass over such columns with --skip-unknown. If all \
                     columns are one, name what stands between them with --delimiter."
                ));
            }
            Some(column) => column,
        };
        if column != Column::Skipped && columns.contains(&column) {
            return Err(format!(
                "the column \"{}\" is there twice",
                show::printable(name)
            ));
        }
        columns.push(column);
    }
    let names_somebody = |column: &Column| matches!(column, Column::Text("phone" | "email"));
    if !columns.iter().any(names_somebody) {
        return Err("there is neither a column phone nor a column email in its first row".into());
    }
    Ok(columns)
}

/// A row as the daemon takes it, or what is wrong with it.
fn row(columns: &[Column], record: &ByteRecord) -> Result<Value, String> {
    if record.len() != columns.len() {
        let (has, wants) = (record.len(), columns.len());
        return Err(format!("it has {has} fields, the first row has {wants}"));
    }
    let mut members = Map::new();
    let mut custom = Vec::new();
    for (column, field) in columns.iter().zip(record) {
        let field = field.strip_suffix(b"\r").unwrap_or(field);
        let text = || std::str::from_utf8(field).map_err(|_| "it is not UTF-8".to_owned());
        match column {
            _ if field.is_empty() => {}
            Column::Skipped => {}
            Column::Text(name) => {
                members.insert((*name).to_owned(), text()?.into());
            }
            Column::Custom(code) => custom.push(json!([code, text()?])),
        }
    }
    if !custom.is_empty() {
        members.insert("custom".to_owned(), custom.into());
    }
    Ok(Value::Object(members))
}

/// A line without anything; a carriage return counts as nothing.
fn is_blank(record: &ByteRecord) -> bool {
    record.len() <= 1 && record.iter().all(|field| field.trim_ascii().is_empty())
}

/// A source of which no more than one row's bytes are read without a row coming of it.
struct Bounded {
    source: Box<dyn Read>,
    left: Rc<Cell<usize>>,
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(into)?;
        let left = self.left.get().checked_sub(count).ok_or_else(|| {
            io::Error::other("a row is longer than 512 KiB; is a quote not closed?")
        })?;
        self.left.set(left);
        Ok(count)
    }
}

/// How far it is.
#[derive(Debug, Default)]
struct Counts {
    rows: u64,
    created: u64,
    known: u64,
    bad: u64,
}

/// Rows that wait for their commit, with their lines.
#[derive(Default)]
struct Batch {
    lines: Vec<u64>,
    rows: Vec<String>,
    bytes: usize,
}

impl Batch {
    fn push(&mut self, line: u64, row: &Value) {
        let row = row.to_string();
        self.bytes += row.len() + 1;
        self.lines.push(line);
        self.rows.push(row);
    }

    fn is_full(&self) -> bool {
        self.rows.len() >= MAX_ROWS || self.bytes >= MAX_BYTES
    }
}

/// One import.
struct Import<'a> {
    socket: &'a Path,
    path: String,
    counts: Counts,
    bar: Bar,
}

/// Imports a file.
pub async fn run(socket: &Path, args: &ImportArgs, as_json: bool) -> Exit {
    let (source, size) = match open(&args.file) {
        Ok(opened) => opened,
        Err(error) => return fail(&format!("error: {} cannot be opened: {error}", args.file)),
    };
    let left = Rc::new(Cell::new(MAX_ROW));
    let bounded = Bounded {
        source,
        left: left.clone(),
    };
    let mut reader = ReaderBuilder::new()
        .flexible(true)
        .delimiter(args.delimiter)
        // With a carriage return as the end of a row, lines would be counted one too few.
        .terminator(Terminator::Any(b'\n'))
        .from_reader(bounded);
    let columns = reader.byte_headers().map_err(|error| error.to_string());
    let columns = columns.and_then(|header| columns_of(header, args.skip_unknown));
    let columns = match columns {
        Ok(columns) => columns,
        Err(why) => return fail(&format!("error: {}: {why}", args.file)),
    };
    left.set(MAX_ROW);
    let mut import = Import {
        socket,
        path: format!("{}/contacts", account_path(&args.of.account)),
        counts: Counts::default(),
        bar: Bar::default(),
    };
    let ended = import.rows(&mut reader, &columns, size, &left).await;
    import.bar.clear();
    if let Err((exit, why)) = ended {
        complain(&why);
        complain(&format!(
            "{} rows were imported before that.",
            import.counts.rows
        ));
        complain("Start it again when that is mended: rows that are there are left as they are.");
        return exit;
    }
    import.counts.tell(as_json)
}

fn columns_of(header: &ByteRecord, skip_unknown: bool) -> Result<Vec<Column>, String> {
    if header.is_empty() {
        return Err("it is empty; its first row must name the columns".to_owned());
    }
    columns(header, skip_unknown)
}

fn open(file: &str) -> io::Result<(Box<dyn Read>, Option<u64>)> {
    if file == "-" {
        return Ok((Box::new(io::stdin()), None));
    }
    let opened = File::open(file)?;
    let size = opened.metadata()?.len();
    Ok((Box::new(opened), Some(size)))
}

impl Import<'_> {
    async fn rows(
        &mut self,
        reader: &mut Reader<Bounded>,
        columns: &[Column],
        size: Option<u64>,
        left: &Cell<usize>,
    ) -> Result<(), (Exit, String)> {
        let mut record = ByteRecord::new();
        let mut batch = Batch::default();
        loop {
            let read = reader.read_byte_record(&mut record);
            let more = read.map_err(|error| (Exit::Failed, format!("error: {error}")))?;
            left.set(MAX_ROW);
            if more && !is_blank(&record) {
                let line = record.position().map_or(0, csv::Position::line);
                match row(columns, &record) {
                    Ok(row) => batch.push(line, &row),
                    Err(why) => self.bad(line, &why),
                }
            }
            if batch.is_full() || (!more && !batch.rows.is_empty()) {
                self.send(std::mem::take(&mut batch)).await?;
                self.show(reader.position().byte(), size);
            }
            if !more {
                return Ok(());
            }
        }
    }

    /// One commit.
    async fn send(&mut self, batch: Batch) -> Result<(), (Exit, String)> {
        let call = Call {
            method: Method::POST,
            path: self.path.clone(),
            body: Some(format!("{{\"contacts\":[{}]}}", batch.rows.join(","))),
        };
        let answer = admin::ask(self.socket, &call).await.map_err(|error| {
            let why = format!("error: {}", error.advice(self.socket));
            (Exit::Unreachable, why)
        })?;
        if answer.status != 200 {
            return Err((Exit::Failed, show::error(answer.status, &answer.body)));
        }
        let answer: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let outcomes = answer["contacts"].as_array().cloned().unwrap_or_default();
        if outcomes.len() != batch.lines.len() {
            let why = "error: the daemon did not answer for every row; is it of this version?";
            return Err((Exit::Failed, why.to_owned()));
        }
        for (line, outcome) in batch.lines.iter().zip(&outcomes) {
            match (outcome["error"].as_str(), outcome["created"].as_bool()) {
                (Some(why), _) => self.bad(*line, why),
                (None, Some(true)) => self.counts.created += 1,
                (None, _) => self.counts.known += 1,
            }
            if outcome["error"].is_null() {
                self.counts.rows += 1;
            }
        }
        Ok(())
    }

    fn bad(&mut self, line: u64, why: &str) {
        self.bar.clear();
        self.counts.bad += 1;
        complain(&show::printable(&format!("line {line}: {why}")));
    }

    fn show(&mut self, read: u64, size: Option<u64>) {
        match size {
            Some(size) => self.bar.show("import", read, size),
            None => self.bar.tell(&format!("import {} rows", self.counts.rows)),
        }
    }
}

impl Counts {
    fn tell(&self, as_json: bool) -> Exit {
        let Self {
            created,
            known,
            bad,
            ..
        } = self;
        let told = if as_json {
            print(&format!(
                "{}\n",
                json!({"created": created, "known": known, "bad": bad})
            ))
        } else {
            print(&format!(
                "{created} created, {known} already there, {bad} not imported\n"
            ))
        };
        match told {
            Exit::Done if *bad > 0 => Exit::Failed,
            told => told,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &[&str]) -> Result<Vec<Column>, String> {
        columns(&ByteRecord::from(names.to_vec()), false)
    }

    #[test]
    fn columns_are_known_by_several_names_in_any_case() {
        for (name, expected) in [
            ("phone", Some(Column::Text("phone"))),
            ("Phone Number", Some(Column::Text("phone"))),
            ("NUMBER", Some(Column::Text("phone"))),
            (" E-mail ", Some(Column::Text("email"))),
            ("firstName", Some(Column::Text("first_name"))),
            ("Fname", Some(Column::Text("first_name"))),
            ("last_name", Some(Column::Text("last_name"))),
            ("External ID", Some(Column::Text("external_id"))),
            (
                "Custom:Shoe size",
                Some(Column::Custom("Shoe size".to_owned())),
            ),
            ("custom", None),
            ("ä", None),
            ("", None),
        ] {
            assert_eq!(Column::named(name), expected, "{name}");
        }
    }

    #[test]
    fn a_first_row_must_name_who_and_nothing_twice() {
        assert!(header(&["phone", "custom:a", "custom:b"]).is_ok());
        for (names, why) in [
            (&["phone", "Number"][..], "\"Number\" is there twice"),
            (
                &["email", "custom:a", "custom:a"],
                "\"custom:a\" is there twice",
            ),
            (&["first_name"], "neither a column phone nor a column email"),
            (&["phone", "shoe"], "\"shoe\" is not known"),
            (&["phone;email"], "--delimiter"),
        ] {
            let told = header(names).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
        let skipping = columns(&ByteRecord::from(vec!["phone", "shoe", "hat"]), true);
        let expected = [Column::Text("phone"), Column::Skipped, Column::Skipped];
        assert_eq!(skipping.unwrap(), expected);
    }

    #[test]
    fn a_row_is_its_fields_that_are_not_empty() {
        let columns = header(&["phone", "email", "custom:a", "custom:b"]).unwrap();
        let made = |fields: &[&[u8]]| row(&columns, &ByteRecord::from(fields.to_vec()));
        let full = made(&[b"+1", b"", b"x", b"y"]).unwrap();
        assert_eq!(
            full.to_string(),
            r#"{"custom":[["a","x"],["b","y"]],"phone":"+1"}"#
        );
        assert_eq!(made(&[b"", b"", b"", b"\r"]).unwrap().to_string(), "{}");
        let blank = |fields: &[&[u8]]| is_blank(&ByteRecord::from(fields.to_vec()));
        assert!(blank(&[b"\r"]) && blank(&[b""]) && !blank(&[b"", b"\r"]) && !blank(&[b"x"]));
        let short = made(&[b"+1"]).unwrap_err();
        assert_eq!(short, "it has 1 fields, the first row has 4");
        assert_eq!(
            made(&[b"\xff", b"", b"", b""]).unwrap_err(),
            "it is not UTF-8"
        );
    }
}
