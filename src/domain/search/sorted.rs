//! The postings of some entities, sorted.
//!
//! Owns which postings an entry has, and their order. Pure. Memory: the entries and 16 bytes for
//! each of their characters. Does not know how postings are packed.

use bytes::Bytes;

use super::entry::{cut, texts};
use super::runs::ALL;

/// Where a posting is in the entries.
#[derive(Debug, Clone, Copy)]
struct Place {
    entry: u32,
    begin: u32,
    end: u32,
    field: u8,
}

/// Sorted postings of entries.
#[derive(Debug, Default)]
pub struct Sorted {
    entries: Vec<(u64, Bytes)>,
    places: Vec<Place>,
    at: usize,
    /// The current posting.
    pub term: Vec<u8>,
    /// The current posting.
    pub id: u64,
}

/// A number that is below the length of an entry.
fn short(number: usize) -> Option<u32> {
    u32::try_from(number).ok()
}

impl Sorted {
    /// The postings of entries, which come by id. The error is the id of one that is damaged.
    pub fn new(entries: Vec<(u64, Bytes)>) -> Result<Self, u64> {
        let mut places = Vec::new();
        for (number, (id, entry)) in entries.iter().enumerate() {
            add(&mut places, number, entry).ok_or(*id)?;
        }
        let term = |place: &Place| (place.field, slice(&entries, place), place.entry);
        places.sort_unstable_by(|one, other| term(one).cmp(&term(other)));
        places.dedup_by(|one, other| term(one) == term(other));
        Ok(Self {
            entries,
            places,
            ..Self::default()
        })
    }

    /// The entries, by id.
    pub fn entries(&self) -> &[(u64, Bytes)] {
        &self.entries
    }

    /// Goes on to the next posting. Whether there is one.
    pub fn advance(&mut self) -> bool {
        let Some(place) = self.places.get(self.at) else {
            return false;
        };
        self.at += 1;
        self.id = self.entries[place.entry as usize].0;
        self.term.clear();
        self.term.push(place.field);
        self.term.extend_from_slice(slice(&self.entries, place));
        true
    }
}

fn slice<'a>(entries: &'a [(u64, Bytes)], place: &Place) -> &'a [u8] {
    &entries[place.entry as usize].1[place.begin as usize..place.end as usize]
}

/// Adds the postings of one entry; none if it is damaged.
fn add(places: &mut Vec<Place>, number: usize, entry: &[u8]) -> Option<()> {
    let entry_number = short(number)?;
    let mut add = |field, begin, end| {
        places.push(Place {
            entry: entry_number,
            begin,
            end,
            field,
        });
    };
    add(ALL, 0, 0);
    for found in texts(entry) {
        let (field, text) = found?;
        let offset = text.as_ptr() as usize - entry.as_ptr() as usize;
        // Nothing begins with the mark at the end.
        for (at, _) in text[..text.len() - 1].char_indices() {
            let begin = short(offset + at)?;
            add(field, begin, begin + short(cut(&text[at..]).len())?);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::super::Field;
    use super::super::entry::Entry;
    use super::*;

    #[test]
    fn every_character_of_a_text_begins_a_posting() {
        let entry =
            |text: &str| Bytes::copy_from_slice(Entry::default().with(Field(7), text).bytes());
        let entries = vec![(5, entry("aba")), (9, entry("Ü")), (11, Bytes::new())];
        let mut sorted = Sorted::new(entries).unwrap();
        let mut found = Vec::new();
        while sorted.advance() {
            let text = String::from_utf8(sorted.term[1..].to_vec()).unwrap();
            found.push((sorted.term[0], text, sorted.id));
        }
        let expected = [
            (0, "", 5),
            (0, "", 9),
            (0, "", 11),
            (7, "\u{1}aba\u{2}", 5),
            (7, "\u{1}ü\u{2}", 9),
            (7, "a\u{2}", 5),
            (7, "aba\u{2}", 5),
            (7, "ba\u{2}", 5),
            (7, "ü\u{2}", 9),
        ];
        assert_eq!(
            found,
            expected.map(|(field, text, id)| (field, text.to_owned(), id))
        );
        let damaged = vec![(5, entry("x")), (6, Bytes::from_static(b"\x01"))];
        assert_eq!(Sorted::new(damaged).unwrap_err(), 6);
    }
}
