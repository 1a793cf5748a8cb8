//! Remembers the last port that was refused, so that the command's last words and exit code can say so.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::BindError;
use crate::log::{Entry, Notice, Sink};

/// Passes entries on and remembers the last one about a port that could not be had.
pub(super) struct PortTrouble {
    sink: Arc<dyn Sink>,
    last: Mutex<Option<BindError>>,
}

impl PortTrouble {
    pub(super) fn watch(sink: Arc<dyn Sink>) -> Self {
        Self {
            sink,
            last: Mutex::new(None),
        }
    }

    /// Why a worker was refused a port, if any was.
    pub(super) fn last(&self) -> Option<BindError> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<BindError>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for PortTrouble {
    fn write(&self, entry: Entry) {
        if let Entry::Notice(Notice::PortRefused { error, .. }, _) = &entry {
            *self.lock() = Some(error.clone());
        }
        self.sink.write(entry);
    }
}
