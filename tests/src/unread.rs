//! A cluster of one worker whose log nobody reads until the test does.

use std::io::{Cursor, Read};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{Answer, Kind, Log, get_unix, wait_until};

/// The cluster, the pipe that it logs to, and the directory of its socket. Killed when it is dropped.
#[derive(Debug)]
pub struct Unread {
    directory: TempDir,
    watcher: Child,
    stdout: Option<ChildStdout>,
    /// What was read of its log before anybody followed it.
    begun: Vec<u8>,
}

impl Unread {
    /// Starts it and waits until its worker listens, which is a test worker of this kind with these arguments, as words.
    ///
    /// # Panics
    /// When it does not listen in time.
    #[must_use]
    pub fn start(kind: Kind, options: &str, arguments: &str) -> Self {
        let directory = crate::socket_directory();
        let socket = directory.path().join("socket");
        let mut command = kind.command(&format!("-w 1 {options}"), arguments);
        command.arg("--unix").arg(&socket);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut watcher = command
            .stderr(Stdio::null())
            .spawn()
            .expect("the command starts");
        let stdout = watcher.stdout.take();
        let unread = Self {
            directory,
            watcher,
            stdout,
            begun: Vec::new(),
        };
        wait_until("it listens", || UnixStream::connect(&socket).is_ok());
        unread
    }

    /// A path in its directory.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Asks its worker.
    #[must_use]
    pub fn get(&self, path: &str) -> Answer {
        get_unix(&self.path("socket"), path)
    }

    /// Sends the watcher a signal.
    ///
    /// # Panics
    /// When it cannot be sent.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.watcher), signal).expect("the watcher runs");
    }

    /// Reads so much of the log, and waits until there is so much.
    ///
    /// # Panics
    /// When it ends before that, or is read already.
    pub fn read_some(&mut self, bytes: usize) {
        let stdout = self.stdout.as_mut().expect("nobody follows it");
        let read = stdout.take(bytes as u64).read_to_end(&mut self.begun);
        assert_eq!(read.expect("it can be read"), bytes, "the log has ended");
    }

    /// Begins to read the log, or goes on after what was read of it.
    ///
    /// # Panics
    /// When it is read already.
    pub fn read(&mut self) -> Log {
        let log = Log::default();
        let begun = Cursor::new(std::mem::take(&mut self.begun));
        log.follow(begun.chain(self.stdout.take().expect("it is read once")));
        log
    }

    /// Stops the cluster, which ends well.
    ///
    /// # Panics
    /// When it does not.
    pub fn stop(mut self) {
        self.signal(Signal::TERM);
        assert!(self.watcher.wait().expect("it is our child").success());
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        // One that has been waited for is not killed again.
        let _stopped = self.watcher.kill();
        let _waited_for = self.watcher.wait();
    }
}
