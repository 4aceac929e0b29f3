//! `endpoint …`: consumers, their settings and orders.
//!
//! Owns their grammar and help, and checks values where they are typed. Does not know what they
//! ask of the daemon.

// These comments are printed by --help, where backticks would stand as they are.
#![allow(clippy::doc_markdown)]

use clap::{Args, Subcommand, ValueEnum};

use super::account::OfAccount;

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
  hookrelay endpoint set j8fssz5awsh8 -a shop --url https://new.example/hook --max-messages 10
  hookrelay endpoint set j8fssz5awsh8 -a shop --clear-headers --default-schedule")]
    Set {
        /// Which
        #[command(flatten)]
        one: OneEndpoint,
        /// New URL
        #[arg(long)]
        url: Option<String>,
        /// Take all custom request headers away
        #[arg(long, conflicts_with = "headers")]
        clear_headers: bool,
        /// Take its own retry settings away: those of the configuration hold again
        #[arg(long, conflicts_with = "schedule")]
        default_schedule: bool,
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
    /// disable_after; may be repeated, and replaces all there were
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
    use super::*;

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
