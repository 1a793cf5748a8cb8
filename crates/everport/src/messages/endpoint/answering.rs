//! Who answers requests of an event: each in a task, and a bounded number at a time.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::calls::{BYTES_AT_A_TIME, CALLS_AT_A_TIME, weight_of};
use super::state::State;
use super::subscribers::Received;
use super::wakes::Wakes;
use crate::messages::{Lane, Outcome, Peer};
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
    /// How many are being answered.
    running: usize,
    /// What the long ones among those weigh.
    weight: usize,
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
        caller.running -= 1;
        caller.weight -= weight;
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
        self.owe(received.from, Lane::Messages, received.kept);
    }
}

impl Caller {
    /// The next request, if there is room for it among those that are being answered. Short ones pass a long one that there is
    /// no room for; other long ones do not.
    fn next(&mut self) -> Option<(u64, Received)> {
        if self.running == CALLS_AT_A_TIME {
            return None;
        }
        let weight = |(_, it): &(u64, Received)| weight_of(it.body.len());
        let first = weight(self.waiting.front()?);
        // Few are looked at: no more long ones wait than a window has room for.
        let (place, weight) = match self.weight + first <= BYTES_AT_A_TIME {
            true => (0, first),
            false => (self.waiting.iter().position(|it| weight(it) == 0)?, 0),
        };
        self.running += 1;
        self.weight += weight;
        self.waiting.remove(place)
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
    use crate::messages::endpoint::calls::SHORT;

    /// Requests of these lengths, numbered from 0. Whoever calls waits by himself, and a stranger need not.
    fn caller(lengths: &[usize]) -> Caller {
        let mut caller = Caller::default();
        for (call, length) in lengths.iter().enumerate() {
            let received = Received {
                from: Peer::Watcher,
                body: vec![0; *length],
                kept: 0,
            };
            caller.waiting.push_back((call as u64, received));
        }
        caller
    }

    /// All that begin now.
    fn begun(caller: &mut Caller) -> Vec<u64> {
        std::iter::from_fn(|| caller.next().map(|(call, _)| call)).collect()
    }

    /// All that were begun are answered.
    fn answer_all(caller: &mut Caller) {
        caller.running = 0;
        caller.weight = 0;
    }

    #[test]
    fn long_requests_that_are_begun_are_bounded_by_their_bytes_too() {
        let half = BYTES_AT_A_TIME / 2;
        let mut caller = caller(&[half, half, SHORT + 1, BYTES_AT_A_TIME * 2, SHORT + 1]);
        assert_eq!(begun(&mut caller), [0, 1]);
        answer_all(&mut caller);
        assert_eq!(begun(&mut caller), [2], "the longest waits, and the last");
        answer_all(&mut caller);
        assert_eq!(begun(&mut caller), [3], "alone");
        assert_eq!(caller.weight, BYTES_AT_A_TIME);
        answer_all(&mut caller);
        assert_eq!(begun(&mut caller), [4]);
    }

    #[test]
    fn short_requests_pass_long_ones_that_wait() {
        let long = BYTES_AT_A_TIME;
        let mut caller = caller(&[long, long, 10, long, SHORT, 0]);
        assert_eq!(begun(&mut caller), [0, 2, 4, 5]);
        assert_eq!((caller.running, caller.weight), (4, long));
        answer_all(&mut caller);
        assert_eq!(begun(&mut caller), [1]);
    }

    #[test]
    fn as_many_long_requests_are_begun_as_have_the_bytes_that_they_may_have() {
        let length = 300 * 1024;
        let mut caller = caller(&[length; CALLS_AT_A_TIME]);
        assert_eq!(begun(&mut caller).len(), BYTES_AT_A_TIME / length);
    }

    #[test]
    fn short_requests_are_bounded_by_their_number() {
        let mut caller = caller(&[10; CALLS_AT_A_TIME + 1]);
        assert_eq!(begun(&mut caller).len(), CALLS_AT_A_TIME);
    }
}
