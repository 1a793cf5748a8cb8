//! Ends workers and reaps them: through pidfds, because process ids are reused.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus, WaitOptions};

use crate::log::Ending;

/// Reaps a process whose pidfd says that it is dead. Its process group is killed before that: until the
/// leader is reaped its number can't be anybody else's.
pub(crate) fn reap(pid: Pid, pidfd: BorrowedFd<'_>) -> io::Result<Ending> {
    kill_group(pid)?;
    let status = retry(|| rustix::process::waitid(WaitId::PidFd(pidfd), WaitIdOptions::EXITED))?;
    Ok(Ending {
        code: status.as_ref().and_then(WaitIdStatus::exit_status),
        signal: status.as_ref().and_then(WaitIdStatus::terminating_signal),
        out_of_memory: false,
    })
}

/// Kills an unreaped worker and everything in its process group.
pub(crate) fn kill(pid: Pid, pidfd: BorrowedFd<'_>) -> io::Result<()> {
    unless_gone(rustix::process::pidfd_send_signal(pidfd, Signal::KILL))?;
    kill_group(pid)
}

/// Kills and reaps a child that has just been started and that nothing attends to.
pub(crate) fn put_down(pid: Pid) -> io::Result<()> {
    unless_gone(rustix::process::kill_process(pid, Signal::KILL))?;
    kill_group(pid)?;
    retry(|| rustix::process::waitpid(Some(pid), WaitOptions::empty()))?;
    Ok(())
}

/// Asks a worker that has not greeted yet, and so has no link to be told by, to end.
pub(crate) fn terminate(pidfd: BorrowedFd<'_>) -> io::Result<()> {
    unless_gone(rustix::process::pidfd_send_signal(pidfd, Signal::TERM))
}

/// Whether the process was stopped (`true`) or continued (`false`) since the last call.
pub(crate) fn was_stopped(pidfd: BorrowedFd<'_>) -> io::Result<Option<bool>> {
    let options = WaitIdOptions::STOPPED | WaitIdOptions::CONTINUED | WaitIdOptions::NOHANG;
    match retry(|| rustix::process::waitid(WaitId::PidFd(pidfd), options)) {
        Ok(status) => Ok(status.map(|status| status.stopped())),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::CHILD) => Ok(None),
        Err(error) => Err(error),
    }
}

fn kill_group(pid: Pid) -> io::Result<()> {
    unless_gone(rustix::process::kill_process_group(pid, Signal::KILL))
}

fn unless_gone(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        // Where only the dead leader is left, some systems say "not permitted".
        Err(Errno::PERM) if cfg!(not(target_os = "linux")) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return Ok(result?),
        }
    }
}
