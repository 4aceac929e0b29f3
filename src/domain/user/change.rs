//! How users come to be and change.
//!
//! Owns uniqueness, the indexes, and what a change is. Does not know how parameters are spelled.

use std::collections::BTreeMap;

use super::{
    ACTIVE, AGENTS, BY_EMAIL, BY_EXTERNAL_ID, BY_NAME, BY_REFERENCE, ENROLLED, KIND, OF_CONTACT,
    OWNERS, PRESENCE, PasswordHash, User, by_id, find, notice,
};
use crate::clock::Timestamp;
use crate::domain::account::Account;
use crate::domain::actor::Role;
use crate::domain::address::Address;
use crate::domain::contact::{self, Person};
use crate::domain::sequence;
use crate::domain::words::fold;
use crate::error::{Error, Result};
use crate::id::{AccountId, PersonId};
use crate::store::{Key, Tx, keys};

/// New values of a user's fields; none = as it was, or the default of a new one. Texts have the
/// forms of `rules.rs` and their lengths.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Changes {
    pub username: Option<String>,
    pub email: Option<String>,
    pub first_name: Option<String>,
    pub last_name: Option<String>,
    pub phone: Option<String>,
    pub company: Option<String>,
    pub country: Option<String>,
    pub external_id: Option<String>,
    pub gender: Option<String>,
    pub payout_method: Option<String>,
    pub gov_id_type: Option<String>,
    pub gov_id_number: Option<String>,
    pub account_type: Option<String>,
    pub is_business: Option<bool>,
    pub enroller_id: Option<u64>,
    pub upline_id: Option<u64>,
    pub enroller_code: Option<i64>,
    pub enroller_code_name: Option<String>,
    pub billing_address: Option<Address>,
    pub shipping_address: Option<Address>,
    pub online_status: Option<String>,
    pub active: Option<bool>,
    pub password: Option<PasswordHash>,
}

/// Names of the fields that differ from the user's, sorted; afterwards none does.
fn apply(user: &mut User, changes: &Changes) -> Vec<&'static str> {
    let mut names = Vec::new();
    macro_rules! take {
        ($field:ident, $value:expr) => {
            if let Some(value) = $value
                && user.$field != value
            {
                user.$field = value;
                names.push(stringify!($field));
            }
        };
        ($($field:ident)*) => {
            $(take!($field, changes.$field.clone());)*
        };
    }
    take!(account_type active billing_address company country email enroller_code);
    take!(enroller_code_name first_name gender gov_id_number gov_id_type is_business last_name);
    take!(online_status payout_method phone shipping_address username);
    take!(enroller_id, changes.enroller_id.map(Some));
    take!(external_id, changes.external_id.clone().map(Some));
    take!(password, changes.password.clone().map(Some));
    take!(upline_id, changes.upline_id.map(Some));
    names.sort_unstable();
    names
}

/// Creates an active user, who joined at `date_added` or now.
pub async fn create(
    tx: &Tx,
    account: &Account,
    changes: &Changes,
    date_added: Option<Timestamp>,
) -> Result<User> {
    let joined = date_added.unwrap_or(tx.now());
    made(tx, account, changes, joined, None).await
}

/// Creates an active user who is this contact.
pub async fn create_for(
    tx: &Tx,
    account: &Account,
    contact: u64,
    changes: &Changes,
) -> Result<User> {
    made(tx, account, changes, tx.now(), Some(contact)).await
}

async fn made(
    tx: &Tx,
    account: &Account,
    changes: &Changes,
    joined: Timestamp,
    contact: Option<u64>,
) -> Result<User> {
    refer(tx, account.id, changes).await?;
    let mut user = blank(joined);
    apply(&mut user, changes);
    is_unique(tx, account.id, None, &user).await?;
    user.contact_id = match contact {
        Some(id) => Some(id),
        None => person(tx, account, &user).await?,
    };
    user.id = sequence::next(tx, account.id, KIND).await?;
    user.reference = contact::fresh_reference(tx, account.id).await?;
    save(tx, account.id, None, &user)?;
    notice::created(tx, account, &user).await?;
    Ok(user)
}

