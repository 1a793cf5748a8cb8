//! A socket that was received, and the types of std and tokio that it becomes.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use super::kind::{SocketKind, UnsupportedSocket};

/// A socket, as the kind that the system says it is. Dropping it closes it.
///
/// Whether a socket blocks is not a property of the descriptor but of what is behind it: sender and receiver share it
/// for as long as both have the socket. Receiving changes nothing. Turning a `Socket` into a type of tokio makes it
/// non-blocking, turning it into one of std makes it block. Who matches on the variant instead has the socket as it came.
///
/// ```
/// use everport::transfer::Socket;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let socket = Socket::from(std::net::TcpListener::bind("127.0.0.1:0")?);
/// let listener = tokio::net::TcpListener::try_from(socket)?;
/// # drop(listener);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Socket {
    /// A TCP socket that listens.
    TcpListener(std::net::TcpListener),
    /// A TCP socket that does not listen: a connection, as a rule.
    TcpStream(std::net::TcpStream),
    /// A UDP socket, connected or not.
    UdpSocket(std::net::UdpSocket),
    /// A Unix stream socket that listens.
    UnixListener(std::os::unix::net::UnixListener),
    /// A Unix stream socket that does not listen: a connection, as a rule.
    UnixStream(std::os::unix::net::UnixStream),
    /// A Unix datagram socket, connected or not.
    UnixDatagram(std::os::unix::net::UnixDatagram),
}

/// A [`Socket`] could not be turned into the type that was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// It is of another kind.
    #[error("{} came where {wanted} was wanted", .socket.kind())]
    Kind {
        /// What it was to be.
        wanted: SocketKind,
        /// What it is, to be used otherwise.
        socket: Socket,
    },
    /// The system refused to set its mode, or the runtime to watch it. It is closed.
    #[error("the socket that came cannot be used here")]
    Io(#[from] io::Error),
}

impl Socket {
    /// What kind of socket it is.
    #[must_use]
    pub fn kind(&self) -> SocketKind {
        match self {
            Self::TcpListener(_) => SocketKind::TcpListener,
            Self::TcpStream(_) => SocketKind::TcpStream,
            Self::UdpSocket(_) => SocketKind::UdpSocket,
            Self::UnixListener(_) => SocketKind::UnixListener,
            Self::UnixStream(_) => SocketKind::UnixStream,
            Self::UnixDatagram(_) => SocketKind::UnixDatagram,
        }
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind().fmt(f)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::TcpListener(socket) => socket.as_fd(),
            Self::TcpStream(socket) => socket.as_fd(),
            Self::UdpSocket(socket) => socket.as_fd(),
            Self::UnixListener(socket) => socket.as_fd(),
            Self::UnixStream(socket) => socket.as_fd(),
            Self::UnixDatagram(socket) => socket.as_fd(),
        }
    }
}

impl From<Socket> for OwnedFd {
    fn from(socket: Socket) -> Self {
        match socket {
            Socket::TcpListener(socket) => socket.into(),
            Socket::TcpStream(socket) => socket.into(),
            Socket::UdpSocket(socket) => socket.into(),
            Socket::UnixListener(socket) => socket.into(),
            Socket::UnixStream(socket) => socket.into(),
            Socket::UnixDatagram(socket) => socket.into(),
        }
    }
}

/// Asks the system what it is. What is none of these sockets is closed.
impl TryFrom<OwnedFd> for Socket {
    type Error = UnsupportedSocket;

    fn try_from(socket: OwnedFd) -> Result<Self, UnsupportedSocket> {
        Ok(match SocketKind::of(&socket)? {
            SocketKind::TcpListener => Self::TcpListener(socket.into()),
            SocketKind::TcpStream => Self::TcpStream(socket.into()),
            SocketKind::UdpSocket => Self::UdpSocket(socket.into()),
            SocketKind::UnixListener => Self::UnixListener(socket.into()),
            SocketKind::UnixStream => Self::UnixStream(socket.into()),
            SocketKind::UnixDatagram => Self::UnixDatagram(socket.into()),
        })
    }
}

/// From and into the types of std and tokio for one kind of socket.
macro_rules! convert {
    ($($kind:ident: $std:ty, $tokio:ty;)*) => {$(
        impl From<$std> for Socket {
            fn from(socket: $std) -> Self {
                Self::$kind(socket)
            }
        }

        /// Makes it block.
        impl TryFrom<Socket> for $std {
            type Error = ConvertError;

            fn try_from(socket: Socket) -> Result<Self, ConvertError> {
                let Socket::$kind(socket) = socket else {
                    return Err(ConvertError::Kind { wanted: SocketKind::$kind, socket });
                };
                socket.set_nonblocking(false)?;
                Ok(socket)
            }
        }

        /// Makes it non-blocking. Panics outside a tokio runtime with its I/O enabled.
        impl TryFrom<Socket> for $tokio {
            type Error = ConvertError;

            fn try_from(socket: Socket) -> Result<Self, ConvertError> {
                let Socket::$kind(socket) = socket else {
                    return Err(ConvertError::Kind { wanted: SocketKind::$kind, socket });
                };
                socket.set_nonblocking(true)?;
                Ok(Self::from_std(socket)?)
            }
        }
    )*};
}

convert! {
    TcpListener: std::net::TcpListener, tokio::net::TcpListener;
    TcpStream: std::net::TcpStream, tokio::net::TcpStream;
    UdpSocket: std::net::UdpSocket, tokio::net::UdpSocket;
    UnixListener: std::os::unix::net::UnixListener, tokio::net::UnixListener;
    UnixStream: std::os::unix::net::UnixStream, tokio::net::UnixStream;
    UnixDatagram: std::os::unix::net::UnixDatagram, tokio::net::UnixDatagram;
}
