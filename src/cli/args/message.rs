//! `send …` and `listen …`: a message's two ends.
//!
//! Owns their grammar and help. Does not know how a message travels.

// These comments are printed by --help, where backticks would stand as they are.
#![allow(clippy::doc_markdown)]

use clap::{Args, ValueEnum};

use super::account::OfAccount;

/// `send …`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hookrelay send generic 'Hello World' --account shop
  hookrelay send new_user '{\"first_name\":\"John\"}' -a shop
  hookrelay send new_user @user.json -a shop
  jq -c . user.json | hookrelay send new_user - -a shop --json

DATA that is a JSON object, array or string is sent as it is; anything else is plain text.")]
pub struct SendArgs {
    /// Event type, such as generic or new_user
    #[arg(value_name = "TYPE")]
    pub event_type: String,
    /// JSON, plain text, @FILE, or - for standard input (@@ begins text with an @) [default: {}]
    #[arg(value_name = "DATA", allow_hyphen_values = true)]
    pub data: Option<String>,
    /// Whose log
    #[command(flatten)]
    pub of: OfAccount,
    /// Only for this endpoint; may be repeated
    #[arg(long = "endpoint", value_name = "ENDPOINT")]
    pub endpoints: Vec<String>,
    /// Accept it once only, however often it is sent with this key
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
}

/// `command …`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hookrelay command ping -a shop
  hookrelay command create_lead first_name=Jane email=jane@example.com -a shop
  hookrelay command leads_get search_params=prospect -a shop --json | jq .leads

It is the command API without its HTTP: the same names, parameters and texts. A command about the
endpoints of an API login (authenticate_notifications, command_center_sync) needs that login and
is refused here. Exits with 1 if the command fails.")]
pub struct CommandArgs {
    /// The command, such as create_lead
    pub name: String,
    /// Its parameters
    #[arg(value_name = "KEY=VALUE", value_parser = pair)]
    pub parameters: Vec<(String, String)>,
    /// For which account
    #[command(flatten)]
    pub of: OfAccount,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

/// `listen …`
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  hookrelay listen --port 9000
  hookrelay listen --login apiuser --password APIuser123 --reply refuse
  hookrelay listen --forward-to http://127.0.0.1:3000/hook

The first line printed is: listening on http://127.0.0.1:PORT/
The relay calls loopback only with [http] insecure_loopback = true or [delivery] allow_networks.")]
pub struct ListenArgs {
    /// Port on 127.0.0.1; 0 = any free one
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// ai_login_id to prove [default: answer passively]
    #[arg(long, value_name = "ID", requires = "password")]
    pub login: Option<String>,
    /// ai_login_password to prove
    #[arg(
        long,
        value_name = "PASSWORD",
        requires = "login",
        env = "HOOKRELAY_LISTEN_PASSWORD",
        hide_env_values = true
    )]
    pub password: Option<String>,
    /// How deliveries are answered; authenticate requests are always answered properly
    #[arg(long, value_enum, default_value_t = ReplyArg::Ok, conflicts_with = "forward_to")]
    pub reply: ReplyArg,
    /// Hand deliveries on to this URL and give back its answer
    #[arg(long, value_name = "URL")]
    pub forward_to: Option<String>,
}

/// `--reply`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReplyArg {
    /// 200 with {"status":"OK"}
    Ok,
    /// 200 with another status
    Refuse,
    /// 204 without a body
    #[value(name = "204")]
    NoContent,
    /// 500
    #[value(name = "500")]
    ServerError,
    /// No answer at all
    Hang,
    /// 302
    Redirect,
}
