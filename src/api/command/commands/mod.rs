//! The commands, one file each, and the table that finds them.
//!
//! Owns what every command shares: its call, its outcome, its place in the table. Effects are
//! the domain's.

mod authenticate_notifications;
mod ping;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::Params;
use super::decode::HasNull;
use crate::api::front::{Answer, Call};
use crate::error::Error;

/// A call of a command.
type CommandCall = Call<Arc<Params>>;
/// What a command comes to.
type Outcome<'a> = Pin<Box<dyn Future<Output = Result<Answer, Failure>> + Send + 'a>>;

/// Why a command failed.
pub enum Failure {
    /// Everything that is wrong with the parameters, in table order.
    Findings(Vec<String>),
    /// Anything else.
    Error(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Everything that is wrong with the parameters of a call, as it is found: reported together.
#[derive(Default)]
struct Findings(Vec<String>);

impl Findings {
    /// The one-line text of an optional parameter.
    fn text(&mut self, call: &CommandCall, name: &str) -> Option<String> {
        call.input.text(name).unwrap_or_else(|HasNull| {
            self.0
                .push(format!("Invalid value for parameter \"{name}\""));
            None
        })
    }

    /// Goes on only if nothing was found.
    fn none(self) -> Result<(), Failure> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Failure::Findings(self.0))
        }
    }
}

/// Characters of an unknown name that are shown again.
const MAX_SHOWN: usize = 64;

/// How a command is run.
type Run = fn(&CommandCall) -> Outcome<'_>;

/// `ai_command` and what it does (`protocols/command-api.md` section 4).
const TABLE: [(&str, Run); 2] = [
    ("authenticate_notifications", |call| {
        Box::pin(authenticate_notifications::run(call))
    }),
    ("ping", |call| Box::pin(ping::run(call))),
];

/// Runs the command that the call names.
pub async fn run(call: &CommandCall) -> Result<Answer, Failure> {
    let mut findings = Findings::default();
    let name = findings.text(call, "ai_command");
    findings.none()?;
    let Some(name) = name else {
        let missing = "ERROR: Required parameter \"ai_command\" missing";
        return Err(Failure::Findings(vec![missing.to_owned()]));
    };
    if let Some((_, command)) = TABLE.iter().find(|(known, _)| *known == name) {
        return command(call).await;
    }
    let shown: String = name.chars().take(MAX_SHOWN).collect();
    let unknown = format!("Unknown command \"{shown}\"");
    Err(Failure::Findings(vec![unknown]))
}
