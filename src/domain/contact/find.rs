//! Looks for active contacts by contained texts (`protocols/domain.md` section 1).
//!
//! Owns which texts are searched. Does not know how the index works.

use super::{Contact, KIND};
use crate::clock::Timestamp;
use crate::domain::search::{self, Condition, Entry, Field, Match, Order, Search};
use crate::domain::words::fold;
use crate::error::Result;
use crate::id::AccountId;
use crate::store::Tx;

/// A searched text of a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Searched {
    /// First name.
    FirstName,
    /// Last name.
    LastName,
    /// Email.
    Email,
}

impl Searched {
    const ALL: [Self; 3] = [Self::FirstName, Self::LastName, Self::Email];

    fn field(self) -> &'static [Field] {
        match self {
            Self::FirstName => &[Field(1)],
            Self::LastName => &[Field(2)],
            Self::Email => &[Field(3)],
        }
    }

    fn of(self, contact: &Contact) -> &str {
        match self {
            Self::FirstName => &contact.first_name,
            Self::LastName => &contact.last_name,
            Self::Email => contact.email.as_deref().unwrap_or_default(),
        }
    }
}

/// What is asked for; all of it must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// It has this integer id.
    pub id: Option<u64>,
    /// These texts contain that, whatever the case.
    pub texts: Vec<(Searched, String)>,
    /// It was created then or later.
    pub from: Option<Timestamp>,
    /// It was created then or earlier.
    pub until: Option<Timestamp>,
}

impl Wanted {
    /// Whether the contact is what was asked for; the texts of the question are folded.
    fn meets(&self, contact: &Contact) -> bool {
        let mut texts = self.texts.iter();
        !contact.trashed
            && self.id.is_none_or(|id| contact.id == id)
            && self.from.is_none_or(|from| contact.created_at >= from)
            && self.until.is_none_or(|until| contact.created_at <= until)
            && texts.all(|(searched, needle)| search::contains(searched.of(contact), needle))
    }
}

/// What is searched of a contact; nothing of one in the trash.
pub(super) fn searched(contact: &Contact) -> Entry {
    let texts = Searched::ALL.iter().filter(|_| !contact.trashed);
    texts.fold(Entry::default(), |entry, searched| {
        let fields = searched.field().iter();
        fields.fold(entry, |entry, field| {
            entry.with(*field, searched.of(contact))
        })
    })
}

/// The active contacts from number `skip` on, at most `take`, by id.
pub async fn find(
    tx: &Tx,
    account: AccountId,
    mut wanted: Wanted,
    skip: usize,
    take: usize,
) -> Result<Vec<Contact>> {
    for (_, text) in &mut wanted.texts {
        *text = fold(text);
    }
    if let Some(id) = wanted.id {
        let only = super::by_id(tx, account, id).await?;
        let only = only.filter(|contact| wanted.meets(contact));
        return Ok(only.into_iter().skip(skip).take(take).collect());
    }
    let conditions = wanted.texts.iter();
    let conditions = conditions
        .map(|(searched, text)| Condition::Text(searched.field(), Match::Contained, text.clone()))
        .collect();
    let condition = Condition::All(conditions);
    let mut search = Search::new(tx, account, KIND, Order::OldestFirst, &condition);
    let (mut met, mut found) = (0, Vec::new());
    while found.len() < take {
        let some = search.some().await?;
        if some.is_empty() {
            break;
        }
        let contacts: Vec<Option<Contact>> = search.records(&some).await?;
        for contact in contacts.into_iter().flatten() {
            if wanted.meets(&contact) && found.len() < take {
                met += 1;
                found.extend((met > skip).then_some(contact));
            }
        }
    }
    Ok(found)
}
