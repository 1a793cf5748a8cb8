//! Sees when a worker shuts a shared listening socket down, and, when asked to, that a connection has come.

use everport_core::PortId;

use crate::SlotId;

#[cfg(all(target_os = "linux", not(everport_portable)))]
mod epoll;
#[cfg(any(not(target_os = "linux"), everport_portable))]
mod never;

#[cfg(all(target_os = "linux", not(everport_portable)))]
pub(crate) use epoll::SocketWatch;
#[cfg(any(not(target_os = "linux"), everport_portable))]
pub(crate) use never::SocketWatch;

/// Which socket of a port: a slot's, or the one that all workers share.
pub(crate) type SocketName = (PortId, Option<SlotId>);

/// What was seen.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The sockets that were shut down.
    pub(crate) shut: Vec<SocketName>,
    /// Whether a connection has come at a socket that was armed. It is not armed any more.
    pub(crate) has_connection: bool,
}
