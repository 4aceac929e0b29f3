//! What runs beside the loop: requests under way, and changes of an endpoint's facts.
//!
//! Owns the tasks and what the loop remembers of them, and the rows that operators read. Does not
//! decide when anything runs or what follows.

use std::collections::HashMap;
use std::future::Future;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::engine::{AttemptId, DisableReason, Input, Ranges};
use super::outbound::{self, Destination, Proof};
use super::shell::{Event, Shell};
use super::{lines, reader};
use crate::attempt::Report;
use crate::auth::proof;
use crate::clock::{Millis, Stopwatch, Timestamp};
use crate::domain::attempt_log::{AttemptKind, AttemptRow, SLOTS};
use crate::domain::authentication::{self, AuthResult};
use crate::domain::endpoint::{self, DisabledReason, Endpoint};
use crate::domain::event::AuthFailure;
use crate::error::{Kind, Result};
use crate::id::{AccountId, BatchId, EndpointId};
use crate::store::{Database, Message, Tx, keys};

/// Pause before a change of facts that could not be stored is tried again.
const STORE_RETRY: Millis = Millis::seconds(1);

/// A request under way.
#[derive(Debug, Clone)]
pub(super) struct Under {
    pub endpoint: EndpointId,
    pub kind: AttemptKind,
    /// None where nothing of the log is sent.
    pub batch: Option<BatchId>,
    /// Which attempt of its batch, from 1, and messages in it: of deliveries only.
    pub number: Option<u32>,
    pub messages: Option<u64>,
}

impl Under {
    pub(super) fn delivery(
        endpoint: EndpointId,
        batch: BatchId,
        number: u32,
        messages: u64,
    ) -> Self {
        Self {
            endpoint,
            kind: AttemptKind::Delivery,
            batch: Some(batch),
            number: Some(number),
            messages: Some(messages),
        }
    }

    pub(super) fn wake_up(endpoint: EndpointId, batch: BatchId) -> Self {
        let kind = AttemptKind::Wakeup;
        Self {
            endpoint,
            kind,
            batch: Some(batch),
            number: None,
            messages: None,
        }
    }

    pub(super) fn authenticate(endpoint: EndpointId) -> Self {
        let kind = AttemptKind::Authenticate;
        Self {
            endpoint,
            kind,
            batch: None,
            number: None,
            messages: None,
        }
    }

    /// What operators read of it.
    pub(super) fn row(&self, now: Timestamp, report: &Report) -> AttemptRow {
        AttemptRow {
            at: Timestamp(now.0.saturating_sub(report.took.0)),
            batch: self.batch.map_or_else(String::new, |id| id.to_string()),
            kind: self.kind,
            number: self.number.unwrap_or_default(),
            messages: u32::try_from(self.messages.unwrap_or_default()).unwrap_or(u32::MAX),
            class: report.class.to_string(),
            hint: report.hint.clone(),
            status: report.status,
            took_ms: report.took.0,
        }
    }
}

/// The requests under way, and where their rows go.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    under_way: HashMap<AttemptId, Under>,
    slots: HashMap<EndpointId, u64>,
}

impl Attempts {
    pub(super) fn begin(&mut self, attempt: AttemptId, under: Under) {
        self.under_way.insert(attempt, under);
    }

    pub(super) fn end(&mut self, attempt: AttemptId) -> Option<Under> {
        self.under_way.remove(&attempt)
    }

    pub(super) fn forget(&mut self, attempt: AttemptId) {
        self.under_way.remove(&attempt);
    }

    pub(super) fn removed(&mut self, endpoint: EndpointId) {
        self.slots.remove(&endpoint);
    }

    /// The slot behind the one that was written last. After a start that one is looked up.
    pub(super) async fn next_slot(&mut self, database: &Database, record: &Endpoint) -> u64 {
        let last = match self.slots.get(&record.id) {
            Some(last) => *last,
            None => last_slot(database, record).await,
        };
        let next = (last + 1) % SLOTS;
        self.slots.insert(record.id, next);
        next
    }
}

async fn last_slot(database: &Database, record: &Endpoint) -> u64 {
    let range = keys::attempts(record.account, record.id);
    let slots = usize::try_from(SLOTS).unwrap_or(usize::MAX);
    let rows = database
        .view()
        .read_range::<AttemptRow>(&range, slots)
        .await
        .unwrap_or_default();
    let newest = rows.iter().max_by_key(|(_, row)| row.at);
    newest
        .and_then(|(key, _)| u64::from_str_radix(key.last_part(), 16).ok())
        .unwrap_or(SLOTS - 1)
}

/// What a task beside the loop owes the loop. If it ends without its result (a panic in it must
/// not keep a slot or a lane for ever), the loop is told so.
pub(super) struct Duty {
    events: mpsc::UnboundedSender<Event>,
    /// What is told at the end.
    tell: Vec<Event>,
}

