//! Sets of sequence numbers as sorted ranges.
//!
//! Owns [`Ranges`]: which messages a batch holds, which were acknowledged out of turn. Does not
//! know what a sequence stands for.

use crate::id::Seq;

/// Sequence numbers as inclusive ranges, in rising order, neither overlapping nor touching.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Ranges(Vec<(Seq, Seq)>);

impl Ranges {
    /// The set of `seqs`, which may come in any order.
    pub fn of(seqs: impl IntoIterator<Item = Seq>) -> Self {
        let mut set = Self::default();
        for seq in seqs {
            set.insert(seq, seq);
        }
        set
    }

    /// The set of these ranges, which may come in any order and overlap.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (Seq, Seq)>) -> Self {
        let mut set = Self::default();
        for (first, last) in pairs {
            set.insert(first, last);
        }
        set
    }

    /// The ranges.
    pub fn pairs(&self) -> &[(Seq, Seq)] {
        &self.0
    }

    /// How many sequence numbers.
    pub fn count(&self) -> u64 {
        self.0
            .iter()
            .map(|(first, last)| last.0 - first.0 + 1)
            .sum()
    }

    /// No sequence number at all.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The lowest.
    pub fn first(&self) -> Option<Seq> {
        self.0.first().map(|(first, _)| *first)
    }

    /// The highest.
    pub fn last(&self) -> Option<Seq> {
        self.0.last().map(|(_, last)| *last)
    }

    /// Every sequence number in rising order.
    pub fn iter(&self) -> impl Iterator<Item = Seq> {
        self.0
            .iter()
            .flat_map(|(first, last)| (first.0..=last.0).map(Seq))
    }

    /// Whether `seq` is in the set.
    pub fn contains(&self, seq: Seq) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= seq);
        after > 0 && self.0[after - 1].1 >= seq
    }

    /// Adds every number from `first` to `last`.
    pub fn insert(&mut self, first: Seq, last: Seq) {
        if first > last {
            return;
        }
        // The ranges that overlap or touch the new one become part of it.
        let begin = self.0.partition_point(|(_, end)| end.next() < first);
        let end = self.0.partition_point(|(start, _)| *start <= last.next());
        let mut merged = (first, last);
        if begin < end {
            merged = (first.min(self.0[begin].0), last.max(self.0[end - 1].1));
        }
        self.0.splice(begin..end.max(begin), [merged]);
    }

    /// Takes `seq` out. False when it was not in.
    pub fn remove(&mut self, seq: Seq) -> bool {
        let after = self.0.partition_point(|(first, _)| *first <= seq);
        let Some(index) = after.checked_sub(1) else {
            return false;
        };
        let (first, last) = self.0[index];
        if last < seq {
            return false;
        }
        let mut left = Vec::with_capacity(2);
        if first < seq {
            left.push((first, seq.previous()));
        }
        if seq < last {
            left.push((seq.next(), last));
        }
        self.0.splice(index..=index, left);
        true
    }

    /// Takes every number up to and including `through` out.
    pub fn remove_through(&mut self, through: Seq) {
        let gone = self.0.partition_point(|(_, last)| *last <= through);
        self.0.drain(..gone);
        if let Some((first, _)) = self.0.first_mut()
            && *first <= through
        {
            *first = through.next();
        }
    }

    /// The lower half and the upper half; the lower one has the extra number.
    pub fn split(&self) -> (Self, Self) {
        let lower = self.count().div_ceil(2);
        let (mut low, mut high) = (Self::default(), Self::default());
        for (index, seq) in (0_u64..).zip(self.iter()) {
            let half = if index < lower { &mut low } else { &mut high };
            half.insert(seq, seq);
        }
        (low, high)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn ranges_behave_as_a_set_of_numbers() {
        let mut rng = fastrand::Rng::with_seed(7);
        for _ in 0..200 {
            let (mut ranges, mut model) = (Ranges::default(), BTreeSet::new());
            for _ in 0..40 {
                let first = rng.u64(1..60);
                if rng.bool() {
                    let last = first + rng.u64(0..6);
                    ranges.insert(Seq(first), Seq(last));
                    model.extend(first..=last);
                } else {
                    assert_eq!(ranges.remove(Seq(first)), model.remove(&first));
                }
                assert_eq!(
                    ranges.iter().map(|seq| seq.0).collect::<BTreeSet<_>>(),
                    model
                );
                assert_eq!(ranges.count(), model.len() as u64);
                assert_eq!(ranges.contains(Seq(first)), model.contains(&first));
                let apart = ranges
                    .pairs()
                    .windows(2)
                    .all(|pair| pair[0].1.0 + 1 < pair[1].0.0);
                assert!(apart, "{ranges:?}");
                let mut rest = ranges.clone();
                rest.remove_through(Seq(first));
                assert!(
                    rest.iter()
                        .map(|seq| seq.0)
                        .eq(model.range(first + 1..).copied())
                );
                let (low, high) = ranges.split();
                assert!(low.count() - high.count() <= 1);
                assert_eq!(
                    low.iter()
                        .chain(high.iter())
                        .map(|seq| seq.0)
                        .collect::<Vec<_>>(),
                    model.iter().copied().collect::<Vec<_>>()
                );
            }
        }
    }
}
