//! The listeners as axum wants them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::Listener;

use super::{TcpListener, TcpStream, UnixListener, UnixStream};
use crate::PortAddress;

/// How long to wait when this process cannot accept at all: until some connections have ended.
const PAUSE: Duration = Duration::from_millis(100);

/// axum wants connections only: an error is waited out.
async fn until_accepted<T, F>(accept: impl Fn() -> F) -> T
where
    F: Future<Output = io::Result<T>>,
{
    loop {
        match accept().await {
            Ok(accepted) => return accepted,
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

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
