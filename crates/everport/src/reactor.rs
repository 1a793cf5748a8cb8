//! Registers descriptors with tokio's reactor: the one place that vouches for who owns them.

use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Watches a descriptor that is ours alone. Needs a tokio runtime.
pub(crate) fn register(descriptor: OwnedFd, interest: Interest) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` names the same open description until it is dropped, and the returned value
    // deregisters it before that.
    Ok(unsafe { AsyncFd::register_with_interest(descriptor, interest) }?)
}
