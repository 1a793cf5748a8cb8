//! The end of a stream that sockets go into.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use tokio::io::Interest;
use tokio::net::UnixStream;

use super::DEFAULT_LIMIT;
use super::frame;
use super::half::Half;
use super::kind::{SocketKind, UnsupportedSocket};
use super::outgoing::{self, Rest};

/// Why a socket was not sent. Of `Closed` and `Io`, [`Sender::sent`] says whether it left all the same.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// There is more data than may go with a socket. Nothing was sent.
    #[error(
        "{length} bytes of data are too long to be sent with a socket: at most {limit} are allowed (see Sender::limit)"
    )]
    TooLong {
        /// So many bytes were to be sent.
        length: usize,
        /// So many are allowed: see [`Sender::limit`].
        limit: usize,
    },
    /// It is not a socket, or not one that can be transferred. Nothing was sent.
    #[error("cannot send {0}")]
    Unsupported(UnsupportedSocket),
    /// As many descriptors of this user as a process may have open wait in Unix sockets to be received. Nothing was sent;
    /// try again later.
    #[error(
        "too many descriptors are on their way between processes: wait until some are received, \
         or raise the limit (RLIMIT_NOFILE)"
    )]
    TooManyOnTheWay,
    /// The receiver is gone.
    #[error("the receiver is gone")]
    Closed,
    /// The system failed.
    #[error("the socket could not be sent")]
    Io(#[source] io::Error),
}

impl From<UnsupportedSocket> for SendError {
    fn from(socket: UnsupportedSocket) -> Self {
        Self::Unsupported(socket)
    }
}

impl From<io::Error> for SendError {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::PIPE | Errno::CONNRESET) => Self::Closed,
            Some(Errno::TOOMANYREFS) => Self::TooManyOnTheWay,
            _ => Self::Io(error),
        }
    }
}

/// Sends sockets, with data, to the [`Receiver`](super::Receiver) at the other end of a Unix stream socket.
///
/// What was sent and not received yet is in the stream, whose buffer bounds it. When it is full, sending waits.
#[derive(Debug)]
pub struct Sender {
    stream: Half,
    rest: Rest,
    limit: usize,
    sent: u64,
}

impl Sender {
    /// Sends into this stream, to which nobody else may write.
    #[must_use]
    pub fn new(stream: UnixStream) -> Self {
        Self::on(Half::whole(stream))
    }

    /// The same for a stream of the standard library, which becomes non-blocking.
    ///
    /// # Errors
    /// When the system refuses that, or the runtime cannot watch it.
    ///
    /// # Panics
    /// Outside a tokio runtime with its I/O enabled.
    pub fn from_std(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self::new(UnixStream::from_std(stream)?))
    }

    pub(super) fn on(stream: Half) -> Self {
        Self {
            stream,
            rest: Rest::default(),
            limit: DEFAULT_LIMIT,
            sent: 0,
        }
    }

    /// How many bytes of data may go with a socket: not more than the receiver takes. The default is [`DEFAULT_LIMIT`].
    #[must_use]
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Sends a socket with data, which may be empty, and waits until all of it is in the stream.
    ///
    /// The socket is sent as a copy. Given by reference (`&stream`) it stays open here, too, and a connection ends when
    /// both sides have closed it; given by value it is closed as soon as it is sent, or cannot be.
    ///
    /// # Cancel safety
    /// When the future is dropped, either nothing was sent, or the socket and the beginning of its data were. Then
    /// [`sent`](Self::sent) has become one more, and what is left goes out with the next call of `send` or
    /// [`flush`](Self::flush). No socket is sent twice. One that was given by value is closed here in either case.
    ///
    /// # Errors
    /// [`SendError`] says why it could not be sent.
    pub async fn send(&mut self, socket: impl AsFd, data: &[u8]) -> Result<(), SendError> {
        let head = self.head(data)?;
        SocketKind::of(&socket)?;
        self.flush().await?;
        let (stream, parts) = (self.stream.as_fd(), [&head[..], data]);
        let attempt = || Ok(outgoing::send(stream, parts, Some(socket.as_fd()))?);
        let sent = self.stream.attempt(Interest::WRITABLE, attempt).await?;
        self.sent += 1;
        self.rest = Rest::of(parts, sent);
        drop(socket);
        self.flush().await
    }

    /// Sends what a dropped `send` has left, if it has left something.
    ///
    /// # Cancel safety
    /// Safe: what is not sent yet stays with the sender.
    ///
    /// # Errors
    /// When the receiver is gone or the system fails.
    pub async fn flush(&mut self) -> Result<(), SendError> {
        if self.rest.is_empty() {
            return Ok(());
        }
        let (stream, rest) = (&self.stream, &mut self.rest);
        let attempt = || rest.send(stream.as_fd());
        Ok(stream.attempt(Interest::WRITABLE, attempt).await?)
    }

    /// How many sockets have left: it tells whether that of a `send` that was dropped or failed has. Whoever has it then
    /// must not use it further on its own account.
    #[must_use]
    pub fn sent(&self) -> u64 {
        self.sent
    }

    fn head(&self, data: &[u8]) -> Result<[u8; frame::HEAD], SendError> {
        let (length, limit) = (data.len(), self.limit);
        match u32::try_from(length) {
            Ok(announced) if length <= limit => Ok(frame::head(announced)),
            _ => Err(SendError::TooLong { length, limit }),
        }
    }
}

impl AsFd for Sender {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
