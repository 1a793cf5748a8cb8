//! Reaps children that are nobody's worker: PID 1 inherits every orphan.

use std::io;

/// Looks for one dead child without reaping it.
pub(crate) fn dead_child() -> io::Result<Option<i32>> {
    loop {
        // SAFETY: an all-zero siginfo is valid, and waitid fills it in; WNOWAIT leaves the child as it is.
        let (result, pid) = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
            let result = libc::waitid(libc::P_ALL, 0, &raw mut info, options);
            (result, info.si_pid())
        };
        if result == 0 {
            return Ok((pid != 0).then_some(pid));
        }
        let error = io::Error::last_os_error();
        match error.raw_os_error() {
            Some(libc::EINTR) => {}
            Some(libc::ECHILD) => return Ok(None),
            _ => return Err(error),
        }
    }
}

/// Reaps a child that [`dead_child`] has named and that is not a worker.
pub(crate) fn reap(pid: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        // Nobody waits for how an orphan ended, and one that is gone already is what we want.
        let _gone = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG);
    }
}
