//! Finding entities by contained text and by the values they share (`protocols/domain.md`
//! section 1).
//!
//! Owns the trigram index (one key per field, three folded characters and entity) and the walk
//! over it: a query meets its lists by seeking, in the order of the ids, and reads no more of a
//! list than it must. The walk itself is pure; it says which list has to be read on. Does not
//! know what is searched: each kind of entity names its fields and verifies what is found on the
//! record.

use std::collections::BTreeSet;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::words::fold;
use crate::error::Result;
use crate::id::AccountId;
use crate::store::tx::decode;
use crate::store::{Key, KeyRange, Tx, keys};

/// Characters of a gram; a shorter needle has no list.
const GRAM: usize = 3;
/// Grams of a needle whose lists are looked at, and how many of them are walked: more would cost
/// more keys than they save records.
const MAX_GRAMS: usize = 8;
const KEPT_GRAMS: usize = 2;
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

    /// The next entities, [`BATCH`] of them or fewer; none at the end.
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

/// One list of ids and the part of it that is in memory.
#[derive(Debug)]
struct List {
    range: KeyRange,
    page: Vec<(u64, Bytes)>,
    at: usize,
    /// Nothing is behind the page.
    ended: bool,
    size: usize,
    max_size: usize,
}

impl List {
    fn new(range: KeyRange, (size, max_size): (usize, usize)) -> Self {
        Self {
            range,
            page: Vec::new(),
            at: 0,
            ended: false,
            size,
            max_size,
        }
    }

    /// The first rank of the page at or behind `from`. Ranks before it are never asked for again.
    fn seek(&mut self, from: u64) -> Option<u64> {
        let behind = self.page[self.at..].partition_point(|(rank, _)| *rank < from);
        self.at += behind;
        self.page.get(self.at).map(|(rank, _)| *rank)
    }

    /// What is stored under the rank that was just found.
    fn value(&self, rank: u64) -> Bytes {
        let found = self.page.get(self.at).filter(|(found, _)| *found == rank);
        found.map_or_else(Bytes::new, |(_, value)| value.clone())
    }

    /// How many ids of a million are in it, by its first page from `origin` on. One that is in
    /// memory whole costs nothing more.
    fn density(&self, origin: u64) -> u64 {
        match self.page.last() {
            Some((last, _)) if !self.ended => {
                (self.page.len() as u64).saturating_mul(1_000_000) / (last - origin + 1)
            }
            _ => 0,
        }
    }
}

/// How lists are met.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    List(usize),
    /// The lists of one needle's grams: the record will be asked, so some of them will do.
    Grams(Vec<usize>),
    All(Vec<Node>),
    Any(Vec<Node>),
}

/// What a look at the lists comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Found(u64),
    End,
    /// This list must be read on from this rank first.
    Read(usize, u64),
}

impl Node {
    /// The least rank at or behind `from` that is in these lists.
    fn next(&self, lists: &mut [List], from: u64) -> Step {
        match self {
            Self::List(number) => {
                let list = &mut lists[*number];
                match list.seek(from) {
                    Some(rank) => Step::Found(rank),
                    None if list.ended => Step::End,
                    None => Step::Read(*number, from),
                }
            }
            Self::Grams(numbers) => {
                let nodes: Vec<Self> = numbers.iter().copied().map(Self::List).collect();
                Self::meet(&nodes, lists, from)
            }
            Self::All(nodes) => Self::meet(nodes, lists, from),
            Self::Any(nodes) => {
                let mut least = Step::End;
                for node in nodes {
                    match (node.next(lists, from), least) {
                        (Step::Read(list, from), _) => return Step::Read(list, from),
                        (Step::Found(rank), Step::Found(known)) if known <= rank => {}
                        (Step::Found(rank), _) => least = Step::Found(rank),
                        (Step::End, _) => {}
                    }
                }
                least
            }
        }
    }

