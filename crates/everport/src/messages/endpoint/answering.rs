//! Who answers requests of an event: each in a task, and a bounded number at a time.

use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::calls::CALLS_AT_A_TIME;
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
        let caller = answerer.callers.entry(received.from).or_default();
        if caller.running >= CALLS_AT_A_TIME {
            caller.waiting.push_back((call, received));
        } else {
            caller.running += 1;
            self.begin_answer(call, event, received, wakes);
        }
    }

    /// A request of this event and peer is answered: another one has its turn.
    pub(super) fn finish_answer(&mut self, event: &Arc<str>, peer: Peer, wakes: &mut Wakes) {
        let Some(answerer) = self.answerers.get_mut(event) else {
            return;
        };
        let Some(caller) = answerer.callers.get_mut(&peer) else {
            return;
        };
        if let Some((call, received)) = caller.waiting.pop_front() {
            self.begin_answer(call, Arc::clone(event), received, wakes);
            self.send_what_may(wakes);
            return;
        }
        caller.running -= 1;
        if caller.running == 0 {
            answerer.callers.remove(&peer);
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

impl Answerer {
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
