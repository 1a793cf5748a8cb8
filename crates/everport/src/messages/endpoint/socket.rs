//! The system calls of a message socket; none of them waits.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, recv, sendmsg, shutdown};

/// The other end is gone, or the socket is of no use any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ended;

/// Sends one frame whose parts lie in two places; `false` when there is no room now.
pub(super) fn send(socket: BorrowedFd<'_>, head: &[u8], part: &[u8]) -> Result<bool, Ended> {
    let slices = [IoSlice::new(head), IoSlice::new(part)];
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    loop {
        match sendmsg(socket, &slices, &mut SendAncillaryBuffer::default(), flags) {
            Ok(_) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(false),
            Err(_) => return Err(Ended),
        }
    }
}

/// Receives one frame into the buffer and tells its length; `None` when there is none yet. Descriptors that come along are
/// closed by the system, for there is no room for them.
pub(super) fn receive(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Option<usize>, Ended> {
    let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
    let mut was_reset = false;
    loop {
        return match recv(socket, &mut *buffer, flags) {
            // No frame is empty, so this is the end, or as good as that.
            Ok((_, 0)) => Err(Ended),
            Ok((_, length)) if length > buffer.len() => Err(Ended),
            Ok((_, length)) => Ok(Some(length)),
            Err(Errno::INTR) => continue,
            // Said once when the other end did not read everything; what it sent is still there.
            Err(Errno::CONNRESET) if !std::mem::replace(&mut was_reset, true) => continue,
            Err(Errno::AGAIN) => Ok(None),
            Err(_) => Err(Ended),
        };
    }
}

/// Ends the connection for both ends. What was sent can still be read.
pub(super) fn hang_up(socket: BorrowedFd<'_>) {
    // One that is closed already is what is wanted.
    shutdown(socket, Shutdown::Both).ok();
}
