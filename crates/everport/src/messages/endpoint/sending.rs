//! Sends messages, and waits for their windows.

use std::sync::Arc;

use serde::Serialize;
use tokio::task::coop::consume_budget;

use super::outgoing::{Lost, Outgoing, Sent, Ticket, Waiting};
use super::{Endpoint, Shared};
use crate::messages::error::EventNameError;
use crate::messages::{Head, Lane, Peer, SendError, is_event};

impl Endpoint {
    /// Sends a message. Cancel safe: a message that has begun is sent to its end by the endpoint, one that has not is not
    /// sent at all.
    pub(crate) async fn send<T: Serialize + ?Sized>(
        &self,
        to: Peer,
        event: &str,
        value: &T,
    ) -> Result<(), SendError> {
        let Some(body) = self.prepare(event, value).await? else {
            return Ok(());
        };
        let outgoing = Outgoing::new(to, Head::Message { event }, Arc::new(body));
        Ok(self.transmit((to, Lane::Messages), outgoing).await?)
    }

    /// Sends a message to every other worker that is there: encoded once, and each waits for its own window. Those that end
    /// meanwhile are passed over. Cancel safe, as `send` is, for each of them.
    pub(crate) async fn broadcast<T: Serialize + ?Sized>(
        &self,
        event: &str,
        value: &T,
    ) -> Result<(), SendError> {
        let Some(body) = self.prepare(event, value).await? else {
            return Ok(());
        };
        consume_budget().await;
        for on_its_way in self.enqueue_to_others(event, Arc::new(body))? {
            match on_its_way.sent().await {
                Ok(()) | Err(Lost::Gone(_)) => {}
                Err(lost @ Lost::Closed(_)) => return Err(lost.into()),
            }
        }
        Ok(())
    }

    /// What is to be sent; `None` when there is nobody, and never will be.
    async fn prepare<T: Serialize + ?Sized>(
        &self,
        event: &str,
        value: &T,
    ) -> Result<Option<Vec<u8>>, SendError> {
        let body = encode(event, value)?;
        let Some(limit) = self.attached().await? else {
            return Ok(None);
        };
        check_length(&body, limit)?;
        Ok(Some(body))
    }

    fn enqueue_to_others(
        &self,
        event: &str,
        body: Arc<Vec<u8>>,
    ) -> Result<Vec<OnItsWay<'_>>, Lost> {
        let mut on_its_way = Vec::new();
        let others = self.shared.change(|state, _| state.others());
        for peer in others {
            let outgoing = Outgoing::new(peer, Head::Message { event }, Arc::clone(&body));
            let to = (peer, Lane::Messages);
            let enqueued = self
                .shared
                .change(|state, wakes| state.enqueue(to, outgoing, wakes));
            match enqueued {
                Ok(None) | Err(Lost::Gone(_)) => {}
                Ok(Some(waiting)) => on_its_way.push(OnItsWay::new(&self.shared, to, waiting)),
                Err(lost @ Lost::Closed(_)) => return Err(lost),
            }
        }
        Ok(on_its_way)
    }

    /// Hands a message over, and returns when that was done.
    pub(super) async fn transmit(&self, to: (Peer, Lane), outgoing: Outgoing) -> Sent {
        consume_budget().await;
        let enqueued = self
            .shared
            .change(|state, wakes| state.enqueue(to, outgoing, wakes))?;
        match enqueued {
            None => Ok(()),
            Some(waiting) => OnItsWay::new(&self.shared, to, waiting).sent().await,
        }
    }
}

/// A message that was not sent at once. Dropping this takes it back, unless it has begun.
struct OnItsWay<'endpoint> {
    shared: &'endpoint Arc<Shared>,
    to: (Peer, Lane),
    /// `None` once it is known what became of it.
    waiting: Option<Waiting>,
}

impl<'endpoint> OnItsWay<'endpoint> {
    fn new(shared: &'endpoint Arc<Shared>, to: (Peer, Lane), waiting: Waiting) -> Self {
        Self {
            shared,
            to,
            waiting: Some(waiting),
        }
    }

    async fn sent(mut self) -> Sent {
        let Some(waiting) = &mut self.waiting else {
            return Ok(());
        };
        // It is told whatever happens; an endpoint that is no more is as good as closed.
        let closed = || Err(Lost::Closed(super::Closed::WatcherGone));
        let sent = (&mut waiting.sent).await.unwrap_or_else(|_| closed());
        self.waiting = None;
        sent
    }

    fn withdraw(&self, ticket: Ticket) {
        self.shared
            .change(|state, wakes| state.withdraw(self.to, ticket, wakes));
    }
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = &self.waiting {
            self.withdraw(waiting.ticket);
        }
    }
}

/// The value as JSON, if the event can have this name.
pub(super) fn encode<T: Serialize + ?Sized>(event: &str, value: &T) -> Result<Vec<u8>, SendError> {
    check_event(event)?;
    serde_json::to_vec(value).map_err(|error| SendError::Encode {
        event: event.to_owned(),
        error: error.into(),
    })
}

pub(super) fn check_event(event: &str) -> Result<(), EventNameError> {
    match is_event(event) {
        true => Ok(()),
        false => Err(EventNameError(event.to_owned())),
    }
}

pub(super) fn check_length(body: &[u8], limit: usize) -> Result<(), SendError> {
    let length = body.len();
    match length <= limit {
        true => Ok(()),
        false => Err(SendError::TooLong { length, limit }),
    }
}

impl From<Lost> for SendError {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Gone(Peer::Worker(worker)) => Self::WorkerGone(worker),
            Lost::Gone(Peer::Watcher) => Self::WatcherGone,
            Lost::Closed(closed) => closed.into(),
        }
    }
}
