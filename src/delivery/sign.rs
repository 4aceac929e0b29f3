//! Standard Webhooks signatures.
//!
//! Owns the signing key's form and the signature header's value
//! (`protocols/notifications.md` 1.7). Does not know which secret belongs to which endpoint.

use std::fmt;
use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// How a signing secret's text begins.
pub const SECRET_PREFIX: &str = "whsec_";
/// Longest key taken, in decoded bytes (Standard Webhooks).
const MAX_KEY_BYTES: usize = 64;

/// The text is not `whsec_` and base64 of 1 to 64 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretError;

impl fmt::Display for SecretError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("not a signing secret (whsec_ followed by base64)")
    }
}

impl std::error::Error for SecretError {}

/// A decoded signing secret.
#[derive(Clone)]
pub struct SigningKey(Zeroizing<Vec<u8>>);

impl fmt::Debug for SigningKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// Reads `whsec_…`.
    pub fn parse(secret: &str) -> Result<Self, SecretError> {
        let text = secret.strip_prefix(SECRET_PREFIX).ok_or(SecretError)?;
        let key = Zeroizing::new(STANDARD.decode(text).map_err(|_| SecretError)?);
        if key.is_empty() || key.len() > MAX_KEY_BYTES {
            return Err(SecretError);
        }
        Ok(Self(key))
    }

    fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> Option<[u8; 32]> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(id.as_bytes());
        mac.update(b".");
        mac.update(timestamp.to_string().as_bytes());
        mac.update(b".");
        mac.update(body);
        Some(mac.finalize().into_bytes().into())
    }
}

/// The value of `webhook-signature`: one `v1,…` per key, in the order given, separated by a space.
/// `timestamp` is the attempt's, in Unix seconds.
#[must_use]
pub fn signature(keys: &[SigningKey], id: &str, timestamp: u64, body: &[u8]) -> String {
    let mut value = String::new();
    // HMAC takes keys of every length, so no key is left out.
    for mac in keys.iter().filter_map(|key| key.sign(id, timestamp, body)) {
        if !value.is_empty() {
            value.push(' ');
        }
        // Writing to a string cannot fail.
        let _ = write!(value, "v1,{}", STANDARD.encode(mac));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    const STRICT: &str = r#"{"request":"delivery","messages":[{"type":"generic","data":"Hello World"},{"type":"new_user","data":{"first_name":"John","last_name":"Doe"}}]}"#;
    const STANDARD_BODY: &str =
        r#"{"type":"generic","timestamp":"2026-01-15T10:30:00Z","data":"Hello World"}"#;
    const BATCH: &str = "bat_01kf0k900gh4qx4fr84g98pbsk";
    const MESSAGE: &str = "msg_01kf0k8y204tff59tdwh9edd1r";

    #[test]
    fn the_documents_vectors_hold() {
        let key = [SigningKey::parse(SECRET).unwrap()];
        for (id, body, length, expected) in [
            (
                BATCH,
                STRICT,
                142,
                "v1,EZYxyBYOkmRneEVMd+cuUhSZFjZjo/sI8eQgQq8k/e0=",
            ),
            (
                MESSAGE,
                STANDARD_BODY,
                74,
                "v1,KDHw6kQjzuhqkDq2MN0Nkvxk1z1KvXoC61yHAfz+1nM=",
            ),
        ] {
            assert_eq!(body.len(), length);
            assert_eq!(
                signature(&key, id, 1_768_473_002, body.as_bytes()),
                expected
            );
        }
    }

    #[test]
    fn a_retiring_secret_signs_beside_the_current_one() {
        let other = format!("{SECRET_PREFIX}{}", STANDARD.encode([7; 32]));
        let keys = [
            SigningKey::parse(SECRET).unwrap(),
            SigningKey::parse(&other).unwrap(),
        ];
        let value = signature(&keys, BATCH, 1_768_473_002, STRICT.as_bytes());
        let parts: Vec<&str> = value.split(' ').collect();
        assert_eq!(parts[0], "v1,EZYxyBYOkmRneEVMd+cuUhSZFjZjo/sI8eQgQq8k/e0=");
        assert_eq!(
            parts[1],
            signature(&keys[1..], BATCH, 1_768_473_002, STRICT.as_bytes())
        );
        assert_eq!(parts.len(), 2);
    }

    #[test]
    fn rubbish_is_not_a_secret_and_a_key_is_not_shown() {
        let long = format!("{SECRET_PREFIX}{}", STANDARD.encode([1; 65]));
        for text in ["", "whsec_", "whsec_***", "MDEyMw==", "whsec_MDEyMw", &long] {
            assert_eq!(SigningKey::parse(text).err(), Some(SecretError), "{text}");
        }
        let shown = format!("{:?}", SigningKey::parse(SECRET).unwrap());
        assert_eq!(shown, "SigningKey(…)");
    }
}
