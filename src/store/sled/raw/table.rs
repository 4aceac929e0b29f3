//! The page table: of which messages each page consists, and the tree that the pages make.
//!
//! Owns what a message does to the table, reading a page whole, and finding a key. Follows sled's
//! own recovery in what counts as newest. Does not know which messages are applied: those who
//! recover and those who salvage differ in that.

use std::collections::BTreeMap;

use super::log::Image;
use super::{Kind, Node, Page, Place, Snapshot, node, root};

/// Where the roots of the trees stand.
const META: u64 = 0;
/// Where the counter of identifiers stands.
const COUNTER: u64 = 1;
/// No tree is deeper, and no search goes further to the right.
const MAX_STEPS: usize = 200;

/// The pages.
#[derive(Debug, Default)]
pub struct Table {
    /// Each by its number.
    pub pages: BTreeMap<u64, Page>,
}

impl Table {
    /// The pages of a snapshot.
    pub fn new(snapshot: &Snapshot) -> Self {
        Self {
            pages: (0..).zip(snapshot.pages.iter().cloned()).collect(),
        }
    }

    /// What a message does.
    pub fn apply(&mut self, kind: Kind, page: u64, place: Place) {
        match kind {
            Kind::Counter | Kind::Meta | Kind::Node | Kind::Elsewhere => {
                self.pages.insert(page, Page::Present(place, Vec::new()));
            }
            Kind::Free => {
                self.pages.insert(page, Page::Free(place));
            }
            Kind::Link => {
                // Of a page whose state was written again later, the older changes dangle.
                if let Some(Page::Present(base, links)) = self.pages.get_mut(&page)
                    && links.last().unwrap_or(base).lsn < place.lsn
                {
                    links.push(place);
                }
            }
            Kind::Cancelled | Kind::Cap | Kind::Batch => {}
        }
    }

    /// Every message of which a page consists.
    pub fn places(&self) -> impl Iterator<Item = Place> + '_ {
        self.pages.values().flat_map(|page| {
            let (first, links) = match page {
                Page::Present(base, links) => (base, links.as_slice()),
                Page::Free(place) => (place, &[] as &[Place]),
            };
            std::iter::once(*first).chain(links.iter().copied())
        })
    }

    fn present(&self, page: u64) -> Option<(Place, &[Place])> {
        match self.pages.get(&page)? {
            Page::Present(base, links) => Some((*base, links)),
            Page::Free(_) => None,
        }
    }

    /// The node on a page. None when it is not all readable.
    pub fn node(&self, image: &Image, page: u64) -> Option<Node> {
        let mut buffer = Vec::new();
        let mut read = |place, kind, apply: &mut dyn FnMut(&[u8]) -> Option<()>| {
            let found = image.message(place, &mut buffer)?;
            if found.kind == kind && found.page == page {
                apply(found.body)
            } else {
                None
            }
        };
        let (base, links) = self.present(page)?;
        let mut whole = None;
        read(base, Kind::Node, &mut |body| {
            whole = node(body);
            whole.is_some().then_some(())
        })?;
        let mut whole = whole?;
        for link in links {
            read(*link, Kind::Link, &mut |body| whole.apply(body))?;
        }
        Some(whole)
    }

    /// Whether a page is one of a tree.
    pub fn holds_node(&self, page: u64) -> bool {
        page > COUNTER && self.present(page).is_some()
    }

    /// The page of the root. None when it cannot be read, or the counter beside it.
    pub fn root(&self, image: &Image) -> Option<u64> {
        let mut buffer = Vec::new();
        let (counter, _) = self.present(COUNTER)?;
        let counter = image.message(counter, &mut buffer)?;
        if counter.kind != Kind::Counter || counter.page != COUNTER {
            return None;
        }
        let (meta, _) = self.present(META)?;
        let meta = image.message(meta, &mut buffer)?;
        if meta.kind != Kind::Meta || meta.page != META {
            return None;
        }
        root(meta.body)
    }

    /// The value under a key. None when the way to it cannot be read.
    pub fn get(&self, image: &Image, root: u64, key: &[u8]) -> Option<Option<Vec<u8>>> {
        let mut page = root;
        for _ in 0..MAX_STEPS {
            let found = self.node(image, page)?;
            if let Some(next) = found.toward(key) {
                page = next;
                continue;
            }
            let super::Data::Leaf(entries) = found.data else {
                return None;
            };
            let rest = key.strip_prefix(found.prefix.as_slice());
            let at = rest.and_then(|rest| {
                let at = entries.binary_search_by(|(key, _)| key.as_slice().cmp(rest));
                at.ok()
            });
            return Some(at.map(|at| entries[at].1.clone()));
        }
        None
    }
}
