//! From `list …` and `automation …` to the admin API's request.
//!
//! Owns that mapping as pure functions, as `calls.rs` does for the other commands.

use hyper::Method;
use serde_json::{Map, Value};

use super::admin::{Call, segment};
use super::args::account::OfAccount;
use super::args::automation::AutomationCommand;
use super::args::list::ListCommand;
use super::calls::{Asking, Show, account_path, delete, get, members, post};

/// `list …`
pub fn list(command: &ListCommand) -> Asking {
    let lists = |of: &OfAccount| format!("{}/lists", account_path(&of.account));
    let one = |of: &OfAccount, list: &str| format!("{}/{}", lists(of), segment(list));
    match command {
        ListCommand::Add {
            of,
            name,
            color,
            bg_color,
        } => {
            let body = members(&[
                ("name", Some(name)),
                ("color", color.as_ref()),
                ("bg_color", bg_color.as_ref()),
            ]);
            let body = Value::Object(body).to_string();
            (post(lists(of), Some(body)), Show::Object)
        }
        ListCommand::List { of } => (get(lists(of)), Show::Lists),
        ListCommand::Set { of, list, changes } => {
            let body = members(&[
                ("name", changes.name.as_ref()),
                ("color", changes.color.as_ref()),
                ("bg_color", changes.bg_color.as_ref()),
            ]);
            (patch(one(of, list), body), Show::Object)
        }
        ListCommand::Remove { of, list } => (delete(one(of, list)), Show::Done("removed")),
    }
}

/// `automation …`
pub fn automation(command: &AutomationCommand) -> Asking {
    let automations = |of: &OfAccount| format!("{}/automations", account_path(&of.account));
    let one = |of: &OfAccount, id: u64| format!("{}/{id}", automations(of));
    match command {
        AutomationCommand::Add {
            of,
            name,
            on,
            nodes,
        } => {
            let body = automation_body(Some(name), *on, *nodes);
            let body = Value::Object(body).to_string();
            (post(automations(of), Some(body)), Show::Object)
        }
        AutomationCommand::List { of, after } => {
            let after = after.map(|after| format!("?after={after}"));
            let path = format!("{}{}", automations(of), after.unwrap_or_default());
            (get(path), Show::Automations)
        }
        AutomationCommand::Set {
            of,
            automation,
            changes,
        } => {
            let body = automation_body(changes.name.as_ref(), changes.on, changes.nodes);
            (patch(one(of, *automation), body), Show::Object)
        }
        AutomationCommand::Remove { of, automation } => {
            (delete(one(of, *automation)), Show::Done("removed"))
        }
    }
}

fn automation_body(
    name: Option<&String>,
    on: Option<bool>,
    nodes: Option<u32>,
) -> Map<String, Value> {
    let mut body = members(&[("name", name)]);
    for (member, value) in [
        ("is_on", on.map(Value::from)),
        ("nodes", nodes.map(Value::from)),
    ] {
        if let Some(value) = value {
            body.insert(member.to_owned(), value);
        }
    }
    body
}

fn patch(path: String, body: Map<String, Value>) -> Call {
    Call {
        method: Method::PATCH,
        path,
        body: Some(Value::Object(body).to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::args::{Cli, Command};
    use super::*;

    #[test]
    fn every_command_asks_what_the_admin_api_offers() {
        for (line, request) in [
            (
                "list add VIP -a s --bg-color #00FF00",
                r##"POST /admin/v1/accounts/s/lists {"bg_color":"#00FF00","name":"VIP"}"##,
            ),
            ("list list -a s", "GET /admin/v1/accounts/s/lists"),
            (
                "list set V/P -a s --name X --color 000000",
                r#"PATCH /admin/v1/accounts/s/lists/V%2FP {"color":"000000","name":"X"}"#,
            ),
            (
                "list remove VIP -a s",
                "DELETE /admin/v1/accounts/s/lists/VIP",
            ),
            (
                "automation add Welcome -a s",
                r#"POST /admin/v1/accounts/s/automations {"name":"Welcome"}"#,
            ),
            (
                "automation add W -a s --on false --nodes 3",
                r#"POST /admin/v1/accounts/s/automations {"is_on":false,"name":"W","nodes":3}"#,
            ),
            (
                "automation list -a s --after 1001",
                "GET /admin/v1/accounts/s/automations?after=1001",
            ),
            (
                "automation set 1001 -a s --nodes 0",
                r#"PATCH /admin/v1/accounts/s/automations/1001 {"nodes":0}"#,
            ),
            (
                "automation remove 1001 -a s",
                "DELETE /admin/v1/accounts/s/automations/1001",
            ),
        ] {
            let words = std::iter::once("hookrelay").chain(line.split(' '));
            let cli = Cli::try_parse_from(words).unwrap();
            let (call, _) = match &cli.command {
                Command::List(command) => list(command),
                Command::Automation(command) => automation(command),
                other => panic!("{other:?} is asked elsewhere"),
            };
            let body = call.body.map(|body| format!(" {body}")).unwrap_or_default();
            assert_eq!(
                format!("{} {}{body}", call.method, call.path),
                request,
                "{line}"
            );
        }
    }

    #[test]
    fn a_change_must_change_something() {
        for line in ["list set VIP -a s", "automation set 1001 -a s"] {
            let words = std::iter::once("hookrelay").chain(line.split(' '));
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }
}
