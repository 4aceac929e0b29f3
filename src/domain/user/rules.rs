//! The forms of a user's texts (`protocols/domain.md` 2.2).
//!
//! Owns the rules. Does not know which parameter a text came in.

use crate::domain::words;

/// Characters of a name that is no e-mail address.
pub const MAX_USERNAME: usize = 64;
/// Characters of an account type.
pub const MAX_TYPE: usize = 64;
/// Characters of a phone number as it is given.
pub const MAX_PHONE: usize = 32;
/// Bytes of an e-mail address.
pub const MAX_EMAIL: usize = 254;
/// Characters of a name and of every short text.
pub const MAX_TEXT: usize = 255;
/// Characters of a password, fewest and most.
const MIN_PASSWORD: usize = 7;
/// Characters of a password; what is longer is not looked at.
pub const MAX_PASSWORD: usize = 1024;
/// The type of users who are no agents.
pub const CUSTOMER: &str = "Customer";
/// What a broken password rule is answered.
pub const PASSWORD_RULE: &str = "Password must have at least 7 characters with an upper case \
                                 letter, a lower case letter and a digit";

/// Letters, digits and hyphens, 1 to 64 of them.
pub fn is_plain_username(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=MAX_USERNAME).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// A plain name or an e-mail address.
pub fn is_username(text: &str) -> bool {
    is_plain_username(text) || words::is_email(text)
}

/// At least 7 characters with an upper-case letter, a lower-case letter and a digit.
pub fn is_password(text: &str) -> bool {
    text.chars().count() >= MIN_PASSWORD
        && text.chars().any(char::is_uppercase)
        && text.chars().any(char::is_lowercase)
        && text.chars().any(|character| character.is_ascii_digit())
}

/// Two letters.
pub fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// `M` or `F`.
pub fn is_gender(text: &str) -> bool {
    matches!(text, "M" | "F")
}

/// The letters of `TPM` in this order; `F` and nothing are offline.
pub fn online_status(text: &str) -> Option<String> {
    if text == "F" {
        return Some(String::new());
    }
    let is_known = |letter: char| "TPM".contains(letter);
    let given = |letter: &char| text.contains(*letter);
    text.chars()
        .all(is_known)
        .then(|| "TPM".chars().filter(given).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usernames() {
        let longest = "x".repeat(64);
        let too_long = "x".repeat(65);
        for (text, plain, any) in [
            ("john", true, true),
            ("J-9", true, true),
            (&longest, true, true),
            (&too_long, false, false),
            ("", false, false),
            ("john doe", false, false),
            ("john_doe", false, false),
            ("jöhn", false, false),
            ("jane@example.com", false, true),
        ] {
            assert_eq!(is_plain_username(text), plain, "{text}");
            assert_eq!(is_username(text), any, "{text}");
        }
    }

    #[test]
    fn passwords_countries_and_genders() {
        for (text, expected) in [
            ("Abcdef1", true),
            ("Abcde1", false),
            ("abcdef1", false),
            ("ABCDEF1", false),
            ("Abcdefg", false),
            ("Äbcdéf1", true),
        ] {
            assert_eq!(is_password(text), expected, "{text}");
        }
        assert!(is_country("US") && is_country("de"));
        assert!(!is_country("U") && !is_country("U1") && !is_country("USA") && !is_country("Ü"));
        assert!(is_gender("M") && is_gender("F") && !is_gender("m") && !is_gender(""));
    }

    #[test]
    fn online_states() {
        for (text, expected) in [
            ("T", Some("T")),
            ("MT", Some("TM")),
            ("MPTT", Some("TPM")),
            ("F", Some("")),
            ("", Some("")),
            ("TF", None),
            ("t", None),
            ("X", None),
        ] {
            assert_eq!(online_status(text).as_deref(), expected, "{text}");
        }
    }
}
