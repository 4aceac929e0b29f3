//! Looking for users.
//!
//! Owns what can be asked of a user and the indexes that answer it. Does not know how a question
//! is spelled.

use super::{ENROLLED, KIND, User, by_email, by_id, by_username};
pub use crate::domain::search::Match;
use crate::domain::search::{Condition, Entry, Field, Order, Page, Search};
use crate::domain::words::fold;
use crate::error::Result;
use crate::id::AccountId;
use crate::store::Tx;

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

    fn field(self) -> &'static [Field] {
        match self {
            Self::ExternalId => &[Field(1)],
            Self::Username => &[Field(2)],
            Self::Company => &[Field(3)],
            Self::FirstName => &[Field(4)],
            Self::LastName => &[Field(5)],
            Self::Email => &[Field(6)],
            Self::Country => &[Field(7)],
            Self::AccountType => &[Field(8)],
        }
    }
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

/// What is searched of a user.
pub(super) fn searched(user: &User) -> Entry {
    let texts = Searched::ALL.iter();
    texts.fold(Entry::default(), |entry, searched| {
        let fields = searched.field().iter();
        fields.fold(entry, |entry, field| entry.with(*field, searched.of(user)))
    })
}

impl Wanted {
    fn conditions(&self) -> Vec<Condition> {
        let text = |(searched, how, text): &(Searched, Match, String)| {
            Condition::Text(searched.field(), *how, text.clone())
        };
        let mut all: Vec<Condition> = self.texts.iter().map(text).collect();
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

/// How many users are wanted, and the first `take` of them by id. Only a question that asks nothing
/// meets every user, a page at a time.
pub async fn find(
    tx: &Tx,
    account: AccountId,
    mut wanted: Wanted,
    take: usize,
) -> Result<Page<User>> {
    for (_, _, text) in &mut wanted.texts {
        *text = fold(text);
    }
    if let Some(only) = wanted.only(tx, account).await? {
        let mut records: Vec<User> = only.filter(|user| wanted.meets(user)).into_iter().collect();
        let (total, read) = (records.len(), 1);
        records.truncate(take);
        return Ok(Page {
            records,
            total,
            read,
        });
    }
    let condition = Condition::All(wanted.conditions());
    let search = Search::new(tx, account, KIND, Order::OldestFirst, &condition);
    search.page((0, take), |user| wanted.meets(user)).await
}
