//! A dispatched port: what each worker's channel has to do with what happens to that worker.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use super::{Port, Sockets};
use crate::watcher::ports::socket_watch::SocketWatch;
use crate::{SlotId, WorkerId};

/// What a worker is given to accept from.
#[derive(Debug)]
pub(crate) enum Source<'port> {
    /// A listening socket.
    Socket(BorrowedFd<'port>),
    /// The end of a channel.
    Channel(Arc<OwnedFd>),
}

impl AsFd for Source<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Socket(socket) => socket.as_fd(),
            Self::Channel(end) => end.as_fd(),
        }
    }
}

impl Port {
    /// A worker that drains takes what still comes, should nobody serve.
    pub(crate) fn empty(&self, worker: WorkerId) {
        if let Sockets::Dispatch(_, dispatch) = &self.sockets {
            dispatch.empty(worker);
        }
    }

    /// New connections can't be kept out: what waits by now is accepted, and then no more.
    pub(crate) fn close_when_empty(&self) {
        if let Sockets::Dispatch(_, dispatch) = &self.sockets {
            dispatch.close_when_empty();
        }
    }

    /// A worker is gone or has given the port back: what waits for it in its channel is given to others.
    pub(crate) fn close_channel(&mut self, worker: WorkerId, watch: &SocketWatch) {
        if let Sockets::Dispatch(_, dispatch) = &mut self.sockets {
            dispatch.remove(worker, watch);
        }
    }

    /// Whether what waits is left to whoever has the port after us. What has been accepted already cannot be.
    pub(crate) fn outlives_us(&self) -> bool {
        self.is_passed_in() && !matches!(self.sockets, Sockets::Dispatch(..))
    }

    /// Ends the channels of a slot that a worker has shut down; whether its sockets are channels at all.
    pub(crate) fn ends_shut_channel(&mut self, slot: SlotId, watch: &SocketWatch) -> bool {
        let Sockets::Dispatch(_, dispatch) = &mut self.sockets else {
            return false;
        };
        dispatch.end_shut(self.id, slot, watch);
        true
    }
}

#[cfg(test)]
mod tests;
