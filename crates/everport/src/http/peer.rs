//! Tells handlers who their client is.

use std::net::SocketAddr;

use hyper::http::Extensions;

/// Puts a client's address into a request.
pub(super) type Introduce = Box<dyn Fn(&mut Extensions) + Send + Sync>;

/// The address of a request's client, in its extensions: see [`crate::http::Server::with_peer`].
///
/// `Address` is a [`SocketAddr`] for TCP and a [`tokio::net::unix::SocketAddr`] for Unix sockets.
#[derive(Debug, Clone)]
pub struct Peer<Address>(pub Address);

/// An address of a client, as the listener gives it.
pub trait PeerAddress: Clone + Send + Sync + 'static {
    #[doc(hidden)]
    fn introduce(&self, extensions: &mut Extensions);
}

impl PeerAddress for SocketAddr {
    fn introduce(&self, extensions: &mut Extensions) {
        extensions.insert(Peer(*self));
        #[cfg(feature = "axum")]
        extensions.insert(axum::extract::ConnectInfo(*self));
    }
}

impl PeerAddress for tokio::net::unix::SocketAddr {
    fn introduce(&self, extensions: &mut Extensions) {
        extensions.insert(Peer(self.clone()));
        #[cfg(feature = "axum")]
        extensions.insert(axum::extract::ConnectInfo(self.clone()));
    }
}
