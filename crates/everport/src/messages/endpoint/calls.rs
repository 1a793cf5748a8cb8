//! Requests that wait for their replies, and for leave to be sent.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use tokio::sync::{Semaphore, oneshot};

use super::outgoing::Lost;
use super::state::{Stage, State};
use super::wakes::{Dropped, Wakes};
use crate::messages::{Outcome, Peer};

/// What a call comes to.
pub(super) type Reply = Result<(Outcome, Vec<u8>), Lost>;

/// A call whose reply has not come.
pub(super) struct Pending {
    peer: Peer,
    done: oneshot::Sender<Reply>,
}

/// Leave to have a request of one event with one peer.
pub(super) type CallSlots = Arc<Semaphore>;

/// How many requests of one event one peer is sent, and answers of ours, at a time. Those beyond wait here and not in its
/// window, where requests of other events, which these may wait for, would be stuck behind them.
pub(crate) const CALLS_AT_A_TIME: usize = 64;

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
        let slots = slots.or_insert_with(|| Arc::new(Semaphore::new(CALLS_AT_A_TIME)));
        Ok(Arc::clone(slots))
    }

    /// Forgets slots that nobody uses any more.
    pub(super) fn tidy_slots(&mut self, peer: Peer, event: &Arc<str>) {
        if let Entry::Occupied(slots) = self.call_slots.entry((peer, Arc::clone(event)))
            && Arc::strong_count(slots.get()) == 1
        {
            slots.remove();
        }
    }

    /// A new call's number, and where its reply will be.
    pub(super) fn open_call(&mut self, peer: Peer) -> (u64, oneshot::Receiver<Reply>) {
        self.last_call += 1;
        let (done, reply) = oneshot::channel();
        self.calls.insert(self.last_call, Pending { peer, done });
        (self.last_call, reply)
    }

    /// Nobody waits for the reply any more.
    pub(super) fn abandon_call(&mut self, call: u64, wakes: &mut Wakes) {
        let pending = self.calls.remove(&call);
        wakes.dropped.extend(pending.map(Dropped::Pending));
    }

    pub(super) fn awaits_reply(&self, peer: Peer, call: u64) -> bool {
        let pending = self.calls.get(&call);
        pending.is_some_and(|pending| pending.peer == peer)
    }

    pub(super) fn settle_call(
        &mut self,
        call: u64,
        outcome: Outcome,
        body: Vec<u8>,
        wakes: &mut Wakes,
    ) {
        if let Some(pending) = self.calls.remove(&call) {
            wakes.replies.push((pending.done, Ok((outcome, body))));
        }
    }

    /// No reply will come, from this peer or from anybody.
    pub(super) fn fail_calls(&mut self, peer: Option<Peer>, lost: &Lost, wakes: &mut Wakes) {
        let is_lost = |other: Peer| peer.is_none_or(|peer| peer == other);
        let failed = self.calls.extract_if(|_, pending| is_lost(pending.peer));
        for (_, pending) in failed {
            wakes.replies.push((pending.done, Err(lost.clone())));
        }
        let failed = self.call_slots.extract_if(|(peer, _), _| is_lost(*peer));
        wakes.closed_slots.extend(failed.map(|(_, slots)| slots));
    }
}
