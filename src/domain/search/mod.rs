//! Finding entities by contained text and by the values they share (`protocols/domain.md`
//! section 1).
//!
//! Owns the index of searched texts and the walk that combines what it says with the lists of
//! other indexes. Does not know what is searched: each kind of entity stands in `layout::SEARCHED`,
//! names its fields, calls [`write()`] beside writing its record, and asks through [`Search`].
//!
//! # The index
//!
//! The protocol describes an index by trigrams that is verified on the records. This one answers
//! the same questions as exactly, needles of one character included, from fewer keys:
//!
//! A change of an entity writes one small key with its searched texts, in the same commit: a
//! *fresh entry*. Whoever looks for a text reads all fresh entries of the account. Where these are
//! many, a builder packs them into *runs* meanwhile: sorted lists of (field, sixteen characters
//! from anywhere in a text, id), of which a needle is one contiguous part. Sixteen characters
//! answer every needle of that length without looking at a record; what a longer one finds is
//! verified on the record. A fresh entry stands before what runs say of its entity, and a later
//! run before an earlier one. So counts are exact at every moment, whatever the builder has done.
//!
//! | file | what |
//! |---|---|
//! | `entry.rs` | what is searched of an entity, and whether a needle is in it (pure) |
//! | `sorted.rs`, `block.rs` | postings in order, and packed (pure) |
//! | `runs.rs` | which runs there are, and what they say |
//! | `build.rs` | the builder |
//! | `ids.rs`, `walk.rs` | sets of ids, and how they meet lists (pure) |
//! | `stored.rs` | what a check of the store may know |

mod block;
pub mod build;
mod entry;
mod ids;
mod runs;
mod sorted;
pub mod stored;
#[cfg(test)]
mod tests;
mod walk;

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::de::DeserializeOwned;

pub use entry::Entry;
pub use runs::Sizes;

use self::entry::Needle;
use self::runs::Lookup;
use self::walk::{List, Lists, Node, Step};
use super::words::fold;
use crate::error::Result;
use crate::id::AccountId;
use crate::store::tx::decode;
use crate::store::{Key, KeyRange, Tx, keys};

/// One of so many changes says that there may be enough for a run.
const DUE_SHARE: u64 = 256;
/// Entities that are found at a time, so that their records are read at once.
const BATCH: usize = 128;
/// Keys of a list that are read at first and at most at a time.
const PAGE: (usize, usize) = (32, 512);

/// A searched field, by a number from 1 on that is its own among those of its kind of entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field(pub u8);

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

