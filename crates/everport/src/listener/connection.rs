//! An accepted connection, which knows whether its client has said anything yet.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::connections::Counted;
use super::untried::Untried;

/// An accepted connection: the socket `S`, counted by its worker as long as it lives.
///
/// A drain waits a moment for the first byte of each connection, so that a client whose request is on its
/// way is answered. Reading through this type tells; reading through [`Connection::get_ref`] does not,
/// and then the drain waits for that moment, at most one second, in vain.
#[derive(Debug)]
pub struct Connection<S> {
    socket: S,
    counted: Counted,
    untried: Untried,
}

/// A TCP connection accepted by [`crate::TcpListener`].
pub type TcpStream = Connection<tokio::net::TcpStream>;

/// A Unix connection accepted by [`crate::UnixListener`].
pub type UnixStream = Connection<tokio::net::UnixStream>;

impl<S> Connection<S> {
    /// One that the runtime itself has accepted.
    pub(crate) fn new(socket: S, counted: Counted) -> Self {
        let untried = Untried::nothing();
        Self {
            socket,
            counted,
            untried,
        }
    }

    /// One that was accepted elsewhere and given to the runtime just now.
    pub(crate) fn adopted(socket: S, counted: Counted) -> Self {
        let untried = Untried::everything();
        Self {
            socket,
            counted,
            untried,
        }
    }

    /// The socket beneath.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        &self.socket
    }

    /// The socket alone. The worker no longer counts it: a drain neither waits for it nor reports it as
    /// cut.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.socket
    }
}

impl TcpStream {
    /// The client's address.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.peer_addr()
    }

    /// The address the client connected to.
    ///
    /// # Errors
    /// When the system refuses to tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Sets `TCP_NODELAY`: small writes are sent at once.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.set_nodelay(nodelay)
    }

    /// Whether `TCP_NODELAY` is set.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.nodelay()
    }
}

impl UnixStream {
    /// The client's address, mostly unnamed.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn peer_addr(&self) -> io::Result<tokio::net::unix::SocketAddr> {
        self.socket.peer_addr()
    }

    /// The address the client connected to.
    ///
    /// # Errors
    /// When the system refuses to tell.
    pub fn local_addr(&self) -> io::Result<tokio::net::unix::SocketAddr> {
        self.socket.local_addr()
    }

    /// Who the client is: its user, its group and its process.
    ///
    /// # Errors
    /// When the system refuses to tell.
    pub fn peer_cred(&self) -> io::Result<tokio::net::unix::UCred> {
        self.socket.peer_cred()
    }
}

impl<S: AsyncRead + AsFd + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = match this.untried.read(&this.socket, buffer) {
            Some(result) => Poll::Ready(result),
            None => Pin::new(&mut this.socket).poll_read(cx, buffer),
        };
        // Data, end-of-file and an error all mean that there is no first byte to wait for any more.
        if this.counted.is_silent() && result.is_ready() {
            this.counted.spoke();
        }
        result
    }
}

impl<S: AsyncWrite + AsFd + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this.untried.write(&this.socket, &[IoSlice::new(buffer)]) {
            Some(result) => Poll::Ready(result),
            None => Pin::new(&mut this.socket).poll_write(cx, buffer),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        match this.untried.write(&this.socket, buffers) {
            Some(result) => Poll::Ready(result),
            None => Pin::new(&mut this.socket).poll_write_vectored(cx, buffers),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }
}

impl<S: AsFd> AsFd for Connection<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<S: AsRawFd> AsRawFd for Connection<S> {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}
