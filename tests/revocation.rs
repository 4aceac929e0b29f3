//! A revoked key is not served once its revocation was answered, however busy the store is.

// What is set up for a test fails like the test itself.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hookrelay::auth::caller::{Callers, Secrets};
use hookrelay::auth::credentials::digest;
use hookrelay::auth::seal::Sealer;
use hookrelay::auth::sitecom_token::Validity;
use hookrelay::auth::vault::Vault;
use hookrelay::clock::{Clock, Entropy};
use hookrelay::domain::api_key::{self, NewKey};
use hookrelay::id::AccountId;
use hookrelay::store::Database;
use hookrelay::store::sled::{Settings, SledStore};

const ACCOUNT: AccountId = AccountId::from_number(1);
const ROUNDS: u64 = 60;
const CALLERS: usize = 4;
/// Only a test that hangs takes so long.
const PATIENCE: Duration = Duration::from_mins(2);

fn key_of(round: u64) -> String {
    format!("key-of-round-{round:020}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_key_ends_with_the_answer_to_its_revocation() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        ballast: 0,
        ..Settings::default()
    };
    let store = SledStore::open(folder.path(), settings, Clock::system()).unwrap();
    let db = Database::new(Arc::new(store), Clock::system(), Entropy::seeded(1));
    let sealer = Sealer::from_file(&folder.path().join("seal"), Entropy::system()).unwrap();
    let vault = Vault::new(Arc::new(sealer), Entropy::system(), Validity::default());
    let secrets: Arc<dyn Secrets> = Arc::new(vault);
    let callers = Arc::new(Callers::new(db.clone(), secrets).unwrap());

    // Round n's key: made when `made` reaches n, revoked for good when `revoked` does.
    let (made, revoked) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let served = Arc::new(AtomicU64::new(0));
    let busy: Vec<_> = (0..CALLERS)
        .map(|_| {
            let (callers, made) = (callers.clone(), made.clone());
            let (revoked, served) = (revoked.clone(), served.clone());
            tokio::spawn(async move {
                while revoked.load(Ordering::SeqCst) < ROUNDS {
                    let round = made.load(Ordering::SeqCst).max(1);
                    let over = revoked.load(Ordering::SeqCst) >= round;
                    let found = callers.api_key(&key_of(round)).await.unwrap();
                    assert!(!(over && found.is_some()), "served after its revocation");
                    if found.is_some() {
                        served.fetch_max(round, Ordering::SeqCst);
                    }
                }
            })
        })
        .collect();
    let rounds = rounds(&db, &callers, &made, &revoked, &served);
    tokio::time::timeout(PATIENCE, rounds).await.unwrap();
    for caller in busy {
        caller.await.unwrap();
    }
}

/// Makes a key, waits until it is served, revokes it, over and over.
async fn rounds(
    db: &Database,
    callers: &Callers,
    made: &AtomicU64,
    revoked: &AtomicU64,
    served: &AtomicU64,
) {
    for round in 1..=ROUNDS {
        let hash = &digest(&key_of(round));
        let key = db
            .transact(&[ACCOUNT], |tx| async move {
                api_key::create(&tx, ACCOUNT, hash, &NewKey::default()).await
            })
            .await
            .unwrap();
        made.store(round, Ordering::SeqCst);
        // In use, so that there is something to forget.
        while served.load(Ordering::SeqCst) < round {
            tokio::task::yield_now().await;
        }
        db.transact(&[ACCOUNT], |tx| async move {
            api_key::revoke(&tx, ACCOUNT, key.id).await
        })
        .await
        .unwrap();
        revoked.store(round, Ordering::SeqCst);
        assert!(callers.api_key(&key_of(round)).await.unwrap().is_none());
    }
}
