//! Listening sockets that somebody else has bound and passed in: checked, and never ours to shut down.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::sockopt;
use rustix::net::{self, AddressFamily, SocketAddrAny, SocketAddrUnix, SocketType};

use super::{BindCause, Bound, tcp};
use crate::{ListenOptions, PortAddress};

/// A listening socket that was bound before the watcher began, by systemd for example, with the name that it was
/// given there.
///
/// It stays with whoever passes it in: connections that wait there when the cluster stops are served by the next one.
#[derive(Debug)]
pub struct PassedSocket {
    name: String,
    address: PortAddress,
    socket: OwnedFd,
    /// Whether it takes connections of IPv4 beside those of IPv6.
    is_dual_stack: bool,
}

/// Why something that was passed in is not used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PassedSocketError {
    /// `LISTEN_FDS` is no number, or one that cannot be meant.
    #[error("LISTEN_FDS={0:?} is no number from 0 to 1024")]
    Count(String),
    /// No such descriptor is open.
    #[error("nothing is open there")]
    NotOpen,
    /// It is a file, a pipe or whatever else.
    #[error("it is no socket")]
    NotASocket,
    /// It is a datagram socket, for example.
    #[error("it is no stream socket (ListenStream= makes one)")]
    NotAStream,
    /// It is a connection, or only bound.
    #[error("it does not listen (a socket unit with Accept=no passes in the socket that does)")]
    NotListening,
    /// It is of another address family, or has no address.
    #[error("it is neither a TCP socket nor a Unix socket with an address")]
    NoAddress,
    /// There is another one for the same address, and a port has one socket that all workers share.
    #[error(
        "{address} was passed in before; connections that the kernel gives to this one wait in vain (list each address once)"
    )]
    Again {
        /// The address.
        address: PortAddress,
    },
    /// Any other error of the system, by its number.
    #[error("the system says: {}", io::Error::from_raw_os_error(*.0))]
    System(i32),
}

impl PassedSocket {
    /// A socket that listens, TCP or Unix, and what it is called in the log.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(
        name: impl Into<String>,
        socket: impl Into<OwnedFd>,
    ) -> Result<Self, PassedSocketError> {
        let socket = socket.into();
        if sockopt::socket_type(&socket)? != SocketType::STREAM {
            return Err(PassedSocketError::NotAStream);
        }
        let any = net::getsockname(&socket)?;
        let address = address_of(&any).ok_or(PassedSocketError::NoAddress)?;
        if !sockopt::socket_acceptconn(&socket)? {
            return Err(PassedSocketError::NotListening);
        }
        // Whoever started us may have left it blocking, which would hold up a worker for ever.
        rustix::io::ioctl_fionbio(&socket, true)?;
        let is_ipv6 = any.address_family() == AddressFamily::INET6;
        Ok(Self {
            name: name.into(),
            address,
            is_dual_stack: is_ipv6 && !sockopt::ipv6_v6only(&socket)?,
            socket,
        })
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is bound to.
    #[must_use]
    pub fn address(&self) -> &PortAddress {
        &self.address
    }

    /// A descriptor of it to serve from, with what the application asked for of its connections. How many may wait,
    /// and what else the socket itself has, is for whoever made it to say.
    pub(crate) fn to_bound(&self, options: &ListenOptions) -> Result<Bound, BindCause> {
        if let PortAddress::Tcp(address) = self.address {
            let options = options.clone().freebind(false);
            tcp::set_stream_options(self.socket.as_fd(), address, &options)?;
        }
        Ok(Bound {
            socket: self.socket.try_clone()?,
            address: self.address.clone(),
            path: None,
        })
    }

    /// Whether its owner has the address so that nobody else can bind it.
    pub(crate) fn is_in_the_way_of(&self, wanted: &PortAddress) -> bool {
        match (&self.address, wanted) {
            (PortAddress::Tcp(ours), PortAddress::Tcp(wanted)) => {
                ours.port() == wanted.port() && self.takes_connections_of(*ours, *wanted)
            }
            (ours, wanted) => ours == wanted,
        }
    }

    fn takes_connections_of(&self, ours: SocketAddr, wanted: SocketAddr) -> bool {
        let is_any = ours.ip().is_unspecified();
        if ours.is_ipv4() == wanted.is_ipv4() {
            return is_any || wanted.ip().is_unspecified() || ours.ip() == wanted.ip();
        }
        // What we bind for IPv6 takes nothing else.
        is_any && ours.is_ipv6() && self.is_dual_stack
    }
}

