//! Moves accepted connections from the watcher to a worker, and the worker's reports back.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

use super::channel::{Descriptors, LinkError, receive, send};
use super::dispatch_frame::{Placed, Report};
use super::wire::MAX_FRAME;

/// Enough for any frame from the watcher and for what a newer one may append.
const LONGEST_PLACED: usize = 128;

/// The watcher's end of a channel.
#[derive(Debug)]
pub(crate) struct PlacingEnd {
    /// Used for its readiness only, as with the link.
    socket: UnixDatagram,
}

/// A worker's end of a channel.
#[derive(Debug)]
pub(crate) struct TakingEnd {
    socket: UnixDatagram,
}

impl PlacingEnd {
    /// Takes over a non-blocking end. Needs a tokio runtime.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            socket: UnixDatagram::from_std(socket.into())?,
        })
    }

    /// Places a connection at the worker. Never waits.
    pub(crate) fn place(
        &self,
        placed: Placed,
        connection: BorrowedFd<'_>,
    ) -> Result<(), LinkError> {
        send(self.socket.as_fd(), &placed.encode()?, &[connection])
    }

    /// The next report. Cancel safe: a report is taken from the socket only when it is returned.
    pub(crate) async fn receive(&self) -> Result<Report, LinkError> {
        let next = || match self.try_receive() {
            Ok(Some(report)) => Ok(Ok(report)),
            Ok(None) => Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => Ok(Err(error)),
        };
        self.socket.async_io(Interest::READABLE, next).await?
    }

    fn try_receive(&self) -> Result<Option<Report>, LinkError> {
        let mut buffer = [0; MAX_FRAME];
        // There is no room for descriptors, so the kernel closes what a worker attaches and says so.
        match receive(self.socket.as_fd(), &mut buffer, Descriptors::Unwanted)? {
            Some((length, _)) => Ok(Some(Report::decode(&buffer[..length])?)),
            None => Ok(None),
        }
    }

    /// Ends the channel for both sides. What was placed can still be taken, and taken back.
    pub(crate) fn hang_up(&self) {
        // One that is closed already is what is wanted.
        let _closed = rustix::net::shutdown(&self.socket, rustix::net::Shutdown::Both);
    }
}

impl TakingEnd {
    /// Takes over a non-blocking end. Needs a tokio runtime.
    pub(crate) fn new(socket: OwnedFd) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        Ok(Self {
            socket: UnixDatagram::from_std(socket.into())?,
        })
    }

    /// Calls `take` until it does not find the channel empty. Cancel safe: what it returns is returned at once.
    pub(crate) async fn when_readable<T>(
        &self,
        take: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        self.socket.async_io(Interest::READABLE, take).await
    }

    /// A connection that waits already.
    pub(crate) fn try_take(&self) -> Result<Option<Taken>, LinkError> {
        take(self.socket.as_fd())
    }

    /// Whether a connection waits.
    pub(crate) fn has_waiting(&self) -> bool {
        has_placed(self.socket.as_fd())
    }

    /// Sends a report, and waits as long as the watcher has not read earlier ones.
    pub(crate) async fn report(&self, report: Report) -> Result<(), LinkError> {
        let bytes = report.encode()?;
        let attempt = || match send(self.socket.as_fd(), &bytes, &[]) {
            Err(LinkError::Full) => Err(io::ErrorKind::WouldBlock.into()),
            result => Ok(result),
        };
        self.socket.async_io(Interest::WRITABLE, attempt).await?
    }
}

/// What was taken from a worker's end.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) placed: Placed,
    /// `None` when the connection was lost: another thread took the last free descriptor at this very moment.
    pub(crate) socket: Option<OwnedFd>,
}

/// A connection that waits in a worker's end. Taken where no descriptor is free it would be lost, so that is found out
/// before: then the system's error is returned, and the connection stays. What is lost all the same is said.
pub(crate) fn take(end: BorrowedFd<'_>) -> Result<Option<Taken>, LinkError> {
    let spare = rustix::io::fcntl_dupfd_cloexec(end, 0);
    drop(spare.map_err(io::Error::from)?);
    let mut buffer = [0; LONGEST_PLACED];
    while let Some((length, fds)) = receive(end, &mut buffer, Descriptors::Wanted)? {
        if let Some(placed) = Placed::decode(&buffer[..length])? {
            let socket = fds.into_iter().next();
            return Ok(Some(Taken { placed, socket }));
        }
    }
    Ok(None)
}

/// Whether a connection waits in a worker's end. Its end-of-file is none.
pub(crate) fn has_placed(end: BorrowedFd<'_>) -> bool {
    let mut first = [0_u8; 1];
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    loop {
        match recv(end, &mut first[..], flags) {
            Ok((length, _)) => return length > 0,
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}
