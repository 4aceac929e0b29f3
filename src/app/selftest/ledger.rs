//! What was acknowledged against what the consumers received.
//!
//! Owns the rules of the test: nothing missing, nothing repeated without a reason, the same ids
//! each time, strict order kept. Pure: deliveries and kills in, faults out. Does not know sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::id::MessageId;
use crate::store::Faults;

/// What may be repeated after a kill beside what was in flight: confirmed so shortly before.
const WINDOW: Duration = Duration::from_millis(20);
/// For the way of an answer, a slow disk and a busy machine, which an observer outside cannot tell
/// from the window. What is within it is no fault, and its age is told.
const SLACK: Duration = Duration::from_secs(1);

/// One delivery as a consumer answered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// When, since the test began.
    pub at: Duration,
    /// The batch's id.
    pub batch: String,
    /// The number in each message's data, and its id.
    pub messages: Vec<(u64, MessageId)>,
    /// It was answered with OK.
    pub confirmed: bool,
}

/// What a consumer received, one delivery after the other.
#[derive(Debug, Default)]
pub struct Received {
    /// Deliveries since the last settlement, of messages that were new then.
    deliveries: Vec<Delivery>,
    /// When each message was confirmed last.
    confirmed: BTreeMap<MessageId, Duration>,
    /// Every message.
    known: BTreeSet<MessageId>,
    /// Messages up to here were settled before; no more is remembered of them.
    settled: Option<MessageId>,
    /// Distinct messages since the beginning.
    pub distinct: u64,
    /// Messages that came again after they had been confirmed.
    pub repeated: u64,
    /// How long before a kill any of them had been confirmed at most, as seen from outside.
    pub oldest: Duration,
    /// Messages in confirmed deliveries, repetitions included.
    pub delivered: u64,
}

impl Received {
    /// Takes a delivery in. `kills`: when the daemon was killed so far, in rising order.
    pub fn take(&mut self, delivery: Delivery, kills: &[Duration], faults: &mut Faults) {
        for (_, id) in &delivery.messages {
            if self
                .settled
                .is_some_and(|settled| id.seq() <= settled.seq())
            {
                self.repeated += 1;
                faults.add(format!(
                    "{id} came again although it was settled long before"
                ));
                continue;
            }
            if let Some(before) = self.confirmed.get(id) {
                self.repeated += 1;
                let near = |kill: &&Duration| {
                    *before <= **kill + SLACK && **kill <= *before + WINDOW + SLACK
                };
                if let Some(kill) = kills.iter().find(near) {
                    self.oldest = self.oldest.max(kill.saturating_sub(*before));
                } else {
                    faults.add(format!(
                        "{id} came again {} ms after it was confirmed, without a kill in between \
                         that excuses it",
                        delivery.at.saturating_sub(*before).as_millis()
                    ));
                }
            }
            self.distinct += u64::from(self.known.insert(*id));
            if delivery.confirmed {
                self.delivered += 1;
                self.confirmed.insert(*id, delivery.at);
            }
        }
        self.deliveries.push(delivery);
    }

    /// An acknowledged message that was not confirmed yet.
    pub fn missing(&self, acknowledged: &BTreeMap<u64, MessageId>) -> Option<MessageId> {
        let mut ids = acknowledged.values();
        ids.find(|id| !self.confirmed.contains_key(*id)).copied()
    }

    /// Checks what came since the last settlement, and forgets it.
    pub fn settle(
        &mut self,
        acknowledged: &BTreeMap<u64, MessageId>,
        strict: bool,
        faults: &mut Faults,
    ) {
        self.check_ids(acknowledged, faults);
        if strict {
            self.check_order(faults);
        }
        self.settled = self.known.last().copied().or(self.settled);
        self.deliveries.clear();
        self.confirmed.clear();
        self.known.clear();
    }

