//! What each record needs beside it, and whether it can be read.
//!
//! Owns the table from a key's directory to the type of its record and to the keys that must stand
//! beside it. Pure: a key and its bytes in, demands out. Does not know how keys are looked up.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::records;
use crate::domain::account::Account;
use crate::domain::acknowledgement::Acknowledge;
use crate::domain::api_key::ApiKey;
use crate::domain::api_login::ApiLogin;
use crate::domain::attempt_log::AttemptRow;
use crate::domain::dead_letter::DeadRange;
use crate::domain::endpoint::Endpoint;
use crate::domain::idempotency;
use crate::domain::job::Job;
use crate::domain::layout;
use crate::domain::release::Release;
use crate::id::AccountId;
use crate::store::{Key, keys};

/// A key that must exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// Which.
    pub key: Key,
    /// What it must hold, where that is known.
    pub holds: Option<Bytes>,
}

fn exists(key: Key) -> Demand {
    Demand { key, holds: None }
}

fn holds(key: Key, record: &impl Serialize) -> Demand {
    let bytes = serde_json::to_vec(record).ok().map(Bytes::from);
    Demand { key, holds: bytes }
}

/// Directories in pairs with as many keys in the one as in the other: each record of the second
/// demands its own key of the first, so that equal numbers mean that nothing is left over.
pub const PAIRS: [(&str, &str); 4] = [
    ("account-name", "account"),
    ("account-key", "key"),
    ("account-login", "login"),
    ("login-hash", "login"),
];

/// The record, or why it cannot be read. What it holds is not told: it can be anybody's data.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| unreadable(&error))
}

fn unreadable(error: &serde_json::Error) -> String {
    format!(
        "it does not decode: {:?} error at byte {}",
        error.classify(),
        error.column()
    )
}

/// What `key` with `bytes` under it demands. The error says what is wrong with it.
pub fn demands(key: &Key, bytes: &[u8]) -> Result<Vec<Demand>, String> {
    let directory = key.parts().next().unwrap_or_default();
    match directory {
        "host" => Ok(vec![exists(keys::account(read(bytes)?))]),
        "installation" | "meta" | "token-secret" => Ok(Vec::new()),
        "release" => read::<Release>(bytes).map(|_| Vec::new()),
        "account" => {
            let account: Account = read(bytes)?;
            is_at(key, &keys::account(account.id))?;
            let by_name = keys::account_name(&account.name);
            Ok(vec![holds(by_name, &account.id)])
        }
        "account-name" => {
            let account: AccountId = read(bytes)?;
            Ok(vec![exists(keys::account(account))])
        }
        "login" => login(key, bytes),
        "login-hash" | "account-login" => {
            let id: String = read(bytes)?;
            Ok(vec![exists(keys::login(&id))])
        }
        "key" => {
            let found: ApiKey = read(bytes)?;
            let account = exists(keys::account(found.account));
            let by_id = keys::account_key(found.account, found.id);
            Ok(vec![account, exists(by_id)])
        }
        "account-key" => {
            let digest: [u8; 32] = read(bytes)?;
            Ok(vec![exists(keys::api_key(&digest))])
        }
        "endpoint" => {
            let endpoint: Endpoint = read(bytes)?;
            is_at(key, &keys::endpoint(endpoint.account, endpoint.id))?;
            let login = keys::account_login(endpoint.account, &endpoint.login);
            let account = exists(keys::account(endpoint.account));
            Ok(vec![account, exists(login)])
        }
        "cursor" | "batch" | "dead" | "acked" | "job" | "order" | "attempt" => {
            belonging(directory, key, bytes)
        }
        "seen" => {
            relays_own(key, bytes)?;
            Ok(vec![exists(keys::account(account_of(key)?))])
        }
        "idem" => {
            let removal = idempotency::removal(key, bytes).map_err(|error| unreadable(&error))?;
            let account = exists(keys::account(account_of(key)?));
            Ok(vec![account, exists(removal)])
        }
        "end" => match keys::ended_key(key) {
            Some(_) => Ok(Vec::new()),
            None => Err("it names no key".to_owned()),
        },
        "next" => {
            read::<u64>(bytes)?;
            Ok(vec![exists(keys::account(account_of(key)?))])
        }
        _ => entity(directory, key, bytes),
    }
}

