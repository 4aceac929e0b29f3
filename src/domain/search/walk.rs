//! The walk over lists of ids: how they are met, and which one has to be read on.
//!
//! Owns the meeting of lists, in one order of their ids. Pure. Does not know what is in the lists,
//! nor how they are read.

use bytes::Bytes;

use super::Order;
use super::ids::IdSet;
use crate::store::KeyRange;

/// One list of ids and the part of it that is in memory.
#[derive(Debug)]
pub struct List {
    pub range: KeyRange,
    pub page: Vec<(u64, Bytes)>,
    pub at: usize,
    /// Nothing is behind the page.
    pub ended: bool,
    pub size: usize,
    pub max_size: usize,
}

impl List {
    pub fn new(range: KeyRange, (size, max_size): (usize, usize)) -> Self {
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
    pub fn seek(&mut self, from: u64) -> Option<u64> {
        let behind = self.page[self.at..].partition_point(|(rank, _)| *rank < from);
        self.at += behind;
        self.page.get(self.at).map(|(rank, _)| *rank)
    }

    /// What is stored under the rank that was just found.
    pub fn value(&self, rank: u64) -> Bytes {
        let found = self.page.get(self.at).filter(|(found, _)| *found == rank);
        found.map_or_else(Bytes::new, |(_, value)| value.clone())
    }
}

/// What is met: lists that are read on the way, and sets that are there.
#[derive(Debug)]
pub struct Lists {
    pub order: Order,
    pub read: Vec<List>,
    pub sets: Vec<IdSet>,
}

impl Lists {
    fn in_set(&self, number: usize, from: u64) -> Option<u64> {
        let (set, id) = (&self.sets[number], self.order.rank(from));
        let found = match self.order {
            Order::OldestFirst => set.at_or_after(id),
            Order::NewestFirst => set.at_or_before(id),
        };
        found.map(|id| self.order.rank(id))
    }
}

/// How lists are met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    List(usize),
    Set(usize),
    All(Vec<Node>),
    Any(Vec<Node>),
}

/// What a look at the lists comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Found(u64),
    End,
    /// This list must be read on from this rank first.
    Read(usize, u64),
}

impl Node {
    /// The lists of which one must have an id; none if there is more to it.
    pub fn lists(&self) -> Option<Vec<usize>> {
        match self {
            Self::List(list) => Some(vec![*list]),
            Self::Any(nodes) => {
                let lists: Option<Vec<Vec<usize>>> = nodes.iter().map(Self::lists).collect();
                lists.map(|lists| lists.concat())
            }
            Self::Set(_) | Self::All(_) => None,
        }
    }

    /// The least rank at or behind `from` that is in these lists.
    pub fn next(&self, lists: &mut Lists, from: u64) -> Step {
        match self {
            Self::List(number) => {
                let list = &mut lists.read[*number];
                match list.seek(from) {
                    Some(rank) => Step::Found(rank),
                    None if list.ended => Step::End,
                    None => Step::Read(*number, from),
                }
            }
            Self::Set(number) => match lists.in_set(*number, from) {
                Some(rank) => Step::Found(rank),
                None => Step::End,
            },
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

    /// Lists seek each other's ranks until they agree.
    fn meet(nodes: &[Node], lists: &mut Lists, from: u64) -> Step {
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
