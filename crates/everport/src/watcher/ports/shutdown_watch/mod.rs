//! Sees when a worker shuts a shared listening socket down, without ever waking on connections.

use everport_core::PortId;

use crate::SlotId;

#[cfg(all(target_os = "linux", not(everport_portable)))]
mod epoll;
#[cfg(any(not(target_os = "linux"), everport_portable))]
mod never;

#[cfg(all(target_os = "linux", not(everport_portable)))]
pub(crate) use epoll::ShutdownWatch;
#[cfg(any(not(target_os = "linux"), everport_portable))]
pub(crate) use never::ShutdownWatch;

/// Which socket of a port: a slot's, or the one that all workers share.
pub(crate) type SocketName = (PortId, Option<SlotId>);