/// The contact that a new customer is; agents are none.
async fn person(tx: &Tx, account: &Account, user: &User) -> Result<Option<u64>> {
    if user.role().is_some() {
        return Ok(None);
    }
    let person = Person {
        phone: Some(&user.phone),
        email: Some(&user.email),
        first_name: &user.first_name,
        last_name: &user.last_name,
        identity: None,
    };
    let found = contact::link(tx, account, &person).await?;
    Ok(found.map(|contact| contact.id))
}

/// Changes a user. Equal values change nothing and say nothing.
pub async fn update(tx: &Tx, account: &Account, id: u64, changes: &Changes) -> Result<User> {
    let before = by_id(tx, account.id, id).await?;
    let before = before.ok_or_else(|| Error::not_found("Record does not exist"))?;
    refer(tx, account.id, changes).await?;
    let mut user = before.clone();
    let names = apply(&mut user, changes);
    if names.is_empty() {
        return Ok(before);
    }
    is_unique(tx, account.id, Some(&before), &user).await?;
    if before.password != user.password {
        // Whoever knew the old password loses what it gave.
        user.end_token();
    }
    save(tx, account.id, Some(&before), &user)?;
    notice::updated(tx, account, &user, &names).await?;
    Ok(user)
}

impl User {
    /// Ends the current user token, if there is one.
    pub(in crate::domain) fn end_token(&mut self) {
        self.token_generation += 1;
        self.token_expires = None;
    }
}

/// Stores what changed of a user beside what its indexes hold: its token.
pub(in crate::domain) fn save_token(tx: &Tx, account: AccountId, user: &User) -> Result<()> {
    tx.put(keys::record(KIND, account, user.id), user)
}

fn blank(date_added: Timestamp) -> User {
    User {
        id: 0,
        reference: PersonId::from_number(0),
        username: String::new(),
        email: String::new(),
        first_name: String::new(),
        last_name: String::new(),
        phone: String::new(),
        company: String::new(),
        country: String::new(),
        external_id: None,
        gender: String::new(),
        payout_method: String::new(),
        gov_id_type: String::new(),
        gov_id_number: String::new(),
        account_type: String::new(),
        is_business: false,
        enroller_id: None,
        upline_id: None,
        enroller_code: 0,
        enroller_code_name: String::new(),
        billing_address: Address::default(),
        shipping_address: Address::default(),
        password: None,
        contact_id: None,
        online_status: String::new(),
        active: true,
        date_added,
        token_generation: 0,
        token_expires: None,
    }
}

/// The users whom the changes name exist.
async fn refer(tx: &Tx, account: AccountId, changes: &Changes) -> Result<()> {
    for id in [changes.enroller_id, changes.upline_id]
        .into_iter()
        .flatten()
    {
        if by_id(tx, account, id).await?.is_none() {
            return Err(Error::not_found("Record does not exist"));
        }
    }
    Ok(())
}

/// Indexes that hold one user for each text, as it is compared, and what a taken one is answered.
fn texts(user: &User) -> [(&'static str, Option<String>, &'static str); 3] {
    [
        (
            BY_NAME,
            Some(fold(&user.username)),
            "Username already exists",
        ),
        (BY_EMAIL, Some(fold(&user.email)), "Email already exists"),
        (
            BY_EXTERNAL_ID,
            user.external_id.clone(),
            "External id already exists",
        ),
    ]
}

async fn is_unique(tx: &Tx, account: AccountId, before: Option<&User>, after: &User) -> Result<()> {
    let own = before.map(texts);
    for (n, (index, text, taken)) in texts(after).into_iter().enumerate() {
        let is_own = own.as_ref().is_some_and(|own| own[n].1 == text);
        if let Some(text) = text.filter(|_| !is_own)
            && tx
                .get(&keys::unique(index, account, &text))
                .await?
                .is_some()
        {
            return Err(Error::conflict(taken));
        }
    }
    Ok(())
}

