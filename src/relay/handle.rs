//! The relay as others see it: questions and the order to stop.
//!
//! Owns [`Handle`]. Does not know how the loop finds its answers.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};

use super::shell::Event;
use crate::id::{AccountId, EndpointId, Seq};
use crate::live::{AgeMarks, Ages, Backlog, EndpointNow, Live, NotRunning, Place};

/// Proof of life of the relay loop, for the service manager's watchdog.
pub trait Pulse: Send + Sync {
    /// The loop made a turn and goes on at once.
    fn advance(&self);
    /// The loop made a turn and rests until this time, or until something happens.
    fn rest(&self, until: Option<crate::clock::Timestamp>);
}

/// A question to the loop.
#[derive(Debug)]
pub enum Question {
    /// One endpoint now.
    Endpoint(EndpointId, oneshot::Sender<Option<EndpointNow>>),
    /// Every endpoint of an account, or all.
    Endpoints(Option<AccountId>, oneshot::Sender<Vec<EndpointNow>>),
    /// Every endpoint with its pending messages by age.
    EndpointsByAge(
        BTreeMap<AccountId, AgeMarks>,
        oneshot::Sender<Vec<(EndpointNow, Ages)>>,
    ),
    /// What is pending for an endpoint.
    Backlog(EndpointId, oneshot::Sender<Option<Backlog>>),
    /// Where a message is at these endpoints.
    Places(Vec<EndpointId>, Seq, oneshot::Sender<Vec<Option<Place>>>),
    /// Who has a request under way.
    Busy(oneshot::Sender<Vec<EndpointId>>),
}

/// Speaks to the relay loop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Handle {
    events: mpsc::UnboundedSender<Event>,
}

impl Handle {
    pub(super) fn new(events: mpsc::UnboundedSender<Event>) -> Self {
        Self { events }
    }

    /// Starts nothing new from here on; the loop ends when everything under way has ended and is
    /// stored.
    pub fn drain(&self) {
        // A loop that has ended already has drained.
        let _ = self.events.send(Event::Drain);
    }

    /// Who has a request under way.
    pub async fn busy(&self) -> Vec<EndpointId> {
        self.ask(Question::Busy).await.unwrap_or_default()
    }

    /// Whether the loop has ended.
    pub(super) fn is_over(&self) -> bool {
        self.events.is_closed()
    }

    async fn ask<T>(
        &self,
        question: impl FnOnce(oneshot::Sender<T>) -> Question,
    ) -> Result<T, NotRunning> {
        let (answer, answered) = oneshot::channel();
        self.events
            .send(Event::Asked(question(answer)))
            .map_err(|_| NotRunning)?;
        answered.await.map_err(|_| NotRunning)
    }
}

#[async_trait]
impl Live for Handle {
    async fn endpoint(&self, id: EndpointId) -> Result<Option<EndpointNow>, NotRunning> {
        self.ask(|answer| Question::Endpoint(id, answer)).await
    }

    async fn endpoints(&self, account: Option<AccountId>) -> Result<Vec<EndpointNow>, NotRunning> {
        self.ask(|answer| Question::Endpoints(account, answer))
            .await
    }

    async fn endpoints_by_age(
        &self,
        marks: BTreeMap<AccountId, AgeMarks>,
    ) -> Result<Vec<(EndpointNow, Ages)>, NotRunning> {
        self.ask(|answer| Question::EndpointsByAge(marks, answer))
            .await
    }

    async fn backlog(&self, id: EndpointId) -> Result<Option<Backlog>, NotRunning> {
        self.ask(|answer| Question::Backlog(id, answer)).await
    }

    async fn places(
        &self,
        endpoints: Vec<EndpointId>,
        seq: Seq,
    ) -> Result<Vec<Option<Place>>, NotRunning> {
        self.ask(|answer| Question::Places(endpoints, seq, answer))
            .await
    }
}
