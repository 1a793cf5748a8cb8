//! A kernel that refuses filters, as one does for a socket whose filter is locked (socket(7)).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::net::sockopt;

/// Locks the filters of every listening socket of this process, and so of the watcher, which shares them.
pub(super) fn lock_filters() -> io::Result<()> {
    for entry in std::fs::read_dir("/proc/self/fd")?.flatten() {
        let Some(number) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // SAFETY: the number has just been listed, and nothing else in this worker closes descriptors now.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        if sockopt::socket_acceptconn(descriptor) == Ok(true) {
            lock_filter(descriptor)?;
        }
    }
    Ok(())
}

fn lock_filter(socket: BorrowedFd<'_>) -> io::Result<()> {
    let yes: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of_val(&yes)).map_err(io::Error::other)?;
    // SAFETY: the descriptor is borrowed and open, and the value is valid for `length` bytes.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LOCK_FILTER,
            (&raw const yes).cast(),
            length,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
