//! Finding entities by contained text and by the values they share (`protocols/domain.md`
//! section 1).
//!
//! Owns the trigram index (one key per field, three folded characters and entity) and the walk
//! over it: a query meets its lists by seeking, in the order of the ids, and reads no more of a
//! list than it must. `walk.rs` is the walk itself, which is pure. Does not know what is searched:
//! each kind of entity names its fields and verifies what is found on the record.

#[cfg(test)]
mod tests;
mod walk;

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use walk::{List, Node, Step};

use super::words::fold;
use crate::error::Result;
use crate::id::AccountId;
use crate::store::tx::decode;
use crate::store::{Key, KeyRange, Tx, keys};

/// Characters of a gram; a shorter needle has no list.
const GRAM: usize = 3;
/// Grams of a needle whose lists are looked at.
const MAX_GRAMS: usize = 8;
/// Entities that are found at a time, so that their records are read at once.
const BATCH: usize = 128;
/// Keys of a list that are read at first and at most at a time.
const PAGE: (usize, usize) = (32, 512);

/// A searched field, by the name of its index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field(pub &'static str);

/// What an entity must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It is under this group of a secondary index.
    Member(&'static str, String),
    /// One of the fields contains the text, whatever the case.
    Contains(&'static [Field], String),
    /// One of these.
    Any(Vec<Condition>),
    /// All of these.
    All(Vec<Condition>),
}

/// The order in which entities are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// By id.
    OldestFirst,
    /// By id, falling.
    NewestFirst,
}

impl Order {
    /// Ids as they follow each other: the next one is always greater.
    fn rank(self, id: u64) -> u64 {
        match self {
            Self::OldestFirst => id,
            Self::NewestFirst => !id,
        }
    }
}

/// Whether `text` contains the folded `needle`, whatever the case.
pub fn contains(text: &str, needle: &str) -> bool {
    fold(text).contains(needle)
}

/// The index keys of an entity's field with this text.
pub fn entries(
    account: AccountId,
    field: Field,
    id: u64,
    text: &str,
) -> impl Iterator<Item = Key> + use<> {
    let grams = grams(&fold(text)).into_iter();
    grams.map(move |gram| keys::member(field.0, account, &gram, id))
}

/// Writes what differs between an entity's index keys before and after a change.
pub fn reindex(tx: &Tx, before: &BTreeSet<Key>, after: &BTreeSet<Key>) {
    for gone in before.difference(after) {
        tx.delete(gone.clone());
    }
    for added in after.difference(before) {
        tx.put_bytes(added.clone(), Bytes::new());
    }
}

/// Every id of a list, rising.
pub async fn ids(tx: &Tx, range: &KeyRange) -> Result<Vec<u64>> {
    let (mut range, mut ids) = (range.clone(), Vec::new());
    loop {
        let page = tx.scan(&range, PAGE.1).await?;
        ids.extend(page.iter().filter_map(|(key, _)| keys::id_of(key)));
        match page.last() {
            Some((last, _)) if page.len() == PAGE.1 => range = range.following(last),
            _ => return Ok(ids),
        }
    }
}

/// Every three characters in a row of a folded text.
fn grams(folded: &str) -> BTreeSet<String> {
    let characters: Vec<char> = folded.chars().collect();
    characters
        .windows(GRAM)
        .map(|gram| gram.iter().collect())
        .collect()
}

/// The grams by which a folded needle is looked for, and whether they say all there is to say.
fn chosen(folded: &str) -> (Vec<String>, bool) {
    let all: Vec<String> = grams(folded).into_iter().collect();
    let exact = folded.chars().count() == GRAM;
    let step = all.len().div_ceil(MAX_GRAMS).max(1);
    (all.into_iter().step_by(step).collect(), exact)
}

/// An entity that was found, with its record if that was met on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its integer id.
    pub id: u64,
    /// Empty: not met.
    record: Bytes,
}

/// A walk over the entities that meet a condition, as far as the index can tell.
#[derive(Debug)]
pub struct Search {
    tx: Tx,
    account: AccountId,
    kind: &'static str,
    order: Order,
    root: Node,
    lists: Vec<List>,
    /// The least rank that may follow; none at the end.
    from: Option<u64>,
    exact: bool,
    read: usize,
}

impl Search {
    /// Looks for entities of `kind` among `condition`.
    pub fn new(
        tx: &Tx,
        account: AccountId,
        kind: &'static str,
        order: Order,
        condition: &Condition,
    ) -> Self {
        let mut lists = Vec::new();
        let mut exact = true;
        let root = plan(account, condition, &mut lists, &mut exact).unwrap_or_else(|| {
            // No list narrows it down: every record is looked at.
            lists = vec![List::new(keys::records(kind, account), (BATCH, BATCH))];
            Node::List(0)
        });
        if order == Order::NewestFirst {
            for list in &mut lists {
                list.range.newest_first = true;
            }
        }
        Self {
            tx: tx.clone(),
            account,
            kind,
            order,
            root,
            lists,
            from: Some(0),
            exact,
            read: 0,
        }
    }