impl From<Errno> for PassedSocketError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::BADF => Self::NotOpen,
            Errno::NOTSOCK => Self::NotASocket,
            other => Self::System(other.raw_os_error()),
        }
    }
}

fn address_of(any: &SocketAddrAny) -> Option<PortAddress> {
    if let Ok(address) = SocketAddr::try_from(any.clone()) {
        return Some(PortAddress::Tcp(address));
    }
    unix_address(&SocketAddrUnix::try_from(any.clone()).ok()?)
}

fn unix_address(address: &SocketAddrUnix) -> Option<PortAddress> {
    use std::os::unix::ffi::OsStrExt;
    #[cfg(target_os = "linux")]
    if let Some(name) = address.abstract_name() {
        return Some(PortAddress::UnixAbstract(name.to_vec()));
    }
    let path = address.path_bytes()?;
    let path = path.strip_suffix(b"\0").unwrap_or(path);
    Some(PortAddress::UnixPath(
        std::ffi::OsStr::from_bytes(path).into(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixListener;

    #[track_caller]
    fn check_refused(socket: impl Into<OwnedFd>, expected: PassedSocketError) {
        assert_eq!(PassedSocket::new("x", socket).unwrap_err(), expected);
    }

    #[test]
    fn only_stream_sockets_that_listen_are_taken() {
        use PassedSocketError::{NotASocket, NotAStream, NotListening};
        check_refused(std::fs::File::open("/dev/null").unwrap(), NotASocket);
        check_refused(UdpSocket::bind("127.0.0.1:0").unwrap(), NotAStream);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        check_refused(TcpStream::connect(address).unwrap(), NotListening);
        let passed = PassedSocket::new("web", listener).unwrap();
        assert_eq!(passed.name(), "web");
        assert_eq!(passed.address(), &PortAddress::Tcp(address));
    }

    #[test]
    fn a_unix_socket_is_known_by_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let passed = PassedSocket::new("web", UnixListener::bind(&path).unwrap()).unwrap();
        assert_eq!(passed.address(), &PortAddress::unix(&path));
        drop(passed);
        assert!(path.exists(), "its owner's file");
    }

    #[test]
    fn what_cannot_be_bound_beside_a_socket_is_known() {
        // The standard library's sockets for IPv6 take both, where the system is not told otherwise.
        let any = TcpListener::bind("[::]:0").unwrap();
        let port = any.local_addr().unwrap().port();
        let any = PassedSocket::new("any", any).unwrap();
        let is_in_the_way = |socket: &PassedSocket, ip: &str, port| {
            let address = SocketAddr::new(ip.parse().unwrap(), port);
            socket.is_in_the_way_of(&address.into())
        };
        assert_eq!(is_in_the_way(&any, "0.0.0.0", port), any.is_dual_stack);
        assert_eq!(is_in_the_way(&any, "127.0.0.1", port), any.is_dual_stack);
        assert!(is_in_the_way(&any, "::1", port));
        assert!(!is_in_the_way(&any, "::", port.wrapping_add(1)));
        let one = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = one.local_addr().unwrap().port();
        let one = PassedSocket::new("one", one).unwrap();
        assert!(is_in_the_way(&one, "0.0.0.0", port));
        assert!(!is_in_the_way(&one, "127.0.0.2", port));
        assert!(!is_in_the_way(&one, "::", port));
    }
}
