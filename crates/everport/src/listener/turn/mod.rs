//! Waits for this worker's turn at a socket that all workers share.

#[cfg(all(target_os = "linux", not(everport_portable)))]
mod epoll;
#[cfg(any(not(target_os = "linux"), everport_portable))]
mod poll;

#[cfg(all(target_os = "linux", not(everport_portable)))]
pub(super) use epoll::Turn;
#[cfg(any(not(target_os = "linux"), everport_portable))]
pub(super) use poll::Turn;
