//! What the watcher's tasks tell its loop.

use super::dispatching::Trouble;
use super::memory_usage::MemoryUsage;
use super::ports::{Opened, PortKey};
use crate::link::{FromWorker, LinkError};
use crate::log::{Thread, ThreadEnding};
use crate::{BindError, WorkerId};

/// What the loop is told by its tasks.
#[derive(Debug)]
pub(crate) enum Input {
    /// A worker said something.
    Frame { worker: WorkerId, frame: FromWorker },
    /// A worker can't be talked to any more while it still lives.
    LinkFailed { worker: WorkerId, error: LinkError },
    /// A worker has lost its socket for messages while it still lives.
    MessagesBroken { worker: WorkerId, error: String },
    /// A worker's process is dead and waits to be reaped. Told again when many records that it left are taken.
    Died { worker: WorkerId },
    /// The thread of a buried worker, which was abandoned, has ended.
    EndedAfterAll {
        worker: WorkerId,
        ending: ThreadEnding,
    },
    /// A worker that is about to be killed was looked at.
    Described {
        worker: WorkerId,
        threads: Vec<Thread>,
    },
    /// A worker's memory was measured; `None` when it could not be.
    Measured {
        worker: WorkerId,
        usage: Option<MemoryUsage>,
    },
    /// A port was opened, or not.
    Opened {
        key: PortKey,
        result: Result<Opened, BindError>,
    },
    /// Something went wrong at a dispatched port.
    Dispatching(Trouble),
}
