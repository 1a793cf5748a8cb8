//! What a terminal that is closed does to the cluster that was started from it, and what `HUP` does otherwise.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use everport_tests::{program, wait_until};
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

/// A cluster that a shell has started in a terminal of its own.
struct Started {
    directory: TempDir,
    terminal: Option<OwnedFd>,
    shell: Child,
}

/// Has a shell run this script in a new terminal; `"$@"` is the command.
fn start(script: &str) -> Started {
    let directory = tempfile::tempdir().unwrap();
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    // Were these tests the leader of a session without a terminal, it would become theirs, and its end their own.
    let flags = OFlags::NOCTTY.bits().cast_signed();
    let mut options = File::options();
    let options = options.read(true).write(true).custom_flags(flags);
    let end = options.open(name.to_str().unwrap());
    // Whoever runs the tests may have these signals ignored.
    let shell = Command::new("env")
        .args(["--default-signal=HUP,INT", "setsid", "--ctty"])
        .args(["sh", "-c", script, "sh"])
        .arg(program("everport"))
        .args(["run", "-w", "1", "--log-file", "log", "--pid-file", "pid"])
        .arg("--")
        .arg(program("test-worker"))
        .args(["--listen", "127.0.0.1:0"])
        .current_dir(directory.path())
        .stdin(end.unwrap())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Started {
        directory,
        terminal: Some(terminal),
        shell,
    };
    started.wait_until_told("the cluster is ready");
    started
}

impl Started {
    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }

    fn watcher(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.directory.path().join("pid")).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.watcher().unwrap(), signal).unwrap();
    }

    fn close_terminal(&mut self) {
        drop(self.terminal.take());
    }

    fn wait_until_told(&self, text: &str) {
        let is_told = || fs::read_to_string(self.log()).is_ok_and(|log| log.contains(text));
        wait_until(text, is_told);
    }

    /// Does what has the log's file opened anew, and waits for that.
    fn wait_for_next_file(&mut self, cause: impl FnOnce(&mut Self)) {
        fs::rename(self.log(), self.directory.path().join("aside")).unwrap();
        cause(self);
        wait_until("the next file", || self.log().exists());
    }

    fn check_it_is_stopped(&self) {
        self.wait_until_told("stopped after");
    }

    /// Only a cluster that goes on can be restarted, which takes longer than to notice that a terminal is closed.
    fn check_it_goes_on(&self) {
        self.signal(Signal::USR1);
        self.wait_until_told("rollout to generation 2 finished");
        let log = fs::read_to_string(self.log()).unwrap();
        assert!(!log.contains("  stopping: ") && !log.contains("  stopped after"));
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // The file is there only as long as the watcher is.
        if let Some(watcher) = self.watcher() {
            let _gone = kill_process(watcher, Signal::QUIT);
            wait_until("the watcher's end", || self.watcher().is_none());
        }
        let _ended = self.shell.kill();
        let _status = self.shell.wait();
    }
}

#[test]
fn a_terminal_that_is_closed_ends_its_cluster_and_a_hup_from_elsewhere_does_not() {
    let mut cluster = start(r#"exec "$@""#);
    cluster.wait_for_next_file(|cluster| cluster.signal(Signal::HUP));
    cluster.check_it_goes_on();
    cluster.close_terminal();
    cluster.check_it_is_stopped();
    assert_eq!(cluster.shell.wait().unwrap().code(), Some(0));
}

#[test]
fn a_terminal_that_is_closed_ends_the_cluster_that_a_shell_waits_for() {
    let mut cluster = start(r#""$@"; exit"#);
    cluster.close_terminal();
    cluster.check_it_is_stopped();
}

#[test]
fn a_shell_that_is_killed_takes_the_cluster_along_that_it_waits_for() {
    let mut cluster = start(r#""$@"; exit"#);
    cluster.shell.kill().unwrap();
    cluster.check_it_is_stopped();
}

#[test]
fn nohup_keeps_a_cluster_when_its_terminal_is_closed() {
    let mut cluster = start(r#"exec nohup "$@""#);
    cluster.wait_for_next_file(Started::close_terminal);
    cluster.check_it_goes_on();
}

/// With job control, as in a shell that somebody types to.
#[test]
fn a_cluster_in_the_background_outlives_its_terminal_and_takes_a_hup_afterwards() {
    let mut cluster = start(r#"set -m; "$@" & wait"#);
    cluster.close_terminal();
    cluster.wait_for_next_file(|cluster| cluster.signal(Signal::HUP));
    cluster.check_it_goes_on();
}

#[test]
fn a_cluster_that_a_script_leaves_behind_outlives_its_terminal_and_takes_a_hup_afterwards() {
    let mut cluster = start(r#""$@" & wait"#);
    cluster.close_terminal();
    cluster.wait_for_next_file(|cluster| cluster.signal(Signal::HUP));
    cluster.check_it_goes_on();
}
