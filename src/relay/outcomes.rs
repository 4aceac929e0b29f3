//! What came back to the loop, for the engine and for those who read the log.
//!
//! Owns the rows and lines of ended attempts. Does not know what follows from them.

use bytes::Bytes;

use super::engine::{AttemptId, Input, Purpose};
use super::outbound::Proof;
use super::reader::Found;
use super::shell::Shell;
use crate::attempt::{Class, Report};
use crate::id::{EndpointId, MessageId};
use crate::live::Health;
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
        let row = self.log_attempt(attempt, &report, ids).await;
        let endpoint = row.as_ref().map(|(endpoint, _)| *endpoint);
        let Report { outcome, class, .. } = report;
        self.give_with(
            Input::Done {
                attempt,
                outcome,
                class,
            },
            row,
        );
        self.log_health(endpoint, class);
    }

    pub(super) async fn proved(&mut self, attempt: AttemptId, proof: Proof) {
        let row = self.log_attempt(attempt, &proof.report, &[]).await;
        let endpoint = row.as_ref().map(|(endpoint, _)| *endpoint);
        let accepted = !matches!(
            proof.result,
            crate::domain::authentication::AuthResult::Failed { .. }
        );
        let Report { outcome, class, .. } = proof.report;
        self.give_with(
            Input::Authenticated {
                attempt,
                outcome,
                class,
                accepted,
            },
            row,
        );
        self.log_health(endpoint, class);
    }

    /// One line when an endpoint becomes suspended, and one when it is open again. A success at
    /// an endpoint that was open leaves nothing to look at.
    pub(super) fn log_health(&mut self, endpoint: Option<EndpointId>, class: Class) {
        let Some(endpoint) = endpoint else { return };
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
        tracing::info!(
            account = %now.account,
            %endpoint,
            health = ?now.health,
            pending = now.pending,
            %class,
            "endpoint health"
        );
    }

    pub(super) async fn log_attempt(
        &mut self,
        attempt: AttemptId,
        report: &Report,
        ids: &[MessageId],
    ) -> Option<(EndpointId, Write)> {
        let under = self.attempts.end(attempt)?;
        let record = self.record(under.endpoint)?;
        let row = under.row(self.now(), report);
        super::attempts::log(&record, &under, report, ids);
        let slot = self.attempts.next_slot(&self.database, &record).await;
        let value = serde_json::to_vec(&row).ok().map(Bytes::from)?;
        let key = keys::attempt(record.account, record.id, slot);
        Some((record.id, Write::Put(key, value)))
    }
}
