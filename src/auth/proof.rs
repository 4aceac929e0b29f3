//! The MD5 proof of the notification protocol.
//!
//! Owns the one use of MD5 (`protocols/notifications.md` 1.2): the protocol's compatibility, not
//! our security. Does not know who asks for it.

use std::fmt::Write as _;

use md5::{Digest, Md5};

/// Lower-case hexadecimal MD5 over the bytes of login, password and key, joined without
/// separators.
pub fn md5_proof(login: &str, password: &str, key: &str) -> String {
    let mut hash = Md5::new();
    for part in [login, password, key] {
        hash.update(part.as_bytes());
    }
    let mut text = String::with_capacity(32);
    for byte in hash.finalize() {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_vectors_hold() {
        let key = "5f2c9a0e41d7b8836e1fa4c2d90b7735";
        for (login, password, key, hash) in [
            (
                "apiuser",
                "APIuser123",
                key,
                "179fbd314d16a6020043129a71294cc9",
            ),
            (
                "apiuser",
                "APIuser123",
                "00000000000000000000000000000000",
                "6f677eafa17e677469043cb147f846c6",
            ),
            (
                "käufer",
                "geheimß1",
                key,
                "598cca630f6787e052fc64658c787121",
            ),
        ] {
            assert_eq!(md5_proof(login, password, key), hash);
        }
    }
}
