//! The messages of one event, as a stream.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use serde::de::DeserializeOwned;
use tokio::task::coop::poll_proceed;

use super::Endpoint;
use super::sending::check_event;
use super::subscribers::Received;
use crate::messages::{Peer, ReceiveError, SubscribeError};

/// A value that somebody sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message<T> {
    /// Who sent it.
    pub from: Peer,
    /// What was sent.
    pub value: T,
}

/// The messages of one event, in the order in which each sender sent them. Made by `messages` of
/// [`Cluster`](crate::Cluster::messages) and of the watcher's handle. Dropping it frees the event.
///
/// What is not taken holds up its senders, each once 256 KiB of its messages, or one that is longer, wait here. So take them as
/// they come, or drop this.
///
/// The stream ends when the watcher is gone, after everything that came before. Standalone nothing ever comes.
#[must_use = "messages hold up their senders unless they are taken"]
pub struct Messages<T> {
    endpoint: Endpoint,
    event: Arc<str>,
    value: PhantomData<fn() -> T>,
}

impl Endpoint {
    /// Subscribes to an event.
    pub(crate) fn messages<T: DeserializeOwned>(
        &self,
        event: &str,
    ) -> Result<Messages<T>, SubscribeError> {
        check_event(event)?;
        let event: Arc<str> = event.into();
        if !self.shared.change(|state, _| state.subscribe(&event)) {
            return Err(SubscribeError::Taken(event.as_ref().to_owned()));
        }
        self.request_socket();
        Ok(Messages {
            endpoint: self.clone(),
            event,
            value: PhantomData,
        })
    }
}

impl<T: DeserializeOwned> Messages<T> {
    /// The next message; `None` when none will come any more.
    ///
    /// # Cancel safety
    /// Cancel safe: a message is taken only when it is returned.
    ///
    /// # Errors
    /// When a message is not a `T`: see [`ReceiveError`]. It is taken, and those after it can be received.
    pub async fn next(&mut self) -> Option<Result<Message<T>, ReceiveError>> {
        std::future::poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }

    fn decode(&self, received: &Received) -> Result<Message<T>, ReceiveError> {
        let from = received.from;
        match serde_json::from_slice(&received.body) {
            Ok(value) => Ok(Message { from, value }),
            Err(error) => Err(ReceiveError {
                from,
                event: self.event.as_ref().to_owned(),
                error: error.into(),
            }),
        }
    }
}

impl<T: DeserializeOwned> Stream for Messages<T> {
    type Item = Result<Message<T>, ReceiveError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        // Whoever sends without end leaves others their turn.
        let budget = ready!(poll_proceed(cx));
        let taken = self
            .endpoint
            .shared
            .change(|state, wakes| state.poll_take(&self.event, cx, wakes));
        let received = ready!(taken);
        budget.made_progress();
        Poll::Ready(received.map(|received| self.decode(&received)))
    }
}

impl<T> Drop for Messages<T> {
    fn drop(&mut self) {
        self.endpoint
            .shared
            .change(|state, wakes| state.unsubscribe(&self.event, wakes));
    }
}

impl<T> fmt::Debug for Messages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Messages")
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}
