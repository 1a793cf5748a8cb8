//! How a worker ended, in words.

use std::fmt;

use super::escape::escape_display;

/// How a worker ended: a process by its code or a signal, a thread in one of its own ways.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ending {
    /// The exit code, if it exited by itself.
    pub code: Option<i32>,
    /// The signal, if one ended it.
    pub signal: Option<i32>,
    /// Whether the kernel says that it ran out of memory meanwhile.
    pub out_of_memory: bool,
    /// How its thread ended, if it was one. Then there is neither a code nor a signal.
    pub thread: Option<ThreadEnding>,
}

/// How a worker ended that was a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ThreadEnding {
    /// Its main function returned `Ok`.
    Returned,
    /// Its main function returned an error, or it could not even be called: this text, with its causes.
    Failed(String),
    /// A panic unwound its main function: where, if that is known, and the panic's text.
    Panicked(String),
    /// It was ended at an await, with all that it was doing.
    Killed,
    /// It was to be ended and does not come to an await: it is abandoned, and goes on.
    Abandoned,
}

impl ThreadEnding {
    /// One word for it, for machines.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Returned => "returned",
            Self::Failed(_) => "failed",
            Self::Panicked(_) => "panicked",
            Self::Killed => "killed",
            Self::Abandoned => "abandoned",
        }
    }

    /// What it says beside that.
    pub(super) fn failure(&self) -> Option<&str> {
        match self {
            Self::Failed(text) | Self::Panicked(text) => Some(text),
            Self::Returned | Self::Killed | Self::Abandoned => None,
        }
    }
}

impl fmt::Display for ThreadEnding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned => f.write_str("returned"),
            Self::Failed(error) => write!(f, "failed: {}", escape_display(error)),
            Self::Panicked(text) => write!(f, "panicked {}", escape_display(text)),
            Self::Killed => f.write_str("killed"),
            Self::Abandoned => f.write_str("abandoned"),
        }
    }
}

impl Ending {
    /// Whether it ended by itself with success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.code == Some(0) || self.thread == Some(ThreadEnding::Returned)
    }

    /// That of a thread.
    pub(crate) fn of_thread(ending: ThreadEnding) -> Self {
        Self {
            thread: Some(ending),
            ..Self::default()
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(thread) = &self.thread {
            return thread.fmt(f);
        }
        match (self.signal, self.code) {
            (Some(signal), _) => match signal_name(signal) {
                Some(name) => write!(f, "killed by {name}")?,
                None => write!(f, "killed by signal {signal}")?,
            },
            (None, Some(code)) if code != 0 => write!(f, "exited with code {code}")?,
            (None, _) => f.write_str("exited")?,
        }
        if self.out_of_memory {
            f.write_str(" (probably out of memory)")?;
        }
        Ok(())
    }
}

pub(super) fn signal_name(signal: i32) -> Option<&'static str> {
    SIGNAL_NAMES
        .iter()
        .find(|(number, _)| *number == signal)
        .map(|(_, name)| *name)
}

/// The signals whose default action ends a process.
const SIGNAL_NAMES: [(i32, &str); 21] = [
    (libc::SIGHUP, "SIGHUP"),
    (libc::SIGINT, "SIGINT"),
    (libc::SIGQUIT, "SIGQUIT"),
    (libc::SIGILL, "SIGILL"),
    (libc::SIGTRAP, "SIGTRAP"),
    (libc::SIGABRT, "SIGABRT"),
    (libc::SIGBUS, "SIGBUS"),
    (libc::SIGFPE, "SIGFPE"),
    (libc::SIGKILL, "SIGKILL"),
    (libc::SIGUSR1, "SIGUSR1"),
    (libc::SIGSEGV, "SIGSEGV"),
    (libc::SIGUSR2, "SIGUSR2"),
    (libc::SIGPIPE, "SIGPIPE"),
    (libc::SIGALRM, "SIGALRM"),
    (libc::SIGTERM, "SIGTERM"),
    (libc::SIGXCPU, "SIGXCPU"),
    (libc::SIGXFSZ, "SIGXFSZ"),
    (libc::SIGVTALRM, "SIGVTALRM"),
    (libc::SIGPROF, "SIGPROF"),
    (libc::SIGIO, "SIGIO"),
    (libc::SIGSYS, "SIGSYS"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ending_names_its_cause() {
        let check = |code, signal, out_of_memory, expected: &str| {
            let ending = Ending {
                code,
                signal,
                out_of_memory,
                thread: None,
            };
            assert_eq!(ending.to_string(), expected);
        };
        check(Some(0), None, false, "exited");
        check(Some(3), None, false, "exited with code 3");
        check(None, Some(libc::SIGSEGV), false, "killed by SIGSEGV");
        check(
            None,
            Some(libc::SIGKILL),
            true,
            "killed by SIGKILL (probably out of memory)",
        );
        check(None, Some(64), false, "killed by signal 64");
    }
}
