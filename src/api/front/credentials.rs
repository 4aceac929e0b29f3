//! The bars after failed authentications (`protocols/transport.md` 4.3).
//!
//! Owns how a credential is tried: looked up, counted when wrong, refused unseen when wrong too
//! often. Does not know where in a request a credential is found.

use std::net::IpAddr;

use super::{Core, Head};
use crate::auth::caller::Caller;
use crate::domain::account;
use crate::error::{Error, Result};
use crate::limit::Failing;

impl Core {
    /// The caller with this API key, if it may use `surface`.
    pub async fn by_api_key(
        &self,
        client: Option<IpAddr>,
        surface: &str,
        key: &str,
    ) -> Result<Caller> {
        match self.callers.api_key(key).await? {
            Some((key, caller)) if key.may_use(surface) => Ok(caller),
            Some(_) => Err(Error::forbidden("This key may not use this interface")),
            None => Err(self.wrong_credential(client)),
        }
    }

    /// The caller who made this `ai_sitecom_token`.
    pub async fn by_sitecom_token(&self, client: Option<IpAddr>, token: &str) -> Result<Caller> {
        let found = self.callers.sitecom_token(token).await?;
        found.ok_or_else(|| self.wrong_credential(client))
    }

    /// The caller with this API login and password. Barred: 429, whatever the password.
    pub async fn by_login(
        &self,
        client: Option<IpAddr>,
        ai_login_id: &str,
        password: &str,
    ) -> Result<Caller> {
        let counter = client.map(|client| self.limits.password_counter(client, ai_login_id));
        let barred = |who: Option<Failing>| match who.and_then(|who| self.limits.barred(who)) {
            Some(wait) => Err(Error::limited(wait)),
            None => Ok(()),
        };
        barred(counter)?;
        match self.callers.login(ai_login_id, password).await? {
            Some(caller) => {
                // Guesses made at the same time could all have passed the first look.
                barred(counter)?;
                Ok(caller)
            }
            None => Err(self.counted(counter)),
        }
    }

    /// Somebody without a credential: the account is the one whose hosts hold the request's `Host`,
    /// else `http.default_account` (`protocols/domain.md` section 9).
    pub async fn by_host(&self, head: &Head) -> Result<Caller> {
        let account = match head.host() {
            Some(host) => account::by_host(&self.db.view(), &host).await?,
            None => None,
        };
        let account = account.or(self.settings.default_account);
        let account = account.ok_or_else(Error::unauthenticated)?;
        Ok(Caller::unproved(account, head.client))
    }

    /// Counts a wrong key or token of this client and gives the answer to it.
    pub fn wrong_credential(&self, client: Option<IpAddr>) -> Error {
        self.counted(client.map(Failing::Address))
    }

    fn counted(&self, who: Option<Failing>) -> Error {
        match who.and_then(|who| self.limits.failed(who)) {
            Some(wait) => Error::limited(wait),
            None => Error::unauthenticated(),
        }
    }
}
