//! Ends workers and reaps them, and their process groups with them.

use std::io;

use rustix::io::{Errno, retry_on_intr};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpid};

use super::process_handle::ProcessHandle;
use crate::log::Ending;

/// Reaps a process that is dead. Its process group is killed before that: until the leader is reaped its
/// number can't be anybody else's.
pub(crate) fn reap(process: &ProcessHandle) -> io::Result<Ending> {
    // A group that may not be killed, because its processes are another user's, is no reason to keep a zombie.
    let _left_alone = kill_group(process.pid());
    process.reap()
}

/// Kills an unreaped worker and everything in its process group.
pub(crate) fn kill(process: &ProcessHandle) -> io::Result<()> {
    unless_gone(process.signal(Signal::KILL))?;
    kill_group(process.pid())
}

/// Kills and reaps a child that has just been started and that nothing attends to.
pub(crate) fn put_down(pid: Pid) -> io::Result<()> {
    unless_gone(kill_process(pid, Signal::KILL))?;
    let _left_alone = kill_group(pid);
    retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()))?;
    Ok(())
}

/// Asks a worker that has not greeted yet, and so has no link to be told by, to end.
pub(crate) fn terminate(process: &ProcessHandle) -> io::Result<()> {
    unless_gone(process.signal(Signal::TERM))
}

fn kill_group(pid: Pid) -> io::Result<()> {
    unless_gone(kill_process_group(pid, Signal::KILL))
}

fn unless_gone(result: rustix::io::Result<()>) -> io::Result<()> {
    match result {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        // Where only the dead leader is left, some systems say "not permitted".
        Err(Errno::PERM) if cfg!(not(target_os = "linux")) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
