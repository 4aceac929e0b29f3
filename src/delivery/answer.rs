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
mod tests {
    use super::*;
    use crate::clock::Millis;

    fn exchange(status: u16, body: Body) -> Exchange {
        let head = Head {
            status,
            retry_after: None,
            encoded: false,
            body,
        };
        Exchange {
            took: Millis(7),
            end: End::Head(head),
        }
    }

    fn answered(status: u16, body: &str) -> Exchange {
        exchange(
            status,
            Body::Complete(Bytes::copy_from_slice(body.as_bytes())),
        )
    }

    fn relay(status: u16, body: &str) -> Report {
        read_delivery(&answered(status, body), Protocol::Relay)
    }

    const ID: &str = "msg_01kf0k8y204tff59tdwh9edd1r";

    #[test]
    fn status_ok_is_read_exactly() {
        for body in [
            r#"{"status":"OK"}"#,
            r#"{"status":"ok"}"#,
            r#"{"status":" Ok\n","more":[1]}"#,
            "\u{feff} {\"status\":\"OK\"} ",
            r#"{"status":"OK","retry":[]}"#,
        ] {
            for status in [200, 202, 299] {
                let report = relay(status, body);
                assert_eq!(report.class, Class::Ok, "{body}");
                assert_eq!(report.outcome, Outcome::Ok { retry: vec![] });
                assert_eq!((report.status, report.took), (Some(status), Millis(7)));
            }
        }
    }

    #[test]
    fn every_2xx_that_is_not_ok_has_its_class() {
        let deep = format!(
            "{{\"status\":\"OK\",\"x\":{}{}}}",
            "[".repeat(32),
            "]".repeat(32)
        );
        for (status, body, class) in [
            (204, "", Class::Empty2xx),
            (200, "", Class::Empty2xx),
            (200, "\u{feff} \r\n", Class::Empty2xx),
            (200, "<!doctype html><p>OK", Class::Html2xx),
            (200, "  <html>", Class::Html2xx),
            (200, "OK", Class::NotJson2xx),
            (200, "\"OK\"", Class::NotJson2xx),
            (200, "[{\"status\":\"OK\"}]", Class::NotJson2xx),
            (200, "{\"status\":\"OK\"} x", Class::NotJson2xx),
            (200, "{\"status\":\"OK\"", Class::NotJson2xx),
            (
                200,
                "{\"status\":\"OK\",\"status\":\"OK\"}",
                Class::NotJson2xx,
            ),
            (200, &deep, Class::NotJson2xx),
            (200, "{}", Class::NoStatus2xx),
            (200, "{\"Status\":\"OK\"}", Class::NoStatus2xx),
            (200, "{\"status\":\"ERROR\"}", Class::StatusNotOk2xx),
            (200, "{\"status\":\"OKAY\"}", Class::StatusNotOk2xx),
            (200, "{\"status\":true}", Class::StatusNotOk2xx),
            (200, "{\"status\":null}", Class::StatusNotOk2xx),
            (200, "{\"status\":200}", Class::StatusNotOk2xx),
            (
                200,
                "{\"status\":\"OK\",\"retry\":\"x\"}",
                Class::BadRetry2xx,
            ),
            (200, "{\"status\":\"OK\",\"retry\":[1]}", Class::BadRetry2xx),
            (
                200,
                "{\"status\":\"OK\",\"retry\":null}",
                Class::BadRetry2xx,
            ),
        ] {
            let report = relay(status, body);
            assert_eq!(report.class, class, "{body}");
            let retry_after = None;
            assert_eq!(
                report.outcome,
                Outcome::NotOk {
                    status,
                    retry_after
                }
            );
        }
        assert!(relay(204, "").hint.starts_with(
            "your endpoint answers 204 without a body; this relay needs the JSON body \
             {\"status\":\"OK\"}, or set protocol = standard"
        ));
    }