    fn check_ids(&self, acknowledged: &BTreeMap<u64, MessageId>, faults: &mut Faults) {
        let mut ids: BTreeMap<u64, MessageId> = acknowledged.clone();
        let mut contents: BTreeMap<&str, &[(u64, MessageId)]> = BTreeMap::new();
        for delivery in &self.deliveries {
            for (number, id) in &delivery.messages {
                let known = *ids.entry(*number).or_insert(*id);
                if known != *id {
                    faults.add(format!("message {number} came as {id}, and is {known}"));
                }
            }
            let batch = delivery.batch.as_str();
            let content = contents.entry(batch).or_insert(&delivery.messages);
            if *content != delivery.messages {
                faults.add(format!("{batch} came with another content"));
            }
        }
    }

    /// No request may begin behind a message that was not confirmed before it.
    fn check_order(&self, faults: &mut Faults) {
        let all: Vec<MessageId> = self.known.iter().copied().collect();
        let mut settled = 0;
        for delivery in &self.deliveries {
            let ids = delivery.messages.iter();
            let places: Vec<usize> = ids
                .filter_map(|(_, id)| all.binary_search(id).ok())
                .collect();
            let in_a_row = places.windows(2).all(|pair| pair[0] + 1 == pair[1]);
            let (Some(first), Some(last)) = (places.first(), places.last()) else {
                continue;
            };
            if !in_a_row || *first > settled {
                faults.add(format!("{} came before its turn", delivery.batch));
            }
            if delivery.confirmed {
                settled = settled.max(last + 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::id::Seq;

    fn id(number: u64) -> MessageId {
        MessageId::new(Timestamp(1), Seq(number), 0)
    }

    fn delivery(at: u64, batch: &str, numbers: &[u64], confirmed: bool) -> Delivery {
        Delivery {
            at: Duration::from_millis(at),
            batch: batch.to_owned(),
            messages: numbers
                .iter()
                .map(|number| (*number, id(*number)))
                .collect(),
            confirmed,
        }
    }

    /// Takes deliveries with a kill at 5000 ms and gives the faults.
    fn judged(deliveries: &[Delivery], strict: bool) -> Vec<String> {
        let (mut received, mut faults) = (Received::default(), Faults::default());
        for delivery in deliveries {
            let kills = [Duration::from_secs(5)];
            received.take(delivery.clone(), &kills, &mut faults);
        }
        let acknowledged = BTreeMap::from([(1, id(1)), (2, id(2))]);
        if let Some(missing) = received.missing(&acknowledged) {
            faults.add(format!("{missing} is missing"));
        }
        received.settle(&acknowledged, strict, &mut faults);
        faults.named().to_vec()
    }

    #[test]
    fn what_the_promises_allow_is_no_fault() {
        for strict in [false, true] {
            let good = [
                delivery(10, "a", &[1, 2], false),
                delivery(4990, "a", &[1, 2], true),
                delivery(5500, "a", &[1, 2], true),
                delivery(5600, "b", &[3], true),
            ];
            assert_eq!(judged(&good, strict), Vec::<String>::new());
        }
    }

    #[test]
    fn every_broken_promise_is_a_fault() {
        let whole = delivery(10, "a", &[1, 2], true);
        let cases = [
            (vec![delivery(10, "a", &[1], true)], false, "is missing"),
            (
                vec![whole.clone(), delivery(900, "a", &[1, 2], true)],
                false,
                "came again",
            ),
            (
                vec![whole.clone(), delivery(5100, "a", &[1, 2], true)],
                false,
                "came again",
            ),
            (
                vec![
                    delivery(10, "a", &[1, 2], false),
                    delivery(20, "a", &[1], true),
                    whole.clone(),
                ],
                false,
                "another content",
            ),
            (
                vec![delivery(10, "b", &[2], true), delivery(20, "a", &[1], true)],
                true,
                "before its turn",
            ),
        ];
        for (deliveries, strict, expected) in cases {
            let faults = judged(&deliveries, strict);
            assert!(
                faults.iter().any(|fault| fault.contains(expected)),
                "{expected}: {faults:?}"
            );
        }
        let mut other = whole;
        other.messages[0].1 = id(9);
        assert!(
            judged(&[other], false)
                .iter()
                .any(|fault| fault.contains("and is"))
        );
    }
}
