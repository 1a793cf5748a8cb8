//! The listener for Unix sockets.

use std::fmt;
use std::io;
use std::sync::Arc;

use tokio::net::unix::SocketAddr;

use super::accepting::Accepting;
use super::connection::UnixStream;
use super::family::Unix;
use super::incoming::Incoming;
use crate::PortAddress;

/// A Unix socket of the cluster, or of this process alone when it runs standalone.
///
/// With the feature `axum` it is an `axum::serve::Listener`.
pub struct UnixListener {
    accepting: Arc<Accepting<Unix>>,
}

impl UnixListener {
    pub(crate) fn new(accepting: Arc<Accepting<Unix>>) -> Self {
        Self { accepting }
    }

    /// The next connection and its client's address, which is mostly unnamed.
    ///
    /// Everything said of [`crate::TcpListener::accept`] holds.
    ///
    /// # Cancel safety
    /// Cancel safe: a connection is never lost when the future is dropped.
    ///
    /// # Errors
    /// As [`crate::TcpListener::accept`].
    pub async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        self.accepting.accept().await
    }

    /// The connections as a stream that never ends.
    pub fn incoming(&self) -> Incoming<UnixStream> {
        let accepting = Arc::clone(&self.accepting);
        Incoming::new(move || {
            let accepting = Arc::clone(&accepting);
            Box::pin(async move { accepting.accept().await.map(|(stream, _)| stream) })
        })
    }

    /// The address that was asked for.
    #[must_use]
    pub fn address(&self) -> &PortAddress {
        self.accepting.address()
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = format_args!("{}", self.accepting.address());
        f.debug_tuple("UnixListener").field(&address).finish()
    }
}
