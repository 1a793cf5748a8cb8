//! How a worker's process ended, in words.

use std::fmt;

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The exit code, if it exited by itself.
    pub code: Option<i32>,
    /// The signal, if one ended it.
    pub signal: Option<i32>,
    /// Whether the kernel says that it ran out of memory meanwhile.
    pub out_of_memory: bool,
}

impl Ending {
    /// Whether it exited by itself with success.
    #[must_use]
    pub fn is_success(&self) -> bool {
        self.code == Some(0)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
