//! Listening TCP sockets: alone, or one of a `SO_REUSEPORT` group.

use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

use super::BindCause;
use crate::ListenOptions;

/// Listens on an address that nobody else can listen on.
pub(crate) fn listen_alone(
    address: SocketAddr,
    options: &ListenOptions,
) -> Result<(OwnedFd, SocketAddr), BindCause> {
    let socket = bind_alone(address, options)?;
    listen(&socket, options)?;
    let actual = local_address(&socket)?;
    Ok((socket, actual))
}

/// Finds out whether anybody listens on the address, which a bind with `SO_REUSEPORT` would not tell
/// where the other one set it, too; and which port number 0 becomes.
pub(crate) fn probe(address: SocketAddr, options: &ListenOptions) -> Result<SocketAddr, BindCause> {
    local_address(bind_alone(address, options)?)
}

/// A bound socket of a group that balances. It takes no connection before [`listen`].
pub(crate) fn bind_shared(
    address: SocketAddr,
    options: &ListenOptions,
) -> Result<OwnedFd, BindCause> {
    let socket = new_socket(address, options)?;
    join_group(&socket)?;
    net::bind(&socket, &address)?;
    Ok(socket)
}

#[cfg(target_os = "linux")]
fn join_group(socket: &OwnedFd) -> Result<(), BindCause> {
    Ok(sockopt::set_socket_reuseport(socket, true)?)
}

#[cfg(target_os = "freebsd")]
fn join_group(socket: &OwnedFd) -> Result<(), BindCause> {
    Ok(sockopt::set_socket_reuseport_lb(socket, true)?)
}

/// Elsewhere the kernel does not balance: one socket of the group would get everything.
#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
fn join_group(_socket: &OwnedFd) -> Result<(), BindCause> {
    Err(BindCause::System(Errno::OPNOTSUPP.raw_os_error()))
}

/// Begins (or, after a `shutdown`, begins again) to take connections.
pub(crate) fn listen(socket: impl AsFd, options: &ListenOptions) -> Result<(), BindCause> {
    let backlog = i32::try_from(options.backlog).unwrap_or(i32::MAX);
    net::listen(socket, backlog)?;
    Ok(())
}

/// Begins again to take connections at this address. One that was bound to a number of the kernel's choice has lost
/// that with its shutdown and is given another one, where nobody looks for it.
pub(crate) fn listen_again(
    socket: impl AsFd,
    address: SocketAddr,
    options: &ListenOptions,
) -> Result<(), BindCause> {
    let socket = socket.as_fd();
    listen(socket, options)?;
    if local_address(socket)? == address {
        return Ok(());
    }
    net::shutdown(socket, net::Shutdown::Both)?;
    Err(BindCause::System(Errno::SHUTDOWN.raw_os_error()))
}

fn bind_alone(address: SocketAddr, options: &ListenOptions) -> Result<OwnedFd, BindCause> {
    let socket = new_socket(address, options)?;
    net::bind(&socket, &address)?;
    Ok(socket)
}

/// Options are set on the listening socket: accepted ones inherit them, on Linux `TCP_NODELAY`, too.
fn new_socket(address: SocketAddr, options: &ListenOptions) -> Result<OwnedFd, BindCause> {
    let family = family_of(address);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    set_stream_options(socket.as_fd(), address, options)?;
    Ok(socket)
}

pub(super) fn set_stream_options(
    socket: BorrowedFd<'_>,
    address: SocketAddr,
    options: &ListenOptions,
) -> Result<(), BindCause> {
    if options.keepalive {
        sockopt::set_socket_keepalive(socket, true)?;
    }
    if options.nodelay {
        sockopt::set_tcp_nodelay(socket, true)?;
    }
    if let Some(bytes) = options.receive_buffer {
        sockopt::set_socket_recv_buffer_size(socket, bytes as usize)?;
    }
    if let Some(bytes) = options.send_buffer {
        sockopt::set_socket_send_buffer_size(socket, bytes as usize)?;
    }
    if options.freebind {
        set_freebind(socket, address)?;
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn set_freebind(socket: BorrowedFd<'_>, address: SocketAddr) -> Result<(), BindCause> {
    if address.is_ipv6() {
        sockopt::set_ipv6_freebind(socket, true)?;
    } else {
        sockopt::set_ip_freebind(socket, true)?;
    }
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn set_freebind(_socket: BorrowedFd<'_>, _address: SocketAddr) -> Result<(), BindCause> {
    Err(BindCause::System(Errno::OPNOTSUPP.raw_os_error()))
}

fn local_address(socket: impl AsFd) -> Result<SocketAddr, BindCause> {
    let any = net::getsockname(socket)?;
    SocketAddr::try_from(any).map_err(BindCause::from)
}

fn family_of(address: SocketAddr) -> AddressFamily {
    if address.is_ipv6() {
        AddressFamily::INET6
    } else {
        AddressFamily::INET
    }
}

impl From<Errno> for BindCause {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::ADDRINUSE => Self::InUse { by: None },
            Errno::ACCESS | Errno::PERM => Self::PermissionDenied,
            Errno::ADDRNOTAVAIL => Self::NotAvailable,
            other => Self::System(other.raw_os_error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn any_loopback() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    #[test]
    fn a_probe_sees_a_foreign_reuseport_group() {
        let options = ListenOptions::new();
        let address = probe(any_loopback(), &options).unwrap();
        let foreign = bind_shared(address, &options).unwrap();
        listen(&foreign, &options).unwrap();
        assert_eq!(probe(address, &options), Err(BindCause::InUse { by: None }));
        drop(foreign);
        assert_eq!(probe(address, &options), Ok(address));
    }

    #[test]
    fn ipv4_and_ipv6_wildcards_are_two_ports() {
        let options = ListenOptions::new();
        let (_v4, address) = listen_alone("0.0.0.0:0".parse().unwrap(), &options).unwrap();
        let v6 = SocketAddr::new("::".parse().unwrap(), address.port());
        assert!(listen_alone(v6, &options).is_ok());
    }

    #[test]
    fn accepted_connections_have_the_options_of_their_port() {
        let options = ListenOptions::new()
            .keepalive(true)
            .nodelay(true)
            .receive_buffer(65_536)
            .send_buffer(32_768);
        let (socket, address) = listen_alone(any_loopback(), &options).unwrap();
        let _client = std::net::TcpStream::connect(address).unwrap();
        let (accepted, _) = std::net::TcpListener::from(socket).accept().unwrap();
        assert_eq!(sockopt::socket_keepalive(&accepted), Ok(true));
        assert_eq!(sockopt::tcp_nodelay(&accepted), Ok(true));
        // The kernel doubles what it is asked for (socket(7)).
        assert_eq!(sockopt::socket_recv_buffer_size(&accepted), Ok(2 * 65_536));
        assert_eq!(sockopt::socket_send_buffer_size(&accepted), Ok(2 * 32_768));
    }

    #[test]
    fn an_address_of_no_interface_needs_freebind() {
        let foreign: SocketAddr = "192.0.2.1:0".parse().unwrap();
        let options = ListenOptions::new();
        assert_eq!(
            listen_alone(foreign, &options).unwrap_err(),
            BindCause::NotAvailable
        );
        assert!(listen_alone(foreign, &options.freebind(true)).is_ok());
    }
}
