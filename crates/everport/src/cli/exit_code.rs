//! What the command's exit code means.

use std::process;

/// How the command ended. The number is its exit code; none of them changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// The cluster was told to stop, and every worker has drained or was ended at its deadline.
    Graceful = 0,
    /// The watcher itself failed.
    Internal = 1,
    /// The arguments, or the configuration file, make no sense.
    Usage = 2,
    /// No worker was ever ready.
    NeverReady = 3,
    /// A slot was crash-looping and `--exit-on-crash-loop` was given.
    CrashLoop = 4,
    /// No worker was ever ready, and a port could not be had.
    Port = 5,
    /// The pid file or the log file cannot be used, or nobody takes the log at a socket.
    File = 6,
    /// Another instance holds the pid file.
    AlreadyRunning = 7,
    /// The cluster was stopped by force: workers were killed with what they were serving.
    Forced = 8,
    /// A worker's thread hung, and `--exit-on-abandoned-thread` was given: the process has to end to get rid of it.
    AbandonedThread = 9,
    /// The program is there but cannot be executed; the number is the one shells use.
    NotExecutable = 126,
    /// There is no such program; the number is the one shells use.
    NotFound = 127,
}

impl From<ExitCode> for process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}
