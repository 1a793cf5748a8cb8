//! Hands a frame to the system: its first part with the descriptor, and the rest, if there is one, without.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

/// What was left of a frame whose beginning, and with it the socket, has been sent.
#[derive(Debug, Default)]
pub(super) struct Rest {
    bytes: Vec<u8>,
    sent: usize,
}

impl Rest {
    /// What of the parts is left after so many bytes.
    pub(super) fn of(parts: [&[u8]; 2], sent: usize) -> Self {
        let (head, data) = (parts[0], parts[1]);
        let mut bytes = head.get(sent..).unwrap_or_default().to_vec();
        bytes.extend_from_slice(
            data.get(sent.saturating_sub(head.len())..)
                .unwrap_or_default(),
        );
        Self { bytes, sent: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sent == self.bytes.len()
    }

    /// Sends as much of it as there is room for, and then fails with `WouldBlock` if that is not all.
    pub(super) fn send(&mut self, stream: BorrowedFd<'_>) -> io::Result<()> {
        while !self.is_empty() {
            self.sent += send(stream, [&self.bytes[self.sent..], &[]], None)?;
        }
        *self = Self::default();
        Ok(())
    }
}

/// Sends as much as there is room for: at least one byte, and the descriptor with it. `AGAIN` when there is no room.
pub(super) fn send(
    stream: BorrowedFd<'_>,
    parts: [&[u8]; 2],
    descriptor: Option<BorrowedFd<'_>>,
) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if let Some(descriptor) = &descriptor {
        control.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(
            descriptor,
        )));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    let slices = parts.map(IoSlice::new);
    loop {
        match sendmsg(stream, &slices, &mut control, flags) {
            Err(Errno::INTR) => {}
            sent => return sent,
        }
    }
}
