//! What waits at an endpoint, by age.
//!
//! Owns the counting: sequences against the marks of the account's log, so that neither a message
//! nor a backlog is read. Does not know how the marks were found.

use super::batch::Batch;
use super::endpoint::Endpoint;
use crate::clock::Timestamp;
use crate::id::Seq;
use crate::live::{AgeMarks, Ages};

/// Counts of the four ages, the youngest first.
type Counts = [u64; 4];

impl Endpoint {
    /// The pending messages by age. `tail` is how far the log was read.
    pub(super) fn ages(&self, marks: &AgeMarks, tail: Seq) -> Ages {
        let open = self.batches.values();
        let open = count(open.flat_map(|batch| batch.state.ranges.pairs()), marks);
        let (above, exact) = self.ages_above(marks, tail);
        Ages { open, above, exact }
    }

    /// The lowest sequence that may be pending.
    pub(super) fn lowest_pending(&self) -> Option<Seq> {
        let above = (self.pending > 0).then(|| self.cursor.next());
        let open = self.batches.values().map(Batch::first);
        open.chain(above).min()
    }

    /// What is pending above the cursor, and whether that is exact.
    fn ages_above(&self, marks: &AgeMarks, tail: Seq) -> (Counts, bool) {
        let first = not_before(self.cursor.next(), self.oldest, marks);
        let acked = self.acked.pairs().iter();
        let acked = acked
            .map(|(low, high)| (*low.max(&first), *high.min(&tail)))
            .filter(|(low, high)| low <= high)
            .collect::<Vec<_>>();
        let log = count((first <= tail).then_some(&(first, tail)), marks);
        let acked = count(&acked, marks);
        let mut candidates = log;
        for (all, acked) in candidates.iter_mut().zip(acked) {
            *all -= acked;
        }
        share_out(self.pending, candidates)
    }
}

/// Where the pending messages begin at the earliest, given that none is older than `oldest`.
fn not_before(first: Seq, oldest: Option<Timestamp>, marks: &AgeMarks) -> Seq {
    let young = marks.first_younger.into_iter().zip(AgeMarks::AGES);
    let begins =
        young.filter(|(_, age)| oldest.is_some_and(|oldest| marks.at.since(oldest) < *age));
    begins.map(|(begin, _)| begin).fold(first, Seq::max)
}

/// How many sequences of these ranges have which age.
fn count<'a>(pairs: impl IntoIterator<Item = &'a (Seq, Seq)>, marks: &AgeMarks) -> Counts {
    let mut counts = [0; 4];
    for (first, last) in pairs {
        // From the oldest mark up: what lies below it and was not counted yet is of its age.
        let mut next = *first;
        for (index, mark) in marks.first_younger.iter().enumerate().rev() {
            let end = mark.0.min(last.0 + 1);
            counts[index + 1] += end.saturating_sub(next.0);
            next = next.max(Seq(end));
        }
        counts[0] += (last.0 + 1).saturating_sub(next.0);
    }
    counts
}