/// What the entities of an account and their indexes demand.
fn entity(directory: &str, key: &Key, bytes: &[u8]) -> Result<Vec<Demand>, String> {
    let of = |table: &[(&'static str, &'static str)]| {
        let row = table.iter().find(|(name, _)| *name == directory);
        row.map(|(_, kind)| *kind)
    };
    let is_record = layout::RECORDS.contains(&directory);
    let tables = [
        layout::PARTS,
        layout::UNIQUE,
        layout::MEMBERS,
        layout::TIMED,
    ];
    if !is_record && tables.into_iter().all(|table| of(table).is_none()) {
        return Err("nothing of this name is known".to_owned());
    }
    let account = account_of(key)?;
    let id = || keys::id_of(key).ok_or("it names no entity");
    if is_record {
        read::<serde_json::Value>(bytes)?;
        is_at(key, &keys::record(directory, account, id()?))?;
        Ok(vec![exists(keys::account(account))])
    } else if let Some(kind) = of(layout::PARTS) {
        read::<serde_json::Value>(bytes)?;
        let owner = key.parts().nth(2).unwrap_or_default();
        let owner = u64::from_str_radix(owner, 16).map_err(|_| "it names no owner")?;
        is_at(key, &keys::part(directory, account, owner, id()?))?;
        Ok(vec![exists(keys::record(kind, account, owner))])
    } else if let Some(kind) = of(layout::UNIQUE) {
        Ok(vec![exists(keys::record(kind, account, read(bytes)?))])
    } else {
        let kind = of(layout::MEMBERS).or_else(|| of(layout::TIMED));
        let kind = kind.unwrap_or_default();
        Ok(vec![exists(keys::record(kind, account, id()?))])
    }
}

fn login(key: &Key, bytes: &[u8]) -> Result<Vec<Demand>, String> {
    let login: ApiLogin = read(bytes)?;
    is_at(key, &keys::login(&login.ai_login_id))?;
    let by_account = keys::account_login(login.account, &login.ai_login_id);
    Ok(vec![
        exists(keys::account(login.account)),
        holds(by_account, &login.ai_login_id),
    ])
}

/// What belongs to an endpoint.
fn belonging(directory: &str, key: &Key, bytes: &[u8]) -> Result<Vec<Demand>, String> {
    let (account, endpoint) = keys::watched_endpoint(key).ok_or("it names no endpoint")?;
    let own = match directory {
        "dead" => {
            let range: DeadRange = read(bytes)?;
            Some(keys::dead(account, endpoint, range.first))
        }
        "job" => {
            let job: Job = read(bytes)?;
            Some(keys::job(account, endpoint, job.id))
        }
        "order" => read::<Acknowledge>(bytes).map(|_| None)?,
        "attempt" => read::<AttemptRow>(bytes).map(|_| None)?,
        _ => relays_own(key, bytes).map(|()| None)?,
    };
    if let Some(own) = own {
        is_at(key, &own)?;
    }
    Ok(vec![exists(keys::endpoint(account, endpoint))])
}

fn relays_own(key: &Key, bytes: &[u8]) -> Result<(), String> {
    match records::undecodable(key, bytes) {
        Some(error) => Err(unreadable(&error)),
        None => Ok(()),
    }
}

fn account_of(key: &Key) -> Result<AccountId, String> {
    let account = key.parts().nth(1).and_then(|part| part.parse().ok());
    account.ok_or_else(|| "it names no account".to_owned())
}

fn is_at(key: &Key, expected: &Key) -> Result<(), String> {
    if key == expected {
        Ok(())
    } else {
        Err(format!("it is the record of {expected}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::domain::account;
    use crate::id::EndpointId;

    const A: AccountId = AccountId::from_number(7);
    const E: EndpointId = EndpointId::from_number(9);

    #[test]
    fn an_account_demands_its_name_and_a_name_its_account() {
        let account = Account {
            id: A,
            name: "Shop".into(),
            created_at: Timestamp(1),
            settings: account::Settings::default(),
            default_department: None,
            is_agency: false,
            sub_account: None,
            closed: false,
        };
        let bytes = serde_json::to_vec(&account).unwrap();
        let found = demands(&keys::account(A), &bytes).unwrap();
        assert_eq!(found, [holds(keys::account_name("shop"), &A)]);
        let bytes = serde_json::to_vec(&A).unwrap();
        let found = demands(&keys::account_name("shop"), &bytes).unwrap();
        assert_eq!(found, [exists(keys::account(A))]);
        let other = keys::account(AccountId::from_number(8));
        let bytes = serde_json::to_vec(&account).unwrap();
        assert!(demands(&other, &bytes).unwrap_err().contains("record of"));
    }

    #[test]
    fn what_belongs_to_an_endpoint_demands_it_and_must_decode() {
        let found = demands(&keys::acked(A, E), b"[[1,2]]").unwrap();
        assert_eq!(found, [exists(keys::endpoint(A, E))]);
        for key in [
            keys::acked(A, E),
            keys::cursor(A, E),
            keys::dead(A, E, crate::id::Seq(1)),
            keys::endpoint(A, E),
            keys::seen(A),
            keys::idempotency(A, "manage", "x"),
        ] {
            let error = demands(&key, b"{\"secret\":1").unwrap_err();
            assert!(
                !error.contains("secret") && error.contains("decode"),
                "{error}"
            );
        }
        assert!(demands(&Key::from_stored("novelty/x".into()), b"1").is_err());
    }
}
