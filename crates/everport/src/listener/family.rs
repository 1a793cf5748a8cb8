//! What differs between TCP and Unix sockets.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::SocketAddrAny;

/// A family of stream sockets.
pub(crate) trait Family: Send + Sync + 'static {
    type Listener: Send + Sync + 'static;
    type Stream: Send + 'static;
    type Address: Send + 'static;

    /// Registers a listening socket with the runtime.
    fn listener(socket: OwnedFd) -> io::Result<Self::Listener>;

    /// Accepts from it. Cancel safe.
    fn accept(
        listener: &Self::Listener,
    ) -> impl Future<Output = io::Result<(Self::Stream, Self::Address)>> + Send;

    /// Accepts from it without waiting.
    fn poll_accept(
        listener: &Self::Listener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Stream, Self::Address)>>;

    /// Registers a connection that was accepted elsewhere.
    fn adopt(
        socket: OwnedFd,
        peer: Option<SocketAddrAny>,
    ) -> io::Result<(Self::Stream, Self::Address)>;
}

/// IPv4 and IPv6.
#[derive(Debug)]
pub(crate) enum Tcp {}

/// Unix sockets.
#[derive(Debug)]
pub(crate) enum Unix {}

impl Family for Tcp {
    type Listener = tokio::net::TcpListener;
    type Stream = tokio::net::TcpStream;
    type Address = std::net::SocketAddr;

    fn listener(socket: OwnedFd) -> io::Result<Self::Listener> {
        tokio::net::TcpListener::from_std(without_blocking(socket)?.into())
    }

    async fn accept(listener: &Self::Listener) -> io::Result<(Self::Stream, Self::Address)> {
        listener.accept().await
    }

    fn poll_accept(
        listener: &Self::Listener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Stream, Self::Address)>> {
        listener.poll_accept(cx)
    }

    fn adopt(
        socket: OwnedFd,
        peer: Option<SocketAddrAny>,
    ) -> io::Result<(Self::Stream, Self::Address)> {
        let stream = tokio::net::TcpStream::from_std(socket.into())?;
        // The address comes from `accept`: a client that is gone already has none any more.
        let address = match peer.and_then(|peer| peer.try_into().ok()) {
            Some(address) => address,
            None => stream.peer_addr()?,
        };
        Ok((stream, address))
    }
}

impl Family for Unix {
    type Listener = tokio::net::UnixListener;
    type Stream = tokio::net::UnixStream;
    type Address = tokio::net::unix::SocketAddr;

    fn listener(socket: OwnedFd) -> io::Result<Self::Listener> {
        tokio::net::UnixListener::from_std(without_blocking(socket)?.into())
    }

    async fn accept(listener: &Self::Listener) -> io::Result<(Self::Stream, Self::Address)> {
        listener.accept().await
    }

    fn poll_accept(
        listener: &Self::Listener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Self::Stream, Self::Address)>> {
        listener.poll_accept(cx)
    }

    fn adopt(
        socket: OwnedFd,
        _peer: Option<SocketAddrAny>,
    ) -> io::Result<(Self::Stream, Self::Address)> {
        let stream = tokio::net::UnixStream::from_std(socket.into())?;
        let address = stream.peer_addr()?;
        Ok((stream, address))
    }
}

/// The runtime panics when it is given a socket that blocks, and sockets come from elsewhere.
fn without_blocking(socket: OwnedFd) -> io::Result<OwnedFd> {
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket)
}

/// How long the watcher is given to let a socket listen again that somebody shut down; it takes it less than a
/// millisecond.
pub(crate) const MENDING: Duration = Duration::from_millis(5);

/// Whether the socket does not listen (any more).
pub(crate) fn was_shut_down(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::INVAL)
}

/// Whether `accept` failed for the one connection only, so that the next one is to be accepted. Linux
/// reports errors that a connection met while it waited through `accept` (accept(2)).
pub(crate) fn is_of_one_connection(error: &io::Error) -> bool {
    const ERRORS: [Errno; 11] = [
        Errno::CONNABORTED,
        Errno::CONNRESET,
        Errno::CONNREFUSED,
        Errno::INTR,
        Errno::PROTO,
        Errno::NETDOWN,
        Errno::NOPROTOOPT,
        Errno::HOSTDOWN,
        Errno::HOSTUNREACH,
        Errno::NETUNREACH,
        Errno::PERM, // a firewall's rule forbids this connection
    ];
    Errno::from_io_error(error).is_some_and(|errno| ERRORS.contains(&errno))
}
