//! What the supervisor wants the shell to do.

use alloc::vec::Vec;
use core::time::Duration;

use crate::{Generation, PortId, SlotId, WorkerId};

/// A decision. The shell performs it; a failure comes back as an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start a worker. Answered by `Spawned` or `SpawnFailed`, sooner or later: other actions and events may come in
    /// between, so that the shell can start many workers one after the other and answer those that are there meanwhile.
    Spawn {
        /// The new worker's id.
        worker: WorkerId,
        /// The slot it is for.
        slot: SlotId,
        /// The generation whose program it runs.
        generation: Generation,
    },
    /// Tell a worker to stop accepting, finish and leave. Only for workers that exist, at most once each;
    /// they need not be ready.
    Drain {
        /// Which one.
        worker: WorkerId,
        /// Why.
        reason: DrainReason,
        /// How long it has until it is killed.
        timeout: Duration,
    },
    /// Tell a worker that the cluster is going to stop and that its drain begins after the drain delay. It
    /// goes on accepting until then. Only for workers that exist, at most once each;
    /// they need not be ready.
    AnnounceLeaving {
        /// Which one.
        worker: WorkerId,
        /// How long it goes on: what is left of the drain delay.
        delay: Duration,
    },
    /// Kill a worker and its process group. When it comes before the spawn was answered there may be
    /// nothing to kill yet; it is repeated when `Spawned` arrives. A shell that has not begun with that worker can
    /// answer with `SpawnFailed` instead, and never start it.
    Kill {
        /// Which one.
        worker: WorkerId,
    },
    /// New connections of this port may go to these slots only; the whole list each time, sorted by slot.
    /// Never empty: while nobody serves a port its last steering stays.
    Steer {
        /// Which port.
        port: PortId,
        /// The slots that serve it, each with the worker that does.
        serving: Vec<Serving>,
    },
    /// No worker wants this port any more: empty it and close it. A worker that asks for it later opens it
    /// anew, and a `Steer` follows once that one serves.
    ClosePort {
        /// Which port.
        port: PortId,
    },
    /// The slot is gone (scaled down) and its last worker too: its sockets may be emptied and closed. A
    /// later scale-up uses the same slot again.
    CloseSlot {
        /// Which slot.
        slot: SlotId,
    },
    /// Every worker is gone; the last action there is.
    Exit {
        /// Why.
        reason: ExitReason,
    },
}

/// A slot that serves a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serving {
    /// The slot.
    pub slot: SlotId,
    /// Its newest worker that is ready, runs, does not drain and has asked for the port.
    pub worker: WorkerId,
}

/// Why a worker is told to drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainReason {
    /// A worker of a newer generation (or, rolling back, of the older one) has taken its place.
    Rollout,
    /// A successor of the same generation has taken its place, because it asked for that.
    Replaced,
    /// Its slot is being removed.
    ScaleDown,
    /// The cluster stops.
    Stop,
}

/// Why the cluster ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitReason {
    /// `Stop` was asked for and every worker has drained or been killed at its deadline.
    Stopped,
    /// `ForceStop` was asked for.
    Forced,
    /// No worker was ever ready and every slot has used up its attempts.
    NeverReady,
    /// A slot without a ready worker exceeded its budget and the policy is [`crate::CrashLoop::Exit`].
    CrashLoop,
}
