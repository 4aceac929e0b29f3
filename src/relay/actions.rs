//! Carrying out what the engine wants.
//!
//! Owns the way from an action to the store, to a read or to a request beside the loop. Does not
//! know why the engine wants it.

use std::future::Future;
use std::sync::Arc;

use super::attempts::{self, Delivery, Duty, Under};
use super::engine::{Action, AttemptId, Input, Purpose, Ranges};
use super::lines;
use super::outbound::Destination;
use super::persist::{self, Persist};
use super::reader::{self, Found};
use super::records;
use super::shell::{Event, Shell};
use crate::domain::endpoint::Endpoint;
use crate::id::EndpointId;
use crate::store::{Durability, Write};

impl Shell {
    /// Carries out one action. What is answered at once goes to `inputs`; `row` goes with what is
    /// stored for its endpoint.
    pub(super) fn execute(
        &mut self,
        action: Action,
        row: &mut Option<(EndpointId, Write)>,
        inputs: &mut Vec<Input>,
    ) {
        match action {
            Action::Persist {
                account,
                endpoint,
                token,
                durable,
                changes,
            } => {
                let mine = row.take_if(|(owner, _)| *owner == endpoint);
                self.enter(Persist {
                    account,
                    endpoint,
                    token,
                    durable,
                    changes,
                    extra: mine.map(|(_, write)| write).into_iter().collect(),
                });
            }
            Action::PersistSeen { account, seq } => {
                let write = records::seen_write(account, seq).ok();
                let commit = persist::commit(account, Vec::from_iter(write), Durability::Relaxed);
                let receipt = self.database.store().submit(commit);
                let events = self.events.clone();
                tokio::spawn(async move {
                    if receipt.wait().await.is_err() {
                        // The receiver ends with the loop.
                        let _ = events.send(Event::Input(Input::SeenNotStored(account)));
                    }
                });
            }
            Action::Read {
                attempt,
                endpoint,
                wanted,
                purpose,
                ..
            } => inputs.extend(self.read(attempt, endpoint, wanted, purpose)),
            Action::Post {
                attempt,
                endpoint,
                batch,
                number,
                ranges,
                ..
            } => {
                let under = Under::delivery(endpoint, batch, number, ranges.count());
                let loaded = self.loaded.remove(&attempt);
                match self.destination(endpoint) {
                    Some(destination) => {
                        self.attempts.begin(attempt, under);
                        let delivery = Delivery {
                            destination,
                            batch,
                            ranges,
                            loaded,
                        };
                        attempts::deliver(self, attempt, delivery);
                    }
                    None => inputs.push(Input::NotSent { attempt }),
                }
            }
            Action::Wakeup {
                attempt,
                endpoint,
                batch,
                pending,
                ..
            } => match self.destination(endpoint) {
                Some(destination) => {
                    let under = Under::wake_up(endpoint, batch);
                    self.attempts.begin(attempt, under);
                    attempts::wake_up(self, attempt, destination, batch, pending);
                }
                None => inputs.push(Input::NotSent { attempt }),
            },
            Action::Authenticate {
                attempt,
                account,
                endpoint,
                generation,
            } => {
                self.attempts.begin(attempt, Under::authenticate(endpoint));
                attempts::authenticate(self, attempt, account, endpoint, generation);
            }
            Action::LoseVerification {
                account,
                endpoint,
                generation,
            } => {
                attempts::lose_verification(self, account, endpoint, generation);
            }
            Action::Disable {
                account,
                endpoint,
                reason,
                held,
            } => {
                attempts::disable(self, account, endpoint, reason, held);
            }
        }
    }

    /// Takes a persist in its endpoint's order.
    fn enter(&mut self, persist: Persist) {
        if let Some(persist) = self.lanes.enter(persist) {
            // Where it has to wait, others wait behind it.
            let _ = self.submit(persist);
        }
    }

    pub(super) fn record(&self, endpoint: EndpointId) -> Option<Arc<Endpoint>> {
        let account = self.owners.get(&endpoint)?;
        self.audiences.get(account)?.record(endpoint).cloned()
    }