/// Of `candidates`, `pending` are pending, and which is not known: if they are all of them, or of
/// one age, the counts are exact; otherwise they are in proportion.
fn share_out(pending: u64, candidates: Counts) -> (Counts, bool) {
    let all: u64 = candidates.iter().sum();
    let mut shares = [0; 4];
    if pending >= all {
        // More than there can be is never pending; were it so, the rest would be new.
        shares = candidates;
        shares[0] += pending - all;
        return (shares, pending == all);
    }
    let (mut seen, mut given) = (0, 0);
    for (share, count) in shares.iter_mut().zip(candidates) {
        seen += count;
        let upto = u128::from(pending) * u128::from(seen) / u128::from(all);
        let upto = u64::try_from(upto).unwrap_or(pending);
        *share = upto - given;
        given = upto;
    }
    let of_one_age = candidates.iter().filter(|count| **count > 0).count() == 1;
    (shares, pending == 0 || of_one_age)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::schedule;
    use super::super::{
        Auth, BatchState, CursorState, Engine, Input, Order, Ranges, Settings, Spec, Stored,
    };
    use super::*;
    use crate::clock::Millis;
    use crate::id::{AccountId, BatchId, EndpointId};

    const ACCOUNT: AccountId = AccountId::from_number(1);
    const ENDPOINT: EndpointId = EndpointId::from_number(1);
    /// 1 to 10 are older than a day, 11 to 30 than an hour, 31 to 60 than a minute.
    const MARKS: AgeMarks = AgeMarks {
        at: Timestamp(1_000_000_000),
        first_younger: [Seq(61), Seq(31), Seq(11)],
    };

    /// An endpoint on hold with this cursor, so that everything stays as it was stored.
    fn ages(
        cursor: CursorState,
        batches: &[&[(u64, u64)]],
        acked: &[(u64, u64)],
    ) -> (Counts, bool) {
        let now = MARKS.at;
        let mut engine = Engine::new(Settings::default(), 1, now);
        let spec = Spec {
            account: ACCOUNT,
            endpoint: ENDPOINT,
            start: Seq(1),
            order: Order::OnHold,
            auth: Auth::NotNeeded,
            generation: 1,
            strict: false,
            thin: false,
            ignore_confirmation: false,
            standard: true,
            max_messages: 100,
            max_bytes: 1 << 18,
            schedule: schedule::Settings::default(),
            offered_since: now,
        };
        let ranges = |pairs: &[(u64, u64)]| {
            Ranges::from_pairs(pairs.iter().map(|(low, high)| (Seq(*low), Seq(*high))))
        };
        let batches = (1..).zip(batches).map(|(number, pairs)| BatchState {
            id: BatchId(number),
            job: None,
            ranges: ranges(pairs),
            bytes: 1,
            newest: now,
            attempts: 1,
            failures: 1,
            refusals: 0,
            due: now.after(Millis::seconds(60)),
            last_class: None,
            last_status: None,
        });
        let stored = Stored {
            batches: batches.collect(),
            jobs: Vec::new(),
            acked: ranges(acked),
            cursor: Some(cursor),
        };
        let mut actions = Vec::new();
        engine.handle(
            now,
            Input::Load(Box::new(spec), Box::new(stored)),
            &mut actions,
        );
        let marks = BTreeMap::from([(ACCOUNT, MARKS)]);
        let (now, ages) = engine.endpoints_by_age(now, &marks).remove(0);
        assert_eq!(ages.open.iter().sum::<u64>(), now.open_messages);
        assert_eq!(ages.counts().iter().sum::<u64>(), now.pending, "{ages:?}");
        for (first, age) in [(1, 3), (10, 3), (11, 2), (31, 1), (60, 1), (61, 0)] {
            assert_eq!(MARKS.age_of(Seq(first)), age, "{first}");
        }
        (ages.counts(), ages.exact)
    }

    /// Everything up to `cursor` is done, `pending` of what follows up to `seen` are admitted.
    fn cursor(cursor: u64, pending: u64, seen: u64) -> CursorState {
        CursorState {
            cursor: Seq(cursor),
            delivered: cursor,
            dead: 0,
            filtered: 0,
            pending,
            oldest: (pending > 0).then_some(Timestamp(0)),
            seen: Seq(seen),
            failing_since: None,
            suspended: None,
            suspensions: 0,
        }
    }

    fn exactly(minute: u64, hour: u64, day: u64, older: u64) -> (Counts, bool) {
        ([minute, hour, day, older], true)
    }

    #[test]
    fn a_backlog_of_everything_is_counted_by_arithmetic() {
        for (from, seen, expected) in [
            (0, 100, exactly(40, 30, 20, 10)),
            (5, 100, exactly(40, 30, 20, 5)),
            (10, 30, exactly(0, 0, 20, 0)),
            (35, 60, exactly(0, 25, 0, 0)),
            (60, 100, exactly(40, 0, 0, 0)),
            (100, 100, exactly(0, 0, 0, 0)),
        ] {
            let found = ages(cursor(from, seen - from, seen), &[], &[]);
            assert_eq!(found, expected, "{from} to {seen}");
        }
    }

    #[test]
    fn open_batches_count_message_by_message_beside_the_backlog() {
        let found = ages(cursor(60, 0, 60), &[&[(5, 12), (40, 40)], &[(58, 60)]], &[]);
        assert_eq!(found, exactly(0, 4, 2, 6));
        let found = ages(cursor(60, 5, 65), &[&[(30, 31)]], &[]);
        assert_eq!(found, exactly(5, 1, 1, 0));
    }

    #[test]
    fn what_was_acknowledged_out_of_turn_is_not_counted() {
        let found = ages(cursor(0, 90, 100), &[], &[(5, 12), (99, 100)]);
        assert_eq!(found, exactly(38, 30, 18, 4));
    }

    #[test]
    fn behind_a_filter_the_counts_are_shares_of_what_is_pending() {
        let found = ages(cursor(0, 10, 100), &[], &[]);
        assert_eq!(found, ([4, 3, 2, 1], false));
        // Whatever is left over by the division, the shares stay within their ages.
        for pending in 1..100 {
            let found = ages(cursor(0, pending, 100), &[], &[]);
            let ([_, hour, day, older], exact) = found;
            assert!(!exact && older <= 10 && day <= 20 && hour <= 30);
        }
    }

    #[test]
    fn behind_a_filter_the_oldest_message_or_one_age_can_tell() {
        // Nothing above the cursor has another age.
        assert_eq!(ages(cursor(60, 3, 100), &[], &[]), exactly(3, 0, 0, 0));
        assert_eq!(ages(cursor(12, 3, 30), &[], &[]), exactly(0, 0, 3, 0));
        // The oldest pending message is younger than a minute, whatever else the log holds.
        let young = CursorState {
            oldest: Some(Timestamp(MARKS.at.0 - 59_999)),
            ..cursor(0, 3, 100)
        };
        assert_eq!(ages(young, &[], &[]), exactly(3, 0, 0, 0));
        let hours = CursorState {
            oldest: Some(Timestamp(MARKS.at.0 - 60_000)),
            ..cursor(0, 3, 60)
        };
        assert_eq!(ages(hours, &[], &[]), exactly(0, 3, 0, 0));
    }
}