/// What an entity must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It is under this group of a secondary index.
    Member(&'static str, String),
    /// A text of one of the fields meets this one.
    Text(&'static [Field], Match, String),
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
    /// Ids as they follow each other, and back: the next one is always greater.
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

/// Writes what is searched of an entity, if that has changed. An entity that is not found any
/// more has an empty entry.
pub fn write(tx: &Tx, account: AccountId, kind: &str, id: u64, (before, after): (&Entry, &Entry)) {
    if before == after {
        return;
    }
    let entry = Bytes::copy_from_slice(after.bytes());
    tx.put_bytes(keys::fresh(kind, account, id), entry);
    // Counting would make all changes of an account wait for one key.
    if tx.entropy().u64().is_multiple_of(DUE_SHARE) {
        tx.put_bytes(keys::search_due(kind, account), Bytes::new());
    }
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

/// An entity that was found, with its record if that was met on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its integer id.
    pub id: u64,
    /// Empty: not met.
    record: Bytes,
}

/// A part of what was found.
#[derive(Debug)]
pub struct Page<T> {
    /// The records of the part that was asked for.
    pub records: Vec<T>,
    /// How many there are altogether.
    pub total: usize,
    /// How many keys were read to know it.
    pub read: usize,
}

/// A walk over the entities that meet a condition, as far as the index can tell.
#[derive(Debug)]
pub struct Search {
    tx: Tx,
    account: AccountId,
    kind: &'static str,
    root: Node,
    lists: Lists,
    /// What the sets hold, once they are read.
    needles: Vec<Needle>,
    /// Of each of these, one of the lists must have what was found: lists that are too long to be
    /// walked beside a few ids.
    asked: Vec<Vec<usize>>,
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
        let mut plan = Plan {
            account,
            lists: Vec::new(),
            needles: Vec::new(),
            exact: true,
        };
        let root = plan.node(condition).unwrap_or_else(|| {
            // No list narrows it down: every record is looked at.
            plan.lists = vec![List::new(keys::records(kind, account), (BATCH, BATCH))];
            Node::List(0)
        });
        if order == Order::NewestFirst {
            for list in &mut plan.lists {
                list.range.newest_first = true;
            }
        }
        Self {
            tx: tx.clone(),
            account,
            kind,
            root,
            lists: Lists {
                order,
                read: plan.lists,
                sets: Vec::new(),
            },
            needles: plan.needles,
            asked: Vec::new(),
            from: Some(0),
            exact: plan.exact,
            read: 0,
        }
    }

    /// Whether what is found meets the condition for certain. Otherwise its record must be asked.
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// Those from number `skip` on, at most `take`, and how many there are. `meets` is asked of
    /// the records where the index cannot tell for certain.
    pub async fn page<T: DeserializeOwned>(
        mut self,
        (skip, take): (usize, usize),
        meets: impl Fn(&T) -> bool,
    ) -> Result<Page<T>> {
        let shown = skip..skip.saturating_add(take);
        let (mut records, mut total) = (Vec::new(), 0);
        loop {
            let mut some = self.some().await?;
            if some.is_empty() {
                break;
            }
            if self.exact {
                // Each of them counts, so only what is shown is read.
                let mut number = total..;
                total += some.len();
                some.retain(|_| number.next().is_some_and(|number| shown.contains(&number)));
                records.extend(self.records(&some).await?.into_iter().flatten());
                continue;
            }
            let found: Vec<Option<T>> = self.records(&some).await?;
            for record in found.into_iter().flatten().filter(|record| meets(record)) {
                if shown.contains(&total) {
                    records.push(record);
                }
                total += 1;
            }
        }
        Ok(Page {
            records,
            total,
            read: self.read,
        })
    }

    /// How many keys were read so far.
    pub fn read(&self) -> usize {
        self.read
    }

    /// The next entity that may meet the condition.
    async fn next(&mut self) -> Result<Option<Found>> {
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
        if self.from == Some(0) {
            self.begin().await?;
        }
        loop {
            let mut some = Vec::new();
            while some.len() < BATCH
                && let Some(found) = self.next().await?
            {
                some.push(found);
            }
            let is_over = some.is_empty();
            let some = self.admitted(some).await?;
            if is_over || !some.is_empty() {
                return Ok(some);
            }
        }
    }

    /// Looks up the needles, and chooses which lists are walked beside what they have found.
    async fn begin(&mut self) -> Result<()> {
        for needle in std::mem::take(&mut self.needles) {
            let mut lookup = Lookup::new(&self.tx, self.account, self.kind);
            let set = lookup.find(&needle).await?;
            self.read += lookup.read;
            self.lists.sets.push(set);
        }
        let Node::All(nodes) = self.root.clone() else {
            return Ok(());
        };
        let sets = &self.lists.sets;
        let is_sparse = |node: &Node| matches!(node, Node::Set(set) if sets[*set].is_sparse());
        if !nodes.iter().any(is_sparse) {
            return Ok(());
        }
        let mut kept = Vec::new();
        for node in nodes {
            match node.lists() {
                Some(lists) if self.are_long(&lists).await? => self.asked.push(lists),
                _ => kept.push(node),
            }
        }
        self.root = Node::All(kept);
        Ok(())
    }

    /// Whether one of these lists goes on behind its first page.
    async fn are_long(&mut self, lists: &[usize]) -> Result<bool> {
        let mut are_long = false;
        for list in lists {
            self.read_on(*list, 0).await?;
            are_long |= !self.lists.read[*list].ended;
        }
        Ok(are_long)
    }

    /// Those that are in the lists that are asked.
    async fn admitted(&mut self, mut some: Vec<Found>) -> Result<Vec<Found>> {
        for lists in &self.asked {
            let mut admitted = BTreeSet::new();
            for list in lists {
                let range = &self.lists.read[*list].range;
                let ids = some.iter().map(|found| found.id);
                let ids: Vec<u64> = ids.filter(|id| !admitted.contains(id)).collect();
                let keys: Vec<Key> = ids.iter().map(|id| range.key_of(*id)).collect();
                let there = self.tx.get_all(&keys).await?;
                self.read += keys.len();
                let there = ids.into_iter().zip(there);
                admitted.extend(there.filter_map(|(id, key)| key.map(|_| id)));
            }
            some.retain(|found| admitted.contains(&found.id));
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
            Node::List(list) => self.lists.read[list].value(rank),
            _ => Bytes::new(),
        };
        Found {
            id: self.lists.order.rank(rank),
            record,
        }
    }

    async fn read_on(&mut self, list: usize, from: u64) -> Result<()> {
        let order = self.lists.order;
        let list = &mut self.lists.read[list];
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

/// From a condition to the lists that answer it.
struct Plan {
    account: AccountId,
    lists: Vec<List>,
    needles: Vec<Needle>,
    /// The lists say all there is to say.
    exact: bool,
}

impl Plan {
    /// The lists of a condition; none if every entity may meet it.
    fn node(&mut self, condition: &Condition) -> Option<Node> {
        match condition {
            Condition::Member(index, group) => {
                let range = keys::members(index, self.account, group);
                self.lists.push(List::new(range, PAGE));
                Some(Node::List(self.lists.len() - 1))
            }
            Condition::Text(fields, how, text) => {
                let Some(needle) = Needle::new(fields, *how, text) else {
                    // Every text begins with nothing, but few are nothing.
                    self.exact &= *how != Match::Equal;
                    return None;
                };
                self.exact &= needle.is_exact();
                self.needles.push(needle);
                Some(Node::Set(self.needles.len() - 1))
            }
            Condition::Any(conditions) => {
                let nodes = conditions.iter().map(|condition| self.node(condition));
                nodes.collect::<Option<Vec<Node>>>().map(Node::Any)
            }
            Condition::All(conditions) => {
                let nodes = conditions.iter();
                let nodes: Vec<Node> = nodes.filter_map(|one| self.node(one)).collect();
                (!nodes.is_empty()).then_some(Node::All(nodes))
            }
        }
    }
}
