//! Who answers requests of an event: each in a task, and a bounded number at a time.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::calls::{CALLS_AT_A_TIME, weight_of};
use super::state::State;
use super::subscribers::Received;
use super::wakes::Wakes;
use crate::messages::{Outcome, Peer};
use crate::panic_payload;

/// What a request comes to.
pub(super) type Answer = (Outcome, Vec<u8>);

/// Makes an answer of a request's sender and body.
pub(super) type Handler =
    Arc<dyn Fn(Peer, Vec<u8>) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send + Sync>;

/// Answers the requests of one event.
pub(super) struct Answerer {
    handler: Handler,
    callers: BTreeMap<Peer, Caller>,
}

/// One peer's requests of one event.
#[derive(Default)]
struct Caller {
    /// What those weigh that are being answered.
    running: usize,
    waiting: VecDeque<(u64, Received)>,
}

/// A request whose time has come.
pub(super) struct Job {
    pub(super) handler: Handler,
    pub(super) event: Arc<str>,
    pub(super) from: Peer,
    pub(super) call: u64,
    pub(super) body: Vec<u8>,
}

impl State {
    /// `false` when somebody answers the event's requests already.
    pub(super) fn answer(&mut self, event: &Arc<str>, handler: Handler) -> Result<(), Handler> {
        if self.answerers.contains_key(event) {
            return Err(handler);
        }
        let answerer = Answerer {
            handler,
            callers: BTreeMap::new(),
        };
        self.answerers.insert(Arc::clone(event), answerer);
        Ok(())
    }

    pub(super) fn deliver_request(
        &mut self,
        call: u64,
        event: Arc<str>,
        received: Received,
        wakes: &mut Wakes,
    ) {
        let Some(answerer) = self.answerers.get_mut(&event) else {
            return; // the endpoint is closed
        };
        let from = received.from;
        let caller = answerer.callers.entry(from).or_default();
        caller.waiting.push_back((call, received));
        self.begin_answers(&event, from, wakes);
    }

    /// A request of this event and peer, which weighed so much, is answered: others have their turn.
    pub(super) fn finish_answer(
        &mut self,
        event: &Arc<str>,
        (peer, weight): (Peer, usize),
        wakes: &mut Wakes,
    ) {
        let Some(answerer) = self.answerers.get_mut(event) else {
            return;
        };
        let Some(caller) = answerer.callers.get_mut(&peer) else {
            return;
        };
        caller.running -= weight;
        if caller.running == 0 && caller.waiting.is_empty() {
            answerer.callers.remove(&peer);
        }
        self.begin_answers(event, peer, wakes);
        self.send_what_may(wakes);
    }

    /// Begins those of a peer's requests whose time has come.
    fn begin_answers(&mut self, event: &Arc<str>, peer: Peer, wakes: &mut Wakes) {
        loop {
            let answerer = self.answerers.get_mut(event);
            let caller = answerer.and_then(|it| it.callers.get_mut(&peer));
            let Some((call, received)) = caller.and_then(Caller::next) else {
                return;
            };
            self.begin_answer(call, Arc::clone(event), received, wakes);
        }
    }

    fn begin_answer(&mut self, call: u64, event: Arc<str>, received: Received, wakes: &mut Wakes) {
        let Some(answerer) = self.answerers.get(&event) else {
            return;
        };
        wakes.jobs.push(Job {
            handler: Arc::clone(&answerer.handler),
            event,
            from: received.from,
            call,
            body: received.body,
        });
        self.consume(received.from, received.kept);
    }
}

impl Caller {
    /// The next request, if there is room for it among those that are being answered.
    fn next(&mut self) -> Option<(u64, Received)> {
        let (_, next) = self.waiting.front()?;
        let running = self.running + weight_of(next.body.len());
        if running > CALLS_AT_A_TIME {
            return None;
        }
        self.running = running;
        self.waiting.pop_front()
    }
}

impl Answerer {
    /// How many bytes of memory a peer's requests take that are not begun.
    #[cfg(test)]
    pub(super) fn held(&self, peer: Peer) -> usize {
        let caller = self.callers.get(&peer).into_iter();
        let waiting = caller.flat_map(|it| &it.waiting);
        waiting.map(|(_, it)| it.body.capacity()).sum()
    }

    /// Nobody waits for the answers to what this peer has asked.
    pub(super) fn forget_waiting(&mut self, peer: Peer) {
        if let Some(caller) = self.callers.get_mut(&peer) {
            caller.waiting.clear();
        }
    }
}

/// A future of the application's whose panic becomes a value.
pub(super) struct Caught(pub(super) Pin<Box<dyn Future<Output = Answer> + Send>>);

impl Future for Caught {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        // A future that has panicked is not polled again, and its state is nobody else's.
        let polled = catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx)));
        polled.unwrap_or_else(|panic| {
            let text = panic_payload::text(&*panic).unwrap_or("a panic without words");
            let text = text.as_bytes().to_vec();
            panic_payload::let_go(panic);
            Poll::Ready((Outcome::Panicked, text))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::endpoint::calls::BYTES_AT_A_TIME;

    /// Whoever calls waits by himself, and a stranger need not.
    #[test]
    fn requests_that_are_begun_are_bounded_by_their_bytes_too() {
        let mut caller = Caller::default();
        for (call, length) in [
            BYTES_AT_A_TIME / 2,
            BYTES_AT_A_TIME / 2,
            1,
            BYTES_AT_A_TIME * 2,
        ]
        .into_iter()
        .enumerate()
        {
            let received = Received {
                from: Peer::Watcher,
                body: vec![0; length],
                kept: Default::default(),
            };
            caller.waiting.push_back((call as u64, received));
        }
        let mut next = || caller.next().map(|(call, _)| call);
        assert_eq!([next(), next(), next()], [Some(0), Some(1), None]);
        caller.running = 0;
        let mut next = || caller.next().map(|(call, _)| call);
        assert_eq!([next(), next()], [Some(2), None], "the long one waits");
        caller.running = 0;
        assert_eq!(caller.next().map(|(call, _)| call), Some(3), "alone");
        assert_eq!(caller.running, CALLS_AT_A_TIME);
    }
}
