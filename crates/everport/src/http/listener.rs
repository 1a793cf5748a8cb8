//! What can be served from: every listener of everport.

use tokio::io::{AsyncRead, AsyncWrite};

use super::peer::PeerAddress;
use crate::listener::until_accepted;
use crate::{TcpListener, TcpStream, UnixListener, UnixStream};

/// A listener of everport: [`TcpListener`] or [`UnixListener`].
pub trait Listener: Sealed + Send + Sync + 'static {
    /// Its connections.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// The addresses of its clients.
    type Address: PeerAddress;

    /// The next connection; waits out what keeps this process from accepting. Cancel safe.
    #[doc(hidden)]
    fn accept_next(&self) -> impl Future<Output = (Self::Stream, Self::Address)> + Send;
}

/// Keeps the trait to this crate.
pub trait Sealed {}

impl Sealed for TcpListener {}
impl Sealed for UnixListener {}

impl Listener for TcpListener {
    type Stream = TcpStream;
    type Address = std::net::SocketAddr;

    async fn accept_next(&self) -> (Self::Stream, Self::Address) {
        until_accepted(|| self.accept()).await
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;
    type Address = tokio::net::unix::SocketAddr;

    async fn accept_next(&self) -> (Self::Stream, Self::Address) {
        until_accepted(|| self.accept()).await
    }
}
