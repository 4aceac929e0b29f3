//! Who is calling: from a credential to an account.
//!
//! Owns the look-up of API keys, API logins and site tokens (`protocols/transport.md` section 8,
//! `protocols/sitecom-token.md` section 2), in constant time where a secret is compared. Sealed
//! secrets of logins are opened here and nowhere else on the way in. Does not know HTTP, nor how
//! often a caller may fail.
//!
//! Nothing is cached here: a revoked credential ends with the commit that revokes it. The price is
//! one read per request, which the store answers from memory (`store/sled/recent.rs`).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::credentials::{digest, is_api_key};
use super::passwords::Passwords;
use crate::clock::Timestamp;
use crate::domain::actor::{ActingUser, Role};
use crate::domain::api_key::ApiKey;
use crate::domain::api_login::ApiLogin;
use crate::domain::secret::{Context, Sealed};
use crate::domain::subject::Subject;
use crate::domain::user::User;
use crate::error::Result;
use crate::id::AccountId;
use crate::store::{Database, keys};

/// Logins whose id has the same 64-bit hash: more than one is a chance of one in 2^64 already.
const MAX_SAME_HASH: usize = 8;
/// The decoy's login: no real one can be empty.
const NOBODY: &str = "";

/// Sealing, fresh secrets and the site token's form: what callers and surfaces need of the room's
/// cryptography.
pub trait Secrets: Send + Sync + fmt::Debug {
    /// Seals `plaintext` so that it opens under the same context only.
    fn seal(&self, context: Context<'_>, plaintext: &str) -> Result<Sealed>;

    /// Opens what was sealed under `context`.
    fn open(&self, context: Context<'_>, sealed: &Sealed) -> Result<Zeroizing<String>>;

    /// A fresh API key: 32-64 printable ASCII characters.
    fn new_api_key(&self) -> Zeroizing<String>;

    /// A fresh `ai_login_password`.
    fn new_password(&self) -> Zeroizing<String>;

    /// A fresh `comm_key`: 16-128 characters.
    fn new_comm_key(&self) -> Zeroizing<String>;

    /// A fresh signing secret: `whsec_` and 32 bytes of base64.
    fn new_signing_secret(&self) -> Zeroizing<String>;

    /// The login hash in an `ai_sitecom_token` of the right form (steps 1 and 2).
    fn token_login_hash(&self, token: &str) -> Option<[u8; 8]>;

    /// Whether the token was made with `comm_key` for this login, compared in constant time, and
    /// holds at `now` (steps 4 and 5).
    fn token_holds(&self, token: &str, ai_login_id: &str, comm_key: &str, now: Timestamp) -> bool;
}

/// An authenticated subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose records it may touch.
    pub account: AccountId,
    /// Whose requests are counted together.
    pub subject: Subject,
    /// Its own limit, if it has one.
    pub per_minute: Option<u32>,
    /// The API login, where it is one.
    pub login: Option<Arc<str>>,
    /// The user whose token came, alone or beside an API login.
    pub user: Option<CallingUser>,
}

/// A user who calls, or for whom an API login calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallingUser {
    /// Who acts.
    pub acting: ActingUser,
    /// What it is to the account; none for a customer.
    pub role: Option<Role>,
}

impl Caller {
    fn of_login(login: &ApiLogin) -> Self {
        let id: Arc<str> = login.ai_login_id.as_str().into();
        Self {
            account: login.account,
            subject: Subject::Login(id.clone()),
            per_minute: login.per_minute,
            login: Some(id),
            user: None,
        }
    }

    fn of_user(account: AccountId, user: &User) -> Self {
        Self {
            account,
            subject: Subject::User(account, user.id),
            per_minute: None,
            login: None,
            user: Some(CallingUser {
                acting: ActingUser {
                    id: user.id,
                    username: user.username.clone(),
                },
                role: user.role(),
            }),
        }
    }

    /// Somebody who proves nothing, or only by the arguments of what it asks for.
    pub fn unproved(account: AccountId, client: Option<IpAddr>) -> Self {
        Self {
            account,
            subject: client.map_or(Subject::Operator, Subject::Address),
            per_minute: None,
            login: None,
            user: None,
        }
    }

    /// The operator, acting for an account.
    pub fn operator(account: AccountId) -> Self {
        Self {
            account,
            subject: Subject::Operator,
            per_minute: None,
            login: None,
            user: None,
        }
    }
}

