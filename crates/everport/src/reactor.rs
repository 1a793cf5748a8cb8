//! Registers descriptors with tokio's reactor: the one place that vouches for who owns them.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that tokio watches.
pub(crate) type Registered = AsyncFd<OwnedFd>;

/// Watches a descriptor that is ours alone. Needs a tokio runtime.
pub(crate) fn register(descriptor: OwnedFd, interest: Interest) -> io::Result<Registered> {
    // SAFETY: an `OwnedFd` names the same open description until it is dropped, and the returned value
    // deregisters it before that.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, interest) }?)
}
