//! The listener for TCP.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use super::accepting::Accepting;
use super::connection::TcpStream;
use super::family::Tcp;
use super::incoming::Incoming;
use crate::PortAddress;

/// A TCP port of the cluster, or of this process alone when it runs standalone.
///
/// With the feature `axum` it is an `axum::serve::Listener`. For `ConnectInfo<SocketAddr>` wrap it as
/// `listener.tap_io(|_| {})` (`axum::serve::ListenerExt`): axum implements it for that and its own
/// listeners only.
pub struct TcpListener {
    accepting: Arc<Accepting<Tcp>>,
}

impl TcpListener {
    pub(crate) fn new(accepting: Arc<Accepting<Tcp>>) -> Self {
        Self { accepting }
    }

    /// The next connection and its client's address.
    ///
    /// Once a drain has begun and the port has been emptied as far as this worker is to empty it, this
    /// pends for ever: await [`crate::Cluster::terminated`] beside it. Go on accepting until that resolves:
    /// connections that have been accepted for this worker already are handed out until then.
    /// Several tasks may accept from one listener.
    ///
    /// # Cancel safety
    /// Cancel safe: a connection is never lost when the future is dropped.
    ///
    /// # Errors
    /// When this process has no descriptor or memory left (wait a moment before the next call), or when
    /// the system refuses. Connections that were aborted while they waited are skipped.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.accepting.accept().await
    }

    /// The connections as a stream that never ends.
    pub fn incoming(&self) -> Incoming<TcpStream> {
        let accepting = Arc::clone(&self.accepting);
        Incoming::new(move || {
            let accepting = Arc::clone(&accepting);
            Box::pin(async move { accepting.accept().await.map(|(stream, _)| stream) })
        })
    }

    /// The address, with its real port number.
    ///
    /// # Errors
    /// Never in practice; the type is that of other listeners.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        match self.accepting.address() {
            PortAddress::Tcp(address) => Ok(*address),
            PortAddress::UnixPath(_) | PortAddress::UnixAbstract(_) => {
                Err(io::ErrorKind::AddrNotAvailable.into())
            }
        }
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = format_args!("{}", self.accepting.address());
        f.debug_tuple("TcpListener").field(&address).finish()
    }
}
