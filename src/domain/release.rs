//! Which version of this program runs here, and since when.
//!
//! Owns the record. Does not know who is told.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::error::Result;
use crate::store::{Tx, keys};

/// This program's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The version that was started last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Of this program.
    pub version: String,
    /// When it was started first.
    pub since: Timestamp,
}

/// Notes that `version` starts, unless it was the last one to start.
pub async fn started(tx: &Tx, version: &str) -> Result<()> {
    let key = keys::release();
    let known: Option<Release> = tx.read(&key).await?;
    if known.is_some_and(|known| known.version == version) {
        return Ok(());
    }
    let release = Release {
        version: version.to_owned(),
        since: tx.now(),
    };
    tx.put(key, &release)
}

/// The version that was started last, once one was.
pub async fn current(tx: &Tx) -> Result<Option<Release>> {
    tx.read(&keys::release()).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Millis;
    use crate::domain::fixture::{NOW, World};

    #[tokio::test]
    async fn a_version_is_dated_by_its_first_start() {
        let world = World::new(0).await;
        let start = async |version| {
            let started = world.run(|tx| async move { started(&tx, version).await });
            started.await.unwrap();
            world.clock.set(world.clock.now().after(Millis::seconds(1)));
            current(&world.db.view()).await.unwrap().unwrap().since
        };
        assert_eq!(current(&world.db.view()).await.unwrap(), None);
        assert_eq!(start("1.0").await, NOW);
        assert_eq!(start("1.0").await, NOW);
        assert_eq!(start("1.1").await, NOW.after(Millis::seconds(2)));
        assert_eq!(start("1.0").await, NOW.after(Millis::seconds(3)));
    }
}
