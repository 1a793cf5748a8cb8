//! By an eventfd.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};

/// Rung by anybody, heard by the thread that polls it.
#[derive(Debug)]
pub(crate) struct Doorbell {
    counter: OwnedFd,
}

impl Doorbell {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        Ok(Self {
            counter: eventfd(0, flags)?,
        })
    }

    pub(crate) fn ring(&self) {
        // It fails only when the counter is full, and then the bell rings already.
        rustix::io::write(&self.counter, &1_u64.to_ne_bytes()).ok();
    }

    /// Makes it silent until it is rung again.
    pub(crate) fn hush(&self) {
        // It fails only when the bell was not rung.
        rustix::io::read(&self.counter, &mut [0; 8]).ok();
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.counter.as_fd()
    }
}
