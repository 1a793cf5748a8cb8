//! Makes listening sockets; used by the watcher for the cluster and by a standalone worker for itself.

mod error;

pub use error::{BindCause, BindError};

use std::os::fd::OwnedFd;

use crate::{ListenOptions, PortAddress};

/// Removes a Unix socket's path at the end, if it is still ours.
#[derive(Debug)]
pub(crate) struct UnixPathGuard(std::path::PathBuf);

impl Drop for UnixPathGuard {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).ok();
    }
}

/// A listening socket.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) socket: OwnedFd,
    pub(crate) address: PortAddress,
    pub(crate) path: Option<UnixPathGuard>,
}

/// A plain listening socket, not shared.
pub(crate) fn bind(address: &PortAddress, _options: &ListenOptions) -> Result<Bound, BindError> {
    let system = |error: std::io::Error| {
        BindError::new(
            address,
            BindCause::System(error.raw_os_error().unwrap_or_default()),
        )
    };
    match address {
        PortAddress::Tcp(tcp) => {
            let listener = std::net::TcpListener::bind(tcp).map_err(system)?;
            listener.set_nonblocking(true).map_err(system)?;
            let address = PortAddress::Tcp(listener.local_addr().map_err(system)?);
            Ok(Bound {
                socket: listener.into(),
                address,
                path: None,
            })
        }
        PortAddress::UnixPath(path) => {
            let listener = std::os::unix::net::UnixListener::bind(path).map_err(system)?;
            listener.set_nonblocking(true).map_err(system)?;
            Ok(Bound {
                socket: listener.into(),
                address: address.clone(),
                path: Some(UnixPathGuard(path.clone())),
            })
        }
        PortAddress::UnixAbstract(_) => Err(BindError::new(address, BindCause::NotAvailable)),
    }
}
