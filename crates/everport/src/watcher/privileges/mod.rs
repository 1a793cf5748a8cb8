//! What a worker may do to the system, settled in its process before its program runs.

mod identity;
mod signalling;

use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{FileType, Mode};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, setrlimit, umask};

use super::Credentials;
pub(super) use identity::explain;
pub(super) use signalling::may_signal;

/// The limit on the size of a core at which none is written. Linux takes 0 to be about files only: a program that
/// `core_pattern` pipes cores to would still be given them. It gives it none at a limit of 1, by which it knows that
/// program itself (`cprm.limit == 1` in fs/coredump.c); and one byte is less than it starts a file for (core(5)).
const NO_CORE: u64 = if cfg!(target_os = "linux") { 1 } else { 0 };

/// What workers are and may do.
#[derive(Debug, Clone, Default)]
pub(crate) struct Privileges {
    /// Who they are; `None`: who the watcher is.
    pub(crate) credentials: Option<Credentials>,
    /// Which permissions their new files lack; `None`: the watcher's mask.
    pub(crate) umask: Option<Mode>,
    /// Whether the kernel may write their memory to disk when they crash.
    pub(crate) may_dump_core: bool,
    /// Whether a program that they execute may gain privileges, as set-user-id programs do.
    pub(crate) may_gain_privileges: bool,
}

impl Privileges {
    /// In the child, between fork and exec: only system calls, nothing is allocated. An error means that the
    /// program must not be executed.
    pub(super) fn apply(&self) -> io::Result<()> {
        if let Some(mask) = self.umask {
            umask(mask);
        }
        if !self.may_dump_core {
            dump_no_core()?;
        }
        if let Some(credentials) = &self.credentials {
            identity::assume(credentials)?;
        }
        if !self.may_gain_privileges {
            identity::gain_no_privileges()?;
        }
        Ok(())
    }

    /// In the child, before [`Privileges::apply`]: gives it the pipes it prints to, so that it can open them by
    /// name, as programs do that log to `/dev/stderr`.
    pub(super) fn hand_over(&self, pipes: [BorrowedFd<'_>; 2]) {
        let Some(credentials) = &self.credentials else {
            return;
        };
        for pipe in pipes {
            let is_pipe = |mode| FileType::from_raw_mode(mode) == FileType::Fifo;
            if rustix::fs::fstat(pipe).is_ok_and(|stat| is_pipe(stat.st_mode)) {
                // Who may change users but not owners goes without: printing works all the same.
                let _refused = rustix::fs::fchown(pipe, Some(credentials.uid), None);
            }
        }
    }
}

/// Whoever has a hard limit of 0 and may not raise it stays there.
fn dump_no_core() -> io::Result<()> {
    let limit = |bytes| Rlimit {
        current: Some(bytes),
        maximum: Some(bytes),
    };
    match setrlimit(Resource::Core, limit(NO_CORE)) {
        Err(Errno::PERM) => Ok(setrlimit(Resource::Core, limit(0))?),
        other => Ok(other?),
    }
}
