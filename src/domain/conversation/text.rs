//! What a conversation shows of its messages.
//!
//! Owns subjects and previews. Pure. Does not know where they are shown.

/// Characters of a subject that is taken from a message.
const SUBJECT: usize = 60;
/// Characters of a preview (`protocols/helpdesk-api.md` 1.5).
const PREVIEW: usize = 100;

/// The first characters of a message, on one line (`protocols/domain.md` 6.2).
pub fn subject(body: &str) -> String {
    shortened(body, SUBJECT)
}

/// The beginning of a message, without the tags of HTML.
pub fn preview(body: &str, is_html: bool) -> String {
    if is_html {
        shortened(&without_tags(body), PREVIEW)
    } else {
        shortened(body, PREVIEW)
    }
}

/// The first `most` characters, each run of white space or control characters as one space.
fn shortened(text: &str, most: usize) -> String {
    let gap = |character: char| character.is_whitespace() || character.is_control();
    let mut words = text.split(gap).filter(|word| !word.is_empty());
    let mut short = String::new();
    let mut left = most;
    while let Some(word) = words.next()
        && left > 0
    {
        if !short.is_empty() {
            short.push(' ');
            left -= 1;
        }
        let before = short.len();
        short.extend(word.chars().take(left));
        left -= short[before..].chars().count();
    }
    short.trim_end().to_owned()
}

/// A text with a space in the place of each tag.
fn without_tags(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut in_tag = false;
    for character in html.chars() {
        match character {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                text.push(' ');
            }
            _ if in_tag => {}
            _ => text.push(character),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_one_short_line() {
        assert_eq!(subject(" Hello\r\n\tJane \u{7} "), "Hello Jane");
        assert_eq!(subject(&"x".repeat(61)), "x".repeat(60));
        assert_eq!(subject(&"ä".repeat(61)), "ä".repeat(60));
        assert_eq!(subject(&format!("{} b", "a".repeat(59))), "a".repeat(59));
        assert_eq!(subject(""), "");
    }

    #[test]
    fn previews_have_no_tags() {
        assert_eq!(preview("<p>Hello <b>Jane</b></p>", true), "Hello Jane");
        assert_eq!(preview("1 < 2 > 1", false), "1 < 2 > 1");
        assert_eq!(preview("cut <here", true), "cut");
        assert_eq!(preview("a > b", true), "a > b");
        assert_eq!(preview(&"x ".repeat(200), false).chars().count(), 99);
    }
}
