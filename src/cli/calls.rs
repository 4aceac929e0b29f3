//! From a command to the admin API's request, and to how its answer is shown.
//!
//! Owns that mapping as pure functions. Does no I/O: `send`'s data was read before.

use hyper::Method;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::admin::{Call, segment};
use super::args::account::{AccountCommand, AccountSettings, KeyCommand, OfAccount};
use super::args::endpoint::{
    EndpointCommand, EndpointSettings, OneEndpoint, OrderingArg, ProtocolArg,
};
use super::args::message::{CommandArgs, SendArgs};
use super::args::user::UserCommand;

/// How an answer is shown to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Show {
    /// Member by member.
    Object,
    /// Member by member, with a warning that the secrets are shown this once.
    Secrets,
    /// The accounts table.
    Accounts,
    /// The keys table.
    Keys,
    /// The users table.
    Users,
    /// The departments table.
    Departments,
    /// The agents table.
    Agents,
    /// The table of the knowledge base.
    Entries,
    /// The endpoints table.
    Endpoints,
    /// What waits at each endpoint, and for how long.
    Queue,
    /// One word that it is done.
    Done(&'static str),
}

/// A request and how its answer is shown.
pub type Asking = (Call, Show);

fn get(path: String) -> Call {
    Call {
        method: Method::GET,
        path,
        body: None,
    }
}

fn post(path: String, body: Option<String>) -> Call {
    Call {
        method: Method::POST,
        path,
        body,
    }
}

fn delete(path: String) -> Call {
    Call {
        method: Method::DELETE,
        path,
        body: None,
    }
}

/// Where an account's things are.
pub fn account_path(account: &str) -> String {
    format!("/admin/v1/accounts/{}", segment(account))
}

/// `account …`
pub fn account(command: &AccountCommand) -> Asking {
    match command {
        AccountCommand::Add {
            name,
            login,
            password,
            comm_key,
            api_key,
        } => {
            let mut body = Map::new();
            body.insert("name".to_owned(), name.clone().into());
            for (member, value) in [
                ("ai_login_id", login),
                ("ai_login_password", password),
                ("comm_key", comm_key),
                ("api_key", api_key),
            ] {
                if let Some(value) = value {
                    body.insert(member.to_owned(), value.clone().into());
                }
            }
            let body = Value::Object(body).to_string();
            (
                post("/admin/v1/accounts".to_owned(), Some(body)),
                Show::Secrets,
            )
        }
        AccountCommand::List => (get("/admin/v1/accounts".to_owned()), Show::Accounts),
        AccountCommand::Show { account } => (get(account_path(account)), Show::Object),
        AccountCommand::Set { account, settings } => {
            let call = Call {
                method: Method::PATCH,
                path: account_path(account),
                body: Some(account_body(settings).to_string()),
            };
            (call, Show::Object)
        }
    }
}

/// What was named; an empty text among the entries of a list stands for none.
fn account_body(settings: &AccountSettings) -> Value {
    let list = |list: &Option<Vec<String>>| {
        let entries = list.as_ref()?.iter().filter(|entry| !entry.is_empty());
        Some(Value::from(entries.cloned().collect::<Vec<_>>()))
    };
    let text = |text: &Option<String>| text.clone().map(Value::from);
    let statuses = settings.custom_statuses.as_ref().map(|statuses| {
        let statuses = statuses.iter().flatten();
        let statuses = statuses.map(|(id, name)| json!({ "id": id, "name": name }));
        statuses.collect::<Value>()
    });
    let members = [
        ("time_zone", text(&settings.time_zone)),
        ("default_country_code", text(&settings.country_code)),
        ("default_owner", settings.default_owner.map(Value::from)),
        ("hosts", list(&settings.hosts)),
        ("dashboard_url", text(&settings.dashboard_url)),
        ("checkout_url", text(&settings.checkout_url)),
        ("lead_sources", list(&settings.lead_sources)),
        ("custom_statuses", statuses),
        ("sla", settings.sla.map(by_class)),
        ("slots", settings.slots.map(by_class)),
    ];
    let given = members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect())
}

fn by_class([tickets, chats, calls]: [u32; 3]) -> Value {
    json!({ "tickets": tickets, "chats": chats, "calls": calls })
}

