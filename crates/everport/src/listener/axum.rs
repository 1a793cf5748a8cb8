//! The listeners as axum wants them.

use std::io;
use std::net::SocketAddr;

use axum::serve::Listener;

use super::{TcpListener, TcpStream, UnixListener, UnixStream, until_accepted};
use crate::PortAddress;

impl Listener for TcpListener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let listener = &*self;
        until_accepted(|| Self::accept(listener)).await
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        Self::local_addr(self)
    }
}

impl Listener for UnixListener {
    type Io = UnixStream;
    type Addr = tokio::net::unix::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let listener = &*self;
        until_accepted(|| Self::accept(listener)).await
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        let address = match self.address() {
            PortAddress::UnixPath(path) => std::os::unix::net::SocketAddr::from_pathname(path)?,
            PortAddress::UnixAbstract(name) => abstract_address(name)?,
            PortAddress::Tcp(_) => return Err(io::ErrorKind::AddrNotAvailable.into()),
        };
        Ok(address.into())
    }
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<std::os::unix::net::SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    std::os::unix::net::SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_name: &[u8]) -> io::Result<std::os::unix::net::SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}
