//! Frames on their way to the guard thread, which sends them.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::link::FromWorker;
use crate::listener::Doorbell;

/// How many frames may wait: far more than a worker has ports. The guard thread empties it at once.
const MOST: usize = 1024;

/// The queue before the link. Closed for ever when there is no link any more, or never was one.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: Mutex<Option<VecDeque<Outgoing>>>,
    bell: Doorbell,
}

#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) frame: FromWorker,
    /// Told when the frame is sent; dropped when it cannot be.
    pub(crate) sent: Option<oneshot::Sender<()>>,
}

/// The frame cannot be sent: there is no link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkLost;

impl Outbox {
    pub(crate) fn new(has_link: bool) -> io::Result<Self> {
        Ok(Self {
            queue: Mutex::new(has_link.then(VecDeque::new)),
            bell: Doorbell::new()?,
        })
    }

    /// Hands a frame to the guard thread.
    pub(crate) fn push(&self, frame: FromWorker) -> Result<(), LinkLost> {
        self.push_outgoing(Outgoing { frame, sent: None })
    }

    /// Hands a frame to the guard thread; the receiver learns when it is sent.
    pub(crate) fn push_reported(
        &self,
        frame: FromWorker,
    ) -> Result<oneshot::Receiver<()>, LinkLost> {
        let (sent, receiver) = oneshot::channel();
        let sent = Some(sent);
        self.push_outgoing(Outgoing { frame, sent })?;
        Ok(receiver)
    }

    fn push_outgoing(&self, outgoing: Outgoing) -> Result<(), LinkLost> {
        match &mut *self.queue() {
            Some(queue) if queue.len() < MOST => queue.push_back(outgoing),
            // A full queue means that the guard thread no longer sends: the link is as good as gone.
            Some(_) | None => return Err(LinkLost),
        }
        self.bell.ring();
        Ok(())
    }

    pub(crate) fn pop(&self) -> Option<Outgoing> {
        self.queue().as_mut()?.pop_front()
    }

    /// Nothing can be sent any more.
    pub(crate) fn close(&self) {
        *self.queue() = None;
    }

    /// Wakes the guard thread.
    pub(crate) fn ring(&self) {
        self.bell.ring();
    }

    pub(crate) fn hush(&self) {
        self.bell.hush();
    }

    pub(crate) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    fn queue(&self) -> MutexGuard<'_, Option<VecDeque<Outgoing>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