/// `user …`
pub fn user(command: &UserCommand) -> Asking {
    let users = |of: &OfAccount| format!("{}/users", account_path(&of.account));
    match command {
        UserCommand::Add {
            of,
            username,
            email,
            first_name,
            last_name,
            account_type,
            phone,
            external_id,
            password,
        } => {
            let body = members(&[
                ("username", Some(username)),
                ("email", Some(email)),
                ("first_name", Some(first_name)),
                ("last_name", Some(last_name)),
                ("account_type", Some(account_type)),
                ("phone", phone.as_ref()),
                ("external_id", external_id.as_ref()),
                ("password", password.as_ref()),
            ]);
            let body = Value::Object(body).to_string();
            (post(users(of), Some(body)), Show::Object)
        }
        UserCommand::List { of, after } => {
            let after = after.map(|after| format!("?after={after}"));
            let path = format!("{}{}", users(of), after.unwrap_or_default());
            (get(path), Show::Users)
        }
        UserCommand::Set { of, user, changes } => {
            let mut body = members(&[
                ("username", changes.username.as_ref()),
                ("email", changes.email.as_ref()),
                ("account_type", changes.account_type.as_ref()),
                ("password", changes.password.as_ref()),
            ]);
            if let Some(active) = changes.active {
                body.insert("active".to_owned(), active.into());
            }
            let call = Call {
                method: Method::PATCH,
                path: format!("{}/{}", users(of), segment(user)),
                body: Some(Value::Object(body).to_string()),
            };
            (call, Show::Object)
        }
    }
}

/// The members that are given.
fn members(all: &[(&str, Option<&String>)]) -> Map<String, Value> {
    let given = all.iter();
    given
        .filter_map(|(name, value)| Some(((*name).to_owned(), value.as_deref()?.as_str().into())))
        .collect()
}

/// `command …`
pub fn command(args: &CommandArgs) -> Asking {
    let given = args.parameters.iter().cloned();
    let pairs = given.chain([("ai_command".to_owned(), args.name.clone())]);
    let body: Map<String, Value> = pairs.map(|(name, value)| (name, value.into())).collect();
    let path = format!("{}/command", account_path(&args.of.account));
    (
        post(path, Some(Value::Object(body).to_string())),
        Show::Object,
    )
}

/// `key …`
pub fn key(command: &KeyCommand) -> Asking {
    match command {
        KeyCommand::Add { of, name } => {
            let body = match name {
                Some(name) => json!({ "name": name }),
                None => json!({}),
            };
            let path = format!("{}/keys", account_path(&of.account));
            (post(path, Some(body.to_string())), Show::Secrets)
        }
        KeyCommand::List { of } => (
            get(format!("{}/keys", account_path(&of.account))),
            Show::Keys,
        ),
        KeyCommand::Revoke { of, key } => {
            let path = format!("{}/keys/{}", account_path(&of.account), segment(key));
            (delete(path), Show::Done("revoked"))
        }
    }
}

/// `endpoint …`
pub fn endpoint(command: &EndpointCommand) -> Asking {
    match command {
        EndpointCommand::Add { of, url, settings } => {
            let body = Value::Object(endpoint_body(Some(url), settings)).to_string();
            let path = format!("{}/endpoints", account_path(&of.account));
            (post(path, Some(body)), Show::Secrets)
        }
        EndpointCommand::List { of } => (
            get(format!("{}/endpoints", account_path(&of.account))),
            Show::Endpoints,
        ),
        EndpointCommand::Show(one) => (get(endpoint_path(one)), Show::Object),
        EndpointCommand::Set {
            one,
            url,
            clear_headers,
            default_schedule,
            settings,
        } => {
            let mut body = endpoint_body(url.as_deref(), settings);
            // Both are replaced as a whole, so that nothing is what takes them away.
            for (cleared, name) in [(clear_headers, "headers"), (default_schedule, "schedule")] {
                if *cleared {
                    body.insert(name.to_owned(), json!({}));
                }
            }
            let call = Call {
                method: Method::PATCH,
                path: endpoint_path(one),
                body: Some(Value::Object(body).to_string()),
            };
            (call, Show::Object)
        }
        EndpointCommand::Verify(one) => (act(one, "verify"), Show::Done("asked to prove itself")),
        EndpointCommand::Test(one) => (act(one, "test"), Show::Object),
        EndpointCommand::Hold(one) => (act(one, "hold"), Show::Done("on hold")),
        EndpointCommand::Release(one) => (act(one, "release"), Show::Done("released")),
        EndpointCommand::Remove(one) => (delete(endpoint_path(one)), Show::Done("removed")),
    }
}

fn endpoint_path(one: &OneEndpoint) -> String {
    let account = account_path(&one.of.account);
    format!("{account}/endpoints/{}", segment(&one.endpoint))
}

fn act(one: &OneEndpoint, verb: &str) -> Call {
    post(format!("{}/{verb}", endpoint_path(one)), None)
}

