//! The contract suite of the store.
//!
//! One list of tests, run against every implementation ([`contract`], [`model`]), and what only
//! the store on a disk can promise ([`disk`], [`failures`], [`salvage`]).

// The helpers of tests are tests too: what cannot be must end them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "store/bench.rs"]
mod bench;
#[path = "store/contract.rs"]
mod contract;
#[path = "store/disk.rs"]
mod disk;
#[path = "store/failures.rs"]
mod failures;
#[allow(dead_code)]
#[path = "power/load.rs"]
mod load;
#[path = "store/logs.rs"]
mod logs;
#[path = "store/model.rs"]
mod model;
#[path = "store/salvage.rs"]
mod salvage;

/// Runs each test against each store.
macro_rules! contract {
    ($($room:ident :: $test:ident),* $(,)?) => {
        mod memory_store {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$room::$test(super::bench::Kind::Memory).await;
            })*
        }
        mod sled_store {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$room::$test(super::bench::Kind::Sled).await;
            })*
        }
        mod sled_store_without_log_cache {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() {
                super::$room::$test(super::bench::Kind::SledUncached).await;
            })*
        }
    };
}

contract! {
    contract::a_refused_commit_leaves_nothing,
    contract::a_read_that_changed_is_a_conflict,
    contract::a_range_that_changed_is_a_conflict,
    contract::what_belongs_to_a_record_does_not_outlive_it,
    contract::changes_beyond_what_a_range_read_saw_are_no_conflict,
    contract::a_conflict_fails_what_was_built_on_it_and_nothing_else,
    contract::queued_writes_are_read_before_they_are_durable,
    contract::relaxed_commits_keep_their_place_and_are_answered,
    contract::values_of_every_length_come_back,
    contract::a_scan_sees_the_state_after_one_commit,
    contract::a_range_read_over_queued_deletes_holds,
    contract::empty_and_inverted_ranges_hold_nothing,
    logs::visible_means_durable,
    logs::sequences_have_no_gaps_under_concurrency,
    logs::a_sequence_out_of_turn_is_a_conflict,
    logs::the_feed_names_an_endpoint_with_or_before_the_message_after_it,
    logs::pages_end_by_count_and_by_bytes,
    logs::long_logs_and_long_messages_are_read_from_anywhere,
    logs::a_trimmed_log_keeps_its_end,
    model::random_operations_match_a_sorted_map,
}
