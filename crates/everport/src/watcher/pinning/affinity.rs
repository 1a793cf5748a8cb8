//! By the affinity of threads, as the kernel keeps it.

use std::io;

use rustix::process::getpid;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Where the main thread may run, and with that every other one that was not told otherwise.
pub(super) fn allowed() -> io::Result<Vec<usize>> {
    let set = sched_getaffinity(Some(getpid()))?;
    Ok((0..CpuSet::MAX_CPU)
        .filter(|cpu| set.is_set(*cpu))
        .collect())
}

/// Has this thread run on one CPU.
pub(super) fn run_on(cpu: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    Ok(sched_setaffinity(None, &set)?)
}
