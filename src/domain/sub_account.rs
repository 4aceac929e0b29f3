//! Sub-accounts of an agency (`protocols/domain.md` 2.1).
//!
//! Owns which accounts belong to an agency, the uniqueness of their addresses, and what closing
//! one ends. Does not know their credits.

use serde::{Deserialize, Serialize};

use super::account::{self, Account, Profile, SubAccount};
use super::endpoint::{self, DisabledReason};
use super::{api_key, api_login, credit, event, registration, sequence, words};
use crate::error::{Error, Result};
use crate::id::{AccountId, EndpointId};
use crate::store::{Key, Tx, keys};

/// Kind of the agency's records.
const KIND: &str = "sub-account";
/// Open sub-accounts of an agency by address in lower case: unique.
const BY_EMAIL: &str = "sub-account-email";
/// Sub-accounts and endpoints that are read at once.
const PAGE: usize = 500;
/// Characters of the readable part of a sub-account's name.
const MAX_LABEL: usize = 48;

/// What an agency keeps of a sub-account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    account: AccountId,
}

/// Creates an account under the fresh reference `id` as a sub-account with `credits`, and appends
/// `new_subaccount` to the agency's log. `Conflict` when the agency has one of this address.
///
/// The transaction must take turns for both accounts.
pub async fn create(
    tx: &Tx,
    agency: AccountId,
    id: AccountId,
    profile: &Profile,
    credits: u64,
) -> Result<Account> {
    let account = account::create(tx, id, &name(id, profile)).await?;
    let account = attach(tx, agency, account, profile).await?;
    let balance = credit::Balance {
        credits,
        ..credit::Balance::default()
    };
    credit::set(tx, id, &balance).await?;
    let data = Created {
        sub_account_id: id,
        email: &profile.email,
        first_name: &profile.first_name,
        last_name: &profile.last_name,
        business_name: &profile.business_name,
        credits,
    };
    event::emit(tx, agency, "new_subaccount", &data).await?;
    Ok(account)
}

/// Data of `new_subaccount`.
#[derive(Serialize)]
struct Created<'a> {
    sub_account_id: AccountId,
    email: &'a str,
    first_name: &'a str,
    last_name: &'a str,
    business_name: &'a str,
    credits: u64,
}

/// The operator's name for it: readable, and unique by its reference.
fn name(id: AccountId, profile: &Profile) -> String {
    let person = format!("{} {}", profile.first_name, profile.last_name);
    let labels = [&profile.business_name, &person, &profile.email];
    let label = labels.into_iter().find(|text| !text.trim().is_empty());
    let label: String = label
        .map_or("", |text| text.trim())
        .chars()
        .take(MAX_LABEL)
        .collect();
    format!("{} ({id})", label.trim())
}

/// Makes an account that belongs to nobody a sub-account. `Conflict` when it belongs to somebody,
/// or when the agency has one of this address.
pub async fn attach(
    tx: &Tx,
    agency: AccountId,
    account: Account,
    profile: &Profile,
) -> Result<Account> {
    if account.sub_account.is_some() || account.is_agency || account.id == agency {
        return Err(Error::conflict(
            "The account belongs to an agency, or is one",
        ));
    }
    let by_email = by_email_key(agency, &profile.email);
    if tx.get(&by_email).await?.is_some() {
        return Err(Error::conflict(
            "A sub-account with this email already exists",
        ));
    }
    let number = sequence::next(tx, agency, KIND).await?;
    let account = Account {
        sub_account: Some(Box::new(SubAccount {
            agency,
            number,
            profile: profile.clone(),
        })),
        ..account
    };
    tx.put(by_email, &number)?;
    let entry = Entry {
        account: account.id,
    };
    tx.put(keys::record(KIND, agency, number), &entry)?;
    account::save(tx, &account)?;
    Ok(account)
}

