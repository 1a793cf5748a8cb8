//! Who waits for messages of an event, and what waits for them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::incoming::Kept;
use super::state::{Stage, State};
use super::wakes::{Dropped, Wakes};
use crate::messages::Peer;

/// A message or a request as it came.
pub(super) struct Received {
    pub(super) from: Peer,
    pub(super) body: Vec<u8>,
    /// What to credit when it is taken.
    pub(super) kept: Kept,
}

/// The one subscription to an event. What waits here is bounded by the windows of its senders.
#[derive(Default)]
pub(super) struct Subscriber {
    queue: VecDeque<Received>,
    pub(super) waker: Option<Waker>,
}

impl State {
    /// `false` when somebody has the event.
    pub(super) fn subscribe(&mut self, event: &Arc<str>) -> bool {
        let is_free = !self.subscribers.contains_key(event);
        if is_free {
            self.subscribers
                .insert(Arc::clone(event), Subscriber::default());
        }
        is_free
    }

    /// Frees the event. What nobody has taken is dropped.
    pub(super) fn unsubscribe(&mut self, event: &str, wakes: &mut Wakes) {
        let Some(mut subscriber) = self.subscribers.remove(event) else {
            return;
        };
        for received in subscriber.queue.drain(..) {
            self.consume(received.from, received.kept);
        }
        wakes.dropped.push(Dropped::Subscriber(subscriber));
        self.send_what_may(wakes);
    }

    pub(super) fn deliver_message(&mut self, event: &str, received: Received, wakes: &mut Wakes) {
        match self.subscribers.get_mut(event) {
            Some(subscriber) => {
                subscriber.queue.push_back(received);
                wakes.wakers.extend(subscriber.waker.take());
            }
            // The subscription was dropped while the message arrived.
            None => self.consume(received.from, received.kept),
        }
    }

    /// Takes the next message; none will come any more when the endpoint is closed.
    pub(super) fn poll_take(
        &mut self,
        event: &str,
        cx: &Context<'_>,
        wakes: &mut Wakes,
    ) -> Poll<Option<Received>> {
        let is_closed = matches!(self.stage, Stage::Closed(_));
        let Some(subscriber) = self.subscribers.get_mut(event) else {
            return Poll::Ready(None);
        };
        if let Some(received) = subscriber.queue.pop_front() {
            self.consume(received.from, received.kept);
            self.send_what_may(wakes);
            return Poll::Ready(Some(received));
        }
        if is_closed {
            return Poll::Ready(None);
        }
        subscriber.wait(cx, wakes);
        Poll::Pending
    }
}

impl Subscriber {
    /// How many bytes of memory a peer's messages take.
    #[cfg(test)]
    pub(super) fn held(&self, peer: Peer) -> usize {
        let theirs = self.queue.iter().filter(|it| it.from == peer);
        theirs.map(|it| it.body.capacity()).sum()
    }

    /// The peer's messages are kept, but what they took of its window is not owed any more.
    pub(super) fn owe_nothing(&mut self, peer: Peer) {
        let messages = self.queue.iter_mut();
        messages
            .filter(|message| message.from == peer)
            .for_each(|message| message.kept = Kept::default());
    }

    fn wait(&mut self, cx: &Context<'_>, wakes: &mut Wakes) {
        let is_same = |waker: &Waker| waker.will_wake(cx.waker());
        if !self.waker.as_ref().is_some_and(is_same) {
            let before = self.waker.replace(cx.waker().clone());
            wakes.dropped.extend(before.map(Dropped::Waker));
        }
    }
}
