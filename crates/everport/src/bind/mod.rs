//! Makes listening sockets; used by the watcher for the cluster and by a standalone worker for itself.

mod error;
mod owner;
mod passed;
pub(crate) mod tcp;
pub(crate) mod unix;

use std::os::fd::OwnedFd;

pub use error::{BindCause, BindError};
pub use passed::{PassedSocket, PassedSocketError};
pub(crate) use unix::PathGuard;

use crate::{ListenOptions, PortAddress};

/// A listening socket, non-blocking and close-on-exec.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) socket: OwnedFd,
    /// Where it listens, with its real port number.
    pub(crate) address: PortAddress,
    /// Removes a Unix socket's file when it is dropped.
    pub(crate) path: Option<PathGuard>,
}

/// Listens on an address that is not shared by `SO_REUSEPORT`; an error names who is in the way.
pub(crate) fn bind(address: &PortAddress, options: &ListenOptions) -> Result<Bound, BindError> {
    listen_on(address, options).map_err(|cause| BindError::new(address, name_owner(address, cause)))
}

/// The same without a look for who is in the way, for callers that try again.
pub(crate) fn listen_on(
    address: &PortAddress,
    options: &ListenOptions,
) -> Result<Bound, BindCause> {
    match address {
        PortAddress::Tcp(wanted) => {
            tcp::listen_alone(*wanted, options).map(|(socket, actual)| Bound {
                socket,
                address: PortAddress::Tcp(actual),
                path: None,
            })
        }
        PortAddress::UnixPath(path) => {
            unix::listen_at(path, options).map(|(socket, guard)| Bound {
                socket,
                address: address.clone(),
                path: Some(guard),
            })
        }
        PortAddress::UnixAbstract(name) => {
            unix::listen_abstract(name, options).map(|socket| Bound {
                socket,
                address: address.clone(),
                path: None,
            })
        }
    }
}

/// Adds who has a TCP address, where that can be found out.
pub(crate) fn name_owner(address: &PortAddress, cause: BindCause) -> BindCause {
    match (address, cause) {
        (PortAddress::Tcp(tcp), BindCause::InUse { by: None }) => BindCause::InUse {
            by: owner::who_listens_on(*tcp),
        },
        (_, cause) => cause,
    }
}
