//! What can be run next to a cluster, by the process that watches it.

use std::sync::Arc;

use crate::log::{Level, Sink, Switches};
use crate::watcher::Handle;

/// The cluster as something sees it that runs beside it: see [`run_beside`](super::run_beside).
#[derive(Clone)]
#[non_exhaustive]
pub struct Beside {
    /// Tells the cluster what to do.
    pub handle: Handle,
    /// The cluster's log.
    pub log: Arc<dyn Sink>,
    pub(super) switches: Switches,
}

impl Beside {
    /// Changes what is logged from now on, whatever `--log-level` and the workers' `RUST_LOG` say.
    pub fn set_log_level(&self, level: Level) {
        self.switches.set_level(level);
        self.handle.set_log_level(level);
    }
}