    #[test]
    fn retry_names_messages_and_ignores_what_is_no_id() {
        let report = relay(
            200,
            &format!(r#"{{"status":"OK","retry":["{ID}","nonsense"]}}"#),
        );
        assert_eq!(report.class, Class::OkRetry);
        let retry = vec![ID.parse().unwrap()];
        assert_eq!(report.outcome, Outcome::Ok { retry });
        let report = relay(200, r#"{"status":"OK","retry":["nonsense"]}"#);
        assert_eq!(report.outcome, Outcome::Ok { retry: vec![] });
    }

    #[test]
    fn other_statuses_decide_by_themselves() {
        for (status, class) in [
            (301, Class::Status3xx),
            (304, Class::Status3xx),
            (400, Class::Status4xx),
            (410, Class::Status4xx),
            (429, Class::Status4xx),
            (500, Class::Status5xx),
            (503, Class::Status5xx),
            (999, Class::Status5xx),
        ] {
            for body in [
                Body::Complete(Bytes::from_static(b"{\"status\":\"OK\"}")),
                Body::TooBig,
            ] {
                let mut exchange = exchange(status, body);
                if let End::Head(head) = &mut exchange.end {
                    head.retry_after = Some(Millis(9));
                }
                for protocol in [Protocol::Relay, Protocol::Standard] {
                    let report = read_delivery(&exchange, protocol);
                    assert_eq!(report.class, class);
                    let retry_after = Some(Millis(9));
                    assert_eq!(
                        report.outcome,
                        Outcome::NotOk {
                            status,
                            retry_after
                        }
                    );
                }
            }
        }
    }

    #[test]
    fn broken_and_endless_bodies_have_their_outcomes() {
        for (body, outcome, class) in [
            (Body::TooBig, Outcome::TooBig { status: 200 }, Class::TooBig),
            (
                Body::Reset,
                Outcome::BodyBroken { status: 200 },
                Class::Reset,
            ),
            (
                Body::Deadline,
                Outcome::BodyBroken { status: 200 },
                Class::Deadline(Phase::Body),
            ),
        ] {
            let report = read_delivery(&exchange(200, body), Protocol::Relay);
            assert_eq!((report.outcome, report.class), (outcome, class));
        }
        for status in [200, 500] {
            let report = read_delivery(&exchange(status, Body::Reset), Protocol::Standard);
            assert_eq!(report.outcome, Outcome::BodyBroken { status });
        }
    }

    #[test]
    fn the_standard_protocol_takes_any_2xx() {
        for body in [
            Body::Complete(Bytes::new()),
            Body::Complete(Bytes::from_static(b"<html>")),
            Body::TooBig,
        ] {
            let report = read_delivery(&exchange(204, body), Protocol::Standard);
            assert_eq!(report.outcome, Outcome::Ok { retry: vec![] });
        }
    }

    #[test]
    fn a_compressed_answer_is_not_decoded() {
        let mut exchange = answered(200, "{\"status\":\"OK\"}");
        if let End::Head(head) = &mut exchange.end {
            head.encoded = true;
        }
        let report = read_delivery(&exchange, Protocol::Relay);
        assert_eq!(report.class, Class::NotJson2xx);
        assert!(report.hint.contains("compresses"));
    }

    #[test]
    fn no_hint_repeats_the_answer() {
        let marker = "s3cr3t-marker";
        for body in [
            format!("{{\"status\":\"{marker}\"}}"),
            format!("{{\"{marker}\":1,\"{marker}\":2}}"),
            format!("{{\"status\":\"OK\",\"retry\":[\"{marker}\"]}}"),
            format!("<p>{marker}"),
            marker.to_owned(),
        ] {
            let exchange = answered(200, &body);
            let (answer, report) = read_authentication(&exchange);
            assert!(!relay(200, &body).hint.contains(marker), "{body}");
            assert!(!report.hint.contains(marker), "{body}");
            assert!(!format!("{answer:?} {exchange:?}").contains(marker));
        }
    }

    #[test]
    fn authentication_answers_are_told_apart() {
        let read = |status, body: &str| read_authentication(&answered(status, body)).0;
        let credentials = |login: Option<&str>, password: Option<&str>| AuthAnswer::Credentials {
            login: login.map(|text| Zeroizing::new(text.to_owned())),
            password: password.map(|text| Zeroizing::new(text.to_owned())),
            status: 200,
        };
        let not_json = AuthAnswer::Unusable(Unusable::NotJson(200));
        for (body, expected) in [
            (
                r#"{"ai_login_id":"a","ai_login_password":"b"}"#,
                credentials(Some("a"), Some("b")),
            ),
            (
                r#"{"ai_login_id":"a","ai_login_password":"b","status":"ERROR"}"#,
                credentials(Some("a"), Some("b")),
            ),
            (
                r#"{"ai_login_id":"a","status":"OK"}"#,
                credentials(Some("a"), None),
            ),
            (
                r#"{"ai_login_id":5,"ai_login_password":[],"status":"OK"}"#,
                credentials(None, None),
            ),
            (r#"{"ai_login_password":"b"}"#, credentials(None, Some("b"))),
            (r#"{"status":"OK"}"#, AuthAnswer::Passive),
            (
                r#"{"ai_login_id":null,"ai_login_password":null,"status":" ok "}"#,
                AuthAnswer::Passive,
            ),
            (r#"{"status":"ERROR"}"#, not_json.clone()),
            ("{}", not_json.clone()),
            ("", not_json.clone()),
            ("<html>", not_json),
        ] {
            assert_eq!(read(200, body), expected, "{body}");
        }
        assert_eq!(
            read(403, r#"{"status":"OK"}"#),
            AuthAnswer::Unusable(Unusable::HttpStatus(403))
        );
        for (body, expected) in [
            (Body::TooBig, Unusable::NotJson(200)),
            (Body::Reset, Unusable::NoResponse(Some(200))),
            (Body::Deadline, Unusable::NoResponse(Some(200))),
        ] {
            let (answer, _) = read_authentication(&exchange(200, body));
            assert_eq!(answer, AuthAnswer::Unusable(expected));
        }
        let silent = Exchange {
            took: Millis(1),
            end: End::NoHead {
                class: Class::Dns,
                detail: "shop.invalid".into(),
            },
        };
        let (answer, report) = read_authentication(&silent);
        assert_eq!(answer, AuthAnswer::Unusable(Unusable::NoResponse(None)));
        assert_eq!((report.class, report.status), (Class::Dns, None));
        assert!(report.hint.contains("(shop.invalid)"));
    }

    #[test]
    fn refused_credentials_have_a_final_report() {
        let (_, report) = read_authentication(&answered(200, r#"{"ai_login_id":"a"}"#));
        let report = credentials_refused(&report, "wrong");
        assert_eq!(report.class, Class::Credentials);
        let (status, retry_after) = (200, None);
        assert_eq!(
            report.outcome,
            Outcome::NotOk {
                status,
                retry_after
            }
        );
        assert_eq!((report.hint.as_str(), report.took), ("wrong", Millis(7)));
    }
}
