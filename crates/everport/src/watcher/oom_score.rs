//! Has the kernel choose a worker rather than the watcher when memory runs out (`oom_score_adj` in proc_pid(5)).

use std::{fs, io};

use rustix::process::Pid;

/// By how much a worker comes before the watcher: as if it used a tenth of all memory more than it does.
const MARGIN: i32 = 100;
/// The kernel's highest value.
const HIGHEST: i32 = 1000;

/// What workers get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OomScore(i32);

impl OomScore {
    /// Above our own; `None` where there is no such thing.
    pub(super) fn above_ours() -> Option<Self> {
        let text = fs::read_to_string("/proc/self/oom_score_adj").ok()?;
        Some(Self::above(text.trim().parse().ok()?))
    }

    fn above(ours: i32) -> Self {
        Self((ours + MARGIN).min(HIGHEST))
    }

    /// Gives it to a child that has not been reaped. Everybody may raise that of an own process; of another user's
    /// only who may override permissions, as root usually does (CAP_DAC_OVERRIDE).
    pub(super) fn give(self, child: Pid) -> io::Result<()> {
        let file = format!("/proc/{}/oom_score_adj", child.as_raw_nonzero());
        fs::write(file, self.0.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_come_first_as_far_as_the_kernel_counts() {
        assert_eq!(OomScore::above(0), OomScore(100));
        assert_eq!(OomScore::above(-900), OomScore(-800));
        assert_eq!(OomScore::above(950), OomScore(1000));
    }
}