    pub(super) fn destination(&mut self, endpoint: EndpointId) -> Option<Arc<Destination>> {
        if let Some(known) = self.destinations.get(&endpoint) {
            return Some(known.clone());
        }
        let record = self.record(endpoint)?;
        let destination = Arc::new(self.outbound.destination(record).ok()?);
        self.destinations.insert(endpoint, destination.clone());
        Some(destination)
    }

    /// Hands a persist to the store; one that announces dead messages takes its account's turn
    /// first, and those behind it wait. False when it waits itself.
    pub(super) fn submit(&mut self, persist: Persist) -> bool {
        lines::deaths(&persist);
        let told = persist.deaths().next().is_some()
            && self
                .audiences
                .get(&persist.account)
                .is_some_and(|audience| {
                    persist::wants_dead_notices(audience.records(), persist.endpoint)
                });
        let record = if told {
            self.record(persist.endpoint)
        } else {
            None
        };
        if let Some(record) = record {
            self.lanes.block(persist.endpoint);
            let database = self.database.clone();
            let retention = self.settings.dead_retention;
            let (endpoint, token) = (persist.endpoint, persist.token);
            let ended = move |input| vec![Event::Input(input), Event::Unblock(endpoint)];
            let duty = Duty::new(&self.events, ended(Input::NotStored(endpoint, token)));
            tokio::spawn(async move {
                let notices = persist::dead_notices(&database, &record, &persist).await;
                let stored = persist
                    .submit_with_notices(&database, retention, &record, &notices)
                    .await;
                duty.done(ended(match stored {
                    Ok(()) => Input::Stored(endpoint, token),
                    Err(_) => Input::NotStored(endpoint, token),
                }));
            });
            return false;
        }
        let (endpoint, token) = (persist.endpoint, persist.token);
        let submitted = persist.submit(&self.database, self.settings.dead_retention);
        // Neither receiver ends before the loop.
        if let Ok(receipt) = submitted {
            let whose = (persist.account, endpoint);
            let _ = self.receipts.send((whose, token, receipt));
        } else {
            let input = Input::NotStored(endpoint, token);
            let _ = self.events.send(Event::Input(input));
        }
        true
    }

    /// Reads for the engine: at once if the messages are at hand, else beside the loop.
    pub(super) fn read(
        &mut self,
        attempt: AttemptId,
        endpoint: EndpointId,
        wanted: Ranges,
        purpose: Purpose,
    ) -> Option<Input> {
        let Some(record) = self.record(endpoint) else {
            return Some(Input::NotSent { attempt });
        };
        let account = record.account;
        let store = self.database.store().clone();
        let mut reading =
            Box::pin(async move { reader::read(&*store, &record, &wanted, purpose).await });
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match reading.as_mut().poll(&mut context) {
            std::task::Poll::Ready(Ok(found)) => Some(self.found(attempt, purpose, found)),
            std::task::Poll::Ready(Err(_)) => Some(Input::NotSent { attempt }),
            std::task::Poll::Pending => {
                let duty = Duty::new(&self.events, vec![Event::Input(Input::NotSent { attempt })]);
                tokio::spawn(async move {
                    match reading.await {
                        Ok(found) => duty.done(vec![Event::Read(attempt, purpose, found)]),
                        Err(error) => {
                            tracing::warn!(%account, %endpoint, %error, "the log cannot be read now");
                        }
                    }
                });
                None
            }
        }
    }

    pub(super) fn found(&mut self, attempt: AttemptId, purpose: Purpose, found: Found) -> Input {
        let through = found.through;
        match purpose {
            Purpose::Expire { .. } => {
                let (count, next) = (found.count, found.stopped_at);
                Input::Expired {
                    attempt,
                    count,
                    through,
                    next,
                }
            }
            Purpose::Advance => Input::Read {
                attempt,
                entries: found.entries(),
                through,
                damaged: found.damaged,
            },
            Purpose::Batch { .. } => {
                let entries = found.entries();
                self.loaded.insert(attempt, found.messages);
                Input::Read {
                    attempt,
                    entries,
                    through,
                    damaged: found.damaged,
                }
            }
        }
    }
}
