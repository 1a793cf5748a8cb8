//! A worker's process: learns of its death, sends it signals and reaps it, and never takes another for it.

#[cfg(all(target_os = "linux", not(everport_portable)))]
mod pidfd;
#[cfg(any(not(target_os = "linux"), everport_portable))]
mod waiting_thread;

#[cfg(all(target_os = "linux", not(everport_portable)))]
pub(crate) use pidfd::ProcessHandle;
#[cfg(any(not(target_os = "linux"), everport_portable))]
pub(crate) use waiting_thread::ProcessHandle;

/// A process id as people write it.
pub(crate) fn number(pid: rustix::process::Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};
    use std::time::Duration;

    use rustix::process::{Pid, Signal};

    use super::ProcessHandle;

    /// A process in a group of its own, as a worker is.
    #[expect(clippy::zombie_processes, reason = "the handle reaps it")]
    fn start(script: &str) -> ProcessHandle {
        let child: Child = Command::new("sh")
            .args(["-c", script])
            .process_group(0)
            .spawn()
            .unwrap();
        ProcessHandle::open(Pid::from_child(&child)).unwrap()
    }

    async fn wait_for_death(process: &ProcessHandle) {
        let bound = Duration::from_secs(10);
        let died = tokio::time::timeout(bound, process.died()).await;
        died.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_death_is_seen_time_and_again_and_then_reaped_with_its_code() {
        let process = start("exit 7");
        wait_for_death(&process).await;
        wait_for_death(&process).await;
        let ending = process.reap().unwrap();
        assert_eq!((ending.code, ending.signal), (Some(7), None));
        assert!(process.reap().is_err());
    }

    #[tokio::test]
    async fn a_signal_ends_it_and_is_how_it_ended() {
        let process = start("exec sleep 60");
        process.signal(Signal::KILL).unwrap();
        wait_for_death(&process).await;
        let ending = process.reap().unwrap();
        assert_eq!((ending.code, ending.signal), (None, Some(libc::SIGKILL)));
    }

    #[tokio::test]
    async fn a_stop_is_told_once_and_a_death_is_none() {
        let process = start("exec sleep 60");
        assert_eq!(process.was_stopped().unwrap(), None);
        process.signal(Signal::STOP).unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(10);
        let stopped = loop {
            match process.was_stopped().unwrap() {
                Some(stopped) => break stopped,
                None => assert!(std::time::Instant::now() < deadline, "it was not stopped"),
            }
        };
        assert!(stopped);
        assert_eq!(process.was_stopped().unwrap(), None);
        process.signal(Signal::KILL).unwrap();
        wait_for_death(&process).await;
        assert_eq!(process.was_stopped().unwrap(), None);
        assert_eq!(process.reap().unwrap().signal, Some(libc::SIGKILL));
    }
}
