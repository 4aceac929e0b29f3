//! What the operator types.
//!
//! Owns the grammar of the command line and its help: here what all commands share, in
//! `account.rs`, `endpoint.rs` and `message.rs` theirs. Does not know what a command does.

// These comments are printed by --help, where backticks would stand as they are.
#![allow(clippy::doc_markdown)]

pub mod account;
pub mod desk;
pub mod endpoint;
pub mod message;
pub mod store;
pub mod user;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use account::{AccountCommand, KeyCommand};
use desk::{AgentCommand, ArticleCommand, CategoryCommand, DepartmentCommand};
use endpoint::EndpointCommand;
use message::{CommandArgs, ListenArgs, SendArgs};
use store::{SelftestArgs, StoreCommand};
use user::UserCommand;

const MAIN_EXAMPLES: &str = "\
Examples:
  hookrelay demo                                   see a whole delivery in ten seconds
  hookrelay serve --config /etc/hookrelay/hookrelay.toml
  hookrelay account add shop                       prints its login and API key, once
  hookrelay endpoint add --account shop --url https://shop.example/hook
  hookrelay send generic 'Hello World' --account shop
  hookrelay queue                                  what waits where, and for how long

serve, demo, listen, check-config and selftest need no running daemon, and store needs a stopped one;
all other commands ask it through its admin socket, which they find as serve does: --config, HOOKRELAY_ADMIN__SOCKET, --set admin.socket=…

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
// One of them is called so.
#[allow(clippy::enum_variant_names)]
pub enum Command {
    /// Run the daemon
    #[command(after_help = "\
Examples:
  hookrelay serve
  hookrelay serve --set store.path=./data --set admin.socket=./admin.sock
  HOOKRELAY_HTTP__INSECURE_LOOPBACK=true hookrelay serve --config h.toml

SIGTERM or SIGINT drains and stops it; SIGHUP reloads what can be reloaded.
With --json it writes its log as JSON lines, whatever log.format says.")]
    Serve,
    /// Watch a whole delivery: accepted, handshake, refused, sent again, confirmed
    #[command(after_help = "\
Everything runs in this process, with a temporary data directory and a consumer on loopback.
Afterwards it stays up and prints curl lines to play with; with --exit it ends. It prints a story
for people and has no --json; scripts can go by the exit status.")]
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
    /// Accounts (tenants): add, list, show, set
    #[command(subcommand)]
    Account(AccountCommand),
    /// API keys of an account: add, list, revoke
    #[command(subcommand)]
    Key(KeyCommand),
    /// Users of an account, its first owner above all: add, list, set
    #[command(subcommand)]
    User(UserCommand),
    /// Departments of an account's helpdesk: add, list, set, remove
    #[command(subcommand)]
    Department(DepartmentCommand),
    /// Agents of an account's helpdesk, and when they are online: add, list, set, remove
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Categories of an account's knowledge base: add, list, set, remove
    #[command(subcommand)]
    Category(CategoryCommand),
    /// Articles of an account's knowledge base: add, list, set, remove
    #[command(subcommand)]
    Article(ArticleCommand),
    /// Endpoints (webhook consumers) of an account: add, change, verify, hold, ...
    #[command(subcommand)]
    Endpoint(EndpointCommand),
    /// Put one message into an account's log, for all of its endpoints that want it
    Send(SendArgs),
    /// Run a command of the command API, such as create_lead, for an account
    Command(CommandArgs),
    /// Be a consumer, for trying things out: speak the protocol and print what arrives
    Listen(ListenArgs),
    /// What waits at each endpoint, and for how long
    #[command(after_help = "\
One row for each endpoint, the longest waiting first:
  STATE         disabled, on_hold, suspended (unreachable; tried again at NEXT), probing,
                unverified, verifying, awaiting_confirmation, starting (not counted yet, right
                after a start), or open
  PENDING       messages that are not settled there yet, those in flight included
  <1 m … OLDER  these by age, each counted once; ~ marks a share that is estimated, because only
                a part of a long log is for this endpoint
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
    /// The data directory of a daemon that is stopped: verify, inspect, compact
    #[command(subcommand)]
    Store(StoreCommand),
    /// Try this machine and its disk: kill a daemon under load again and again, and lose nothing
    Selftest(SelftestArgs),
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
}