/// Only what was typed, so that the daemon's defaults and the stored values stand.
fn endpoint_body(url: Option<&str>, settings: &EndpointSettings) -> Map<String, Value> {
    let mut body = Map::new();
    let mut set = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            body.insert(name.to_owned(), value);
        }
    };
    set("url", url.map(Into::into));
    set("description", settings.description.clone().map(Into::into));
    set("login", settings.login.clone().map(Into::into));
    set("types", settings.types.clone().map(Into::into));
    let protocol = settings.protocol.map(|protocol| match protocol {
        ProtocolArg::Relay => "relay".into(),
        ProtocolArg::Standard => "standard".into(),
    });
    set("protocol", protocol);
    for (name, value) in [
        ("send_key", settings.send_key),
        ("send_messages", settings.send_messages),
        ("ignore_confirmation", settings.ignore_confirmation),
        ("strict_fields", settings.strict_fields),
        ("enabled", settings.enabled),
    ] {
        set(name, value.map(Into::into));
    }
    let ordering = settings.ordering.map(|ordering| match ordering {
        OrderingArg::Relaxed => "relaxed".into(),
        OrderingArg::Strict => "strict".into(),
    });
    set("ordering", ordering);
    set("max_messages", settings.max_messages.map(Into::into));
    set("max_bytes", settings.max_bytes.map(Into::into));
    set("auth_lifetime", settings.auth_lifetime.map(Into::into));
    let headers: Map<String, Value> = settings
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into()))
        .collect();
    set("headers", (!headers.is_empty()).then_some(headers.into()));
    let schedule: Map<String, Value> = settings.schedule.iter().cloned().collect();
    set(
        "schedule",
        (!schedule.is_empty()).then_some(schedule.into()),
    );
    body
}

/// `send …` with its data as JSON text, which is passed on byte by byte.
pub fn send(args: &SendArgs, data: &RawValue) -> Asking {
    let mut members = vec![
        format!("\"type\":{}", Value::from(args.event_type.as_str())),
        format!("\"data\":{}", data.get()),
    ];
    if !args.endpoints.is_empty() {
        members.push(format!(
            "\"endpoints\":{}",
            Value::from(args.endpoints.clone())
        ));
    }
    if let Some(key) = &args.idempotency_key {
        members.push(format!("\"idempotency_key\":{}", Value::from(key.as_str())));
    }
    let path = format!("{}/messages", account_path(&args.of.account));
    (
        post(path, Some(format!("{{{}}}", members.join(",")))),
        Show::Object,
    )
}

/// Data as the operator wrote it: a JSON object, array or string as it is, anything else as text.
pub fn data(text: &str) -> Box<RawValue> {
    let trimmed = text.trim();
    let structured = trimmed.starts_with(['{', '[', '"']);
    let text_itself = || serde_json::value::to_raw_value(text.strip_suffix('\n').unwrap_or(text));
    match RawValue::from_string(trimmed.to_owned()) {
        Ok(raw) if structured => raw,
        // A string always has a JSON form; the default is `null`.
        _ => text_itself().unwrap_or_default(),
    }
}

/// `queue`
pub fn queue() -> Asking {
    (get("/admin/v1/queue".to_owned()), Show::Queue)
}