/// Finds callers.
#[derive(Debug)]
pub struct Callers {
    pub(super) db: Database,
    secrets: Arc<dyn Secrets>,
    passwords: Passwords,
    decoy: Decoy,
}

/// What is opened and compared when there is no such login, so that the answer takes as long.
#[derive(Debug)]
struct Decoy {
    password: Sealed,
    comm_key: Sealed,
}

impl Callers {
    /// Finds callers in `db`.
    pub fn new(db: Database, secrets: Arc<dyn Secrets>) -> Result<Self> {
        let password = secrets.seal(Context::Password(NOBODY), &secrets.new_password())?;
        let comm_key = secrets.seal(Context::CommKey(NOBODY), &secrets.new_comm_key())?;
        let passwords = Passwords::new(db.entropy().clone());
        Ok(Self {
            db,
            secrets,
            passwords,
            decoy: Decoy { password, comm_key },
        })
    }

    /// The secrets that callers are proved with.
    pub fn secrets(&self) -> &Arc<dyn Secrets> {
        &self.secrets
    }

    /// The passwords of users.
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// The active user whose live `ai_token` this is.
    pub async fn user_token(&self, token: &str) -> Result<Option<Caller>> {
        let found = self.token_user(&self.db.view(), token).await?;
        Ok(found.map(|(account, user)| Caller::of_user(account, &user)))
    }

    /// The enabled API key with this text. Looked up by its digest, so a comparison of secrets
    /// does not happen.
    pub async fn api_key(&self, text: &str) -> Result<Option<(ApiKey, Caller)>> {
        if !is_api_key(text) {
            return Ok(None);
        }
        let found: Option<ApiKey> = self.db.view().read(&keys::api_key(&digest(text))).await?;
        Ok(found.filter(|key| key.enabled).map(|key| {
            let caller = Caller {
                account: key.account,
                subject: Subject::Key(key.id),
                per_minute: key.per_minute,
                login: None,
                user: None,
            };
            (key, caller)
        }))
    }

    /// Whether this is the text of a key that is disabled.
    pub async fn is_disabled_key(&self, text: &str) -> Result<bool> {
        if !is_api_key(text) {
            return Ok(false);
        }
        let found: Option<ApiKey> = self.db.view().read(&keys::api_key(&digest(text))).await?;
        Ok(found.is_some_and(|key| !key.enabled))
    }

    /// The enabled API login with this id and password. An unknown id costs the same work as a
    /// wrong password: one read, one opening, one comparison.
    pub async fn login(&self, ai_login_id: &str, password: &str) -> Result<Option<Caller>> {
        let found: Option<ApiLogin> = self.db.view().read(&keys::login(ai_login_id)).await?;
        let (context, sealed) = match &found {
            Some(login) => (Context::Password(ai_login_id), &login.password),
            None => (Context::Password(NOBODY), &self.decoy.password),
        };
        let expected = self.secrets.open(context, sealed)?;
        // Digests have equal lengths, so not even the password's length shows.
        let equal = bool::from(digest(&expected).ct_eq(&digest(password)));
        let known = found.filter(|login| login.enabled && equal);
        Ok(known.as_ref().map(Caller::of_login))
    }

    /// The enabled API login that made this `ai_sitecom_token`.
    pub async fn sitecom_token(&self, token: &str) -> Result<Option<Caller>> {
        let Some(hash) = self.secrets.token_login_hash(token) else {
            return Ok(None);
        };
        let view = self.db.view();
        let now = view.now();
        let ids = view
            .read_range::<String>(&keys::login_hashes(hash), MAX_SAME_HASH)
            .await?;
        let mut candidates = Vec::with_capacity(ids.len());
        for (_, id) in ids {
            let login: Option<ApiLogin> = view.read(&keys::login(&id)).await?;
            candidates.extend(login.filter(|login| login.enabled));
        }
        if candidates.is_empty() {
            // The read of a login that a known hash would have cost.
            view.get(&keys::login(NOBODY)).await?;
            let context = Context::CommKey(NOBODY);
            let key = self.secrets.open(context, &self.decoy.comm_key)?;
            // Its result is without meaning: nobody can know the decoy's key.
            let _ = self.secrets.token_holds(token, NOBODY, &key, now);
            return Ok(None);
        }
        let mut caller = None;
        for login in &candidates {
            let id = &login.ai_login_id;
            let key = self.secrets.open(Context::CommKey(id), &login.comm_key)?;
            if self.secrets.token_holds(token, id, &key, now) {
                caller = Some(Caller::of_login(login));
            }
        }
        Ok(caller)
    }
}
