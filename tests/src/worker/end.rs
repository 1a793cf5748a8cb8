//! How a worker ends that fails: the whole process, or its thread alone.

use std::error::Error;
use std::sync::Arc;

use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::Notify;

/// Whether this worker is a thread beside others: those of a process serve on its main thread.
pub(super) fn is_thread() -> bool {
    std::thread::current().name() != Some("main")
}

/// Ends a process with this code after these words; a thread ends with them as its error.
pub(super) fn fail(code: i32, words: &str) -> Box<dyn Error> {
    if !is_thread() {
        eprintln!("{words}");
        std::process::exit(code);
    }
    words.into()
}

/// Asks the worker's main function to panic, as requests cannot: their panics end their task alone.
#[derive(Debug, Clone, Default)]
pub(super) struct Crash(Arc<Notify>);

impl Crash {
    /// Ends a process here and now, or a thread at its next turn.
    pub(super) fn ask_for(&self) {
        if !is_thread() {
            std::process::abort();
        }
        self.0.notify_one();
    }

    /// The same, but for a process it is a death that nothing in it can see coming.
    pub(super) fn ask_for_the_hardest(&self) {
        if !is_thread() {
            // A process that can't be killed goes on, and its test fails.
            let _killed = kill_process(getpid(), Signal::KILL);
        }
        self.0.notify_one();
    }

    pub(super) async fn was_asked_for(&self) {
        self.0.notified().await;
    }
}
