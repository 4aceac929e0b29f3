//! The room's cryptography as callers and surfaces use it.
//!
//! Owns [`Vault`], which joins sealing, fresh secrets and the site token behind one trait. Does
//! not know what is sealed.

use zeroize::Zeroizing;

use super::caller::Secrets;
use super::credentials;
use super::seal::Sealer;
use super::sitecom_token::{Token, TokenRefusal, Validity};
use crate::clock::{Entropy, Timestamp};
use crate::domain::secret::{Context, Sealed};
use crate::error::{Error, Result};
use std::sync::Arc;

/// Seals with the installation's key and checks site tokens by its settings.
#[derive(Debug)]
pub struct Vault {
    sealer: Arc<Sealer>,
    entropy: Entropy,
    validity: Validity,
}

impl Vault {
    /// A vault on `sealer`; site tokens hold as `validity` says.
    pub fn new(sealer: Arc<Sealer>, entropy: Entropy, validity: Validity) -> Self {
        Self {
            sealer,
            entropy,
            validity,
        }
    }
}

impl Secrets for Vault {
    fn seal(&self, context: Context<'_>, plaintext: &str) -> Result<Sealed> {
        self.sealer.seal(context, plaintext).map_err(|error| {
            tracing::error!(%context, %error, "a secret cannot be sealed");
            Error::internal()
        })
    }

    fn open(&self, context: Context<'_>, sealed: &Sealed) -> Result<Zeroizing<String>> {
        self.sealer.open(context, sealed).map_err(|error| {
            tracing::error!(%context, %error, "a sealed secret cannot be opened");
            Error::internal()
        })
    }

    fn new_api_key(&self) -> Zeroizing<String> {
        credentials::new_api_key(&self.entropy)
    }

    fn new_password(&self) -> Zeroizing<String> {
        credentials::new_password(&self.entropy)
    }

    fn new_comm_key(&self) -> Zeroizing<String> {
        credentials::new_comm_key(&self.entropy)
    }

    fn new_signing_secret(&self) -> Zeroizing<String> {
        credentials::new_signing_secret(&self.entropy)
    }

    fn token_login_hash(&self, token: &str) -> Option<[u8; 8]> {
        Token::parse(token)
            .inspect_err(|reason| tracing::info!(%reason, "a site token was refused"))
            .ok()
            .map(|token| token.login_hash())
    }

    fn token_holds(&self, token: &str, ai_login_id: &str, comm_key: &str, now: Timestamp) -> bool {
        let checked = Token::parse(token)
            .and_then(|token| token.check(ai_login_id, comm_key, now, self.validity));
        if let Err(reason) = checked {
            // Only the decoy has no id: it stands in for a login that is not there.
            let reason = if ai_login_id.is_empty() {
                TokenRefusal::UnknownLogin
            } else {
                reason
            };
            // The caller learns nothing of the reason; the operator does.
            tracing::info!(login = ai_login_id, %reason, "a site token was refused");
        }
        checked.is_ok()
    }
}
