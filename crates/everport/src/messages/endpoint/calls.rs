//! Requests that wait for their replies, and for leave to be sent.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore, oneshot};

use super::outgoing::Lost;
use super::state::{Stage, State};
use super::wakes::{Dropped, Wakes};
use crate::messages::{Outcome, Peer};

/// What a call comes to.
pub(super) type Reply = Result<(Outcome, Vec<u8>), Lost>;

/// A call whose reply has not come.
pub(super) struct Pending {
    peer: Peer,
    event: Arc<str>,
    /// Who waits; `None` when nobody does any more, but the request is with the peer still.
    done: Option<oneshot::Sender<Reply>>,
    /// Given back when the peer is done with the request: what it has not answered it holds, whoever still waits for that.
    permit: Permit,
    /// Whether some of the request was sent.
    has_begun: bool,
}

/// What a reply is to its call.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Awaited {
    Yes,
    /// Nobody waits for it any more.
    TooLate,
    /// There is no such call.
    Never,
}

/// Leave to have requests of one event with one peer. A long one waits for its bytes apart from the short ones, which go on
/// meanwhile: some of them may be what it waits for.
#[derive(Clone)]
pub(super) struct CallSlots {
    calls: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

/// Leave to have one request, and for the bytes of a long one.
pub(super) type Permit = (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>);

/// How many requests of one event one peer is sent, and answers of ours, at a time. Those beyond wait here and not in its
/// window, where requests of other events, which these may wait for, would be stuck behind them.
pub(crate) const CALLS_AT_A_TIME: usize = 64;

/// How many bytes the long ones among those have together at most, unless there is one alone that has more: a request that is
/// being answered is held whole, and its sender's window is open for the next one.
pub(crate) const BYTES_AT_A_TIME: usize = 16 * 1024 * 1024;

/// Up to how many bytes a request is short. Such are bounded by their number alone: together they have as much as long ones may.
pub(super) const SHORT: usize = BYTES_AT_A_TIME / CALLS_AT_A_TIME;

/// How many of the bytes that long requests may have one of this length takes: none if it is short.
pub(super) fn weight_of(body: usize) -> usize {
    match body <= SHORT {
        true => 0,
        false => body.min(BYTES_AT_A_TIME),
    }
}

impl CallSlots {
    fn new() -> Self {
        Self {
            calls: Arc::new(Semaphore::new(CALLS_AT_A_TIME)),
            bytes: Arc::new(Semaphore::new(BYTES_AT_A_TIME)),
        }
    }

    /// Waits for leave to have a request of this weight. Its bytes come first: what waits for those keeps no short one waiting.
    pub(super) async fn permit(self, weight: usize) -> Result<Permit, AcquireError> {
        let bytes = match weight {
            0 => None,
            _ => {
                // At most `BYTES_AT_A_TIME`.
                let weight = u32::try_from(weight).unwrap_or(u32::MAX);
                Some(self.bytes.acquire_many_owned(weight).await?)
            }
        };
        Ok((self.calls.acquire_owned().await?, bytes))
    }

    /// Nobody has leave any more, or waits for it.
    pub(super) fn close(&self) {
        self.bytes.close();
        self.calls.close();
    }

    /// Whether nobody has leave or waits for it.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.calls) == 1 && Arc::strong_count(&self.bytes) == 1
    }
}

impl State {
    /// The slots for calls of this event to that peer.
    pub(super) fn slots(&mut self, peer: Peer, event: &Arc<str>) -> Result<CallSlots, Lost> {
        if let Stage::Closed(closed) = &self.stage {
            return Err(Lost::Closed(closed.clone()));
        }
        if !self.is_there(peer) {
            return Err(Lost::Gone(peer));
        }
        let slots = self.call_slots.entry((peer, Arc::clone(event)));
        Ok(slots.or_insert_with(CallSlots::new).clone())
    }

    /// Forgets slots that nobody uses any more.
    pub(super) fn tidy_slots(&mut self, peer: Peer, event: &Arc<str>) {
        if let Entry::Occupied(slots) = self.call_slots.entry((peer, Arc::clone(event)))
            && slots.get().is_idle()
        {
            slots.remove();
        }
    }

    /// A new call's number, and where its reply will be.
    pub(super) fn open_call(
        &mut self,
        peer: Peer,
        event: &Arc<str>,
        permit: Permit,
    ) -> (u64, oneshot::Receiver<Reply>) {
        self.last_call += 1;
        let (done, reply) = oneshot::channel();
        let pending = Pending {
            peer,
            event: Arc::clone(event),
            done: Some(done),
            permit,
            has_begun: false,
        };
        self.calls.insert(self.last_call, pending);
        (self.last_call, reply)
    }

    /// The request is with the peer from now on.
    pub(super) fn note_call_begun(&mut self, call: u64) {
        if let Some(pending) = self.calls.get_mut(&call) {
            pending.has_begun = true;
        }
    }

    /// Nobody waits for the reply any more.
    pub(super) fn abandon_call(&mut self, call: u64, wakes: &mut Wakes) {
        let Entry::Occupied(mut pending) = self.calls.entry(call) else {
            return;
        };
        let done = pending.get_mut().done.take();
        wakes.dropped.extend(done.map(Dropped::Call));
        if !pending.get().has_begun {
            wakes.permits.push(pending.remove().permit);
        }
    }

    pub(super) fn awaits_reply(&self, peer: Peer, call: u64) -> Awaited {
        let pending = self.calls.get(&call);
        match pending.filter(|pending| pending.peer == peer) {
            Some(Pending { done: Some(_), .. }) => Awaited::Yes,
            Some(_) => Awaited::TooLate,
            None => Awaited::Never,
        }
    }

    /// The reply is there, whether or not somebody waits for it.
    pub(super) fn settle_call(
        &mut self,
        call: u64,
        outcome: Outcome,
        body: Vec<u8>,
        wakes: &mut Wakes,
    ) {
        let Some(pending) = self.calls.remove(&call) else {
            return;
        };
        wakes.permits.push(pending.permit);
        match pending.done {
            Some(done) => wakes.replies.push((done, Ok((outcome, body)))),
            None => wakes.freed.push((pending.peer, pending.event)),
        }
    }

    /// No reply will come, from this peer or from anybody.
    pub(super) fn fail_calls(&mut self, peer: Option<Peer>, lost: &Lost, wakes: &mut Wakes) {
        let is_lost = |other: Peer| peer.is_none_or(|peer| peer == other);
        let failed = self.calls.extract_if(|_, pending| is_lost(pending.peer));
        for (_, pending) in failed {
            wakes.permits.push(pending.permit);
            let done = pending.done.into_iter();
            wakes
                .replies
                .extend(done.map(|done| (done, Err(lost.clone()))));
        }
        let failed = self.call_slots.extract_if(|(peer, _), _| is_lost(*peer));
        wakes.closed_slots.extend(failed.map(|(_, slots)| slots));
    }
}
