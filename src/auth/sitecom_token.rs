//! `ai_sitecom_token`.
//!
//! Owns its bytes, its check and its making (`protocols/sitecom-token.md`). Pure. Does not know
//! how an API login is found by its hash.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::clock::{Millis, Timestamp};

/// Characters of a token.
pub const TOKEN_CHARACTERS: usize = 43;
const HEAD_BYTES: usize = 16;
const HASH_BYTES: usize = 8;
const MAC_BYTES: usize = 16;
/// The byte that marks this version while it is 0: the highest of the issue time.
const VERSION_BYTE: usize = 8;

/// Why a token is refused: for the log only. Callers get one text for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenRefusal {
    /// Step 1: not 43 characters of the alphabet, or spare bits set.
    Form,
    /// Step 2: another version.
    Version,
    /// Step 3: no enabled API login has this hash.
    UnknownLogin,
    /// Step 4: the MAC differs.
    Mac,
    /// Step 5: issued too far in the future.
    NotYet,
    /// Step 5: its lifetime is over.
    Expired,
}

impl fmt::Display for TokenRefusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Form => "token malformed",
            Self::Version => "token of another version",
            Self::UnknownLogin => "token of an unknown or disabled login",
            Self::Mac => "token MAC differs",
            Self::NotYet => "token issued in the future",
            Self::Expired => "token expired",
        })
    }
}

impl std::error::Error for TokenRefusal {}

/// A token that is well formed; nothing about it is proven yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    head: [u8; HEAD_BYTES],
    mac: [u8; MAC_BYTES],
}

impl fmt::Debug for Token {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Token(…)")
    }
}

/// How long a token is valid (`token_lifetime`, `token_skew`); whole seconds count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// From its issue.
    pub lifetime: Millis,
    /// Tolerated clock difference, in both directions.
    pub skew: Millis,
}

impl Default for Validity {
    fn default() -> Self {
        Self {
            lifetime: Millis::seconds(300),
            skew: Millis::seconds(60),
        }
    }
}

/// The first 8 bytes of a token for this login: what an API login is found by.
#[must_use]
pub fn login_hash(ai_login_id: &str) -> [u8; HASH_BYTES] {
    first(&Sha256::digest(ai_login_id.as_bytes()))
}

/// The first `N` bytes; zeros stand in for what is missing, which nothing here is.
fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut out = [0; N];
    out.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    out
}

/// HMAC takes keys of every length, so there always is one; none matches nothing.
fn mac(head: &[u8; HEAD_BYTES], ai_login_id: &str, comm_key: &str) -> Option<[u8; MAC_BYTES]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(comm_key.as_bytes()).ok()?;
    mac.update(head);
    mac.update(ai_login_id.as_bytes());
    Some(first(&mac.finalize().into_bytes()))
}

/// Makes the token of a login, issued at `now`. Servers only check tokens; this is for tests and
/// for an operator who wants to see one.
#[must_use]
pub fn make(ai_login_id: &str, comm_key: &str, now: Timestamp) -> String {
    let mut head = [0; HEAD_BYTES];
    head[..HASH_BYTES].copy_from_slice(&login_hash(ai_login_id));
    head[HASH_BYTES..].copy_from_slice(&now.unix_seconds().to_be_bytes());
    let mac = mac(&head, ai_login_id, comm_key).unwrap_or_default();
    URL_SAFE_NO_PAD.encode([head, mac].concat())
}

