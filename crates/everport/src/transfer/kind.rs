//! Finds out what a descriptor is, which the kernel knows and a stranger may not tell the truth about.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, Protocol, SocketType, sockopt};

/// What kind of socket it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SocketKind {
    /// A TCP socket that listens.
    TcpListener,
    /// A TCP socket that does not listen: a connection, as a rule.
    TcpStream,
    /// A UDP socket, connected or not.
    UdpSocket,
    /// A Unix stream socket that listens.
    UnixListener,
    /// A Unix stream socket that does not listen: a connection, as a rule.
    UnixStream,
    /// A Unix datagram socket, connected or not.
    UnixDatagram,
}

/// A descriptor that cannot be transferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnsupportedSocket {
    /// It is a file, a pipe or the like.
    #[error("a descriptor that is no socket")]
    NoSocket,
    /// It is a socket for which there is no [`SocketKind`].
    #[error(
        "a socket that is neither TCP nor UDP, nor a Unix stream or datagram socket \
         (family {family}, type {kind}, protocol {protocol})"
    )]
    Other {
        /// Its address family, as the system numbers them.
        family: u16,
        /// Its type (`SOCK_…`), as the system numbers them.
        kind: u32,
        /// Its protocol, or 0 where the system does not tell.
        protocol: u32,
    },
}

impl SocketKind {
    /// Asks the system.
    ///
    /// # Errors
    /// When it is something else.
    pub fn of(socket: impl AsFd) -> Result<Self, UnsupportedSocket> {
        let socket = socket.as_fd();
        // Whatever does not answer is not a socket, or not one to use: a path's descriptor says `EBADF`.
        let Traits {
            family,
            kind,
            protocol,
        } = Traits::of(socket).map_err(|_| UnsupportedSocket::NoSocket)?;
        let listens = || sockopt::socket_acceptconn(socket).unwrap_or(false);
        let inet = matches!(family, AddressFamily::INET | AddressFamily::INET6);
        let unix = family == AddressFamily::UNIX;
        let found = match kind {
            SocketType::STREAM if inet && is_tcp(protocol) => match listens() {
                true => Some(Self::TcpListener),
                false => Some(Self::TcpStream),
            },
            SocketType::STREAM if unix => match listens() {
                true => Some(Self::UnixListener),
                false => Some(Self::UnixStream),
            },
            SocketType::DGRAM if inet && is_udp(protocol) => Some(Self::UdpSocket),
            SocketType::DGRAM if unix => Some(Self::UnixDatagram),
            _ => None,
        };
        found.ok_or(UnsupportedSocket::Other {
            family: family.as_raw(),
            kind: kind.as_raw(),
            protocol: protocol.map_or(0, |protocol| protocol.as_raw().get()),
        })
    }
}

impl fmt::Display for SocketKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TcpListener => "a TCP listener",
            Self::TcpStream => "a TCP stream",
            Self::UdpSocket => "a UDP socket",
            Self::UnixListener => "a Unix listener",
            Self::UnixStream => "a Unix stream",
            Self::UnixDatagram => "a Unix datagram socket",
        })
    }
}

struct Traits {
    family: AddressFamily,
    kind: SocketType,
    protocol: Option<Protocol>,
}

impl Traits {
    fn of(socket: BorrowedFd<'_>) -> Result<Self, Errno> {
        Ok(Self {
            family: family(socket)?,
            kind: sockopt::socket_type(socket)?,
            protocol: protocol(socket)?,
        })
    }
}

#[cfg(not(any(target_os = "dragonfly", target_os = "netbsd")))]
fn family(socket: BorrowedFd<'_>) -> Result<AddressFamily, Errno> {
    sockopt::socket_domain(socket)
}

/// There is no `SO_DOMAIN` there.
#[cfg(any(target_os = "dragonfly", target_os = "netbsd"))]
fn family(socket: BorrowedFd<'_>) -> Result<AddressFamily, Errno> {
    Ok(rustix::net::getsockname(socket)?.address_family())
}

#[cfg(all(target_os = "linux", not(everport_portable)))]
fn protocol(socket: BorrowedFd<'_>) -> Result<Option<Protocol>, Errno> {
    sockopt::socket_protocol(socket)
}

/// Not told everywhere, and the family and type say enough to be harmless.
#[cfg(any(not(target_os = "linux"), everport_portable))]
fn protocol(_socket: BorrowedFd<'_>) -> Result<Option<Protocol>, Errno> {
    Ok(None)
}

/// Multipath TCP has the calls of TCP; SCTP does not.
fn is_tcp(protocol: Option<Protocol>) -> bool {
    #[cfg(target_os = "linux")]
    if protocol == Some(rustix::net::ipproto::MPTCP) {
        return true;
    }
    protocol.is_none_or(|protocol| protocol == rustix::net::ipproto::TCP)
}

/// Echo requests go through datagram sockets, too, and are not UDP.
fn is_udp(protocol: Option<Protocol>) -> bool {
    protocol.is_none_or(|protocol| protocol == rustix::net::ipproto::UDP)
}
