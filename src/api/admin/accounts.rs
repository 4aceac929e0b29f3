//! Accounts and their credentials, as the operator makes them.
//!
//! Owns the routes. Secrets are shown once, in the answer that creates them.

use bytes::Bytes;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::agency;
use crate::api::dialect::{Reply, answer, decode, ok};
use crate::api::front::{Call, pairs};
use crate::auth::credentials::{digest, is_api_key};
use crate::auth::sitecom_token::login_hash;
use crate::domain::account::{self, Account};
use crate::domain::api_key::{self, ApiKey, NewKey};
use crate::domain::api_login::{self, NewLogin};
use crate::domain::secret::Context;
use crate::domain::{registration, text};
use crate::error::{Error, Result};
use crate::id::{AccountId, KeyId};

/// Rows of a page.
const MAX_PAGE: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewAccountWire {
    name: String,
    /// Fixed values, for imports and tests; fresh ones are made otherwise.
    ai_login_id: Option<String>,
    ai_login_password: Option<String>,
    comm_key: Option<String>,
    api_key: Option<String>,
}

#[derive(Serialize)]
struct NewAccountView<'a> {
    account: AccountId,
    name: &'a str,
    ai_login_id: &'a str,
    ai_login_password: &'a str,
    comm_key: &'a str,
    api_key: &'a str,
}

/// `POST accounts`: an account with an API login and an API key, in one commit.
pub(super) async fn create(call: Call<Bytes>) -> Reply {
    let wire: NewAccountWire = decode(&call.input)?;
    let secrets = call.core.callers.secrets();
    let id = AccountId::random(call.core.db.entropy());
    let given = |value: Option<String>, fresh: &dyn Fn() -> Zeroizing<String>| {
        value.map_or_else(fresh, Zeroizing::new)
    };
    let ai_login_id = wire.ai_login_id.unwrap_or_else(|| format!("login-{id}"));
    let password = &given(wire.ai_login_password, &|| secrets.new_password());
    let comm_key = &given(wire.comm_key, &|| secrets.new_comm_key());
    let api_key = &given(wire.api_key, &|| secrets.new_api_key());
    text::token("ai_login_id", &ai_login_id, 1, 64)?;
    text::token("ai_login_password", password, 7, 128)?;
    // The reference world's comm_key has 13 characters, so fewer than 16 must be possible here.
    text::token("comm_key", comm_key, 12, 128)?;
    check_key(api_key)?;
    let login = &NewLogin {
        hash: login_hash(&ai_login_id),
        password: secrets.seal(Context::Password(&ai_login_id), password)?,
        comm_key: secrets.seal(Context::CommKey(&ai_login_id), comm_key)?,
        ai_login_id,
    };
    let name = wire.name.as_str();
    let key_digest = &digest(api_key);
    let created = call
        .commit(|tx| async move {
            let account = account::create(&tx, id, name).await?;
            api_login::create(&tx, id, login).await?;
            api_key::create(&tx, id, key_digest, &NewKey::default()).await?;
            answer(
                StatusCode::CREATED,
                &NewAccountView {
                    account: id,
                    name: &account.name,
                    ai_login_id: &login.ai_login_id,
                    ai_login_password: password,
                    comm_key,
                    api_key,
                },
            )
        })
        .await?;
    Ok(created)
}

fn check_key(key: &str) -> Result<()> {
    if is_api_key(key) {
        return Ok(());
    }
    let message = "must be 32 to 64 printable ASCII characters without space";
    Err(Error::invalid("api_key", message))
}

#[derive(Serialize)]
struct AccountView<'a> {
    account: AccountId,
    name: &'a str,
    created_at: String,
}

fn account_view(account: &Account) -> AccountView<'_> {
    AccountView {
        account: account.id,
        name: &account.name,
        created_at: account.created_at.to_string(),
    }
}

#[derive(Serialize)]
struct Accounts<'a> {
    accounts: Vec<AccountView<'a>>,
    /// `after` of the next page.
    next: Option<AccountId>,
}

/// `GET accounts`.
pub(super) async fn list(call: Call<Bytes>) -> Reply {
    let mut after = None;
    for (name, value) in pairs(call.head.query.as_bytes())? {
        if name == "after" {
            let id = value.parse();
            after = Some(id.map_err(|_| Error::invalid("after", "must be taken from \"next\""))?);
        }
    }
    let accounts = account::list(&call.core.db.view(), after, MAX_PAGE).await?;
    let next = accounts
        .last()
        .map(|account| account.id)
        .filter(|_| accounts.len() == MAX_PAGE);
    let accounts = accounts.iter().map(account_view).collect();
    Ok(ok(&Accounts { accounts, next })?)
}

#[derive(Serialize)]
struct LoginView {
    ai_login_id: String,
    enabled: bool,
    per_minute: Option<u32>,
    created_at: String,
}

/// `PATCH accounts/{account}`.
pub(super) async fn set(call: Call<Bytes>) -> Reply {
    let mut members: Map<String, Value> = decode(&call.input)?;
    let more = &agency::Changes::take(&mut members)?;
    let changes: &account::Changes = &serde_json::from_value(Value::Object(members))
        .map_err(|error| Error::malformed(format!("The body cannot be taken: {error}")))?;
    let id = call.caller.account;
    let agency = more.named_agency(&call.core.db.view()).await?;
    let accounts: Vec<AccountId> = [id].into_iter().chain(agency).collect();
    let done = call
        .commit_order_among(&accounts, |tx| async move {
            account::set(&tx, id, changes).await?;
            more.apply(&tx, id, agency).await?;
            let account = account::by_id(&tx, id).await?;
            ok(&AccountSettings {
                account: account_view(&account),
                settings: &account.settings,
                agency: agency::View::of(&tx, &account).await?,
            })
        })
        .await?;
    Ok(done)
}

