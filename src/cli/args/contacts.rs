//! `contacts …`: people, many at a time.
//!
//! Owns its grammar and help. Does not know what a row becomes.

// These comments are printed by --help, where backticks would stand as they are.
#![allow(clippy::doc_markdown)]

use clap::{Args, Subcommand};

use super::account::OfAccount;

/// `contacts …`
#[derive(Debug, Subcommand)]
pub enum ContactsCommand {
    /// Create the contacts of a CSV file; consumers are told by new_contact
    #[command(after_help = "\
The first row names the columns, in any order and case:
  phone (or number)        +15551234567; a national number needs the account's country code
  email
  first_name (or fname), last_name (or lname), gender (M or F), note, external_id
  custom:CODE              the value of the custom field CODE

Each row needs a phone or an email. A contact with the row's phone, or without one with its email,
is left as it is: so an import that was cut off is simply started again. A bad row is told with its
line and reason, and the others are imported all the same.

Examples:
  hookrelay contacts import people.csv --account shop
  hookrelay contacts import export.csv -a shop --delimiter ';' --skip-unknown
  zcat people.csv.gz | hookrelay contacts import - -a shop

Exits with 0 if every row is there now, with 1 if not.")]
    Import(ImportArgs),
}

/// `contacts import …`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Whose
    #[command(flatten)]
    pub of: OfAccount,
    /// The file, in UTF-8; - is standard input
    #[arg(value_name = "FILE")]
    pub file: String,
    /// What stands between fields
    #[arg(long, value_name = "CHARACTER", default_value = ",", value_parser = delimiter)]
    pub delimiter: u8,
    /// Pass over columns that are not known, instead of refusing the file
    #[arg(long)]
    pub skip_unknown: bool,
}

/// One ASCII character; `\t` and `tab` are a tab.
fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"\\t" | b"tab" => Ok(b'\t'),
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(*byte),
        _ => Err("write one character, such as ';', or tab".to_owned()),
    }
}