/// Every index entry of a user: the key, and the id where the key does not end in it.
fn entries(account: AccountId, user: &User) -> BTreeMap<Key, Option<u64>> {
    let id = user.id;
    let reference = user.reference.to_string();
    let unique = texts(user)
        .into_iter()
        .filter_map(|(index, text, _)| Some(keys::unique(index, account, &text?)))
        .chain([keys::unique(BY_REFERENCE, account, &reference)]);
    let mut entries: BTreeMap<Key, Option<u64>> = unique.map(|key| (key, Some(id))).collect();
    if user.active && user.role() == Some(Role::Owner) {
        entries.insert(keys::member(OWNERS, account, ACTIVE, id), None);
    }
    if user.active && user.role().is_some() {
        entries.insert(keys::member(AGENTS, account, ACTIVE, id), None);
    }
    if let Some(contact) = user.contact_id {
        let contact = contact.to_string();
        entries.insert(keys::member(OF_CONTACT, account, &contact, id), None);
    }
    if let Some(enroller) = user.enroller_id {
        entries.insert(
            keys::member(ENROLLED, account, &enroller.to_string(), id),
            None,
        );
    }
    let texts = find::entries(account, user).into_iter();
    entries.extend(texts.map(|key| (key, None)));
    entries
}

/// Writes the record and what differs of its indexes.
fn save(tx: &Tx, account: AccountId, before: Option<&User>, after: &User) -> Result<()> {
    let old = before.map_or_else(BTreeMap::new, |before| entries(account, before));
    let new = entries(account, after);
    for key in old.keys().filter(|key| !new.contains_key(key)) {
        tx.delete(key.clone());
    }
    for (key, id) in new.iter().filter(|(key, _)| !old.contains_key(key)) {
        match id {
            Some(id) => tx.put(key.clone(), id)?,
            None => tx.put_bytes(key.clone(), bytes::Bytes::new()),
        }
    }
    let offline = before.map_or("", |before| &before.online_status);
    if after.online_status != offline {
        // Two changes within a millisecond leave the second: the first had no time to count.
        let key = keys::part(PRESENCE, account, after.id, tx.now().0);
        tx.put(key, &after.online_status)?;
    }
    tx.put(keys::record(KIND, account, after.id), after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_named_and_taken_over() {
        let mut user = blank(Timestamp(1));
        let text = |text: &str| Some(text.to_owned());
        let changes = Changes {
            username: text("john"),
            company: text(""),
            enroller_id: Some(7),
            external_id: text("x"),
            password: Some(PasswordHash("$argon2id$".to_owned())),
            active: Some(true),
            gov_id_number: text("1"),
            ..Changes::default()
        };
        let names = [
            "enroller_id",
            "external_id",
            "gov_id_number",
            "password",
            "username",
        ];
        assert_eq!(apply(&mut user, &changes), names);
        assert_eq!(
            (user.username.as_str(), user.enroller_id),
            ("john", Some(7))
        );
        assert!(apply(&mut user, &changes).is_empty());
    }

    #[test]
    fn index_entries_follow_the_user() {
        let account = AccountId::from_number(1);
        let mut user = blank(Timestamp(1));
        user.id = 1001;
        user.username = "John".to_owned();
        let owner = keys::member(OWNERS, account, ACTIVE, 1001);
        let enrolled = keys::member(ENROLLED, account, "7", 1001);
        let external = keys::unique(BY_EXTERNAL_ID, account, "X");
        let before = entries(account, &user);
        assert_eq!(before[&keys::unique(BY_NAME, account, "john")], Some(1001));
        for absent in [&owner, &enrolled, &external] {
            assert!(!before.contains_key(absent), "{absent}");
        }
        user.account_type = "owner".to_owned();
        user.external_id = Some("X".to_owned());
        user.enroller_id = Some(7);
        let all = entries(account, &user);
        assert_eq!((all[&owner], all[&enrolled]), (None, None));
        assert_eq!(all[&external], Some(1001));
        user.active = false;
        assert!(!entries(account, &user).contains_key(&owner));
    }
}
