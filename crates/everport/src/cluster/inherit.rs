//! Finds the link that a worker inherits from its watcher.

use std::env;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{FileType, fstat};
use rustix::io::{FdFlags, fcntl_setfd};

use super::error::JoinError;
use crate::link::LINK_VARIABLE;

/// Whether this process has taken its link. The one piece of global state: there is one link to a process.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes over the link that the environment names. `None` when there is none, or when it names one that
/// is not this process's: a grandchild's environment still has the name, but its descriptor is gone or
/// something else.
pub(crate) fn take_link() -> Result<Option<OwnedFd>, JoinError> {
    let Some(value) = env::var_os(LINK_VARIABLE) else {
        return Ok(None);
    };
    let malformed = || JoinError::Malformed(value.to_string_lossy().into_owned());
    let (fd, inode) = value.to_str().and_then(parse).ok_or_else(malformed)?;
    if TAKEN.load(Ordering::SeqCst) {
        return Err(JoinError::AlreadyJoined);
    }
    if !is_link(fd, inode) {
        return Ok(None);
    }
    if TAKEN.swap(true, Ordering::SeqCst) {
        return Err(JoinError::AlreadyJoined);
    }
    // SAFETY: the descriptor is open and is the socket that the watcher made for this process; nothing
    // else in it knows the number, and `TAKEN` lets only one caller come here.
    let link = unsafe { OwnedFd::from_raw_fd(fd) };
    fcntl_setfd(&link, FdFlags::CLOEXEC).map_err(std::io::Error::from)?;
    Ok(Some(link))
}

/// Whether joining means to be a worker: the environment names a link that is this process's, or names one
/// so badly that [`take_link`] has to complain.
pub(crate) fn inherited_link() -> bool {
    let Some(value) = env::var_os(LINK_VARIABLE) else {
        return false;
    };
    let named = value.to_str().and_then(parse);
    named.is_none_or(|(fd, inode)| is_link(fd, inode))
}

fn parse(value: &str) -> Option<(RawFd, u64)> {
    let (fd, inode) = value.split_once(':')?;
    let fd: u32 = fd.parse().ok()?;
    Some((RawFd::try_from(fd).ok()?, inode.parse().ok()?))
}

/// Whether the descriptor is open, a socket, and the one with this inode.
fn is_link(fd: RawFd, inode: u64) -> bool {
    // SAFETY: `F_GETFD` touches no memory; for a number that is not open it fails.
    if unsafe { libc::fcntl(fd, libc::F_GETFD) } < 0 {
        return false;
    }
    // SAFETY: the descriptor is open, and it stays open for this call: whether it is the link or not,
    // nobody closes descriptors while a process joins its cluster.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    fstat(borrowed).is_ok_and(|stat| {
        FileType::from_raw_mode(stat.st_mode) == FileType::Socket && stat.st_ino == inode
    })
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;
    use crate::link::pair;

    #[test]
    fn the_link_is_known_by_its_number_and_its_inode() {
        let (ours, other) = pair().unwrap();
        let inode = fstat(&ours).unwrap().st_ino;
        assert!(is_link(ours.as_raw_fd(), inode));
        assert!(!is_link(ours.as_raw_fd(), inode + 1));
        assert!(!is_link(other.as_raw_fd(), inode));
    }

    #[test]
    fn a_closed_descriptor_and_a_file_are_no_link() {
        let file = tempfile::tempfile().unwrap();
        assert!(!is_link(file.as_raw_fd(), fstat(&file).unwrap().st_ino));
        assert!(!is_link(RawFd::MAX, 1));
    }

    #[test]
    fn only_a_number_and_an_inode_are_a_name() {
        assert_eq!(parse("3:4711"), Some((3, 4711)));
        for wrong in ["", "3", "3:", ":4", "-1:4", "3:4:5", "4294967295:1", "a:b"] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }
}
