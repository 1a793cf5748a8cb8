//! Tells a `HUP` that comes because our terminal was closed from one that means the log's files.

use std::fs::File;
use std::mem::MaybeUninit;
use std::ptr;

use rustix::io::Errno;
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;

/// The terminal that the command was started from, if any.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terminal {
    /// Whether we are to end with it: we had its foreground, and nobody said that we shall outlive it.
    is_ours: bool,
}

impl Terminal {
    /// Looks at how the command was started. This has to come before any handler of signals is installed.
    pub(super) fn at_start() -> Self {
        // `nohup` ignores the one. A shell without job control, which leaves what it starts with `&` in its own
        // process group, ignores the other.
        let is_to_stay = is_ignored(libc::SIGHUP) || is_ignored(libc::SIGINT);
        Self {
            is_ours: !is_to_stay && has_foreground(),
        }
    }

    /// Whether a `HUP` can mean that it was closed.
    pub(super) fn is_ours(self) -> bool {
        self.is_ours
    }

    /// Whether it was closed: nobody sees the cluster any more, or could stop it from where it was started. Any other
    /// reason not to open it, such as too many open files, says nothing.
    pub(super) fn is_closed(self) -> bool {
        let reason = open().err().and_then(|error| error.raw_os_error());
        self.is_ours && reason == Some(Errno::NXIO.raw_os_error())
    }
}

fn has_foreground() -> bool {
    open().is_ok_and(|terminal| tcgetpgrp(terminal) == Ok(getpgrp()))
}

/// Opens the terminal of our session, which is there as long as it is not closed.
fn open() -> std::io::Result<File> {
    File::open("/dev/tty")
}

/// Whether whoever started us had this signal ignored.
fn is_ignored(signal: libc::c_int) -> bool {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: without a new action the call changes nothing; the old one is written to memory of ours that fits.
    let read = unsafe { libc::sigaction(signal, ptr::null(), action.as_mut_ptr()) };
    // SAFETY: a call that has succeeded has written it.
    read == 0 && unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN
}
