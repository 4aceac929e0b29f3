//! Following the store: changed facts, new messages, orders.
//!
//! Owns the order in which they are taken in: facts before the messages behind them, messages
//! before the orders that speak of them. Does not know who changed anything.

use std::sync::Arc;

use super::engine::Input;
use super::shell::{READ_RETRY, Shell, TAIL_BYTES, TAIL_MESSAGES};
use super::{facts, lines, records, recover};
use crate::clock::Stopwatch;
use crate::domain::endpoint;
use crate::domain::job::Job;
use crate::error::{Kind, Result};
use crate::id::{AccountId, EndpointId, Seq};
use crate::store::{Message, Published, keys};

impl Shell {
    /// Reads the record of a known endpoint again and tells the engine. That it is gone is
    /// believed only when the feed says so: what was read here may not be durable yet.
    pub(super) async fn reload(&mut self, id: EndpointId) {
        if let Some(record) = self.record(id) {
            self.reload_of(record.account, id, false).await;
        }
    }

    pub(super) async fn reload_of(&mut self, account: AccountId, id: EndpointId, followed: bool) {
        let record = endpoint::load(&self.database.view(), account, id).await;
        let followed = self.stale.remove(&(account, id)) || followed;
        match record {
            Ok(record) => {
                self.destinations.remove(&id);
                let spec = facts::spec(&record, &self.settings.retry);
                let audience = self.audiences.entry(account).or_default();
                lines::state(audience.record(id).map(AsRef::as_ref), &record);
                // Where nobody listened, nothing before the first listener is to be read.
                let before = record.start.previous();
                self.tails.entry(account).or_insert(before);
                audience.put(Arc::new(record), Seq(0));
                self.owners.insert(id, account);
                self.give(Input::Endpoint(Box::new(spec)));
            }
            Err(error) if error.kind == Kind::NotFound && followed => {
                self.destinations.remove(&id);
                if let Some(audience) = self.audiences.get_mut(&account) {
                    audience.remove(id);
                }
                self.owners.remove(&id);
                self.orders.remove(&(account, id));
                self.attempts.removed(id);
                self.suspended.remove(&id);
                self.give(Input::Removed(id));
            }
            // Until it can be read its log is not read on: messages must meet the facts that
            // were committed before them.
            Err(error) if error.kind == Kind::Unavailable => {
                self.stale.insert((account, id));
            }
            // Gone, which the feed will say, or damaged: the log says so, and the endpoint stays
            // as it was.
            Err(_) => {}
        }
    }

    /// Reads again what could not be read, once it has rested.
    pub(super) async fn retry_reads(&mut self) {
        self.unreadable
            .retain(|_, since| since.elapsed() < READ_RETRY);
        if self.stale.is_empty() || self.stale_since.elapsed() < READ_RETRY {
            return;
        }
        self.stale_since = Stopwatch::start();
        for (account, endpoint) in self.stale.clone() {
            self.reload_of(account, endpoint, true).await;
        }
    }

    /// Takes in what became durable: facts first, because the messages behind them need them.
    pub(super) async fn follow(&mut self, news: Published) {
        for key in news.changed {
            let Some((account, id)) = keys::watched_endpoint(&key) else {
                continue;
            };
            if key.as_str().starts_with("endpoint/") {
                self.reload_of(account, id, true).await;
            } else if key.as_str().starts_with("order/") {
                self.orders.insert((account, id));
            } else if self.record(id).is_some() {
                let job: Result<Option<Job>> = self.database.view().read(&key).await;
                if let Ok(Some(job)) = job {
                    self.give(Input::Job(id, records::job_state(&job)));
                }
            }
        }
        for (account, through) in news.logs {
            let unread = self.unread.entry(account).or_default();
            *unread = (*unread).max(through);
        }
    }

    /// Hands over what consumers acknowledged, once every message it may speak of was counted.
    pub(super) async fn take_orders(&mut self) {
        for (account, id) in self.orders.clone() {
            let counted = !self.unread.contains_key(&account);
            let Some(record) = self.record(id).filter(|_| counted) else {
                continue;
            };
            match recover::acknowledgements(&self.database, &record).await {
                Ok(inputs) => {
                    self.orders.remove(&(account, id));
                    for input in inputs {
                        self.give(input);
                    }
                }
                // Together with its log, which is not readable either.
                Err(_) => drop(self.unreadable.insert(account, Stopwatch::start())),
            }
        }
    }

    /// Logs that grew and can be read on now.
    pub(super) fn readable(&self) -> Vec<(AccountId, Seq)> {
        let unread = self.unread.iter();
        let ready = unread.filter(|(account, _)| {
            !self.unreadable.contains_key(account)
                && !self.stale.iter().any(|(stale, _)| stale == *account)
        });
        ready
            .map(|(account, through)| (*account, *through))
            .collect()
    }

    /// Reads one page of every log that grew.
    pub(super) async fn read_tails(&mut self) {
        for (account, through) in self.readable() {
            let listening = self
                .audiences
                .get(&account)
                .is_some_and(|found| !found.is_empty());
            if !listening {
                // Nobody listens: there is nothing to count.
                self.arrived(account, through, &[]);
                continue;
            }
            let next = self.tails.get(&account).copied().unwrap_or_default().next();
            let store = self.database.store().clone();
            let page = store
                .read_log(account, next, TAIL_MESSAGES, TAIL_BYTES)
                .await;
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%account, %error, "the end of a log cannot be read now");
                    self.unreadable.insert(account, Stopwatch::start());
                    continue;
                }
            };
            let messages: Vec<Arc<Message>> = page
                .messages
                .into_iter()
                .filter(|message| message.seq() <= through)
                .collect();
            let end = messages.last().map_or(through, |message| message.seq());
            self.arrived(account, end, &messages);
        }
    }

    pub(super) fn arrived(&mut self, account: AccountId, through: Seq, messages: &[Arc<Message>]) {
        let before = self.tails.insert(account, through).unwrap_or_default();
        self.starting.read(account, through);
        if self.unread.get(&account).is_some_and(|end| *end <= through) {
            self.unread.remove(&account);
        }
        let arrivals = self
            .audiences
            .get(&account)
            .map(|audience| audience.arrivals(before.next(), through, messages));
        let arrivals = arrivals.unwrap_or_default();
        self.give(Input::Arrived {
            account,
            through,
            arrivals,
        });
    }
}
