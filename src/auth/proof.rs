//! How a consumer proves that it knows an API login.
//!
//! Owns the MD5 proof (`protocols/notifications.md` 1.2) and the judgement over an authenticate
//! answer (1.1). Pure. Does not know how the answer came, nor what follows from the judgement.
//!
//! MD5 is the protocol's compatibility, not our security: every request is signed as well.

use std::fmt::Write as _;

use md5::{Digest, Md5};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::attempt::{AuthAnswer, Unusable};
use crate::clock::Entropy;
use crate::domain::authentication::AuthResult;
use crate::domain::event::{AuthFailure, Method};

/// A fresh key for an authenticate request: 16 random bytes as 32 lower-case hex digits.
#[must_use]
pub fn new_key(entropy: &Entropy) -> String {
    hex(&entropy.bytes::<16>())
}

/// Hexadecimal SHA-256 of a key, as an endpoint's record remembers it.
#[must_use]
pub fn key_digest(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

/// The proof: lower-case hex of MD5 over login, password and key, joined as bytes.
#[must_use]
pub fn md5_proof(login: &str, password: &str, key: &str) -> Zeroizing<String> {
    let mut hash = Md5::new();
    for part in [login, password, key] {
        hash.update(part.as_bytes());
    }
    Zeroizing::new(hex(&hash.finalize()))
}

/// Whether `answer` is the proof, in either case of its hex digits; in constant time.
#[must_use]
pub fn check(answer: &str, login: &str, password: &str, key: &str) -> bool {
    let answer = Zeroizing::new(answer.to_ascii_lowercase());
    same(&answer, &md5_proof(login, password, key))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Constant-time equality that does not tell the length either.
fn same(left: &str, right: &str) -> bool {
    let digest = |text: &str| -> [u8; 32] { Sha256::digest(text.as_bytes()).into() };
    digest(left).ct_eq(&digest(right)).into()
}

/// The API login that a consumer must prove.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// `ai_login_id`.
    pub login: &'a str,
    /// `ai_login_password`.
    pub password: &'a str,
}

/// What an authenticate answer comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// What decides.
    pub result: AuthResult,
    /// For the operator, where the credentials are wrong: in which way.
    pub hint: Option<&'static str>,
}

/// Judges the answer to an authenticate request (`protocols/notifications.md` 1.1). With a `key`
/// in the request the MD5 proof is required, without one the plain password; the other form of
/// each is wrong.
#[must_use]
pub fn judge(answer: &AuthAnswer, expected: Credentials<'_>, key: Option<&str>) -> Judgement {
    let settled = |result| Judgement { result, hint: None };
    let failed = |reason, http_status| AuthResult::Failed {
        reason,
        http_status,
    };
    match answer {
        AuthAnswer::Passive => settled(AuthResult::Passive),
        AuthAnswer::Unusable(why) => settled(match *why {
            Unusable::HttpStatus(status) => failed(AuthFailure::HttpStatus, Some(status)),
            Unusable::NotJson(status) => failed(AuthFailure::NotJson, Some(status)),
            Unusable::NoResponse(status) => failed(AuthFailure::NoResponse, status),
        }),
        AuthAnswer::Credentials {
            login,
            password,
            status,
        } => {
            let text = |field: &Option<Zeroizing<String>>| field.clone().unwrap_or_default();
            match wrong(&text(login), &text(password), expected, key) {
                None => settled(AuthResult::Verified(match key {
                    Some(_) => Method::Key,
                    None => Method::Plain,
                })),
                hint => Judgement {
                    result: failed(AuthFailure::Credentials, Some(*status)),
                    hint,
                },
            }
        }
    }
}