impl Duty {
    pub(super) fn new(events: &mpsc::UnboundedSender<Event>, unless_done: Vec<Event>) -> Self {
        Self {
            events: events.clone(),
            tell: unless_done,
        }
    }

    pub(super) fn done(mut self, result: Vec<Event>) {
        self.tell = result;
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        for event in self.tell.drain(..) {
            // A loop that is gone has no use for it.
            let _ = self.events.send(event);
        }
    }
}

/// A batch to be sent.
pub(super) struct Delivery {
    pub destination: Arc<Destination>,
    pub batch: BatchId,
    pub ranges: Ranges,
    pub loaded: Option<Vec<Arc<Message>>>,
}

/// Sends a batch beside the loop; its content is read first if it is not at hand.
pub(super) fn deliver(shell: &Shell, attempt: AttemptId, delivery: Delivery) {
    let (outbound, database) = (shell.outbound.clone(), shell.database.clone());
    let duty = Duty::new(
        &shell.events,
        vec![Event::Input(Input::NotSent { attempt })],
    );
    tokio::spawn(async move {
        let Delivery {
            destination,
            batch,
            ranges,
            loaded,
        } = delivery;
        let messages = match loaded {
            Some(messages) => {
                // What was acknowledged between reading and sending is not sent.
                let still = |message: &Arc<Message>| ranges.contains(message.seq());
                Ok(messages.into_iter().filter(still).collect())
            }
            None => reader::load(&**database.store(), destination.record(), &ranges).await,
        };
        let messages: Vec<Arc<Message>> = match messages {
            Ok(messages) => messages,
            Err(error) => {
                tracing::warn!(
                    account = %destination.record().account,
                    endpoint = %destination.record().id,
                    %batch,
                    %error,
                    "a batch cannot be read now and waits"
                );
                return;
            }
        };
        if messages.len() as u64 == ranges.count() {
            let report = outbound.deliver(&destination, batch, &messages).await;
            let ids = messages.iter().map(|message| message.id).collect();
            duty.done(vec![Event::Attempted(attempt, report, ids)]);
        } else {
            let mut seqs = ranges;
            for message in &messages {
                seqs.remove(message.seq());
            }
            duty.done(vec![Event::Input(Input::Unreadable { attempt, seqs })]);
        }
    });
}

/// Wakes a thin consumer beside the loop.
pub(super) fn wake_up(
    shell: &Shell,
    attempt: AttemptId,
    destination: Arc<Destination>,
    batch: BatchId,
    pending: u64,
) {
    let outbound = shell.outbound.clone();
    let duty = Duty::new(
        &shell.events,
        vec![Event::Input(Input::NotSent { attempt })],
    );
    tokio::spawn(async move {
        let report = outbound.wake_up(&destination, batch, pending).await;
        duty.done(vec![Event::Attempted(attempt, report, Vec::new())]);
    });
}

/// Lets an endpoint prove itself: the request's key is stored first, so that the consumer can
/// name it at once; then the result is stored.
pub(super) fn authenticate(
    shell: &Shell,
    attempt: AttemptId,
    account: AccountId,
    id: EndpointId,
    generation: u32,
) {
    let (outbound, database) = (shell.outbound.clone(), shell.database.clone());
    let duty = Duty::new(&shell.events, vec![Event::NotProved(attempt, id)]);
    tokio::spawn(async move {
        if let Some(proof) = prove(&outbound, &database, account, id, generation).await {
            duty.done(vec![Event::Proved(attempt, id, proof)]);
        }
    });
}

async fn prove(
    outbound: &outbound::Outbound,
    database: &Database,
    account: AccountId,
    id: EndpointId,
    generation: u32,
) -> Option<Proof> {
    let record = endpoint::load(&database.view(), account, id).await.ok()?;
    let (request, key) = outbound.challenge(&record);
    let digest = &key.as_deref().map(proof::key_digest);
    let begun = database
        .transact_essential(&[account], |tx| async move {
            authentication::begin(&tx, account, id, generation, digest.clone()).await
        })
        .await;
    let record = begun.ok().flatten()?;
    let proof = match outbound.destination(Arc::new(record)) {
        Ok(destination) => {
            outbound
                .authenticate(&destination, request, key.as_deref())
                .await
        }
        Err(unusable) => Err(unusable),
    };
    let proof = proof.unwrap_or_else(|_| Proof {
        result: AuthResult::Failed {
            reason: AuthFailure::Credentials,
            http_status: None,
        },
        report: outbound::no_login(),
    });
    let result = proof.result;
    until_stored(database, (account, id), "authentication", |tx| async move {
        authentication::finish(&tx, account, id, generation, result).await
    })
    .await;
    Some(proof)
}

