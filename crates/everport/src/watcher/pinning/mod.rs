//! Which CPU the worker of each slot runs on, if workers are pinned.

#[cfg(all(
    any(target_os = "linux", target_os = "freebsd"),
    not(everport_portable)
))]
mod affinity;
#[cfg(any(
    not(any(target_os = "linux", target_os = "freebsd")),
    everport_portable
))]
mod unsupported;

use std::io;

#[cfg(all(
    any(target_os = "linux", target_os = "freebsd"),
    not(everport_portable)
))]
use affinity::{allowed, run_on};
#[cfg(any(
    not(any(target_os = "linux", target_os = "freebsd")),
    everport_portable
))]
use unsupported::{allowed, run_on};

use crate::SlotId;

/// The CPUs that this process could use when its watcher was made, in their order.
#[derive(Debug, Clone)]
pub(crate) struct Pinning(Vec<usize>);

/// The one that a worker is to run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cpu(usize);

impl Pinning {
    /// Reads which CPUs this process may use.
    pub(crate) fn of_this_process() -> io::Result<Self> {
        allowed().map(Self)
    }

    /// That of a slot; `None` where no CPU is known.
    pub(crate) fn cpu_of(&self, slot: SlotId) -> Option<Cpu> {
        let index = (slot.0 as usize).checked_rem(self.0.len())?;
        Some(Cpu(self.0[index]))
    }
}

impl Cpu {
    /// Has this thread, and those that it starts, run there only. One that the process has lost meanwhile is not
    /// insisted on: a worker elsewhere is better than none. Makes one system call and allocates nothing.
    pub(crate) fn take_this_thread(self) -> io::Result<()> {
        match run_on(self.0) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
            result => result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_dealt_out_to_the_cpus_that_there_are() {
        let pinning = Pinning(vec![1, 4, 6]);
        let cpus = [0, 1, 2, 3, 7].map(|slot| pinning.cpu_of(SlotId(slot)));
        assert_eq!(cpus, [1, 4, 6, 1, 4].map(|cpu| Some(Cpu(cpu))));
        assert_eq!(Pinning(Vec::new()).cpu_of(SlotId(0)), None);
    }

    #[test]
    #[cfg(all(target_os = "linux", not(everport_portable)))]
    fn a_thread_runs_where_it_was_put_and_where_it_may_if_that_is_gone() {
        // A thread of its own: the test's goes on with another test.
        std::thread::spawn(|| {
            let pinning = Pinning::of_this_process().unwrap();
            let last = SlotId(u32::try_from(pinning.0.len()).unwrap() - 1);
            let cpu = pinning.cpu_of(last).unwrap();
            cpu.take_this_thread().unwrap();
            let own = || rustix::thread::sched_getaffinity(None).unwrap();
            assert!(own().is_set(cpu.0) && own().count() == 1);
            // No machine has as many.
            Cpu(rustix::thread::CpuSet::MAX_CPU - 1)
                .take_this_thread()
                .unwrap();
            assert!(own().is_set(cpu.0), "it stays");
        })
        .join()
        .unwrap();
    }
}
