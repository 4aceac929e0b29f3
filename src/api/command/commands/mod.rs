//! The commands, one file each, and the table that finds them.
//!
//! Owns what every command shares: its place in the table, who may call it, its outcome. Effects
//! are the domain's.

mod authenticate_notifications;
pub mod batch;
mod command_center_receive_command;
mod command_center_sync;
mod create_customer;
mod create_lead;
mod event_set;
mod events_get;
mod issue_invites;
mod lead_set;
mod leads_get;
mod leads_merge;
mod leads_multi_manage_tags;
mod leads_multi_transfer;
mod orders;
mod ping;
mod query_users;
mod remote_data;
mod send_system_email;
mod update_lead;
mod update_user;
mod user_get;
mod user_login_link;
mod user_login_token;
mod user_login_token_update;
mod validate_user;

use std::future::Future;
use std::pin::Pin;

use super::call::{CommandCall, Done};
use super::form::Form;
use crate::domain::actor::Rights;
use crate::domain::words;
use crate::error::Error;

/// What a command comes to.
type Outcome = Result<Done, Failure>;
/// The same, later.
type Running<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Why a command failed.
#[derive(Debug)]
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

/// Who may call a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// An API credential.
    Api,
    /// An API credential, or a user's token alone.
    User,
    /// Proved by the command's own arguments; an API credential is not needed.
    Own,
}

/// A command of the table.
#[derive(Clone, Copy)]
pub struct Command {
    /// `ai_command`.
    pub name: &'static str,
    /// Who may call it.
    pub class: Class,
    /// An `Idempotency-Key` is ignored.
    pub repeats: bool,
    /// Failures are told as JSON text.
    pub tells_json: bool,
    /// `user_id` has a meaning of its own; elsewhere it only names who acts.
    pub names_user: bool,
    run: for<'a> fn(&'a CommandCall) -> Running<'a>,
}

/// Characters of an unknown name that are shown again.
const MAX_SHOWN: usize = 64;

/// A row of the table: the module that is named as the command, who may call it, what is special.
macro_rules! command {
    ($module:ident, $class:ident $(, $flag:ident)*) => {
        command!(stringify!($module), $module::run, $class $(, $flag)*)
    };
    ($name:expr, $run:path, $class:ident $(, $flag:ident)*) => {
        Command {
            $($flag: true,)*
            ..Command {
                name: $name,
                class: Class::$class,
                repeats: false,
                tells_json: false,
                names_user: false,
                run: |call| Box::pin($run(call)),
            }
        }
    };
}

/// `ai_command` and what it does (`protocols/command-api.md` section 4).
const TABLE: &[Command] = &[
    command!(authenticate_notifications, Api),
    command!("autos_remote_data_sync", remote_data::autos, Api),
    command!("autostrada_sync", remote_data::autostrada, Api),
    command!(batch, User, repeats),
    command!(command_center_receive_command, Api),
    command!(command_center_sync, Api),
    command!(create_customer, Api),
    command!("create_hosted_checkout", orders::checkout, Api, tells_json),
    command!(create_lead, User, names_user),
    command!("create_order", orders::create, Api, tells_json, names_user),
    command!(event_set, User, names_user),
    command!(events_get, User, names_user),
    command!(issue_invites, Api, names_user),
    command!(lead_set, User, names_user),
    command!(leads_get, User, names_user),
    command!(leads_merge, User, names_user),
    command!(leads_multi_manage_tags, User, names_user),
    command!(leads_multi_transfer, User, names_user),
    command!(ping, User),
    command!(query_users, Api),
    command!(send_system_email, Api),
    command!(update_lead, User, names_user),
    command!("update_order", orders::update, Api, tells_json),
    command!(update_user, User),
    command!(user_get, User),
    command!(user_login_link, Api, repeats),
    command!(user_login_token, Own),
    command!(user_login_token_update, Own),
    command!(validate_user, Own),
];

/// The command of this name, as far as it is known.
pub fn find(name: &str) -> Option<&'static Command> {
    // As it is compared when it is run.
    let name = words::single_line(name)?;
    TABLE.iter().find(|command| command.name == name)
}

/// The command that a call names, in a call that may name every one.
pub fn named(form: &mut Form<'_>) -> Result<&'static Command, Failure> {
    form.need(&["ai_command"]);
    let Some(name) = form.typed("ai_command", |name| Some(name.to_owned())) else {
        return Err(Failure::Findings(form.found()));
    };
    find(&name).ok_or_else(|| {
        let shown: String = name.chars().take(MAX_SHOWN).collect();
        Failure::Findings(vec![format!("Unknown command \"{shown}\"")])
    })
}

/// Runs a command for a caller who may call it.
pub async fn run(command: &Command, mut call: CommandCall) -> Outcome {
    let is_user = matches!(call.actor.rights, Rights::User { .. });
    if is_user && command.class == Class::Api {
        return Err(Error::forbidden("Permission denied").into());
    }
    if !is_user && !command.names_user && command.class != Class::Own {
        call.name_actor().await?;
    }
    (command.run)(&call).await
}
