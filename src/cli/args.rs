//! What the operator types.
//!
//! Owns the grammar of the command line and its help. Does not know what a command does.

// These comments are printed by --help, where backticks would stand as they are.
#![allow(clippy::doc_markdown)]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const MAIN_EXAMPLES: &str = "\
Examples:
  hookrelay demo                                   see a whole delivery in ten seconds
  hookrelay serve --config /etc/hookrelay/hookrelay.toml
  hookrelay account add shop                       prints its login and API key, once
  hookrelay endpoint add --account shop --url https://shop.example/hook
  hookrelay send generic 'Hello World' --account shop
  hookrelay queue                                  what waits where, and for how long

serve, demo, listen and check-config need no running daemon; all other commands ask it through its
admin socket, which they find as serve does: --config, HOOKRELAY_ADMIN__SOCKET, --set admin.socket=…

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the daemon cannot be reached.";

/// Under which heading help shows the flags that every command takes.
const EVERYWHERE: &str = "Options of every command";

/// A webhook notification relay: one binary, one data directory, nothing accepted is ever lost.
#[derive(Debug, Parser)]
#[command(name = "hookrelay", version, after_help = MAIN_EXAMPLES, arg_required_else_help = true)]
pub struct Cli {
    /// Configuration file [default: /etc/hookrelay/hookrelay.toml if it exists]
    #[arg(long, global = true, value_name = "FILE", help_heading = EVERYWHERE)]
    pub config: Option<PathBuf>,
    /// Set one configuration key, over file and environment; may be repeated
    #[arg(long = "set", global = true, value_name = "SECTION.KEY=VALUE", help_heading = EVERYWHERE)]
    pub set: Vec<String>,
    /// Print data as JSON, for scripts
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon
    #[command(after_help = "\
Examples:
  hookrelay serve
  hookrelay serve --set store.path=./data --set admin.socket=./admin.sock
  HOOKRELAY_HTTP__INSECURE_LOOPBACK=true hookrelay serve --config h.toml

SIGTERM or SIGINT drains and stops it; SIGHUP reloads what can be reloaded.")]
    Serve,
    /// Watch a whole delivery: accepted, handshake, refused, sent again, confirmed
    #[command(after_help = "\
Everything runs in this process, with a temporary data directory and a consumer on loopback.
Afterwards it stays up and prints curl lines to play with; with --exit it ends.")]
    Demo {
        /// End after the scenario, with status 0 only if every step really happened
        #[arg(long)]
        exit: bool,
    },
    /// Check a configuration: report every mistake, or what it changes from the defaults
    #[command(after_help = "\
Examples:
  hookrelay check-config /etc/hookrelay/hookrelay.toml
  hookrelay check-config --json | jq '.settings[] | select(.source != \"default\")'

The environment and --set count as they would for serve.")]
    CheckConfig {
        /// The file [default: as serve would use]
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Accounts (tenants): add, list, show
    #[command(subcommand)]
    Account(AccountCommand),
    /// API keys of an account: add, list, revoke
    #[command(subcommand)]
    Key(KeyCommand),
    /// Endpoints (webhook consumers) of an account: add, change, verify, hold, ...
    #[command(subcommand)]
    Endpoint(EndpointCommand),
    /// Put one message into an account's log, for all of its endpoints that want it
    Send(SendArgs),
    /// Be a consumer, for trying things out: speak the protocol and print what arrives
    Listen(ListenArgs),
    /// What waits at each endpoint, and for how long
    #[command(after_help = "\
One row for each endpoint, the longest waiting first:
  STATE         disabled, on_hold, suspended (unreachable; tried again at NEXT), probing,
                unverified, verifying, awaiting_confirmation, starting (not counted yet, right
                after a start), or open
  PENDING       messages that are not settled there yet, those in flight included
  <1 m … OLDER  these by age, each counted once; ~ marks a share that is estimated, because a
                type filter admits only a part of the log
  IN FLIGHT     requests that are out now
  OLDEST        age of the oldest pending message
  WAITS FOR     why nothing goes out although something is pending
  NEXT          when that can change by itself
  LAST FAILURE  how the last failed attempt ended; the hint is in the endpoint's attempts

Example:
  hookrelay queue --json | jq '.endpoints[] | select(.pending > 0)'")]
    Queue,
    /// How the daemon is: version, endpoints by state, queue totals, store
    #[command(after_help = "\
Exits with 3 if the daemon cannot be reached. accepting is false while it drains, relay_running
while it starts or stops; store.open is false while the disk cannot be written.")]
    Status,
}

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

/// One endpoint of an account.
#[derive(Debug, Args)]
pub struct OneEndpoint {
    /// Whose
    #[command(flatten)]
    pub of: OfAccount,
    /// The endpoint's reference, as endpoint list shows it
    pub endpoint: String,
}

/// `endpoint …`
#[derive(Debug, Subcommand)]
pub enum EndpointCommand {
    /// Register a consumer's URL; its signing secret is printed this once
    #[command(after_help = "\
Examples:
  hookrelay endpoint add --account shop --url https://shop.example/hook
  hookrelay endpoint add -a shop --url https://x.example/in --types 'new_*,update_user'
  hookrelay endpoint add -a shop --url https://x.example/in --protocol standard
  hookrelay endpoint add -a shop --url https://x.example/in --header 'X-Token: 7' \\
      --schedule initial=10s --schedule max_age=1d

--json prints the endpoint with its reference as `endpoint`, and `signing_secret`.")]
    Add {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
        /// Where requests go: absolute http or https URL
        #[arg(long)]
        url: String,
        /// Everything else.
        #[command(flatten)]
        settings: EndpointSettings,
    },
    /// List an account's endpoints
    List {
        /// Whose
        #[command(flatten)]
        of: OfAccount,
    },
    /// Show one endpoint: settings, states, queue figures
    Show(OneEndpoint),
    /// Change settings; what is not named stays
    #[command(after_help = "\
Examples:
  hookrelay endpoint set j8fssz5awsh8 -a shop --enabled true
  hookrelay endpoint set j8fssz5awsh8 -a shop --url https://new.example/hook --max-messages 10")]
    Set {
        /// Which
        #[command(flatten)]
        one: OneEndpoint,
        /// New URL
        #[arg(long)]
        url: Option<String>,
        /// Everything else.
        #[command(flatten)]
        settings: EndpointSettings,
    },
    /// Make it prove itself again, now, with an authenticate request
    Verify(OneEndpoint),
    /// Send a test message to this endpoint only
    Test(OneEndpoint),
    /// Send nothing until release; what comes in waits
    Hold(OneEndpoint),
    /// Send again after a hold
    Release(OneEndpoint),
    /// Remove it; what waits for it is never sent
    Remove(OneEndpoint),
}

/// Settings of an endpoint (`protocols/notifications.md` 2.1).
#[derive(Debug, Args, Default)]
pub struct EndpointSettings {
    /// A note for yourself
    #[arg(long)]
    pub description: Option<String>,
    /// API login whose id and password the consumer proves [default: the account's]
    #[arg(long, value_name = "AI_LOGIN_ID")]
    pub login: Option<String>,
    /// Event types: names, or prefixes with a trailing *, between commas [default: *]
    #[arg(long, value_delimiter = ',', value_name = "TYPES")]
    pub types: Option<Vec<String>>,
    /// relay: authenticate and batches; standard: Standard Webhooks
    #[arg(long, value_enum)]
    pub protocol: Option<ProtocolArg>,
    /// Authenticate with a key and its MD5 proof [default: true]
    #[arg(long, value_name = "BOOL")]
    pub send_key: Option<bool>,
    /// Send the messages; false = only wake the consumer [default: true]
    #[arg(long, value_name = "BOOL")]
    pub send_messages: Option<bool>,
    /// Any response head is confirmation enough [default: false]
    #[arg(long, value_name = "BOOL")]
    pub ignore_confirmation: Option<bool>,
    /// Omit the fields that the original protocol lacks [default: false]
    #[arg(long, value_name = "BOOL")]
    pub strict_fields: Option<bool>,
    /// strict: nothing goes out before everything earlier is settled
    #[arg(long, value_enum)]
    pub ordering: Option<OrderingArg>,
    /// Messages per batch, 1-1000
    #[arg(long, value_name = "N")]
    pub max_messages: Option<u32>,
    /// Bytes per batch, such as 256KiB
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_bytes: Option<u64>,
    /// How long a proof lasts, such as 24h
    #[arg(long, value_name = "DURATION", value_parser = seconds)]
    pub auth_lifetime: Option<u64>,
    /// Custom request header; may be repeated, and replaces all there were
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub headers: Vec<(String, String)>,
    /// Retry setting of its own: initial, multiplier, max_interval, max_attempts, max_age or
    /// disable_after; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = schedule)]
    pub schedule: Vec<(String, serde_json::Value)>,
    /// false disables it, its messages wait; true enables it
    #[arg(long, value_name = "BOOL")]
    pub enabled: Option<bool>,
}

/// `--protocol`
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum ProtocolArg {
    /// The notification protocol.
    Relay,
    /// Standard Webhooks.
    Standard,
}

/// `--ordering`
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum OrderingArg {
    /// First attempts in order.
    Relaxed,
    /// Everything in order.
    Strict,
}

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

/// A duration in whole seconds, as the admin API takes it.
fn seconds(text: &str) -> Result<u64, String> {
    match crate::config::duration(text) {
        Ok(time) if time.0 >= 1000 && time.0.is_multiple_of(1000) => Ok(time.0 / 1000),
        Ok(_) => Err("write whole seconds, such as 5s".to_owned()),
        Err(refused) => Err(format!("{}; write {}", refused.reason, refused.instead)),
    }
}

fn size(text: &str) -> Result<u64, String> {
    crate::config::size(text)
        .map_err(|refused| format!("{}; write {}", refused.reason, refused.instead))
}

fn header(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("write \"Name: value\"".to_owned()),
    }
}

