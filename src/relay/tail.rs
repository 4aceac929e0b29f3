//! The tail reader's question: who wants these new messages?
//!
//! Owns [`Audience`], the map from event types to the endpoints of one account, and counts each
//! stretch of the log for the engine. Does not know how the log is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::engine::Arrival;
use crate::clock::Timestamp;
use crate::domain::endpoint::Endpoint;
use crate::id::{EndpointId, Seq};
use crate::store::{Message, Targets};

/// The endpoints of one account by what they may want.
#[derive(Debug, Default)]
pub struct Audience {
    endpoints: BTreeMap<EndpointId, Listener>,
    /// Endpoints with an exact name in any of their filter versions.
    by_name: BTreeMap<String, BTreeSet<EndpointId>>,
    /// Endpoints with a prefix in any of their filter versions.
    by_prefix: BTreeSet<EndpointId>,
}

#[derive(Debug)]
struct Listener {
    record: Arc<Endpoint>,
    /// Up to here its stored counts are complete.
    counted: Seq,
}

impl Audience {
    /// Enters or replaces an endpoint. Messages up to `counted` are in its stored counts already;
    /// a replacement keeps the value.
    pub fn put(&mut self, record: Arc<Endpoint>, counted: Seq) {
        let id = record.id;
        let counted = self.remove(id).unwrap_or(counted);
        for entry in record.filters.iter().flat_map(|version| &version.types) {
            if entry.ends_with('*') {
                self.by_prefix.insert(id);
            } else {
                self.by_name.entry(entry.clone()).or_default().insert(id);
            }
        }
        self.endpoints.insert(id, Listener { record, counted });
    }

    /// Takes an endpoint out; gives up to where it was counted.
    pub fn remove(&mut self, id: EndpointId) -> Option<Seq> {
        let listener = self.endpoints.remove(&id)?;
        self.by_prefix.remove(&id);
        for entry in listener
            .record
            .filters
            .iter()
            .flat_map(|version| &version.types)
        {
            if let Some(named) = self.by_name.get_mut(entry) {
                named.remove(&id);
                if named.is_empty() {
                    self.by_name.remove(entry);
                }
            }
        }
        Some(listener.counted)
    }

    /// The record of an endpoint.
    pub fn record(&self, id: EndpointId) -> Option<&Arc<Endpoint>> {
        self.endpoints.get(&id).map(|listener| &listener.record)
    }

    /// The records of all endpoints.
    pub fn records(&self) -> impl Iterator<Item = &Arc<Endpoint>> {
        self.endpoints.values().map(|listener| &listener.record)
    }

    /// Nobody listens.
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Counts a stretch of the log, from `next` up to `through`, for every endpoint that admits
    /// something of it. What is missing counts for everybody, because nobody can say who would
    /// have admitted it: each endpoint's reader finds that it is lost and says so.
    pub fn arrivals(&self, next: Seq, through: Seq, messages: &[Arc<Message>]) -> Vec<Arrival> {
        let mut arrivals: BTreeMap<EndpointId, Arrival> = BTreeMap::new();
        let mut next = next;
        for message in messages {
            if next < message.seq() {
                let (gap, time) = ((next, message.seq().previous()), message.id.time());
                self.each_missing(gap, time, &mut arrivals);
            }
            next = message.seq().next();
            self.each_admitting(message, |id| {
                let first = Arrival {
                    endpoint: id,
                    first: message.seq(),
                    oldest: message.id.time(),
                    count: 0,
                };
                arrivals.entry(id).or_insert(first).count += 1;
            });
        }
        if next <= through {
            self.each_missing((next, through), Timestamp(0), &mut arrivals);
        }
        arrivals.into_values().collect()
    }

    /// Counts a gap for every endpoint that had not passed it when the daemon started: below that
    /// the log may be trimmed.
    fn each_missing(
        &self,
        (first, last): (Seq, Seq),
        oldest: Timestamp,
        arrivals: &mut BTreeMap<EndpointId, Arrival>,
    ) {
        for (id, listener) in &self.endpoints {
            let first = first
                .max(listener.counted.next())
                .max(listener.record.start);
            if first > last {
                continue;
            }
            let begun = Arrival {
                endpoint: *id,
                first,
                oldest,
                count: 0,
            };
            arrivals.entry(*id).or_insert(begun).count += last.0 - first.0 + 1;
        }
    }

    fn each_admitting(&self, message: &Message, mut count: impl FnMut(EndpointId)) {
        let mut ask = |id: &EndpointId| {
            let wants = self.endpoints.get(id).is_some_and(|listener| {
                message.seq() > listener.counted && listener.record.admits(message)
            });
            if wants {
                count(*id);
            }
        };
        if let Targets::Only(named) = &message.targets {
            named
                .iter()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .for_each(ask);
            return;
        }
        let exact = self.by_name.get(&*message.event_type);
        for id in exact.into_iter().flatten() {
            ask(id);
        }
        for id in &self.by_prefix {
            // An endpoint may have both the name and a prefix; it was asked already then.
            if !exact.is_some_and(|exact| exact.contains(id)) {
                ask(id);
            }
        }
    }
}
