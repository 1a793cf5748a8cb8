//! Remembers whether a port was refused, so that the exit code can say so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::log::{Entry, Notice, Sink};

/// Passes entries on and remembers whether one of them was about a port that could not be had.
pub(super) struct PortTrouble {
    sink: Arc<dyn Sink>,
    seen: AtomicBool,
}

impl PortTrouble {
    pub(super) fn watch(sink: Arc<dyn Sink>) -> Self {
        Self {
            sink,
            seen: AtomicBool::new(false),
        }
    }

    /// Whether any worker was refused a port.
    pub(super) fn was_seen(&self) -> bool {
        self.seen.load(Ordering::Relaxed)
    }
}

impl Sink for PortTrouble {
    fn write(&self, entry: Entry) {
        if matches!(entry, Entry::Notice(Notice::PortRefused { .. })) {
            self.seen.store(true, Ordering::Relaxed);
        }
        self.sink.write(entry);
    }
}
