//! How long the machine itself lets a program wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How long each sleep is meant to be.
const BEAT: Duration = Duration::from_millis(5);

/// How many programs take part in one request at most, each of which can be made to wait: a client, the watcher, and
/// two workers if one serves for the other.
const PROGRAMS: u32 = 4;

/// Threads that only sleep, one for each processor, because one of them alone may stand still. They see by how much too late they
/// wake up. What other programs do later than that is of their own making.
#[derive(Debug)]
pub struct Stalls {
    is_over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Duration>>,
}

impl Stalls {
    /// Watches from now on.
    #[must_use]
    pub fn watch() -> Self {
        let is_over = Arc::<AtomicBool>::default();
        let watch_on = |processor| {
            let told = Arc::clone(&is_over);
            std::thread::spawn(move || longest_stall(processor, &told))
        };
        let threads = processors().into_iter().map(watch_on).collect();
        Self { is_over, threads }
    }

    /// By how much one of them woke up too late at most.
    ///
    /// # Panics
    /// Never: its threads do not.
    #[must_use]
    pub fn longest(self) -> Duration {
        self.is_over.store(true, Ordering::Relaxed);
        let threads = self.threads.into_iter();
        let each = threads.map(|thread| thread.join().expect("it only sleeps"));
        each.max().unwrap_or_default()
    }

    /// How much later than on a calm machine a request may have been answered.
    ///
    /// # Panics
    /// Never: its threads do not.
    #[must_use]
    pub fn allowance(self) -> Duration {
        self.longest() * PROGRAMS
    }
}

/// Those that this program may run on; none in particular where the system does not say.
fn processors() -> Vec<Option<usize>> {
    let allowed = sched_getaffinity(None);
    let allowed = allowed.map(|set| {
        (0..CpuSet::MAX_CPU)
            .filter(|cpu| set.is_set(*cpu))
            .collect()
    });
    let allowed: Vec<usize> = allowed.unwrap_or_default();
    match allowed.is_empty() {
        true => vec![None],
        false => allowed.into_iter().map(Some).collect(),
    }
}

fn longest_stall(processor: Option<usize>, is_over: &AtomicBool) -> Duration {
    if let Some(processor) = processor {
        let mut only = CpuSet::new();
        only.set(processor);
        // One that was taken away meanwhile has nothing to wait for.
        let _refused = sched_setaffinity(None, &only);
    }
    let mut longest = Duration::ZERO;
    while !is_over.load(Ordering::Relaxed) {
        let begin = Instant::now();
        std::thread::sleep(BEAT);
        longest = longest.max(begin.elapsed().saturating_sub(BEAT));
    }
    longest
}
