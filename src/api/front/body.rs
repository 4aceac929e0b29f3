//! Request bodies within size and time, and name-value pairs.
//!
//! Owns reading (check 5 of `protocols/transport.md` section 2) and the decoding of query and
//! urlencoded pairs (section 5). Does not know what the pairs mean.

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::HeaderMap;
use hyper::header::CONTENT_LENGTH;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, Result};

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    /// Over the limit.
    TooLarge,
    /// Not complete in time.
    TooSlow,
    /// It ended early or was not framed as HTTP says.
    Broken,
}

/// The whole body, at most `max` bytes, complete at `end`. A `Content-Length` above `max` is
/// refused before anything is read.
pub async fn read_body(
    headers: &HeaderMap,
    mut body: Body,
    max: usize,
    end: Instant,
) -> Result<Bytes, BodyFault> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<usize>().ok());
    if announced.is_some_and(|length| length > max) {
        return Err(BodyFault::TooLarge);
    }
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    loop {
        let frame = match timeout_at(end, body.frame()).await {
            Err(_) => return Err(BodyFault::TooSlow),
            Ok(Some(Err(_))) => return Err(BodyFault::Broken),
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame,
        };
        // Trailers say nothing to us.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.len() + whole.len() + data.len() > max {
            return Err(BodyFault::TooLarge);
        }
        // A body that comes in one piece, as most do, is not copied.
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            if whole.is_empty() {
                whole.reserve(announced.unwrap_or(0).min(max));
                whole.extend_from_slice(&std::mem::take(&mut first));
            }
            whole.extend_from_slice(&data);
        }
    }
    if whole.is_empty() {
        Ok(first)
    } else {
        Ok(whole.freeze())
    }
}

/// Names and values in their order.
pub type Pairs = Vec<(String, String)>;

/// Pairs of one request, query and body each.
const MAX_PAIRS: usize = 1000;

/// Decodes urlencoded pairs: `+` is a space, a `%` that is no escape stands for itself, a pair
/// without `=` has an empty value. Text that is not UTF-8 and more than 1000 pairs are malformed.
pub fn pairs(text: &[u8]) -> Result<Pairs> {
    let malformed = || Error::malformed("Malformed request");
    let mut found = Vec::new();
    for pair in text.split(|byte| *byte == b'&') {
        if pair.is_empty() {
            continue;
        }
        if found.len() == MAX_PAIRS {
            return Err(malformed());
        }
        let cut = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = match cut {
            Some(cut) => (&pair[..cut], &pair[cut + 1..]),
            None => (pair, &[][..]),
        };
        let name = unescape(name).ok_or_else(malformed)?;
        let value = unescape(value).ok_or_else(malformed)?;
        found.push((name, value));
    }
    Ok(found)
}

fn unescape(text: &[u8]) -> Option<String> {
    let digit = |at: usize| -> Option<u8> {
        let value = char::from(*text.get(at)?).to_digit(16)?;
        u8::try_from(value).ok()
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let escaped = (*byte == b'%')
            .then(|| Some(digit(at + 1)? * 16 + digit(at + 2)?))
            .flatten();
        match (byte, escaped) {
            (_, Some(value)) => {
                bytes.push(value);
                at += 2;
            }
            (b'+', None) => bytes.push(b' '),
            (other, None) => bytes.push(*other),
        }
        at += 1;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Vec<(String, String)> {
        pairs(text.as_bytes()).unwrap()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn pairs_are_decoded_as_the_table_says() {
        assert_eq!(decoded(""), []);
        assert_eq!(
            decoded("a=1&b=x+y&&c"),
            [pair("a", "1"), pair("b", "x y"), pair("c", "")]
        );
        assert_eq!(
            decoded("a=%41%2B%zz%4&b==="),
            [pair("a", "A+%zz%4"), pair("b", "==")]
        );
        assert_eq!(decoded("k%C3%A4=%E2%82%AC"), [pair("kä", "€")]);
        assert!(pairs(b"a=%ff").is_err());
        assert!(pairs(b"\xff=1").is_err());
    }

    #[test]
    fn a_thousand_pairs_and_no_more() {
        assert_eq!(decoded(&"a=1&".repeat(1000)).len(), 1000);
        assert!(pairs("a=1&".repeat(1001).as_bytes()).is_err());
    }
}
