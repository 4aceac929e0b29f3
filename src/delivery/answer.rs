//! What an answer says.
//!
//! Owns the reading of an [`Exchange`] into a [`Report`] with a class and a plain hint, and into
//! an [`AuthAnswer`] (`protocols/notifications.md` 1.1, 1.4, 1.5). Pure. Does not know what
//! follows from a report, and never puts anything an answer's body says into a hint.
//!
//! A status other than 2xx decides by itself, so a body that is merely too long changes nothing
//! then; the same holds for any 2xx of the standard protocol. A body that breaks off shows that
//! the exchange broke, whatever the status.

use bytes::Bytes;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::exchange::{Body, End, Exchange, Head, MAX_BODY_BYTES};
use super::hint;
use super::protocol::Protocol;
use crate::attempt::{AuthAnswer, Class, Outcome, Phase, Report, Unusable};
use crate::id::MessageId;
use crate::json;

/// What was found, before status and time are added.
struct Finding {
    outcome: Outcome,
    class: Class,
    hint: String,
}

impl Finding {
    fn ok(hint: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::Ok { retry: Vec::new() },
            class: Class::Ok,
            hint: hint.into(),
        }
    }

    fn not_ok(head: &Head, class: Class, hint: impl Into<String>) -> Self {
        Self {
            outcome: Outcome::NotOk {
                status: head.status,
                retry_after: head.retry_after,
            },
            class,
            hint: hint.into(),
        }
    }

    fn report(self, exchange: &Exchange) -> Report {
        Report {
            outcome: self.outcome,
            class: self.class,
            hint: self.hint,
            status: match &exchange.end {
                End::NoHead { .. } => None,
                End::Head(head) => Some(head.status),
            },
            took: exchange.took,
        }
    }
}

/// Reads the answer to a delivery (`protocols/notifications.md` 1.4, 1.5).
#[must_use]
pub fn read_delivery(exchange: &Exchange, protocol: Protocol) -> Report {
    let finding = match whole(exchange) {
        Err(finding) => finding,
        Ok(success) if protocol == Protocol::Standard => {
            Finding::ok(format!("answered {}", success.head.status))
        }
        Ok(success) => success
            .object()
            .and_then(|members| confirmation(success.head, &members))
            .unwrap_or_else(|finding| finding),
    };
    finding.report(exchange)
}

/// Reads the answer to an authenticate request (`protocols/notifications.md` 1.1). A report with
/// credentials is preliminary: they are not compared here. When they are judged wrong,
/// [`credentials_refused`] makes the final report.
#[must_use]
pub fn read_authentication(exchange: &Exchange) -> (AuthAnswer, Report) {
    let (answer, finding) = match whole(exchange) {
        Err(finding) => (AuthAnswer::Unusable(unusable(exchange)), finding),
        Ok(success) => match success
            .object()
            .and_then(|members| proof(success.head, members))
        {
            Ok(answer) => {
                let hint = match answer {
                    AuthAnswer::Passive => {
                        "the endpoint answered OK without credentials; it is opened when the \
                         consumer sends authenticate_notifications"
                    }
                    _ => "the endpoint answered with credentials",
                };
                (answer, Finding::ok(hint))
            }
            Err(finding) => {
                let answer = AuthAnswer::Unusable(Unusable::NotJson(success.head.status));
                (answer, finding)
            }
        },
    };
    (answer, finding.report(exchange))
}

/// The final report of an authenticate request whose credentials were judged wrong; `hint` says
/// in which way, without repeating them.
#[must_use]
pub fn credentials_refused(report: &Report, hint: &str) -> Report {
    Report {
        outcome: match report.status {
            Some(status) => Outcome::NotOk {
                status,
                retry_after: None,
            },
            None => Outcome::NoHead,
        },
        class: Class::Credentials,
        hint: hint.to_owned(),
        ..report.clone()
    }
}

/// A 2xx answer; the body is none when it is too long.
struct Success<'a> {
    head: &'a Head,
    body: Option<&'a Bytes>,
}

/// The answer, if it is 2xx and did not break off.
fn whole(exchange: &Exchange) -> Result<Success<'_>, Finding> {
    let head = match &exchange.end {
        End::NoHead { class, detail } => {
            return Err(Finding {
                outcome: Outcome::NoHead,
                class: *class,
                hint: hint::unanswered(*class, detail),
            });
        }
        End::Head(head) => head,
    };
    let status = head.status;
    let body = match &head.body {
        Body::Complete(body) => Some(body),
        Body::TooBig => None,
        Body::Reset => {
            return Err(Finding {
                outcome: Outcome::BodyBroken { status },
                class: Class::Reset,
                hint: format!(
                    "the endpoint began to answer {status}, then closed the connection before \
                     the end of the body; check its Content-Length and its error log"
                ),
            });
        }
        Body::Deadline => {
            return Err(Finding {
                outcome: Outcome::BodyBroken { status },
                class: Class::Deadline(Phase::Body),
                hint: format!(
                    "the endpoint began to answer {status}, but the body did not end within the \
                     deadline; a short JSON answer is all that is needed"
                ),
            });
        }
    };
    if !(200..300).contains(&status) {
        let (class, hint) = hint::status(status);
        return Err(Finding::not_ok(head, class, hint));
    }
    Ok(Success { head, body })
}

