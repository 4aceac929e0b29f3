//! `command_center_receive_command` (`protocols/command-api.md` 4.4): a message of the caller's
//! own.

use bytes::Bytes;

use super::{CommandCall, Outcome};
use crate::api::command::encode::Reply;
use crate::api::command::form::MAX_JSON;
use crate::domain::message::{self, NewMessage};
use crate::domain::{event, idempotency, words};
use crate::error::Error;
use crate::json::{self, Shape};
use crate::store::tx::encode;

/// Characters of an `idempotency_key`.
const MAX_KEY: usize = 64;

pub async fn run(call: &CommandCall) -> Outcome {
    let mut form = call.form();
    form.need(&["command"]);
    form.need(&["data"]);
    let event_type = form.typed("command", |text| is_own(text).then(|| text.to_owned()));
    let data = form.lines("data", MAX_JSON);
    let raw = form.raw("data").unwrap_or_default();
    if data.is_some() && raw.len() > MAX_JSON {
        form.too_long("data");
    }
    let idempotency_key = form.text("idempotency_key", MAX_KEY);
    if idempotency_key
        .as_deref()
        .is_some_and(|key| !idempotency::is_valid(key))
    {
        form.wrong("idempotency_key");
    }
    form.finish()?;
    let message = &[NewMessage {
        event_type: event_type.unwrap_or_default(),
        data: data_of(raw, &data.unwrap_or_default())?,
        idempotency_key,
        endpoints: Vec::new(),
    }];
    let account = call.account.id;
    call.commit(|tx| async move {
        let ids = message::accept(&tx, account, message).await?;
        let id = ids.first().ok_or_else(Error::internal)?;
        Ok(Reply::new("Success").text("message_id", id.to_string()))
    })
    .await
}

/// `[a-z][a-z0-9_]{0,63}`, and no type that the relay emits itself.
fn is_own(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase();
    let allowed = |byte: u8| is_letter(byte) || byte.is_ascii_digit() || byte == b'_';
    name.len() <= 64
        && name.bytes().next().is_some_and(is_letter)
        && name.bytes().all(allowed)
        && !event::is_reserved(name)
}

/// A JSON object or array is taken as that, everything else as text.
fn data_of(raw: &str, text: &str) -> Result<Bytes, Error> {
    match json::check(raw, json::MAX_DEPTH - 1) {
        Ok(Shape::Object | Shape::Array) => Ok(Bytes::copy_from_slice(raw.trim().as_bytes())),
        _ => encode(&words::multi_line(text).unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_catalog_are_not_for_callers() {
        for good in ["generic", "a", "order_paid2", &"a".repeat(64)] {
            assert!(is_own(good), "{good}");
        }
        let long = "a".repeat(65);
        for bad in [
            "",
            "A",
            "1a",
            "a-b",
            "new_user",
            "message_dead",
            "sms",
            &long,
        ] {
            assert!(!is_own(bad), "{bad}");
        }
    }

    #[test]
    fn data_keeps_its_text() {
        let read = |raw: &str| data_of(raw, raw).unwrap();
        assert_eq!(&read(r#" {"b":1.0,"a":2} "#)[..], br#"{"b":1.0,"a":2}"#);
        assert_eq!(&read("[1]")[..], b"[1]");
        assert_eq!(&read("Hello World")[..], br#""Hello World""#);
        assert_eq!(&read("12")[..], br#""12""#);
        assert_eq!(&read(r#"{"a":1,"a":2}"#)[..], br#""{\"a\":1,\"a\":2}""#);
    }
}
