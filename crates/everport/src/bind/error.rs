//! Why an address could not be listened on.

use std::fmt;
use std::io;

use crate::{PortAddress, Sharing};

/// An address could not be listened on. Names the address, the cause and the way out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot listen on {address}: {cause}")]
#[non_exhaustive]
pub struct BindError {
    /// The address that was asked for.
    pub address: PortAddress,
    /// What is in the way.
    pub cause: BindCause,
}

/// What is in the way of listening on an address.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindCause {
    /// Another program has the address; who, where it could be found out.
    InUse {
        /// Such as `nginx (pid 4711)`.
        by: Option<String>,
    },
    /// A socket that was passed to the watcher has the address, and cannot be had as it was asked for: which one it is, and
    /// the way out.
    PassedIn(String),
    /// Not allowed.
    PermissionDenied,
    /// No interface of this machine has the address.
    NotAvailable,
    /// The path exists and is not a socket.
    NotASocket,
    /// A program answers on the Unix socket.
    Live,
    /// The same worker listens on it already.
    Duplicate,
    /// The cluster shares the port in another way than asked for.
    SharedAs(Sharing),
    /// The watcher shares the port in a way that this library does not know.
    UnknownSharing,
    /// The worker has as many ports as one may have.
    TooMany,
    /// The cluster stops.
    Stopping,
    /// Any other error of the system, by its number.
    System(i32),
}

impl BindError {
    pub(crate) fn new(address: &PortAddress, cause: BindCause) -> Self {
        Self {
            address: address.clone(),
            cause,
        }
    }
}

impl fmt::Display for BindCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse { by: Some(by) } => write!(f, "address already in use by {by} (stop it or choose another port)"),
            Self::InUse { by: None } => f.write_str("address already in use (find its owner with `ss -ltnp` or choose another port)"),
            Self::PassedIn(which) => write!(f, "address already in use by {which}"),
            Self::PermissionDenied => f.write_str("permission denied (ports below 1024 need CAP_NET_BIND_SERVICE, a Unix socket needs write access to its directory)"),
            Self::NotAvailable => f.write_str("no interface has this address (correct it, or listen with the freebind option)"),
            Self::NotASocket => f.write_str("the path exists and is not a socket (remove it or choose another path)"),
            Self::Live => f.write_str("a program answers on this socket (stop it or choose another path)"),
            Self::Duplicate => f.write_str("this worker listens on it already (use the listener it has)"),
            Self::SharedAs(sharing) => write!(f, "the cluster shares this port by {sharing} (ask for the same everywhere)"),
            Self::UnknownSharing => f.write_str(
                "the watcher shares this port in a way that this library does not know (ask for reuseport or transfer, or upgrade the program's everport)",
            ),
            Self::TooMany => f.write_str(
                "this worker has as many ports as one may have (drop a listener first)",
            ),
            Self::Stopping => f.write_str("the cluster stops"),
            Self::System(errno) => io::Error::from_raw_os_error(*errno).fmt(f),
        }
    }
}
