//! `hookrelay listen`: a consumer that prints what arrives.
//!
//! Owns its lines. The consumer itself is a room of its own. Does not know the daemon.

use std::fmt::Write as _;
use std::io;

use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use super::args::message::{ListenArgs, ReplyArg};
use super::show::printable;
use super::{Exit, fail, print};
use crate::consumer::{
    Arrival, Asked, Consumer, Forward, Login, Received, Reply, Settings, Summary,
};

/// Characters of a message's data that are shown to a person.
const MAX_SHOWN: usize = 200;

/// Listens until SIGINT or SIGTERM, or until nobody reads the output any more.
pub async fn run(args: &ListenArgs, as_json: bool) -> Exit {
    let settings = match settings(args) {
        Ok(settings) => settings,
        Err(why) => return fail(&format!("error: {why}")),
    };
    let (mut interrupt, mut terminate) = match signal(SignalKind::interrupt())
        .and_then(|i| Ok((i, signal(SignalKind::terminate())?)))
    {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("error: no signals: {error}")),
    };
    let mut consumer = match Consumer::start(settings).await {
        Ok(consumer) => consumer,
        Err(error) => return fail(&format!("error: port {}: {}", args.port, reason(&error))),
    };
    let url = consumer.url();
    let first = if as_json {
        format!("{}\n", json!({ "listening": url }))
    } else {
        format!("listening on {url}\n")
    };
    let mut exit = print(&first);
    while exit == Exit::Done {
        let arrival = tokio::select! {
            biased;
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            arrival = consumer.next() => arrival,
        };
        let Some(arrival) = arrival else { break };
        let text = if as_json {
            format!("{}\n", arrival_json(&arrival))
        } else {
            arrival_text(&arrival)
        };
        exit = print(&text);
    }
    let summary = consumer.stop().await;
    if exit != Exit::Done {
        return exit;
    }
    print(&if as_json {
        format!("{}\n", json!({ "summary": summary_json(&summary) }))
    } else {
        summary_text(&summary)
    })
}

fn settings(args: &ListenArgs) -> Result<Settings, String> {
    let login = args.login.clone().zip(args.password.clone());
    Ok(Settings {
        port: args.port,
        login: login.map(|(id, password)| Login { id, password }),
        script: Vec::new(),
        reply: match args.reply {
            ReplyArg::Ok => Reply::Ok,
            ReplyArg::Refuse => Reply::Refuse,
            ReplyArg::NoContent => Reply::NoContent,
            ReplyArg::ServerError => Reply::ServerError,
            ReplyArg::Hang => Reply::Hang,
            ReplyArg::Redirect => Reply::Redirect,
        },
        forward: args.forward_to.as_deref().map(Forward::new).transpose()?,
    })
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program listens there; choose another".to_owned(),
        io::ErrorKind::PermissionDenied => "ports below 1024 need more rights".to_owned(),
        _ => error.to_string(),
    }
}

/// One line for the request and one for each message.
pub fn arrival_text(arrival: &Arrival) -> String {
    let asked = match &arrival.asked {
        Asked::Authenticate { key: Some(_) } => "authenticate, with key".to_owned(),
        Asked::Authenticate { key: None } => "authenticate, without key".to_owned(),
        Asked::Delivery {
            batch_id,
            messages,
            pending,
        } => {
            let mut text = "delivery".to_owned();
            if let Some(batch) = batch_id {
                // Writing into a string cannot fail.
                let _ = write!(text, " {batch}");
            }
            let _ = match (messages.len(), pending) {
                (0, Some(pending)) => write!(text, ", wake-up, {pending} pending"),
                (0, None) => write!(text, ", wake-up"),
                (1, _) => write!(text, ", 1 message"),
                (count, _) => write!(text, ", {count} messages"),
            };
            text
        }
        Asked::Standard(_) => "standard, 1 message".to_owned(),
        Asked::Unreadable(why) => format!("unreadable: {why}"),
    };
    let again = match arrival.repeated {
        0 => String::new(),
        count => format!(", {count} seen before"),
    };
    let mut out = printable(&format!(
        "#{} {} {asked}{again} -> {}",
        arrival.number, arrival.path, arrival.answered
    ));
    out.push('\n');
    for message in arrival.asked.messages() {
        out.push_str(&message_text(message));
    }
    out
}

