//! `account …` and `key …`: tenants and their credentials.
//!
//! Owns their grammar and help. Does not know what they ask of the daemon.

// These comments are printed by --help, where backticks would stand as they are.
#![allow(clippy::doc_markdown)]

use clap::{Args, Subcommand};

/// `account …`
#[derive(Debug, Subcommand)]
pub enum AccountCommand {
    /// Create an account with a login and an API key; its secrets are printed this once
    #[command(after_help = "\
Examples:
  hookrelay account add shop
  hookrelay account add shop --json | jq -r .api_key
  hookrelay account add shop --login apiuser --password APIuser123

--json prints account, ai_login_id, ai_login_password, comm_key and api_key.
A secret given on the command line can be seen by other users of this machine while it runs.")]
    Add {
        /// Its name, unique without regard to case
        name: String,
        /// ai_login_id [default: made up]
        #[arg(long, value_name = "ID")]
        login: Option<String>,
        /// ai_login_password [default: made up]
        #[arg(long, value_name = "PASSWORD")]
        password: Option<String>,
        /// comm_key, for ai_sitecom_token [default: made up]
        #[arg(long, value_name = "KEY")]
        comm_key: Option<String>,
        /// API key, 32-64 printable characters [default: made up]
        #[arg(long, value_name = "KEY")]
        api_key: Option<String>,
    },
    /// List all accounts
    List,
    /// Show one account
    Show {
        /// Its reference or name
        account: String,
    },
}

/// Whose data a command is about.
#[derive(Debug, Args)]
pub struct OfAccount {
    /// The account, by reference or name
    #[arg(long, short = 'a', value_name = "ACCOUNT", env = "HOOKRELAY_ACCOUNT")]
    pub account: String,
}

/// `key …`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Create an API key; it is printed this once
    #[command(after_help = "Example:\n  hookrelay key add --account shop --name 'web shop'")]
    Add {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// What you call it
        #[arg(long)]
        name: Option<String>,
    },
    /// List an account's keys, without their secrets
    List {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
    },
    /// Revoke a key at once
    Revoke {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// The key's reference, as key list shows it; not the secret
        key: String,
    },
}