impl Success<'_> {
    /// The body as one JSON object within the bounds of `protocols/notifications.md` section 1.
    fn object(&self) -> Result<Map<String, Value>, Finding> {
        let status = self.head.status;
        let Some(body) = self.body else {
            return Err(Finding {
                outcome: Outcome::TooBig { status },
                class: Class::TooBig,
                hint: format!(
                    "your endpoint answers {status} with more than {MAX_BODY_BYTES} bytes; the \
                     JSON body {{\"status\":\"OK\"}} is all that is needed"
                ),
            });
        };
        let refuse = |class, hint| Err(Finding::not_ok(self.head, class, hint));
        if self.head.encoded {
            return refuse(
                Class::NotJson2xx,
                format!(
                    "your endpoint compresses its answer ({status}, {} bytes) although the \
                     request accepts none; switch compression off for it",
                    body.len()
                ),
            );
        }
        match json::parse(body) {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => refuse(
                Class::NotJson2xx,
                format!(
                    "your endpoint answers {status} with JSON that is not an object; this relay \
                     needs {{\"status\":\"OK\"}}"
                ),
            ),
            Err(_) => {
                let (class, hint) = hint::unreadable(status, body);
                refuse(class, hint)
            }
        }
    }
}

/// Status OK with its `retry` (`protocols/notifications.md` 1.4, 1.5).
fn confirmation(head: &Head, members: &Map<String, Value>) -> Result<Finding, Finding> {
    status_ok(head, members)?;
    let Some(named) = members.get("retry") else {
        return Ok(Finding::ok("confirmed"));
    };
    let texts: Option<Vec<&str>> = named
        .as_array()
        .and_then(|items| items.iter().map(Value::as_str).collect());
    let Some(texts) = texts else {
        return Err(Finding::not_ok(
            head,
            Class::BadRetry2xx,
            "your endpoint answers OK, but \"retry\" is not an array of message ids as text",
        ));
    };
    // What is not an id cannot be an id of this batch.
    let retry: Vec<MessageId> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    if retry.is_empty() {
        return Ok(Finding::ok(if texts.is_empty() {
            "confirmed".to_owned()
        } else {
            format!(
                "confirmed; none of the {} entries of \"retry\" is a message id, so they are \
                 ignored",
                texts.len()
            )
        }));
    }
    Ok(Finding {
        hint: format!("confirmed, except {} messages to send again", retry.len()),
        class: Class::OkRetry,
        outcome: Outcome::Ok { retry },
    })
}

fn status_ok(head: &Head, members: &Map<String, Value>) -> Result<(), Finding> {
    let status = head.status;
    match members.get("status") {
        None => Err(Finding::not_ok(
            head,
            Class::NoStatus2xx,
            format!(
                "your endpoint answers {status} with JSON that has no \"status\"; this relay \
                 needs {{\"status\":\"OK\"}}, or set protocol = standard"
            ),
        )),
        Some(Value::String(text)) if text.trim().eq_ignore_ascii_case("OK") => Ok(()),
        Some(_) => Err(Finding::not_ok(
            head,
            Class::StatusNotOk2xx,
            format!(
                "your endpoint answers {status} with a \"status\" that is not \"OK\", so it \
                 refuses"
            ),
        )),
    }
}

/// Credentials, or status OK without any. JSON null counts as absent.
fn proof(head: &Head, mut members: Map<String, Value>) -> Result<AuthAnswer, Finding> {
    let login = members.remove("ai_login_id").filter(|v| !v.is_null());
    let password = members.remove("ai_login_password").filter(|v| !v.is_null());
    if login.is_none() && password.is_none() {
        return status_ok(head, &members).map(|()| AuthAnswer::Passive);
    }
    let text = |value| match value {
        Some(Value::String(text)) => Some(Zeroizing::new(text)),
        _ => None,
    };
    Ok(AuthAnswer::Credentials {
        login: text(login),
        password: text(password),
        status: head.status,
    })
}

/// Why an answer that [`whole`] refused proves nothing.
fn unusable(exchange: &Exchange) -> Unusable {
    match &exchange.end {
        End::NoHead { .. } => Unusable::NoResponse(None),
        End::Head(head) => match head.body {
            Body::Reset | Body::Deadline => Unusable::NoResponse(Some(head.status)),
            Body::Complete(_) | Body::TooBig => Unusable::HttpStatus(head.status),
        },
    }
}

#[cfg(test)]
mod tests;
