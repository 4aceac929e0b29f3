//! What is stored for searching, to who checks a store.
//!
//! Owns what each key of the index must be and which others it needs. Does not know the store.

use super::{block, entry, runs};
use crate::domain::layout;
use crate::id::AccountId;
use crate::store::{Key, keys};

/// Directories of the index.
pub const DIRECTORIES: [&str; 4] = ["search-block", "search-due", "search-fresh", "search-runs"];

/// The keys beside which a key of the index with these bytes must stand. The error says what is
/// wrong with it.
pub fn needs(key: &Key, bytes: &[u8]) -> Result<Vec<Key>, &'static str> {
    let mut parts = key.parts();
    let directory = parts.next().unwrap_or_default();
    let account = parts.next().and_then(|part| part.parse().ok());
    let account: AccountId = account.ok_or("it names no account")?;
    let kind = parts.next().unwrap_or_default();
    if !layout::SEARCHED.contains(&kind) {
        return Err("it names no kind that is searched");
    }
    match directory {
        "search-fresh" => {
            let id = keys::id_of(key).ok_or("it names no entity")?;
            if entry::texts(bytes).any(|text| text.is_none()) {
                return Err("it is no list of texts");
            }
            // What has no text any more may be erased.
            let owner = if bytes.is_empty() {
                keys::account(account)
            } else {
                keys::record(kind, account, id)
            };
            Ok(vec![owner])
        }
        "search-runs" => {
            let manifest: Result<runs::Manifest, _> = serde_json::from_slice(bytes);
            let manifest = manifest.map_err(|_| "it does not decode")?;
            let last = |run: &runs::Run| keys::run_block(kind, account, run.number, &run.end);
            let lasts = manifest.runs.iter().map(last);
            Ok(lasts.chain([keys::account(account)]).collect())
        }
        "search-block" => {
            let run = parts.next().unwrap_or_default();
            let run = u64::from_str_radix(run, 16).map_err(|_| "it names no run")?;
            let ends = block::check(bytes).map_err(|block::Damaged| "it is no block")?;
            if *key != keys::run_block(kind, account, run, &ends.last) {
                return Err("it is the block of another posting");
            }
            let before = ends.before;
            let before = before.map(|posting| keys::run_block(kind, account, run, &posting));
            let manifest = keys::search_runs(kind, account);
            Ok(before.into_iter().chain([manifest]).collect())
        }
        _ => Ok(vec![keys::account(account)]),
    }
}
