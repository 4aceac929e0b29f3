//! What changed lately becomes runs of the search index, beside everything else.
//!
//! Owns the rounds. Does not know what a run is.

use std::time::Duration;

use super::handle::Handle;
use crate::domain::search::build;
use crate::store::Database;

/// Pause between two rounds without work.
const ROUND: Duration = Duration::from_secs(1);

/// Rounds until the relay is gone.
pub async fn run(database: Database, relay: Handle) {
    while !relay.is_over() {
        match build::round(&database, &build::SIZES, &|| !relay.is_over()).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(%error, "the search index is not built now"),
        }
        tokio::time::sleep(ROUND).await;
    }
}
