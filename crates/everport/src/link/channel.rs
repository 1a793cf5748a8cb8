//! Moves frames, and the descriptors that come with them, through the link's socket.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

use super::wire::{DecodeError, FrameTooLong, MAX_FRAME};
use super::{FromWatcher, FromWorker};
use crate::rights::{CLOSE_ON_EXEC, descriptors};

/// Why a frame could not be received or sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The other side is gone.
    #[error("the link is closed")]
    Closed,
    /// The other side does not speak the protocol.
    #[error("the link carried {0}")]
    Violation(#[from] DecodeError),
    /// The other side does not read what it is sent.
    #[error("the link is full: the other side does not read it")]
    Full,
    /// The frame is too long to be sent.
    #[error(transparent)]
    TooLong(#[from] FrameTooLong),
    /// The system refused.
    #[error("the link failed: {0}")]
    Io(#[from] io::Error),
}

/// A new link: two ends that are equal until one is given to a worker.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )?)
}

/// The watcher's end of a link.
#[derive(Debug)]
pub(crate) struct WatcherEnd {
    /// Tokio has no type for sequenced packets; its readiness is the same for every Unix socket that
    /// keeps messages apart, and nothing else of the type is used.
    socket: UnixDatagram,
}

impl WatcherEnd {
    /// Takes over a non-blocking end. Needs a tokio runtime.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            socket: UnixDatagram::from_std(socket.into())?,
        })
    }

    /// Ends the link for both sides, whoever still holds this end. What was sent can still be read.
    pub(crate) fn hang_up(&self) {
        // A link that is closed already is what is wanted.
        let _closed = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }

    /// The next frame. Cancel safe: a frame is taken from the socket only when it is returned.
    pub(crate) async fn receive(&self) -> Result<FromWorker, LinkError> {
        let next = || match self.try_receive() {
            Ok(Some(frame)) => Ok(Ok(frame)),
            Ok(None) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Ok(Err(error)),
        };
        self.socket.async_io(Interest::READABLE, next).await?
    }

    /// A frame that is there already.
    pub(crate) fn try_receive(&self) -> Result<Option<FromWorker>, LinkError> {
        let mut buffer = [0; MAX_FRAME];
        // There is no room for descriptors, so the kernel closes what a worker attaches and says so.
        match receive(self.socket.as_fd(), &mut buffer, Descriptors::Unwanted)? {
            Some((length, _)) => Ok(Some(FromWorker::decode(&buffer[..length])?)),
            None => Ok(None),
        }
    }

    /// Sends a frame with its descriptors. Never waits.
    pub(crate) fn send(
        &self,
        frame: &FromWatcher,
        fds: &[BorrowedFd<'_>],
    ) -> Result<(), LinkError> {
        send(self.socket.as_fd(), &frame.encode()?, fds)
    }
}

/// The worker's end of a link, for a thread that may block.
#[derive(Debug)]
pub(crate) struct WorkerEnd {
    socket: OwnedFd,
}

