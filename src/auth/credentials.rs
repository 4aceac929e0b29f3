//! The texts of credentials.
//!
//! Owns how API keys, API logins and signing secrets look: making fresh ones, and checking those
//! that an operator brings along. Does not know where they are kept.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::clock::Entropy;

/// Longest `ai_login_id`, in characters (`protocols/domain.md` 2.1).
pub const MAX_LOGIN_ID_CHARACTERS: usize = 64;
/// Longest `ai_login_password`, in characters.
pub const MAX_PASSWORD_CHARACTERS: usize = 128;
/// Shortest and longest `comm_key`, in characters.
pub const COMM_KEY_CHARACTERS: std::ops::RangeInclusive<usize> = 16..=128;
/// Shortest and longest API key, in characters (`protocols/transport.md` section 8).
pub const API_KEY_CHARACTERS: std::ops::RangeInclusive<usize> = 32..=64;

/// How a fresh API key begins, so that scanners can find leaked ones.
const API_KEY_PREFIX: &str = "hrk_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Characters of [`ALPHABET`] that carry 256 bits.
const CHARACTERS_256_BITS: usize = 43;
/// Characters of a fresh password: 190 bits.
const PASSWORD_CHARACTERS: usize = 32;

/// `N` random characters from [`ALPHABET`], each equally likely.
fn random_text(prefix: &str, characters: usize, entropy: &Entropy) -> Zeroizing<String> {
    // Reserved at once, so that no half-grown copy stays behind in freed memory.
    let mut text = Zeroizing::new(String::with_capacity(prefix.len() + characters));
    text.push_str(prefix);
    let mut left = characters;
    while left > 0 {
        let bytes = Zeroizing::new(entropy.bytes::<64>());
        // 248 is the largest multiple of 62 in a byte; above it some characters would be likelier.
        for byte in bytes.iter().filter(|byte| **byte < 248).take(left) {
            text.push(char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]));
            left -= 1;
        }
    }
    text
}

/// A fresh API key: `hrk_` and 256 random bits.
#[must_use]
pub fn new_api_key(entropy: &Entropy) -> Zeroizing<String> {
    random_text(API_KEY_PREFIX, CHARACTERS_256_BITS, entropy)
}

/// A fresh `ai_login_id`: `site-` and 12 random characters. Not a secret, but unique.
#[must_use]
pub fn new_login_id(entropy: &Entropy) -> String {
    random_text("site-", 12, entropy).to_string()
}

/// A fresh `ai_login_password`.
#[must_use]
pub fn new_password(entropy: &Entropy) -> Zeroizing<String> {
    random_text("", PASSWORD_CHARACTERS, entropy)
}

/// A fresh `comm_key`.
#[must_use]
pub fn new_comm_key(entropy: &Entropy) -> Zeroizing<String> {
    random_text("", CHARACTERS_256_BITS, entropy)
}

/// A fresh signing secret: `whsec_` and base64 of 32 random bytes
/// (`protocols/notifications.md` 1.7).
#[must_use]
pub fn new_signing_secret(entropy: &Entropy) -> Zeroizing<String> {
    let bytes = Zeroizing::new(entropy.bytes::<32>());
    let encoded = Zeroizing::new(STANDARD.encode(&bytes[..]));
    Zeroizing::new(["whsec_", &encoded].concat())
}

/// SHA-256 of an API key: all that is stored of it. The key itself is random, so a fast hash
/// without salt is enough.
#[must_use]
pub fn digest(api_key: &str) -> [u8; 32] {
    Sha256::digest(api_key.as_bytes()).into()
}

/// Why an operator's credential cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialError {
    /// `ai_login_id` is empty, too long, or has control characters or white space at an end.
    LoginId,
    /// `ai_login_password` is empty or too long, or has control characters.
    Password,
    /// `comm_key` is too short or too long, or has control characters.
    CommKey,
    /// The API key is not 32 to 64 printable ASCII characters without a space.
    ApiKey,
}