/// Lets an account have sub-accounts, or no more. `Conflict` when it is a sub-account itself, or
/// when it would lose those that it has.
pub async fn allow(tx: &Tx, id: AccountId, is_agency: bool) -> Result<()> {
    let account = account::by_id(tx, id).await?;
    if account.is_agency == is_agency {
        return Ok(());
    }
    if is_agency && account.sub_account.is_some() {
        return Err(Error::conflict("A sub-account cannot be an agency"));
    }
    if !is_agency && !some(tx, id, None).await?.is_empty() {
        return Err(Error::conflict(
            "It has or had sub-accounts, and stays an agency",
        ));
    }
    account::save(
        tx,
        &Account {
            is_agency,
            ..account
        },
    )
}

fn by_email_key(agency: AccountId, email: &str) -> Key {
    keys::unique(BY_EMAIL, agency, &words::fold(email))
}

/// There is no such sub-account.
pub fn missing() -> Error {
    Error::not_found("Sub-account not found")
}

/// The agency's open sub-account of this address.
pub async fn by_email(tx: &Tx, agency: AccountId, email: &str) -> Result<Option<Account>> {
    let Some(number) = tx.read(&by_email_key(agency, email)).await? else {
        return Ok(None);
    };
    let entry: Option<Entry> = tx.read(&keys::record(KIND, agency, number)).await?;
    match entry {
        Some(entry) => account::by_id(tx, entry.account).await.map(Some),
        None => Ok(None),
    }
}

/// The agency's sub-account with this reference, closed or not.
pub async fn by_reference(tx: &Tx, agency: AccountId, id: AccountId) -> Result<Option<Account>> {
    let found: Option<Account> = tx.read(&keys::account(id)).await?;
    Ok(found.filter(|account| account.agency() == Some(agency)))
}

/// Some sub-accounts of an agency, closed ones too, behind the number `after`; empty at the end.
pub async fn some(tx: &Tx, agency: AccountId, after: Option<u64>) -> Result<Vec<Account>> {
    let mut range = keys::records(KIND, agency);
    if let Some(after) = after {
        range = range.following(&keys::record(KIND, agency, after));
    }
    let entries: Vec<(Key, Entry)> = tx.read_range(&range, PAGE).await?;
    let keys: Vec<Key> = entries
        .iter()
        .map(|(_, entry)| keys::account(entry.account))
        .collect();
    Ok(tx.read_all(&keys).await?.into_iter().flatten().collect())
}

/// Closes a sub-account and appends `delete_subaccount` to the agency's log: its keys, logins and
/// endpoints stop, its data stay, and its address is free again.
///
/// The transaction must take turns for both accounts.
pub async fn close(tx: &Tx, agency: AccountId, account: Account) -> Result<()> {
    #[derive(Serialize)]
    struct Closed<'a> {
        sub_account_id: AccountId,
        email: &'a str,
    }
    let account = Account {
        closed: true,
        ..account
    };
    account::save(tx, &account)?;
    api_key::disable_all(tx, account.id).await?;
    api_login::disable_all(tx, account.id).await?;
    disable_endpoints(tx, account.id).await?;
    let profile = account.sub_account.as_ref().map(|sub| &sub.profile);
    let email = profile.map_or("", |profile| &profile.email);
    tx.delete(by_email_key(agency, email));
    let data = Closed {
        sub_account_id: account.id,
        email,
    };
    event::emit(tx, agency, "delete_subaccount", &data).await?;
    Ok(())
}

async fn disable_endpoints(tx: &Tx, account: AccountId) -> Result<()> {
    let mut after: Option<EndpointId> = None;
    loop {
        let some = registration::list(tx, account, after, PAGE).await?;
        for endpoint in &some {
            // Nobody is told how much is held: it is delivered no more.
            let reason = DisabledReason::Operator;
            endpoint::disable(tx, account, endpoint.id, reason, 0).await?;
        }
        match some.last() {
            Some(last) if some.len() == PAGE => after = Some(last.id),
            _ => return Ok(()),
        }
    }
}
