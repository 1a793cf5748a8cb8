//! The watcher's end of a message socket: whole frames in, whole frames out, never waiting.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::sockopt::{
    set_socket_recv_buffer_size, set_socket_send_buffer_size, socket_send_buffer_size,
};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

use crate::link::{self, LinkError};
use crate::messages::{LONGEST_FRAME, WINDOW};

/// How much a socket takes before its reader has to read: one window, so that a sender that may send seldom waits. Some
/// systems' own choice has no room for the longest frame.
pub(super) const BUFFER: usize = WINDOW as usize;

/// How much room the longest frame needs, with what the system keeps along with it.
const LEAST: usize = LONGEST_FRAME + 512;

/// A message socket: our end, and the one for an endpoint.
pub(super) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = link::pair()?;
    let before = room(&ends)?;
    size(&ends);
    if room(&ends)? < before.min(BUFFER) {
        // The system's limit is below what it gives unasked, and nobody is told; only a new pair has that again.
        ends = link::pair()?;
    }
    match room(&ends)? {
        too_little @ ..LEAST => Err(io::Error::other(format!(
            "the system gives a socket room for {too_little} bytes, and a frame takes {LEAST} (Linux: net.core.wmem_max)"
        ))),
        _ => Ok(ends),
    }
}

/// Sets the buffers' sizes: to the largest one that the system allows, where it says which it does not.
fn size((ours, theirs): &(OwnedFd, OwnedFd)) {
    for end in [ours, theirs] {
        let fits = |size: &usize| {
            let received = set_socket_recv_buffer_size(end, *size);
            let sent = set_socket_send_buffer_size(end, *size);
            sent.and(received).is_ok()
        };
        // One that refuses all of them keeps its own, which is looked at.
        let _size = [BUFFER, BUFFER / 2, LEAST].iter().find(|size| fits(size));
    }
}

/// How much the ends take before their readers have to read.
fn room((ours, theirs): &(OwnedFd, OwnedFd)) -> io::Result<usize> {
    let ours = socket_send_buffer_size(ours)?;
    Ok(ours.min(socket_send_buffer_size(theirs)?))
}

/// Room for one frame, shared by all sockets.
#[derive(Debug, Default)]
pub(super) struct FrameBuffer(Vec<u8>);

/// Our end.
#[derive(Debug)]
pub(super) struct MessageSocket {
    /// Nothing of this type but its readiness is used: see [`crate::link::WatcherEnd`].
    socket: UnixDatagram,
}

impl MessageSocket {
    /// Takes over our end. Needs a tokio runtime.
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            socket: UnixDatagram::from_std(socket.into())?,
        })
    }

    /// A frame that is there already, if any is.
    pub(super) fn try_receive<'buffer>(
        &self,
        buffer: &'buffer mut FrameBuffer,
    ) -> Result<Option<&'buffer [u8]>, LinkError> {
        buffer.0.resize(LONGEST_FRAME, 0);
        let received = self.try_io(Interest::READABLE, || {
            link::receive_packet(self.socket.as_fd(), &mut buffer.0)
        })?;
        Ok(received.map(|length| &buffer.0[..length]))
    }

    /// The same whether or not we have heard that something is there.
    pub(super) fn try_receive_last<'buffer>(
        &self,
        buffer: &'buffer mut FrameBuffer,
    ) -> Result<Option<&'buffer [u8]>, LinkError> {
        buffer.0.resize(LONGEST_FRAME, 0);
        let received = link::receive_packet(self.socket.as_fd(), &mut buffer.0)?;
        Ok(received.map(|length| &buffer.0[..length]))
    }

    /// Sends a frame; `false` when there is no room for it now.
    pub(super) fn try_send(&self, frame: &[u8]) -> Result<bool, LinkError> {
        let sent = self.try_io(Interest::WRITABLE, || {
            match link::send_packet(self.socket.as_fd(), frame) {
                Ok(()) => Ok(Some(())),
                Err(LinkError::Full) => Ok(None),
                Err(error) => Err(error),
            }
        })?;
        Ok(sent.is_some())
    }

    /// Waits until there may be something to receive. Cancel safe.
    pub(super) async fn readable(&self) {
        self.until(Interest::READABLE).await;
    }

    /// Waits until there may be room to send. Cancel safe.
    pub(super) async fn writable(&self) {
        self.until(Interest::WRITABLE).await;
    }

    async fn until(&self, interest: Interest) {
        if self.socket.ready(interest).await.is_err() {
            // The runtime's reactor is gone, and whoever waits with it.
            std::future::pending().await
        }
    }

    #[cfg(test)]
    pub(super) fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Tries something that is not ready when it gives nothing.
    fn try_io<T>(
        &self,
        interest: Interest,
        mut attempt: impl FnMut() -> Result<Option<T>, LinkError>,
    ) -> Result<Option<T>, LinkError> {
        let result = self.socket.try_io(interest, || match attempt() {
            Ok(Some(value)) => Ok(Ok(value)),
            Ok(None) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Ok(Err(error)),
        });
        match result {
            Ok(result) => result.map(Some),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
