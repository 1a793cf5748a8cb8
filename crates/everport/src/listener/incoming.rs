//! Connections as a stream.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

type Next<S> = Pin<Box<dyn Future<Output = io::Result<S>> + Send>>;

/// The connections of a listener, one after the other; never ends.
///
/// Dropping it loses nothing: a connection is taken from the listener only when it is returned.
#[must_use = "streams do nothing unless polled"]
pub struct Incoming<S> {
    accept: Box<dyn Fn() -> Next<S> + Send>,
    next: Option<Next<S>>,
}

impl<S> Incoming<S> {
    pub(crate) fn new(accept: impl Fn() -> Next<S> + Send + 'static) -> Self {
        Self {
            accept: Box::new(accept),
            next: None,
        }
    }
}

impl<S> Stream for Incoming<S> {
    type Item = io::Result<S>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut next = match self.next.take() {
            Some(next) => next,
            None => (self.accept)(),
        };
        match next.as_mut().poll(cx) {
            Poll::Ready(accepted) => Poll::Ready(Some(accepted)),
            Poll::Pending => {
                self.next = Some(next);
                Poll::Pending
            }
        }
    }
}

impl<S> std::fmt::Debug for Incoming<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Incoming").finish_non_exhaustive()
    }
}