    /// Keeps the thinnest lists of each needle.
    fn thin_out(&mut self, lists: &[List], origin: u64) {
        match self {
            Self::List(_) => {}
            Self::Grams(numbers) => {
                numbers.sort_by_key(|number| lists[*number].density(origin));
                numbers.truncate(KEPT_GRAMS);
                *self = Self::All(numbers.iter().copied().map(Self::List).collect());
            }
            Self::All(nodes) | Self::Any(nodes) => {
                for node in nodes {
                    node.thin_out(lists, origin);
                }
            }
        }
    }

    /// Lists seek each other's ranks until they agree.
    fn meet(nodes: &[Node], lists: &mut [List], from: u64) -> Step {
        let mut wanted = from;
        let mut agreed = 0;
        while agreed < nodes.len() {
            for node in nodes {
                match node.next(lists, wanted) {
                    Step::Found(rank) if rank == wanted => agreed += 1,
                    Step::Found(rank) => {
                        wanted = rank;
                        agreed = 1;
                    }
                    other => return other,
                }
                if agreed == nodes.len() {
                    break;
                }
            }
        }
        Step::Found(wanted)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{Clock, Entropy, Timestamp};
    use crate::store::Database;
    use crate::store::memory::MemoryStore;

    const A: AccountId = AccountId::from_number(1);
    const FIELDS: [Field; 2] = [Field("x-in-name"), Field("x-in-city")];
    const GROUP: &str = "x-group";

    fn database() -> Database {
        let clock = Clock::manual(Timestamp(1));
        Database::new(Arc::new(MemoryStore::new()), clock, Entropy::seeded(1))
    }

    /// Entities are their two texts; each is also in a group by the remainder of its id by 3.
    async fn store(db: &Database, id: u64, texts: &[&str; 2]) {
        let stored = db.transact(&[A], |tx| async move {
            let mut all: BTreeSet<Key> = FIELDS
                .iter()
                .zip(texts)
                .flat_map(|(field, text)| entries(A, *field, id, text))
                .collect();
            all.insert(keys::member(GROUP, A, &(id % 3).to_string(), id));
            reindex(&tx, &BTreeSet::new(), &all);
            tx.put(keys::record("x", A, id), texts)
        });
        stored.await.unwrap();
    }

    async fn found(db: &Database, order: Order, condition: &Condition) -> (Vec<u64>, usize, bool) {
        let tx = db.view();
        let mut search = Search::new(&tx, A, "x", order, condition);
        let mut ids = Vec::new();
        while let Some(found) = search.next().await.unwrap() {
            ids.push(found.id);
        }
        (ids, search.read(), search.is_exact())
    }

    fn text(needle: &str) -> Condition {
        Condition::Contains(&FIELDS, needle.to_owned())
    }

    fn group(number: u64) -> Condition {
        Condition::Member(GROUP, number.to_string())
    }

    #[test]
    fn grams_are_characters_not_bytes() {
        let expected = ["abc", "bcü", "cüd"].map(str::to_owned);
        assert_eq!(grams("abcüd"), BTreeSet::from(expected));
        assert!(grams("ab").is_empty());
        assert_eq!(chosen("abc"), (vec!["abc".to_owned()], true));
        assert_eq!(chosen("ab"), (Vec::new(), false));
        let long: String = ('a'..='z').collect();
        let (some, exact) = chosen(&long);
        assert!(!exact && (2..=MAX_GRAMS).contains(&some.len()), "{some:?}");
    }

    #[tokio::test]
    async fn a_search_finds_what_a_scan_finds_in_both_orders() {
        let db = database();
        let mut rng = fastrand::Rng::with_seed(7);
        let mut word = |letters: usize| -> String {
            let some = std::iter::repeat_with(|| rng.char('a'..='c'));
            some.take(letters).collect()
        };
        let mut all = Vec::new();
        for id in 1001..1401 {
            let texts = [word(6), word(4)];
            store(&db, id, &[&texts[0], &texts[1]]).await;
            all.push((id, texts));
        }
        for n in 0..60 {
            let (one, two) = (word(2 + n % 4), word(3));
            let condition = match n % 4 {
                0 => text(&one),
                1 => Condition::All(vec![text(&one), group(1)]),
                2 => Condition::Any(vec![text(&one), text(&two)]),
                _ => Condition::All(vec![
                    Condition::Any(vec![group(0), group(2)]),
                    text(&one),
                    text(&two),
                ]),
            };
            let has = |texts: &[String; 2], needle: &str| texts.iter().any(|t| t.contains(needle));
            let meets = |id: u64, texts: &[String; 2]| match n % 4 {
                0 => has(texts, &one),
                1 => has(texts, &one) && id % 3 == 1,
                2 => has(texts, &one) || has(texts, &two),
                _ => has(texts, &one) && has(texts, &two) && id % 3 != 1,
            };
            let scanned: Vec<u64> = all
                .iter()
                .filter(|(id, texts)| meets(*id, texts))
                .map(|(id, _)| *id)
                .collect();
            for order in [Order::OldestFirst, Order::NewestFirst] {
                let (mut ids, _, exact) = found(&db, order, &condition).await;
                // Where the lists say less than the condition, the texts have the last word.
                let text_of = |id: u64| &all[usize::try_from(id - 1001).unwrap()].1;
                ids.retain(|id| exact || meets(*id, text_of(*id)));
                if order == Order::NewestFirst {
                    ids.reverse();
                }
                assert_eq!(ids, scanned, "{condition:?}");
            }
        }
    }

    #[tokio::test]
    async fn lists_are_sought_not_read_whole() {
        let db = database();
        for id in 1..=5000 {
            let rare = if id % 1000 == 0 { "needle" } else { "" };
            store(&db, id, &["common", rare]).await;
        }
        let condition = Condition::All(vec![text("common"), text("needle")]);
        let (ids, read, exact) = found(&db, Order::NewestFirst, &condition).await;
        assert_eq!(ids, [5000, 4000, 3000, 2000, 1000]);
        assert!(!exact);
        // A first page of each list, then two lists of the common word at the few places where
        // the rare one is.
        assert!(read < 5000, "{read} keys were read");
        let (_, all, _) = found(&db, Order::NewestFirst, &text("common")).await;
        assert!((10_000..10_200).contains(&all), "{all} keys were read");
    }

    #[tokio::test]
    async fn a_needle_without_a_gram_looks_at_every_record_once() {
        let db = database();
        for id in 1..=300 {
            store(&db, id, &["ab", "c"]).await;
        }
        let tx = db.view();
        let mut search = Search::new(&tx, A, "x", Order::NewestFirst, &text("ab"));
        let mut count = 0;
        loop {
            let some = search.some().await.unwrap();
            if some.is_empty() {
                break;
            }
            let records: Vec<Option<[String; 2]>> = search.records(&some).await.unwrap();
            assert!(records.iter().flatten().all(|texts| texts[0] == "ab"));
            count += records.len();
        }
        assert_eq!((count, search.read()), (300, 300));
        assert!(!search.is_exact());
    }

    #[tokio::test]
    async fn a_change_writes_only_the_keys_that_differ() {
        let db = database();
        store(&db, 1, &["jane smith", "springfield"]).await;
        let keys = |text: &str| -> BTreeSet<Key> { entries(A, FIELDS[0], 1, text).collect() };
        let (before, after) = (keys("jane smith"), keys("jane smythe"));
        let gone: Vec<&Key> = before.difference(&after).collect();
        // "smi", "mit" and "ith" go; what both names share stays.
        assert_eq!(gone.len(), 3);
        db.transact(&[A], |tx| {
            let (before, after) = (before.clone(), after.clone());
            async move {
                reindex(&tx, &before, &after);
                assert!(!tx.is_unchanged());
                Ok(())
            }
        })
        .await
        .unwrap();
        assert_eq!(found(&db, Order::OldestFirst, &text("smythe")).await.0, [1]);
        assert!(
            found(&db, Order::OldestFirst, &text("smi"))
                .await
                .0
                .is_empty()
        );
        let same = db.transact(&[A], |tx| {
            let after = after.clone();
            async move {
                reindex(&tx, &after, &after);
                Ok(tx.is_unchanged())
            }
        });
        assert!(same.await.unwrap());
    }
}
