//! Random codes that people read and type.
//!
//! Owns their alphabets. Does not know what a code opens.

use crate::clock::Entropy;

const ALPHANUMERIC: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// No two of these are taken for each other.
const READABLE: &[u8; 32] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
/// Characters of each of the three groups of a readable code.
const GROUP: usize = 3;

/// `length` letters and digits, at almost 6 bits each.
pub fn alphanumeric(entropy: &Entropy, length: usize) -> String {
    random(entropy, ALPHANUMERIC, length)
}

/// Three groups of three characters with hyphens between them: 45 bits.
pub fn readable(entropy: &Entropy) -> String {
    let groups = [(); 3].map(|()| random(entropy, READABLE, GROUP));
    groups.join("-")
}

fn random(entropy: &Entropy, alphabet: &[u8], length: usize) -> String {
    let mut code = String::with_capacity(length);
    while code.len() < length {
        let bytes: [u8; 32] = entropy.bytes();
        let mask = alphabet.len().next_power_of_two() - 1;
        // What would make some characters likelier than others is passed over.
        let fair = bytes.iter().map(|byte| usize::from(*byte) & mask);
        let letters = fair
            .filter_map(|at| alphabet.get(at))
            .map(|byte| char::from(*byte));
        code.extend(letters.take(length - code.len()));
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn codes_are_random_and_of_their_alphabet() {
        let entropy = Entropy::seeded(1);
        let codes: BTreeSet<String> = (0..100).map(|_| alphanumeric(&entropy, 16)).collect();
        assert_eq!(codes.len(), 100);
        for code in codes {
            assert_eq!(code.len(), 16);
            assert!(
                code.bytes().all(|byte| byte.is_ascii_alphanumeric()),
                "{code}"
            );
        }
        let codes: BTreeSet<String> = (0..100).map(|_| readable(&entropy)).collect();
        assert_eq!(codes.len(), 100);
        for code in codes {
            let groups: Vec<&str> = code.split('-').collect();
            assert_eq!(groups.len(), 3, "{code}");
            for group in groups {
                assert_eq!(group.len(), 3, "{code}");
                assert!(group.bytes().all(|byte| READABLE.contains(&byte)), "{code}");
            }
        }
    }
}
