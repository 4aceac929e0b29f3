//! `list …`: lists of contacts.
//!
//! Owns their grammar and help. Does not know what they ask of the daemon.

// These comments are printed by --help, where backticks would stand as they are.
#![allow(clippy::doc_markdown)]

use clap::{Args, Subcommand};

use super::account::OfAccount;

/// `list …`
#[derive(Debug, Subcommand)]
pub enum ListCommand {
    /// Create a list; consumers are told by new_list
    #[command(after_help = "\
Examples:
  hookrelay list add VIP --account shop
  hookrelay list add 'Spring sale' -a shop --color FFFFFF --bg-color 1ABC9C")]
    Add {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its name, unique without regard to case
        name: String,
        /// Color of its letters, six hex digits [default: FFFFFF]
        #[arg(long, value_name = "HEX")]
        color: Option<String>,
        /// Color behind them, six hex digits [default: 0000FF]
        #[arg(long, value_name = "HEX")]
        bg_color: Option<String>,
    },
    /// List an account's lists, by name
    List {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
    },
    /// Change a list; what is not named stays. Consumers are told by update_list
    #[command(after_help = "Example:\n  hookrelay list set VIP -a shop --name 'Very important'")]
    Set {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its reference or name
        list: String,
        /// What changes
        #[command(flatten)]
        changes: ListChanges,
    },
    /// Remove a list; its contacts stay. Consumers are told by delete_list
    Remove {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its reference or name
        list: String,
    },
}

/// New values of a list.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct ListChanges {
    /// Another name
    #[arg(long)]
    pub name: Option<String>,
    /// Another color of its letters
    #[arg(long, value_name = "HEX")]
    pub color: Option<String>,
    /// Another color behind them
    #[arg(long, value_name = "HEX")]
    pub bg_color: Option<String>,
}
