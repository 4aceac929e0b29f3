//! Lists and numbers of conversations.
//!
//! Owns which index a list comes from and the meeting of several. Reads no record that its indexes
//! can rule out. Does not know how a question is spelled.

use std::collections::BTreeSet;

use super::{
    ALL, CREATED, Class, Conversation, IN, KIND, OF_CLASS, OF_CONTACT, Status, class_group,
    in_group,
};
use crate::clock::Timestamp;
use crate::domain::department;
use crate::error::Result;
use crate::id::AccountId;
use crate::store::{Key, KeyRange, Tx, keys};

/// Keys, and records, that are read at once.
const KEYS: usize = 500;
const RECORDS: usize = 128;

/// What is asked for; all of it must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of this contact.
    pub contact: Option<u64>,
    /// In this department.
    pub department: Option<u64>,
    /// In one of these statuses.
    pub statuses: BTreeSet<Status>,
    /// Created then or later.
    pub from: Option<Timestamp>,
    /// Created then or earlier.
    pub until: Option<Timestamp>,
}

/// What the indexes do not know.
pub type Also<'a> = Option<&'a (dyn Fn(&Conversation) -> bool + Sync)>;

impl Wanted {
    fn meets(&self, conversation: &Conversation) -> bool {
        self.contact.is_none_or(|id| conversation.contact_id == id)
            && self
                .department
                .is_none_or(|id| conversation.department_id == id)
            && self.statuses.contains(&conversation.status)
            && self.from.is_none_or(|from| conversation.created_at >= from)
            && self
                .until
                .is_none_or(|until| conversation.created_at <= until)
    }

    /// The lists that together hold all that is wanted, and whether they hold nothing else.
    async fn lists(&self, tx: &Tx, account: AccountId) -> Result<(Vec<KeyRange>, bool)> {
        if let Some(contact) = self.contact {
            let range = keys::members(OF_CONTACT, account, &contact.to_string());
            return Ok((vec![range], false));
        }
        if self.from.is_some() || self.until.is_some() {
            let from = self.from.unwrap_or(Timestamp(0));
            let until = self.until.unwrap_or(Timestamp(u64::MAX));
            return Ok((
                vec![keys::between(CREATED, account, ALL, from, until)],
                false,
            ));
        }
        let departments = if let Some(id) = self.department {
            vec![id]
        } else {
            let all = department::all(tx, account).await?;
            all.into_iter().map(|department| department.id).collect()
        };
        let places = departments.into_iter().flat_map(|department| {
            let statuses = self.statuses.iter();
            statuses.map(move |status| in_group(department, *status))
        });
        let lists = places.map(|place| keys::members(IN, account, &place));
        Ok((lists.collect(), true))
    }
}

/// Conversations from number `skip` on, at most `take`, newest first. Where `also` or times are
/// asked together with others, what the index leaves is read and asked one by one.
pub async fn find(
    tx: &Tx,
    account: AccountId,
    wanted: &Wanted,
    also: Also<'_>,
    (skip, take): (usize, usize),
) -> Result<Vec<Conversation>> {
    let (lists, is_exact) = wanted.lists(tx, account).await?;
    let mut walk = Walk::new(lists);
    let mut left = skip;
    if is_exact && also.is_none() {
        while left > 0 && walk.next(tx).await?.is_some() {
            left -= 1;
        }
    }
    let mut found = Vec::new();
    while found.len() < take {
        let mut some = Vec::with_capacity(RECORDS);
        while some.len() < RECORDS
            && let Some(id) = walk.next(tx).await?
        {
            some.push(keys::record(KIND, account, id));
        }
        if some.is_empty() {
            break;
        }
        let records: Vec<Option<Conversation>> = tx.read_all(&some).await?;
        for conversation in records.into_iter().flatten() {
            let is_wanted =
                wanted.meets(&conversation) && also.is_none_or(|also| also(&conversation));
            if !is_wanted {
                continue;
            }
            if left > 0 {
                left -= 1;
            } else if found.len() < take {
                found.push(conversation);
            }
        }
    }
    Ok(found)
}

/// How many conversations a department has in a status.
pub async fn count(tx: &Tx, account: AccountId, department: u64, status: Status) -> Result<u64> {
    let mut range = keys::members(IN, account, &in_group(department, status));
    let mut number = 0;
    loop {
        let some = tx.scan(&range, KEYS).await?;
        number += some.len() as u64;
        match some.last() {
            Some((last, _)) if some.len() == KEYS => range = range.following(last),
            _ => return Ok(number),
        }
    }
}

/// Lets `see` look at every open conversation of a class.
pub async fn open_of(
    tx: &Tx,
    account: AccountId,
    class: Class,
    see: impl FnMut(&Conversation) + Send,
) -> Result<()> {
    let range = keys::members(OF_CLASS, account, &class_group(class));
    each(tx, account, range, see).await
}

/// Lets `see` look at every conversation of a department in a status.
pub async fn in_status(
    tx: &Tx,
    account: AccountId,
    department: u64,
    status: Status,
    see: impl FnMut(&Conversation) + Send,
) -> Result<()> {
    let range = keys::members(IN, account, &in_group(department, status));
    each(tx, account, range, see).await
}

async fn each(
    tx: &Tx,
    account: AccountId,
    mut range: KeyRange,
    mut see: impl FnMut(&Conversation) + Send,
) -> Result<()> {
    loop {
        let some = tx.scan(&range, RECORDS).await?;
        let ids = some.iter().filter_map(|(key, _)| keys::id_of(key));
        let keys: Vec<Key> = ids.map(|id| keys::record(KIND, account, id)).collect();
        let records: Vec<Option<Conversation>> = tx.read_all(&keys).await?;
        records.iter().flatten().for_each(&mut see);
        match some.last() {
            Some((last, _)) if some.len() == RECORDS => range = range.following(last),
            _ => return Ok(()),
        }
    }
}

/// Several lists without a common id as one, newest first.
struct Walk {
    lists: Vec<List>,
}

struct List {
    range: KeyRange,
    /// Ids that were read and not yet given, the next one last.
    page: Vec<u64>,
    ended: bool,
}

impl Walk {
    fn new(ranges: Vec<KeyRange>) -> Self {
        let list = |range: KeyRange| List {
            range: range.newest_first(),
            page: Vec::new(),
            ended: false,
        };
        Self {
            lists: ranges.into_iter().map(list).collect(),
        }
    }

    async fn next(&mut self, tx: &Tx) -> Result<Option<u64>> {
        for list in &mut self.lists {
            list.read_on(tx).await?;
        }
        let newest = self
            .lists
            .iter_mut()
            .max_by_key(|list| list.page.last().copied());
        Ok(newest.and_then(|list| list.page.pop()))
    }
}

impl List {
    async fn read_on(&mut self, tx: &Tx) -> Result<()> {
        if self.ended || !self.page.is_empty() {
            return Ok(());
        }
        let found = tx.scan(&self.range, KEYS).await?;
        self.ended = found.len() < KEYS;
        if let Some((last, _)) = found.last() {
            self.range.end = last.clone();
        }
        let ids = found.iter().filter_map(|(key, _)| keys::id_of(key));
        self.page = ids.rev().collect();
        Ok(())
    }
}
