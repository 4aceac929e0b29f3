//! What a consumer reads in a request of the notification protocol, and what it answers.
//!
//! Owns the consumer's side of `protocols/notifications.md` section 1 as pure functions. Does
//! not know sockets.

use serde_json::{Value, json};

use crate::auth::proof::md5_proof;

/// The credentials that a consumer proves.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// `ai_login_id`.
    pub id: String,
    /// `ai_login_password`.
    pub password: String,
}

/// How a delivery is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reply {
    /// 200 and status OK: confirmed.
    #[default]
    Ok,
    /// 200 and a status that is not OK.
    Refuse,
    /// 204 without a body, as many consumers of other relays do.
    NoContent,
    /// 500.
    ServerError,
    /// No answer until the caller gives up.
    Hang,
    /// 302 to another path; a relay must not follow.
    Redirect,
}

/// One message as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its event type.
    pub event_type: String,
    /// Its id; none in the strict form.
    pub id: Option<String>,
    /// Its data as JSON text.
    pub data: String,
}

/// What a request is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Prove who you are.
    Authenticate {
        /// The key to hash with; none = the plain password is wanted.
        key: Option<String>,
    },
    /// Messages, or a wake-up without any.
    Delivery {
        /// Its id; none in the strict form.
        batch_id: Option<String>,
        /// The messages, in order.
        messages: Vec<Received>,
        /// Thin mode: how many wait.
        pending: Option<u64>,
    },
    /// One message in the Standard Webhooks form.
    Standard(Received),
    /// Something else, and why.
    Unreadable(String),
}

impl Asked {
    /// The messages in it.
    pub fn messages(&self) -> &[Received] {
        match self {
            Self::Delivery { messages, .. } => messages,
            Self::Standard(message) => std::slice::from_ref(message),
            Self::Authenticate { .. } | Self::Unreadable(_) => &[],
        }
    }
}

/// An answer: status, `Location` where there is one, body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Location` header.
    pub location: Option<&'static str>,
    /// JSON, or empty.
    pub body: String,
    /// What was answered, in a word or two.
    pub word: &'static str,
}

impl Answer {
    fn json(status: u16, body: &Value, word: &'static str) -> Self {
        Self {
            status,
            location: None,
            body: body.to_string(),
            word,
        }
    }

    fn empty(status: u16, word: &'static str) -> Self {
        Self {
            status,
            location: None,
            body: String::new(),
            word,
        }
    }
}

/// Reads a request body. `webhook_id` is the header of that name: the Standard Webhooks form
/// carries the message's id there.
pub fn read(body: &[u8], webhook_id: Option<&str>) -> Asked {
    let Ok(Value::Object(object)) = serde_json::from_slice::<Value>(body) else {
        return Asked::Unreadable("the body is not a JSON object".to_owned());
    };
    match object.get("request") {
        Some(Value::String(request)) if request == "authenticate" => Asked::Authenticate {
            key: object.get("key").and_then(Value::as_str).map(str::to_owned),
        },
        Some(Value::String(request)) if request == "delivery" => {
            let messages = match object.get("messages") {
                None => Ok(Vec::new()),
                Some(Value::Array(items)) => items.iter().map(message).collect(),
                Some(_) => Err("messages is not an array".to_owned()),
            };
            match messages {
                Ok(messages) => Asked::Delivery {
                    batch_id: text(object.get("batch_id")),
                    messages,
                    pending: object.get("pending").and_then(Value::as_u64),
                },
                Err(why) => Asked::Unreadable(why),
            }
        }
        Some(other) => Asked::Unreadable(format!("request is {other}")),
        None => match message(&Value::Object(object)) {
            Ok(mut received) => {
                received.id = webhook_id.map(str::to_owned);
                Asked::Standard(received)
            }
            Err(why) => Asked::Unreadable(why),
        },
    }
}

fn message(value: &Value) -> Result<Received, String> {
    let (Some(event_type), Some(data)) = (text(value.get("type")), value.get("data")) else {
        return Err("a message without type and data".to_owned());
    };
    Ok(Received {
        event_type,
        id: text(value.get("id")),
        data: data.to_string(),
    })
}

fn text(value: Option<&Value>) -> Option<String> {
    value.and_then(Value::as_str).map(str::to_owned)
}

