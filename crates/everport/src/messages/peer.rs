//! Who can be written to.

use std::fmt;

use everport_core::WorkerId;

/// Somebody who sends and receives messages: the watcher's own application, or a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Peer {
    /// The application that the watcher is embedded in.
    Watcher,
    /// A worker.
    Worker(WorkerId),
}

impl Peer {
    /// The peer's number in a frame.
    pub(crate) fn number(self) -> u64 {
        match self {
            Self::Watcher => WATCHER,
            Self::Worker(worker) => worker.0,
        }
    }

    pub(crate) fn from_number(number: u64) -> Self {
        match number {
            WATCHER => Self::Watcher,
            worker => Self::Worker(WorkerId(worker)),
        }
    }
}

/// The watcher's number: the ids of workers begin at 1.
const WATCHER: u64 = 0;

impl From<WorkerId> for Peer {
    fn from(worker: WorkerId) -> Self {
        Self::Worker(worker)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Watcher => f.write_str("the watcher"),
            Self::Worker(worker) => write!(f, "worker {worker}"),
        }
    }
}
