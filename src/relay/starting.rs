//! Which accounts' queues are not fully counted yet after a start.
//!
//! Owns the ends that the logs had at the start. What was accepted shortly before a crash is
//! counted by reading it, and until then a count says less than there is. Does not read.

use std::collections::BTreeMap;

use crate::id::{AccountId, Seq};

/// The accounts whose logs were not read yet to the end that they had at the start.
#[derive(Debug, Default)]
pub struct Starting(BTreeMap<AccountId, Seq>);

impl Starting {
    /// The account's log is to be read up to `end`.
    pub fn begin(&mut self, account: AccountId, end: Seq) {
        self.0.insert(account, end);
    }

    /// The account's log was read up to `through`.
    pub fn read(&mut self, account: AccountId, through: Seq) {
        if self.0.get(&account).is_some_and(|end| *end <= through) {
            self.0.remove(&account);
        }
    }

    /// Whether the account's queues are still being counted.
    pub fn contains(&self, account: AccountId) -> bool {
        self.0.contains_key(&account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_counted_once_its_log_was_read_to_the_end_it_had() {
        let [one, two] = [1, 2].map(AccountId::from_number);
        let mut starting = Starting::default();
        starting.begin(one, Seq(5000));
        starting.read(two, Seq(9));
        for (through, still) in [(1024, true), (4999, true), (5000, false), (6000, false)] {
            starting.read(one, Seq(through));
            assert_eq!(starting.contains(one), still, "{through}");
        }
        assert!(!starting.contains(two), "nothing was left unread");
    }
}
