//! Tests of the queue: what stands, what falls, and when a group is due.

use std::sync::Arc;

use super::super::redo::PIECE;
use super::*;
use crate::clock::Timestamp;
use crate::id::MessageId;
use crate::store::{Append, Message, Receipt, Targets, keys};

const A: AccountId = AccountId::from_number(1);
const B: AccountId = AccountId::from_number(2);

fn front() -> Front {
    let limits = Limits {
        max_disk: 1 << 30,
        max_account_disk: 1 << 20,
        max_queue: 1 << 24,
        file: 0,
        live: 0,
        ballast_spent: false,
    };
    Front::new(Version(10), limits, Tail::new(1 << 20))
}

fn commit(accounts: &[AccountId], durability: Durability) -> Commit {
    Commit {
        accounts: accounts.to_vec(),
        reads: vec![],
        ranges: vec![],
        present: vec![],
        writes: vec![],
        appends: vec![],
        durability,
        essential: false,
    }
}

fn put(account: AccountId, value: &'static str) -> Commit {
    let mut commit = commit(&[account], Durability::Durable);
    commit.writes = vec![Write::Put(keys::account(A), value.into())];
    commit
}

fn append(account: AccountId, seq: u64) -> Commit {
    let mut commit = commit(&[account], Durability::Durable);
    let message = Message {
        id: MessageId::new(Timestamp(seq), Seq(seq), 0),
        event_type: "t".into(),
        targets: Targets::All,
        data: "{}".into(),
    };
    commit.appends = vec![Append {
        account,
        message: Arc::new(message),
    }];
    commit
}

fn submit(front: &mut Front, commit: Commit) -> Result<Receipt, CommitError> {
    let (answer, receipt) = Receipt::new();
    match front.submit(commit, answer) {
        Ok(()) => Ok(receipt),
        Err((_, error)) => Err(error),
    }
}

fn value(front: &Front) -> Option<(Version, Option<Bytes>)> {
    front.get(&keys::account(A))
}

#[test]
fn a_commit_that_is_taken_back_uncovers_the_one_before() {
    let mut front = front();
    submit(&mut front, put(A, "first")).unwrap();
    submit(&mut front, put(B, "second")).unwrap();
    assert_eq!(value(&front), Some((Version(12), Some("second".into()))));
    let mut group = front.take_group(usize::MAX);
    let failed = group.pop().unwrap();
    assert!(front.take_back(&[failed], BTreeSet::from([B])).is_empty());
    assert_eq!(value(&front), Some((Version(11), Some("first".into()))));
    front.settle(&group, []);
    assert_eq!(value(&front), None);
    assert_eq!(front.waiting(), (0, 0));
}

#[test]
fn what_follows_a_failed_commit_on_its_accounts_fails_too() {
    let mut front = front();
    front.learn(A, LogState::default());
    submit(&mut front, append(A, 1)).unwrap();
    let group = front.take_group(usize::MAX);
    submit(&mut front, append(B, 1)).unwrap();
    let both = commit(&[A, B], Durability::Relaxed);
    submit(&mut front, both).unwrap();
    submit(&mut front, append(B, 2)).unwrap();
    submit(&mut front, append(A, 2)).unwrap();
    let other = commit(&[], Durability::Durable);
    submit(&mut front, other).unwrap();
    let behind = front.take_back(&group, BTreeSet::from([A]));
    let versions: Vec<_> = behind.iter().map(|queued| queued.version.0).collect();
    assert_eq!(versions, [13, 14, 15], "the first on B and the other stand");
    assert_eq!(front.head(A), Some(Head::default()));
    assert_eq!(front.head(B).map(|head| head.last), Some(Seq(1)));
    assert_eq!(front.ready(), Ready::Now);
    assert_eq!(front.take_group(usize::MAX).len(), 2);
    assert_eq!(front.ready(), Ready::Idle);
}

#[test]
fn sequences_and_queued_versions_are_checked_at_once() {
    let mut front = front();
    submit(&mut front, append(A, 7)).expect("the head is not known, the writer checks");
    assert_eq!(
        submit(&mut front, append(A, 7)).unwrap_err(),
        CommitError::Conflict
    );
    assert_eq!(
        submit(&mut front, append(A, 9)).unwrap_err(),
        CommitError::Conflict
    );
    submit(&mut front, append(A, 8)).unwrap();
    submit(&mut front, put(A, "x")).unwrap();
    let mut reader = put(A, "y");
    reader.reads = vec![(keys::account(A), None)];
    assert_eq!(
        submit(&mut front, reader.clone()).unwrap_err(),
        CommitError::Conflict
    );
    reader.reads = vec![(keys::account(A), Some(Version(13)))];
    submit(&mut front, reader).unwrap();
}

#[test]
fn relaxed_commits_wait_for_a_durable_one_or_their_time() {
    let mut front = front();
    assert_eq!(front.ready(), Ready::Idle);
    submit(&mut front, commit(&[A], Durability::Relaxed)).unwrap();
    assert!(matches!(front.ready(), Ready::After(left) if left <= RELAXED_WAIT));
    submit(&mut front, put(A, "x")).unwrap();
    assert_eq!(front.ready(), Ready::Now);
    assert_eq!(front.take_group(usize::MAX).len(), 2);
    submit(&mut front, commit(&[A], Durability::Relaxed)).unwrap();
    front.mode = Mode::Closed;
    assert_eq!(front.ready(), Ready::Now, "closing waits for nothing");
}

#[test]
fn groups_end_at_their_bounds_and_a_large_commit_goes_alone() {
    let mut front = front();
    for _ in 0..=GROUP_COMMITS {
        submit(&mut front, commit(&[], Durability::Durable)).unwrap();
    }
    assert_eq!(front.take_group(usize::MAX).len(), GROUP_COMMITS);
    assert_eq!(front.take_group(usize::MAX).len(), 1);
    let large: &'static str = "x".repeat(PIECE).leak();
    for value in ["x", large, "x"] {
        let mut large = put(A, value);
        large.essential = true;
        submit(&mut front, large).unwrap();
    }
    let groups: Vec<_> = (0..4).map(|_| front.take_group(PIECE).len()).collect();
    assert_eq!(groups, [1, 1, 1, 0]);
}

#[test]
fn after_a_reset_nothing_is_known_and_no_version_comes_again() {
    let mut front = front();
    front.learn(A, LogState::default());
    submit(&mut front, append(A, 1)).unwrap();
    submit(&mut front, put(A, "x")).unwrap();
    let (waiting, _) = front.reset();
    assert_eq!(waiting.len(), 2);
    assert_eq!((value(&front), front.head(A)), (None, None));
    let closed = submit(&mut front, put(A, "x")).unwrap_err();
    assert_eq!(closed, CommitError::Unavailable);
    front.reopen(Version(11));
    submit(&mut front, put(A, "y")).unwrap();
    assert_eq!(value(&front).map(|(version, _)| version), Some(Version(13)));
    assert_eq!((front.generation, front.waiting().0), (1, 1));
}

#[test]
fn an_account_over_its_share_is_refused_and_named() {
    let mut front = front();
    let state = LogState {
        bytes: (1 << 20) - 10,
        ..LogState::default()
    };
    front.learn(A, state);
    assert_eq!(
        submit(&mut front, append(A, 1)).unwrap_err(),
        CommitError::Full
    );
    let mut essential = append(A, 1);
    essential.essential = true;
    submit(&mut front, essential).unwrap();
    submit(&mut front, append(B, 1)).unwrap();
    assert_eq!(front.pressed(), [A]);
}