/// `status`
pub fn status() -> Asking {
    (get("/admin/v1/status".to_owned()), Show::Object)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::args::{Cli, Command};
    use super::*;

    fn asked(line: &str) -> String {
        let words = std::iter::once("hookrelay").chain(line.split(' '));
        let cli = Cli::try_parse_from(words).unwrap();
        let (call, _) = match &cli.command {
            Command::Account(command) => account(command),
            Command::Key(command) => key(command),
            Command::User(command) => user(command),
            Command::Endpoint(command) => endpoint(command),
            Command::Send(args) => send(args, &data(args.data.as_deref().unwrap_or("{}"))),
            Command::Queue => queue(),
            Command::Status => status(),
            other => panic!("{other:?} asks nothing of the daemon"),
        };
        let body = call.body.map(|body| format!(" {body}")).unwrap_or_default();
        format!("{} {}{body}", call.method, call.path)
    }

    #[test]
    fn every_command_asks_what_the_admin_api_offers() {
        for (line, request) in [
            (
                "user add al --account s --email a@b.example --first-name A --last-name B",
                r#"POST /admin/v1/accounts/s/users {"account_type":"Owner","email":"a@b.example","first_name":"A","last_name":"B","username":"al"}"#,
            ),
            (
                "user list --account s --after 1001",
                "GET /admin/v1/accounts/s/users?after=1001",
            ),
            (
                "user set a@b.example --account s --password P --active false",
                r#"PATCH /admin/v1/accounts/s/users/a%40b.example {"active":false,"password":"P"}"#,
            ),
            (
                "account add shop",
                r#"POST /admin/v1/accounts {"name":"shop"}"#,
            ),
            (
                "account add shop --login a --password b --comm-key c --api-key d",
                r#"POST /admin/v1/accounts {"ai_login_id":"a","ai_login_password":"b","api_key":"d","comm_key":"c","name":"shop"}"#,
            ),
            ("account list", "GET /admin/v1/accounts"),
            ("account show a/b", "GET /admin/v1/accounts/a%2Fb"),
            ("key add -a shop", "POST /admin/v1/accounts/shop/keys {}"),
            (
                "key add -a shop --name web",
                r#"POST /admin/v1/accounts/shop/keys {"name":"web"}"#,
            ),
            ("key list -a shop", "GET /admin/v1/accounts/shop/keys"),
            (
                "key revoke -a shop k1",
                "DELETE /admin/v1/accounts/shop/keys/k1",
            ),
            (
                "endpoint add --account shop --url https://x.example/",
                r#"POST /admin/v1/accounts/shop/endpoints {"url":"https://x.example/"}"#,
            ),
            (
                "endpoint list -a shop",
                "GET /admin/v1/accounts/shop/endpoints",
            ),
            (
                "endpoint show e1 -a shop",
                "GET /admin/v1/accounts/shop/endpoints/e1",
            ),
            (
                "endpoint set e1 -a shop --enabled true",
                r#"PATCH /admin/v1/accounts/shop/endpoints/e1 {"enabled":true}"#,
            ),
            (
                "endpoint set e1 -a shop --clear-headers --default-schedule",
                r#"PATCH /admin/v1/accounts/shop/endpoints/e1 {"headers":{},"schedule":{}}"#,
            ),
            (
                "endpoint verify e1 -a shop",
                "POST /admin/v1/accounts/shop/endpoints/e1/verify",
            ),
            (
                "endpoint test e1 -a shop",
                "POST /admin/v1/accounts/shop/endpoints/e1/test",
            ),
            (
                "endpoint hold e1 -a shop",
                "POST /admin/v1/accounts/shop/endpoints/e1/hold",
            ),
            (
                "endpoint release e1 -a shop",
                "POST /admin/v1/accounts/shop/endpoints/e1/release",
            ),
            (
                "endpoint remove e1 -a shop",
                "DELETE /admin/v1/accounts/shop/endpoints/e1",
            ),
            (
                "send generic Hello -a shop --endpoint e1 --idempotency-key k",
                r#"POST /admin/v1/accounts/shop/messages {"type":"generic","data":"Hello","endpoints":["e1"],"idempotency_key":"k"}"#,
            ),
            (
                "send t -a shop",
                r#"POST /admin/v1/accounts/shop/messages {"type":"t","data":{}}"#,
            ),
            ("queue", "GET /admin/v1/queue"),
            ("status", "GET /admin/v1/status"),
        ] {
            assert_eq!(asked(line), request, "{line}");
        }
    }

    #[test]
    fn every_endpoint_setting_has_its_flag() {
        let line = "endpoint add -a s --url u --description d --login l --types a,b* --protocol standard \
                    --send-key false --send-messages true --ignore-confirmation true --strict-fields true \
                    --ordering strict --max-messages 5 --max-bytes 1KiB --auth-lifetime 12h --header X:1 \
                    --schedule initial=1s --schedule multiplier=1.5 --enabled false";
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let body = asked(&line).split_once('{').unwrap().1.to_owned();
        let body: Value = serde_json::from_str(&format!("{{{body}")).unwrap();
        assert_eq!(
            body,
            json!({
                "url": "u", "description": "d", "login": "l", "types": ["a", "b*"],
                "protocol": "standard", "send_key": false, "send_messages": true,
                "ignore_confirmation": true, "strict_fields": true, "ordering": "strict",
                "max_messages": 5, "max_bytes": 1024, "auth_lifetime": 43200,
                "headers": {"X": "1"}, "schedule": {"initial": 1, "multiplier": 1.5},
                "enabled": false
            })
        );
    }

    #[test]
    fn a_setting_is_not_given_and_taken_away_at_once() {
        for line in [
            "--header X:1 --clear-headers",
            "--schedule initial=1s --default-schedule",
        ] {
            let line = format!("hookrelay endpoint set e1 -a shop {line}");
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{line}");
        }
    }

    #[test]
    fn data_is_passed_on_byte_by_byte_or_as_text() {
        for (text, json) in [
            (r#"{"b":1.0, "a":[1e2]}"#, r#"{"b":1.0, "a":[1e2]}"#),
            ("[1]", "[1]"),
            ("\"x\"", "\"x\""),
            ("Hello World", "\"Hello World\""),
            ("42", "\"42\""),
            ("null", "\"null\""),
            ("{broken", "\"{broken\""),
            ("two\nlines\n", "\"two\\nlines\""),
            ("", "\"\""),
        ] {
            assert_eq!(data(text).get(), json, "{text}");
        }
    }
}
