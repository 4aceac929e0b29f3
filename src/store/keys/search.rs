//! Keys of what is searched.
//!
//! Owns their form. Does not know what is in entries, runs and blocks.

use super::{Key, KeyRange, hex};
use crate::id::AccountId;

/// `search-fresh/<account>/<kind>/<id>`.
pub fn fresh(kind: &str, account: AccountId, id: u64) -> Key {
    Key(format!("search-fresh/{account}/{kind}/{id:016x}"))
}

/// All fresh entries of a kind, by id.
pub fn all_fresh(kind: &str, account: AccountId) -> KeyRange {
    KeyRange::below(&format!("search-fresh/{account}/{kind}/"))
}

/// `search-runs/<account>/<kind>`.
pub fn search_runs(kind: &str, account: AccountId) -> Key {
    Key(format!("search-runs/{account}/{kind}"))
}

/// `search-block/<account>/<kind>/<run>/<last posting>`.
pub fn run_block(kind: &str, account: AccountId, run: u64, last: &[u8]) -> Key {
    let last = hex(last);
    Key(format!("search-block/{account}/{kind}/{run:016x}/{last}"))
}

/// All blocks of a run, by their last postings.
pub fn run_blocks(kind: &str, account: AccountId, run: u64) -> KeyRange {
    KeyRange::below(&format!("search-block/{account}/{kind}/{run:016x}/"))
}

/// The blocks of a run that can hold `from` or a posting behind it.
pub fn run_blocks_from(kind: &str, account: AccountId, run: u64, from: &[u8]) -> KeyRange {
    let mut range = run_blocks(kind, account, run);
    range.start = run_block(kind, account, run, from);
    range
}

/// `search-due/<account>/<kind>`.
pub fn search_due(kind: &str, account: AccountId) -> Key {
    Key(format!("search-due/{account}/{kind}"))
}

/// Every account and kind that is due.
pub fn all_search_due() -> KeyRange {
    KeyRange::below("search-due/")
}
