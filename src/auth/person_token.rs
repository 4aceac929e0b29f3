//! `authtoken` of agents and customers (`protocols/helpdesk-api.md` 1.5).
//!
//! Owns how it is derived. It proves nobody to this program. Does not know who is shown it.

use std::fmt::{self, Write as _};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::caller::Callers;
use crate::error::{Error, Result};
use crate::id::{AccountId, PersonId};

/// Bytes of the code that are shown.
const SHOWN: usize = 16;

/// What makes the tokens of one account.
pub struct PersonTokens {
    secret: Zeroizing<String>,
    account: AccountId,
}

impl fmt::Debug for PersonTokens {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PersonTokens")
            .field("account", &self.account)
            .finish_non_exhaustive()
    }
}

impl PersonTokens {
    /// The token of a contact or an agent: 32 hex digits, always the same.
    pub fn of(&self, person: PersonId) -> Result<String> {
        let secret = self.secret.as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| Error::internal())?;
        mac.update(format!("authtoken\0{}\0{person}", self.account).as_bytes());
        let code = mac.finalize().into_bytes();
        let mut token = String::with_capacity(2 * SHOWN);
        for byte in code.iter().take(SHOWN) {
            // Writing to a String cannot fail.
            let _ = write!(token, "{byte:02x}");
        }
        Ok(token)
    }
}

impl Callers {
    /// What makes the tokens of an account. The first of all makes the server's secret.
    pub async fn person_tokens(&self, account: AccountId) -> Result<PersonTokens> {
        let secret = self.server_secret().await?;
        Ok(PersonTokens { secret, account })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_first_half_of_the_code() {
        let tokens = PersonTokens {
            secret: Zeroizing::new("secret".to_owned()),
            account: "xssss6ys3c4d".parse().unwrap(),
        };
        let person = "6q3d25vt4f5v".parse().unwrap();
        // Computed apart from this program.
        assert_eq!(
            tokens.of(person).unwrap(),
            "f4199f6233af34f15cb9cf0ad46b3fa1"
        );
        assert!(!format!("{tokens:?}").contains("secret\""));
    }
}