fn message_text(message: &Received) -> String {
    let id = message.id.as_deref().unwrap_or("(no id)");
    let mut shown: String = message.data.chars().take(MAX_SHOWN).collect();
    if shown.len() < message.data.len() {
        shown.push('…');
    }
    let line = format!("     {}  {id}  {shown}", message.event_type);
    format!("{}\n", printable(&line))
}

/// The same as one JSON object, data complete.
pub fn arrival_json(arrival: &Arrival) -> Value {
    let messages: Vec<Value> = arrival
        .asked
        .messages()
        .iter()
        .map(|message| {
            let data: Value = serde_json::from_str(&message.data).unwrap_or_default();
            json!({"type": message.event_type, "id": message.id, "data": data})
        })
        .collect();
    let (request, batch_id) = match &arrival.asked {
        Asked::Authenticate { .. } => ("authenticate", None),
        Asked::Delivery { batch_id, .. } => ("delivery", batch_id.as_deref()),
        Asked::Standard(_) => ("standard", None),
        Asked::Unreadable(_) => ("unreadable", None),
    };
    json!({
        "number": arrival.number, "path": arrival.path, "request": request,
        "batch_id": batch_id, "webhook_id": arrival.webhook_id, "messages": messages,
        "repeated": arrival.repeated, "answered": arrival.answered,
        "confirmed": arrival.confirmed,
    })
}

fn summary_json(summary: &Summary) -> Value {
    json!({
        "requests": summary.requests, "authenticates": summary.authenticates,
        "deliveries": summary.deliveries, "messages": summary.messages,
        "confirmed": summary.confirmed, "repeated": summary.repeated,
    })
}

fn summary_text(summary: &Summary) -> String {
    format!(
        "{} requests: {} authenticate, {} deliveries with {} messages ({} confirmed, {} seen before)\n",
        summary.requests,
        summary.authenticates,
        summary.deliveries,
        summary.messages,
        summary.confirmed,
        summary.repeated
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(data: &str) -> Arrival {
        Arrival {
            number: 3,
            path: "/".into(),
            asked: Asked::Delivery {
                batch_id: Some("bat_1".into()),
                messages: vec![Received {
                    event_type: "generic".into(),
                    id: Some("msg_1".into()),
                    data: data.into(),
                }],
                pending: None,
            },
            webhook_id: Some("bat_1".into()),
            repeated: 1,
            answered: "OK".into(),
            confirmed: true,
        }
    }

    #[test]
    fn a_request_has_a_line_and_so_has_each_message() {
        assert_eq!(
            arrival_text(&delivery("\"Hello\"")),
            "#3 / delivery bat_1, 1 message, 1 seen before -> OK\n     generic  msg_1  \"Hello\"\n"
        );
    }

    #[test]
    fn long_data_is_cut_and_cannot_steer_the_terminal() {
        let text = arrival_text(&delivery(&format!("\"\u{9b}{}\"", "ü".repeat(500))));
        assert!(text.contains('…') && !text.contains('\u{9b}'));
        assert!(text.chars().count() < 320);
    }

    #[test]
    fn json_carries_everything() {
        let value = arrival_json(&delivery(r#"{"a":1}"#));
        assert_eq!(value["messages"][0]["data"]["a"], 1);
        assert_eq!(value["confirmed"], true);
    }

    #[test]
    fn every_kind_of_request_is_told_apart() {
        let text = |asked| {
            arrival_text(&Arrival {
                asked,
                repeated: 0,
                ..delivery("1")
            })
        };
        assert!(text(Asked::Authenticate { key: None }).contains("without key"));
        let wake_up = Asked::Delivery {
            batch_id: None,
            messages: vec![],
            pending: Some(2),
        };
        assert!(text(wake_up).contains("wake-up, 2 pending"));
        assert!(text(Asked::Unreadable("why".into())).contains("unreadable: why"));
    }
}