    /// Whether what is found meets the condition for certain. Otherwise its record must be asked.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// How many keys were read so far.
    pub fn read(&self) -> usize {
        self.read
    }

    /// The next entity that may meet the condition.
    pub async fn next(&mut self) -> Result<Option<Found>> {
        if self.from == Some(0) {
            self.look_around().await?;
        }
        while let Some(from) = self.from {
            match self.root.next(&mut self.lists, from) {
                Step::Found(rank) => {
                    self.from = rank.checked_add(1);
                    return Ok(Some(self.found(rank)));
                }
                Step::End => self.from = None,
                Step::Read(list, from) => self.read_on(list, from).await?,
            }
        }
        Ok(None)
    }

    /// The next entities, `BATCH` of them or fewer; none at the end.
    pub async fn some(&mut self) -> Result<Vec<Found>> {
        let mut some = Vec::new();
        while some.len() < BATCH
            && let Some(found) = self.next().await?
        {
            some.push(found);
        }
        Ok(some)
    }

    /// The records of entities that were found.
    pub async fn records<T: DeserializeOwned>(&mut self, of: &[Found]) -> Result<Vec<Option<T>>> {
        let key = |found: &Found| keys::record(self.kind, self.account, found.id);
        if let Node::List(_) = self.root
            && of.iter().all(|found| !found.record.is_empty())
        {
            let decoded = of.iter().map(|found| decode(&key(found), &found.record));
            return decoded.map(|record| record.map(Some)).collect();
        }
        let keys: Vec<Key> = of.iter().map(key).collect();
        self.read += keys.len();
        self.tx.read_all(&keys).await
    }

    fn found(&self, rank: u64) -> Found {
        let record = match self.root {
            Node::List(list) => self.lists[list].value(rank),
            _ => Bytes::new(),
        };
        Found {
            id: self.order.rank(rank),
            record,
        }
    }

    /// Reads the first page of every list, and leaves out those that would cost more than they
    /// save.
    async fn look_around(&mut self) -> Result<()> {
        for list in 0..self.lists.len() {
            self.read_on(list, 0).await?;
        }
        let firsts = self.lists.iter().filter_map(|list| list.page.first());
        let origin = firsts.map(|(rank, _)| *rank).min().unwrap_or(0);
        self.root.thin_out(&self.lists, origin);
        Ok(())
    }

    async fn read_on(&mut self, list: usize, from: u64) -> Result<()> {
        let order = self.order;
        let list = &mut self.lists[list];
        let range = list.range.clone().from_id(order.rank(from));
        let found = self.tx.scan(&range, list.size).await?;
        self.read += found.len();
        list.ended = found.len() < list.size;
        list.size = (list.size * 2).min(list.max_size);
        list.at = 0;
        list.page = found
            .into_iter()
            .filter_map(|(key, value)| Some((order.rank(keys::id_of(&key)?), value)))
            .collect();
        Ok(())
    }
}

/// The lists of a condition; none if every entity may meet it. `exact` is taken away where the
/// lists say less than the condition.
fn plan(
    account: AccountId,
    condition: &Condition,
    lists: &mut Vec<List>,
    exact: &mut bool,
) -> Option<Node> {
    let mut list = |range| {
        lists.push(List::new(range, PAGE));
        lists.len() - 1
    };
    match condition {
        Condition::Member(index, group) => {
            Some(Node::List(list(keys::members(index, account, group))))
        }
        Condition::Contains(fields, needle) => {
            let (grams, says_all) = chosen(&fold(needle));
            *exact &= says_all;
            if grams.is_empty() {
                return None;
            }
            let in_field = |field: &Field| {
                let ranges = grams
                    .iter()
                    .map(|gram| keys::members(field.0, account, gram));
                Node::Grams(ranges.map(&mut list).collect())
            };
            Some(Node::Any(fields.iter().map(in_field).collect()))
        }
        Condition::Any(conditions) => {
            let nodes: Option<Vec<Node>> = conditions
                .iter()
                .map(|condition| plan(account, condition, lists, exact))
                .collect();
            nodes.map(Node::Any)
        }
        Condition::All(conditions) => {
            let nodes: Vec<Node> = conditions
                .iter()
                .filter_map(|condition| plan(account, condition, lists, exact))
                .collect();
            (!nodes.is_empty()).then_some(Node::All(nodes))
        }
    }
}
