//! From a command to the admin API's request, and to how its answer is shown.
//!
//! Owns that mapping as pure functions. Does no I/O: `send`'s data was read before.

#[cfg(test)]
mod tests;

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
    /// The table of lists of contacts.
    Lists,
    /// The automations table.
    Automations,
    /// The endpoints table.
    Endpoints,
    /// What waits at each endpoint, and for how long.
    Queue,
    /// One word that it is done.
    Done(&'static str),
}

/// A request and how its answer is shown.
pub type Asking = (Call, Show);

pub(super) fn get(path: String) -> Call {
    Call {
        method: Method::GET,
        path,
        body: None,
    }
}

pub(super) fn post(path: String, body: Option<String>) -> Call {
    Call {
        method: Method::POST,
        path,
        body,
    }
}

pub(super) fn delete(path: String) -> Call {
    Call {
        method: Method::DELETE,
        path,
        body: None,
    }
}

pub(super) fn account_path(account: &str) -> String {
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
        ("is_agency", settings.is_agency.map(Value::from)),
        ("agency", text(&settings.agency)),
        ("email", text(&settings.email)),
        ("credits", settings.credits.map(Value::from)),
        ("auto_recharge", recharge_body(settings)),
    ];
    let given = members
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(given.collect())
}

fn recharge_body(settings: &AccountSettings) -> Option<Value> {
    let members = [
        ("enabled", settings.auto_recharge.map(Value::from)),
        ("threshold", settings.recharge_threshold.map(Value::from)),
        ("amount", settings.recharge_amount.map(Value::from)),
    ];
    let given = members.into_iter();
    let given: Map<String, Value> = given
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
        .collect();
    (!given.is_empty()).then_some(Value::Object(given))
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
        UserCommand::Logout { of, user } => {
            let path = format!("{}/{}/sessions", users(of), segment(user));
            (delete(path), Show::Object)
        }
    }
}

/// The members that are given.
pub(super) fn members(all: &[(&str, Option<&String>)]) -> Map<String, Value> {
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
        KeyCommand::Add {
            of,
            name,
            surfaces,
            per_minute,
        } => {
            let mut body = members(&[("name", name.as_ref())]);
            if !surfaces.is_empty() {
                body.insert("surfaces".to_owned(), surfaces.clone().into());
            }
            if let Some(limit) = per_minute {
                body.insert("per_minute".to_owned(), (*limit).into());
            }
            let path = format!("{}/keys", account_path(&of.account));
            let body = Value::Object(body).to_string();
            (post(path, Some(body)), Show::Secrets)
        }
        KeyCommand::Rotate { of, key } => {
            let account = account_path(&of.account);
            let path = format!("{account}/keys/{}/rotate", segment(key));
            (post(path, None), Show::Secrets)
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
