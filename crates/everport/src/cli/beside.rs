//! What can be run next to a cluster, by the process that watches it.

use std::fmt;
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

impl fmt::Debug for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Beside")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

impl Beside {
    /// Changes what is logged from now on, whatever `--log-level` and the workers' `RUST_LOG` say.
    pub fn set_log_level(&self, level: Level) {
        self.switches.set_level(level);
        self.handle.set_log_level(level);
    }
}
