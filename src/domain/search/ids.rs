//! A set of integer ids.
//!
//! Owns a set that takes a bit for each id where ids are dense, and at most 600 bytes for one
//! that stands alone. Does not know whose ids they are.

use std::collections::BTreeMap;

/// Words of 64 ids that lie together.
const WORDS: usize = 64;
/// Ids that lie together.
const SPAN: u64 = 64 * WORDS as u64;

/// Ids, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdSet(BTreeMap<u64, Box<[u64; WORDS]>>);

/// Where a bit is: among which words, in which of them, and as a mask.
fn place(id: u64) -> (u64, usize, u64) {
    // Below 64, whatever the id.
    let word = usize::try_from(id % SPAN / 64).unwrap_or_default();
    (id / SPAN, word, 1 << (id % 64))
}

impl IdSet {
    /// Puts an id in. Whether it was not there before.
    pub fn insert(&mut self, id: u64) -> bool {
        let (chunk, word, mask) = place(id);
        let words = self.0.entry(chunk).or_insert_with(|| Box::new([0; WORDS]));
        let is_new = words[word] & mask == 0;
        words[word] |= mask;
        is_new
    }

    /// Whether the id is in it.
    pub fn contains(&self, id: u64) -> bool {
        let (chunk, word, mask) = place(id);
        let words = self.0.get(&chunk);
        words.is_some_and(|words| words[word] & mask != 0)
    }

    /// Whether less than a quarter of the ids from its first to its last are in it.
    pub fn is_sparse(&self) -> bool {
        let words = self.0.values().flat_map(|words| words.iter());
        let count: u64 = words.map(|bits| u64::from(bits.count_ones())).sum();
        let ends = self.at_or_after(0).zip(self.at_or_before(u64::MAX));
        ends.is_some_and(|(first, last)| count < (last - first) / 4)
    }

    /// Puts all ids of `other` in.
    pub fn extend(&mut self, other: &Self) {
        for (chunk, from) in &other.0 {
            let into = self.0.entry(*chunk).or_insert_with(|| Box::new([0; WORDS]));
            for (into, from) in into.iter_mut().zip(from.iter()) {
                *into |= from;
            }
        }
    }

    /// The least id that is not below `from`.
    pub fn at_or_after(&self, from: u64) -> Option<u64> {
        let (first, word, mask) = place(from);
        for (chunk, words) in self.0.range(first..) {
            let begin = if *chunk == first { word } else { 0 };
            for (number, bits) in words.iter().enumerate().skip(begin) {
                let is_cut = *chunk == first && number == word;
                let bits = if is_cut { bits & !(mask - 1) } else { *bits };
                if bits != 0 {
                    return Some(
                        chunk * SPAN + number as u64 * 64 + u64::from(bits.trailing_zeros()),
                    );
                }
            }
        }
        None
    }

    /// The greatest id that is not above `until`.
    pub fn at_or_before(&self, until: u64) -> Option<u64> {
        let (last, word, mask) = place(until);
        for (chunk, words) in self.0.range(..=last).rev() {
            let end = if *chunk == last { word } else { WORDS - 1 };
            for (number, bits) in words[..=end].iter().enumerate().rev() {
                let is_cut = *chunk == last && number == word;
                let bits = if is_cut {
                    bits & (mask | (mask - 1))
                } else {
                    *bits
                };
                if bits != 0 {
                    return Some(chunk * SPAN + number as u64 * 64 + u64::from(bits.ilog2()));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn it_is_a_set_in_both_directions() {
        let mut rng = fastrand::Rng::with_seed(3);
        for spread in [200, 20_000, u64::MAX] {
            let (mut ids, mut model) = (IdSet::default(), BTreeSet::new());
            for _ in 0..500 {
                let id = rng.u64(..=spread);
                assert_eq!(ids.insert(id), model.insert(id));
            }
            for id in [0, u64::MAX] {
                assert_eq!(ids.insert(id), model.insert(id));
            }
            for _ in 0..2_000 {
                let id = rng.u64(..=spread);
                assert_eq!(ids.contains(id), model.contains(&id));
                assert_eq!(ids.at_or_after(id), model.range(id..).next().copied());
                assert_eq!(
                    ids.at_or_before(id),
                    model.range(..=id).next_back().copied()
                );
            }
        }
    }

    #[test]
    fn sets_are_united() {
        let (mut one, mut other) = (IdSet::default(), IdSet::default());
        one.insert(1);
        other.insert(5000);
        one.extend(&other);
        assert!(one.contains(1) && one.contains(5000) && !one.contains(2));
        assert_eq!(other.at_or_before(4999), None);
        assert!(one.is_sparse() && !other.is_sparse() && !IdSet::default().is_sparse());
    }
}
