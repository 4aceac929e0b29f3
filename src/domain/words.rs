//! Texts that callers give (`protocols/transport.md` section 5, `protocols/domain.md` section 1).
//!
//! Owns what happens to control characters, how texts are compared, and the forms of an e-mail
//! address and of a color. Does not know which field a text is for.

/// Bytes of an e-mail address, and of what stands before its `@`.
const MAX_EMAIL: usize = 254;
const MAX_LOCAL: usize = 64;
/// The colors of a list or tag that was given none: of its letters and behind them.
pub const COLOR: &str = "FFFFFF";
/// Behind the letters.
pub const BG_COLOR: &str = "0000FF";

/// The text on one line: each run of control characters becomes one space, white space around it
/// goes. None if it holds U+0000.
pub fn single_line(raw: &str) -> Option<String> {
    if raw.contains('\0') {
        return None;
    }
    let mut text = String::with_capacity(raw.len());
    let mut in_run = false;
    for character in raw.chars() {
        let control = character.is_control();
        match (control, in_run) {
            (false, _) => text.push(character),
            (true, false) => text.push(' '),
            (true, true) => {}
        }
        in_run = control;
    }
    Some(text.trim().to_owned())
}

/// The text as it is, without control characters other than tab, line feed and carriage return.
/// None if it holds U+0000.
pub fn multi_line(raw: &str) -> Option<String> {
    if raw.contains('\0') {
        return None;
    }
    let kept =
        |character: &char| !character.is_control() || matches!(character, '\t' | '\n' | '\r');
    Some(raw.chars().filter(kept).collect())
}

/// Whether nothing is left of a value when it is read as a text. U+0000 is something, though wrong.
pub fn is_blank(value: &str) -> bool {
    let counts = |character: char| character == '\0' || !character.is_control();
    !value
        .chars()
        .any(|character| counts(character) && !character.is_whitespace())
}

/// The form in which names, usernames, tags and searched texts are compared.
pub fn fold(text: &str) -> String {
    // Letter by letter: a Greek sigma must not depend on what follows it.
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Whether the text is an e-mail address: one `@`, 1-64 characters without space or control before
/// it, at least two labels of letters, digits and hyphens behind it.
pub fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let is_plain = |character: char| !character.is_whitespace() && !character.is_control();
    let is_label = |label: &str| {
        let is_allowed = |character: char| character.is_alphanumeric() || character == '-';
        !label.is_empty() && label.chars().all(is_allowed)
    };
    text.len() <= MAX_EMAIL
        && (1..=MAX_LOCAL).contains(&local.chars().count())
        && local.chars().all(is_plain)
        && domain.contains('.')
        && domain.split('.').all(is_label)
}

/// A color as it is kept: six hex digits in upper case, without the `#` before them.
pub fn color(text: &str) -> Option<String> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let is_color = digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_color.then(|| digits.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_in_one_line_and_in_several() {
        assert_eq!(single_line(" x\t\r\ny\u{7} ").as_deref(), Some("x y"));
        assert_eq!(single_line("\n").as_deref(), Some(""));
        assert_eq!(single_line("x\0"), None);
        assert_eq!(
            multi_line(" x\t\r\ny\u{7}\u{85} ").as_deref(),
            Some(" x\t\r\ny ")
        );
        assert_eq!(multi_line("\0"), None);
    }

    #[test]
    fn colors_are_six_hex_digits() {
        for (text, expected) in [
            ("#00ff7F", Some("00FF7F")),
            ("00ff7f", Some("00FF7F")),
            ("##0ff7f", None),
            ("00ff7", None),
            ("00ff7g", None),
            ("", None),
        ] {
            assert_eq!(color(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn texts_are_folded_letter_by_letter() {
        assert_eq!(fold("ÄÖ ΟΔΟΣ"), "äö οδοσ");
        assert_eq!(fold("ΟΔΟΣ 1"), format!("{} 1", fold("ΟΔΟΣ")));
    }

    #[test]
    fn the_form_of_an_address() {
        let long = format!("{}@example.com", "x".repeat(65));
        let longest = format!("x@{}.com", "y".repeat(250));
        for (text, expected) in [
            ("jane@example.com", true),
            ("j+x_y.z@sub.example.co", true),
            ("jané@exämple.com", true),
            ("jane@example", false),
            ("jane@example.", false),
            ("jane@.com", false),
            ("@example.com", false),
            ("jane example@example.com", false),
            ("jane@ex@ample.com", false),
            ("jane@exa_mple.com", false),
            ("jane", false),
            (&long, false),
            (&longest, false),
        ] {
            assert_eq!(is_email(text), expected, "{text}");
        }
    }
}
