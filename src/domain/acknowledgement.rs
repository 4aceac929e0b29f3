//! Messages acknowledged out of turn.
//!
//! Owns the order record that hands sequences to the relay
//! (`protocols/notifications.md` 1.6). Does not know what is pending: the relay does.

use serde::{Deserialize, Serialize};

use super::endpoint;
use crate::error::Result;
use crate::id::{AccountId, EndpointId, JobId, Seq};
use crate::store::{Tx, keys};

/// An order to the relay: these messages need no delivery to this endpoint. The relay settles
/// those that are pending and removes the order in the same commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledge {
    /// Inclusive ranges, rising and apart from each other.
    pub seqs: Vec<(Seq, Seq)>,
}

/// Rising, inclusive ranges over `seqs`.
pub fn ranges(mut seqs: Vec<Seq>) -> Vec<(Seq, Seq)> {
    seqs.sort_unstable();
    seqs.dedup();
    let mut ranges: Vec<(Seq, Seq)> = Vec::new();
    for seq in seqs {
        match ranges.last_mut() {
            Some((_, last)) if last.next() == seq => *last = seq,
            _ => ranges.push((seq, seq)),
        }
    }
    ranges
}

/// Orders `seqs` to be taken as delivered. Nothing is stored when there are none.
pub async fn order(
    tx: &Tx,
    account: AccountId,
    endpoint: EndpointId,
    seqs: Vec<Seq>,
) -> Result<()> {
    endpoint::load(tx, account, endpoint).await?;
    let seqs = ranges(seqs);
    if seqs.is_empty() {
        return Ok(());
    }
    let key = keys::order(account, endpoint, JobId::random(tx.entropy()));
    tx.put(key, &Acknowledge { seqs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_join_into_ranges() {
        let seqs = [5, 1, 2, 9, 3, 2].map(Seq).to_vec();
        let expected = vec![(Seq(1), Seq(3)), (Seq(5), Seq(5)), (Seq(9), Seq(9))];
        assert_eq!(ranges(seqs), expected);
        assert_eq!(ranges(Vec::new()), Vec::new());
    }
}