/// A delivery was answered with 401 or 403.
pub(super) fn lose_verification(
    shell: &Shell,
    account: AccountId,
    id: EndpointId,
    generation: u32,
) {
    let database = shell.database.clone();
    let duty = Duty::new(&shell.events, vec![Event::FactsSettled(id)]);
    tokio::spawn(async move {
        // Whether or not it is stored, the endpoint goes on.
        let _duty = duty;
        let whose = (account, id);
        until_stored(&database, whose, "lost verification", |tx| async move {
            authentication::lose(&tx, account, id, generation).await
        })
        .await;
    });
}

/// The endpoint is gone, or failed for too long.
pub(super) fn disable(
    shell: &Shell,
    account: AccountId,
    id: EndpointId,
    reason: DisableReason,
    held: u64,
) {
    let reason = match reason {
        DisableReason::Gone => DisabledReason::Gone,
        DisableReason::Failing => DisabledReason::Failing,
    };
    let database = shell.database.clone();
    let duty = Duty::new(&shell.events, vec![Event::FactsSettled(id)]);
    tokio::spawn(async move {
        // Whether or not it is stored, the endpoint goes on.
        let _duty = duty;
        let whose = (account, id);
        until_stored(&database, whose, "disabled endpoint", |tx| async move {
            let disabled = endpoint::disable(&tx, account, id, reason, held).await;
            disabled.map(drop)
        })
        .await;
    });
}

/// Stores a fact about an endpoint, however long the store refuses; one that is gone needs none.
async fn until_stored<F, U>(
    database: &Database,
    (account, endpoint): (AccountId, EndpointId),
    what: &'static str,
    change: F,
) where
    F: Fn(Tx) -> U + Send + Sync,
    U: Future<Output = Result<()>> + Send,
{
    let (change, accounts) = (&change, [account]);
    loop {
        let watch = Stopwatch::start();
        let stored = database.transact_essential(&accounts, |tx| async move {
            change(tx.clone()).await?;
            Ok(tx.appended())
        });
        match stored.await {
            Ok(appended) => {
                lines::committed(account, endpoint, what, &appended, watch);
                return;
            }
            Err(error) if error.kind == Kind::Unavailable => {
                tracing::warn!(%account, %endpoint, what, %error, "a fact is not stored yet; it will be");
                tokio::time::sleep(STORE_RETRY.into()).await;
            }
            Err(error) => {
                tracing::warn!(%account, %endpoint, what, %error, "a fact was not stored");
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn not_sent(number: u64) -> Vec<Event> {
        let attempt = AttemptId(number);
        vec![Event::Input(Input::NotSent { attempt })]
    }

    /// What the loop was told, as text.
    fn told(inbox: &mut mpsc::UnboundedReceiver<Event>) -> Vec<String> {
        let events = std::iter::from_fn(|| inbox.try_recv().ok());
        events.map(|event| format!("{event:?}")).collect()
    }

    #[test]
    fn a_duty_that_is_done_tells_its_result_and_nothing_else() {
        let (events, mut inbox) = mpsc::unbounded_channel();
        let duty = Duty::new(&events, not_sent(1));
        assert!(
            told(&mut inbox).is_empty(),
            "nothing is told before the end"
        );
        let mut result = not_sent(2);
        result.push(Event::Drain);
        duty.done(result);
        let told = told(&mut inbox);
        assert_eq!(told.len(), 2, "{told:?}");
        assert_eq!(told[0], format!("{:?}", not_sent(2)[0]));
        assert_eq!(told[1], "Drain");
    }

    #[test]
    fn a_duty_that_is_dropped_tells_what_it_owes_in_order() {
        let (events, mut inbox) = mpsc::unbounded_channel();
        let mut owed = not_sent(1);
        owed.push(Event::Drain);
        drop(Duty::new(&events, owed));
        let told = told(&mut inbox);
        assert_eq!(told, [format!("{:?}", not_sent(1)[0]), "Drain".to_owned()]);
    }

    #[tokio::test]
    async fn a_task_that_panics_or_is_ended_tells_what_it_owes() {
        let (events, mut inbox) = mpsc::unbounded_channel();
        let duty = Duty::new(&events, not_sent(1));
        let panicked = tokio::spawn(async move {
            let _duty = duty;
            panic!("as a fault in a task would");
        });
        assert!(panicked.await.unwrap_err().is_panic());
        assert_eq!(told(&mut inbox).len(), 1);

        let duty = Duty::new(&events, not_sent(2));
        let ended = tokio::spawn(async move {
            let _duty = duty;
            std::future::pending::<()>().await;
        });
        ended.abort();
        assert!(ended.await.unwrap_err().is_cancelled());
        assert_eq!(told(&mut inbox).len(), 1);
    }

    #[test]
    fn a_duty_outlives_the_loop_without_harm() {
        let (events, inbox) = mpsc::unbounded_channel();
        let (one, other) = (
            Duty::new(&events, not_sent(1)),
            Duty::new(&events, not_sent(2)),
        );
        drop(inbox);
        drop(one);
        other.done(not_sent(3));
    }
}
