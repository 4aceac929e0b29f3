//! Messages acknowledged out of turn.
//!
//! Owns the order record that hands sequences to the relay
//! (`protocols/notifications.md` 1.6). Does not know what is pending: the relay does.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::id::{AccountId, EndpointId, JobId, Seq};
use crate::store::{Tx, keys};

/// An order to the relay: these messages need no delivery to this endpoint. The relay settles
/// those that are pending and removes the order in the same commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledge {
    /// Inclusive ranges, rising and apart from each other.
    pub seqs: Vec<(Seq, Seq)>,
}

/// Ranges acknowledged out of turn that are kept for one endpoint
/// (`protocols/command-api.md` 4.5).
pub const MAX_RANGES: usize = 10_000;
/// Orders that can wait for the relay: each has a range of its own at least.
const MAX_ORDERS: usize = MAX_RANGES;

/// Rising, inclusive ranges apart from each other, over all of `ranges`.
pub fn joined(mut ranges: Vec<(Seq, Seq)>) -> Vec<(Seq, Seq)> {
    ranges.sort_unstable();
    let mut joined: Vec<(Seq, Seq)> = Vec::with_capacity(ranges.len());
    for (first, end) in ranges {
        match joined.last_mut() {
            Some((_, last)) if last.next() >= first => *last = end.max(*last),
            _ => joined.push((first, end)),
        }
    }
    joined
}

/// What is ordered already and waits for the relay.
pub async fn waiting(tx: &Tx, account: AccountId, endpoint: EndpointId) -> Result<Vec<(Seq, Seq)>> {
    let orders = tx
        .read_range::<Acknowledge>(&keys::orders(account, endpoint), MAX_ORDERS)
        .await?;
    Ok(joined(
        orders
            .into_iter()
            .flat_map(|(_, order)| order.seqs)
            .collect(),
    ))
}

/// Orders `seqs`, which the endpoint admits, to be taken as delivered. Nothing is stored when
/// there are none; `Conflict` when more than [`MAX_RANGES`] would be kept out of turn.
pub async fn order(tx: &Tx, account: AccountId, endpoint: EndpointId, seqs: &[Seq]) -> Result<()> {
    let seqs = joined(seqs.iter().map(|seq| (*seq, *seq)).collect());
    if seqs.is_empty() {
        return Ok(());
    }
    let stored: Option<Vec<(Seq, Seq)>> = tx.read(&keys::acked(account, endpoint)).await?;
    let waiting = tx
        .read_range::<Acknowledge>(&keys::orders(account, endpoint), MAX_ORDERS)
        .await?;
    let mut all = stored.unwrap_or_default();
    all.extend(waiting.iter().flat_map(|(_, order)| &order.seqs));
    all.extend(&seqs);
    if waiting.len() == MAX_ORDERS || joined(all).len() > MAX_RANGES {
        return Err(Error::conflict(
            "More than 10000 ranges would be acknowledged out of turn; acknowledge the oldest \
             messages first",
        ));
    }
    let key = keys::order(account, endpoint, JobId::random(tx.entropy()));
    tx.put(key, &Acknowledge { seqs })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_where_they_touch() {
        let ranges = |pairs: &[(u64, u64)]| {
            let seqs = pairs.iter().map(|(first, last)| (Seq(*first), Seq(*last)));
            seqs.collect::<Vec<_>>()
        };
        for (given, expected) in [
            (
                vec![(5, 5), (1, 1), (2, 2), (9, 9), (3, 3), (2, 2)],
                vec![(1, 3), (5, 5), (9, 9)],
            ),
            (vec![(1, 9), (2, 3), (10, 12)], vec![(1, 12)]),
            (vec![(4, 6), (1, 2)], vec![(1, 2), (4, 6)]),
            (vec![], vec![]),
        ] {
            assert_eq!(joined(ranges(&given)), ranges(&expected), "{given:?}");
        }
    }
}
