//! Records that are read again and again: API keys, logins, endpoints.
//!
//! Owns their copies in memory, so that finding a caller does not wait for a reader thread. A
//! copy is the stored value at every moment: the overlay stands before it while a change is
//! queued, and the change takes it away in the same turn in which it leaves the overlay. Does not
//! know what a record means.

use std::collections::HashMap;

use crate::store::{Key, Versioned};

/// Directories whose records are kept.
const KEPT: [&str; 3] = ["key/", "login/", "endpoint/"];
/// Bytes of copies: beyond it all are forgotten, and the next reads bring back what is in use.
const MAX_BYTES: usize = 8 << 20;
/// What a copy takes besides key and value, about.
const OVERHEAD: usize = 128;

/// Proof of when a read began: what it found is kept only if nothing changed since.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

/// The copies.
#[derive(Debug, Default)]
pub struct Recent {
    found: HashMap<Key, Versioned>,
    bytes: usize,
    /// Changes of kept records so far.
    changes: u64,
}

impl Recent {
    /// The stored value under `key`, if there is a copy of it.
    pub fn get(&self, key: &Key) -> Option<Versioned> {
        self.found.get(key).cloned()
    }

    /// To be taken before the disk is read.
    pub fn ticket(&self) -> Ticket {
        Ticket(self.changes)
    }

    /// Keeps what the disk said to the holder of `ticket`, unless it may have changed meanwhile.
    pub fn keep(&mut self, ticket: Ticket, key: &Key, found: &Versioned) {
        if ticket != self.ticket() || !is_kept(key) {
            return;
        }
        let size = key.as_str().len() + found.value.len() + OVERHEAD;
        if self.bytes + size > MAX_BYTES {
            self.clear();
        }
        if self.found.insert(key.clone(), found.clone()).is_none() {
            self.bytes += size;
        }
    }

    /// `key` was changed on the disk.
    pub fn changed(&mut self, key: &Key) {
        if !is_kept(key) {
            return;
        }
        self.changes += 1;
        if let Some(found) = self.found.remove(key) {
            self.bytes -= key.as_str().len() + found.value.len() + OVERHEAD;
        }
    }

    /// Forgets every copy and every read under way.
    pub fn clear(&mut self) {
        self.changes += 1;
        self.found.clear();
        self.bytes = 0;
    }
}

fn is_kept(key: &Key) -> bool {
    KEPT.iter().any(|prefix| key.as_str().starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::store::Version;

    fn key(name: &str) -> Key {
        Key::from_stored(name.to_owned())
    }

    fn value(version: u64, size: usize) -> Versioned {
        Versioned {
            version: Version(version),
            value: Bytes::from(vec![b'x'; size]),
        }
    }

    #[test]
    fn what_changed_while_it_was_read_is_not_kept() {
        let mut recent = Recent::default();
        let (one, other) = (key("key/1"), key("key/2"));
        let ticket = recent.ticket();
        recent.keep(ticket, &one, &value(1, 10));
        assert_eq!(recent.get(&one), Some(value(1, 10)));
        recent.changed(&one);
        assert_eq!(recent.get(&one), None);
        recent.keep(ticket, &one, &value(1, 10));
        assert_eq!(recent.get(&one), None, "the read began before the change");
        let ticket = recent.ticket();
        recent.changed(&key("batch/1"));
        recent.keep(ticket, &other, &value(2, 10));
        assert_eq!(
            recent.get(&other),
            Some(value(2, 10)),
            "other records change often and say nothing"
        );
        let ticket = recent.ticket();
        recent.clear();
        recent.keep(ticket, &other, &value(2, 10));
        assert_eq!(recent.get(&other), None);
    }

    #[test]
    fn only_some_records_are_kept_and_not_too_many() {
        let mut recent = Recent::default();
        recent.keep(recent.ticket(), &key("idem/1"), &value(1, 10));
        assert_eq!(recent.get(&key("idem/1")), None);
        for number in 0..10_000 {
            let name = key(&format!("endpoint/{number}"));
            recent.keep(recent.ticket(), &name, &value(number, 4096));
            assert!(recent.bytes <= MAX_BYTES);
            assert_eq!(recent.get(&name), Some(value(number, 4096)));
        }
        let names: Vec<Key> = recent.found.keys().cloned().collect();
        for name in names {
            recent.changed(&name);
        }
        assert_eq!(recent.bytes, 0);
    }
}
