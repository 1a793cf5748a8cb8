//! Which cores threads run on.

use anyhow::Context;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Keeps this thread on one core until it is dropped, with all that it starts meanwhile.
#[derive(Debug)]
pub(crate) struct Pinned {
    before: CpuSet,
}

impl Pinned {
    /// Pins to the core with this number among those the process may use.
    pub(crate) fn to(number: usize) -> anyhow::Result<Self> {
        let before = sched_getaffinity(None).context("cannot read this thread's cores")?;
        let mut allowed = (0..CpuSet::MAX_CPU).filter(|core| before.is_set(*core));
        let core = allowed
            .nth(number)
            .with_context(|| format!("there is no core {number}: pinning needs two"))?;
        let mut only = CpuSet::new();
        only.set(core);
        sched_setaffinity(None, &only).with_context(|| format!("cannot pin to core {core}"))?;
        Ok(Self { before })
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // The cores of before were allowed before; should they not be any more, the thread stays pinned.
        let _ = sched_setaffinity(None, &self.before);
    }
}
