//! The table of answers, row by row.

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
