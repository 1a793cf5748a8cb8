//! The end of a stream that sockets come out of.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::task::Poll;

use tokio::io::Interest;
use tokio::net::UnixStream;

use super::DEFAULT_LIMIT;
use super::frame::Violation;
use super::half::Half;
use super::incoming::Incoming;
use super::kind::UnsupportedSocket;
use super::socket::Socket;

/// A socket that was received, and what was sent with it.
#[derive(Debug)]
pub struct Received {
    /// The socket. It is closed on exec.
    pub socket: Socket,
    /// The data, as long as the sender had them.
    pub data: Vec<u8>,
}

/// Why nothing was received.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiveError {
    /// This process may have no more descriptors (Linux). Nothing is lost: the socket and what follows it are received
    /// later. They are there already, so wait for a moment or close something before the next call.
    #[error(
        "no descriptor is free for a socket that came: close others, or raise the limit (RLIMIT_NOFILE), \
         and receive again"
    )]
    NoDescriptorFree,
    /// The system did not hand the socket over, and has closed it: a security module forbids it, or, on other systems than
    /// Linux, no descriptor was free. The next call goes on with the next socket.
    #[error(
        "a socket came that the system did not hand over: it is forbidden, or no descriptor was free \
         (RLIMIT_NOFILE)"
    )]
    SocketLost {
        /// What was sent with it.
        data: Vec<u8>,
    },
    /// What came cannot be transferred, and is closed. The next call goes on with the next socket.
    #[error("the other side sent {0}")]
    Unsupported(UnsupportedSocket),
    /// The stream has ended in the midst of a frame: the sender is dead, or was dropped too early. What had come of it
    /// is closed.
    #[error("the stream ended in the midst of a frame")]
    CutShort,
    /// The other side is no [`Sender`](super::Sender). Nothing more can be received: each call fails like this one.
    #[error("the stream carried {0}")]
    Violation(Violation),
    /// The system failed. Nothing that was read is lost.
    #[error("the stream failed")]
    Io(#[from] io::Error),
}

impl From<UnsupportedSocket> for ReceiveError {
    fn from(socket: UnsupportedSocket) -> Self {
        Self::Unsupported(socket)
    }
}

impl From<Violation> for ReceiveError {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

/// Receives sockets, with data, from the [`Sender`](super::Sender) at the other end of a Unix stream socket.
///
/// What comes is taken as input from a stranger. Dropping the receiver closes what was read and not handed over, and what
/// is still in the stream if nobody else has this end.
#[derive(Debug)]
pub struct Receiver {
    stream: Half,
    incoming: Incoming,
}

impl Receiver {
    /// Receives from this stream, of which nobody else may read.
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
        #[cfg(target_os = "linux")]
        super::arrival::refuse_process_descriptors(stream.as_fd());
        Self {
            stream,
            incoming: Incoming::new(DEFAULT_LIMIT),
        }
    }

    /// How many bytes of data may come with a socket. The default is [`DEFAULT_LIMIT`].
    #[must_use]
    pub fn limit(mut self, bytes: usize) -> Self {
        self.incoming.set_limit(bytes);
        self
    }

    /// The next socket, or `None` once the sender is gone and everything was received.
    ///
    /// Waits until it has come as a whole: a time limit is yours to set where the sender is not trusted to go on.
    ///
    /// # Cancel safety
    /// Safe: what was read stays with the receiver, and the next call goes on with it.
    ///
    /// # Errors
    /// [`ReceiveError`] says for each case whether the next call goes on.
    pub async fn receive(&mut self) -> Result<Option<Received>, ReceiveError> {
        let (stream, incoming) = (&self.stream, &mut self.incoming);
        let attempt = || match incoming.advance(stream.as_fd()) {
            Poll::Ready(received) => Ok(received),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        };
        stream.attempt(Interest::READABLE, attempt).await?
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}
