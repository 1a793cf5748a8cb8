//! Descriptors that come with a message (`SCM_RIGHTS`), taken out so that none is leaked to a child.

use std::os::fd::OwnedFd;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};

/// Descriptors that come with a message are closed on exec.
#[cfg(not(target_os = "illumos"))]
pub(crate) const CLOSE_ON_EXEC: RecvFlags = RecvFlags::CMSG_CLOEXEC;
/// Not known there: see [`descriptors`].
#[cfg(target_os = "illumos")]
pub(crate) const CLOSE_ON_EXEC: RecvFlags = RecvFlags::empty();

/// The descriptors that came along; the kernel has closed those that found no room.
pub(crate) fn descriptors(control: &mut RecvAncillaryBuffer<'_>) -> Vec<OwnedFd> {
    let fds = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(fds) => Some(fds),
            _ => None,
        })
        .flatten();
    // A program that is executed just before this still gets the descriptors.
    #[cfg(target_os = "illumos")]
    let fds = fds.filter(|fd| rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC).is_ok());
    fds.collect()
}
