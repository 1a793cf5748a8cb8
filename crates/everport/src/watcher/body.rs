//! What a worker lives in: a process, or a thread of this process.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;

use super::death;
use super::process_handle::{ProcessHandle, number};
use super::worker_thread::WorkerThread;
use crate::log::{Ending, ThreadEnding};

/// What a worker lives in. Each question has an answer for both.
#[derive(Debug)]
pub(crate) enum Body {
    Process(ProcessHandle),
    Thread(WorkerThread),
}

/// What to look at in order to see what a worker does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// Every thread of this process.
    Process(u32),
    /// One thread of this process of ours, by the system's number for it, if that is known.
    Thread(Option<u32>),
}

impl Body {
    /// The id of the process it runs in.
    pub(crate) fn pid(&self) -> u32 {
        match self {
            Self::Process(process) => number(process.pid()),
            Self::Thread(_) => std::process::id(),
        }
    }

    /// The name of its thread, if it is one.
    pub(crate) fn thread_name(&self) -> Option<&str> {
        match self {
            Self::Process(_) => None,
            Self::Thread(thread) => Some(thread.name()),
        }
    }

    /// Waits until it is dead, or is given up on. Cancel safe, and done at once from then on.
    pub(crate) async fn died(&self) {
        match self {
            // An error means that the reactor is gone, and the loop with it.
            Self::Process(process) => drop(process.died().await),
            Self::Thread(thread) => thread.died().await,
        }
    }

    /// Ends it at once, whatever it does. A thread ends at its next await, or is given up on soon.
    pub(crate) fn kill(&self) -> io::Result<()> {
        match self {
            Self::Process(process) => death::kill(process),
            Self::Thread(thread) => {
                thread.kill();
                Ok(())
            }
        }
    }

    /// Asks one to end that has not greeted yet. A thread greets by itself, and is told by its link then.
    pub(crate) fn terminate(&self) {
        if let Self::Process(process) = self {
            // A failure leaves it to its drain deadline.
            drop(death::terminate(process));
        }
    }

    /// How it ended, once [`Self::died`] says that it has. Nothing of a process is left behind then.
    pub(crate) fn reap(&self) -> Ending {
        match self {
            // Somebody else in this process has reaped it; how it ended is lost with that.
            Self::Process(process) => death::reap(process).unwrap_or_default(),
            Self::Thread(thread) => Ending::of_thread(thread.ending()),
        }
    }

    /// What is known of its end beside what it has printed and logged, as lines.
    pub(crate) fn last_words(&self) -> Vec<String> {
        match self {
            Self::Process(_) => Vec::new(),
            Self::Thread(thread) => {
                let backtrace = thread.backtrace().unwrap_or_default();
                backtrace.lines().map(str::to_owned).collect()
            }
        }
    }

    /// Waits until one has really ended that was given up on, and tells how.
    pub(crate) async fn ended_after_all(&self) -> ThreadEnding {
        match self {
            // Nobody gives up on a process.
            Self::Process(_) => std::future::pending().await,
            Self::Thread(thread) => {
                thread.ended().await;
                thread.ending()
            }
        }
    }

    /// Ends one that has just been started and that nothing attends to.
    pub(crate) fn put_down(&self) -> io::Result<()> {
        match self {
            Self::Process(process) => death::put_down(process.pid()),
            Self::Thread(thread) => {
                thread.kill();
                Ok(())
            }
        }
    }

    /// Whether it was stopped by a signal (`true`) or continued (`false`) since the last call. A thread never is: a
    /// signal stops the whole process.
    pub(crate) fn was_stopped(&self) -> Option<bool> {
        match self {
            // A process that can't be asked is about to be reported dead.
            Self::Process(process) => process.was_stopped().ok().flatten(),
            Self::Thread(_) => None,
        }
    }

    /// Whether it is this child of ours.
    pub(crate) fn is_child(&self, pid: i32) -> bool {
        match self {
            Self::Process(process) => process.pid().as_raw_nonzero().get() == pid,
            Self::Thread(_) => false,
        }
    }

    /// Where to look at what it does.
    pub(crate) fn whereabouts(&self) -> Whereabouts {
        match self {
            Self::Process(process) => Whereabouts::Process(number(process.pid())),
            Self::Thread(thread) => Whereabouts::Thread(thread.system_id()),
        }
    }

    /// Whether it still runs this file, so that the kernel lets nobody write to it: the worker may itself have
    /// executed something else. "No" as well where we may not look.
    pub(crate) fn runs(&self, file: &Metadata) -> bool {
        let program = fs::metadata(format!("/proc/{}/exe", self.pid()));
        program.is_ok_and(|program| (program.dev(), program.ino()) == (file.dev(), file.ino()))
    }
}