fn schedule(text: &str) -> Result<(String, serde_json::Value), String> {
    let Some((key, value)) = text.split_once('=') else {
        return Err("write KEY=VALUE, such as initial=10s".to_owned());
    };
    let value = match key {
        "initial" | "max_interval" | "max_age" | "disable_after" => seconds(value)?.into(),
        "multiplier" => match value.parse::<f64>() {
            Ok(factor) if factor.is_finite() => factor.into(),
            _ => return Err("multiplier is a number such as 2.0".to_owned()),
        },
        "max_attempts" => match value.parse::<u32>() {
            Ok(attempts) => attempts.into(),
            Err(_) => return Err("max_attempts is a whole number".to_owned()),
        },
        _ => {
            return Err(format!(
                "{key:?} is none of initial, multiplier, max_interval, max_attempts, max_age, disable_after"
            ));
        }
    };
    Ok((key.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_argument_has_help() {
        fn check(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{path} has no help");
            for argument in command.get_arguments() {
                let id = argument.get_id();
                assert!(argument.get_help().is_some(), "{path} {id} has no help");
            }
            for subcommand in command.get_subcommands() {
                check(subcommand, &path);
            }
        }
        check(&Cli::command(), "");
    }

    #[test]
    fn setting_values_are_checked_where_they_are_typed() {
        assert_eq!(seconds("24h"), Ok(86_400));
        assert!(seconds("24").is_err() && seconds("1500ms").is_err() && seconds("0s").is_err());
        assert!(size("1 MB").is_err());
        assert_eq!(header("X-A:b"), Ok(("X-A".into(), "b".into())));
        assert!(header(": b").is_err());
        assert_eq!(
            schedule("max_attempts=3"),
            Ok(("max_attempts".into(), 3.into()))
        );
        for wrong in [
            "x=1",
            "initial=5",
            "multiplier=inf",
            "max_attempts=-1",
            "initial",
        ] {
            assert!(schedule(wrong).is_err(), "{wrong}");
        }
    }
}
