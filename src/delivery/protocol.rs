//! Request bodies, byte for byte.
//!
//! Owns the bodies of the notification protocol and of Standard Webhooks
//! (`protocols/notifications.md` 1.1, 1.5, 1.6, 1.7). Does not know signatures or answers.

use bytes::Bytes;

use crate::id::{BatchId, MessageId};

/// How requests to a consumer look and what answer confirms them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// The notification protocol: authenticate, then batches; `{"status":"OK"}` confirms.
    Relay,
    /// Standard Webhooks: one message per request; any 2xx confirms.
    Standard,
}

/// A message to be sent.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Its id; carries the commit time.
    pub id: MessageId,
    /// Its type.
    pub event_type: &'a str,
    /// One JSON value as text, copied verbatim.
    pub data: &'a [u8],
}

/// Bytes around type and data of a message in its longest form.
const MESSAGE_FRAME_BYTES: usize = 128;
/// Bytes around the messages of a delivery.
const DELIVERY_FRAME_BYTES: usize = 96;

/// The authenticate request; `key` only with key authentication.
#[must_use]
pub fn authenticate(key: Option<&str>) -> Bytes {
    let mut body = br#"{"request":"authenticate""#.to_vec();
    if let Some(key) = key {
        body.extend_from_slice(br#","key":"#);
        put_text(&mut body, key);
    }
    body.push(b'}');
    body.into()
}

/// A delivery with its messages; without ids and times when `strict_fields` is on.
#[must_use]
pub fn delivery(batch: BatchId, messages: &[Outgoing<'_>], strict_fields: bool) -> Bytes {
    let content: usize = messages
        .iter()
        .map(|message| message.event_type.len() + message.data.len() + MESSAGE_FRAME_BYTES)
        .sum();
    let mut body = Vec::with_capacity(content + DELIVERY_FRAME_BYTES);
    begin_delivery(&mut body, batch, strict_fields);
    body.extend_from_slice(br#","messages":["#);
    for (n, message) in messages.iter().enumerate() {
        if n > 0 {
            body.push(b',');
        }
        body.extend_from_slice(br#"{"type":"#);
        put_text(&mut body, message.event_type);
        body.extend_from_slice(br#","data":"#);
        body.extend_from_slice(message.data);
        if !strict_fields {
            let (id, time) = (message.id, message.id.time());
            body.extend_from_slice(format!(r#","id":"{id}","timestamp":"{time}""#).as_bytes());
        }
        body.push(b'}');
    }
    body.extend_from_slice(b"]}");
    body.into()
}

/// A delivery without messages (thin mode): it only wakes the consumer, for whom `pending`
/// messages wait.
#[must_use]
pub fn wake_up(batch: BatchId, pending: u64, strict_fields: bool) -> Bytes {
    let mut body = Vec::with_capacity(DELIVERY_FRAME_BYTES);
    begin_delivery(&mut body, batch, strict_fields);
    if !strict_fields {
        body.extend_from_slice(format!(r#","pending":{pending}"#).as_bytes());
    }
    body.push(b'}');
    body.into()
}

/// A message the Standard Webhooks way.
#[must_use]
pub fn standard(message: &Outgoing<'_>) -> Bytes {
    let capacity = message.event_type.len() + message.data.len() + MESSAGE_FRAME_BYTES;
    let mut body = Vec::with_capacity(capacity);
    body.extend_from_slice(br#"{"type":"#);
    put_text(&mut body, message.event_type);
    let time = message.id.time();
    body.extend_from_slice(format!(r#","timestamp":"{time}","data":"#).as_bytes());
    body.extend_from_slice(message.data);
    body.push(b'}');
    body.into()
}

fn begin_delivery(body: &mut Vec<u8>, batch: BatchId, strict_fields: bool) {
    body.extend_from_slice(br#"{"request":"delivery""#);
    if !strict_fields {
        body.extend_from_slice(format!(r#","batch_id":"{batch}""#).as_bytes());
    }
}

fn put_text(body: &mut Vec<u8>, text: &str) {
    let quoted = serde_json::Value::from(text).to_string();
    body.extend_from_slice(quoted.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch() -> BatchId {
        "bat_01kf0k900gh4qx4fr84g98pbsk".parse().unwrap()
    }

    fn messages() -> [Outgoing<'static>; 2] {
        [
            Outgoing {
                id: "msg_01kf0k8y204tff59tdwh9edd1r".parse().unwrap(),
                event_type: "generic",
                data: br#""Hello World""#,
            },
            Outgoing {
                id: "msg_01kf0k8z921head8x4a1jh69re".parse().unwrap(),
                event_type: "new_user",
                data: br#"{"first_name":"John","last_name":"Doe"}"#,
            },
        ]
    }

    fn check(body: &Bytes, expected: &str) {
        assert_eq!(std::str::from_utf8(body).unwrap(), expected);
        serde_json::from_slice::<serde_json::Value>(body).unwrap();
    }

    #[test]
    fn authenticate_bodies_are_the_documents() {
        check(
            &authenticate(Some("5f2c9a0e41d7b8836e1fa4c2d90b7735")),
            r#"{"request":"authenticate","key":"5f2c9a0e41d7b8836e1fa4c2d90b7735"}"#,
        );
        check(&authenticate(None), r#"{"request":"authenticate"}"#);
    }

    #[test]
    fn delivery_bodies_are_the_documents() {
        check(
            &delivery(batch(), &messages(), false),
            r#"{"request":"delivery","batch_id":"bat_01kf0k900gh4qx4fr84g98pbsk","messages":[{"type":"generic","data":"Hello World","id":"msg_01kf0k8y204tff59tdwh9edd1r","timestamp":"2026-01-15T10:30:00Z"},{"type":"new_user","data":{"first_name":"John","last_name":"Doe"},"id":"msg_01kf0k8z921head8x4a1jh69re","timestamp":"2026-01-15T10:30:01Z"}]}"#,
        );
        check(
            &delivery(batch(), &messages(), true),
            r#"{"request":"delivery","messages":[{"type":"generic","data":"Hello World"},{"type":"new_user","data":{"first_name":"John","last_name":"Doe"}}]}"#,
        );
    }

    #[test]
    fn thin_bodies_are_the_documents() {
        check(
            &wake_up(batch(), 2, false),
            r#"{"request":"delivery","batch_id":"bat_01kf0k900gh4qx4fr84g98pbsk","pending":2}"#,
        );
        check(&wake_up(batch(), 2, true), r#"{"request":"delivery"}"#);
    }

    #[test]
    fn the_standard_body_is_the_documents() {
        check(
            &standard(&messages()[0]),
            r#"{"type":"generic","timestamp":"2026-01-15T10:30:00Z","data":"Hello World"}"#,
        );
    }

    #[test]
    fn data_is_copied_verbatim_and_types_are_quoted() {
        let message = Outgoing {
            id: messages()[0].id,
            event_type: "a\"b",
            data: b"{ \"n\" : 1.0e2, \"u\":\"\\u00fc\" }",
        };
        let body = delivery(batch(), &[message], true);
        check(
            &body,
            "{\"request\":\"delivery\",\"messages\":[{\"type\":\"a\\\"b\",\"data\":{ \"n\" : 1.0e2, \"u\":\"\\u00fc\" }}]}",
        );
    }
}
