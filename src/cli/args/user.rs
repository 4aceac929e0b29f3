//! `user …`: people of an account.
//!
//! Owns their grammar and help. Does not know what they ask of the daemon.

// These comments are printed by --help, where backticks would stand as they are.
#![allow(clippy::doc_markdown)]

use clap::{Args, Subcommand};

use super::account::OfAccount;

/// `user …`
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Create a user; its consumers are told by new_user
    #[command(after_help = "\
Examples:
  hookrelay user add alice --account shop --email alice@shop.example --first-name Alice --last-name Stone
  hookrelay user add bob -a shop --email bob@shop.example --first-name Bob --last-name Hill --type Agent --password Secret123

A secret given on the command line can be seen by other users of this machine while it runs.")]
    Add {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its name: letters, digits and hyphens, or an e-mail address
        username: String,
        /// Its e-mail address
        #[arg(long)]
        email: String,
        /// Its first name
        #[arg(long, value_name = "NAME")]
        first_name: String,
        /// Its last name
        #[arg(long, value_name = "NAME")]
        last_name: String,
        /// Owner, Administrator, Customer, or any other word for an agent
        #[arg(long = "type", value_name = "TYPE", default_value = "Owner")]
        account_type: String,
        /// Its phone number
        #[arg(long)]
        phone: Option<String>,
        /// Its id in a system of yours
        #[arg(long, value_name = "ID")]
        external_id: Option<String>,
        /// Its password; without one it cannot log in
        #[arg(long)]
        password: Option<String>,
    },
    /// List an account's users, the first 1000 behind --after
    List {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// The last id of the page before
        #[arg(long, value_name = "USER")]
        after: Option<u64>,
    },
    /// Change a user; what is not named stays. A new password ends its tokens
    #[command(after_help = "\
Examples:
  hookrelay user set alice --account shop --password Secret123
  hookrelay user set 1001 --account shop --active false")]
    Set {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its id or name
        user: String,
        /// What changes
        #[command(flatten)]
        changes: UserChanges,
    },
    /// Revoke a user's sessions on the leads surface: it has to log in again
    Logout {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Its id or name
        user: String,
    },
}

/// New values of a user.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct UserChanges {
    /// Another name
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,
    /// Another e-mail address
    #[arg(long)]
    pub email: Option<String>,
    /// Another type
    #[arg(long = "type", value_name = "TYPE")]
    pub account_type: Option<String>,
    /// Another password
    #[arg(long)]
    pub password: Option<String>,
    /// Whether it may log in at all
    #[arg(long, value_name = "BOOL")]
    pub active: Option<bool>,
}
