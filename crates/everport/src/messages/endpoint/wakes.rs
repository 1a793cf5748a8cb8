//! What is to be done once the endpoint is unlocked: whatever may run somebody else's code.

use std::sync::Arc;
use std::task::Waker;

use tokio::sync::oneshot;

use super::answering::{Answerer, Job};
use super::calls::{CallSlots, Permit, Reply};
use super::outgoing::{Outgoing, Sent};
use super::subscribers::Subscriber;
use crate::messages::Peer;

/// Collected under the lock, done without it: a waker may run anything, and may come back to the endpoint at once.
#[derive(Default)]
pub(super) struct Wakes {
    pub(super) wakers: Vec<Waker>,
    pub(super) sent: Vec<(oneshot::Sender<Sent>, Sent)>,
    pub(super) replies: Vec<(oneshot::Sender<Reply>, Reply)>,
    /// Leave for calls that others may have.
    pub(super) permits: Vec<Permit>,
    /// Whose leave for calls of which event was given back without anybody who waits.
    pub(super) freed: Vec<(Peer, Arc<str>)>,
    pub(super) jobs: Vec<Job>,
    /// Whether the stage of the endpoint is another one than before.
    pub(super) stage_changed: bool,
    /// Whether the socket takes nothing more for now.
    pub(super) is_blocked: bool,
    /// Slots for calls to somebody who is gone.
    pub(super) closed_slots: Vec<CallSlots>,
    /// What wakes somebody, or is the application's, as it is dropped.
    pub(super) dropped: Vec<Dropped>,
}

/// What is not dropped under the lock; held for its drop alone.
#[expect(dead_code, reason = "they are dropped and not looked at")]
pub(super) enum Dropped {
    Answerer(Answerer),
    Call(oneshot::Sender<Reply>),
    Outgoing(Outgoing),
    Subscriber(Subscriber),
    Waker(Waker),
}

impl Wakes {
    /// Wakes, tells and drops. What is left for the endpoint is returned.
    pub(super) fn run(self) -> Left {
        // Before the replies: whoever gets one finds nothing left of its call.
        drop(self.permits);
        for (sender, sent) in self.sent {
            // Whoever waited may have given up.
            sender.send(sent).ok();
        }
        for (sender, reply) in self.replies {
            sender.send(reply).ok();
        }
        for slots in self.closed_slots {
            slots.close();
        }
        for waker in self.wakers {
            waker.wake();
        }
        Left {
            jobs: self.jobs,
            freed: self.freed,
            stage_changed: self.stage_changed,
            is_blocked: self.is_blocked,
        }
    }
}

/// What the endpoint does itself.
pub(super) struct Left {
    pub(super) jobs: Vec<Job>,
    pub(super) freed: Vec<(Peer, Arc<str>)>,
    pub(super) stage_changed: bool,
    pub(super) is_blocked: bool,
}
