//! Passwords of users: hashed and compared with Argon2id.
//!
//! Owns the cost, and how much of the machine passwords may take: one hash for each core at a
//! time, a bounded queue behind them. Does not know users, nor the rules for a good password.

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::clock::Entropy;
use crate::domain::user::PasswordHash;
use crate::error::{Error, Result};

/// Hashes at a time whatever the machine: each takes 19 MiB.
const MAX_SLOTS: usize = 8;
/// Calls that wait for a slot.
const MAX_WAITING: usize = 256;
/// How long one waits.
const PATIENCE: Duration = Duration::from_secs(5);
/// Compared when there is no hash, so that the answer takes as long. No password has it.
const DECOY: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA\
                     $AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Hashes and compares passwords.
#[derive(Debug)]
pub struct Passwords {
    slots: Arc<Semaphore>,
    waiting: Semaphore,
    entropy: Entropy,
}

impl Passwords {
    /// Salts come from `entropy`.
    pub fn new(entropy: Entropy) -> Self {
        let cores = available_parallelism().map_or(1, usize::from);
        Self {
            slots: Arc::new(Semaphore::new(cores.min(MAX_SLOTS))),
            waiting: Semaphore::new(MAX_WAITING),
            entropy,
        }
    }

    /// A fresh hash of the password.
    pub async fn hash(&self, password: &str) -> Result<PasswordHash> {
        let (password, salt) = (secret(password), self.entropy.bytes::<16>());
        let hashed = self
            .work(move || Argon2::default().hash_password_with_salt(password.as_bytes(), &salt));
        match hashed.await? {
            Ok(hash) => Ok(PasswordHash(hash.to_string())),
            Err(error) => {
                tracing::error!(%error, "a password cannot be hashed");
                Err(Error::internal())
            }
        }
    }

    /// Whether the password is the one that was hashed. Without a hash it never is, and takes as
    /// long.
    pub async fn is_right(&self, password: &str, hash: Option<&PasswordHash>) -> Result<bool> {
        let is_known = hash.is_some();
        let hash = hash.map_or_else(|| DECOY.to_owned(), |hash| hash.0.clone());
        let password = secret(password);
        let equal = self.work(move || {
            let compared = Argon2::default().verify_password(password.as_bytes(), hash.as_str());
            compared.is_ok()
        });
        Ok(equal.await? && is_known)
    }

    /// Runs `job` on a thread of its own when there is a slot for it. A job whose caller has gone
    /// keeps its slot to its end.
    async fn work<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let busy = || Error::unavailable("Too many passwords are being checked; try again");
        let place = self.waiting.try_acquire().map_err(|_| busy())?;
        let slot = timeout(PATIENCE, self.slots.clone().acquire_owned()).await;
        let slot = slot.map_err(|_| busy())?.map_err(|_| Error::internal())?;
        drop(place);
        let done = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            job()
        });
        done.await.map_err(|_| {
            tracing::error!("hashing a password panicked");
            Error::internal()
        })
    }
}

fn secret(password: &str) -> Zeroizing<String> {
    Zeroizing::new(password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_password_itself_is_right() {
        let passwords = Passwords::new(Entropy::seeded(1));
        let hash = passwords.hash("Geheim1").await.unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(!format!("{hash:?}").contains("argon2"));
        for (password, hash, expected) in [
            ("Geheim1", Some(&hash), true),
            ("geheim1", Some(&hash), false),
            ("", Some(&hash), false),
            ("Geheim1", None, false),
            ("", None, false),
        ] {
            let right = passwords.is_right(password, hash).await.unwrap();
            assert_eq!(right, expected, "{password}");
        }
        assert_ne!(passwords.hash("Geheim1").await.unwrap(), hash, "salted");
    }

    /// What stands in for a missing hash must cost what a real one costs.
    #[tokio::test]
    async fn the_decoy_is_a_hash_of_the_same_cost() {
        let real = Passwords::new(Entropy::seeded(1)).hash("x").await.unwrap();
        let cost = |hash: &str| {
            let parts: Vec<&str> = hash.split('$').collect();
            (parts[1..4].join("$"), parts[4].len(), parts[5].len())
        };
        assert_eq!(cost(DECOY), cost(&real.0));
        assert!(argon2::PasswordHash::new(DECOY).is_ok());
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once_and_a_long_one_after_a_while() {
        let passwords = Passwords::new(Entropy::seeded(1));
        let all = passwords.slots.available_permits();
        let all = u32::try_from(all).unwrap();
        let held = passwords.slots.clone().acquire_many_owned(all).await;
        tokio::time::pause();
        let refused = passwords.hash("x").await.unwrap_err();
        assert_eq!(refused.kind, crate::error::Kind::Unavailable);
        drop(held);
        let full = u32::try_from(MAX_WAITING).unwrap();
        let _full = passwords.waiting.acquire_many(full).await.unwrap();
        let refused = passwords.is_right("x", None).await.unwrap_err();
        assert_eq!(refused.kind, crate::error::Kind::Unavailable);
    }
}