impl Token {
    /// Steps 1 and 2: reads a token.
    pub fn parse(text: &str) -> Result<Self, TokenRefusal> {
        if text.len() != TOKEN_CHARACTERS {
            return Err(TokenRefusal::Form);
        }
        // The engine refuses padding, foreign characters and spare bits that are not 0.
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| TokenRefusal::Form)?;
        let (head, mac) = bytes
            .split_at_checked(HEAD_BYTES)
            .ok_or(TokenRefusal::Form)?;
        let head: [u8; HEAD_BYTES] = head.try_into().map_err(|_| TokenRefusal::Form)?;
        let mac = mac.try_into().map_err(|_| TokenRefusal::Form)?;
        if head[VERSION_BYTE] != 0 {
            return Err(TokenRefusal::Version);
        }
        Ok(Self { head, mac })
    }

    /// What the API login is found by (step 3).
    #[must_use]
    pub fn login_hash(&self) -> [u8; HASH_BYTES] {
        first(&self.head)
    }

    /// When it says it was issued, in Unix seconds.
    fn issued(&self) -> u64 {
        u64::from_be_bytes(first(&self.head[HASH_BYTES..]))
    }

    /// Steps 4 and 5 for one enabled API login with this hash: the MAC in constant time, then the
    /// time, so that only the owner of the key learns about time.
    pub fn check(
        &self,
        ai_login_id: &str,
        comm_key: &str,
        now: Timestamp,
        validity: Validity,
    ) -> Result<(), TokenRefusal> {
        if !self.has_mac(ai_login_id, comm_key) {
            return Err(TokenRefusal::Mac);
        }
        let (issued, now) = (self.issued(), now.unix_seconds());
        let (lifetime, skew) = (validity.lifetime.0 / 1000, validity.skew.0 / 1000);
        if issued > now.saturating_add(skew) {
            return Err(TokenRefusal::NotYet);
        }
        if now > issued.saturating_add(lifetime).saturating_add(skew) {
            return Err(TokenRefusal::Expired);
        }
        Ok(())
    }

    fn has_mac(&self, ai_login_id: &str, comm_key: &str) -> bool {
        mac(&self.head, ai_login_id, comm_key).is_some_and(|mac| mac.ct_eq(&self.mac).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: &str = "rr9kCtibhFQAAAAAaWjBqIZv9G31waIeozqtVo-5h8U";
    const LOGIN: &str = "apiuser";
    const KEY: &str = "comm-key-0001";

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * 1000)
    }

    fn number(bytes: [u8; 8]) -> String {
        format!("{:016x}", u64::from_be_bytes(bytes))
    }

    fn check(text: &str, now: u64) -> Result<(), TokenRefusal> {
        Token::parse(text)?.check(LOGIN, KEY, at(now), Validity::default())
    }

    #[test]
    fn the_documents_vectors_hold() {
        for (login, key, issued, hash, time, mac, text) in [
            (
                LOGIN,
                KEY,
                1_768_473_000,
                "aebf640ad89b8454",
                "000000006968c1a8",
                "866ff46df5c1a21ea33aad568fb987c5",
                FIRST,
            ),
            (
                LOGIN,
                KEY,
                0,
                "aebf640ad89b8454",
                "0000000000000000",
                "5a0aaa71eb9d4ba6f8000b01eac724a0",
                "rr9kCtibhFQAAAAAAAAAAFoKqnHrnUum-AALAerHJKA",
            ),
            (
                LOGIN,
                KEY,
                4_102_444_800,
                "aebf640ad89b8454",
                "00000000f4865700",
                "010579f2e74dad12f80522ddd78a4a4e",
                "rr9kCtibhFQAAAAA9IZXAAEFefLnTa0S-AUi3deKSk4",
            ),
            (
                "shop-42",
                "7Qm!z pass phrase",
                1_768_473_000,
                "eb9883a7850b2390",
                "000000006968c1a8",
                "713ad9ce2de3556c3e36753f987b90b5",
                "65iDp4ULI5AAAAAAaWjBqHE62c4t41VsPjZ1P5h7kLU",
            ),
            (
                "käufer",
                "schlüssel-ß",
                1_768_473_000,
                "60a427d914a53e4b",
                "000000006968c1a8",
                "4ec2a3e4b8e89594b3feea64951c1ebd",
                "YKQn2RSlPksAAAAAaWjBqE7Co-S46JWUs_7qZJUcHr0",
            ),
        ] {
            assert_eq!(make(login, key, at(issued)), text);
            assert_eq!(number(login_hash(login)), hash);
            let token = Token::parse(text).unwrap();
            assert_eq!(token.login_hash(), login_hash(login));
            assert_eq!(number(first(&token.head[8..])), time);
            assert_eq!(format!("{:032x}", u128::from_be_bytes(token.mac)), mac);
            let validity = Validity::default();
            assert_eq!(token.check(login, key, at(issued), validity), Ok(()));
            let other = token.check(login, "another-key-0001", at(issued), validity);
            assert_eq!(other, Err(TokenRefusal::Mac));
        }
    }

    #[test]
    fn time_is_checked_to_the_second_on_both_sides() {
        for (now, expected) in [
            (0, Err(TokenRefusal::NotYet)),
            (1_768_472_939, Err(TokenRefusal::NotYet)),
            (1_768_472_940, Ok(())),
            (1_768_473_360, Ok(())),
            (1_768_473_361, Err(TokenRefusal::Expired)),
        ] {
            assert_eq!(check(FIRST, now), expected, "{now}");
        }
    }

    #[test]
    fn altered_tokens_are_refused_at_their_step() {
        let now = 1_768_473_000;
        let spare = format!("{}V", &FIRST[..42]);
        let moved = {
            let other = "rr9kCtibhFQAAAAA9IZXAAEFefLnTa0S-AUi3deKSk4";
            let bytes = |text| URL_SAFE_NO_PAD.decode(text).unwrap();
            URL_SAFE_NO_PAD.encode([&bytes(FIRST)[..16], &bytes(other)[16..]].concat())
        };
        for (text, refusal) in [
            (spare.as_str(), TokenRefusal::Form),
            (&format!("{FIRST}="), TokenRefusal::Form),
            (&FIRST[1..], TokenRefusal::Form),
            ("", TokenRefusal::Form),
            (&FIRST.replace('-', "+"), TokenRefusal::Form),
            (&FIRST.replace('-', " "), TokenRefusal::Form),
            (&moved, TokenRefusal::Mac),
            (
                "A20ZPutYormM9S8AXjMGqTvmLEbx8FS_2lQCvBwinbA",
                TokenRefusal::Version,
            ),
        ] {
            assert_eq!(check(text, now), Err(refusal), "{text}");
        }
        // A wrong MAC says nothing about time.
        assert_eq!(check(&moved, 0), Err(TokenRefusal::Mac));
    }

    #[test]
    fn only_sixteen_last_characters_are_possible() {
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let accepted: String = alphabet
            .chars()
            .filter(|last| Token::parse(&format!("{}{last}", &FIRST[..42])).is_ok())
            .collect();
        assert_eq!(accepted, "AEIMQUYcgkosw048");
    }

    #[test]
    fn a_token_is_not_shown() {
        let token = Token::parse(FIRST).unwrap();
        assert_eq!(format!("{token:?}"), "Token(…)");
    }
}
