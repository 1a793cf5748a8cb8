//! What a watcher holds, to be compared before and after.

use std::fmt;
use std::time::Instant;

use everport_tests::{Cluster, PATIENCE, open_descriptors, resident_kib, threads, zombies_of};

/// What a watcher holds at a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ledger {
    descriptors: usize,
    threads: usize,
    zombies: usize,
    resident_kib: u64,
}

/// How much the watcher's memory may grow over a phase: 1 MiB, as over 10,000 restarts.
const GROWTH_KIB: u64 = 1024;

impl Ledger {
    /// Takes stock once no worker is on its way out any more.
    pub(crate) fn of(cluster: &Cluster) -> Self {
        let deadline = Instant::now() + PATIENCE;
        while cluster.workers().len() != 4 && Instant::now() < deadline {
            std::thread::yield_now();
        }
        let pid = cluster.pid();
        Self {
            descriptors: open_descriptors(pid),
            threads: threads(pid),
            zombies: zombies_of(pid),
            resident_kib: resident_kib(pid),
        }
    }

    pub(crate) fn is_no_more_than(&self, before: &Self) -> bool {
        self.descriptors <= before.descriptors
            && self.threads <= before.threads
            && self.zombies == 0
            && self.resident_kib <= before.resident_kib + GROWTH_KIB
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            descriptors,
            threads,
            zombies,
            resident_kib,
        } = self;
        write!(
            f,
            "{descriptors} descriptors, {threads} threads, {zombies} zombies, {resident_kib} KiB"
        )
    }
}
