//! The texts of credentials.
//!
//! Owns how fresh API keys, passwords and signing secrets are made, and what an API key looks
//! like. Does not know where they are kept.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::clock::Entropy;

/// Shortest and longest API key, in characters (`protocols/transport.md` section 8).
const API_KEY_CHARACTERS: std::ops::RangeInclusive<usize> = 32..=64;

/// How a fresh API key begins, so that scanners can find leaked ones.
const API_KEY_PREFIX: &str = "hrk_";
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Characters of [`ALPHABET`] that carry 256 bits.
const CHARACTERS_256_BITS: usize = 43;
/// Characters of a fresh password: 190 bits.
const PASSWORD_CHARACTERS: usize = 32;

/// Characters of the key of a login link, and what it is made of (`protocols/command-api.md` 4.25).
const LINK_KEY_CHARACTERS: usize = 10;
const LINK_ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// Random characters from [`ALPHABET`], each equally likely.
fn random_text(prefix: &str, characters: usize, entropy: &Entropy) -> Zeroizing<String> {
    random_from(ALPHABET, prefix, characters, entropy)
}

fn random_from(
    alphabet: &[u8],
    prefix: &str,
    characters: usize,
    entropy: &Entropy,
) -> Zeroizing<String> {
    // Reserved at once, so that no half-grown copy stays behind in freed memory.
    let mut text = Zeroizing::new(String::with_capacity(prefix.len() + characters));
    text.push_str(prefix);
    let mut left = characters;
    while left > 0 {
        let bytes = Zeroizing::new(entropy.bytes::<64>());
        // Above the largest multiple of the alphabet in a byte some characters would be likelier.
        let fair = 256 - 256 % alphabet.len();
        let fair = bytes.iter().filter(|byte| usize::from(**byte) < fair);
        for byte in fair.take(left) {
            text.push(char::from(alphabet[usize::from(*byte) % alphabet.len()]));
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

/// A fresh `ai_sid_key`: 10 of `[a-z0-9]`.
#[must_use]
pub fn new_link_key(entropy: &Entropy) -> Zeroizing<String> {
    random_from(LINK_ALPHABET, "", LINK_KEY_CHARACTERS, entropy)
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

/// Whether `text` can be an API key (`protocols/transport.md` section 8).
#[must_use]
pub fn is_api_key(text: &str) -> bool {
    API_KEY_CHARACTERS.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
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
        assert!(is_api_key(&key));
        assert_ne!(key, new_api_key(&entropy));
        assert_ne!(new_password(&entropy), new_password(&entropy));
        assert_ne!(new_comm_key(&entropy), new_comm_key(&entropy));
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
    fn an_api_key_is_bounded_and_printable() {
        for (length, fits) in [(31, false), (32, true), (64, true), (65, false)] {
            assert_eq!(is_api_key(&"k".repeat(length)), fits);
        }
        assert!(!is_api_key(&format!("{} ", "k".repeat(40))));
        assert!(!is_api_key(&"ü".repeat(20)));
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
