//! Looking for leads.
//!
//! Owns what can be asked of a lead and the lists that answer it. Does not know how a question is
//! spelled, nor who may ask it.

use super::{
    BY_ASSIGNEE, BY_CUSTOM_STATUS, BY_OWNER, BY_STATUS, BY_TAG, KIND, Lead, SEARCHED, Status, TEXTS,
};
use crate::domain::search::{Condition, Match, Order, Page, Search, contains};
use crate::domain::words::fold;
use crate::error::Result;
use crate::id::AccountId;
use crate::store::Tx;

/// What can be asked of a lead.
pub trait Question: Send + Sync {
    /// The lists that answer it, as far as lists can.
    fn condition(&self) -> Condition;

    /// Whether a lead is what was asked for.
    fn meets(&self, lead: &Lead) -> bool;
}

/// What a lead must be; an empty list asks nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its owner or assignee.
    pub user: Option<u64>,
    /// One of these.
    pub statuses: Vec<Status>,
    /// One of these.
    pub custom_statuses: Vec<u32>,
    /// All of these.
    pub tags: Vec<u64>,
    /// All of these, each in one of the searched texts.
    pub texts: Vec<String>,
}

impl Question for Wanted {
    fn condition(&self) -> Condition {
        let member = |index, group: String| Condition::Member(index, group);
        let any = |conditions: Vec<Condition>| {
            let some = !conditions.is_empty();
            some.then_some(Condition::Any(conditions))
        };
        let statuses = |statuses: &[Status]| {
            let lists = statuses.iter();
            any(lists
                .map(|s| member(BY_STATUS, s.word().to_owned()))
                .collect())
        };
        let custom = self.custom_statuses.iter();
        let mut all: Vec<Condition> = [
            self.user.and_then(|user| {
                let lists = [BY_OWNER, BY_ASSIGNEE];
                any(lists.map(|index| member(index, user.to_string())).to_vec())
            }),
            statuses(&self.statuses),
            any(custom
                .map(|id| member(BY_CUSTOM_STATUS, id.to_string()))
                .collect()),
        ]
        .into_iter()
        .flatten()
        .collect();
        all.extend(self.tags.iter().map(|tag| member(BY_TAG, tag.to_string())));
        let texts = self.texts.iter().filter(|text| !text.is_empty());
        all.extend(texts.map(|text| Condition::Text(&TEXTS, Match::Contained, text.clone())));
        if all.is_empty() {
            // Every lead that is not deleted has one of these.
            all.extend(statuses(&Status::GIVEN));
        }
        Condition::All(all)
    }

    fn meets(&self, lead: &Lead) -> bool {
        let is_of = |user| lead.owner_id == Some(user) || lead.assignee_id == Some(user);
        let has_text = |needle: &String| {
            let (mut fields, needle) = (SEARCHED.iter(), fold(needle));
            fields.any(|(text, _)| contains(lead.text(*text), &needle))
        };
        lead.is_live()
            && self.user.is_none_or(is_of)
            && (self.statuses.is_empty() || self.statuses.contains(&lead.status))
            && (self.custom_statuses.is_empty()
                || self.custom_statuses.contains(&lead.custom_status))
            && self.tags.iter().all(|tag| lead.tags.contains(tag))
            && self.texts.iter().all(has_text)
    }
}

/// The leads from number `skip` on, at most `take`, by falling id.
pub async fn find(
    tx: &Tx,
    account: AccountId,
    wanted: &impl Question,
    skip: usize,
    take: usize,
) -> Result<Page<Lead>> {
    let condition = wanted.condition();
    let search = Search::new(tx, account, KIND, Order::NewestFirst, &condition);
    search.page((skip, take), |lead| wanted.meets(lead)).await
}

/// Ids of all that is wanted, if that is no more than `most` and is known without reading far more
/// than that.
pub async fn few(
    tx: &Tx,
    account: AccountId,
    wanted: &impl Question,
    most: usize,
) -> Result<Option<Vec<u64>>> {
    let condition = wanted.condition();
    let mut search = Search::new(tx, account, KIND, Order::OldestFirst, &condition);
    let mut ids = Vec::new();
    loop {
        let some = search.some().await?;
        if some.is_empty() {
            return Ok(Some(ids));
        }
        let leads: Vec<Option<Lead>> = search.records(&some).await?;
        let met = leads.iter().flatten().filter(|lead| wanted.meets(lead));
        ids.extend(met.map(|lead| lead.id));
        if ids.len() > most || search.read() > most * 8 {
            return Ok(None);
        }
    }
}