#[derive(Serialize)]
struct AccountSettings<'a> {
    #[serde(flatten)]
    account: AccountView<'a>,
    settings: &'a account::Settings,
    #[serde(flatten)]
    agency: agency::View,
}

#[derive(Serialize)]
struct AccountDetail<'a> {
    #[serde(flatten)]
    account: AccountView<'a>,
    settings: &'a account::Settings,
    #[serde(flatten)]
    agency: agency::View,
    logins: Vec<LoginView>,
    keys: Vec<KeyView>,
    endpoints: usize,
}

/// `GET accounts/{account}`.
pub(super) async fn show(call: Call<Bytes>) -> Reply {
    let id = call.caller.account;
    let view = call.core.db.view();
    let found = account::find(&view, &id.to_string()).await?;
    let logins = api_login::list(&view, id).await?;
    let keys = api_key::list(&view, id).await?;
    let mut endpoints = 0;
    let mut after = None;
    loop {
        let page = registration::list(&view, id, after, MAX_PAGE).await?;
        endpoints += page.len();
        after = page.last().map(|endpoint| endpoint.id);
        if page.len() < MAX_PAGE {
            break;
        }
    }
    Ok(ok(&AccountDetail {
        account: account_view(&found),
        settings: &found.settings,
        agency: agency::View::of(&view, &found).await?,
        logins: logins
            .into_iter()
            .map(|login| LoginView {
                ai_login_id: login.ai_login_id,
                enabled: login.enabled,
                per_minute: login.per_minute,
                created_at: login.created_at.to_string(),
            })
            .collect(),
        keys: keys.into_iter().map(key_view).collect(),
        endpoints,
    })?)
}

#[derive(Serialize)]
struct KeyView {
    key: KeyId,
    name: String,
    surfaces: Vec<String>,
    per_minute: Option<u32>,
    enabled: bool,
    created_at: String,
    /// Shown once, in the answer to the creation.
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key: Option<String>,
}

fn key_view(key: ApiKey) -> KeyView {
    KeyView {
        key: key.id,
        name: key.name,
        surfaces: key.surfaces,
        per_minute: key.per_minute,
        enabled: key.enabled,
        created_at: key.created_at.to_string(),
        api_key: None,
    }
}

#[derive(Serialize)]
struct Keys {
    keys: Vec<KeyView>,
}

/// `GET accounts/{account}/keys`.
pub(super) async fn keys(call: Call<Bytes>) -> Reply {
    let keys = api_key::list(&call.core.db.view(), call.caller.account).await?;
    let keys = keys.into_iter().map(key_view).collect();
    Ok(ok(&Keys { keys })?)
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct NewKeyWire {
    name: Option<String>,
    surfaces: Option<Vec<String>>,
    per_minute: Option<u32>,
    api_key: Option<String>,
}

/// `POST accounts/{account}/keys`.
pub(super) async fn add_key(call: Call<Bytes>) -> Reply {
    let wire: NewKeyWire = decode(&call.input)?;
    let secrets = call.core.callers.secrets();
    let key = &match wire.api_key {
        Some(key) => Zeroizing::new(key),
        None => secrets.new_api_key(),
    };
    check_key(key)?;
    let new = &NewKey {
        name: wire.name.unwrap_or_default(),
        surfaces: wire.surfaces.unwrap_or_default(),
        per_minute: wire.per_minute,
    };
    let account = call.caller.account;
    let created = call
        .commit_order(|tx| async move {
            let created = api_key::create(&tx, account, &digest(key), new).await?;
            let mut view = key_view(created);
            view.api_key = Some(key.as_str().to_owned());
            answer(StatusCode::CREATED, &view)
        })
        .await?;
    Ok(created)
}

/// `POST accounts/{account}/keys/{key}/rotate`.
pub(super) async fn rotate_key(call: Call<Bytes>) -> Reply {
    let id = named_key(&call)?;
    let key = &call.core.callers.secrets().new_api_key();
    let account = call.caller.account;
    let rotated = call
        .commit_order(|tx| async move {
            let rotated = api_key::rotate(&tx, account, id, &digest(key)).await?;
            let mut view = key_view(rotated);
            view.api_key = Some(key.as_str().to_owned());
            ok(&view)
        })
        .await?;
    Ok(rotated)
}

fn named_key(call: &Call<Bytes>) -> Result<KeyId> {
    let id = call.head.param("key").and_then(|text| text.parse().ok());
    id.ok_or_else(|| Error::not_found("There is no such key"))
}

#[derive(Serialize)]
struct Revoked {
    key: KeyId,
    revoked: bool,
}

/// `DELETE accounts/{account}/keys/{key}`.
pub(super) async fn revoke_key(call: Call<Bytes>) -> Reply {
    let id = named_key(&call)?;
    let account = call.caller.account;
    let revoked = call
        .commit_order(|tx| async move {
            api_key::revoke(&tx, account, id).await?;
            ok(&Revoked {
                key: id,
                revoked: true,
            })
        })
        .await?;
    Ok(revoked)
}
