//! Looking for users.
//!
//! Owns what can be asked of a user and the indexes that answer it. Does not know how a question
//! is spelled.

use super::{ENROLLED, KIND, User, by_email, by_id, by_username};
use crate::domain::search::{self, Condition, Field, Order, Search};
use crate::domain::words::fold;
use crate::error::Result;
use crate::id::AccountId;
use crate::store::{Key, Tx, keys};

/// Users under their country: two letters have no trigram.
const BY_COUNTRY: &str = "user-country";

/// A text that can be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Searched {
    ExternalId,
    Username,
    Company,
    FirstName,
    LastName,
    Email,
    Country,
    AccountType,
}

impl Searched {
    const ALL: [Self; 8] = [
        Self::ExternalId,
        Self::Username,
        Self::Company,
        Self::FirstName,
        Self::LastName,
        Self::Email,
        Self::Country,
        Self::AccountType,
    ];

    fn of(self, user: &User) -> &str {
        match self {
            Self::ExternalId => user.external_id.as_deref().unwrap_or_default(),
            Self::Username => &user.username,
            Self::Company => &user.company,
            Self::FirstName => &user.first_name,
            Self::LastName => &user.last_name,
            Self::Email => &user.email,
            Self::Country => &user.country,
            Self::AccountType => &user.account_type,
        }
    }

    /// Its trigram index; a country has none.
    fn index(self) -> &'static [Field] {
        match self {
            Self::ExternalId => &[Field("user-in-external-id")],
            Self::Username => &[Field("user-in-username")],
            Self::Company => &[Field("user-in-company")],
            Self::FirstName => &[Field("user-in-first-name")],
            Self::LastName => &[Field("user-in-last-name")],
            Self::Email => &[Field("user-in-email")],
            Self::AccountType => &[Field("user-in-type")],
            Self::Country => &[],
        }
    }
}

/// How a text must meet what is looked for, whatever the case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Match {
    /// It is the same.
    Equal,
    /// It contains it.
    Contained,
    /// It begins with it.
    Prefix,
}

/// What a user must be; nothing is asked by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// This one.
    pub id: Option<u64>,
    /// Enrolled by this one.
    pub enroller_id: Option<u64>,
    /// All of these.
    pub texts: Vec<(Searched, Match, String)>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The first ones, by id.
    pub users: Vec<User>,
    /// How many there are.
    pub total: u64,
    /// How many keys were read to know it.
    pub read: usize,
}

/// The index keys of a user's texts.
pub(super) fn entries(account: AccountId, user: &User) -> Vec<Key> {
    let mut found = Vec::new();
    for searched in Searched::ALL {
        for field in searched.index() {
            let text = searched.of(user);
            found.extend(search::entries(account, *field, user.id, text));
        }
    }
    if !user.country.is_empty() {
        let country = fold(&user.country);
        found.push(keys::member(BY_COUNTRY, account, &country, user.id));
    }
    found
}

impl Wanted {
    fn conditions(&self) -> Vec<Condition> {
        let texts = self.texts.iter();
        let mut all: Vec<Condition> = texts
            .filter_map(|(searched, how, text)| match searched {
                // One letter may be in any country.
                Searched::Country if *how != Match::Equal && text.chars().count() < 2 => None,
                Searched::Country => Some(Condition::Member(BY_COUNTRY, fold(text))),
                _ => Some(Condition::Contains(searched.index(), text.clone())),
            })
            .collect();
        if let Some(id) = self.enroller_id {
            all.push(Condition::Member(ENROLLED, id.to_string()));
        }
        all
    }

    /// Whether the user is what was asked for; the texts of the question are folded.
    fn meets(&self, user: &User) -> bool {
        let has = |(searched, how, needle): &(Searched, Match, String)| {
            let text = fold(searched.of(user));
            match how {
                Match::Equal => text == *needle,
                Match::Contained => text.contains(needle.as_str()),
                Match::Prefix => text.starts_with(needle.as_str()),
            }
        };
        self.id.is_none_or(|id| user.id == id)
            && self
                .enroller_id
                .is_none_or(|id| user.enroller_id == Some(id))
            && self.texts.iter().all(has)
    }

    /// The only user who can be meant, where the question is of that kind.
    async fn only(&self, tx: &Tx, account: AccountId) -> Result<Option<Option<User>>> {
        if let Some(id) = self.id {
            return by_id(tx, account, id).await.map(Some);
        }
        for (searched, how, text) in &self.texts {
            match (searched, how) {
                (Searched::Username, Match::Equal) => {
                    return by_username(tx, account, text).await.map(Some);
                }
                (Searched::Email, Match::Equal) => {
                    return by_email(tx, account, text).await.map(Some);
                }
                _ => {}
            }
        }
        Ok(None)
    }
}

/// How many users are wanted, and the first `take` of them. Only needles under 3 characters and a
/// question that asks nothing read every user, a page at a time.
pub async fn find(tx: &Tx, account: AccountId, mut wanted: Wanted, take: usize) -> Result<Found> {
    for (_, _, text) in &mut wanted.texts {
        *text = fold(text);
    }
    let mut found = Found::default();
    if let Some(only) = wanted.only(tx, account).await? {
        found.users = only.filter(|user| wanted.meets(user)).into_iter().collect();
        found.total = found.users.len() as u64;
        found.users.truncate(take);
        return Ok(found);
    }
    let condition = Condition::All(wanted.conditions());
    let mut search = Search::new(tx, account, KIND, Order::OldestFirst, &condition);
    loop {
        let some = search.some().await?;
        if some.is_empty() {
            break;
        }
        let users: Vec<Option<User>> = search.records(&some).await?;
        let users = users.into_iter().flatten();
        for user in users.filter(|user| wanted.meets(user)) {
            found.total += 1;
            if found.users.len() < take {
                found.users.push(user);
            }
        }
    }
    found.read = search.read();
    Ok(found)
}
