//! The sockets that a service manager has passed to this process (sd_listen_fds(3)).

use std::ffi::{OsStr, OsString};
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

use rustix::io::Errno;

use crate::bind::{PassedSocket, PassedSocketError};
use crate::log::Notice;

/// The first descriptor that is passed in.
const FIRST: RawFd = 3;

/// More than this cannot be meant.
const MOST: i32 = 1024;

/// What a descriptor without a name is called.
const UNNAMED: &str = "unknown";

/// Something that was passed in and is not used.
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    pub(crate) descriptor: Option<RawFd>,
    pub(crate) name: String,
    pub(crate) error: PassedSocketError,
}

impl From<(PassedSocket, PassedSocketError)> for Refused {
    fn from((socket, error): (PassedSocket, PassedSocketError)) -> Self {
        Self {
            descriptor: None,
            name: socket.name().to_owned(),
            error,
        }
    }
}

impl From<Refused> for Notice {
    fn from(refused: Refused) -> Self {
        Self::PassedSocketRefused {
            descriptor: refused.descriptor,
            name: refused.name,
            error: refused.error,
        }
    }
}

/// What the environment says was passed in, if it speaks of this process.
///
/// The descriptors are duplicated, so that nobody's are taken from them, and marked to be closed on execution. The
/// variables stay: to remove them would not be safe where other threads run. Workers do not get them.
pub(crate) fn inherited() -> Vec<Result<PassedSocket, Refused>> {
    let own = std::process::id().to_string();
    if std::env::var_os("LISTEN_PID").is_none_or(|pid| pid != *own) {
        return Vec::new();
    }
    let count = match count(std::env::var_os("LISTEN_FDS")) {
        Ok(count) => count,
        Err(refused) => return vec![Err(refused)],
    };
    let names = names(std::env::var_os("LISTEN_FDNAMES"));
    let mut names = names.into_iter();
    let mut sockets = Vec::new();
    for descriptor in FIRST..FIRST + count {
        let name = names.next().unwrap_or_else(|| UNNAMED.to_owned());
        sockets.push(take(descriptor, name));
    }
    sockets
}

fn count(variable: Option<OsString>) -> Result<RawFd, Refused> {
    let Some(text) = variable else {
        return Ok(0);
    };
    let number = text.to_str().and_then(|text| text.parse().ok());
    number
        .filter(|count| (0..=MOST).contains(count))
        .ok_or_else(|| Refused {
            descriptor: None,
            name: UNNAMED.to_owned(),
            error: PassedSocketError::Count(text.to_string_lossy().into_owned()),
        })
}

fn names(variable: Option<OsString>) -> Vec<String> {
    let names = variable.as_deref().map(OsStr::to_string_lossy);
    let split = |names: std::borrow::Cow<'_, str>| names.split(':').map(str::to_owned).collect();
    names.map(split).unwrap_or_default()
}

fn take(descriptor: RawFd, name: String) -> Result<PassedSocket, Refused> {
    let taken = duplicate(descriptor).map_err(PassedSocketError::from);
    taken
        .and_then(|socket| PassedSocket::new(name.clone(), socket))
        .map_err(|error| Refused {
            descriptor: Some(descriptor),
            name,
            error,
        })
}

fn duplicate(descriptor: RawFd) -> Result<OwnedFd, Errno> {
    // SAFETY: the number need not be that of an open descriptor: both calls fail then, as they may. They change a
    // flag that nobody who passed it in for this process relies on, and make a new descriptor.
    let new = unsafe {
        libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, FIRST)
    };
    if new < 0 {
        let error = std::io::Error::last_os_error();
        return Err(Errno::from_io_error(&error).unwrap_or(Errno::BADF));
    }
    // SAFETY: the descriptor has just been made, and nobody else knows of it.
    Ok(unsafe { OwnedFd::from_raw_fd(new) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_that_cannot_be_meant_are_refused() {
        assert_eq!(count(None).unwrap(), 0);
        assert_eq!(count(Some("2".into())).unwrap(), 2);
        for text in ["", "-1", "two", "4294967295"] {
            let refused = count(Some(text.into())).unwrap_err();
            assert_eq!(refused.error, PassedSocketError::Count(text.to_owned()));
        }
    }

    #[test]
    fn names_are_separated_by_colons() {
        assert_eq!(names(Some("web::admin".into())), ["web", "", "admin"]);
        assert!(names(None).is_empty());
    }

    #[test]
    fn a_number_behind_which_nothing_is_open_is_refused() {
        let refused = take(RawFd::MAX, "web".to_owned()).unwrap_err();
        assert_eq!(refused.error, PassedSocketError::NotOpen);
        assert_eq!(refused.descriptor, Some(RawFd::MAX));
    }
}
