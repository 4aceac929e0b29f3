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
  hookrelay account set agency --is-agency true
  hookrelay account set shop --agency agency --email shop@agency.example --credits 500
  hookrelay account set shop --auto-recharge true --recharge-threshold 50 --recharge-amount 500

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
    /// Whether it may have sub-accounts
    #[arg(long, value_name = "BOOL")]
    pub is_agency: Option<bool>,
    /// Agency whose sub-account it becomes, by reference or name; that is for good
    #[arg(long, value_name = "ACCOUNT", requires = "email")]
    pub agency: Option<String>,
    /// E-mail address by which that agency knows it
    #[arg(long, requires = "agency")]
    pub email: Option<String>,
    /// Balance; only sub-accounts pay with credits
    #[arg(long, value_name = "CREDITS")]
    pub credits: Option<u64>,
    /// Whether its agency is asked for more credits when they run low
    #[arg(long, value_name = "BOOL")]
    pub auto_recharge: Option<bool>,
    /// Balance at or below which the agency is asked
    #[arg(long, value_name = "CREDITS")]
    pub recharge_threshold: Option<u64>,
    /// How many credits it is asked for
    #[arg(long, value_name = "CREDITS")]
    pub recharge_amount: Option<u64>,
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
    #[command(after_help = "\
Examples:
  hookrelay key add --account shop --name 'web shop'
  hookrelay key add -a shop --name campaigns --surface flex --surface contacts --per-minute 600")]
    Add {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// What you call it
        #[arg(long)]
        name: Option<String>,
        /// Interface that it may use: contacts, flex, helpdesk, leads or manage (repeatable)
        /// [default: all of them]
        #[arg(long = "surface", value_name = "NAME")]
        surfaces: Vec<String>,
        /// Requests per minute, over all interfaces; 0 = no limit [default: limits.per_minute]
        #[arg(long, value_name = "REQUESTS")]
        per_minute: Option<u32>,
    },
    /// List an account's keys, without their secrets
    List {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
    },
    /// Replace a key's secret; the old one ends at once, and the new one is printed this once
    #[command(after_help = "\
Examples:
  hookrelay key list -a shop
  hookrelay key rotate 37e3s3e28jt9 -a shop --json | jq -r .api_key

Its name, interfaces and limit stay. To change over without a gap, add a second key with key add,
give it to the callers, and revoke the first.")]
    Rotate {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// The key's reference, as key list shows it; not the secret
        key: String,
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
