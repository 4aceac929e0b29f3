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
    /// Show one account, with its settings
    Show {
        /// Its reference or name
        account: String,
    },
    /// Change an account's settings; what is not named stays
    #[command(after_help = "\
Examples:
  hookrelay account set shop --time-zone Europe/Berlin --country-code 49
  hookrelay account set shop --host shop.example --host www.shop.example
  hookrelay account set shop --custom-status 1=Hot --custom-status 2=Cold
  hookrelay account set shop --dashboard-url ''

An option that can be repeated replaces the whole list; '' empties it, and '' clears a text.")]
    Set {
        /// Its reference or name
        account: String,
        /// What changes
        #[command(flatten)]
        settings: Box<AccountSettings>,
    },
}

/// Settings of an account.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub struct AccountSettings {
    /// IANA name of the zone in which its zone-less times are
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<String>,
    /// Country code that completes national phone numbers, such as 1 or 49
    #[arg(long, value_name = "DIGITS")]
    pub country_code: Option<String>,
    /// Id of the user who owns leads that come without one; 0 = the first Owner
    #[arg(long, value_name = "USER")]
    pub default_owner: Option<u64>,
    /// Host name that selects this account for user_login_token and validate_user (repeatable)
    #[arg(long = "host", value_name = "HOST")]
    pub hosts: Option<Vec<String>>,
    /// Base of the links of user_login_link
    #[arg(long, value_name = "URL")]
    pub dashboard_url: Option<String>,
    /// Base of the links of create_hosted_checkout
    #[arg(long, value_name = "URL")]
    pub checkout_url: Option<String>,
    /// Source that a lead may be given (repeatable)
    #[arg(long = "lead-source", value_name = "NAME")]
    pub lead_sources: Option<Vec<String>>,
    /// Lead status of its own (repeatable)
    #[arg(long = "custom-status", value_name = "ID=NAME", value_parser = custom_status)]
    pub custom_statuses: Option<Vec<Option<(u32, String)>>>,
    /// Seconds until the first answer to tickets, chats and calls is due
    #[arg(long, value_name = "TICKETS,CHATS,CALLS", value_parser = by_class)]
    pub sla: Option<[u32; 3]>,
    /// Tickets, chats and calls that one online agent takes at a time
    #[arg(long, value_name = "TICKETS,CHATS,CALLS", value_parser = by_class)]
    pub slots: Option<[u32; 3]>,
}

/// Three numbers.
fn by_class(text: &str) -> Result<[u32; 3], String> {
    let parts: Vec<u32> = text
        .split(',')
        .filter_map(|part| part.trim().parse().ok())
        .collect();
    let numbers = parts.try_into();
    numbers.map_err(|_| "write three numbers, such as 10,5,1".to_owned())
}

/// `ID=NAME`; nothing for an empty list.
#[allow(clippy::option_option)]
fn custom_status(text: &str) -> Result<Option<(u32, String)>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let parts = text.split_once('=');
    let status = parts.and_then(|(id, name)| Some((id.trim().parse().ok()?, name.to_owned())));
    match status {
        Some(status) => Ok(Some(status)),
        None => Err("write ID=NAME, such as 1=Hot".to_owned()),
    }
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
