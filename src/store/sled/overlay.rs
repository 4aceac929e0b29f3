//! Laying newer values over older ones.
//!
//! Owns the one merge that reads and checks share. Does not know where either side comes from.

use std::collections::BTreeMap;

use crate::store::{Key, KeyRange};

/// The first `limit` keys of `range` once `newer` (none = deleted) lies over `older`. Right as
/// long as `older` holds its first `limit` keys of the range and as many more as `newer` deletes.
pub fn laid_over<T>(
    older: Vec<(Key, T)>,
    newer: BTreeMap<Key, Option<T>>,
    range: &KeyRange,
    limit: usize,
) -> Vec<(Key, T)> {
    if newer.is_empty() {
        return older.into_iter().take(limit).collect();
    }
    let mut merged: BTreeMap<Key, T> = older.into_iter().collect();
    for (key, value) in newer {
        match value {
            Some(value) => merged.insert(key, value),
            None => merged.remove(&key),
        };
    }
    if range.newest_first {
        merged.into_iter().rev().take(limit).collect()
    } else {
        merged.into_iter().take(limit).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::from_stored(format!("d/{name}"))
    }

    fn merged(older: &[&str], newest_first: bool, limit: usize) -> Vec<(Key, u8)> {
        let mut range = KeyRange::below("d/");
        range.newest_first = newest_first;
        let older = older.iter().map(|name| (key(name), 1)).collect();
        let newer = BTreeMap::from([(key("b"), None), (key("c"), Some(2)), (key("e"), Some(2))]);
        laid_over(older, newer, &range, limit)
    }

    #[test]
    fn newer_values_replace_delete_and_add_in_both_directions() {
        assert_eq!(
            merged(&["a", "b", "c"], false, 3),
            [(key("a"), 1), (key("c"), 2), (key("e"), 2)]
        );
        assert_eq!(
            merged(&["d", "c", "b"], true, 2),
            [(key("e"), 2), (key("d"), 1)]
        );
    }

    #[test]
    fn nothing_newer_leaves_the_older_side_as_it_came() {
        let range = KeyRange::below("d/");
        let older = vec![(key("b"), 1), (key("c"), 1)];
        let left = laid_over(older, BTreeMap::new(), &range, 1);
        assert_eq!(left, [(key("b"), 1)]);
    }
}
