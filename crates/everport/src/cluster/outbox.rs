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
    queue: Mutex<Queue>,
    bell: Doorbell,
}

#[derive(Debug)]
struct Queue {
    /// `None` without a link.
    frames: Option<VecDeque<Outgoing>>,
    /// Whether `Left` was said: nothing but answers may come after it.
    has_left: bool,
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

/// Why a message socket cannot be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooLate {
    LinkLost,
    /// The worker has said its last word.
    Left,
}

impl Outbox {
    pub(crate) fn new(has_link: bool) -> io::Result<Self> {
        Ok(Self {
            queue: Mutex::new(Queue {
                frames: has_link.then(VecDeque::new),
                has_left: false,
            }),
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
        self.queue().push(outgoing)?;
        self.bell.ring();
        Ok(())
    }

    /// Asks for a message socket; not after the last word, which would be a violation.
    pub(crate) fn open_messages(&self) -> Result<(), TooLate> {
        let mut queue = self.queue();
        if queue.has_left {
            return Err(TooLate::Left);
        }
        let frame = FromWorker::OpenMessages;
        let pushed = queue.push(Outgoing { frame, sent: None });
        drop(queue);
        self.bell.ring();
        pushed.map_err(|LinkLost| TooLate::LinkLost)
    }

    pub(crate) fn pop(&self) -> Option<Outgoing> {
        self.queue().frames.as_mut()?.pop_front()
    }

    /// Nothing can be sent any more.
    pub(crate) fn close(&self) {
        // Whoever waits for one of them is told by its drop, which needs no lock of ours.
        let unsent = self.queue().frames.take();
        drop(unsent);
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

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn push(&mut self, outgoing: Outgoing) -> Result<(), LinkLost> {
        let is_last = matches!(outgoing.frame, FromWorker::Left(_));
        match &mut self.frames {
            Some(frames) if frames.len() < MOST => frames.push_back(outgoing),
            // A full queue means that the guard thread no longer sends: the link is as good as gone.
            Some(_) | None => return Err(LinkLost),
        }
        self.has_left |= is_last;
        Ok(())
    }
}
