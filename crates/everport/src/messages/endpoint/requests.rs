//! Calls others, and answers them.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::answering::{Answer, Caught, Handler, Job};
use super::calls::{Permit, Reply, weight_of};
use super::outgoing::{Lost, Outgoing};
use super::sending::{check_event, check_length, encode};
use super::{Endpoint, Message, Shared};
use crate::messages::{CallError, Head, Lane, Outcome, Peer, SendError, SubscribeError};

/// How much of what went wrong is told to the caller, in bytes.
const LONGEST_REASON: usize = 4096;

impl Endpoint {
    /// Sends a request and waits for its reply, all of it no longer than the timeout.
    pub(crate) async fn call<Q, A>(
        &self,
        to: Peer,
        event: &str,
        value: &Q,
        timeout: Duration,
    ) -> Result<A, CallError>
    where
        Q: Serialize + ?Sized,
        A: DeserializeOwned,
    {
        let body = encode(event, value)?;
        let replied = tokio::time::timeout(timeout, self.exchange(to, event, body));
        let (outcome, body) = replied.await.map_err(|_| CallError::TimedOut(timeout))??;
        let text = || String::from_utf8_lossy(&body).into_owned();
        match outcome {
            Outcome::Answered => decode_answer(to, &body),
            Outcome::NobodyAnswers => Err(CallError::NobodyAnswers {
                peer: to,
                event: event.to_owned(),
            }),
            Outcome::Panicked => Err(CallError::Panicked {
                peer: to,
                message: text(),
            }),
            Outcome::Misunderstood | Outcome::Unsendable => Err(CallError::Failed {
                peer: to,
                reason: text(),
            }),
        }
    }

    async fn exchange(
        &self,
        to: Peer,
        event: &str,
        body: Vec<u8>,
    ) -> Result<(Outcome, Vec<u8>), CallError> {
        let Some(limit) = self.attached().await.map_err(SendError::from)? else {
            return Err(CallError::Standalone);
        };
        check_length(&body, limit)?;
        let lost = |lost: Lost| CallError::from(SendError::from(lost));
        let event: Arc<str> = event.into();
        let slot = self.slot(to, &event, weight_of(body.len())).await;
        let mut slot = slot.map_err(lost)?;
        let Some(permit) = slot.permit.take() else {
            return Err(lost(Lost::Gone(to)));
        };
        let (call, mut reply) = self
            .shared
            .change(|state, _| state.open_call(to, &event, permit));
        let _open = OpenCall {
            shared: &self.shared,
            call,
        };
        let head = Head::Request {
            call,
            event: &event,
        };
        let outgoing = Outgoing::new(to, head, Arc::new(body));
        self.transmit((to, Lane::Messages), outgoing)
            .await
            .map_err(lost)?;
        self.reply(to, &mut reply).await.map_err(lost)
    }

    async fn reply(&self, to: Peer, reply: &mut oneshot::Receiver<Reply>) -> Reply {
        // It is told whatever happens, unless it was over before it was asked for.
        reply.await.unwrap_or(Err(Lost::Gone(to)))
    }