impl fmt::Display for CredentialError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (min, max) = (COMM_KEY_CHARACTERS.start(), COMM_KEY_CHARACTERS.end());
        match self {
            Self::LoginId => write!(
                out,
                "ai_login_id must be 1 to {MAX_LOGIN_ID_CHARACTERS} characters without control \
                 characters and without white space at its ends"
            ),
            Self::Password => write!(
                out,
                "ai_login_password must be 1 to {MAX_PASSWORD_CHARACTERS} characters without \
                 control characters"
            ),
            Self::CommKey => write!(
                out,
                "comm_key must be {min} to {max} characters without control characters"
            ),
            Self::ApiKey => write!(
                out,
                "an API key must be {} to {} printable ASCII characters without spaces",
                API_KEY_CHARACTERS.start(),
                API_KEY_CHARACTERS.end()
            ),
        }
    }
}

impl std::error::Error for CredentialError {}

/// Checks an operator's `ai_login_id`.
pub fn check_login_id(text: &str) -> Result<(), CredentialError> {
    let fits = has_length(text, 1..=MAX_LOGIN_ID_CHARACTERS) && text.trim() == text;
    fits.then_some(()).ok_or(CredentialError::LoginId)
}

/// Checks an operator's `ai_login_password`.
pub fn check_password(text: &str) -> Result<(), CredentialError> {
    let fits = has_length(text, 1..=MAX_PASSWORD_CHARACTERS);
    fits.then_some(()).ok_or(CredentialError::Password)
}

/// Checks an operator's `comm_key`.
pub fn check_comm_key(text: &str) -> Result<(), CredentialError> {
    let fits = has_length(text, COMM_KEY_CHARACTERS);
    fits.then_some(()).ok_or(CredentialError::CommKey)
}

/// Checks an operator's API key.
pub fn check_api_key(text: &str) -> Result<(), CredentialError> {
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    let fits = printable && API_KEY_CHARACTERS.contains(&text.len());
    fits.then_some(()).ok_or(CredentialError::ApiKey)
}

fn has_length(text: &str, characters: std::ops::RangeInclusive<usize>) -> bool {
    // A character has at most four bytes, so a long text is refused without counting it.
    text.len() <= characters.end() * 4
        && characters.contains(&text.chars().count())
        && !text.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_credentials_pass_their_own_checks_and_differ() {
        let entropy = Entropy::seeded(5);
        let key = new_api_key(&entropy);
        assert_eq!(key.len(), 47);
        assert!(key.starts_with("hrk_"));
        assert_eq!(check_api_key(&key), Ok(()));
        assert_ne!(key, new_api_key(&entropy));
        assert_eq!(check_login_id(&new_login_id(&entropy)), Ok(()));
        assert_eq!(check_password(&new_password(&entropy)), Ok(()));
        assert_eq!(check_comm_key(&new_comm_key(&entropy)), Ok(()));
        let secret = new_signing_secret(&entropy);
        let decoded = STANDARD.decode(secret.strip_prefix("whsec_").unwrap());
        assert_eq!(decoded.unwrap().len(), 32);
    }

    #[test]
    fn every_character_of_the_alphabet_is_used() {
        let text = random_text("", 4000, &Entropy::seeded(1));
        assert_eq!(text.len(), 4000);
        for character in ALPHABET {
            assert!(text.bytes().any(|byte| byte == *character));
        }
    }

    #[test]
    fn operators_credentials_are_bounded() {
        let text = |n: usize| "ü".repeat(n);
        for (length, fits) in [(0, false), (1, true), (64, true), (65, false)] {
            assert_eq!(check_login_id(&text(length)).is_ok(), fits);
        }
        for (length, fits) in [(0, false), (1, true), (128, true), (129, false)] {
            assert_eq!(check_password(&text(length)).is_ok(), fits);
        }
        for (length, fits) in [(15, false), (16, true), (128, true), (129, false)] {
            assert_eq!(check_comm_key(&text(length)).is_ok(), fits);
        }
        for (length, fits) in [(31, false), (32, true), (64, true), (65, false)] {
            assert_eq!(check_api_key(&"k".repeat(length)).is_ok(), fits);
        }
        assert!(check_login_id(" a").is_err());
        assert!(check_login_id("a\n").is_err());
        assert!(check_password("a\0").is_err());
        assert!(check_api_key(&format!("{} ", "k".repeat(40))).is_err());
        assert!(check_api_key(&text(20)).is_err());
    }

    #[test]
    fn a_digest_is_sha_256() {
        let digest = digest("abc");
        let (high, low) = digest.split_first_chunk::<16>().unwrap();
        let low = u128::from_be_bytes(low.try_into().unwrap());
        assert_eq!(
            format!("{:032x}{low:032x}", u128::from_be_bytes(*high)),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
