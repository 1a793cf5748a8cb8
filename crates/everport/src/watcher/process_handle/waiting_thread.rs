//! By the process id and a thread that waits for the death, where there are no pidfds.
//!
//! The id means this one process until it is reaped, and nobody does that but [`ProcessHandle::reap`].

use std::io;
use std::thread;

use rustix::io::retry_on_intr;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tokio::sync::watch;

use crate::log::Ending;

/// The thread makes one system call; the smallest stack that std and libc are happy with.
const STACK: usize = 64 * 1024;

/// A child of ours that has not been reaped yet.
#[derive(Debug)]
pub(crate) struct ProcessHandle {
    pid: Pid,
    is_dead: watch::Receiver<bool>,
}

impl ProcessHandle {
    /// Takes hold of a child that nobody has reaped yet. Its thread ends with the child, even when the
    /// handle goes before.
    pub(crate) fn open(pid: Pid) -> io::Result<Self> {
        let (sender, is_dead) = watch::channel(false);
        thread::Builder::new()
            .name("everport-wait".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                // An error means that there is no such child any more.
                wait(pid, libc::WEXITED | libc::WNOWAIT).ok();
                sender.send_replace(true);
            })?;
        Ok(Self { pid, is_dead })
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Waits until the process is dead. Cancel safe, and done at once when it is dead already.
    pub(crate) async fn died(&self) -> io::Result<()> {
        let mut is_dead = self.is_dead.clone();
        is_dead
            .wait_for(|is_dead| *is_dead)
            .await
            .map(drop)
            .map_err(io::Error::other)
    }

    pub(crate) fn signal(&self, signal: Signal) -> rustix::io::Result<()> {
        kill_process(self.pid, signal)
    }

    /// Reaps the process once [`Self::died`] says that it is dead.
    pub(crate) fn reap(&self) -> io::Result<Ending> {
        let reaped = retry_on_intr(|| waitpid(Some(self.pid), WaitOptions::empty()))?;
        let status = reaped.map(|(_, status)| status);
        Ok(Ending {
            code: status.and_then(|status| status.exit_status()),
            signal: status.and_then(|status| status.terminating_signal()),
            out_of_memory: false,
            thread: None,
        })
    }

    /// Whether the process was stopped (`true`) or continued (`false`) since the last call.
    pub(crate) fn was_stopped(&self) -> io::Result<Option<bool>> {
        let options = libc::WSTOPPED | libc::WCONTINUED | libc::WNOHANG;
        match wait(self.pid, options) {
            Ok(change) => Ok(change.map(|code| code == libc::CLD_STOPPED)),
            Err(error) if error.raw_os_error() == Some(libc::ECHILD) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Waits for a change of a child's state and says which (`CLD_…`); `None` when there is none at once. It
/// calls libc, because rustix has no `waitid` for OpenBSD, and `waitpid` can't leave the dead unreaped.
fn wait(pid: Pid, options: libc::c_int) -> io::Result<Option<libc::c_int>> {
    loop {
        // SAFETY: an all-zero siginfo is valid, and waitid fills it in.
        let (result, info, subject) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let id = pid.as_raw_nonzero().get() as libc::id_t;
            let result = libc::waitid(libc::P_PID, id, &raw mut info, options);
            (result, info, info.si_pid())
        };
        if result == 0 {
            return Ok((subject != 0).then_some(info.si_code));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
