//! By a pidfd: it means this one process even when its id has become another's.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, pidfd_open, pidfd_send_signal,
    waitid,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::log::Ending;
use crate::reactor;

/// A child of ours that has not been reaped yet.
#[derive(Debug)]
pub(crate) struct ProcessHandle {
    pid: Pid,
    pidfd: AsyncFd<OwnedFd>,
}

impl ProcessHandle {
    /// Takes hold of a child that nobody has reaped yet. Needs a tokio runtime.
    pub(crate) fn open(pid: Pid) -> io::Result<Self> {
        let pidfd = pidfd_open(pid, PidfdFlags::NONBLOCK)?;
        Ok(Self {
            pid,
            pidfd: reactor::register(pidfd, Interest::READABLE)?,
        })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits until the process is dead. Cancel safe, and done at once when it is dead already. An error
    /// means that the runtime is gone.
    pub(crate) async fn died(&self) -> io::Result<()> {
        self.pidfd.readable().await.map(drop)
    }

    pub(crate) fn signal(&self, signal: Signal) -> rustix::io::Result<()> {
        pidfd_send_signal(self.fd(), signal)
    }

    /// Reaps the process once [`Self::died`] says that it is dead.
    pub(crate) fn reap(&self) -> io::Result<Ending> {
        let status = retry_on_intr(|| waitid(WaitId::PidFd(self.fd()), WaitIdOptions::EXITED))?;
        Ok(Ending {
            code: status.as_ref().and_then(WaitIdStatus::exit_status),
            signal: status.as_ref().and_then(WaitIdStatus::terminating_signal),
            out_of_memory: false,
            thread: None,
        })
    }

    /// Whether the process was stopped (`true`) or continued (`false`) since the last call.
    pub(crate) fn was_stopped(&self) -> io::Result<Option<bool>> {
        let options = WaitIdOptions::STOPPED | WaitIdOptions::CONTINUED | WaitIdOptions::NOHANG;
        match retry_on_intr(|| waitid(WaitId::PidFd(self.fd()), options)) {
            Ok(status) => Ok(status.map(|status| status.stopped())),
            Err(Errno::CHILD) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    fn fd(&self) -> BorrowedFd<'_> {
        self.pidfd.get_ref().as_fd()
    }
}
