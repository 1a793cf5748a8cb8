//! How long the machine itself lets a program wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long each sleep is meant to be.
const BEAT: Duration = Duration::from_millis(5);

/// How many programs take part in one request at most, each of which can be made to wait: a client, the watcher, and
/// two workers if one serves for the other.
const PROGRAMS: u32 = 4;

/// A thread that only sleeps, and sees by how much too late it wakes up. What other programs do later than that is of
/// their own making.
#[derive(Debug)]
pub struct Stalls {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Stalls {
    /// Watches from now on.
    #[must_use]
    pub fn watch() -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let told = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || longest_stall(&told));
        Self { is_over, thread }
    }

    /// By how much it woke up too late at most.
    ///
    /// # Panics
    /// Never: its thread does not.
    #[must_use]
    pub fn longest(self) -> Duration {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("it only sleeps")
    }

    /// How much later than on a calm machine a request may have been answered.
    ///
    /// # Panics
    /// Never: its thread does not.
    #[must_use]
    pub fn allowance(self) -> Duration {
        self.longest() * PROGRAMS
    }
}

fn longest_stall(is_over: &AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    while !is_over.load(Ordering::Relaxed) {
        let begin = Instant::now();
        std::thread::sleep(BEAT);
        longest = longest.max(begin.elapsed().saturating_sub(BEAT));
    }
    longest
}
