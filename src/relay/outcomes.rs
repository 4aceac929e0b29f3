//! What came back to the loop, for the engine and for those who read the log.
//!
//! Owns the rows of ended attempts and when their lines are due. Does not know what follows from them.

use std::sync::Arc;

use bytes::Bytes;

use super::attempts::Under;
use super::engine::{AttemptId, Input, Purpose};
use super::lines;
use super::outbound::Proof;
use super::reader::Found;
use super::shell::Shell;
use crate::attempt::{Class, Report};
use crate::clock::Timestamp;
use crate::domain::endpoint::Endpoint;
use crate::id::{EndpointId, MessageId};
use crate::live::{Health, Place};
use crate::store::{Write, keys};

impl Shell {
    pub(super) fn read_ended(&mut self, attempt: AttemptId, purpose: Purpose, found: Found) {
        let input = self.found(attempt, purpose, found);
        self.give(input);
    }

    pub(super) async fn attempted(
        &mut self,
        attempt: AttemptId,
        report: Report,
        ids: &[MessageId],
    ) {
        let ended = self.end(attempt, &report).await;
        let (outcome, class) = (report.outcome.clone(), report.class);
        let input = Input::Done {
            attempt,
            outcome,
            class,
        };
        self.settle(input, ended, &report, ids);
    }

    pub(super) async fn proved(&mut self, attempt: AttemptId, proof: Proof) {
        let report = proof.report;
        let ended = self.end(attempt, &report).await;
        let accepted = !matches!(
            proof.result,
            crate::domain::authentication::AuthResult::Failed { .. }
        );
        let (outcome, class) = (report.outcome.clone(), report.class);
        let input = Input::Authenticated {
            attempt,
            outcome,
            class,
            accepted,
        };
        self.settle(input, ended, &report, &[]);
    }

    /// Gives the engine what came back, with the row of the attempt, and tells the log of it: last,
    /// because only then it is known when what failed is due again.
    fn settle(&mut self, input: Input, ended: Option<Ended>, report: &Report, ids: &[MessageId]) {
        let Some(Ended { record, under, row }) = ended else {
            self.give(input);
            return;
        };
        self.give_with(input, Some((record.id, row)));
        if tracing::enabled!(tracing::Level::WARN) {
            let due = self.due_again(record.id, report.class, ids);
            lines::attempt(&record, &under, report, ids, due);
        }
        self.log_health(record.id, report.class);
    }

    /// When what an attempt did not confirm is sent again, if it waits.
    fn due_again(
        &self,
        endpoint: EndpointId,
        class: Class,
        ids: &[MessageId],
    ) -> Option<Timestamp> {
        if class == Class::Ok {
            return None;
        }
        if ids.is_empty() {
            let now = self.engine.endpoint_now(self.now(), endpoint)?;
            return now.wait?.until();
        }
        ids.iter()
            .find_map(|id| match self.engine.place_of(endpoint, id.seq()) {
                Some(Place::Deferred { due, .. }) => Some(due),
                _ => None,
            })
    }

    /// One line when an endpoint becomes suspended, and one when it is open again. A success at
    /// an endpoint that was open leaves nothing to look at.
    fn log_health(&mut self, endpoint: EndpointId, class: Class) {
        let was_open = !self.suspended.contains(&endpoint);
        if was_open && class == Class::Ok {
            return;
        }
        let Some(now) = self.engine.endpoint_now(self.now(), endpoint) else {
            self.suspended.remove(&endpoint);
            return;
        };
        let is_open = matches!(now.health, Health::Open { .. });
        if is_open == was_open {
            return;
        }
        if is_open {
            self.suspended.remove(&endpoint);
        } else {
            self.suspended.insert(endpoint);
        }
        lines::health(&now, class);
    }

    /// What is known of an attempt that ended, with the row that operators read; none when its
    /// endpoint is gone.
    async fn end(&mut self, attempt: AttemptId, report: &Report) -> Option<Ended> {
        let under = self.attempts.end(attempt)?;
        let record = self.record(under.endpoint)?;
        let row = under.row(self.now(), report);
        let slot = self.attempts.next_slot(&self.database, &record).await;
        let value = serde_json::to_vec(&row).ok().map(Bytes::from)?;
        let key = keys::attempt(record.account, record.id, slot);
        let row = Write::Put(key, value);
        Some(Ended { record, under, row })
    }
}

/// An attempt that ended.
struct Ended {
    record: Arc<Endpoint>,
    under: Under,
    row: Write,
}
