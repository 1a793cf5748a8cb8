//! By poll(2), where there is no epoll: a connection wakes every worker that waits, and the first one has it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};

use crate::listener::doorbell::Doorbell;

/// Whether this worker waits for a connection.
#[derive(Debug)]
pub(in crate::listener) struct Turn {
    socket: Arc<OwnedFd>,
    is_taken: bool,
}

impl Turn {
    pub(in crate::listener) fn new(socket: Arc<OwnedFd>, _bell: &Doorbell) -> io::Result<Self> {
        Ok(Self {
            socket,
            is_taken: false,
        })
    }

    /// Waits for connections, too, from now on.
    pub(in crate::listener) fn take(&mut self) -> io::Result<()> {
        self.is_taken = true;
        Ok(())
    }

    /// Leaves connections to others.
    pub(in crate::listener) fn give_up(&mut self) {
        self.is_taken = false;
    }

    /// Waits for the bell or a connection, and hushes the bell; whether it is a connection.
    pub(in crate::listener) fn wait(&self, bell: &Doorbell) -> bool {
        let mut fds = vec![PollFd::new(bell, PollFlags::IN)];
        if self.is_taken {
            fds.push(PollFd::new(&*self.socket, PollFlags::IN));
        }
        // An interrupted wait is repeated by the caller's loop.
        poll(&mut fds, None).ok();
        let has_rung = |fd: &PollFd<'_>| !fd.revents().is_empty();
        let is_connection = fds.get(1).is_some_and(has_rung);
        if has_rung(&fds[0]) {
            bell.hush();
        }
        is_connection
    }
}