/// What is wrong with the credentials, if anything. All comparisons are made whatever the first
/// of them says.
fn wrong(
    login: &str,
    password: &str,
    expected: Credentials<'_>,
    key: Option<&str>,
) -> Option<&'static str> {
    let plain = same(password, expected.password);
    let (proven, other_form) = if let Some(key) = key {
        let hash = check(password, expected.login, expected.password, key);
        (hash, plain)
    } else {
        let hash = password.len() == 32 && password.bytes().all(|b| b.is_ascii_hexdigit());
        (plain, hash)
    };
    let known = same(login, expected.login);
    match (known, proven) {
        (true, true) => None,
        (false, _) => Some("ai_login_id is missing or is not the endpoint's API login"),
        (true, false) if password.is_empty() => Some("ai_login_password is missing or not text"),
        (true, false) if other_form && key.is_some() => Some(
            "the endpoint answers the plain password; with send_key on it must answer \
             md5(ai_login_id + ai_login_password + key) in hex",
        ),
        (true, false) if other_form => {
            Some("the endpoint answers a hash; with send_key off it must answer the plain password")
        }
        (true, false) if key.is_some() => Some(
            "ai_login_password is not md5(ai_login_id + ai_login_password + key) in hex; check \
             the password and that the key of this request is used",
        ),
        (true, false) => Some("ai_login_password is not the password of the API login"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "5f2c9a0e41d7b8836e1fa4c2d90b7735";
    const HASH: &str = "179fbd314d16a6020043129a71294cc9";
    const EXPECTED: Credentials<'static> = Credentials {
        login: "apiuser",
        password: "APIuser123",
    };

    #[test]
    fn the_documents_vectors_hold() {
        for (login, password, key, hash) in [
            ("apiuser", "APIuser123", KEY, HASH),
            (
                "apiuser",
                "APIuser123",
                "00000000000000000000000000000000",
                "6f677eafa17e677469043cb147f846c6",
            ),
            (
                "käufer",
                "geheimß1",
                KEY,
                "598cca630f6787e052fc64658c787121",
            ),
        ] {
            assert_eq!(*md5_proof(login, password, key), hash);
            assert!(check(hash, login, password, key));
            assert!(check(&hash.to_uppercase(), login, password, key));
            assert!(!check(&hash[1..], login, password, key));
            assert!(!check(password, login, password, key));
            assert!(!check("", login, password, key));
        }
    }

    fn answer(login: Option<&str>, password: Option<&str>) -> AuthAnswer {
        AuthAnswer::Credentials {
            login: login.map(|text| Zeroizing::new(text.to_owned())),
            password: password.map(|text| Zeroizing::new(text.to_owned())),
            status: 200,
        }
    }

    #[test]
    fn right_credentials_verify_by_the_form_that_was_asked_for() {
        let full = |password| answer(Some("apiuser"), Some(password));
        for (password, key, method) in [
            (HASH, Some(KEY), Method::Key),
            (&HASH.to_uppercase(), Some(KEY), Method::Key),
            ("APIuser123", None, Method::Plain),
        ] {
            assert_eq!(
                judge(&full(password), EXPECTED, key),
                Judgement {
                    result: AuthResult::Verified(method),
                    hint: None
                }
            );
        }
    }

    #[test]
    fn wrong_credentials_fail_and_say_how() {
        let other_key = "00000000000000000000000000000000";
        for (login, password, key, word) in [
            (None, Some(HASH), Some(KEY), "ai_login_id"),
            (Some("APIUSER"), Some(HASH), Some(KEY), "ai_login_id"),
            (Some("apiuser "), Some(HASH), Some(KEY), "ai_login_id"),
            (Some("apiuser"), None, Some(KEY), "missing"),
            (Some("apiuser"), Some(""), None, "missing"),
            (Some("apiuser"), Some("APIuser123"), Some(KEY), "plain"),
            (Some("apiuser"), Some(HASH), None, "a hash"),
            (Some("apiuser"), Some(HASH), Some(other_key), "is not md5"),
            (
                Some("apiuser"),
                Some("apiuser123"),
                None,
                "not the password",
            ),
            (None, None, Some(KEY), "ai_login_id"),
        ] {
            let judgement = judge(&answer(login, password), EXPECTED, key);
            let result = AuthResult::Failed {
                reason: AuthFailure::Credentials,
                http_status: Some(200),
            };
            assert_eq!(judgement.result, result, "{login:?} {password:?}");
            assert!(judgement.hint.unwrap().contains(word), "{judgement:?}");
        }
    }

    #[test]
    fn answers_without_credentials_are_passive_or_failed() {
        for key in [None, Some(KEY)] {
            let result = |answer| judge(&answer, EXPECTED, key).result;
            assert_eq!(result(AuthAnswer::Passive), AuthResult::Passive);
            for (why, reason, http_status) in [
                (
                    Unusable::HttpStatus(500),
                    AuthFailure::HttpStatus,
                    Some(500),
                ),
                (Unusable::NotJson(204), AuthFailure::NotJson, Some(204)),
                (
                    Unusable::NoResponse(Some(200)),
                    AuthFailure::NoResponse,
                    Some(200),
                ),
                (Unusable::NoResponse(None), AuthFailure::NoResponse, None),
            ] {
                assert_eq!(
                    result(AuthAnswer::Unusable(why)),
                    AuthResult::Failed {
                        reason,
                        http_status
                    }
                );
            }
        }
    }

    #[test]
    fn keys_are_fresh_and_remembered_by_digest() {
        let entropy = Entropy::seeded(9);
        let key = new_key(&entropy);
        assert_eq!(key.len(), 32);
        assert!(key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        assert_ne!(key, new_key(&entropy));
        assert_eq!(
            key_digest("abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
