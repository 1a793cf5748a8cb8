//! By a pipe, where there is no eventfd.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::pipe::{PipeFlags, pipe_with};

/// How many rings one hush takes at most; a bell rung more often is hushed again.
const RINGS: usize = 512;

/// Rung by anybody, heard by the thread that polls it.
#[derive(Debug)]
pub(crate) struct Doorbell {
    bell: OwnedFd,
    button: OwnedFd,
}

impl Doorbell {
    pub(crate) fn new() -> io::Result<Self> {
        let (bell, button) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)?;
        Ok(Self { bell, button })
    }

    pub(crate) fn ring(&self) {
        // It fails only when the pipe is full, and then the bell rings already.
        rustix::io::write(&self.button, &[0]).ok();
    }

    /// Makes it silent until it is rung again.
    pub(crate) fn hush(&self) {
        // It fails only when the bell was not rung.
        rustix::io::read(&self.bell, &mut [0; RINGS]).ok();
    }
}

impl AsFd for Doorbell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
