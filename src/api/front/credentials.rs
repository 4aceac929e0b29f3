//! The bars after failed authentications (`protocols/transport.md` 4.3).
//!
//! Owns how a credential is tried: looked up, counted when wrong, refused unseen when wrong too
//! often. Does not know where in a request a credential is found.

use std::net::IpAddr;

use super::{Core, Head};
use crate::auth::caller::Caller;
use crate::auth::session_token::{Kind, Standing};
use crate::domain::account;
use crate::domain::user::rules::MAX_EMAIL;
use crate::domain::user::{self, User};
use crate::domain::words::fold;
use crate::error::{Error, Result};
use crate::id::AccountId;
use crate::limit::Failing;

/// What comes of a username and a password.
#[derive(Debug)]
pub enum Login {
    /// It is this active user.
    Right(Box<User>),
    /// It is this user, who is inactive.
    Inactive,
    /// The user has no password to be right.
    Passwordless,
}

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

    /// The user with this `ai_token`.
    pub async fn by_user_token(&self, client: Option<IpAddr>, token: &str) -> Result<Caller> {
        let found = self.callers.user_token(token).await?;
        let caller = found.ok_or_else(|| self.wrong_credential(client))?;
        self.is_open(caller.account).await?;
        Ok(caller)
    }

    /// What comes of a session's token of this kind. One that never was right is counted; one that
    /// only ended is what every client comes with now and then.
    pub async fn by_session_token(
        &self,
        client: Option<IpAddr>,
        account: AccountId,
        kind: Kind,
        token: &str,
    ) -> Result<Standing> {
        let tx = self.db.view();
        match self.callers.session_user(&tx, account, kind, token).await? {
            Standing::Wrong => Err(self.wrong_credential(client)),
            other => Ok(other),
        }
    }

    /// The caller with this API login and password. Barred: 429, whatever the password.
    pub async fn by_login(
        &self,
        client: Option<IpAddr>,
        ai_login_id: &str,
        password: &str,
    ) -> Result<Caller> {
        let counter = client.map(|client| self.limits.password_counter(client, ai_login_id));
        self.not_barred(counter)?;
        match self.callers.login(ai_login_id, password).await? {
            Some(caller) => {
                // Guesses made at the same time could all have passed the first look.
                self.not_barred(counter)?;
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
        self.is_open(account).await?;
        Ok(Caller::unproved(account, head.client))
    }

    /// Nobody calls for a closed account. Its keys and logins are disabled; its users and hosts
    /// are not.
    async fn is_open(&self, account: AccountId) -> Result<()> {
        let open = account::is_open(&self.db.view(), account).await?;
        open.then_some(()).ok_or_else(Error::unauthenticated)
    }

    /// Counts a wrong key or token of this client and gives the answer to it.
    pub fn wrong_credential(&self, client: Option<IpAddr>) -> Error {
        self.counted(client.map(Failing::Address))
    }

    /// What comes of this username and password. Barred: 429, whatever the password.
    pub async fn login(
        &self,
        client: Option<IpAddr>,
        account: AccountId,
        username: &str,
        password: &str,
    ) -> Result<Login> {
        let counter = self.name_counter(client, account, &fold(username));
        self.not_barred(counter)?;
        let found = match username.len() {
            0..=MAX_EMAIL => user::by_username(&self.db.view(), account, username).await?,
            _ => None,
        };
        let hash = found.as_ref().and_then(|user| user.password.as_ref());
        let is_right = self.callers.passwords().is_right(password, hash).await?;
        match found {
            Some(user) if user.password.is_none() => Ok(Login::Passwordless),
            Some(user) if is_right && !user.active => Ok(Login::Inactive),
            Some(user) if is_right => {
                self.not_barred(counter)?;
                Ok(Login::Right(Box::new(user)))
            }
            _ => Err(self.counted(counter)),
        }
    }

    /// Counts a wrong password of this user and gives the answer to it.
    pub fn wrong_password(
        &self,
        client: Option<IpAddr>,
        account: AccountId,
        username: &str,
    ) -> Error {
        self.counted(self.name_counter(client, account, &fold(username)))
    }

    /// The counter for secrets tried for `name` of an account.
    pub fn name_counter(
        &self,
        client: Option<IpAddr>,
        account: AccountId,
        name: &str,
    ) -> Option<Failing> {
        let name = format!("{account} {name}");
        client.map(|client| self.limits.password_counter(client, &name))
    }

    /// Whether a look at another secret is allowed at all.
    pub fn not_barred(&self, who: Option<Failing>) -> Result<()> {
        match who.and_then(|who| self.limits.barred(who)) {
            Some(wait) => Err(Error::limited(wait)),
            None => Ok(()),
        }
    }

    /// Counts a failure and gives the answer to it.
    pub fn counted(&self, who: Option<Failing>) -> Error {
        match who.and_then(|who| self.limits.failed(who)) {
            Some(wait) => Error::limited(wait),
            None => Error::unauthenticated(),
        }
    }
}
