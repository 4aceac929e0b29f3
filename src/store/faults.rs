//! What a check of a store found wrong.
//!
//! Owns the list and its bound: a store that is broken everywhere must not fill the memory with
//! sentences about it. Does not know what is checked.

/// Faults that are named; of more than these only the number is kept.
const MAX_NAMED: usize = 1000;

/// Faults in the order in which they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    named: Vec<String>,
    unnamed: u64,
}

impl Faults {
    /// Adds a fault, in a sentence.
    pub fn add(&mut self, text: impl Into<String>) {
        if self.named.len() < MAX_NAMED {
            self.named.push(text.into());
        } else {
            self.unnamed += 1;
        }
    }

    /// Adds everything that another check found.
    pub fn append(&mut self, other: Self) {
        self.unnamed += other.unnamed;
        for text in other.named {
            self.add(text);
        }
    }

    /// The first ones, in sentences.
    pub fn named(&self) -> &[String] {
        &self.named
    }

    /// How many there are in all.
    pub fn count(&self) -> u64 {
        self.named.len() as u64 + self.unnamed
    }

    /// Everything holds.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_ones_are_named() {
        let (mut faults, mut more) = (Faults::default(), Faults::default());
        faults.add("one");
        for number in 0..2 * MAX_NAMED {
            more.add(number.to_string());
        }
        faults.append(more);
        assert_eq!(faults.count(), 2 * MAX_NAMED as u64 + 1);
        assert_eq!(faults.named().len(), MAX_NAMED);
        assert_eq!(faults.named()[0], "one");
    }
}
