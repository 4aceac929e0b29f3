//! What is searched of one entity, and what is looked for in it.
//!
//! Owns the compact form of an entity's searched texts, and how a needle meets one of them. Pure.
//! Does not know where entries are stored.
//!
//! ```text
//! field, 1 byte | bytes of the text, varint | START, the folded text, END
//! ```
//! The marks make a text that begins with something, or is it, one that contains something.

use super::block::{put_varint, take_varint};
use super::{Field, Match};
use crate::domain::words::fold;

/// Stands before a text.
pub const START: char = '\u{1}';
/// Stands behind a text.
pub const END: char = '\u{2}';
/// Characters that no text has.
const RESERVED: [char; 3] = ['\0', START, END];

/// What is searched of an entity: texts under their fields, several under one if need be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry(Vec<u8>);

impl Entry {
    /// The same with one more text; an empty one is nothing.
    #[must_use]
    pub fn with(mut self, field: Field, text: &str) -> Self {
        if text.is_empty() {
            return self;
        }
        let mut marked = String::with_capacity(text.len() + 2);
        marked.push(START);
        let folded = fold(text);
        marked.extend(
            folded
                .chars()
                .filter(|character| !RESERVED.contains(character)),
        );
        marked.push(END);
        self.0.push(field.0);
        put_varint(&mut self.0, marked.len() as u64);
        self.0.extend_from_slice(marked.as_bytes());
        self
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it has no text.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The texts of stored entries with their marks. None in place of what is damaged, at the end.
pub fn texts(mut bytes: &[u8]) -> impl Iterator<Item = Option<(u8, &str)>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let text = one_text(&mut bytes);
        if text.is_none() {
            bytes = &[];
        }
        Some(text)
    })
}

fn one_text<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a str)> {
    let (field, rest) = bytes.split_first()?;
    *bytes = rest;
    let length = usize::try_from(take_varint(bytes)?).ok()?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    let text = std::str::from_utf8(text).ok()?;
    // A field of 0 is the list of all ids, and a text without marks would be met by nothing.
    let is_sound = *field != 0 && text.starts_with(START) && text.ends_with(END);
    is_sound.then_some((*field, text))
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needle {
    fields: &'static [Field],
    text: String,
}

impl Needle {
    /// None if every entity meets it, or the index cannot tell: an empty text.
    pub fn new(fields: &'static [Field], how: Match, text: &str) -> Option<Self> {
        if text.is_empty() {
            return None;
        }
        let text = fold(text);
        let text = match how {
            // A mark in it would find the marks of others.
            _ if text.contains(RESERVED) => "\0".to_owned(),
            Match::Contained => text,
            Match::Prefix => format!("{START}{text}"),
            Match::Equal => format!("{START}{text}{END}"),
        };
        Some(Self { fields, text })
    }

    /// In these fields.
    pub fn fields(&self) -> &'static [Field] {
        self.fields
    }

    /// At most its first `CUT` characters, by which runs are searched.
    pub fn cut(&self) -> &str {
        cut(&self.text)
    }

    /// Whether runs are searched by all of it.
    pub fn is_exact(&self) -> bool {
        self.cut().len() == self.text.len()
    }

    /// Whether one of the texts of a stored entry has it. None if the entry is damaged.
    pub fn is_in(&self, entry: &[u8]) -> Option<bool> {
        for found in texts(entry) {
            let (field, text) = found?;
            if self.fields.contains(&Field(field)) && text.contains(&self.text) {
                return Some(true);
            }
        }
        Some(false)
    }
}

/// Characters of a posting.
const CUT: usize = 16;

/// The first characters of a text, as a posting keeps them.
pub fn cut(text: &str) -> &str {
    let end = text.char_indices().nth(CUT);
    end.map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Field = Field(1);
    const CITY: Field = Field(2);

    fn needle(how: Match, text: &str) -> Needle {
        Needle::new(&[NAME], how, text).unwrap()
    }

    #[test]
    fn needles_meet_texts() {
        use Match::{Contained, Equal, Prefix};
        let entry = Entry::default()
            .with(NAME, "Jane Smith")
            .with(NAME, "ÜNAL")
            .with(NAME, "")
            .with(CITY, "Springfield");
        for (how, text, expected) in [
            (Contained, "e s", true),
            (Contained, "E SMITH", true),
            (Contained, "ünal", true),
            (Contained, "smithü", false),
            (Contained, "spring", false),
            (Contained, "\u{1}", false),
            (Contained, "\0", false),
            (Prefix, "jane", true),
            (Prefix, "ane", false),
            (Prefix, "Ün", true),
            (Equal, "jane smith", true),
            (Equal, "jane", false),
            (Equal, "smith", false),
        ] {
            assert_eq!(
                needle(how, text).is_in(entry.bytes()),
                Some(expected),
                "{how:?} {text}"
            );
        }
        assert_eq!(Needle::new(&[NAME], Contained, ""), None);
        assert!(Entry::default().with(NAME, "").is_empty());
        let marks = Entry::default().with(NAME, "a\0\u{1}\u{2}b");
        assert_eq!(marks, Entry::default().with(NAME, "ab"));
    }

    #[test]
    fn the_cut_is_of_characters_and_exact_up_to_its_length() {
        let sixteen = "äbcdefghijklmnop";
        assert_eq!(cut(sixteen), sixteen);
        assert_eq!(cut(&format!("{sixteen}q")), sixteen);
        assert!(needle(Match::Contained, sixteen).is_exact());
        assert!(!needle(Match::Prefix, sixteen).is_exact());
        assert!(needle(Match::Equal, &sixteen[..15]).is_exact());
        assert!(!needle(Match::Equal, &sixteen[..16]).is_exact());
    }

    #[test]
    fn a_damaged_entry_is_told() {
        let sound = Entry::default().with(NAME, "jane");
        let bytes = sound.bytes();
        let needle = needle(Match::Contained, "x");
        assert_eq!(needle.is_in(bytes), Some(false));
        for end in 1..bytes.len() {
            assert_eq!(needle.is_in(&bytes[..end]), None, "{end}");
        }
        let mut other = bytes.to_vec();
        other[4] = 0xff;
        assert_eq!(needle.is_in(&other), None);
        other = bytes.to_vec();
        other[0] = 0;
        assert_eq!(needle.is_in(&other), None);
    }
}
