//! `automation …`: what consumers do with contacts.
//!
//! Owns their grammar and help. Does not know what they ask of the daemon.

// These comments are printed by --help, where backticks would stand as they are.
#![allow(clippy::doc_markdown)]

use clap::{Args, Subcommand};

use super::account::OfAccount;

/// `automation …`
#[derive(Debug, Subcommand)]
pub enum AutomationCommand {
    /// Create an automation, into which callers put contacts by its id
    #[command(after_help = "\
Examples:
  hookrelay automation add Welcome --account shop
  hookrelay automation add 'Win back' -a shop --nodes 3 --on false --json | jq .automation

hookrelay runs nothing by itself: a consumer is told of each contact by automation_enrolled.")]
    Add {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// What you call it
        name: String,
        /// Whether it takes contacts [default: true]
        #[arg(long, value_name = "BOOL")]
        on: Option<bool>,
        /// How many steps it has; with 0 it takes no contacts [default: 1]
        #[arg(long, value_name = "COUNT")]
        nodes: Option<u32>,
    },
    /// List an account's automations, the first 1000 behind --after
    List {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// The last id of the page before
        #[arg(long, value_name = "AUTOMATION")]
        after: Option<u64>,
    },
    /// Change an automation; what is not named stays, and so do its contacts
    #[command(after_help = "\
Examples:
  hookrelay automation set 1001 --account shop --on false
  hookrelay automation set 1001 -a shop --name Welcome --nodes 4")]
    Set {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its id, as automation list shows it
        automation: u64,
        /// What changes
        #[command(flatten)]
        changes: AutomationChanges,
    },
    /// Remove an automation; its contacts are in it no more
    Remove {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its id, as automation list shows it
        automation: u64,
    },
}

/// New values of an automation.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct AutomationChanges {
    /// Another name
    #[arg(long)]
    pub name: Option<String>,
    /// Whether it takes contacts
    #[arg(long, value_name = "BOOL")]
    pub on: Option<bool>,
    /// How many steps it has; with 0 it takes no contacts
    #[arg(long, value_name = "COUNT")]
    pub nodes: Option<u32>,
}
