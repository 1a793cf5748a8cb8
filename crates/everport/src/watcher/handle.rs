//! Commands to a running watcher from elsewhere in the program.

use everport_core::Status;

/// Tells a running watcher what to do. Cheap to clone; calls after its end do nothing.
#[derive(Debug, Clone)]
pub struct Handle {}

impl Handle {
    /// Starts a rolling restart; during one, one more follows.
    pub fn restart(&self) {}

    /// Holds this many workers; at least 1.
    pub fn scale(&self, workers: u32) {
        let _ = workers;
    }

    /// Holds this many workers more (or fewer, when negative) than now; at least 1.
    pub fn scale_by(&self, change: i32) {
        let _ = change;
    }

    /// Drains every worker and ends.
    pub fn stop(&self) {}

    /// Kills every worker and ends.
    pub fn force_stop(&self) {}

    /// Looks at the children's states: call it on `SIGCHLD`, so that a worker stopped by a signal is
    /// noticed. Deaths are noticed without it.
    pub fn children_changed(&self) {}

    /// Reaps children that are not workers: for a process that is PID 1 and inherits orphans.
    pub fn reap_orphans(&self) {}

    /// What the cluster looks like; `None` once the watcher has ended.
    pub async fn status(&self) -> Option<Status> {
        None
    }
}
