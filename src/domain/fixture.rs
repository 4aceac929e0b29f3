//! A store in memory with one agency and one sub-account, for the tests of the domain.
//!
//! Owns how a test runs a transaction and reads what was appended. Does not know what is tested.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::account::{self, Account, Profile};
use super::sub_account;
use crate::clock::{Clock, Entropy, Timestamp};
use crate::error::Result;
use crate::id::{AccountId, Seq};
use crate::store::memory::MemoryStore;
use crate::store::{Database, Tx};

/// 2026-01-15T10:30:00Z.
pub const NOW: Timestamp = Timestamp(1_768_473_000_000);

pub struct World {
    pub db: Database,
    pub agency: AccountId,
    pub account: AccountId,
    seen: [AtomicU64; 2],
}

impl World {
    /// The sub-account has `credits`.
    pub async fn new(credits: u64) -> Self {
        let clock = Clock::manual(NOW);
        let store = Arc::new(MemoryStore::new());
        let db = Database::new(store, clock, Entropy::seeded(7));
        let agency = AccountId::from_number(1);
        let account = AccountId::from_number(2);
        let world = Self {
            db,
            agency,
            account,
            seen: Default::default(),
        };
        let profile = &Profile {
            email: "sub@agency.example".to_owned(),
            first_name: "Sue".to_owned(),
            ..Profile::default()
        };
        world
            .run(|tx| async move {
                account::create(&tx, agency, "Agency").await?;
                sub_account::create(&tx, agency, account, profile, credits).await
            })
            .await
            .unwrap();
        world.agency_told().await;
        world
    }

    pub async fn run<T, F, U>(&self, body: F) -> Result<T>
    where
        F: Fn(Tx) -> U,
        U: Future<Output = Result<T>> + Send,
    {
        self.db.transact(&[self.account, self.agency], body).await
    }

    pub async fn account(&self) -> Account {
        account::by_id(&self.db.view(), self.account).await.unwrap()
    }

    /// What was appended to the sub-account's log since the last look.
    pub async fn told(&self) -> Vec<(String, Value)> {
        self.log(self.account, &self.seen[0]).await
    }

    /// What was appended to the agency's log since the last look.
    pub async fn agency_told(&self) -> Vec<(String, Value)> {
        self.log(self.agency, &self.seen[1]).await
    }

    async fn log(&self, account: AccountId, seen: &AtomicU64) -> Vec<(String, Value)> {
        let from = Seq(seen.load(Ordering::SeqCst) + 1);
        let store = self.db.store();
        let page = store.read_log(account, from, 1000, 1 << 24).await.unwrap();
        let messages = page.messages.iter();
        let told: Vec<(String, Value)> = messages
            .map(|message| {
                let data = serde_json::from_slice(&message.data).unwrap();
                (message.event_type.to_string(), data)
            })
            .collect();
        seen.fetch_add(told.len() as u64, Ordering::SeqCst);
        told
    }
}

/// The types of what was told.
pub fn types(told: &[(String, Value)]) -> Vec<&str> {
    told.iter().map(|(name, _)| name.as_str()).collect()
}