impl WorkerEnd {
    /// Takes over a non-blocking end.
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket }
    }

    /// Waits until there is something to receive or the link is closed; `false` when the time is over.
    pub(crate) fn wait(&self, timeout: Option<std::time::Duration>) -> io::Result<bool> {
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut fds = [PollFd::new(&self.socket, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(ready) => Ok(ready > 0),
            Err(Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// A frame that is there already, with the descriptors that came along. Frames of kinds that only a
    /// newer watcher knows are skipped.
    pub(crate) fn try_receive(&self) -> Result<Option<(FromWatcher, Vec<OwnedFd>)>, LinkError> {
        let mut buffer = [0; MAX_FRAME];
        while let Some((length, fds)) = receive(self.as_fd(), &mut buffer, Descriptors::Wanted)? {
            if let Some(frame) = FromWatcher::decode(&buffer[..length])? {
                return Ok(Some((frame, fds)));
            }
        }
        Ok(None)
    }

    /// Sends a frame. Never waits.
    pub(crate) fn send(&self, frame: &FromWorker) -> Result<(), LinkError> {
        send(self.as_fd(), &frame.encode()?, &[])
    }
}

impl AsFd for WorkerEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// The other side sends no more, though it may still receive.
#[cfg(all(target_os = "linux", not(everport_portable)))]
const HALF_GONE: PollFlags = PollFlags::RDHUP;
/// Not told everywhere; nobody who speaks our protocol goes by halves.
#[cfg(any(not(target_os = "linux"), everport_portable))]
const HALF_GONE: PollFlags = PollFlags::empty();

/// A packet of another socket of this kind, if there is one: its length.
pub(crate) fn receive_packet(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
) -> Result<Option<usize>, LinkError> {
    let received = receive(socket, buffer, Descriptors::Unwanted)?;
    Ok(received.map(|(length, _)| length))
}

/// Sends a packet through another socket of this kind. Never waits.
pub(crate) fn send_packet(socket: BorrowedFd<'_>, packet: &[u8]) -> Result<(), LinkError> {
    send(socket, packet, &[])
}

/// Whether descriptors may come with a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Descriptors {
    Unwanted,
    Wanted,
}

/// How many descriptors may come with a frame: as many as a ring has.
const MOST_DESCRIPTORS: usize = 2;

/// One message: its length and its descriptors. `None` when there is none yet.
pub(super) fn receive(
    socket: BorrowedFd<'_>,
    buffer: &mut [u8],
    wanted: Descriptors,
) -> Result<Option<(usize, Vec<OwnedFd>)>, LinkError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = match wanted {
        Descriptors::Wanted => RecvAncillaryBuffer::new(&mut space),
        Descriptors::Unwanted => RecvAncillaryBuffer::default(),
    };
    let room = buffer.len();
    let mut slices = [IoSliceMut::new(buffer)];
    let flags = CLOSE_ON_EXEC | RecvFlags::DONTWAIT;
    let mut was_reset = false;
    let message = loop {
        match recvmsg(socket, &mut slices, &mut control, flags) {
            Ok(message) => break message,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Ok(None),
            // Told once, and first, when the other side has not read all: what it had sent is still there.
            Err(Errno::CONNRESET) if !was_reset => was_reset = true,
            Err(Errno::CONNRESET | Errno::PIPE) => return Err(LinkError::Closed),
            Err(error) => return Err(LinkError::Io(error.into())),
        }
    };
    if message.flags.contains(ReturnFlags::TRUNC) {
        return Err(DecodeError::Oversized(room).into());
    }
    if wanted == Descriptors::Unwanted && message.flags.contains(ReturnFlags::CTRUNC) {
        return Err(DecodeError::UnwantedDescriptors.into());
    }
    if message.bytes == 0 {
        return Err(empty_or_closed(socket));
    }
    Ok(Some((message.bytes, descriptors(&mut control))))
}

/// End-of-file and an empty message look alike; only the first comes with a hang-up.
fn empty_or_closed(socket: BorrowedFd<'_>) -> LinkError {
    let mut fds = [PollFd::from_borrowed_fd(socket, HALF_GONE)];
    let gone = PollFlags::HUP | HALF_GONE | PollFlags::ERR;
    match poll(&mut fds, Some(&Timespec::default())) {
        Ok(_) if !fds[0].revents().intersects(gone) => DecodeError::Empty.into(),
        _ => LinkError::Closed,
    }
}

/// Sends one message with its descriptors. Never waits.
pub(super) fn send(
    socket: BorrowedFd<'_>,
    frame: &[u8],
    fds: &[BorrowedFd<'_>],
) -> Result<(), LinkError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    loop {
        match sendmsg(socket, &[IoSlice::new(frame)], &mut control, flags) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return Err(LinkError::Full),
            Err(Errno::PIPE | Errno::CONNRESET) => return Err(LinkError::Closed),
            Err(error) => return Err(LinkError::Io(error.into())),
        }
    }
}
