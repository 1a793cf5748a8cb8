//! Looks whether connections wait at a listening socket.

use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Whether a connection waits to be accepted. When the system does not say, none does.
pub(crate) fn has_waiting(socket: &impl AsFd) -> bool {
    let mut fds = [PollFd::new(socket, PollFlags::IN)];
    match poll(&mut fds, Some(&Timespec::default())) {
        Ok(_) => fds[0].revents().contains(PollFlags::IN),
        Err(_) => false,
    }
}