/// The answer to a request; none = hang. `reply` is for deliveries: authenticate is always
/// answered rightly, with `login`'s proof or, without one, passively.
pub fn answer(asked: &Asked, login: Option<&Login>, reply: Reply) -> Option<Answer> {
    let passive = || Answer::json(200, &json!({"status": "OK"}), "OK");
    Some(match (asked, login) {
        (Asked::Authenticate { key }, Some(login)) => {
            let (password, word) = match key {
                Some(key) => {
                    let proof = md5_proof(&login.id, &login.password, key);
                    (proof.as_str().to_owned(), "MD5 proof")
                }
                None => (login.password.clone(), "plain password"),
            };
            let body = json!({"ai_login_id": login.id, "ai_login_password": password});
            Answer::json(200, &body, word)
        }
        (Asked::Authenticate { .. }, None) => Answer {
            word: "OK (passive)",
            ..passive()
        },
        (Asked::Unreadable(_), _) => {
            Answer::json(400, &json!({"status": "ERROR"}), "400, unreadable")
        }
        (Asked::Delivery { .. } | Asked::Standard(_), _) => match reply {
            Reply::Ok => passive(),
            Reply::Refuse => Answer::json(200, &json!({"status": "ERROR"}), "refused"),
            Reply::NoContent => Answer::empty(204, "204, empty"),
            Reply::ServerError => Answer::empty(500, "500"),
            Reply::Redirect => Answer {
                location: Some("/elsewhere"),
                ..Answer::empty(302, "302")
            },
            Reply::Hang => return None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login {
            id: "apiuser".into(),
            password: "APIuser123".into(),
        }
    }

    fn answered(body: &str, login: Option<&Login>, reply: Reply) -> Option<(u16, String)> {
        let answer = answer(&read(body.as_bytes(), None), login, reply)?;
        Some((answer.status, answer.body))
    }

    #[test]
    fn authenticate_is_answered_as_documented_whatever_the_reply() {
        let keyed = r#"{"request":"authenticate","key":"5f2c9a0e41d7b8836e1fa4c2d90b7735"}"#;
        let plain = r#"{"request":"authenticate"}"#;
        for (body, login, expected) in [
            (
                keyed,
                Some(&login()),
                r#"{"ai_login_id":"apiuser","ai_login_password":"179fbd314d16a6020043129a71294cc9"}"#,
            ),
            (
                plain,
                Some(&login()),
                r#"{"ai_login_id":"apiuser","ai_login_password":"APIuser123"}"#,
            ),
            (keyed, None, r#"{"status":"OK"}"#),
        ] {
            let (status, body) = answered(body, login, Reply::ServerError).unwrap();
            assert_eq!((status, body.as_str()), (200, expected));
        }
    }

    #[test]
    fn every_reply_has_its_form() {
        let delivery = r#"{"request":"delivery","messages":[{"type":"generic","data":"x"}]}"#;
        for (reply, status, body) in [
            (Reply::Ok, 200, r#"{"status":"OK"}"#),
            (Reply::Refuse, 200, r#"{"status":"ERROR"}"#),
            (Reply::NoContent, 204, ""),
            (Reply::ServerError, 500, ""),
            (Reply::Redirect, 302, ""),
        ] {
            assert_eq!(
                answered(delivery, None, reply),
                Some((status, body.to_owned()))
            );
        }
        assert_eq!(answered(delivery, None, Reply::Hang), None);
    }

    #[test]
    fn all_documented_delivery_forms_are_read() {
        let full = br#"{"request":"delivery","batch_id":"bat_1","messages":[{"type":"generic","data":"Hello World","id":"msg_1","timestamp":"2026-01-15T10:30:00Z"},{"type":"new_user","data":{"first_name":"John"}}]}"#;
        let Asked::Delivery {
            batch_id, messages, ..
        } = read(full, None)
        else {
            panic!("a delivery");
        };
        assert_eq!(batch_id.as_deref(), Some("bat_1"));
        assert_eq!(messages[0].id.as_deref(), Some("msg_1"));
        assert_eq!(messages[1].data, r#"{"first_name":"John"}"#);
        let thin = read(
            br#"{"request":"delivery","batch_id":"b","pending":2}"#,
            None,
        );
        assert!(matches!(
            thin,
            Asked::Delivery {
                pending: Some(2),
                ..
            }
        ));
        let standard = br#"{"type":"generic","timestamp":"2026-01-15T10:30:00Z","data":"x"}"#;
        let standard = read(standard, Some("msg_7"));
        assert_eq!(standard.messages()[0].id.as_deref(), Some("msg_7"));
    }

    #[test]
    fn rubbish_is_told_apart_and_answered_400() {
        for body in [
            "",
            "[]",
            "x",
            r#"{"request":7}"#,
            r#"{"request":"delivery","messages":{}}"#,
            r#"{"request":"delivery","messages":[{"type":"x"}]}"#,
            r#"{"type":"generic"}"#,
        ] {
            assert!(
                matches!(read(body.as_bytes(), None), Asked::Unreadable(_)),
                "{body}"
            );
            assert_eq!(answered(body, None, Reply::Ok).unwrap().0, 400);
        }
        let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
        assert!(matches!(read(deep.as_bytes(), None), Asked::Unreadable(_)));
    }
}
