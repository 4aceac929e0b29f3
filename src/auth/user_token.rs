//! `ai_token`: what proves a user (`protocols/command-api.md` section 6).
//!
//! Owns the token's text and its key. A token is never stored: it is computed again from the
//! generation that the user's record holds. Does not know when one is made anew.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::caller::Callers;
use crate::domain::secret::{Context, Sealed};
use crate::domain::user::{self, User};
use crate::error::{Error, Result};
use crate::id::{AccountId, PersonId};
use crate::store::{Tx, keys};

const PREFIX: &str = "t1-";
/// Characters of a token.
const LENGTH: usize = 72;

/// The token of a user's current generation.
fn text(secret: &str, account: AccountId, reference: PersonId, generation: u64) -> Result<String> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map_err(|_| Error::internal())?;
    mac.update(format!("ai_token\0{account}\0{reference}\0{generation}").as_bytes());
    let mac = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    Ok(format!("{PREFIX}{account}-{reference}-{mac}"))
}

/// Account and user that a token of the right form names.
fn named(token: &str) -> Option<(AccountId, PersonId)> {
    let rest = token
        .strip_prefix(PREFIX)
        .filter(|_| token.len() == LENGTH)?;
    let (account, rest) = rest.split_once('-')?;
    let (reference, _) = rest.split_once('-')?;
    Some((account.parse().ok()?, reference.parse().ok()?))
}

impl Callers {
    /// The active user whose live token this is.
    pub async fn token_user(&self, tx: &Tx, token: &str) -> Result<Option<(AccountId, User)>> {
        let Some((account, reference)) = named(token) else {
            return Ok(None);
        };
        let Some(secret) = self.token_secret(tx).await? else {
            return Ok(None);
        };
        let found = user::by_reference(tx, account, reference).await?;
        let generation = found.as_ref().map_or(0, |user| user.token_generation);
        let expected = text(&secret, account, reference, generation)?;
        let equal = bool::from(expected.as_bytes().ct_eq(token.as_bytes()));
        let live = found.filter(|user| equal && user.has_token(tx.now()));
        Ok(live.map(|user| (account, user)))
    }

    /// The text of the user's current token. The first token of all makes the key, in the same
    /// commit.
    pub async fn token_text(&self, tx: &Tx, account: AccountId, user: &User) -> Result<String> {
        let secret = self.secret_of_tokens(tx).await?;
        text(&secret, account, user.reference, user.token_generation)
    }

    /// The server's secret, which is made when it is first needed.
    pub(super) async fn server_secret(&self) -> Result<Zeroizing<String>> {
        if let Some(secret) = self.token_secret(&self.db.view()).await? {
            return Ok(secret);
        }
        let made = |tx: Tx| async move { self.secret_of_tokens(&tx).await };
        self.db.transact_essential(&[], made).await
    }

    async fn secret_of_tokens(&self, tx: &Tx) -> Result<Zeroizing<String>> {
        if let Some(secret) = self.token_secret(tx).await? {
            return Ok(secret);
        }
        let fresh = self.secrets().new_comm_key();
        let sealed = self.secrets().seal(Context::UserTokens, &fresh)?;
        tx.put(keys::token_secret(), &sealed)?;
        Ok(fresh)
    }

    async fn token_secret(&self, tx: &Tx) -> Result<Option<Zeroizing<String>>> {
        let sealed: Option<Sealed> = tx.read(&keys::token_secret()).await?;
        let open = |sealed: Sealed| self.secrets().open(Context::UserTokens, &sealed);
        sealed.map(open).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_the_documented_form_and_names_its_user() {
        let account: AccountId = "xssss6ys3c4d".parse().unwrap();
        let reference: PersonId = "wj47tan9zt24".parse().unwrap();
        let token = text("secret", account, reference, 1).unwrap();
        assert_eq!(token.len(), LENGTH);
        assert!(token.starts_with("t1-xssss6ys3c4d-wj47tan9zt24-"));
        assert_eq!(named(&token), Some((account, reference)));
        // Computed apart from this program.
        assert_eq!(&token[29..], "MTPSfsu1TmjtOI6qXjSc3ZN-XHiKPpCqmDZlzqqr7uM");
        // Each part of what is signed counts.
        let other: PersonId = "wj47tan9zt25".parse().unwrap();
        for different in [
            text("secret", account, reference, 2).unwrap(),
            text("secret", account, other, 1).unwrap(),
            text("Secret", account, reference, 1).unwrap(),
        ] {
            assert_ne!(different[29..], token[29..]);
        }
        for wrong in ["", "t1-", "t2-x", &token[..71], &format!("{token}A")] {
            assert_eq!(named(wrong), None, "{wrong}");
        }
    }
}