    /// Waits for leave to have a request of this event and weight with that peer.
    async fn slot(&self, to: Peer, event: &Arc<str>, weight: usize) -> Result<Slot<'_>, Lost> {
        let slots = self.shared.change(|state, _| state.slots(to, event))?;
        let mut slot = Slot {
            shared: &self.shared,
            to,
            event: Arc::clone(event),
            permit: None,
        };
        match slots.permit(weight).await {
            Ok(permit) => slot.permit = Some(permit),
            // Closed with the endpoint or with the peer; sending to it says which.
            Err(_) => self
                .shared
                .change(|state, _| state.slots(to, event))
                .map(drop)?,
        }
        Ok(slot)
    }

    /// Answers requests of an event from now on.
    pub(crate) fn answer<Q, A, Asked, Answering>(
        &self,
        event: &str,
        handler: Asked,
    ) -> Result<(), SubscribeError>
    where
        Q: DeserializeOwned + Send + 'static,
        A: Serialize + 'static,
        Asked: Fn(Message<Q>) -> Answering + Send + Sync + 'static,
        Answering: Future<Output = A> + Send + 'static,
    {
        check_event(event)?;
        let name: Arc<str> = event.into();
        let handler = Arc::new(handler);
        let handler: Handler = Arc::new(move |from, body| {
            let handler = Arc::clone(&handler);
            Box::pin(async move { answer_one(&*handler, from, body).await })
        });
        let refused = self
            .shared
            .change(|state, _| state.answer(&name, handler).err());
        if refused.is_some() {
            return Err(SubscribeError::Answered(event.to_owned()));
        }
        self.request_socket();
        Ok(())
    }

    /// Answers one request.
    pub(super) async fn run_job(self, job: Job) {
        let Job {
            handler,
            event,
            from,
            call,
            body,
        } = job;
        let _running = Running {
            shared: &self.shared,
            event,
            from,
            weight: weight_of(body.len()),
        };
        let answering = Box::pin(async move { handler(from, body).await });
        let (outcome, mut body) = Caught(answering).await;
        if outcome != Outcome::Answered {
            body.truncate(LONGEST_REASON);
        }
        self.send_reply(from, call, outcome, body).await;
    }

    async fn send_reply(&self, to: Peer, call: u64, mut outcome: Outcome, mut body: Vec<u8>) {
        let Ok(Some(limit)) = self.attached().await else {
            return;
        };
        if let Err(error) = check_length(&body, limit) {
            outcome = Outcome::Unsendable;
            body = error.to_string().into_bytes();
        }
        let outgoing = Outgoing::new(to, Head::Reply { call, outcome }, Arc::new(body));
        // Whoever asked may be gone.
        self.transmit((to, Lane::Replies), outgoing).await.ok();
    }
}

async fn answer_one<Q, A, Answering>(
    handler: &impl Fn(Message<Q>) -> Answering,
    from: Peer,
    body: Vec<u8>,
) -> Answer
where
    Q: DeserializeOwned,
    A: Serialize,
    Answering: Future<Output = A>,
{
    let decoded = serde_json::from_slice(&body);
    // The value is what is needed from here on.
    drop(body);
    let value = match decoded {
        Ok(value) => value,
        Err(error) => {
            let reason = format!("the request is not what is expected there: {error}");
            return (Outcome::Misunderstood, reason.into_bytes());
        }
    };
    let answer = handler(Message { from, value }).await;
    match serde_json::to_vec(&answer) {
        Ok(body) => (Outcome::Answered, body),
        Err(error) => {
            let reason = format!("the answer cannot be written as JSON: {error}");
            (Outcome::Unsendable, reason.into_bytes())
        }
    }
}

fn decode_answer<A: DeserializeOwned>(peer: Peer, body: &[u8]) -> Result<A, CallError> {
    serde_json::from_slice(body).map_err(|error| CallError::Decode {
        peer,
        error: error.into(),
    })
}

/// A call that waits for its reply; nobody does any more when this is dropped.
struct OpenCall<'endpoint> {
    shared: &'endpoint Arc<Shared>,
    call: u64,
}

impl Drop for OpenCall<'_> {
    fn drop(&mut self) {
        self.shared
            .change(|state, wakes| state.abandon_call(self.call, wakes));
    }
}

/// Leave to have a request under way.
struct Slot<'endpoint> {
    shared: &'endpoint Arc<Shared>,
    to: Peer,
    event: Arc<str>,
    permit: Option<Permit>,
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        drop(self.permit.take());
        self.shared
            .change(|state, _| state.tidy_slots(self.to, &self.event));
    }
}

/// A request that is being answered.
struct Running<'endpoint> {
    shared: &'endpoint Arc<Shared>,
    event: Arc<str>,
    from: Peer,
    weight: usize,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let peer = (self.from, self.weight);
        self.shared
            .change(|state, wakes| state.finish_answer(&self.event, peer, wakes));
    }
}
