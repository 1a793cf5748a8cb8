//! By an epoll of its own with `EPOLLEXCLUSIVE`, so that a connection wakes one worker and not all. Who
//! gives up its turn and takes another one is at the end of the queue, so that the workers take turns.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::event::epoll;

use crate::listener::doorbell::Doorbell;

/// A place in the queue of those who wait for a connection.
#[derive(Debug)]
pub(in crate::listener) struct Turn {
    epoll: OwnedFd,
    socket: Arc<OwnedFd>,
    is_taken: bool,
}

const BELL: u64 = 0;
const SOCKET: u64 = 1;

impl Turn {
    pub(in crate::listener) fn new(socket: Arc<OwnedFd>, bell: &Doorbell) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let data = epoll::EventData::new_u64(BELL);
        epoll::add(&epoll, bell, data, epoll::EventFlags::IN)?;
        Ok(Self {
            epoll,
            socket,
            is_taken: false,
        })
    }

    /// Waits for connections, too, from now on.
    pub(in crate::listener) fn take(&mut self) -> io::Result<()> {
        if !self.is_taken {
            let data = epoll::EventData::new_u64(SOCKET);
            let flags = epoll::EventFlags::IN | epoll::EventFlags::EXCLUSIVE;
            epoll::add(&self.epoll, &*self.socket, data, flags)?;
            self.is_taken = true;
        }
        Ok(())
    }

    /// Leaves connections to others. Must come before the socket is closed, which would leave a dead entry
    /// in the epoll as long as other processes hold it.
    pub(in crate::listener) fn give_up(&mut self) {
        if self.is_taken {
            // It fails only when the socket is not there, which is what is wanted.
            epoll::delete(&self.epoll, &*self.socket).ok();
            self.is_taken = false;
        }
    }

    /// Waits for the bell or a connection, and hushes the bell; whether it is a connection.
    pub(in crate::listener) fn wait(&self, bell: &Doorbell) -> bool {
        let mut events = Vec::with_capacity(2);
        // An interrupted wait is repeated by the caller's loop.
        epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            None,
        )
        .ok();
        let mut is_connection = false;
        for event in &events {
            match event.data.u64() {
                BELL => bell.hush(),
                _ => is_connection = true,
            }
        }
        is_connection
    }
}
